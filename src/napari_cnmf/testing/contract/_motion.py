"""Checks of motion correction: what was measured is the motion, and the movie stands still."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_cnmf.engines.base import (
    CORRECTED_FILE,
    IMAGES_FILE,
    MOTION_FILE,
    Algorithm,
    Engine,
)
from napari_cnmf.io import open_movie, read_images
from napari_cnmf.io.motion import MotionRecord, read_motion
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing.contract import _workbench as bench
from napari_cnmf.testing.recording import Recording
from napari_cnmf.testing.scoring import score_shifts

_PLANE = {"rigid_motion_rms_px": 2.0, "n_cells": 10, "size": (64, 72), "n_frames": 200}
_VOLUME = {"rigid_motion_rms_px": 1.5, "size": (8, 40, 48), "n_frames": 100, "n_cells": 12}


def check_rigid(engine: Engine, folder: Path) -> None:
    """Rigid motion in the plane is measured to a fraction of a pixel."""
    recording = bench.two_photon(folder, **_PLANE)
    record = _corrected(engine, folder, recording, CNMFParams().replace(motion=_limits(2)))
    assert record.field is None, "rigid correction has no field"
    _measured(record, recording, 0.7)


def check_piecewise(engine: Engine, folder: Path) -> None:
    """Piecewise motion in the plane is taken out; an engine may find that all moved as one."""
    recording = bench.two_photon(folder, **_PLANE, nonrigid_motion_rms_px=1.0)
    pieces = {"pw_rigid": True, "strides": (32, 32), "overlaps": (16, 16)}
    params = CNMFParams().replace(motion=_limits(2) | pieces)
    record = _corrected(engine, folder, recording, params)
    _field_fits(record, recording)
    _measured(record, recording, 1.0)


def check_rigid_3d(engine: Engine, folder: Path) -> None:
    """Rigid motion of volumes is measured along (z, y, x)."""
    recording = bench.volume(folder, **_VOLUME)
    record = _corrected(engine, folder, recording, CNMFParams().replace(motion=_limits(3)))
    _measured(record, recording, 0.7)


def check_piecewise_3d(engine: Engine, folder: Path) -> None:
    """Piecewise motion of volumes is taken out; an engine may find that all moved as one."""
    recording = bench.volume(folder, **_VOLUME)
    pieces = {"pw_rigid": True, "strides": (4, 16, 16), "overlaps": (2, 12, 12)}
    params = CNMFParams().replace(motion=_limits(3) | pieces)
    record = _corrected(engine, folder, recording, params)
    _field_fits(record, recording)
    _measured(record, recording, 1.5)


def _limits(ndim: int) -> dict[str, object]:
    return {"max_shifts": (2, 8, 8)[-ndim:]} if ndim == 2 else {"max_shifts": (2, 6, 6)}


def _corrected(
    engine: Engine, folder: Path, recording: Recording, params: CNMFParams
) -> MotionRecord:
    """Run a motion correction, whose outputs must be whole and whose movie stiller than before."""
    job = bench.job_of(folder, Algorithm.MCORR, recording, params)
    outcome = bench.run(engine, job)
    assert set(outcome.outputs) == {CORRECTED_FILE, MOTION_FILE, IMAGES_FILE}
    assert outcome.n_components is None, "a motion correction finds no components"
    movie = open_movie(job.folder / CORRECTED_FILE)
    raw = recording.array()
    assert (movie.shape, movie.dtype) == (raw.shape, raw.dtype), "shape and type must stay"
    assert movie.frame_rate_hz is not None
    assert abs(movie.frame_rate_hz - recording.frame_rate_hz) < 1e-3, "the rate must stay"
    record = read_motion(job.folder / MOTION_FILE)
    assert record.shifts.shape == (raw.shape[0], raw.ndim - 1)
    assert outcome.figures["border_px"] == record.border_px
    inside = (slice(None), *[slice(None)] * (raw.ndim - 3), slice(8, -8), slice(8, -8))
    before = raw[inside].astype(np.float32).std(axis=0).mean()
    after = np.asarray(movie.data[inside]).astype(np.float32).std(axis=0).mean()
    assert after < before, f"frames must be more alike than before, {after:.3g} and {before:.3g}"
    assert read_images(job.folder / IMAGES_FILE)["mean"].shape == raw.shape[1:]
    return record


def _measured(record: MotionRecord, recording: Recording, tolerance_px: float) -> None:
    error = score_shifts(record.shifts, recording.truth)
    assert error < tolerance_px, f"shifts must be right to {tolerance_px} px, got {error:.2f}"


def _field_fits(record: MotionRecord, recording: Recording) -> None:
    if record.field is None:
        return
    assert record.nodes is not None, "a field needs the places of its nodes"
    ndim = len(recording.shape) - 1
    sizes = tuple(len(axis) for axis in record.nodes)
    expected = (recording.shape[0], *sizes, ndim)
    assert record.field.shape == expected, f"the field must be {expected}, got {record.field.shape}"
    assert np.isfinite(record.field).all(), "the field must be finite"
