"""Rigid motion correction of volumes."""

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
from napari_cnmf.errors import ParameterError
from napari_cnmf.params.motion import MotionParams


def moving_volume() -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    rng = np.random.default_rng(2)
    path = ndimage.gaussian_filter1d(rng.standard_normal((150, 3)), 8, axis=0)
    path = (path - path.mean(axis=0)) / path.std(axis=0) * [0.5, 1.5, 1.5]
    scene = np.zeros((20, 80, 88))
    at = [rng.integers(0, n, 500) for n in scene.shape]
    scene[tuple(at)] = rng.uniform(100, 300, 500)
    scene = ndimage.gaussian_filter(scene, (1.2, 1.8, 1.8)) + 0.5
    grid = np.meshgrid(*[np.arange(n) for n in (8, 48, 56)], indexing="ij")
    start = (6, 16, 16)
    movie = np.empty((150, 8, 48, 56), np.uint16)
    for t, d in enumerate(path):
        where = [g + s - shift for g, s, shift in zip(grid, start, d, strict=True)]
        frame = ndimage.map_coordinates(scene, where, order=3)
        movie[t] = rng.poisson(np.maximum(frame, 0.01) * 8) + 20
    return movie, path


def run(movie: NDArray[Any], **motion: Any) -> tuple[MotionResult, NDArray[Any]]:
    corrected = np.empty_like(movie)

    def write(start: int, frames: NDArray[Any]) -> None:
        corrected[start : start + len(frames)] = frames

    params = SimpleNamespace(motion=MotionParams(**motion))
    return correct_motion(ArraySource(movie), params, write=write, n_threads=2), corrected


def test_volume_is_registered_along_all_axes() -> None:
    movie, path = moving_volume()
    result, corrected = run(movie, max_shifts=(2, 6, 6))
    assert result.shifts.shape == (150, 3)
    assert result.template.shape == (8, 48, 56)
    error = result.shifts - path
    error = error - error.mean(axis=0)
    rms = np.sqrt(np.mean(error**2, axis=0))
    assert rms[0] < 0.25
    assert rms[1:].max() < 0.12
    inner = (slice(None), slice(2, -2), slice(6, -6), slice(6, -6))
    before, after = (m[inner].astype(float).std(axis=0).mean() for m in (movie, corrected))
    assert after < 0.85 * before


def test_default_max_shifts_fit_a_volume_and_an_axis_may_be_held() -> None:
    movie, _ = moving_volume()
    result, _ = run(movie[:60])
    assert np.abs(result.shifts[:, 0]).max() <= 2
    held, _ = run(movie[:60], max_shifts=(0, 6, 6))
    assert not held.shifts[:, 0].any()


def test_two_values_for_a_volume_are_an_error() -> None:
    with pytest.raises(ParameterError, match="3 values"):
        run(np.ones((10, 4, 32, 32), np.uint16), max_shifts=(5, 5))
