"""Finds which components of two results are the same cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

_INSIDE = 0.2
"""Pixels above this part of a footprint's maximum belong to the cell."""


def shared_components(
    A: sp.csc_matrix, B: sp.csc_matrix, *, least_overlap: float = 0.5
) -> NDArray[np.intp]:
    """Pairs of components that overlap each other more than any other.

    Parameters
    ----------
    A, B
        Footprints ``(n_pixels, n_components)`` of two results on one field.
    least_overlap
        Pixels in both over pixels in either (Jaccard index), from which two are one cell.

    Returns
    -------
    ndarray
        ``(n_pairs, 2)``: columns of ``A`` and of ``B``, each at most once.

    Raises
    ------
    ValueError
        When the fields differ.
    """
    if A.shape[0] != B.shape[0]:
        raise ValueError(f"Results must be of one field, got {A.shape[0]} and {B.shape[0]} pixels.")
    if not A.shape[1] or not B.shape[1]:
        return np.empty((0, 2), np.intp)
    inside_a, inside_b = _inside(A), _inside(B)
    both = np.asarray((inside_a.T @ inside_b).todense(), float)
    size_a, size_b = (np.asarray(m.sum(axis=0), float).ravel() for m in (inside_a, inside_b))
    either = size_a[:, None] + size_b[None, :] - both
    overlap = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    best_b = overlap.argmax(axis=1)
    rows = np.arange(len(best_b))
    mutual = (overlap.argmax(axis=0)[best_b] == rows) & (overlap[rows, best_b] >= least_overlap)
    return np.column_stack([rows[mutual], best_b[mutual]]).astype(np.intp)


def _inside(A: sp.csc_matrix) -> Any:
    """Matrix with 1 where a footprint is above its threshold."""
    matrix = sp.csc_matrix(A, dtype=np.float32, copy=True)
    highest = np.asarray(matrix.max(axis=0).todense()).ravel()
    columns = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    matrix.data = (matrix.data > _INSIDE * highest[columns]).astype(np.float32)
    matrix.eliminate_zeros()
    return matrix
