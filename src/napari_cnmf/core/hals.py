"""Hierarchical alternating least squares on the residual, at purely local cost.

With R = Y - B - A C kept up to date, one component's update needs only its own box:

    a_p <- max(0, a_p + <R_p, h> / <c, h>),     h = max(c - centre - 2 sigma, 0)
    c   <- c + a'R / a'a

The soft-thresholded trace h is an instrument: it carries the signal of c but not its
noise, so the noise in c does not shrink the footprint. Traces may go below zero;
only deconvolution, at the full rate, makes them non-negative.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import kernel
from napari_cnmf.core._threads import Workers
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.footprints import keep_connected, median3
from napari_cnmf.core.geometry import colour_groups
from napari_cnmf.core.rank_one import Place, pixels_of_box, project, soft_threshold
from napari_cnmf.core.rows import flat_rows, take_product

KEEP = 0.1
"""Pixels below this share of the peak leave the footprint."""


_SIGNATURE = (
    "void(float32[:, ::1], int64[::1], boolean[::1], int64[::1], int64[::1], float32[:, :, ::1], "
    "float32[::1], int64, float32[::1], float32[:, :, :, ::1], int32[:, ::1])"
)


@kernel(_SIGNATURE)
def _update_component(
    X: NDArray[np.float32],
    shape: NDArray[np.int64],
    usable: NDArray[np.bool_],
    corner: NDArray[np.int64],
    margin: NDArray[np.int64],
    a: NDArray[np.float32],
    c: NDArray[np.float32],
    min_area: int,
    h: NDArray[np.float32],
    boxes: NDArray[np.float32],
    at: NDArray[np.int32],
) -> None:
    """Footprint, then trace, of one component, and the residual ``X`` with them, in place.

    A footprint that shrinks below ``min_area`` is given back to X and set to zero; with
    ``min_area`` 0, one that would vanish stays as it is. ``margin`` is left out at each side of the
    box; ``h``, ``boxes (3, *a.shape)`` and ``at`` are room to work in. One kernel for all of it:
    threads that put single moves together in numpy wait for each other.
    """
    n_bins, (bz, by, bx) = len(c), a.shape
    new, middle, part = boxes[0], boxes[1], boxes[2]
    n = pixels_of_box(shape, corner, a.shape, margin, at)
    for z in range(bz):
        for y in range(by):
            for x in range(bx):
                new[z, y, x] = 0.0
                part[z, y, x] = 0.0
    scale = soft_threshold(c, h)
    if scale > 0:
        for j in range(n):
            z, y, x = at[1, j], at[2, j], at[3, j]
            near = a[z, y, x] > 0
            for side in range(-1, 2, 2):
                near |= 0 <= z + side < bz and a[z + side, y, x] > 0
                near |= 0 <= y + side < by and a[z, y + side, x] > 0
                near |= 0 <= x + side < bx and a[z, y, x + side] > 0
            if near and usable[at[0, j]]:
                row = X[at[0, j]]
                dot = np.float32(0.0)
                for t in range(n_bins):
                    dot += row[t] * h[t]
                new[z, y, x] = max(a[z, y, x] + dot / scale, np.float32(0.0))
    median3(new, middle)
    peak = np.float32(0.0)
    for j in range(n):
        z, y, x = at[1, j], at[2, j], at[3, j]
        # The median may be positive outside the field, too.
        part[z, y, x] = middle[z, y, x]
        peak = max(peak, middle[z, y, x])
    size = keep_connected(part, np.float32(KEEP) * peak)
    if size == 0 and min_area == 0:
        return
    norm = np.float32(0.0)
    for j in range(n):
        z, y, x = at[1, j], at[2, j], at[3, j]
        kept = new[z, y, x] if part[z, y, x] > 0 and size >= min_area else np.float32(0.0)
        change = kept - a[z, y, x]
        a[z, y, x] = kept
        norm += kept * kept
        if change != 0.0:
            row = X[at[0, j]]
            for t in range(n_bins):
                row[t] -= change * c[t]
    for t in range(n_bins):
        h[t] = 0.0
        if size < min_area:
            c[t] = 0.0
    if not norm > 0:
        return
    for j in range(n):
        weight = a[at[1, j], at[2, j], at[3, j]] / norm
        if weight != 0.0:
            row = X[at[0, j]]
            for t in range(n_bins):
                h[t] += weight * row[t]
    for j in range(n):
        weight = a[at[1, j], at[2, j], at[3, j]]
        if weight != 0.0:
            row = X[at[0, j]]
            for t in range(n_bins):
                row[t] -= weight * h[t]
    for t in range(n_bins):
        c[t] += h[t]


def _update_trace(
    rows: NDArray[np.float32], place: Place, a: NDArray[np.float32], c: NDArray[np.float32]
) -> None:
    """``c <- c + a'R / a'a`` in place."""
    used = a != 0
    if used.any():
        step = project(rows, place.pixels, a)
        c += step
        take_product(rows, place.pixels[used], a[used], step)


def update_traces(R: NDArray[np.float32], factors: Factors, workers: Workers) -> None:
    """One round of ``c <- c + a'R / a'a`` over all components, in place."""
    rows = flat_rows(R)

    def work(ids: NDArray[np.int64]) -> None:
        for k in ids.tolist():
            place = Place.of(factors.corner[k], factors.foot.shape[1:], R.shape[:3])
            _update_trace(rows, place, factors.foot[k][place.local], factors.C[k])

    for cells in colour_groups(factors.centres, factors.reach):
        workers.map(work, cells)


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

    rows, shape = flat_rows(R), np.array(R.shape[:3])
    flat = np.ascontiguousarray(usable).ravel()

    box, none = factors.foot.shape[1:], np.zeros(3, np.int64)

    def work(ids: NDArray[np.int64]) -> None:
        h, boxes = np.empty(rows.shape[1], np.float32), np.empty((3, *box), np.float32)
        at = np.empty((4, boxes[0].size), np.int32)
        for k in ids.tolist():
            corner, a, c = factors.corner[k], factors.foot[k], factors.C[k]
            _update_component(rows, shape, flat, corner, none, a, c, min_area, h, boxes, at)

    for cells in colour_groups(factors.centres, factors.reach):
        workers.map(work, cells)
    if min_area == 0:
        return factors
    alive = np.asarray(factors.foot.any(axis=(1, 2, 3)), np.bool_)
    return factors if alive.all() else factors.take(alive)
