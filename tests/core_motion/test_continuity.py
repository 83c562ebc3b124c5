"""A dark field with few cells: where single frames do not tell, their neighbours do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_cnmf.core.motion.correct import correct_motion
from napari_cnmf.core.motion.result import MotionResult
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.params.motion import MotionParams
from napari_cnmf.testing import simulate
from regimes import base_regime

DIMS = (48, 64)
N_FRAMES = 300
RIM = 12


def sparse_movie(seed: int) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Six cells on black that are seen only when they fire, moving smoothly by 1.8 px rms."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: DIMS[0] + 2 * RIM, : DIMS[1] + 2 * RIM]
    cells, traces = [], np.zeros((6, N_FRAMES))
    for trace in traces:
        at = [rng.uniform(RIM + 6, RIM + n - 6) for n in DIMS]
        width = rng.uniform(2, 3)
        cells.append(np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * width**2)))
        fires = rng.random(N_FRAMES) < 0.03
        level = 0.0
        for t in range(N_FRAMES):
            level = level * np.exp(-1 / 7) + fires[t] * rng.uniform(0.7, 1.5)
            trace[t] = level
    path = ndimage.gaussian_filter1d(rng.standard_normal((N_FRAMES, 2)), 6, axis=0)
    path = (path - path.mean(axis=0)) * 1.8 / path.std(axis=0)
    movie = np.empty((N_FRAMES, *DIMS), np.uint16)
    for t in range(N_FRAMES):
        image = 500 * np.einsum("n,nyx->yx", traces[:, t], np.array(cells))
        image = ndimage.shift(image, path[t], order=1)[RIM:-RIM, RIM:-RIM]
        movie[t] = np.clip(600 + image + rng.normal(0, 35, DIMS), 0, 65535)
    return movie, path


def run(movie: NDArray[Any], max_shift: int) -> MotionResult:
    return correct_motion(
        ArraySource(movie),
        SimpleNamespace(motion=MotionParams(max_shifts=(max_shift, max_shift))),
        write=lambda start, frames: None,
        n_threads=2,
    )


def rms_error(result: MotionResult, path: NDArray[np.float64], which: NDArray[np.bool_]) -> float:
    error = (result.shifts - path)[which]
    return float(np.sqrt(np.mean((error - np.median(error, axis=0)) ** 2)))


@pytest.mark.parametrize(("seed", "max_shift"), [(2, 6), (2, 8), (3, 8), (5, 8)])
def test_frames_that_fit_in_many_places_stand_where_their_neighbours_do(
    seed: int, max_shift: int
) -> None:
    movie, path = sparse_movie(seed)
    result = run(movie, max_shift)
    assert 50 < np.count_nonzero(result.lost) < 150
    assert rms_error(result, path, ~result.lost) < 0.35
    # those between, interpolated
    assert rms_error(result, path, np.ones(N_FRAMES, np.bool_)) < 0.8


def test_jumps_and_jitter_survive_between_many_dark_frames() -> None:
    recording = simulate(
        base_regime(n_frames=300, size=96, n_cells=25, seed=5),
        rigid_motion_rms_px=2.0,
        jitter_rms_px=0.5,
        n_jumps=6,
        n_black_frames=30,
    )
    result = run(recording.array(), 12)
    dark = recording.truth.frame_fault == "black"
    np.testing.assert_array_equal(result.lost, dark)
    assert rms_error(result, recording.truth.shifts, ~dark) < 0.25
