"""Events without the penalty's bias: the relaxed lasso.

The penalty that keeps noise from becoming events (:mod:`napari_cnmf.core.deconvolve`) also
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

from napari_cnmf.core._jit import kernel

STANDS_OUT = 2.0
"""Least size of an event, with its neighbours in time, in units of the matched filter's noise."""
_SWEEPS = 40
_STILL = 1e-3
"""Coordinate descent ends when no spike moves by this share of the largest."""
_OVER = 1e-3
"""The response counts as over below this share of its peak; ``c`` itself is never cut off."""


@kernel(
    "void(float32[:, ::1], float32[:, ::1], float64[:, ::1], float64[::1], float32[:, ::1], "
    "float32[:, ::1], int64, int64)"
)
def relax_rows(
    raw: NDArray[np.float32],
    baseline: NDArray[np.float32],
    g: NDArray[np.float64],
    least: NDArray[np.float64],
    C: NDArray[np.float32],
    S: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Replace calcium and spikes of rows ``start`` to ``stop`` by their relaxed solution.

    Parameters
    ----------
    raw, C, S
        ``(n, n_frames)``; C and S hold the penalised solution.
    baseline
        ``(n, n_frames)`` or ``(n, 1)``.
    g
        AR coefficients ``(n, p)``, p = 1 or 2.
    least
        Size from which on an event stands out ``(n,)``.
    """
    n = raw.shape[1]
    s, rest, h = np.empty(n), np.empty(n), np.empty(n)
    at = np.empty(n, np.int64)
    for row in range(start, stop):
        g1, g2 = g[row, 0], g[row, 1] if g.shape[1] > 1 else 0.0
        reach, peak = 0, 0.0
        for k in range(n):
            h[k] = 1.0 if k == 0 else g1 * h[k - 1] + (g2 * h[k - 2] if k > 1 else 0.0)
            peak = max(peak, h[k])
            reach = k + 1
            if h[k] < _OVER * peak:
                break
        m = 0
        one, two = 0.0, 0.0
        for t in range(n):
            size = S[row, t] + (S[row, t - 1] if t > 0 else 0) + (S[row, t + 1] if t < n - 1 else 0)
            s[t] = S[row, t] if size > least[row] else 0.0
            if s[t] > 0.0:
                at[m] = t
                m += 1
            c = s[t] + g1 * one + g2 * two
            one, two = c, one
            rest[t] = raw[row, t] - baseline[row, t if baseline.shape[1] > 1 else 0] - c
        for _ in range(_SWEEPS):
            largest, moved = 0.0, 0.0
            for i in range(m):
                t = at[i]
                dot, square = 0.0, 0.0
                for k in range(min(reach, n - t)):
                    dot += h[k] * rest[t + k]
                    square += h[k] * h[k]
                new = max(s[t] + dot / square, 0.0)
                step = new - s[t]
                for k in range(min(reach, n - t)):
                    rest[t + k] -= step * h[k]
                s[t] = new
                largest, moved = max(largest, new), max(moved, abs(step))
            if moved <= _STILL * largest:
                break
        one, two = 0.0, 0.0
        for t in range(n):
            c = s[t] + g1 * one + g2 * two
            one, two = c, one
            C[row, t] = 0.5 * (C[row, t] + c)
            S[row, t] = 0.5 * (S[row, t] + s[t])
