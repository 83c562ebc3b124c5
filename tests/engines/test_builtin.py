"""The built-in engine leaves the files of the batch format, with the truth of the movie in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import tifffile

from napari_cnmf.engines.base import Algorithm, Job, RunOptions
from napari_cnmf.engines.builtin import BuiltinEngine
from napari_cnmf.errors import CancelledByUser
from napari_cnmf.io import open_movie, read_images
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.io.motion import read_motion
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import Recording, Simulation, score, simulate


class Ear:
    """Hears a job, and may stop it at a stage."""

    def __init__(self, stop_at: Callable[[str], bool] = lambda stage: False) -> None:
        self.stages: list[str] = []
        self.texts: list[str] = []
        self._stop_at = stop_at

    def progress(self, stage: str, done: float, total: float) -> None:
        assert 0 <= done <= total
        self.stages.append(stage)

    def log(self, message: str) -> None:
        self.texts.append(message)

    warning = log

    def should_stop(self) -> bool:
        return bool(self.stages) and self._stop_at(self.stages[-1])


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """500 frames of 48 x 64 with 8 cells."""
    folder = tmp_path_factory.mktemp("recording")
    simulation = Simulation.build(n_frames=500, size=(48, 64), n_cells=8, seed=3)
    return simulate(simulation, silent_fraction=0.0, event_rate_hz=0.2).write(folder / "m.tif")


@pytest.fixture
def job(recording: Recording, tmp_path: Path) -> Job:
    params = CNMFParams(init={"gSig": recording.gSig}, data={"decay_time": recording.decay_time_s})
    return Job(
        folder=tmp_path,
        algorithm=Algorithm.CNMF,
        movie_paths=(Path(str(recording.movie)),),
        params=params,
        frame_rate_hz=recording.frame_rate_hz,
        run=RunOptions(n_processes=2),
    )


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_cells_are_found_and_written(job: Job, recording: Recording) -> None:
    outcome = BuiltinEngine().run(job, Ear())
    assert outcome.outputs == ("result.hdf5", "images.npz")
    assert files(job.folder) == sorted(outcome.outputs)
    components = read_caiman(job.folder / "result.hdf5")
    assert outcome.n_components == components.n_components
    found = score(components, recording.truth)
    assert found.recall >= 0.85, found
    assert components.dims == (48, 64)
    assert components.frame_rate_hz == pytest.approx(recording.frame_rate_hz)
    images = read_images(job.folder / "images.npz")
    assert {"mean", "max", "std", "correlation", "pnr"} <= set(images)
    np.testing.assert_allclose(images["mean"], recording.array().mean(axis=0), rtol=1e-3)


def test_a_result_is_scored_again_as_it_was(job: Job) -> None:
    engine = BuiltinEngine()
    engine.run(job, Ear())
    first = read_caiman(job.folder / "result.hdf5")
    again = job.folder / "again"
    again.mkdir()
    strict = job.params.replace(quality={"min_SNR": 1e6, "SNR_lowest": 1e5})
    outcome = engine.run(
        replace(
            job,
            folder=again,
            algorithm=Algorithm.EVALUATE,
            params=strict,
            result_path=job.folder / "result.hdf5",
        ),
        Ear(),
    )
    second = read_caiman(again / "result.hdf5")
    assert (outcome.n_components, outcome.n_accepted) == (first.n_components, 0)
    np.testing.assert_array_equal(second.C, first.C)
    np.testing.assert_allclose(second.snr, first.snr, rtol=0.05)
    assert second.params["quality"]["min_SNR"] == 1e6
    assert second.params["init"] == first.params["init"]
    assert (again / "images.npz").exists()


def test_motion_is_measured_and_taken_out(recording: Recording, tmp_path: Path) -> None:
    """Frames moved by whole pixels: the truth of the shifts is exact."""
    frames = recording.array()
    t = np.arange(len(frames))
    truth = np.stack([5 * np.sin(t / 80), 5 * np.cos(t / 60)], axis=1).round().astype(int)
    moved = np.stack([np.roll(f, s, (0, 1)) for f, s in zip(frames, truth, strict=True)])
    tifffile.imwrite(tmp_path / "moved.tif", moved, imagej=True, metadata={"axes": "TYX"})
    folder = tmp_path / "item"
    folder.mkdir()
    job = Job(folder, Algorithm.MCORR, (tmp_path / "moved.tif",), CNMFParams(), frame_rate_hz=15.0)
    outcome = BuiltinEngine().run(job, Ear())
    assert files(folder) == ["corrected.tif", "images.npz", "motion.h5"]
    record = read_motion(folder / "motion.h5")
    # How well it measures is for the tests of the method; here it must be the right thing.
    error = record.shifts - truth
    assert np.abs(error - error.mean(axis=0)).mean() < 0.9
    assert all(np.corrcoef(record.shifts[:, axis], truth[:, axis])[0, 1] > 0.8 for axis in (0, 1))
    assert outcome.figures["border_px"] == record.border_px
    assert 5 <= record.border_px <= 10
    corrected = open_movie(folder / "corrected.tif")
    assert (corrected.shape, corrected.dtype) == (moved.shape, np.uint16)
    assert corrected.frame_rate_hz == pytest.approx(15.0)
    blur = moved.astype(float).std(axis=0).mean()
    assert corrected.data.compute().astype(float).std(axis=0).mean() < blur


def test_mask_and_ain_arrive(job: Job, recording: Recording) -> None:
    mask = np.zeros((48, 64), bool)
    mask[:, :32] = True
    np.save(job.folder / "mask.npy", mask)
    BuiltinEngine().run(replace(job, mask_path=job.folder / "mask.npy"), Ear())
    A = read_caiman(job.folder / "result.hdf5").A
    weight = np.asarray(A.sum(axis=1)).reshape(48, 64)
    assert weight[:, :32].sum() > 0
    assert weight[:, 34:].sum() == 0
    sp.save_npz(job.folder / "ain.npz", sp.csc_matrix(recording.truth.A[:, :2]))
    BuiltinEngine().run(replace(job, ain_path=job.folder / "ain.npz"), Ear())
    components = read_caiman(job.folder / "result.hdf5")
    assert components.n_components == 2
    assert score(components, recording.truth).precision == 1.0


@pytest.mark.parametrize("algorithm", [Algorithm.CNMF, Algorithm.MCORR])
def test_cancelling_leaves_no_output(job: Job, algorithm: Algorithm) -> None:
    ear = Ear(stop_at=lambda stage: True)
    with pytest.raises(CancelledByUser):
        BuiltinEngine().run(replace(job, algorithm=algorithm), ear)
    assert files(job.folder) == []


def test_what_it_does_not_use_is_said() -> None:
    engine = BuiltinEngine()
    assert engine.unused_parameters(Algorithm.CNMF, CNMFParams()) == {}
    params = CNMFParams(extra={"init": {"SC_nnn": 10}})
    unused = engine.unused_parameters(Algorithm.CNMF, params)
    assert list(unused) == ["init.SC_nnn"]
