"""Weight with which a pixel takes part in the background.

Two-photon neuropil is additive: the same brightness is added to neighbouring pixels. In
one-photon recordings light from above and below the focus is the mean image itself
getting brighter and darker; background = (mean image - offset) x smooth time course then
needs no model of vessels, vignette or illumination.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def background_gain(
    sn: NDArray[np.float32],
    mean: NDArray[np.float32],
    *,
    multiplicative: bool,
) -> NDArray[np.float32]:
    """Weight of the local background in each pixel's whitened units, median 1.

    Parameters
    ----------
    sn
        Noise, any shape; infinite where a pixel is left out.
    mean
        Mean image, like ``sn``.
    multiplicative
        One-photon: ``(mean - offset) / sn`` instead of ``1 / sn``.
    """
    finite = np.isfinite(sn)
    level = np.ones_like(mean)
    if multiplicative and finite.any():
        level = np.maximum(mean - camera_offset(mean[finite], sn[finite]), 0)
        level = np.maximum(level, 0.05 * np.median(level[finite]))
    gain = np.where(finite, level / np.where(finite, sn, 1), 0)
    middle = float(np.median(gain[finite])) if finite.any() else 1.0
    return (gain / max(middle, 1e-30)).astype(np.float32)


def camera_offset(mean: NDArray[np.float32], sn: NDArray[np.float32]) -> float:
    """Brightness without any light: where shot noise, ``sn^2 = k (mean - offset)``, would vanish.

    Never below 0, and never so high that a hundredth of the pixels would be darker.
    """
    variance = sn.astype(np.float64) ** 2
    order = np.argsort(mean)
    groups = np.array_split(order, 20)
    x = np.array([np.median(mean[g]) for g in groups if len(g)])
    y = np.array([np.median(variance[g]) for g in groups if len(g)])
    top = float(np.quantile(mean, 0.01))
    if len(x) < 3 or np.ptp(x) <= 0:
        return 0.0
    slope, intercept = np.polyfit(x, y, 1)
    if slope <= 0:
        return 0.0
    return float(np.clip(-intercept / slope, 0, 0.95 * top))
