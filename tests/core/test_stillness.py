"""The warning that a movie still moves: its figure is right, and still movies are left in peace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_cnmf.core.motion.stillness import residual_shifts, stillness_warning, tiles_to_look_at
from napari_cnmf.testing import simulate, simulate_one_photon
from napari_cnmf.testing.one_photon import OnePhotonSimulation
from regimes import base_regime


def bins_of(movie: NDArray[Any], n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means of ``n`` frames ``(1, Y, X, n_bins)``, and their noise from differences of frames."""
    frames = movie[: len(movie) // n * n].astype(np.float32)
    means = frames.reshape(-1, n, *frames.shape[1:]).mean(axis=1)
    sn = np.median(np.abs(np.diff(frames, axis=0)), axis=0) / 0.6745 / np.sqrt(2 * n)
    return np.ascontiguousarray(np.moveaxis(means, 0, -1))[None], np.maximum(sn, 1e-3)[None]


def looked_at(path: NDArray[np.float64], n_found: int) -> NDArray[np.float64]:
    """The true shifts of the bins that are measured."""
    bins = np.linspace(0, len(path) - 1, n_found).astype(int)
    return path[bins] - np.median(path[bins], axis=0)


@pytest.mark.parametrize("rms", [0.2, 0.5, 1.0, 2.5, 3.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_figure_is_the_motion_there_is(rms: float, seed: int) -> None:
    config = base_regime(n_frames=400, size=96, n_cells=25, seed=seed)
    recording = simulate(config, rigid_motion_rms_px=rms, rigid_motion_timescale_s=2.0)
    X, sn = bins_of(recording.array(), 5)
    found = residual_shifts(X, sn)
    wanted = looked_at(recording.truth.shifts.reshape(-1, 5, 2).mean(axis=1), len(found))
    assert np.abs(wanted).max() > 1.5 * rms
    assert found.std(axis=0).max() == pytest.approx(wanted.std(axis=0).max(), rel=0.2)
    assert np.abs(found).max() == pytest.approx(np.abs(wanted).max(), rel=0.25, abs=0.25)


@pytest.mark.parametrize(
    "knobs",
    [{}, {"bleaching_fraction": 0.5}, {"event_rate_hz": 0.5}, {"noise": 3.0}],
    ids=["still", "bleaching", "active", "noisy"],
)
def test_a_still_movie_is_left_in_peace(knobs: dict[str, Any]) -> None:
    noise = knobs.pop("noise", 1.0)
    config = base_regime(n_frames=400, size=96, n_cells=25, seed=3, noise=noise)
    X, sn = bins_of(simulate(config, **knobs).array(), 5)
    assert stillness_warning(residual_shifts(X, sn)) is None


@pytest.mark.parametrize("n_cells", [1, 3, 6, 15])
@pytest.mark.parametrize("seed", range(2))
def test_a_few_cells_on_an_even_background_do_not_move(n_cells: int, seed: int) -> None:
    """A corrected movie, or sparse expression: most of the field has nothing to follow."""
    rng = np.random.default_rng(100 * n_cells + seed)
    n_frames, height, width = 700, 64, 80
    movie = rng.normal(300, 12, (n_frames, height, width))
    yy, xx = np.mgrid[:height, :width]
    for _ in range(n_cells):
        y, x, radius = rng.integers(8, height - 8), rng.integers(8, width - 8), rng.uniform(2, 5)
        trace = np.zeros(n_frames)
        trace[rng.choice(n_frames, 10)] = rng.uniform(50, 300)
        for t in range(1, n_frames):
            trace[t] += rng.uniform(0.85, 0.97) * trace[t - 1]
        blob = np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * radius**2))
        movie += blob * trace[:, None, None]
    X, sn = bins_of(movie, 5)
    assert stillness_warning(residual_shifts(X, sn)) is None


def test_light_that_changes_over_a_vignette_is_not_motion() -> None:
    rng = np.random.default_rng(5)
    yy, xx = np.mgrid[:96, :96]
    vignette = 400 * np.exp(-((yy - 48) ** 2 + (xx - 48) ** 2) / (2 * 45**2))
    light = 1 + 0.2 * np.sin(np.arange(500) / 20)
    X, sn = bins_of(vignette * light[:, None, None] + rng.normal(0, 5, (500, 96, 96)), 5)
    assert stillness_warning(residual_shifts(X, sn)) is None


def test_a_background_that_moves_is_not_a_movie_that_moves() -> None:
    config = OnePhotonSimulation.build(n_frames=400, size=(96, 96), n_cells=20, seed=4)
    X, sn = bins_of(simulate_one_photon(config).array(), 5)
    assert stillness_warning(residual_shifts(X, sn)) is None


def test_noise_is_not_motion() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(100, 1, (1, 64, 64, 60)).astype(np.float32)
    assert stillness_warning(residual_shifts(X, np.ones((1, 64, 64), np.float32))) is None
    small = rng.normal(100, 1, (1, 10, 64, 60)).astype(np.float32)
    assert residual_shifts(small, np.ones((1, 10, 64), np.float32)).tolist() == [[0.0, 0.0]]


def test_the_warning_says_what_was_measured() -> None:
    shifts = np.array([[0.0, 0.0], [3.0, 0.0], [-3.0, 0.0]])
    said = stillness_warning(shifts, 7) or ""
    assert "2.4 px (standard deviation), up to 3.0 px in means of 7 frames" in said
    assert "means" not in (stillness_warning(shifts) or "")


def test_tiles_are_spread() -> None:
    assert tiles_to_look_at(1) == [0]
    assert tiles_to_look_at(2) == [0, 1]
    assert tiles_to_look_at(9) == [1, 4, 7]
