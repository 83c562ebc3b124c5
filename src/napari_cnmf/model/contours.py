"""Closed contours of footprints."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

CONTOUR_LEVEL = 0.3
"""Where a footprint ends, as a fraction of its maximum."""


def contours(
    A: sp.csc_matrix, index: int, dims: tuple[int, ...], *, level: float = CONTOUR_LEVEL
) -> list[NDArray[np.float64]]:
    """Outer contours of one footprint, lazily: about 0.1 ms each.

    Parameters
    ----------
    A
        Footprints ``(n_pixels, n_components)``, pixels in C order of ``dims``.
    index
        Column of ``A``.
    dims
        Field ``(Y, X)`` or ``(Z, Y, X)``.
    level
        Fraction of the footprint's maximum the contour runs at.

    Returns
    -------
    list of ndarray
        Vertices ``(n, 2)`` as (y, x), or ``(n, 3)`` as (z, y, x) with one polygon or more for
        each plane; field pixels, pixel centres at integers. Empty for an empty footprint.
    """
    start, stop = A.indptr[index : index + 2]
    pixels, values = A.indices[start:stop], A.data[start:stop]
    if not values.size or values.max() <= 0:
        return []
    where = np.stack(np.unravel_index(pixels, dims))
    low, high = where.min(axis=1), where.max(axis=1)
    patch = np.zeros(tuple(high - low + 1), np.float32)
    patch[tuple(where - low[:, None])] = values
    threshold = float(values.max()) * level
    if len(dims) == 2:
        return _plane_contours(patch, threshold, low)
    found = []
    for z, plane in enumerate(patch):
        for line in _plane_contours(plane, threshold, low[1:]):
            height = np.full(len(line), float(low[0] + z))
            found += [np.column_stack([height, line])]
    return found


def _plane_contours(
    patch: NDArray[np.float32], threshold: float, low: NDArray[np.intp]
) -> list[NDArray[np.float64]]:
    """Contours in a plane, padded by one pixel so that those at the border close too."""
    from skimage.measure import find_contours

    lines: list[Any] = find_contours(np.pad(patch, 1), threshold)  # type: ignore[no-untyped-call]
    return [np.asarray(line, float) - 1 + low for line in lines if _is_outer(line)]


def _is_outer(line: NDArray[np.float64]) -> bool:
    """Whether a contour is an outer one: contours of holes wind the other way."""
    y, x = line[:, 0], line[:, 1]
    doubled_area = np.sum(y[:-1] * x[1:] - y[1:] * x[:-1])
    return bool(doubled_area < 0)
