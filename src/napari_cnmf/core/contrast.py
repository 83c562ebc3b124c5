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
from napari_cnmf.core.merge import clip_box

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
    cores = np.zeros(factors.foot.shape, np.bool_)
    around = np.zeros(factors.foot.shape, np.bool_)

    def find_cores(start: int, stop: int) -> None:
        cores[start:stop] = filled_cores(factors.foot[start:stop])
        around[start:stop] = ~dilate(cores[start:stop])

    workers.ranges(find_cores, len(factors), _AT_ONCE)
    shape = (mean.shape[0], mean.shape[1], mean.shape[2])
    covered = factors.pixels(shape)[cores.reshape(factors.flat.shape)]
    cover = np.bincount(covered, minlength=mean.size).reshape(shape)
    out = np.full(len(factors), np.nan)

    def compare(start: int, stop: int) -> None:
        for k in range(start, stop):
            region, local = clip_box(factors.corner[k], cores.shape[1:], mean.shape)
            light, shared = mean[region], cover[region]
            inside = light[cores[k][local] & (shared == 1)]
            outside = light[around[k][local] & (shared == 0)]
            if len(inside) >= _FEWEST_INSIDE and len(outside) >= _FEWEST_AROUND:
                level = float(np.median(outside))
                out[k] = float(inside.mean()) / level - 1 if level > 0 else np.nan

    workers.ranges(compare, len(factors), _AT_ONCE)
    return out


def find_dark(
    factors: Factors, mean: NDArray[np.floating], snr: NDArray[np.floating], workers: Workers
) -> NDArray[np.bool_]:
    """Components ``(n,)`` with weak activity that are no brighter at rest than what is around."""
    return np.asarray((snr < WEAK_SNR) & (rest_contrast(factors, mean, workers) < 0), np.bool_)
