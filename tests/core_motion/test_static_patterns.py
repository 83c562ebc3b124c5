"""What stands still on the sensor must not hold the registration, nor look like bending."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_cnmf.core.motion.correct import correct_motion
from napari_cnmf.core.motion.result import MotionResult
from napari_cnmf.core.motion.static_pattern import _improve
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.params.motion import MotionParams

N_FRAMES, SIZE, PAD = 240, 112, 16


def smooth_path(seed: int, rms_px: float) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    path = ndimage.gaussian_filter1d(rng.standard_normal((N_FRAMES, 2)), 6, axis=0)
    return np.asarray((path - path.mean(axis=0)) * rms_px / path.std())


def one_photon_movie(
    seed: int,
    path: NDArray[np.float64],
    dust_depth: float,
    fixed_pattern: float,
    widest_dust_px: float = 1.6,
) -> NDArray[np.uint16]:
    """Blurred cells under a vignette that move, behind dust and a sensor that do not."""
    rng = np.random.default_rng(seed)
    big = SIZE + 2 * PAD
    cells = np.zeros((big, big))
    cells[rng.integers(0, big, 90), rng.integers(0, big, 90)] = rng.uniform(0.4, 1.0, 90)
    scene = 900 + 2500 * ndimage.gaussian_filter(cells, 4.0) * 40
    scene += 400 * ndimage.gaussian_filter(rng.standard_normal((big, big)), 15) * 15
    scene = ndimage.spline_filter(scene)
    y, x = np.mgrid[:SIZE, :SIZE]
    vignette = np.exp(-((y - SIZE / 2) ** 2 + (x - SIZE / 2) ** 2) / (2 * (0.6 * SIZE) ** 2))
    dust = np.ones((SIZE, SIZE))
    for _ in range(25):
        at = rng.integers(0, SIZE, 2)
        spot = np.exp(
            -((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * rng.uniform(0.7, widest_dust_px) ** 2)
        )
        dust -= rng.uniform(0.4, 1.0) * dust_depth * spot
    sensor = vignette * np.clip(dust, 0.3, 1) * (1 + fixed_pattern * rng.standard_normal(y.shape))
    movie = np.empty((N_FRAMES, SIZE, SIZE), np.uint16)
    for t, (dy, dx) in enumerate(path):
        at = [y + PAD - dy, x + PAD - dx]
        frame = ndimage.map_coordinates(scene, at, order=3, prefilter=False)
        movie[t] = rng.poisson(np.maximum(frame * sensor, 1))
    return movie


def corrected(movie: NDArray[Any], **motion: Any) -> tuple[MotionResult, list[str]]:
    said: list[str] = []
    result = correct_motion(
        ArraySource(movie),
        SimpleNamespace(motion=MotionParams(max_shifts=(8, 8), **motion)),
        write=lambda start, frames: None,
        n_threads=2,
        on_warning=said.append,
    )
    return result, said


def rms_error(result: MotionResult, path: NDArray[np.float64]) -> float:
    error = result.shifts - path
    return float(np.sqrt(np.mean((error - error.mean(axis=0)) ** 2)))


@pytest.mark.parametrize(
    ("dust_depth", "fixed_pattern"), [(0.0, 0.0), (0.4, 0.0), (0.0, 0.01), (0.4, 0.01)]
)
def test_dust_and_sensor_do_not_hold_one_photon_registration(
    dust_depth: float, fixed_pattern: float
) -> None:
    path = smooth_path(3, 2.0)
    movie = one_photon_movie(3, path, dust_depth, fixed_pattern)
    result, _ = corrected(movie, gSig_filt=(4, 4))
    assert rms_error(result, path) < 0.25


@pytest.mark.parametrize(
    ("seed", "rms_px", "motion"), [(1, 2.0, {}), (2, 1.0, {"gSig_filt": (4, 4)})]
)
def test_dust_as_large_as_cells_is_taken_out(
    seed: int, rms_px: float, motion: dict[str, Any]
) -> None:
    path = smooth_path(seed, rms_px)
    result, _ = corrected(one_photon_movie(seed, path, 0.4, 0.01, 3.0), **motion)
    assert rms_error(result, path) < 0.12


@pytest.mark.parametrize("seed", [0, 1])
def test_dust_on_a_field_that_stands_still_is_no_motion(seed: int) -> None:
    still = np.zeros((N_FRAMES, 2))
    result, _ = corrected(one_photon_movie(seed, still, 0.4, 0.01, 3.0))
    assert np.abs(result.shifts - np.median(result.shifts, axis=0)).max() < 0.1


def test_pattern_and_field_are_told_apart() -> None:
    """A known pattern before a known field, both of them rough, moved by whole pixels."""
    rng = np.random.default_rng(5)
    lags = rng.integers(-6, 7, (200, 2))
    field = rng.uniform(50, 150, (60 + 12, 50 + 12))
    wanted = np.clip(rng.normal(1, 0.15, (60, 50)), 0.5, 1.5)
    frames = [wanted * field[None, 6 - dy : 66 - dy, 6 - dx : 56 - dx] for dy, dx in lags]
    shifts = np.column_stack([np.zeros(200), lags])
    shade = np.ones((60, 50), np.float32)
    for _ in range(3):
        shade = _improve(shade, frames, shifts)
    # what motion hardly blurs belongs to either
    assert np.std(shade - wanted) < 0.1 * np.std(wanted)


@pytest.mark.parametrize("photons", [2.0, 10.0])
@pytest.mark.parametrize("rms_px", [0.0, 1.5])
def test_a_movie_that_does_not_bend_is_not_bent(photons: float, rms_px: float) -> None:
    rng = np.random.default_rng(11)
    big = SIZE + 2 * PAD
    scene = np.zeros((big, big))
    scene[rng.integers(0, big, 300), rng.integers(0, big, 300)] = rng.uniform(20, 60, 300)
    scene = ndimage.spline_filter(ndimage.gaussian_filter(scene, 1.8) + 0.5)
    path = smooth_path(5, 1.0) * rms_px
    y, x = np.mgrid[:SIZE, :SIZE] + float(PAD)
    movie = np.empty((N_FRAMES, SIZE, SIZE), np.uint16)
    for t, (dy, dx) in enumerate(path):
        frame = ndimage.map_coordinates(scene, [y - dy, x - dx], order=3, prefilter=False)
        movie[t] = rng.poisson(np.maximum(frame, 0.01) * photons) + 50
    rigid, _ = corrected(movie)
    bent, _ = corrected(movie, pw_rigid=True)
    assert bent.field is None or np.abs(bent.field - bent.shifts[:, None, None]).max() < 0.1
    assert rms_error(bent, path) < max(1.2 * rms_error(rigid, path), 0.02)
