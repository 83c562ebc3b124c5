"""Least squares with coefficients that are not negative, of a few unknowns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nonnegative_least_squares(
    design: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the x >= 0 that makes ``|design x - values|`` smallest.

    Parameters
    ----------
    design
        ``(n, k)``, a few columns.
    values
        ``(n,)``.

    Returns
    -------
    ndarray
        ``(k,)``.

    Notes
    -----
    The active set of Lawson and Hanson 1974, *Solving Least Squares Problems*, chapter 23, as
    ``scipy.optimize.nnls`` has it; importing that takes a tenth of the CPU time of a whole run.
    """
    k = design.shape[1]
    x, free = np.zeros(k), np.zeros(k, np.bool_)
    least = 1e-10 * float(np.abs(design.T @ values).max(initial=0.0))
    for _ in range(3 * k):
        ascent = np.where(free, -np.inf, design.T @ (values - design @ x))
        if free.all() or ascent.max() <= least:
            break
        free[np.argmax(ascent)] = True
        while True:
            best = np.zeros(k)
            best[free] = np.linalg.lstsq(design[:, free], values, rcond=None)[0]
            below = free & (best <= 0)
            if not below.any():
                break
            # As far towards the best as all stay positive; who reaches zero is held there.
            x += (best - x) * (x[below] / (x[below] - best[below])).min()
            free &= x > 1e-12 * x.max()
            x[~free] = 0
        x = best
    return x
