"""Tells which pixels of the field are analysed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.movie.binning import Binned
from napari_cnmf.errors import MovieError, ParameterError

MIN_SATURATED = 4
"""So many pixels share the highest value of a movie that is cut off there."""


def usable_pixels(
    binned: Binned,
    dims: tuple[int, ...],
    border_px: int,
    mask: NDArray[np.bool_] | None,
    dtype: np.dtype[Any],
) -> NDArray[np.bool_]:
    """Pixels that carry something, lie in the mask and not in the border; shape ``dims``.

    Parameters
    ----------
    border_px
        Left out on every side of the plane (not along Z).
    mask
        Bool of shape ``dims``.

    Raises
    ------
    ParameterError
        If the mask has another shape, or border and mask leave nothing.
    MovieError
        If every pixel is constant or NaN.
    """
    alive = np.isfinite(binned.sn).reshape(dims)
    if not alive.any():
        raise MovieError(
            "A movie must change over time in some pixel that is never NaN, got one that does "
            f"not ({dtype}). Check that the right channel was opened."
        )
    usable = alive.copy()
    if border_px > 0:
        inner = np.zeros(dims, np.bool_)
        inner[..., border_px:-border_px, border_px:-border_px] = True
        usable &= inner
    if mask is not None:
        if mask.shape != dims:
            raise ParameterError(
                f"The mask must have the shape of a frame, {dims}, got {mask.shape}. "
                "Draw it on this movie."
            )
        usable &= mask.astype(np.bool_)
    if not usable.any():
        raise ParameterError(
            f"Border and mask must leave pixels to analyse, got a border of {border_px} px on a "
            f"field {dims}. Make the border smaller or the mask larger."
        )
    return usable


def saturated_pixels(binned: Binned, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Pixels of an integer movie that sit at the camera's highest value ``(n_pixels,)``.

    A pixel that is cut off has little noise, so that whitening would trust it most, and its
    fluctuations are those of nothing. One that only a transient takes there is kept.
    """
    none = np.zeros(len(binned.sn), np.bool_)
    used = np.isfinite(binned.sn)
    if dtype.kind not in "ui" or not used.any():
        return none
    top = float(binned.peak[used].max())
    at_top = used & (binned.peak >= top)
    # The highest of a movie that is not cut off is reached by a single pixel.
    if at_top.sum() < MIN_SATURATED:
        return none
    noise = float(np.median(binned.sn[used]))
    return np.asarray(at_top & (binned.mean > top - noise), np.bool_)
