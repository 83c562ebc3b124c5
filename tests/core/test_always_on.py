"""Cells that are active for most of the time are found, and what merely pulsates is not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from napari_cnmf.core.finding.energy import quiet_level
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.result import CNMFResult
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.params import CNMFParams

N_FRAMES, SIZE, FRAME_RATE_HZ, NOISE = 1200, 84, 15.0, 10.0
RADIUS_PX = 3.2


def background(rng: np.random.Generator) -> NDArray[np.float64]:
    """Even light with smooth neuropil and photon noise ``(T, Y, X)``."""
    movie = np.full((N_FRAMES, SIZE, SIZE), 200.0)
    for _ in range(3):
        course = gaussian_filter1d(rng.normal(size=N_FRAMES), FRAME_RATE_HZ / 2)
        shape = gaussian_filter(rng.normal(size=(SIZE, SIZE)), 18)
        movie += 3 * (course / course.std())[:, None, None] * (shape / shape.std())
    return movie + rng.normal(0, NOISE, movie.shape)


def bursting(rng: np.random.Generator, duty: float, decay_s: float) -> NDArray[np.float64]:
    """Calcium in bursts for the share ``duty`` of the time, 1.5 events of size one a decay."""
    rate_hz = 1.5 / decay_s
    on, t = np.zeros(N_FRAMES, np.bool_), 0
    while t < N_FRAMES:
        period = rng.exponential(6 * FRAME_RATE_HZ)
        on[t : t + int(period * duty) + 1] = True
        t += int(period * duty) + int(period * (1 - duty)) + 2
    spikes = on * rng.poisson(rate_hz / FRAME_RATE_HZ, N_FRAMES) * rng.lognormal(0, 0.3, N_FRAMES)
    calcium, keep = np.zeros(N_FRAMES), np.exp(-1 / (decay_s * FRAME_RATE_HZ))
    for t in range(1, N_FRAMES):
        calcium[t] = keep * calcium[t - 1] + spikes[t]
    return calcium


def blob(y: float, x: float) -> NDArray[np.float64]:
    yy, xx = np.mgrid[:SIZE, :SIZE]
    return np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * RADIUS_PX**2))


def run(movie: NDArray[np.float64], decay_s: float) -> CNMFResult:
    params = CNMFParams().replace(init={"gSig": (3, 3)}, data={"decay_time": decay_s})
    source = ArraySource(np.clip(movie, 0, 65535).astype(np.uint16))
    return run_cnmf(source, params, frame_rate_hz=FRAME_RATE_HZ, n_threads=1)


def is_found(result: CNMFResult, y: int, x: int) -> bool:
    centres = result.components.A.T @ np.stack(np.mgrid[:SIZE, :SIZE], -1).reshape(-1, 2)
    centres /= np.asarray(result.components.A.sum(axis=0)).reshape(-1, 1)
    return bool(len(centres) and (np.hypot(*(centres - (y, x)).T) < 3).any())


@pytest.mark.parametrize("decay_s", [0.3, 1.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_cells_are_found_at_any_duty(decay_s: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    movie, at = background(rng), {}
    for i, duty in enumerate((0.02, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.95)):
        y, x = 16 + 26 * (i // 3), 16 + 26 * (i % 3)
        movie += 2 * NOISE * bursting(rng, duty, decay_s)[:, None, None] * blob(y, x)
        at[y, x] = duty
    result = run(movie, decay_s)
    missed = [duty for place, duty in at.items() if not is_found(result, *place)]
    assert len(missed) <= 1, f"cells of duty {missed} were missed"
    assert result.components.n_components <= len(at) + 2


def test_neither_noise_nor_a_vessel_that_pulsates_becomes_an_accepted_cell() -> None:
    rng = np.random.default_rng(7)
    movie = background(rng)
    beats = np.sin(2 * np.pi * 1.3 * np.arange(N_FRAMES) / FRAME_RATE_HZ)
    movie += 2 * NOISE * beats[:, None, None] * blob(42, 42)
    result = run(movie, 0.5)
    assert result.components.accepted.sum() == 0
    assert run(background(np.random.default_rng(8)), 0.5).components.n_components == 0


@pytest.mark.parametrize("duty", [0.05, 0.5, 0.95])
def test_the_quiet_level_of_a_busy_trace_is_its_baseline(duty: float) -> None:
    rng = np.random.default_rng(int(100 * duty))
    active = rng.random((20, 2000)) < duty
    traces = 3 + rng.normal(0, 1, active.shape) + active * rng.uniform(5, 30, active.shape)
    level = quiet_level(traces.astype(np.float32), np.ones(20, np.float32))
    np.testing.assert_allclose(level, 3, atol=1.5)
