"""Which pixels take part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.binning import Binned
from napari_cnmf.errors import MovieError, ParameterError


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
