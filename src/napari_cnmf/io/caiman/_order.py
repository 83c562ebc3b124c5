"""Fortran pixel order of CaImAn against the C order of everything else here."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Index = NDArray[np.intp]


def fortran_of_c(dims: tuple[int, ...]) -> Index:
    """For each pixel in C order its place in Fortran order, ``(n_pixels,)``."""
    n_pixels = int(np.prod(dims))
    return np.arange(n_pixels, dtype=np.intp).reshape(dims, order="F").ravel(order="C")


def c_of_fortran(dims: tuple[int, ...]) -> Index:
    """For each pixel in Fortran order its place in C order, ``(n_pixels,)``."""
    n_pixels = int(np.prod(dims))
    return np.arange(n_pixels, dtype=np.intp).reshape(dims, order="C").ravel(order="F")


def move_rows(matrix: sp.spmatrix, new_row_of: Index) -> sp.csc_matrix:
    """Row ``i`` becomes row ``new_row_of[i]``; values untouched, explicit zeros kept."""
    columns = sp.csc_matrix(matrix)
    moved = sp.csc_matrix(
        (columns.data.copy(), new_row_of[columns.indices], columns.indptr.copy()),
        shape=columns.shape,
    )
    moved.sort_indices()
    return moved


def move_rows_and_columns(matrix: sp.spmatrix, new_place_of: Index) -> sp.csr_matrix:
    """A square matrix between pixels in another pixel order, values untouched."""
    moved: Any = move_rows(matrix, new_place_of).tocoo()
    square = sp.csr_matrix((moved.data, (moved.row, new_place_of[moved.col])), shape=matrix.shape)
    square.sort_indices()
    return square
