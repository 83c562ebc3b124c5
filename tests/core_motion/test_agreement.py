"""The halves of the field decide what is motion, and how large its errors are."""

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

N_FRAMES, SIZE, PAD = 300, 96, 12


def corrected(movie: NDArray[Any], **motion: Any) -> tuple[MotionResult, str]:
    said: list[str] = []
    result = correct_motion(
        ArraySource(movie),
        SimpleNamespace(motion=MotionParams(max_shifts=(8, 8), **motion)),
        write=lambda start, frames: None,
        n_threads=1,
        on_warning=said.append,
    )
    return result, " ".join(said)


def smooth_path(seed: int, rms_px: float) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    path = ndimage.gaussian_filter1d(rng.standard_normal((N_FRAMES, 2)), 6, axis=0)
    return np.asarray((path - path.mean(axis=0)) * rms_px / path.std())


def textured_movie(seed: int, path: NDArray[np.float64], shear_px: float) -> NDArray[np.uint16]:
    """Fine structure that moves, the first lines of a frame otherwise than the last."""
    rng = np.random.default_rng(seed)
    scene = ndimage.gaussian_filter(rng.standard_normal((SIZE + 2 * PAD,) * 2), 1.5)
    scene = ndimage.spline_filter(20 * (1 + 0.4 * scene / scene.std()))
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    sway = smooth_path(seed + 1, 1.0) * shear_px
    movie = np.empty((N_FRAMES, SIZE, SIZE), np.uint16)
    for t in range(N_FRAMES):
        lag = (y / SIZE - 0.5) * np.sqrt(12)
        at = [y + PAD - path[t, 0] - sway[t, 0] * lag, x + PAD - path[t, 1] - sway[t, 1] * lag]
        frame = ndimage.map_coordinates(scene, at, order=3, prefilter=False)
        movie[t] = rng.poisson(np.maximum(frame, 0.1))
    return movie


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cells_that_fire_on_a_flat_background_are_no_motion(seed: int) -> None:
    """A frame in which one cell fires fits the place of any other cell."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    events = (rng.random((16, N_FRAMES)) < 0.02) * rng.exponential(6.0, (16, N_FRAMES))
    for t in range(1, N_FRAMES):
        events[:, t] += 0.85 * events[:, t - 1]
    movie = np.full((N_FRAMES, SIZE, SIZE), 8.0)
    for trace in events:
        cy, cx = rng.uniform(6, SIZE - 6, 2)
        spot = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 2.5**2))
        movie += 8 * trace[:, None, None] * spot
    result, _ = corrected(rng.poisson(movie).astype(np.uint16))
    assert np.ptp(result.shifts, axis=0).max() < 0.5


def test_a_still_movie_is_not_moved_at_all() -> None:
    movie = textured_movie(4, np.zeros((N_FRAMES, 2)), 0.0)
    result, said = corrected(movie)
    assert np.ptp(result.shifts, axis=0).max() == 0
    assert result.figures["residual_px"] < 0.05
    assert not said


def test_small_and_rare_motion_stays() -> None:
    path = smooth_path(5, 0.3)
    path[100] += 3.0
    path[200] -= 2.5
    result, _ = corrected(textured_movie(5, path, 0.0))
    error = result.shifts - path
    assert np.sqrt(np.mean((error - error.mean(axis=0)) ** 2)) < 0.06


def test_error_bars_hold_what_cells_that_fire_do_once() -> None:
    """Their light lasts: it is in what a template leaves of a frame, and apart in both halves."""
    ratios = []
    for seed in (31, 32, 33):
        rng = np.random.default_rng(seed)
        path = smooth_path(seed, 1.2)
        cells = np.zeros((25, SIZE, SIZE))
        cells[np.arange(25), rng.integers(8, SIZE - 8, 25), rng.integers(8, SIZE - 8, 25)] = 1
        cells = np.stack([ndimage.gaussian_filter(cell, 4) for cell in cells])
        traces = ndimage.gaussian_filter1d((rng.random((25, N_FRAMES)) < 0.02) * 1.0, 4)
        light = np.tensordot(traces.T / traces.max(), cells / cells.max(), 1)
        rest = np.tensordot(rng.uniform(0.3, 1, 25), cells / cells.max(), 1)
        movie = np.empty((N_FRAMES, SIZE, SIZE), np.uint16)
        for t, by in enumerate(path):
            frame = ndimage.shift(150 + 60 * rest + 40 * light[t], by, mode="reflect")
            movie[t] = rng.poisson(frame)
        result, _ = corrected(movie, gSig_filt=(4, 4))
        error = result.shifts - path
        error = error - error.mean(axis=0)
        ratios.append(np.sqrt(np.mean(result.error_px**2) / np.mean(error**2)))
    assert 1 / 1.3 < np.median(ratios) < 1.3, ratios


def test_a_jump_of_a_few_frames_in_a_still_movie_stays() -> None:
    path = np.zeros((N_FRAMES, 2))
    path[[37, 150, 151]] = 4.0
    result, _ = corrected(textured_movie(6, path, 0.0))
    error = result.shifts - path
    assert np.abs(error - np.median(error, axis=0)).max() < 0.3


def test_lines_that_are_scanned_while_the_field_moves_are_said() -> None:
    path = smooth_path(7, 0.5)
    result, said = corrected(textured_movie(7, path, 3.0))
    assert "upper and lower half of the field stand" in said
    assert result.figures["residual_px"] > 1
    _, nothing = corrected(textured_movie(7, path, 0.0))
    assert "half of the field" not in nothing
