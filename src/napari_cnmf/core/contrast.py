"""Whether a component is brighter at rest than what is around it, in the mean image.

An indicator glows a little in a silent cell, too: a soma is a bright spot of the mean image. What
has few and weak events and is no brighter than its surroundings is neuropil that flickered, or
noise, whatever its outline. Strong activity needs no such witness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._threads import Workers
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.footprints import dilate, filled_cores

WEAK_SNR = 2.5
"""CaImAn's default ``min_SNR``: what exceeds it is beyond doubt."""
_FEWEST_INSIDE, _FEWEST_AROUND = 5, 10
"""Pixels without which nothing is said."""
_AT_ONCE = 64


def rest_contrast(
    factors: Factors, mean: NDArray[np.floating], workers: Workers
) -> NDArray[np.float64]:
    """Brightness of each component in the mean image over that around it, less 1.

    Pixels that several components share count for none of them, neither inside nor around.

    Parameters
    ----------
    factors
        Footprints in their boxes.
    mean
        Mean image ``(Z, Y, X)``, units of the movie.

    Returns
    -------
    contrast
        ``(n,)``; NaN where too few pixels are left to tell.
    """
    shape = (mean.shape[0], mean.shape[1], mean.shape[2])
    cores, around = np.zeros((2, *factors.flat.shape), np.bool_)
    pixels = np.where(factors.in_field(shape).reshape(cores.shape), factors.pixels(shape), -1)

    def find_cores(start: int, stop: int) -> None:
        core = filled_cores(factors.foot[start:stop])
        cores[start:stop] = core.reshape(-1, cores.shape[1])
        around[start:stop] = ~dilate(core).reshape(-1, cores.shape[1])

    workers.ranges(find_cores, len(factors), _AT_ONCE)
    cover = np.bincount(pixels[cores], minlength=mean.size)
    out = np.full(len(factors), np.nan)

    def compare(start: int, stop: int) -> None:
        at = pixels[start:stop]
        light, shared = mean.ravel()[at], cover[at]
        inside = cores[start:stop] & (shared == 1)
        outside = around[start:stop] & (shared == 0) & (at >= 0)
        n_inside, n_outside = inside.sum(1), outside.sum(1)
        level = _medians(light, outside)
        bright = (light * inside).sum(1, dtype=float) / np.maximum(n_inside, 1)
        told = (n_inside >= _FEWEST_INSIDE) & (n_outside >= _FEWEST_AROUND) & (level > 0)
        out[start:stop] = np.where(told, bright / np.where(told, level, 1) - 1, np.nan)

    workers.ranges(compare, len(factors), _AT_ONCE)
    return out


def _medians(values: NDArray[np.floating], used: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Median of the used values of each row ``(n,)``; infinite where there are none."""
    ordered = np.sort(np.where(used, values, np.inf), axis=1)
    n, row = used.sum(1), np.arange(len(used))
    return np.asarray(0.5 * (ordered[row, np.maximum(n - 1, 0) // 2] + ordered[row, n // 2]))


def find_dark(
    factors: Factors, mean: NDArray[np.floating], snr: NDArray[np.floating], workers: Workers
) -> NDArray[np.bool_]:
    """Components ``(n,)`` with weak activity that are no brighter at rest than what is around."""
    return np.asarray((snr < WEAK_SNR) & (rest_contrast(factors, mean, workers) < 0), np.bool_)
