"""Does the movie still move? Register first: no rule replaces registration.

A shift of d pixels changes a frame by ``-d . grad(mean image)``: regressing the bins on the
two gradients gives the residual shift of each bin, in pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LIMIT_SD_PX = 0.25
LIMIT_MAX_PX = 1.0
_MAX_PIXELS = 4096
_MAX_VALUES = 1 << 21
"""Of the pixels' bins together: long movies need fewer pixels, and no copy of themselves."""


def residual_shifts(X: NDArray[np.float32], sn: NDArray[np.float32]) -> NDArray[np.float64]:
    """In-plane shift of each bin ``(n_bins, 2)`` in pixels, median 0.

    Parameters
    ----------
    X
        Bin means of a tile ``(Z, Y, X, n_bins)``, units of the movie.
    sn
        Noise ``(Z, Y, X)``; pixels of infinite noise are left out.

    Notes
    -----
    Noise alone moves the estimates, in small or noisy movies by .3 px: they are shrunk by the share
    of their variance that the regression's residual explains.

    Active cells brighten without moving; the robust part of the regression is that pixels
    whose bins deviate most (the top tenth by variance over noise) are left out.
    """
    if min(X.shape[1:3]) < 2:
        return np.zeros((X.shape[-1], 2))
    mean = X.mean(-1)
    gy, gx = np.gradient(mean, axis=1), np.gradient(mean, axis=2)
    inner = np.isfinite(sn) & (np.abs(gy) + np.abs(gx) > 0)
    ids = np.flatnonzero(inner.ravel())
    if len(ids) < 100:
        return np.zeros((X.shape[-1], 2))
    n_pixels = max(100, min(_MAX_PIXELS, _MAX_VALUES // X.shape[-1]))
    ids = ids[:: max(1, len(ids) // n_pixels)]
    noise = sn.ravel()[ids]
    rows = X.reshape(-1, X.shape[-1])[ids]
    rows -= rows.mean(1, keepdims=True)
    rows /= noise[:, None]
    spread = rows.var(1)
    calm = spread <= np.quantile(spread, 0.9)
    G = -np.stack([gy.ravel()[ids], gx.ravel()[ids]], axis=1) / noise[:, None]
    G, rows = G[calm], rows[calm]
    normal = (G.T @ G).astype(np.float64)
    if np.linalg.cond(normal) > 1e6:
        return np.zeros((X.shape[-1], 2))
    shifts = np.linalg.solve(normal, G.T @ rows).T
    shifts -= np.median(shifts, axis=0)
    left = float(np.mean((rows - G @ shifts.T) ** 2))
    by_noise = left * np.diag(np.linalg.inv(normal))
    share = np.clip(1 - by_noise / np.maximum(shifts.var(0), 1e-12), 0, 1)
    return np.asarray(shifts * np.sqrt(share))


def stillness_warning(shifts: NDArray[np.float64]) -> str | None:
    """A sentence for the user when the movie still moves; ``None`` when it does not."""
    sd = float(shifts.std(0).max(initial=0.0)) if len(shifts) else 0.0
    largest = float(np.abs(shifts).max(initial=0.0))
    if sd <= LIMIT_SD_PX and largest <= LIMIT_MAX_PX:
        return None
    return (
        f"The movie still moves: {sd:.1f} px (standard deviation), up to {largest:.1f} px. "
        "Correct motion first; components found on a moving movie are often edges of cells."
    )
