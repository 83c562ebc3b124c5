"""Non-rigid correction against simulated truth, and its prior against closed forms."""

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

SIZE = 128
N_FRAMES = 240


def bending_movie(rms_px: float, seed: int = 0) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """A textured scene displaced by a smooth field ``(T, Y, X, 2)``, with Poisson noise."""
    rng = np.random.default_rng(seed)
    scene = np.zeros((SIZE + 32, SIZE + 32))
    n_cells = 400
    y, x = rng.integers(0, SIZE + 32, (2, n_cells))
    scene[y, x] = rng.uniform(20, 60, n_cells)
    scene = ndimage.gaussian_filter(scene, 1.8) + 0.5
    basis = np.stack(
        [ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE)), 30) for _ in range(6)]
    )
    basis /= basis.std(axis=(1, 2), keepdims=True)
    course = ndimage.gaussian_filter1d(rng.standard_normal((N_FRAMES, 2, 6)), 8, axis=0)
    course -= course.mean(axis=0)
    field = np.einsum("tan,nyx->tyxa", course, basis)
    field *= rms_px / max(float(field.std()), 1e-12)
    grid_y, grid_x = np.mgrid[:SIZE, :SIZE] + 16.0
    movie = np.empty((N_FRAMES, SIZE, SIZE), np.uint16)
    for t in range(N_FRAMES):
        at = [grid_y - field[t, ..., 0], grid_x - field[t, ..., 1]]
        frame = ndimage.map_coordinates(scene, at, order=3)
        movie[t] = rng.poisson(np.maximum(frame, 0.01) * 10) + 50
    return movie, field.astype(np.float32)


def run(movie: NDArray[Any], **motion: Any) -> tuple[MotionResult, NDArray[Any], list[str]]:
    corrected = np.empty_like(movie)
    said: list[str] = []

    def write(start: int, frames: NDArray[Any]) -> None:
        corrected[start : start + len(frames)] = frames

    result = correct_motion(
        ArraySource(movie),
        SimpleNamespace(motion=MotionParams(pw_rigid=True, **motion)),
        write=write,
        n_threads=2,
        on_log=said.append,
        on_warning=said.append,
    )
    return result, corrected, said


def test_bending_is_taken_out() -> None:
    movie, truth = bending_movie(1.0)
    result, corrected, _ = run(movie, strides=(16, 16))
    assert result.field is not None
    assert result.nodes is not None
    y, x = (np.rint(n).astype(int) for n in result.nodes)
    inner = slice(1, -1)
    error = result.field - truth[:, y][:, :, x]
    error = (error - error.mean(axis=0))[:, inner, inner]
    assert np.sqrt(np.mean(error**2)) < 0.35
    rigid = result.shifts[:, None, None] - truth[:, y][:, :, x]
    rigid = (rigid - rigid.mean(axis=0))[:, inner, inner]
    assert np.sqrt(np.mean(error**2)) < 0.5 * np.sqrt(np.mean(rigid**2))
    b = result.border_px
    assert (
        corrected[:, b:-b, b:-b].astype(float).std(axis=0).mean()
        < 0.85 * movie[:, b:-b, b:-b].astype(float).std(axis=0).mean()
    )


def test_a_movie_that_does_not_bend_stays_rigid() -> None:
    movie, _ = bending_movie(0.0)
    result, _, said = run(movie)
    assert result.field is None
    assert result.nodes is None
    assert np.abs(result.shifts).max() < 0.05
    assert any("does not bend" in line for line in said)


def test_strides_beyond_the_field_are_an_error() -> None:
    with pytest.raises(ParameterError, match="strides"):
        run(np.ones((10, 64, 64), np.uint16), strides=(80, 80))


def test_prior_finds_what_the_scores_were_drawn_from() -> None:
    from napari_cnmf.core.motion.field_prior import Evidence, pick_prior
    from napari_cnmf.core.motion.field_time import PACES, Course

    rng = np.random.default_rng(5)
    positions = np.stack(np.meshgrid(*[np.arange(6) * 30.0] * 2, indexing="ij"), -1).reshape(-1, 2)
    n = 2 * len(positions)
    J = rng.standard_normal((n, 4 * n))
    H = J @ J.T / 4
    apart = ((positions[:, None] - positions[None]) ** 2).sum(axis=2)
    K = np.kron(np.exp(-apart / (2 * 60.0**2)), np.eye(2)) + 1e-9 * np.eye(n)
    root, noise = np.linalg.cholesky(K), np.linalg.cholesky(H)
    c = 0.8 * rng.standard_normal((2000, n)) @ root.T
    b = c @ H + np.sqrt(2.0) * rng.standard_normal((2000, n)) @ noise.T
    lengths = np.array([30.0, 60.0, 120.0])
    course = Course((slice(0, 900), slice(900, 2000)), np.zeros(2000, np.bool_))
    prior = pick_prior(Evidence(H, positions, b, course), lengths, 5.0)
    assert prior.pace_frames == PACES[0]
    assert prior.modes.length_px == 60.0
    assert prior.strength_px == pytest.approx(0.8, rel=0.2)
    assert prior.noise == pytest.approx(2.0, rel=0.15)
    # the posterior mean by the textbook: (H / s + K^-1 / a^2)^-1 b / s
    s, a2 = prior.noise, prior.strength_px**2
    exact = np.linalg.solve(H / s + np.linalg.inv(a2 * K), b[:20].T / s).T
    np.testing.assert_allclose(prior.estimate(b, course)[:20], exact, atol=0.02)
    b = np.sqrt(2) * rng.standard_normal((2000, n)) @ noise.T
    flat = pick_prior(Evidence(H, positions, b, course), lengths, 5.0)
    assert flat.strength_px < 0.03


def test_a_course_that_is_smooth_in_time_is_seen_in_noise_that_hides_each_frame() -> None:
    from napari_cnmf.core.motion.field_prior import Evidence, pick_prior
    from napari_cnmf.core.motion.field_time import Course

    rng = np.random.default_rng(6)
    positions = np.stack(np.meshgrid(*[np.arange(4) * 30.0] * 2, indexing="ij"), -1).reshape(-1, 2)
    n, T = 2 * len(positions), 1000
    apart = ((positions[:, None] - positions[None]) ** 2).sum(axis=2)
    K = np.kron(np.exp(-apart / (2 * 60.0**2)), np.eye(2)) + 1e-9 * np.eye(n)
    c = ndimage.gaussian_filter1d(rng.standard_normal((T, n)), 8, axis=0)
    c = 0.8 * c / c.std() @ np.linalg.cholesky(K).T
    H = 0.5 * np.eye(n)
    b = c @ H + np.sqrt(0.5) * rng.standard_normal((T, n))
    lost = np.zeros(T, np.bool_)
    lost[400:405] = True
    b[lost] = 1e3
    course = Course((slice(0, T),), lost)
    prior = pick_prior(Evidence(H, positions, b, course), np.array([30.0, 60.0, 120.0]), 5.0)
    assert prior.pace_frames > 4
    error = prior.estimate(b, course) - c
    assert np.sqrt(np.mean(error[~lost] ** 2)) < 0.35
    assert np.sqrt(np.mean(error[lost] ** 2)) < 0.6


def test_a_movie_that_is_fitted_in_parts_is_corrected_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_cnmf.core.motion import field_estimate

    movie, truth = bending_movie(1.0)
    whole, _, _ = run(movie, strides=(16, 16))
    monkeypatch.setattr(field_estimate, "LEARN_FRAMES", 180)
    monkeypatch.setattr(field_estimate, "BURST_FRAMES", 30)
    monkeypatch.setattr(field_estimate, "OVERLAP_FRAMES", 20)
    parts, _, _ = run(movie, strides=(16, 16))
    assert whole.field is not None
    assert parts.field is not None
    assert len(truth) > 180

    def error(result: MotionResult) -> float:
        assert result.nodes is not None
        assert result.field is not None
        y, x = (np.rint(n).astype(int) for n in result.nodes)
        d = result.field - truth[:, y][:, :, x]
        return float(np.sqrt(np.mean((d - d.mean(axis=0))[:, 1:-1, 1:-1] ** 2)))

    assert error(parts) < 1.3 * error(whole)


def test_smoothed_series_is_the_gaussian_conditional_mean() -> None:
    from napari_cnmf.core.motion.state_space import smooth_series

    rng = np.random.default_rng(0)
    T, pace, variance, noise = 60, 5.0, 2.0, 0.7
    rate = np.sqrt(3) / pace
    lag = rate * np.abs(np.subtract.outer(np.arange(T), np.arange(T)))
    K = variance * (1 + lag) * np.exp(-lag)
    z = rng.multivariate_normal(np.zeros(T), K + noise * np.eye(T))
    r = np.full(T, noise)
    r[[10, 11, 30]] = np.inf
    F = np.exp(-rate) * np.array([[1 + rate, 1.0], [-(rate**2), 1 - rate]])
    P = variance * np.diag([1.0, rate**2])
    mean, var = np.empty(T), np.empty(T)
    loglik = smooth_series(z, r, F, P - F @ P @ F.T, P, 0, True, mean, var)
    seen = np.isfinite(r)
    S = K[np.ix_(seen, seen)] + noise * np.eye(seen.sum())
    gain = np.linalg.solve(S, K[seen]).T
    np.testing.assert_allclose(mean, gain @ z[seen], atol=1e-6)
    np.testing.assert_allclose(var, np.diag(K - gain @ K[seen]), atol=1e-6)
    _, logdet = np.linalg.slogdet(S)
    expected = -0.5 * (logdet + z[seen] @ np.linalg.solve(S, z[seen]))
    assert loglik == pytest.approx(expected, abs=1e-6)
