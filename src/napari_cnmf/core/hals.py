"""Hierarchical alternating least squares on the residual, at purely local cost.

With R = Y - B - A C kept up to date, one component's update needs only its own box:

    a_p <- max(0, a_p + <R_p, h> / <c, h>),     h = max(c - centre - 2 sigma, 0)
    c   <- c + a'R / a'a

The soft-thresholded trace h is an instrument: it carries the signal of c but not its
noise, so the noise in c does not shrink the footprint. Traces may go below zero;
only deconvolution, at the full rate, makes them non-negative.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._threads import Workers
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.footprints import keep_connected, median3, touching
from napari_cnmf.core.geometry import colour_groups
from napari_cnmf.core.rank_one import Place, project, soft_threshold
from napari_cnmf.core.rows import dot_rows, flat_rows, take_product

KEEP = 0.1
"""Pixels below this share of the peak leave the footprint."""


def _update_component(
    R: NDArray[np.float32],
    usable: NDArray[np.bool_],
    factors: Factors,
    k: int,
    min_area: int,
) -> None:
    """Footprint, then trace, of component ``k``, in place.

    A footprint that shrinks below ``min_area`` is given back to R and set to zero; with
    ``min_area`` 0, one that would vanish stays as it is.
    """
    rows, c = flat_rows(R), factors.C[k]
    place = Place.of(factors.corner[k], factors.foot.shape[1:], R.shape[:3])
    a = factors.foot[k][place.local]
    h = np.empty_like(c)
    scale = soft_threshold(c, h)
    new = np.zeros(a.shape, np.float32)
    if scale > 0:
        near = touching(a > 0) & usable.ravel()[place.pixels]
        gain = dot_rows(rows, place.pixels[near], h) / np.float32(scale)
        new[near] = np.maximum(a[near] + gain, 0)
    middle = np.empty_like(new)
    median3(new, middle)
    size = keep_connected(middle, KEEP * middle.max(initial=0))
    if size == 0 and min_area == 0:
        return
    kept = np.where((middle > 0) & (size >= min_area), new, np.float32(0))
    changed = kept != a
    take_product(rows, place.pixels[changed], (kept - a)[changed], c)
    a[...] = kept
    if size < min_area:
        c[:] = 0
        return
    _update_trace(rows, place, a, c)


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

    def work(ids: NDArray[np.int64]) -> None:
        for k in ids.tolist():
            _update_component(R, usable, factors, k, min_area)

    for cells in colour_groups(factors.centres, factors.reach):
        workers.map(work, cells)
    if min_area == 0:
        return factors
    alive = np.asarray(factors.foot.any(axis=(1, 2, 3)), np.bool_)
    return factors if alive.all() else factors.take(alive)
