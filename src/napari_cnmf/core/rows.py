"""The compiled moves on rows: what the engine does to single pixels.

A row is the time course of a pixel. What background and single components need are two moves, an
outer product taken away and sums with weights, compiled once and put together in numpy; in the
engine's terms ``R -= a c`` and ``M R`` with M sparse.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core._jit import kernel
from napari_cnmf.core._threads import Workers

_COLUMNS = 8
"""Columns that a thread takes out in one go."""
_PIECES = 32
"""Pieces of a matrix product: enough for many cores, and each worth handing over."""


@kernel("void(float32[:, ::1], int32[::1], float32[::1], float32[::1])")
def take_product(
    X: NDArray[np.float32],
    rows: NDArray[np.int32],
    a: NDArray[np.float32],
    c: NDArray[np.float32],
) -> None:
    """``X[rows] -= a c`` in place, ``a (n,)`` a weight for each row and ``c`` a time course."""
    for i in range(len(rows)):
        x = X[rows[i]]
        v = a[i]
        for t in range(len(c)):
            x[t] -= v * c[t]


@kernel(
    "void(int32[::1], int32[::1], float32[::1], float32[:, ::1], float32[:, ::1], int64, int64)"
)
def _add_sums(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    weights: NDArray[np.float32],
    X: NDArray[np.float32],
    out: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    for i in range(start, stop):
        target = out[i]
        last = indptr[i + 1]
        # Two rows at a time: the target is read and written half as often.
        for j in range(indptr[i], last, 2):
            k = min(j + 1, last - 1)
            v, w = weights[j], weights[k] if k > j else np.float32(0.0)
            x, y = X[indices[j]], X[indices[k]]
            for t in range(len(target)):
                target[t] += v * x[t] + w * y[t]


def sum_rows(
    X: NDArray[np.float32], rows: NDArray[np.int32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``weights X[rows]``, a time course."""
    out = np.zeros((1, X.shape[1]), np.float32)
    ends = np.array([0, len(rows)], np.int32)
    _add_sums(ends, rows, np.ascontiguousarray(weights, np.float32), X, out, 0, 1)
    return np.asarray(out[0])


def add_matrix_product(
    matrix: sp.csr_matrix,
    X: NDArray[np.float32],
    out: NDArray[np.float32],
    workers: Workers | None = None,
) -> None:
    """``out += matrix X`` in place, rows of ``out`` on all threads."""
    n = matrix.shape[0]
    weights = np.ascontiguousarray(matrix.data, np.float32)
    indptr = np.ascontiguousarray(matrix.indptr, np.int32)
    indices = np.ascontiguousarray(matrix.indices, np.int32)
    if workers is None:
        _add_sums(indptr, indices, weights, X, out, 0, n)
        return
    workers.ranges(
        lambda a, b: _add_sums(indptr, indices, weights, X, out, a, b), n, max(1, n // _PIECES)
    )


def weighted(
    matrix: sp.csr_matrix,
    *,
    rows: NDArray[np.floating] | None = None,
    columns: NDArray[np.floating] | None = None,
) -> sp.csr_matrix:
    """A sparse matrix with its rows or its columns multiplied, sharing its pattern."""
    data = matrix.data
    if rows is not None:
        data = data * np.repeat(rows, np.diff(matrix.indptr))
    if columns is not None:
        data = data * columns[matrix.indices]
    return sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def take_columns(
    X: NDArray[np.float32], A: sp.csc_matrix, C: NDArray[np.float32], workers: Workers
) -> None:
    """``X -= A C`` in place, on all threads, for columns of ``A`` no two of which share a row."""

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            used = slice(A.indptr[k], A.indptr[k + 1])
            take_product(X, A.indices[used], A.data[used], C[k])

    workers.ranges(work, len(C), _COLUMNS)


def flat_rows(R: NDArray[np.float32]) -> NDArray[np.float32]:
    """``R (Z, Y, X, n_bins)`` as rows ``(n_pixels, n_bins)``, the same memory."""
    return R.reshape(-1, R.shape[-1])
