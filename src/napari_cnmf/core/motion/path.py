"""The path of the field over time: measured shifts and error bars in, a smoothed path out.

A linear Gaussian state space model. The variance of each measurement is known from the
likelihood of the shift and stays fixed: with a free scale, jumps are explained as noise and
smoothed away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.motion.state_space import smooth_series

F64 = NDArray[np.float64]

ERROR_BAR_VARIANCE = 1.3
"""Measured shifts scatter more than Fisher's bound says: neurons that fire are no noise. Least
that is believed, where the halves of the field do not show more."""

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


def _trend(
    z: F64, r: F64, q_level: float, q_slope: float, into: tuple[F64, F64] | None = None
) -> float:
    """Log-likelihood of a local linear trend, and its smoothed level and variance."""
    moving = 1.0 if q_slope > 0 else 0.0
    F = np.array([[1.0, moving], [0.0, moving]])
    P = np.diag([1e4, moving])
    out, out_var = into if into is not None else (np.empty(0), np.empty(0))
    return float(
        smooth_series(z, r, F, np.diag([q_level, q_slope]), P, 2, into is not None, out, out_var)
    )


def _best_strength(z: F64, r: F64, order: int) -> tuple[float, float]:
    """Log-likelihood and process variance that maximise it, on a log grid then refined."""

    def loglik(log_q: float) -> float:
        q = 10.0**log_q
        return _trend(z, r, q, 0.0) if order == 1 else _trend(z, r, 0.0, q)

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
        ``(T,)`` shifts in px, and the variance of their errors in px^2.
    lost
        ``(T,)`` frames without a measurement; their shift comes from their neighbours.

    References
    ----------
    Durbin & Koopman, Time Series Analysis by State Space Methods, 2012: local linear trend.
    """
    r = np.where(lost, np.inf, variance)
    z = np.where(lost, 0.0, measured)
    used = int(np.count_nonzero(~lost))
    if used == 0:
        return Path(np.zeros_like(z), np.full_like(z, np.inf), 1)
    out, out_var = np.empty_like(z), np.empty_like(z)
    walk, q_walk = _best_strength(z, r, 1)
    trend, q_trend = _best_strength(z, r, 2) if used >= 30 else (-np.inf, 1.0)
    if trend > walk + 2:
        _trend(z, r, 0.0, q_trend, (out, out_var))
        return Path(out, out_var, 2)
    _trend(z, r, q_walk, 0.0, (out, out_var))
    if q_walk < STILL * float(np.median(r[~lost])):
        return Path(out, out_var, 0)
    keep = ~lost
    out[keep] = measured[keep]
    out_var[keep] = r[keep]
    return Path(out, out_var, 1)
