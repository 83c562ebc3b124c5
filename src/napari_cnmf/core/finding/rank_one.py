"""One component ``a c``: the moves that peeling and least squares share."""

# ruff: noqa: PLR0917 (kernels take arrays by position)

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import inline_kernel, kernel
from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.rows import (
    sum_rows,
)
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.energy import lower_side_scale

_SAMPLES = 128
_TRACES = 64
"""That a thread sums up together."""


@dataclass(frozen=True, eq=False)
class Place:
    """Place of a box in the field: its part inside, and the pixels there.

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
        """Find the part of a box at ``corner`` that lies in the field, and its pixels."""
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
    """``out = max(c - centre - 2 sigma, 0)``; returns ``<c, out>``.

    A trace that is active for most of the time has its centre and sigma from activity, and nothing
    stands out of them: what lies above its mean is taken then.
    """
    work = np.empty(min(_SAMPLES, len(c)), np.float32)
    centre, sigma = lower_side_scale(c, work)
    level = centre + np.float32(2.0) * sigma
    total = np.float32(0.0)
    for t in range(len(c)):
        v = max(c[t] - level, np.float32(0.0))
        out[t] = v
        total += v * c[t]
    if not total > 0:
        mean = np.float32(0.0)
        for t in range(len(c)):
            mean += c[t]
        mean /= np.float32(len(c))
        for t in range(len(c)):
            v = max(c[t] - mean, np.float32(0.0))
            out[t] = v
            total += v * c[t]
    return total


@inline_kernel()
def pixels_of_box(
    shape: NDArray[np.int64],
    corner: NDArray[np.int64],
    box: NDArray[np.int64],
    margin: NDArray[np.int64],
    at: NDArray[np.int32],
) -> int:
    """Fill ``at (2, n)``: rows of a box's pixels inside the field, and their places in it; n."""
    n = 0
    for z in range(margin[0], box[0] - margin[0]):
        for y in range(margin[1], box[1] - margin[1]):
            zz, yy = z + corner[0], y + corner[1]
            if zz < 0 or zz >= shape[0] or yy < 0 or yy >= shape[1]:
                continue
            for x in range(margin[2], box[2] - margin[2]):
                xx = x + corner[2]
                if xx >= 0 and xx < shape[2]:
                    at[0, n] = (zz * shape[1] + yy) * shape[2] + xx
                    at[1, n] = (z * box[1] + y) * box[2] + x
                    n += 1
    return n


_SIGNATURE = (
    "void(float32[:, ::1], int64[::1], int64[:, ::1], int64[::1], int64[:, ::1], "
    "float32[:, ::1], float32[:, ::1], boolean[::1], int64, int64, float32[::1], int32[:, ::1])"
)


@kernel(_SIGNATURE)
def alternate_boxes(
    X: NDArray[np.float32],
    shape: NDArray[np.int64],
    corners: NDArray[np.int64],
    box: NDArray[np.int64],
    margins: NDArray[np.int64],
    feet: NDArray[np.float32],
    C: NDArray[np.float32],
    lit: NDArray[np.bool_],
    start: int,
    stop: int,
    h: NDArray[np.float32],
    at: NDArray[np.int32],
) -> None:
    """Footprint and trace of the component in each of the boxes start to stop, each from the other.

    One kernel for all of it: threads that put single moves together in numpy wait for each other.

    Parameters
    ----------
    X
        Residual as rows ``(n_pixels, n_bins)``; nothing is taken out of it.
    shape, box
        Of the field and of a box along (Z, Y, X).
    corners
        Of the boxes in the field ``(n, 3)``.
    margins
        Pixels left out at each side of a box in each alternation ``(n_alternations, 3)``, ever
        fewer.
    feet
        Takes the footprints ``(n, bz by bx)``; zeros on entry.
    C
        Traces to start with ``(n, n_bins)``; takes those found.
    lit
        Takes whether anything lights up with the trace ``(n,)``.
    h, at
        Room to work in, ``(n_bins,)`` and ``(2, bz by bx)``.
    """
    n_bins = C.shape[1]
    for k in range(start, stop):
        a, c = feet[k], C[k]
        lit[k] = True
        for i in range(len(margins)):
            n = pixels_of_box(shape, corners[k], box, margins[i], at)
            scale = soft_threshold(c, h)
            norm = np.float32(0.0)
            if scale > 0:
                for j in range(n):
                    x = X[at[0, j]]
                    dot = np.float32(0.0)
                    for t in range(n_bins):
                        dot += x[t] * h[t]
                    v = max(dot / scale, np.float32(0.0))
                    a[at[1, j]] = v
                    norm += v * v
            if not norm > 0:
                lit[k] = False
                break
            for t in range(n_bins):
                c[t] = 0.0
            for j in range(n):
                v = a[at[1, j]] / norm
                if v > 0.0:
                    x = X[at[0, j]]
                    for t in range(n_bins):
                        c[t] += v * x[t]


def project(
    X: NDArray[np.float32], pixels: NDArray[np.int32], a: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``a'X / a'a`` over rows ``pixels``; ``a`` of their shape, its zeros left out."""
    used = a != 0
    values = a[used]
    norm = float(values @ values)
    return sum_rows(X, pixels[used], values / np.float32(norm if norm > 0 else 1.0))


def active_energy(factors: Factors, workers: Workers) -> NDArray[np.float64]:
    """Energy of each component: its footprint's times that of its trace's active part ``(n,)``."""
    energy = np.zeros(len(factors))

    def work(start: int, stop: int) -> None:
        h, some = np.empty(factors.C.shape[1], np.float32), factors.part(start, stop)
        active = np.array([soft_threshold(c, h) for c in some.C], np.float64)
        energy[start:stop] = active * (some.flat**2).sum(1, dtype=np.float64)

    workers.ranges(work, len(factors), _TRACES)
    return energy
