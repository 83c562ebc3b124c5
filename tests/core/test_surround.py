"""Each component has its own share of the neuropil around it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.traces.surround import surround_gains

N, N_FRAMES, BIN = 16, 4000, 4


def made(
    left: NDArray[np.float64], *, duty: float = 0.1, size: float = 8.0, noise: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Traces and surrounds; noise of the surrounds was taken out of the traces with them."""
    rng = np.random.default_rng(5)
    u = gaussian_filter1d(rng.standard_normal((len(left), N_FRAMES)), 10, axis=1)
    u *= 3 / u.std(axis=1, keepdims=True)
    spikes = rng.random((len(left), N_FRAMES)) < duty / 20
    calcium = size * lfilter([1], [1, -np.exp(-1 / 20)], spikes.astype(float), axis=1)
    of_surround = noise * rng.standard_normal(u.shape)
    raw = left[:, None] * u + calcium + rng.standard_normal(u.shape) - of_surround
    return raw.astype(np.float32), (u + of_surround).astype(np.float32)


@pytest.mark.parametrize("duty", [0.0, 0.1, 0.5])
def test_what_is_left_of_the_surround_is_found(duty: float) -> None:
    left = np.linspace(-0.8, 0.4, N)
    with Workers(2) as workers:
        found = surround_gains(*made(left, duty=duty), BIN, workers)
    assert np.median(np.abs(found - left)) < 0.05
    assert np.abs(found - left).max() < 0.2


def test_noise_of_the_surround_is_no_gain() -> None:
    """What was taken out of a trace with the surround's noise is in both, with opposite signs."""
    with Workers(1) as workers:
        found = surround_gains(*made(np.zeros(N), noise=4.0), 1, workers)
    assert abs(np.median(found)) < 0.1


def test_those_that_are_never_quiet_take_what_the_others_have() -> None:
    raw, surround = made(np.full(N, -0.5))
    rng = np.random.default_rng(0)
    raw[0] = 30 * gaussian_filter1d(rng.standard_normal(N_FRAMES), 30)
    with Workers(1) as workers:
        found = surround_gains(raw, surround, BIN, workers)
    assert found[1:] == pytest.approx(-0.5, abs=0.1)
    assert -1 <= found[0] <= 1


@pytest.mark.parametrize("n_frames", [0, 1, 30])
def test_nothing_is_told_of_short_or_still_traces(n_frames: int) -> None:
    with Workers(1) as workers:
        short = np.ones((3, n_frames), np.float32)
        assert not surround_gains(short, short, BIN, workers).any()
        still = np.ones((3, 2000), np.float32)
        assert not surround_gains(still, still, BIN, workers).any()
        assert surround_gains(still[:0], still[:0], BIN, workers).shape == (0,)
