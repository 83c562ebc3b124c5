"""Events without the penalty's bias: the relaxed lasso.

The penalty that keeps noise from becoming events (:mod:`napari_cnmf.core.traces.deconvolve`) also
makes every event smaller, and spreads what it took from them over spikes around. With T the
times of the events that stand out of the penalised solution s1,

    s0 = argmin |y - h * s|^2  over  s >= 0,  s_t = 0 outside T;        s = (s1 + s0) / 2

has half the bias, and less variance than s0 (Meinshausen 2007, Comput Stat Data Anal 52, 374:
"Relaxed lasso", eq. 3 with phi = 1/2). c = h * s holds for it as for its parts.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel

STANDS_OUT, STANDS_OUT_ONE_PHOTON = 1.2, 2.0
"""Least size of an event, with its neighbours in time, in units of the matched filter's noise. What
is left of a one-photon background moves as slowly as calcium, and is no event."""
_SWEEPS = 40
_STILL = 1e-3
"""Coordinate descent ends when no spike moves by this share of the largest."""
_OVER = 1e-3
"""The response counts as over below this share of its peak; ``c`` itself is never cut off."""


@kernel("void(float64[::1], float64, float64, float64, float64[::1], float64[::1])")
def relax(
    y: NDArray[np.float64],
    g1: float,
    g2: float,
    least: float,
    c: NDArray[np.float64],
    s: NDArray[np.float64],
) -> None:
    """Replace the penalised solution by the relaxed one.

    Parameters
    ----------
    y
        A trace without its baseline ``(n_frames,)``.
    g1, g2
        AR coefficients; g2 is 0 for an AR(1).
    least
        Size from which on an event stands out.
    c, s
        Penalised calcium and spikes on entry, ``(n_frames,)``.
    """
    n = len(y)
    free, rest, h = np.empty(n), np.empty(n), np.empty(n)
    at = np.empty(n, np.int64)
    reach, peak, one, two = 0, 0.0, 1.0, 0.0
    while reach < n and one >= _OVER * peak:
        h[reach] = one
        peak = max(peak, one)
        one, two = g1 * one + g2 * two, one
        reach += 1
    m = 0
    one, two = 0.0, 0.0
    for t in range(n):
        size = s[t]
        if t > 0:
            size += s[t - 1]
        if t < n - 1:
            size += s[t + 1]
        free[t] = 0.0
        if size > least and s[t] > 0.0:
            free[t] = s[t]
            at[m] = t
            m += 1
        one, two = free[t] + g1 * one + g2 * two, one
        rest[t] = y[t] - one
    for _ in range(_SWEEPS):
        largest, moved = 0.0, 0.0
        for i in range(m):
            t = at[i]
            dot, square = 0.0, 0.0
            stop = min(reach, n - t)
            for k in range(stop):
                dot += h[k] * rest[t + k]
                square += h[k] * h[k]
            new = max(free[t] + dot / square, 0.0)
            step = new - free[t]
            for k in range(stop):
                rest[t + k] -= step * h[k]
            free[t] = new
            largest = max(largest, new)
            moved = max(moved, abs(step))
        if moved <= _STILL * largest:
            break
    one, two = 0.0, 0.0
    for t in range(n):
        one, two = free[t] + g1 * one + g2 * two, one
        c[t] = 0.5 * (c[t] + one)
        s[t] = 0.5 * (s[t] + free[t])
