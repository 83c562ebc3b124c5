"""A smooth local background: neuropil on a grid of cells a little larger than a neuron.

Each cell's time course is the weighted mean of its pixels, numerator and
denominator smoothed over neighbouring cells before they are divided (normalised
convolution), so that a cell covered by neurons borrows from those around it:

    bg[g, t] = (S n)[g, t] / (S d)[g],   n[g, t] = sum_{p in g} w_p sn_p^-1 R[p, t],
                                         d[g]    = sum_{p in g} w_p sn_p^-2

with R whitened and w = 0.05 inside footprints. Pixels take bilinear interpolation.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core._threads import Workers
from napari_cnmf.core.geometry import Grid
from napari_cnmf.core.rows import add_matrix_product, flat_rows, weighted

INSIDE_WEIGHT = 0.05
"""Weight of pixels inside a footprint: they say little about the background."""
_BINS = 128
"""Of the grid's time courses that a thread smooths together."""


def smooth_cells(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """``S``: (1, 2, 1) / 4 along each axis of cells, ``(gz, gy, gx, ...)``."""
    out = values
    for axis in range(3):
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


def estimate_background(
    R: NDArray[np.float32],
    inverse_sn: NDArray[np.float32],
    inside: NDArray[np.bool_],
    grid: Grid,
    workers: Workers,
) -> NDArray[np.float32]:
    """Time courses of the grid's cells.

    Parameters
    ----------
    R
        Whitened residual ``(Z, Y, X, n_bins)``.
    inverse_sn
        ``1 / sn`` in units of the median noise, ``(Z, Y, X)``; 0 for pixels left out.
    inside
        Pixels inside footprints, ``(Z, Y, X)``.

    Returns
    -------
    bg
        ``(gz, gy, gx, n_bins)`` float32, in units of ``1 / inverse_sn``.
    """
    q = pixel_weights(inside, inverse_sn)
    sums = weighted_sums(R, q, grid, workers)
    weight = cell_weights(q * inverse_sn, grid)[..., None]
    bg = np.empty_like(sums)

    def smooth(start: int, stop: int) -> None:
        bg[..., start:stop] = smooth_cells(sums[..., start:stop]) / weight

    workers.ranges(smooth, sums.shape[-1], _BINS)
    return bg


def weighted_sums(
    R: NDArray[np.float32], q: NDArray[np.float32], grid: Grid, workers: Workers
) -> NDArray[np.float32]:
    """``n``: sums of ``q R`` over the pixels of each cell ``(gz, gy, gx, n_bins)``."""
    sums = np.zeros((*grid.shape, R.shape[-1]), np.float32)
    matrix = weighted(grid.cells, columns=q.ravel())
    add_matrix_product(matrix, flat_rows(R), flat_rows(sums), workers)
    return sums


def cell_sums(values: NDArray[np.float32], grid: Grid) -> NDArray[np.float64]:
    """Sum of ``(Z, Y, X)`` over the pixels of each cell ``(gz, gy, gx)``."""
    total = grid.cells @ values.ravel().astype(np.float64)
    return np.asarray(total.reshape(grid.shape), np.float64)


def cell_weights(q: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """``S d`` of each cell, kept above zero where no pixel counts."""
    smooth = smooth_cells(cell_sums(q, grid))
    floor = 1e-6 * max(float(smooth.max(initial=0.0)), 1e-12)
    return np.asarray(np.maximum(smooth, floor), np.float32)


def loss_of_pixels(inverse_sn: NDArray[np.float32], grid: Grid) -> sp.csr_matrix:
    """``-P / sn (n_pixels, n_cells)``: what pixels lose when a background is taken out."""
    return weighted(grid.interpolation, rows=-inverse_sn.ravel())


def subtract_background(
    R: NDArray[np.float32], loss: sp.csr_matrix, bg: NDArray[np.float32], workers: Workers
) -> None:
    """``R -= (P / sn) bg`` in place; ``loss`` from :func:`loss_of_pixels`."""
    add_matrix_product(loss, flat_rows(bg), flat_rows(R), workers)
