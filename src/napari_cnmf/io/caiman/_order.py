"""Fortran pixel order of CaImAn against the C order of everything else here."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Index = NDArray[np.intp]
_LOOKED_AT = 200
"""Footprints whose shape tells the field's."""
_FEWEST_NEIGHBOURS = 50
"""Fewer can lie side by side by chance, as in footprints of a few pixels."""
_CLEARLY = 1.5
"""By how much neighbours of pixels must be more frequent for one field than for another."""


def fortran_of_c(dims: tuple[int, ...]) -> Index:
    """Place of each pixel in Fortran order, by its place in C order, ``(n_pixels,)``."""
    n_pixels = int(np.prod(dims))
    return np.arange(n_pixels, dtype=np.intp).reshape(dims, order="F").ravel(order="C")


def c_of_fortran(dims: tuple[int, ...]) -> Index:
    """Place of each pixel in C order, by its place in Fortran order, ``(n_pixels,)``."""
    n_pixels = int(np.prod(dims))
    return np.arange(n_pixels, dtype=np.intp).reshape(dims, order="C").ravel(order="F")


def move_rows(
    matrix: sp.spmatrix, dims: tuple[int, ...], *, to: Literal["C", "F"]
) -> sp.csc_matrix:
    """Footprints with pixels in the other order; values untouched, zeros kept.

    Parameters
    ----------
    matrix
        Footprints ``(n_pixels, n)``.
    dims
        Field ``(Y, X)`` or ``(Z, Y, X)``.
    to
        The order that is wanted; the pixels are in the other one.
    """
    columns = sp.csc_matrix(matrix)
    moved = sp.csc_matrix(
        (columns.data.copy(), _moved(columns.indices, dims, to), columns.indptr.copy()),
        shape=columns.shape,
    )
    moved.sort_indices()
    return moved


def move_rows_and_columns(
    matrix: sp.spmatrix, dims: tuple[int, ...], *, to: Literal["C", "F"]
) -> sp.csr_matrix:
    """Square matrix between pixels in the other pixel order, values untouched."""
    anything: Any = matrix  # scipy-stubs knows the methods of its subclasses only
    moved = anything.tocoo()
    rows, columns = (_moved(places, dims, to) for places in (moved.row, moved.col))
    square = sp.csr_matrix((moved.data, (rows, columns)), shape=matrix.shape)
    square.sort_indices()
    return square


def _moved(places: NDArray[Any], dims: tuple[int, ...], to: Literal["C", "F"]) -> Index:
    if not places.size:
        return places.astype(np.intp)
    index = np.unravel_index(places, dims, order="F" if to == "C" else "C")
    return np.ravel_multi_index(index, dims, order=to)


def field_of_footprints(A: sp.csc_matrix, dims: tuple[int, ...]) -> tuple[int, ...]:
    """The order of the field's sizes in which the footprints are patches, not stripes.

    Cells are patches: the next pixel along each axis most often belongs to them too. In Fortran
    order the next pixel along the first axis is 1 further and that along the second ``dims[0]``
    further, so a wrong size finds few neighbours.

    Parameters
    ----------
    A
        Footprints ``(n_pixels, n)``, pixels in Fortran order.
    dims
        The sizes as they are told.

    Returns
    -------
    tuple of int
        ``dims``, unless another order of the same sizes places the pixels elsewhere and fits
        clearly better.
    """
    first = A[:, :_LOOKED_AT]
    first.sum_duplicates()
    first.eliminate_zeros()
    column_of = np.repeat(np.arange(first.shape[1]), np.diff(first.indptr))
    pixels = first.indices.astype(np.int64)
    keys = column_of * A.shape[0] + pixels
    best, most = dims, _count_neighbours(keys, pixels, dims)
    for other in sorted(set(permutations(dims)) - {dims}):
        if _longer_than_one(other) == _longer_than_one(dims):
            continue
        number = _count_neighbours(keys, pixels, other)
        enough = number >= _FEWEST_NEIGHBOURS and number > 0.25 * keys.size
        if enough and number > _CLEARLY * most:
            best, most = other, number
    return best


def _longer_than_one(dims: tuple[int, ...]) -> tuple[int, ...]:
    """Axes that say where a pixel lies: one of size 1 may stand anywhere among them."""
    return tuple(size for size in dims if size > 1)


def _count_neighbours(
    keys: NDArray[np.int64], pixels: NDArray[np.int64], dims: tuple[int, ...]
) -> int:
    """Number of pixels of footprints that have the next one along the later axes in them too."""
    total, stride = 0, 1
    for size, next_size in pairwise(_longer_than_one(dims)):
        stride *= size
        inside = pixels // stride % next_size < next_size - 1
        total += int(np.isin(keys[inside] + stride, keys, assume_unique=True).sum())
    return total
