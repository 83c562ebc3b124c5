"""What a curator feels: opening, selecting, deciding, merging. Run under Xvfb or on a screen.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/curation.py [--components 5000]

Prints one line a measure: what, milliseconds of wall time (median of several where it can be
repeated), of the GUI thread's own time, limit.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import psutil
import scipy.sparse as sp
import tifffile
from qtpy.QtWidgets import QApplication

from napari_cnmf.io import open_movie
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.curation import open_curation
from napari_cnmf.model.components import Components
from napari_cnmf.ui import _background
from napari_cnmf.ui._loading import finish, load_components, load_file
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.traces._dock import TracesWidget


def make_result(n: int, n_frames: int, side: int, radius: float = 8.5) -> Components:
    """Round footprints of about 226 pixels at random places, events at random times."""
    rng = np.random.default_rng(0)
    reach = int(radius)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = dy**2 + dx**2 <= radius**2
    dy, dx = dy[inside], dx[inside]
    weights = np.exp(-(dy**2 + dx**2) / radius**2)
    centre = rng.integers(reach, side - reach, (n, 2))
    rows = ((centre[:, :1] + dy) * side + centre[:, 1:] + dx).ravel()
    starts = np.arange(n + 1) * dy.size
    A = sp.csc_matrix((np.tile(weights, n), rows, starts), shape=(side * side, n), dtype=np.float32)
    A.sort_indices()
    S = np.zeros((n, n_frames), np.float32)
    events = rng.integers(0, n_frames, (n, 30))
    S[np.arange(n)[:, None], events] = rng.uniform(20, 60, (n, 30))
    C = S.copy()
    for t in range(1, n_frames):
        C[:, t] += 0.94 * C[:, t - 1]
    YrA = rng.standard_normal((n, n_frames), dtype=np.float32) * 3
    return Components(
        A=A, C=C, S=S, YrA=YrA, dims=(side, side),
        b=np.full((side * side, 1), 50, np.float32), f=np.ones((1, n_frames), np.float32),
        snr=rng.gamma(3, 2, n), r_values=rng.beta(5, 2, n),
        accepted=rng.random(n) > 0.4, frame_rate_hz=30.0, attributes={"engine": "builtin"},
        params={"quality": {"min_SNR": 2.5, "rval_thr": 0.8}, "data": {"decay_time": 0.4}},
    )  # fmt: skip


def settle() -> None:
    """Let everything that was started be done and drawn."""
    app = QApplication.instance()
    app.processEvents()
    while _background.is_busy():
        app.processEvents()
        time.sleep(0.002)
    for _ in range(3):
        app.processEvents()


def drawn() -> None:
    for _ in range(2):
        QApplication.instance().processEvents()


def median_ms(act: Callable[[int], Any], repeats: int = 9) -> tuple[float, float]:
    """Medians of wall time and of the GUI thread's own time."""
    times = []
    for i in range(repeats):
        wall, own = time.perf_counter(), time.thread_time()
        act(i)
        times.append((time.perf_counter() - wall, time.thread_time() - own))
    wall, own = np.median(times, axis=0) * 1000
    return float(wall), float(own)


def say(what: str, ms: tuple[float, float], limit: str) -> None:
    print(f"{what:56s} {ms[0]:8.1f} ms  (own {ms[1]:8.1f})  limit {limit}", flush=True)


class Bench:
    """A viewer with the docks of a curator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1600, 1000)
        self.session = session_of(self.viewer)
        self.dock = CurationWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.dock, area="right")
        self.viewer.window.add_dock_widget(TracesWidget(self.viewer), area="bottom")
        # What napari does once a session, such as compiling shaders, is not ours to measure.
        self.session.show(finish(load_components(make_result(20, 50, 128))))
        settle()
        self.session.select((3,))
        settle()

    def opening(self, n: int, n_frames: int, side: int) -> Path:
        path = write_caiman(make_result(n, n_frames, side), self.folder / f"{n}.hdf5")
        finish(load_file(path))  # warms the cache, and imports
        gc.collect()
        self.session.close_result()
        settle()

        def load(_i: int) -> None:
            self.session.show(finish(load_file(path)))
            drawn()

        limit = "1500" if n <= 5000 else "2500"
        say(f"open {n} x {n_frames}: file to first frame", median_ms(load, 1), limit)
        settle()
        return path

    def deciding(self, n: int) -> None:
        cur = self.dock.curation
        everything = cur.ids.tolist()

        def decide(i: int) -> None:
            (cur.accept if i % 2 else cur.reject)(everything)

        say(f"one decision over {n}: to the GUI thread free", median_ms(decide), "50")
        settle()

        def threshold(i: int) -> None:
            self.dock._preview_thresholds({"min_SNR": 2 + i / 10})

        cur.auto(everything)
        settle()
        say(f"a step of a threshold slider over {n}", median_ms(threshold), "50")
        say(
            "undo of a decision over all",
            median_ms(lambda i: cur.undo() if i % 2 else cur.redo()),
            "50",
        )

    def walking(self) -> None:
        def select(i: int) -> None:
            self.session.select((100 + 7 * i,))
            drawn()

        say("select to everything drawn", median_ms(select), "150")

        def step(_i: int) -> None:
            self.dock.decide.next()
            drawn()

        say("next component, key held down", median_ms(step, 20), "100")

    def merging(self) -> None:
        side, n_frames = 512, 3000
        movie_path = self.folder / "movie.tif"
        rng = np.random.default_rng(1)
        frame = rng.integers(200, 400, (side, side)).astype(np.uint16)
        with tifffile.TiffWriter(movie_path, bigtiff=True) as writer:
            frames = (frame + np.uint16(t % 50) for t in range(n_frames))
            writer.write(
                frames, shape=(n_frames, side, side), dtype=np.uint16, photometric="minisblack"
            )
        result = write_caiman(make_result(800, n_frames, side), self.folder / "merge.hdf5")
        movie = open_movie(movie_path)
        cur = open_curation(result, open_movie=lambda: movie)
        centre = (cur.components.A.indices.reshape(800, -1)).mean(axis=1)
        pairs = np.argsort(centre).reshape(-1, 2)
        self.session.show(finish(load_components(cur, movie=movie)))
        settle()
        cur.shape_edits.merge(pairs[0].tolist())  # imports, warm cache
        self.session.select(pairs[1].tolist())
        settle()
        longest, before = 0.0, set(cur.ids.tolist())
        wall, own = time.perf_counter(), time.process_time()
        self.dock.edits.merge()
        while set(self.session.result.ids.tolist()) == before:
            began = time.thread_time()
            QApplication.instance().processEvents()
            longest = max(longest, time.thread_time() - began)
            time.sleep(0.001)
        took = (time.perf_counter() - wall) * 1e3, (time.process_time() - own) * 1e3
        say("merge of two from a 512 x 512 x 3000 movie", took, "1500")
        print(f"  longest the GUI was away meanwhile: {longest * 1e3:.0f} ms of its own time")

    def scrubbing(self) -> None:
        self.session.show(finish(load_components(make_result(2000, 3000, 512))))
        layer = next(la for la in self.viewer.layers if la.name.startswith("denoised"))
        layer.visible = True
        settle()
        say(
            "a step through denoised, 512 x 512, 2000 components",
            median_ms(lambda i: self.viewer.dims.set_current_step(0, 1000 + 13 * i), 30),
            "15",
        )

    def memory(self, path: Path, times: int = 20) -> None:
        process = psutil.Process()
        levels = []
        for _ in range(times):
            self.session.show(finish(load_file(path)))
            settle()
            self.session.close_result()
            settle()
            gc.collect()
            levels.append(process.memory_info().rss / 2**20)
        growth = levels[-1] / levels[0] - 1
        print(
            f"memory after opening and closing {times} results: "
            f"{levels[0]:.0f} MB, then {levels[-1]:.0f} MB ({growth:+.0%})   limit +10%"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--components", type=int, nargs="+", default=[5000, 10000])
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--no-memory", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for n in args.components:
            path = bench.opening(n, args.frames, 1024 if n <= 5000 else 1448)
            bench.deciding(n)
            bench.walking()
        bench.merging()
        bench.scrubbing()
        if not args.no_memory:
            small = write_caiman(make_result(1000, 3000, 512), path.with_name("small.hdf5"))
            bench.memory(small)
        bench.session.close_result()
        settle()
        bench.viewer.close()


if __name__ == "__main__":
    main()
