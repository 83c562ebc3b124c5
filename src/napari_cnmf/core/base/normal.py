"""The normal distribution's tail: how improbable a height is, and the way back.

Logarithms throughout: a high transient is less probable than the smallest number.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri_exp

from napari_cnmf.core.base.compiling import EXACT, inline_kernel, kernel

_FAR = 30.0
"""From here on the tail's series is as exact as numbers are; a little further erfc is 0."""
_ROOT = math.sqrt(2.0 * math.pi)


@inline_kernel(fastmath=EXACT)
def _log_tail(z: float) -> float:
    """``log Phi(-z)``, the logarithm of the share of a normal distribution above ``z``."""
    if z < _FAR:
        return math.log(0.5 * math.erfc(z * math.sqrt(0.5)))
    u = 1.0 / (z * z)
    series = math.log1p(-u * (1.0 - 3.0 * u * (1.0 - 5.0 * u)))
    return -0.5 * z * z - math.log(z * _ROOT) + series


def height_of_log_tail(value: float) -> float:
    """Find the z with ``log Phi(-z) = value``."""
    return -float(ndtri_exp(value))


@kernel("void(float64[:, ::1], int64, float64[::1])", fastmath=EXACT)
def least_log_tails(z: NDArray[np.float64], n: int, out: NDArray[np.float64]) -> None:
    """Least sum of ``log Phi(-z)`` over ``n`` successive values of each row, into ``out``.

    As in CaImAn, the first n - 1 windows begin before the row does. NaN for a row with NaN.
    """
    logs = np.empty(z.shape[1])
    for i in range(len(z)):
        total, least = 0.0, np.inf
        for t in range(z.shape[1]):
            logs[t] = _log_tail(z[i, t])
            total += logs[t]
            if t >= n:
                total -= logs[t - n]
            # Not the minimum, which would pass over NaN.
            if not total >= least:
                least = total
        out[i] = least
