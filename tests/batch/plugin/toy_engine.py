"""An engine of somebody else, installed by its entry point: computes next to nothing.

What it does is told by the item's comment, so that a test can order a crash or a hang.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import scipy.sparse as sp

from napari_cnmf.engines.base import Algorithm, Outcome
from napari_cnmf.errors import CancelledByUser, EngineError
from napari_cnmf.io import TiffMovieWriter, frame_source, open_movie, write_images
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.motion import write_motion
from napari_cnmf.model.components import Components


class ToyEngine:
    name = "toy"
    title = "Toy"

    def unavailable_reason(self):
        return None

    def version(self):
        return "1.0"

    def algorithms(self):
        return frozenset(Algorithm)

    def unused_parameters(self, algorithm, params):
        return {}

    def run(self, job, reporter):
        order = json.loads((job.folder / "item.json").read_text())["comment"]
        reporter.progress("toy", 0, 3)
        if order:
            getattr(self, order.split()[0])(job, reporter)
        reporter.progress("toy", 3, 3)
        return self.move(job) if job.algorithm is Algorithm.MCORR else self.find(job)

    def move(self, job):
        movie = open_movie(list(job.movie_paths), frame_rate_hz=job.frame_rate_hz)
        frames = frame_source(movie).read(0, movie.n_frames)
        with TiffMovieWriter(
            job.folder / "corrected.tif",
            movie.shape,
            movie.dtype,
            frame_rate_hz=job.frame_rate_hz,
        ) as writer:
            writer.write(0, frames)
        write_motion(job.folder / "motion.h5", shifts=np.zeros((movie.n_frames, 2)), border_px=3)
        write_images(job.folder / "images.npz", {"mean": frames.mean(0)})
        outputs = ("corrected.tif", "motion.h5", "images.npz")
        return Outcome(outputs, figures={"border_px": 3.0})

    def find(self, job):
        movie = open_movie(list(job.movie_paths), frame_rate_hz=job.frame_rate_hz)
        frames = frame_source(movie).read(0, movie.n_frames).astype(np.float32)
        A = sp.csc_matrix(np.eye(int(np.prod(movie.dims)), 2, dtype=np.float32))
        C = frames.reshape(len(frames), -1)[:, :2].T.copy()
        components = Components(
            A,
            C,
            movie.dims,
            accepted=np.array([True, False]),
            snr=np.ones(2, np.float32),
            r_values=np.ones(2, np.float32),
            frame_rate_hz=job.frame_rate_hz,
            params=job.params.to_caiman(frame_rate_hz=job.frame_rate_hz, dims=movie.dims),
        )
        write_caiman(components, job.folder / "result.hdf5", movie_path=job.movie_paths[0])
        write_images(job.folder / "images.npz", {"mean": frames.mean(0)})
        return Outcome(("result.hdf5", "images.npz"), 2, 1)

    # -- what a comment can order

    def fail(self, job, reporter):
        raise EngineError("The toy must work, and it broke. Try another one.")

    def warn(self, job, reporter):
        reporter.warning("The toy should rest, and it moved. Hold it.")
        if "and fail" in json.loads((job.folder / "item.json").read_text())["comment"]:
            self.fail(job, reporter)

    def bug(self, job, reporter):
        raise ZeroDivisionError("a bug of the toy")

    def crash(self, job, reporter):
        os.kill(os.getpid(), signal.SIGKILL)

    def polite(self, job, reporter):
        """Works until it is cancelled."""
        reporter.progress("polite", 1, 3)
        pause = threading.Event()
        while not reporter.should_stop():
            pause.wait(0.02)
        raise CancelledByUser("stopped")

    def deaf(self, job, reporter):
        """Uses the CPU, hears nothing, has a child that hears nothing."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", code])
        reporter.progress(f"deaf {child.pid}", 1, 3)
        while True:
            sum(range(10_000))

    def still(self, job, reporter):
        """Says nothing and does nothing."""
        reporter.progress("still", 1, 3)
        threading.Event().wait(600)

    def orphan(self, job, reporter):
        """Dies, and leaves a child behind."""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        reporter.progress(f"orphan {child.pid}", 1, 3)
        os.kill(os.getpid(), signal.SIGKILL)

    def gate(self, job, reporter):
        """Goes on once ``<word>`` exists beside the batch; stops at once when cancelled."""
        reporter.progress("gate", 1, 3)
        word = json.loads((job.folder / "item.json").read_text())["comment"].split()[1]
        gate = job.folder.parents[2] / word
        pause = threading.Event()
        while not gate.exists():
            if reporter.should_stop():
                raise CancelledByUser("stopped")
            pause.wait(0.02)

    def half(self, job, reporter):
        """Writes its first output, then does what the next word says."""
        (job.folder / "corrected.tif").write_bytes(b"whole")
        word = json.loads((job.folder / "item.json").read_text())["comment"].split()[1]
        getattr(self, word)(job, reporter)

    def slow(self, job, reporter):
        """Talks a lot and works long enough to be killed anywhere."""
        pause = threading.Event()
        for step in range(30):
            reporter.log(f"step {step}")
            reporter.progress(f"step {step}", step, 30)
            pause.wait(0.01)
