"""The path of the field over time: measured shifts and error bars in, a smoothed path out.

A linear Gaussian state space model. The variance of each measurement is known from the
likelihood of the shift and stays fixed: with a free scale, jumps are explained as noise and
smoothed away.
"""

from __future__ import annotations

# ruff: noqa: PLR0915, PLR0917
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]

ERROR_BAR_VARIANCE = 1.3
"""Measured shifts scatter more than Fisher's bound says: neurons that fire are no noise."""


STILL = 0.02
"""A walk whose steps have a smaller share of the error bars' variance stands still in between."""


@dataclass(frozen=True, eq=False)
class Path:
    """Smoothed shifts along one axis.

    Attributes
    ----------
    shifts, variance
        ``(T,)`` in px and px^2.
    order
        2: the velocity wanders, 0: hardly anything moves, and in both the path is smoothed;
        1: the position wanders, and measured frames are kept as they are.
    """

    shifts: F64
    variance: F64
    order: int


@njit(
    "float64(float64[::1], float64[::1], float64, float64, boolean, float64[::1], float64[::1])",
    nogil=True,
    cache=True,
)
def trend_smoother(
    z: F64, r: F64, q_level: float, q_slope: float, smooth: bool, out: F64, out_var: F64
) -> float:
    """Log-likelihood of a local linear trend, and with ``smooth`` its smoothed level.

    Measurements ``z (T,)`` with variance ``r (T,)``; infinite where there is none. With
    ``q_slope`` 0 the slope is fixed at 0: a random walk.
    """
    T = z.size
    big = 1e4
    moving = 1.0 if q_slope > 0 else 0.0
    x0, x1 = 0.0, 0.0
    p00, p01, p11 = big, 0.0, moving
    states = np.empty((T, 5))
    predicted = np.empty((T, 5))
    loglik = 0.0
    seen = 0
    for t in range(T):
        if t > 0:
            x0 = x0 + moving * x1
            p00 = p00 + moving * (2 * p01 + p11) + q_level
            p01 = moving * (p01 + p11)
            p11 = p11 + q_slope
        predicted[t, 0], predicted[t, 1] = x0, x1
        predicted[t, 2], predicted[t, 3], predicted[t, 4] = p00, p01, p11
        if np.isfinite(r[t]):
            s = p00 + r[t]
            v = z[t] - x0
            if seen >= 2:
                loglik -= 0.5 * (np.log(s) + v * v / s)
            seen += 1
            k0, k1 = p00 / s, p01 / s
            x0 += k0 * v
            x1 += k1 * v
            p11 -= k1 * p01
            p01 -= k0 * p01
            p00 -= k0 * p00
        states[t, 0], states[t, 1] = x0, x1
        states[t, 2], states[t, 3], states[t, 4] = p00, p01, p11
    if smooth:
        s0, s1 = x0, x1
        v00, v01, v11 = p00, p01, p11
        out[T - 1], out_var[T - 1] = s0, v00
        for t in range(T - 2, -1, -1):
            f00, f01, f11 = states[t, 2], states[t, 3], states[t, 4]
            a00, a01, a11 = predicted[t + 1, 2], predicted[t + 1, 3], predicted[t + 1, 4]
            # gain G = P F' inv(Ppred), F = [[1, moving], [0, 1]] (slope row 0 for a walk)
            m00, m01 = f00 + moving * f01, moving * f01
            m10, m11 = f01 + moving * f11, moving * f11
            if moving > 0:
                det = a00 * a11 - a01 * a01
                g00 = (m00 * a11 - m01 * a01) / det
                g01 = (m01 * a00 - m00 * a01) / det
                g10 = (m10 * a11 - m11 * a01) / det
                g11 = (m11 * a00 - m10 * a01) / det
            else:
                g00, g01, g10, g11 = m00 / a00, 0.0, 0.0, 0.0
            e0 = s0 - predicted[t + 1, 0]
            e1 = s1 - predicted[t + 1, 1]
            s0 = states[t, 0] + g00 * e0 + g01 * e1
            s1 = states[t, 1] + g10 * e0 + g11 * e1
            b00, b01, b11 = v00 - a00, v01 - a01, v11 - a11
            n00 = f00 + g00 * (g00 * b00 + g01 * b01) + g01 * (g00 * b01 + g01 * b11)
            n01 = f01 + g00 * (g10 * b00 + g11 * b01) + g01 * (g10 * b01 + g11 * b11)
            n11 = f11 + g10 * (g10 * b00 + g11 * b01) + g11 * (g10 * b01 + g11 * b11)
            v00, v01, v11 = n00, n01, n11
            out[t], out_var[t] = s0, max(v00, 0.0)
    return loglik


def _best_strength(z: F64, r: F64, order: int) -> tuple[float, float]:
    """Log-likelihood and process variance that maximise it, on a log grid then refined."""
    empty = np.empty(0)

    def loglik(log_q: float) -> float:
        q = 10.0**log_q
        level, slope = (q, 0.0) if order == 1 else (0.0, q)
        return float(trend_smoother(z, r, level, slope, False, empty, empty))

    grid = np.arange(-9.0, 2.5, 1.0)
    values = [loglik(g) for g in grid]
    best = float(grid[int(np.argmax(values))])
    width = 0.5
    while width > 0.05:
        best = max((best - width, best, best + width), key=loglik)
        width /= 2
    return loglik(best), 10.0**best


def smooth_path(measured: F64, variance: F64, lost: NDArray[np.bool_]) -> Path:
    """Smooth one axis where the likelihood says that the field moves smoothly.

    Parameters
    ----------
    measured, variance
        ``(T,)`` shifts in px and their variance in px^2.
    lost
        ``(T,)`` frames without a measurement; their shift comes from their neighbours.

    References
    ----------
    Durbin & Koopman, Time Series Analysis by State Space Methods, 2012: local linear trend.
    """
    r = np.where(lost, np.inf, variance * ERROR_BAR_VARIANCE)
    z = np.where(lost, 0.0, measured)
    used = int(np.count_nonzero(~lost))
    if used == 0:
        return Path(np.zeros_like(z), np.full_like(z, np.inf), 1)
    out, out_var = np.empty_like(z), np.empty_like(z)
    walk, q_walk = _best_strength(z, r, 1)
    trend, q_trend = _best_strength(z, r, 2) if used >= 30 else (-np.inf, 1.0)
    if trend > walk + 2:
        trend_smoother(z, r, 0.0, q_trend, True, out, out_var)
        return Path(out, out_var, 2)
    trend_smoother(z, r, q_walk, 0.0, True, out, out_var)
    if q_walk < STILL * float(np.median(r[~lost])):
        return Path(out, out_var, 0)
    keep = ~lost
    out[keep] = measured[keep]
    out_var[keep] = r[keep]
    return Path(out, out_var, 1)
