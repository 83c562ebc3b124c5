"""One component ``a c``: the moves that peeling and least squares share."""

# ruff: noqa: PLR0917 (kernels take arrays by position)

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import inline_kernel, kernel
from napari_cnmf.core.energy import lower_side_scale
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.footprints import keep_connected
from napari_cnmf.core.rows import sum_rows

_SAMPLES = 128


@dataclass(frozen=True, eq=False)
class Place:
    """Where a box lies in the field: its part inside, and the pixels there.

    Attributes
    ----------
    local
        The part of the box inside the field.
    pixels
        Indices of its pixels, of the part's shape ``(bz, by, bx)``, int32.
    """

    local: tuple[slice, slice, slice]
    pixels: NDArray[np.int32]

    @classmethod
    def of(cls, corner: NDArray[np.int64], box: tuple[int, ...], shape: tuple[int, ...]) -> Place:
        local, index = [], np.zeros((1, 1, 1), np.int32)
        for axis in range(3):
            first, extent = int(corner[axis]), shape[axis]
            low = min(max(0, -first), box[axis])
            high = max(low, min(box[axis], extent - first))
            local.append(slice(low, high))
            along = np.arange(first + low, first + high, dtype=np.int32)
            view = [1, 1, 1]
            view[axis] = -1
            index = index * np.int32(extent) + along.reshape(view)
        return cls((local[0], local[1], local[2]), index)


@kernel("float32(float32[::1], float32[::1])")
def soft_threshold(c: NDArray[np.float32], out: NDArray[np.float32]) -> np.float32:
    """``out = max(c - centre - 2 sigma, 0)``; returns ``<c, out>``."""
    work = np.empty(min(_SAMPLES, len(c)), np.float32)
    centre, sigma = lower_side_scale(c, work)
    level = centre + np.float32(2.0) * sigma
    total = np.float32(0.0)
    for t in range(len(c)):
        v = max(c[t] - level, np.float32(0.0))
        out[t] = v
        total += v * c[t]
    return total


@inline_kernel()
def pixels_of_box(
    shape: NDArray[np.int64],
    corner: NDArray[np.int64],
    box: tuple[int, int, int],
    margin: NDArray[np.int64],
    at: NDArray[np.int32],
) -> int:
    """Fill ``at (4, n)``: rows of a box's pixels inside the field, and (z, y, x) in the box; n."""
    bz, by, bx = box
    n = 0
    for z in range(margin[0], bz - margin[0]):
        for y in range(margin[1], by - margin[1]):
            zz, yy = z + corner[0], y + corner[1]
            if zz < 0 or zz >= shape[0] or yy < 0 or yy >= shape[1]:
                continue
            for x in range(margin[2], bx - margin[2]):
                xx = x + corner[2]
                if xx >= 0 and xx < shape[2]:
                    at[0, n] = (zz * shape[1] + yy) * shape[2] + xx
                    at[1, n], at[2, n], at[3, n] = z, y, x
                    n += 1
    return n


@inline_kernel()
def _alternate(
    X: NDArray[np.float32],
    shape: NDArray[np.int64],
    corner: NDArray[np.int64],
    margins: NDArray[np.int64],
    a: NDArray[np.float32],
    c: NDArray[np.float32],
    h: NDArray[np.float32],
    at: NDArray[np.int32],
) -> int:
    """Footprint and trace of the component in a box, each from the other, once for each margin.

    Parameters
    ----------
    X
        Residual as rows ``(n_pixels, n_bins)``; nothing is taken out of it.
    shape, corner
        Of the field, and of the box in it, along (Z, Y, X).
    margins
        Pixels left out at each side of the box in each alternation ``(n, 3)``, ever fewer.
    a
        Takes the footprint ``(bz, by, bx)``; zeros on entry.
    c
        Trace to start with; takes the one found.
    h, at
        Room for the thresholded trace and for indices: ``(n_bins,)``, ``(4, a.size)``.

    Returns
    -------
    int
        1, or 0 when nothing lights up with the trace.
    """
    n_bins = len(c)
    for i in range(len(margins)):
        n = pixels_of_box(shape, corner, a.shape, margins[i], at)
        scale = soft_threshold(c, h)
        if not scale > 0:
            return 0
        norm = np.float32(0.0)
        for j in range(n):
            x = X[at[0, j]]
            dot = np.float32(0.0)
            for t in range(n_bins):
                dot += x[t] * h[t]
            v = max(dot / scale, np.float32(0.0))
            a[at[1, j], at[2, j], at[3, j]] = v
            norm += v * v
        if not norm > 0:
            return 0
        for t in range(n_bins):
            c[t] = 0.0
        for j in range(n):
            v = a[at[1, j], at[2, j], at[3, j]] / norm
            if v > 0.0:
                x = X[at[0, j]]
                for t in range(n_bins):
                    c[t] += v * x[t]
    return 1


@inline_kernel()
def _smooth_inside(
    a: NDArray[np.float32], at: NDArray[np.int32], n: int, out: NDArray[np.float32]
) -> np.float32:
    """(1, 2, 1) x (1, 2, 1) / 16 in each plane at the ``n`` pixels ``at``; the highest value."""
    _, by, bx = a.shape
    out[:] = 0.0
    peak = np.float32(0.0)
    for j in range(n):
        z, y, x = at[1, j], at[2, j], at[3, j]
        total = np.float32(0.0)
        for yy in range(max(0, y - 1), min(by, y + 2)):
            for xx in range(max(0, x - 1), min(bx, x + 2)):
                total += np.float32((2 - abs(yy - y)) * (2 - abs(xx - x))) * a[z, yy, xx]
        out[z, y, x] = total / np.float32(16.0)
        peak = max(peak, out[z, y, x])
    return peak


_SIGNATURE = (
    "void(float32[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], float32[:, :, :, ::1], "
    "float32[:, ::1], int64, int64[::1], int64, int64)"
)


@kernel(_SIGNATURE)
def fit_boxes(
    X: NDArray[np.float32],
    shape: NDArray[np.int64],
    corners: NDArray[np.int64],
    margins: NDArray[np.int64],
    feet: NDArray[np.float32],
    C: NDArray[np.float32],
    min_area: int,
    area: NDArray[np.int64],
    start: int,
    stop: int,
) -> None:
    """Footprint and trace of the component in each of the boxes start to stop.

    They alternate, the footprint is smoothed, its strongest connected part kept, and the trace
    projected once more. One kernel for all of it: threads that put single moves together in numpy
    wait for each other.

    Parameters
    ----------
    X
        Residual as rows ``(n_pixels, n_bins)``; nothing is taken out of it.
    shape
        Of the field along (Z, Y, X).
    corners
        Of the boxes in it ``(n, 3)``.
    margins
        Pixels left out at each side of a box in each alternation ``(n_alternations, 3)``.
    feet
        Takes the footprints ``(n, bz, by, bx)``; zeros on entry.
    C
        Traces to start with ``(n, n_bins)``; takes those found.
    min_area
        Pixels of the smallest footprint worth a trace.
    area
        Takes the pixels of each footprint ``(n,)``; -1 where nothing lights up with the trace.
    """
    h = np.empty(C.shape[1], np.float32)
    part = np.empty(feet.shape[1:], np.float32)
    at = np.empty((4, part.size), np.int32)
    whole = np.zeros(3, np.int64)
    for k in range(start, stop):
        a, c, corner = feet[k], C[k], corners[k]
        area[k] = -1
        if not _alternate(X, shape, corner, margins, a, c, h, at):
            continue
        n = pixels_of_box(shape, corner, a.shape, whole, at)
        peak = _smooth_inside(a, at, n, part)
        area[k] = keep_connected(part, np.float32(0.2) * peak)
        norm = np.float32(0.0)
        for j in range(n):
            z, y, x = at[1, j], at[2, j], at[3, j]
            v = part[z, y, x] if a[z, y, x] > 0.0 else np.float32(0.0)
            a[z, y, x] = v
            norm += v * v
        if area[k] < min_area:
            continue
        c[:] = 0.0
        for j in range(n):
            v = a[at[1, j], at[2, j], at[3, j]]
            if v != 0.0:
                v /= norm
                x_row = X[at[0, j]]
                for t in range(len(c)):
                    c[t] += v * x_row[t]


@kernel(
    "void(float32[:, ::1], int64[::1], int64[:, ::1], float32[:, :, :, ::1], float32[:, ::1], "
    "int64, int64)"
)
def take_boxes(
    X: NDArray[np.float32],
    shape: NDArray[np.int64],
    corners: NDArray[np.int64],
    feet: NDArray[np.float32],
    C: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """``X -= a c`` for the components start to stop, arrays as in ``fit_boxes``."""
    at = np.empty((4, feet[0].size), np.int32)
    whole = np.zeros(3, np.int64)
    for k in range(start, stop):
        a, c = feet[k], C[k]
        n = pixels_of_box(shape, corners[k], a.shape, whole, at)
        for j in range(n):
            v = a[at[1, j], at[2, j], at[3, j]]
            if v > 0.0:
                x = X[at[0, j]]
                for t in range(len(c)):
                    x[t] -= v * c[t]


def project(
    X: NDArray[np.float32], pixels: NDArray[np.int32], a: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``a'X / a'a`` over rows ``pixels``; ``a`` of their shape, its zeros left out."""
    used = a != 0
    values = a[used]
    norm = float(values @ values)
    return sum_rows(X, pixels[used], values / np.float32(norm if norm > 0 else 1.0))


def active_energy(factors: Factors) -> NDArray[np.float64]:
    """Energy of each footprint times that of its trace's active part ``<c, h>``, ``(n,)``."""
    h = np.empty(factors.C.shape[1], np.float32)
    active = np.array([soft_threshold(c, h) for c in factors.C], np.float64)
    norm = (factors.foot**2).sum((1, 2, 3), dtype=np.float64)
    return np.asarray(norm * active.reshape(len(factors)), np.float64)
