"""The compiled moves on rows: what the engine does to single pixels.

A row is the time course of a pixel. What background and single components need are two moves, an
outer product taken away and sums with weights, compiled once and put together in numpy; in the
engine's terms ``R -= a c`` and ``M R`` with M sparse.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel
from napari_cnmf.core.base.threads import Workers

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
def add_sums(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    weights: NDArray[np.float32],
    X: NDArray[np.float32],
    out: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """``out += M X`` for rows ``start`` to ``stop`` of a matrix M in compressed rows, in place."""
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
    add_sums(ends, rows, np.ascontiguousarray(weights, np.float32), X, out, 0, 1)
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
        add_sums(indptr, indices, weights, X, out, 0, n)
        return
    workers.ranges(
        lambda a, b: add_sums(indptr, indices, weights, X, out, a, b), n, max(1, n // _PIECES)
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


@dataclass(frozen=True, eq=False)
class Columns:
    """Sparse columns and nothing else: scipy's matrices take longer to make than peeling to use.

    Attributes
    ----------
    ends
        Column k has the entries ``ends[k]`` to ``ends[k + 1]``, ``(n + 1,)`` int32.
    rows, values
        Of all entries ``(n_entries,)`` int32 and float32; the rows of a column rise.
    """

    ends: NDArray[np.int32]
    rows: NDArray[np.int32]
    values: NDArray[np.float32]

    @classmethod
    def of(
        cls, rows: NDArray[np.integer], values: NDArray[np.float32], used: NDArray[np.bool_]
    ) -> Columns:
        """Make columns of which column k holds ``values[k]`` in ``rows[k]`` where ``used[k]``."""
        ends = np.zeros(len(used) + 1, np.int32)
        np.cumsum(used.sum(tuple(range(1, used.ndim))), out=ends[1:])
        return cls(ends, rows[used].astype(np.int32, copy=False), values[used])

    def __len__(self) -> int:
        return len(self.ends) - 1

    def matrix(self, n_rows: int) -> sp.csc_matrix:
        """The columns as a sparse matrix ``(n_rows, n)``."""
        return sp.csc_matrix((self.values, self.rows, self.ends), shape=(n_rows, len(self)))

    def onto(self, X: NDArray[np.float32], workers: Workers) -> NDArray[np.float32]:
        """``A' X`` of rows ``X (n_rows, n_bins)``, computed on all threads ``(n, n_bins)``."""
        out = np.zeros((len(self), X.shape[1]), np.float32)
        workers.ranges(
            lambda a, b: add_sums(self.ends, self.rows, self.values, X, out, a, b),
            len(self), _COLUMNS,
        )  # fmt: skip
        return out


def take_columns(
    X: NDArray[np.float32],
    columns: Columns,
    C: NDArray[np.float32],
    workers: Workers,
    which: NDArray[np.integer] | None = None,
) -> None:
    """``X -= A C`` in place, on all threads, for columns no two of which share a row.

    ``which`` says to which column each course of ``C`` belongs; without it, in their order.
    """
    column = np.arange(len(columns)) if which is None else which

    def work(start: int, stop: int) -> None:
        for n in range(start, stop):
            used = slice(columns.ends[column[n]], columns.ends[column[n] + 1])
            take_product(X, columns.rows[used], columns.values[used], C[n])

    workers.ranges(work, len(C), _COLUMNS)


def flat_rows(R: NDArray[np.float32]) -> NDArray[np.float32]:
    """``R (Z, Y, X, n_bins)`` as rows ``(n_pixels, n_bins)``, the same memory."""
    return R.reshape(-1, R.shape[-1])
