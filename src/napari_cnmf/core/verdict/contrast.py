"""Whether a component is brighter at rest than what is around it, in the mean image.

An indicator glows a little in a silent cell, too: a soma is a bright spot of the mean image. What
has few and weak events and is no brighter than its surroundings is neuropil that flickered, or
noise, whatever its outline. Strong activity needs no such witness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.footprints import dilate, filled_cores
from napari_cnmf.core.base.threads import Workers

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
    shape, light_of = (mean.shape[0], mean.shape[1], mean.shape[2]), mean.ravel()
    cores, around = np.zeros((2, *factors.flat.shape), np.bool_)

    def find_core(start: int) -> NDArray[np.int32]:
        some = factors.part(start, start + _AT_ONCE)
        core = filled_cores(some.foot)
        cores[start : start + _AT_ONCE] = core.reshape(some.flat.shape)
        around[start : start + _AT_ONCE] = ~dilate(core).reshape(some.flat.shape)
        return some.pixels(shape)[core.reshape(some.flat.shape)]

    starts = range(0, max(1, len(factors)), _AT_ONCE)
    covered = np.concatenate(workers.map(find_core, starts))
    cover = np.bincount(covered, minlength=mean.size)

    def compare(start: int) -> NDArray[np.float64]:
        some = factors.part(start, start + _AT_ONCE)
        lies_in = some.in_field(shape).reshape(some.flat.shape)
        at = np.where(lies_in, some.pixels(shape), 0)
        light, shared = light_of[at], cover[at]
        inside = cores[start : start + _AT_ONCE] & (shared == 1)
        outside = around[start : start + _AT_ONCE] & (shared == 0) & lies_in
        n_inside, n_outside = inside.sum(1), outside.sum(1)
        level = _medians(light, outside)
        bright = np.where(inside, light, 0).sum(1, dtype=float) / np.maximum(n_inside, 1)
        told = (n_inside >= _FEWEST_INSIDE) & (n_outside >= _FEWEST_AROUND) & (level > 0)
        return np.where(told, bright / np.where(told, level, 1) - 1, np.nan)

    return np.concatenate(workers.map(compare, starts))


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
