"""Hierarchical alternating least squares on the residual, at purely local cost.

With R = Y - B - A C kept up to date, one component's update needs only its own box:

    a_p <- max(0, a_p + <R_p, h> / <c, h>),     h = max(c - centre - 2 sigma, 0)
    c   <- c + a'R / a'a

The soft-thresholded trace h is an instrument: it carries the signal of c but not its
noise, so the noise in c does not shrink the footprint. Traces may go below zero;
only deconvolution, at the full rate, makes them non-negative.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import kernel
from napari_cnmf.core._threads import Workers
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.footprints import keep_connected, median3, peak_of
from napari_cnmf.core.geometry import colour_groups
from napari_cnmf.core.rank_one import project_trace, soft_threshold, subtract_product

KEEP = 0.1
"""Pixels below this share of the peak leave the footprint."""


@kernel(
    "void(float32[:, :, :, ::1], uint8[:, :, ::1], int64[:, ::1], float32[:, :, :, ::1], "
    "float32[:, ::1], int64[::1], int64)"
)
def _update_boxes(
    R: NDArray[np.float32],
    usable: NDArray[np.uint8],
    corner: NDArray[np.int64],
    foot: NDArray[np.float32],
    C: NDArray[np.float32],
    ids: NDArray[np.int64],
    min_area: int,
) -> None:
    """Footprint, then trace, of the components ``ids`` one after another.

    A footprint that shrinks below ``min_area`` is given back to R and set to zero; with
    ``min_area`` 0, one that would vanish stays as it is.
    """
    n_z, n_y, n_x, n_bins = R.shape
    bz, by, bx = foot.shape[1:]
    new = np.empty((bz, by, bx), np.float32)
    middle = np.empty((bz, by, bx), np.float32)
    label = np.empty((bz, by, bx), np.int32)
    stack = np.empty(bz * by * bx, np.int32)
    sparse = np.empty(n_bins, np.float32)
    step = np.empty(n_bins, np.float32)
    work = np.empty(min(128, n_bins), np.float32)
    for k in ids:
        a, c, at = foot[k], C[k], corner[k]
        scale = soft_threshold(c, sparse, work)
        new[:] = 0.0
        if scale > 0.0:
            for z in range(max(0, -at[0]), min(bz, n_z - at[0])):
                for y in range(max(0, -at[1]), min(by, n_y - at[1])):
                    for x in range(max(0, -at[2]), min(bx, n_x - at[2])):
                        near = a[z, y, x] > 0.0
                        near = near or (z > 0 and a[z - 1, y, x] > 0.0)
                        near = near or (z < bz - 1 and a[z + 1, y, x] > 0.0)
                        near = near or (y > 0 and a[z, y - 1, x] > 0.0)
                        near = near or (y < by - 1 and a[z, y + 1, x] > 0.0)
                        near = near or (x > 0 and a[z, y, x - 1] > 0.0)
                        near = near or (x < bx - 1 and a[z, y, x + 1] > 0.0)
                        if not near or usable[at[0] + z, at[1] + y, at[2] + x] == 0:
                            continue
                        r = R[at[0] + z, at[1] + y, at[2] + x]
                        dot = np.float32(0.0)
                        for t in range(n_bins):
                            dot += r[t] * sparse[t]
                        new[z, y, x] = max(a[z, y, x] + dot / scale, np.float32(0.0))
        median3(new, middle)
        size = keep_connected(middle, np.float32(KEEP) * peak_of(middle), label, stack)
        if size == 0 and min_area == 0:
            continue
        for z in range(bz):
            for y in range(by):
                for x in range(bx):
                    v = (
                        new[z, y, x]
                        if middle[z, y, x] > 0.0 and size >= min_area
                        else np.float32(0)
                    )
                    new[z, y, x] = v - a[z, y, x]
                    a[z, y, x] = v
        subtract_product(R, at, new, c)
        if size < min_area:
            c[:] = 0.0
            continue
        project_trace(R, at, a, step)
        for t in range(n_bins):
            c[t] += step[t]
        subtract_product(R, at, a, step)


@kernel(
    "void(float32[:, :, :, ::1], int64[:, ::1], float32[:, :, :, ::1], float32[:, ::1], int64[::1])"
)
def _update_traces(
    R: NDArray[np.float32],
    corner: NDArray[np.int64],
    foot: NDArray[np.float32],
    C: NDArray[np.float32],
    ids: NDArray[np.int64],
) -> None:
    """Traces of the components ``ids`` one after another, footprints as they are."""
    step = np.empty(C.shape[1], np.float32)
    for k in ids:
        if project_trace(R, corner[k], foot[k], step) > 0.0:
            for t in range(len(step)):
                C[k, t] += step[t]
            subtract_product(R, corner[k], foot[k], step)


def update_traces(R: NDArray[np.float32], factors: Factors, workers: Workers) -> None:
    """One round of ``c <- c + a'R / a'a`` over all components, in place."""
    for cells in colour_groups(factors.centres, factors.reach):
        workers.map(
            lambda ids: _update_traces(R, factors.corner, factors.foot, factors.C, ids), cells
        )


def update(
    R: NDArray[np.float32],
    usable: NDArray[np.bool_],
    factors: Factors,
    min_area: int,
    workers: Workers,
) -> Factors:
    """One round over all components.

    Parameters
    ----------
    R
        Whitened residual ``(Z, Y, X, n_bins)``, changed in place.
    usable
        Pixels that carry something ``(Z, Y, X)``.
    factors
        Changed in place.
    min_area
        Pixels below which a component is given up; 0 gives up none.

    Returns
    -------
    Factors
        Those that are left.
    """
    flags = usable.astype(np.uint8)
    for cells in colour_groups(factors.centres, factors.reach):
        workers.map(
            lambda ids: _update_boxes(
                R, flags, factors.corner, factors.foot, factors.C, ids, min_area
            ),
            cells,
        )
    if min_area == 0:
        return factors
    alive = np.asarray(factors.foot.any(axis=(1, 2, 3)), np.bool_)
    return factors if alive.all() else factors.take(alive)
