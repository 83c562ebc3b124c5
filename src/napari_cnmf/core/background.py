"""A smooth local background: neuropil on a grid of cells a little larger than a neuron.

Each cell's time course is the weighted mean of its pixels, numerator and
denominator smoothed over neighbouring cells before they are divided (normalised
convolution), so that a cell covered by neurons borrows from those around it:

    bg[g, t] = (S n)[g, t] / (S d)[g],   n[g, t] = sum_{p in g} w_p sn_p^-1 R[p, t],
                                         d[g]    = sum_{p in g} w_p sn_p^-2

with R whitened and w = 0.05 inside footprints. Pixels take bilinear interpolation.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import kernel
from napari_cnmf.core._threads import Workers
from napari_cnmf.core.geometry import Grid

INSIDE_WEIGHT = 0.05
"""Weight of pixels inside a footprint: they say little about the background."""


@kernel(
    "void(float32[:, :, :, ::1], float32[:, :, ::1], int64[::1], int64[::1], int64[::1], "
    "float32[:, :, :, ::1], int64, int64)"
)
def _sum_cells(
    R: NDArray[np.float32],
    q: NDArray[np.float32],
    edge_z: NDArray[np.int64],
    edge_y: NDArray[np.int64],
    edge_x: NDArray[np.int64],
    sums: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """``sums[gz, gy, gx] = sum q R`` over the pixels of cells, rows of cells start to stop."""
    n_gy, n_gx, n_bins = sums.shape[1:]
    for row in range(start, stop):
        gz, gy = row // n_gy, row % n_gy
        for gx in range(n_gx):
            total = sums[gz, gy, gx]
            total[:] = 0.0
            for z in range(edge_z[gz], edge_z[gz + 1]):
                for y in range(edge_y[gy], edge_y[gy + 1]):
                    for x in range(edge_x[gx], edge_x[gx + 1]):
                        weight = q[z, y, x]
                        if weight != 0.0:
                            r = R[z, y, x]
                            for t in range(n_bins):
                                total[t] += weight * r[t]


@kernel(
    "void(float32[:, :, :, ::1], float32[:, :, ::1], float32[:, :, :, ::1], int64[::1], "
    "int64[::1], int64[::1], float32[::1], float32[::1], float32[::1], int64, int64)"
)
def _subtract_interpolated(
    R: NDArray[np.float32],
    inverse_sn: NDArray[np.float32],
    bg: NDArray[np.float32],
    low_z: NDArray[np.int64],
    low_y: NDArray[np.int64],
    low_x: NDArray[np.int64],
    share_z: NDArray[np.float32],
    share_y: NDArray[np.float32],
    share_x: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Take the interpolated background from rows ``start`` to ``stop`` (over Z and Y) of R."""
    n_y, n_x, n_bins = R.shape[1:]
    n_gz, n_gy, n_gx = bg.shape[:3]
    line = np.empty((n_gx, n_bins), np.float32)
    for row in range(start, stop):
        z, y = row // n_y, row % n_y
        line[:] = 0.0
        for dz in range(2):
            for dy in range(2):
                wz = share_z[z] if dz else np.float32(1.0) - share_z[z]
                wy = share_y[y] if dy else np.float32(1.0) - share_y[y]
                weight = wz * wy
                gz, gy = low_z[z] + dz, low_y[y] + dy
                if weight == 0.0 or gz >= n_gz or gy >= n_gy:
                    continue
                for gx in range(n_gx):
                    source = bg[gz, gy, gx]
                    target = line[gx]
                    for t in range(n_bins):
                        target[t] += weight * source[t]
        for x in range(n_x):
            s = inverse_sn[z, y, x]
            if s == 0.0:
                continue
            left = line[low_x[x]]
            right = line[min(low_x[x] + 1, n_gx - 1)]
            b = share_x[x] * s
            a = s - b
            r = R[z, y, x]
            for t in range(n_bins):
                r[t] -= a * left[t] + b * right[t]


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
    weight = cell_weights(q * inverse_sn, grid)
    return np.ascontiguousarray(smooth_cells(sums) / weight[..., None], dtype=np.float32)


def weighted_sums(
    R: NDArray[np.float32], q: NDArray[np.float32], grid: Grid, workers: Workers
) -> NDArray[np.float32]:
    """``n``: sums of ``q R`` over the pixels of each cell ``(gz, gy, gx, n_bins)``."""
    sums = np.empty((*grid.shape, R.shape[-1]), np.float32)
    workers.ranges(
        lambda a, b: _sum_cells(R, q, *grid.edges, sums, a, b),
        grid.shape[0] * grid.shape[1],
        1,
    )
    return sums


def cell_sums(values: NDArray[np.float32], grid: Grid) -> NDArray[np.float64]:
    """Sum of ``(Z, Y, X)`` over the pixels of each cell ``(gz, gy, gx)``."""
    total: NDArray[np.float64] = values.astype(np.float64)
    for axis, edge in enumerate(grid.edges):
        total = np.add.reduceat(total, edge[:-1], axis=axis)
    return total


def cell_weights(q: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """``S d`` of each cell, kept above zero where no pixel counts."""
    smooth = smooth_cells(cell_sums(q, grid))
    floor = 1e-6 * max(float(smooth.max(initial=0.0)), 1e-12)
    return np.asarray(np.maximum(smooth, floor), np.float32)


def subtract_background(
    R: NDArray[np.float32],
    inverse_sn: NDArray[np.float32],
    bg: NDArray[np.float32],
    grid: Grid,
    workers: Workers,
) -> None:
    """``R -= bg / sn`` interpolated to pixels, in place."""
    rows = R.shape[0] * R.shape[1]
    workers.ranges(
        lambda a, b: _subtract_interpolated(R, inverse_sn, bg, *grid.lower, *grid.share, a, b),
        rows,
        max(1, rows // 64),
    )
