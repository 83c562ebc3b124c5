"""A smooth local background: neuropil on a grid, its nodes a little wider apart than a neuron.

Each node's time course is the weighted mean of its pixels, numerator and
denominator smoothed over neighbouring nodes before they are divided (normalised
convolution), so that a node covered by neurons borrows from those around it:

    bg[g, t] = (S n)[g, t] / (S d)[g],   n[g, t] = sum_{p in g} w_p sn_p^-1 R[p, t],
                                         d[g]    = sum_{p in g} w_p sn_p^-2

with R whitened and w = 0.05 inside footprints. Pixels take bilinear interpolation.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position)

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel
from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.geometry import Field, Grid
from napari_cnmf.core.base.rows import add_matrix_product, flat_rows, weighted
from napari_cnmf.core.base.threads import Workers

INSIDE_WEIGHT = 0.05
"""Weight of pixels inside a footprint: they say little about the background."""
_PIECES = 32
"""Ranges of nodes: enough for many cores, and each worth handing over."""
_COMPONENTS = 64
"""Whose sums over the nodes a thread makes together."""
_BINS = 128
"""Of the grid's time courses that a thread smooths together."""


def smooth_nodes(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """``S``: (1, 2, 1) / 4 along both axes of a plane's nodes, ``(gz, gy, gx, ...)``."""
    out = values
    for axis in (1, 2):
        if out.shape[axis] == 1:
            continue
        rows = np.moveaxis(out, axis, 0)
        smooth = 0.5 * rows
        quarter = 0.25 * rows
        smooth[1:] += quarter[:-1]
        smooth[:-1] += quarter[1:]
        smooth[0] += quarter[0]
        smooth[-1] += quarter[-1]
        out = np.moveaxis(smooth, 0, axis)
    return out


def pixel_weights(
    inside: NDArray[np.bool_], inverse_sn: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``w_p sn_p^-1`` for each pixel of the field ``(Z, Y, X)``; 0 where a pixel is left out."""
    weight = np.where(inside, np.float32(INSIDE_WEIGHT), np.float32(1))
    return np.asarray(weight * inverse_sn, np.float32)


def background_of(
    sums: NDArray[np.float32],
    q: NDArray[np.float32],
    inverse_sn: NDArray[np.float32],
    grid: Grid,
    workers: Workers,
) -> NDArray[np.float32]:
    """Time courses of the grid's nodes.

    Parameters
    ----------
    sums
        ``n``, sums of ``q R`` ``(gz, gy, gx, n_bins)``.
    q
        ``w_p sn_p^-1`` ``(Z, Y, X)``.
    inverse_sn
        ``1 / sn`` in units of the median noise, ``(Z, Y, X)``; 0 for pixels left out.

    Returns
    -------
    bg
        ``(gz, gy, gx, n_bins)`` float32, in units of ``1 / inverse_sn``.
    """
    weight = node_weights(q * inverse_sn, grid)[..., None]
    bg = np.empty_like(sums)

    def smooth(start: int, stop: int) -> None:
        bg[..., start:stop] = smooth_nodes(sums[..., start:stop]) / weight

    workers.ranges(smooth, sums.shape[-1], _BINS)
    return bg


def weighted_sums(
    R: NDArray[np.float32], q: NDArray[np.float32], grid: Grid, workers: Workers
) -> NDArray[np.float32]:
    """``n``: sums of ``q R`` over the pixels of each node of the grid ``(gz, gy, gx, n_bins)``."""
    sums = np.zeros((*grid.shape, R.shape[-1]), np.float32)
    matrix = weighted(grid.nodes, columns=q.ravel())
    add_matrix_product(matrix, flat_rows(R), flat_rows(sums), workers)
    return sums


def component_sums(
    A: sp.csc_matrix, q: NDArray[np.float32], grid: Grid, workers: Workers
) -> sp.csr_matrix:
    """``N``: sums of ``q A`` over each grid node's pixels ``(n_nodes, n_components)``."""
    AT, of_pixel = A.T.tocsr(), grid.nodes.T.tocsr()
    starts = range(0, max(1, AT.shape[0]), _COMPONENTS)
    parts = workers.map(
        lambda i: weighted(AT[i : i + _COMPONENTS], columns=q.ravel()) @ of_pixel, starts
    )
    N: sp.csr_matrix = sp.vstack(parts, format="csr").T.tocsr()
    return N


def node_sums(values: NDArray[np.float32], grid: Grid) -> NDArray[np.float64]:
    """Sum of ``(Z, Y, X)`` over the pixels of each node ``(gz, gy, gx)``."""
    total = grid.nodes @ values.ravel().astype(np.float64)
    return np.asarray(total.reshape(grid.shape), np.float64)


def node_weights(q: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """``S d`` of each node, kept above zero where no pixel counts."""
    smooth = smooth_nodes(node_sums(q, grid))
    floor = 1e-6 * max(float(smooth.max(initial=0.0)), 1e-12)
    return np.asarray(np.maximum(smooth, floor), np.float32)


def loss_of_pixels(inverse_sn: NDArray[np.float32], grid: Grid) -> sp.csr_matrix:
    """``-P / sn (n_pixels, n_nodes)``: what pixels lose when a background is taken out."""
    return weighted(grid.interpolation, rows=-inverse_sn.ravel())


@kernel(
    "void(int32[::1], int32[::1], float32[::1], int32[::1], int32[::1], float32[::1], "
    "float32[:, ::1], float32[:, ::1], float32[:, ::1], int64, int64)"
)
def _subtract_and_sum(
    first: NDArray[np.int32],
    pixels: NDArray[np.int32],
    q: NDArray[np.float32],
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    loss: NDArray[np.float32],
    bg: NDArray[np.float32],
    X: NDArray[np.float32],
    sums: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Take the background out of the pixels of some grid nodes, and sum what is left in each."""
    for g in range(start, stop):
        total = sums[g]
        total[:] = 0.0
        for j in range(first[g], first[g + 1]):
            p = pixels[j]
            x, weight, last = X[p], q[p], indptr[p + 1]
            # Two of them at a time: the pixel is read and written half as often.
            for i in range(indptr[p], last, 2):
                k = min(i + 1, last - 1)
                v, w = loss[i], loss[k] if k > i else np.float32(0.0)
                a, b = bg[indices[i]], bg[indices[k]]
                for t in range(len(x)):
                    x[t] += v * a[t] + w * b[t]
            for t in range(len(x)):
                total[t] += weight * x[t]


def subtract_background(
    R: NDArray[np.float32],
    loss: sp.csr_matrix,
    bg: NDArray[np.float32],
    q: NDArray[np.float32],
    grid: Grid,
    workers: Workers,
) -> NDArray[np.float32]:
    """``R -= (P / sn) bg`` in place; the sums of ``q R`` afterwards, as :func:`weighted_sums`.

    ``loss`` is from :func:`loss_of_pixels`. Each pixel is read from memory once for both.
    """
    sums, nodes = np.empty_like(bg), grid.nodes
    flat, rows, out = flat_rows(bg), flat_rows(R), flat_rows(sums)
    by_pixel = (nodes.indptr, nodes.indices, np.ascontiguousarray(q).ravel())
    pattern = (loss.indptr, loss.indices, loss.data)
    workers.ranges(
        lambda a, b: _subtract_and_sum(*by_pixel, *pattern, flat, rows, out, a, b),
        grid.n_nodes, max(1, grid.n_nodes // _PIECES),
    )  # fmt: skip
    return sums


@dataclass(frozen=True, eq=False)
class KnownSums:
    """Sums of a residual that are known as long as only components change in it.

    With ``R + A C`` constant so is ``n(R) + N C``, N being the sums of ``q A``: of a later residual
    only pixels whose weight has changed must be read.

    Attributes
    ----------
    q
        The weights ``(n_pixels,)``.
    constant
        ``n(R) + N C`` ``(n_nodes, n_bins)``.
    """

    q: NDArray[np.float32]
    constant: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        sums: NDArray[np.float32],
        q: NDArray[np.float32],
        factors: Factors,
        field: Field,
        workers: Workers,
    ) -> KnownSums:
        """Keep the sums of a residual, in the memory that they have, beside these components."""
        kept = cls(q.ravel(), flat_rows(sums))
        kept._add(1, factors, field, workers)
        return kept

    def with_weights(
        self,
        R: NDArray[np.float32],
        q: NDArray[np.float32],
        factors: Factors,
        field: Field,
        workers: Workers,
    ) -> NDArray[np.float32]:
        """The sums of the residual that there is now, with new weights ``(gz, gy, gx, n_bins)``.

        They take the memory of what was kept.
        """
        self._add(-1, factors, field, workers)
        grid, flat = field.grid, q.ravel()
        pixels = np.flatnonzero(flat != self.q)
        change = sp.csr_matrix(
            (flat[pixels] - self.q[pixels], (grid.node_of[pixels], pixels)),
            shape=(grid.n_nodes, flat.size),
        )
        add_matrix_product(change, flat_rows(R), self.constant, workers)
        return self.constant.reshape(*grid.shape, -1)

    def _add(self, sign: int, factors: Factors, field: Field, workers: Workers) -> None:
        """Add ``N C`` of the components to the sums, or take it away from them."""
        if len(factors) == 0:
            return
        N = component_sums(factors.matrix(field.shape), sign * self.q, field.grid, workers)
        add_matrix_product(N, factors.C, self.constant, workers)
