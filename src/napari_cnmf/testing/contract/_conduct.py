"""Checks of an engine's conduct: what it says of itself, cancel, bad movies, repeated runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.engines.base import RESULT_FILE, Algorithm, Engine, Job
from napari_cnmf.errors import CancelledByUser, CnmfError
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.params import CNMFParams, iter_fields
from napari_cnmf.testing.contract import _workbench as bench
from napari_cnmf.testing.recording import Recording


def check_describes_itself(engine: Engine, folder: Path) -> None:
    """An engine has name, title, version, algorithms; parameters it does not use are real ones."""
    assert engine.name
    assert engine.name == engine.name.lower()
    assert engine.title
    assert engine.unavailable_reason() is None, engine.unavailable_reason()
    assert engine.version()
    assert engine.algorithms() <= frozenset(Algorithm)
    fields = {described.name for described in iter_fields()}
    changed = CNMFParams().replace(init={"min_pnr": 7.0}, patch={"stride": 9})
    for algorithm in engine.algorithms():
        assert engine.unused_parameters(algorithm, CNMFParams()) == {}, "nothing was set"
        unused = engine.unused_parameters(algorithm, changed)
        assert set(unused) <= fields, set(unused) - fields
        assert all(why.endswith(".") for why in unused.values())


def check_impossible_movies(engine: Engine, folder: Path) -> None:
    """A movie that never changes is refused, holes too unless the engine can fill them."""
    recording = bench.two_photon(folder, n_frames=60)
    frames = recording.array()[:40].astype(np.float32)
    constant, holed = np.full_like(frames, 3.0), frames.copy()
    holed[7, 3, 2] = np.nan
    assert _refused(engine, folder, recording, constant), "a constant movie must be refused"
    if not _refused(engine, folder, recording, holed):
        filled = read_caiman(bench.item_folder(folder, Algorithm.CNMF) / RESULT_FILE)
        assert np.isfinite(filled.C).all(), "a hole got into the traces"


def _refused(
    engine: Engine, folder: Path, recording: Recording, frames: NDArray[np.float32]
) -> bool:
    path = folder / "impossible.npy"
    np.save(path, frames)
    job = bench.job_of(folder, Algorithm.CNMF, recording, bench.params_of(recording))
    said = ""
    try:
        engine.run(replace(job, movie_paths=(path,)), bench.Listener())
    except CnmfError as error:
        said = str(error)
    if not said:
        return False
    assert said.endswith("."), f"not a sentence: {said}"
    _nothing_left(job)
    return True


def check_cancel(engine: Engine, folder: Path) -> None:
    """Cancelled in its first stage and half-way, a job ends and leaves nothing."""
    recording = bench.two_photon(folder)
    job = bench.job_of(folder, Algorithm.CNMF, recording, bench.params_of(recording))
    first = bench.Listener(stop_in="*")
    _cancelled(engine, job, first)
    heard = bench.Listener()
    bench.run(engine, job, heard)
    for output in job.folder.iterdir():
        output.unlink()
    _cancelled(engine, job, bench.Listener(stop_in=heard.stages[len(heard.stages) // 2]))


def check_cancel_motion(engine: Engine, folder: Path) -> None:
    """Cancelled in its first stage and half-way, a motion correction ends and leaves nothing."""
    recording = bench.two_photon(folder, n_frames=100)
    job = bench.job_of(folder, Algorithm.MCORR, recording, CNMFParams())
    _cancelled(engine, job, bench.Listener(stop_in="*"))


def check_repeats_itself(engine: Engine, folder: Path) -> None:
    """Check that a job gives the same numbers again, on one process and on two."""
    recording = bench.two_photon(folder, n_frames=150)
    results = []
    for n_processes in (1, 2):
        where = folder / f"with {n_processes}"
        job = bench.job_of(where, Algorithm.CNMF, recording, bench.params_of(recording))
        bench.run(engine, replace(job, run=replace(job.run, n_processes=n_processes)))
        results.append(read_caiman(job.folder / RESULT_FILE))
    first, second = results
    assert first.n_components == second.n_components
    scale = float(abs(first.A).max())
    assert abs(first.A - second.A).max() <= 1e-4 * scale, "footprints differ"
    np.testing.assert_allclose(first.C, second.C, rtol=1e-3, atol=1e-3 * float(first.C.max()))


def _cancelled(engine: Engine, job: Job, listener: bench.Listener) -> None:
    try:
        engine.run(job, listener)
    except CancelledByUser:
        _nothing_left(job)
    else:
        raise AssertionError(f"it went on to its end; told to stop in {listener.stop_in!r}")


def _nothing_left(job: Job) -> None:
    left = bench.names_in(job.folder)
    assert not left, f"left behind: {left}"
