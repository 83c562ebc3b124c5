"""The relaxed lasso against non-negative least squares, and against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.signal import lfilter

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.traces.deconvolve import (
    Deconvolved,
    ar_coefficients,
    deconvolve,
    response_norm,
)
from napari_cnmf.core.traces.oasis import oasis
from napari_cnmf.core.traces.relax import STANDS_OUT

RATE, DECAY, RISE = 15.0, 0.7, 0.08
WORKERS = Workers(1)


def traces(n: int, n_frames: int, noise: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Noisy traces and their calcium, of events of many sizes."""
    rng = np.random.default_rng(1)
    g = ar_coefficients(np.array([DECAY]), np.array([RISE]), RATE, 2)[0]
    s = (rng.random((n, n_frames)) < 0.01) * rng.gamma(2, 1, (n, n_frames))
    calcium = np.asarray(lfilter([1], [1, -g[0], -g[1]], s, axis=1), np.float64)
    return (calcium + noise * rng.standard_normal((n, n_frames))).astype(np.float32), calcium


def solve(raw: NDArray[np.float32], p: int, *, relaxed: bool) -> Deconvolved:
    n = len(raw)
    return deconvolve(
        raw, np.full(n, DECAY), np.full(n, RISE), RATE, p=p, s_min=0.0, workers=WORKERS,
        stands_out=STANDS_OUT if relaxed else None,
    )  # fmt: skip


@pytest.mark.parametrize("p", [1, 2])
def test_the_refit_is_non_negative_least_squares_on_the_events(p: int) -> None:
    raw, _ = traces(3, 400, 0.5)
    penalised, relaxed = solve(raw, p, relaxed=False), solve(raw, p, relaxed=True)
    for k in range(3):
        s = penalised.S[k].astype(np.float64)
        size = np.convolve(s, np.ones(3), "same")
        least = STANDS_OUT * penalised.noise[k] / response_norm(penalised.g[[k]].astype(float))[0]
        at = np.flatnonzero((s > 0) & (size > least))
        denominator = [1, *-penalised.g[k].astype(float)]
        H = lfilter([1], denominator, np.eye(400)[at], axis=1).T
        spikes, _ = nnls(H, raw[k] - relaxed.baseline[k])
        expected = 0.5 * (penalised.C[k] + H @ spikes)
        assert np.abs(relaxed.C[k] - expected).max() < 0.02 * expected.max()


def test_calcium_stays_the_response_to_its_spikes() -> None:
    raw, _ = traces(4, 1000, 0.5)
    result = solve(raw, 2, relaxed=True)
    assert result.S.min() >= 0
    for C, S, g in zip(result.C, result.S, result.g, strict=True):
        np.testing.assert_allclose(lfilter([1], [1, *-g.astype(float)], S), C, atol=2e-3 * C.max())


@pytest.mark.parametrize("noise", [0.3, 0.6, 1.0])
def test_it_comes_nearer_to_the_truth(noise: float) -> None:
    raw, calcium = traces(30, 2000, noise)
    before, after = (
        np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(solve(raw, 2, relaxed=r).C, calcium)])  # noqa: B905
        for r in (False, True)
    )
    assert np.median(after) > np.median(before)
    assert (after > before - 0.005).mean() > 0.9


def test_no_event_stays_none() -> None:
    raw = np.random.default_rng(0).standard_normal((2, 600)).astype(np.float32) * 1e-3
    raw[1] = 0
    result = solve(raw, 2, relaxed=True)
    assert np.isfinite(result.C).all()
    assert not result.C[1].any()


def test_a_trace_costs_its_length_whatever_its_pauses() -> None:
    """Pools of silence used to be summed again for each frame appended."""
    y = np.random.default_rng(0).standard_normal(200_000) - 1.0
    c, s = np.empty_like(y), np.empty_like(y)
    oasis(y, 1.6, -0.62, 2.0, 0.0, c, s)
    whole = c.copy()
    cut, spikes = np.empty(1000), np.empty(1000)
    oasis(y[:1000].copy(), 1.6, -0.62, 2.0, 0.0, cut, spikes)
    np.testing.assert_allclose(cut[:900], whole[:900], atol=1e-9)
