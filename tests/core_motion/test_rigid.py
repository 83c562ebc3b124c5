"""Rigid motion correction against simulated and recorded truth."""

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
from napari_cnmf.errors import CancelledByUser, MovieError, ParameterError
from napari_cnmf.params.motion import MotionParams


def moving_movie(
    n_frames: int, size: tuple[int, int], path: NDArray[Any], photons: float = 30.0, seed: int = 0
) -> NDArray[np.uint16]:
    """Blobs on a smooth ground, displaced by ``path (T, 2)``, with Poisson noise."""
    rng = np.random.default_rng(seed)
    pad = 16
    big = (size[0] + 2 * pad, size[1] + 2 * pad)
    scene = np.zeros(big)
    n_cells = big[0] * big[1] // 250
    scene[rng.integers(0, big[0], n_cells), rng.integers(0, big[1], n_cells)] = rng.uniform(
        30, 90, n_cells
    )
    scene = ndimage.gaussian_filter(scene, 2.0) + 1.0
    y, x = np.mgrid[: size[0], : size[1]]
    movie = np.empty((n_frames, *size), np.uint16)
    for t, (dy, dx) in enumerate(path):
        frame = ndimage.map_coordinates(scene, [y + pad - dy, x + pad - dx], order=3)
        movie[t] = rng.poisson(np.maximum(frame, 0.01) * photons) + 100
    return movie


def smooth_path(n_frames: int, rms: float, seed: int = 1) -> NDArray[np.float64]:
    """A path of ``rms`` px that changes over about 12 frames."""
    rng = np.random.default_rng(seed)
    path = ndimage.gaussian_filter1d(rng.standard_normal((n_frames, 2)), 12, axis=0)
    return np.asarray((path - path.mean(0)) * rms / path.std())


def run(
    movie: NDArray[Any], warnings: list[str] | None = None, n_threads: int = 2, **motion: Any
) -> tuple[MotionResult, NDArray[Any]]:
    blocks: list[NDArray[Any]] = []

    def write(start: int, frames: NDArray[Any]) -> None:
        assert start == sum(len(b) for b in blocks)
        blocks.append(frames.copy())

    params = SimpleNamespace(motion=MotionParams(**motion))
    result = correct_motion(
        ArraySource(movie),
        params,
        write=write,
        n_threads=n_threads,
        on_warning=(warnings if warnings is not None else []).append,
    )
    return result, np.concatenate(blocks)


def rms_error(shifts: NDArray[Any], truth: NDArray[Any]) -> float:
    error = shifts - truth
    return float(np.sqrt(np.mean((error - error.mean(axis=0)) ** 2)))


def test_smooth_motion_is_measured_and_removed() -> None:
    path = smooth_path(300, 2.0)
    movie = moving_movie(300, (96, 120), path)
    warnings: list[str] = []
    result, corrected = run(movie, warnings, max_shifts=(10, 10))
    assert rms_error(result.shifts, path) < 0.03
    assert warnings == []
    assert corrected.dtype == np.uint16
    b = result.border_px
    still = corrected[:, b:-b, b:-b].astype(float)
    moving = movie[:, b:-b, b:-b].astype(float)
    assert still.std(axis=0).mean() < 0.6 * moving.std(axis=0).mean()
    assert result.figures["crispness_after"] > result.figures["crispness_before"]
    np.testing.assert_allclose(result.shifts_rig, -result.shifts)


def test_error_bars_cover_the_errors() -> None:
    rng = np.random.default_rng(3)
    path = rng.normal(0, 1.0, (300, 2))
    movie = moving_movie(300, (64, 96), path, photons=2.0)
    result, _ = run(movie, max_shifts=(8, 8))
    error = result.shifts - path
    error = error - error.mean(axis=0)
    ratio = np.sqrt(np.mean(error**2)) / np.sqrt(np.mean(result.error_px**2))
    assert 0.7 < ratio < 1.3


def test_movie_that_stood_in_two_places_is_not_doubled() -> None:
    path = np.repeat([[0.0, 0.0], [3.0, -4.0]], 50, axis=0)
    result, _ = run(moving_movie(100, (64, 64), path))
    assert rms_error(result.shifts, path) < 0.05


def test_lost_frames_are_flagged_and_no_others() -> None:
    path = smooth_path(300, 1.5)
    movie = moving_movie(300, (96, 96), path)
    rng = np.random.default_rng(4)
    black, noise, saturated = [20, 21, 150], [60, 200], [99]
    movie[black] = 0
    movie[noise] = rng.poisson(100, (2, 96, 96))
    movie[saturated] = 65535
    movie[250] += 400
    warnings: list[str] = []
    result, _ = run(movie, warnings, max_shifts=(8, 8))
    assert sorted(np.flatnonzero(result.lost)) == sorted(black + noise + saturated)
    assert rms_error(result.shifts[~result.lost], path[~result.lost]) < 0.04
    assert "6 of 300 frames" in warnings[0]


def test_motion_beyond_max_shifts_is_said_with_its_size() -> None:
    path = smooth_path(200, 4.0)
    movie = moving_movie(200, (96, 96), path)
    warnings: list[str] = []
    result, _ = run(movie, warnings, max_shifts=(5, 5))
    assert np.abs(result.shifts).max() <= 5
    reach = np.abs(path - np.median(path, axis=0)).max()
    assert reach > 6
    assert len(warnings) == 1
    said = float(warnings[0].split("up to ")[1].split(" px")[0])
    assert abs(said - reach) < 1.0


@pytest.mark.parametrize("value", [0, 1000])
def test_constant_movie_is_left_alone(value: int) -> None:
    movie = np.full((40, 32, 48), value, np.uint16)
    warnings: list[str] = []
    result, corrected = run(movie, warnings)
    assert result.lost.all()
    assert not result.shifts.any()
    np.testing.assert_array_equal(corrected, movie)
    assert "Nothing in the movie" in warnings[0]


def test_noise_alone_is_left_alone() -> None:
    movie = np.random.default_rng(0).poisson(50, (200, 64, 64)).astype(np.uint16)
    warnings: list[str] = []
    result, corrected = run(movie, warnings)
    assert not result.shifts.any()
    np.testing.assert_array_equal(corrected, movie)
    assert "Nothing in the movie" in warnings[0]


@pytest.mark.parametrize(("border", "expected"), [(True, np.nan), ("min", 7.0), (False, 0.0)])
def test_border_is_filled_as_asked(border: bool | str, expected: float) -> None:
    path = np.repeat([[0.0, 0.0], [3.0, -4.0]], [70, 30], axis=0)
    movie = moving_movie(100, (64, 64), path)
    movie[:, 30, 30] = 7
    result, corrected = run(movie, border_nan=border)
    assert corrected.dtype == (np.float32 if border is True else np.uint16)
    # content that stands 3 px too low goes up: the last rows come from nowhere
    np.testing.assert_array_equal(corrected[85, -2:], expected)
    np.testing.assert_array_equal(corrected[85, :, :3], expected)
    b = result.border_px
    assert np.isfinite(corrected[:, b:-b, b:-b]).all()


@pytest.mark.parametrize(("border", "expected"), [("copy", 2), ("min", 6)])
def test_one_frame_that_jumps_does_not_widen_a_border_of_copies(border: str, expected: int) -> None:
    """Copies are nearly right: a cell at the border is not given up for a single frame of them."""
    path = np.tile([[1.5, 0.0], [-1.5, 0.0]], (75, 1))
    path[70] = 5.5
    result, _ = run(moving_movie(150, (64, 64), path), max_shifts=(8, 8), border_nan=border)
    assert result.border_px == expected


def test_result_does_not_depend_on_threads() -> None:
    movie = moving_movie(120, (64, 80), smooth_path(120, 1.0))
    one, frames_one = run(movie, n_threads=1)
    four, frames_four = run(movie, n_threads=4)
    np.testing.assert_array_equal(one.shifts, four.shifts)
    np.testing.assert_array_equal(frames_one, frames_four)


def test_streamed_measurement_equals_the_kept_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_cnmf.core.motion import estimate

    path = smooth_path(500, 1.5)
    movie = moving_movie(500, (48, 64), path)
    monkeypatch.setattr(estimate, "KEEP_BYTES", 1.0)
    result, _ = run(movie, max_shifts=(6, 6))
    assert rms_error(result.shifts, path) < 0.05


def test_stop_is_obeyed() -> None:
    movie = moving_movie(60, (48, 48), np.zeros((60, 2)))
    with pytest.raises(CancelledByUser):
        correct_motion(
            ArraySource(movie),
            SimpleNamespace(motion=MotionParams()),
            write=lambda start, frames: None,
            should_stop=lambda: True,
        )


@pytest.mark.parametrize(
    ("shape", "motion", "error", "words"),
    [
        ((1, 32, 32), {}, MovieError, "at least 2 frames"),
        ((10, 4, 32), {}, MovieError, "8 x 8"),
        ((10, 32, 32), {"max_shifts": (20, 20)}, ParameterError, "half the field"),
        ((10, 32, 32), {"max_shifts": (2, 4, 4)}, ParameterError, "2 values"),
    ],
)
def test_misfits_are_said(
    shape: tuple[int, ...], motion: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        run(np.ones(shape, np.uint16), **motion)
