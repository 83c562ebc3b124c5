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

from napari_cnmf.core.base.compiling import kernel
from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.footprints import keep_connected, median3, touched
from napari_cnmf.core.base.geometry import colour_groups
from napari_cnmf.core.base.rows import flat_rows, take_product
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.rank_one import Place, pixels_of_box, project, soft_threshold

KEEP = 0.1
"""Pixels below this share of the peak leave the footprint."""


_SIGNATURE = (
    "void(float32[:, ::1], int64[::1], boolean[::1], int64[::1], int64[::1], int64[::1], "
    "float32[::1], boolean[::1], float32[::1], int64, float32[::1], float32[:, :, :, ::1], "
    "float32[:, ::1], int32[:, ::1])"
)


@kernel(_SIGNATURE)
def _update_component(
    X: NDArray[np.float32],
    shape: NDArray[np.int64],
    usable: NDArray[np.bool_],
    corner: NDArray[np.int64],
    box: NDArray[np.int64],
    margin: NDArray[np.int64],
    a: NDArray[np.float32],
    near: NDArray[np.bool_],
    c: NDArray[np.float32],
    min_area: int,
    h: NDArray[np.float32],
    boxes: NDArray[np.float32],
    flat: NDArray[np.float32],
    at: NDArray[np.int32],
) -> None:
    """Footprint, then trace, of one component, and the residual ``X`` with them, in place.

    A footprint that shrinks below ``min_area`` is given back to X and set to zero; with
    ``min_area`` 0, one that would vanish stays as it is. ``a`` and ``near``, the pixels it may
    have, are flat boxes; ``margin`` is left out at each side. ``h``, ``boxes (3, *box)``, ``flat``,
    the same memory as rows, and ``at`` are room to work in. One kernel for all of it: threads that
    put single moves together in numpy wait for each other.
    """
    n_bins = len(c)
    new, middle, part = flat[0], flat[1], flat[2]
    n = pixels_of_box(shape, corner, box, margin, at)
    for i in range(len(a)):
        new[i] = 0.0
        part[i] = 0.0
    scale = soft_threshold(c, h)
    if scale > 0:
        for j in range(n):
            i = at[1, j]
            if near[i] and usable[at[0, j]]:
                row = X[at[0, j]]
                dot = np.float32(0.0)
                for t in range(n_bins):
                    dot += row[t] * h[t]
                new[i] = max(a[i] + dot / scale, np.float32(0.0))
    median3(boxes[0], boxes[1])
    peak = np.float32(0.0)
    for j in range(n):
        # The median may be positive outside the field, too.
        v = middle[at[1, j]]
        part[at[1, j]] = v
        peak = max(peak, v)
    size = keep_connected(part, box, np.float32(KEEP) * peak)
    if size == 0 and min_area == 0:
        return
    norm, common = np.float32(0.0), np.float32(0.0)
    for j in range(n):
        i = at[1, j]
        kept = new[i] if part[i] > 0 and size >= min_area else np.float32(0.0)
        new[i] = kept - a[i]
        a[i] = kept
        norm += kept * kept
        common += kept * new[i]
    # With d the footprint's change, a'(R - d c) = a'R - (a'd) c: R is read once, then written once.
    for t in range(n_bins):
        h[t] = 0.0
    if norm > 0:
        for j in range(n):
            weight = a[at[1, j]] / norm
            if weight != 0.0:
                row = X[at[0, j]]
                for t in range(n_bins):
                    h[t] += weight * row[t]
        common /= norm
        for t in range(n_bins):
            h[t] -= common * c[t]
    for j in range(n):
        weight, change = a[at[1, j]], new[at[1, j]]
        if weight != 0.0 or change != 0.0:
            row = X[at[0, j]]
            for t in range(n_bins):
                row[t] -= change * c[t] + weight * h[t]
    for t in range(n_bins):
        c[t] = c[t] + h[t] if size >= min_area else np.float32(0.0)


def _update_trace(
    rows: NDArray[np.float32], place: Place, a: NDArray[np.float32], c: NDArray[np.float32]
) -> None:
    """Update the trace of one component in place: ``c <- c + a'R / a'a``."""
    used = a != 0
    if used.any():
        step = project(rows, place.pixels, a)
        c += step
        take_product(rows, place.pixels[used], a[used], step)


def update_traces(R: NDArray[np.float32], factors: Factors, workers: Workers) -> None:
    """Update the traces of all components once, in place: ``c <- c + a'R / a'a``."""
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
    """Update footprint and trace of every component once.

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

    box, none = np.array(factors.foot.shape[1:]), np.zeros(3, np.int64)
    # A footprint may grow by a pixel.
    feet = factors.flat
    near = touched(factors.foot > 0).reshape(feet.shape)

    def work(ids: NDArray[np.int64]) -> None:
        h, boxes = np.empty(rows.shape[1], np.float32), np.empty((3, *box), np.float32)
        room = h, boxes, boxes.reshape(3, -1), np.empty((2, feet.shape[1]), np.int32)
        for k in ids.tolist():
            corner, a, c = factors.corner[k], feet[k], factors.C[k]
            _update_component(rows, shape, flat, corner, box, none, a, near[k], c, min_area, *room)

    for cells in colour_groups(factors.centres, factors.reach):
        workers.map(work, cells)
    if min_area == 0:
        return factors
    alive = np.asarray(factors.foot.any(axis=(1, 2, 3)), np.bool_)
    return factors if alive.all() else factors.take(alive)
