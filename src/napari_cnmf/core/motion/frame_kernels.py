"""Compiled preparation of frames: low-passed to every second pixel, high-passed, tapered."""

from __future__ import annotations

# One loop nest is one function: calls between kernels would break their fusion.
# ruff: noqa: PLR0917
import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import SUMS, inline_kernel, kernel

F32 = NDArray[np.float32]


@kernel("void(float32[:,:,::1], float32[:,:,::1])", fastmath=SUMS)
def halve(planes: F32, out: F32) -> None:
    """Low-pass by [1 3 3 1] / 8 along y and x, keep every second; ``out (n, Y // 2, X // 2)``."""
    n, Y, X = planes.shape
    row = np.empty(X + 2, np.float32)
    outer, inner = np.float32(0.125), np.float32(0.375)
    for i in range(n):
        for y in range(Y // 2):
            a = planes[i, max(2 * y - 1, 0)]
            b = planes[i, 2 * y]
            c = planes[i, 2 * y + 1]
            d = planes[i, min(2 * y + 2, Y - 1)]
            middle = row[1 : X + 1]
            for x in range(X):
                middle[x] = outer * (a[x] + d[x]) + inner * (b[x] + c[x])
            row[0] = row[1]
            row[X + 1] = row[X]
            target = out[i, y]
            for x in range(X // 2):
                target[x] = outer * (row[2 * x] + row[2 * x + 3]) + inner * (
                    row[2 * x + 1] + row[2 * x + 2]
                )


@inline_kernel(fastmath=SUMS)
def _fill_holes(plane: F32) -> None:
    """Set pixels that are not finite to the mean of the others, 0 where there is none."""
    Y, X = plane.shape
    total = 0.0
    for y in range(Y):
        part = np.float32(0.0)
        for x in range(X):
            part += plane[y, x]
        total += float(part)
    if np.isfinite(total):
        return
    count = 0
    total = 0.0
    for y in range(Y):
        for x in range(X):
            if np.isfinite(plane[y, x]):
                total += plane[y, x]
                count += 1
    fill = np.float32(total / count if count > 0 else 0.0)
    for y in range(Y):
        for x in range(X):
            if not np.isfinite(plane[y, x]):
                plane[y, x] = fill


@kernel(
    "void(float32[:,:,::1], int64, int64, float32[::1], float32[::1], int64[:,::1],"
    " float32[:,:,::1])",
    fastmath=SUMS,
)
def highpass_taper(
    planes: F32,
    half_y: int,
    half_x: int,
    taper_y: F32,
    taper_x: F32,
    offsets: NDArray[np.int64],
    out: F32,
) -> None:
    """Subtract the mean of a box of ``2 half + 1`` pixels, then taper; planes ``(n, Y, X)``.

    The taper of each plane is moved by ``offsets (n, 2)`` px: it goes with the content.

    Pixels that are not finite are set to the plane's mean, in ``planes`` too. The arrays must
    not overlap.
    """
    n, Y, X = planes.shape
    columns = np.empty(X, np.float64)
    # sums up to each column, its first and last value repeated where the box leaves the field
    prefix = np.zeros(X + 2 * half_x + 1, np.float64)
    inverse_width = np.empty(X, np.float64)
    moved_x = np.empty(X, np.float32)
    for x in range(X):
        inverse_width[x] = 1.0 / (min(x + half_x, X - 1) - max(x - half_x, 0) + 1)
    for i in range(n):
        _fill_holes(planes[i])
        columns[:] = 0.0
        for x in range(X):
            u = x - offsets[i, 1]
            moved_x[x] = taper_x[u] if 0 <= u < X else np.float32(0.0)
        for y in range(min(half_y, Y)):
            for x in range(X):
                columns[x] += planes[i, y, x]
        for y in range(Y):
            if y + half_y < Y:
                for x in range(X):
                    columns[x] += planes[i, y + half_y, x]
            if y - half_y - 1 >= 0:
                for x in range(X):
                    columns[x] -= planes[i, y - half_y - 1, x]
            height = min(y + half_y, Y - 1) - max(y - half_y, 0) + 1
            u = y - offsets[i, 0]
            edge = taper_y[u] if 0 <= u < Y else np.float32(0.0)
            running = 0.0
            for x in range(X):
                running += columns[x]
                prefix[x + half_x + 1] = running
            for x in range(half_x):
                prefix[X + half_x + 1 + x] = running
            for x in range(X):
                mean = (prefix[x + 2 * half_x + 1] - prefix[x]) * (inverse_width[x] / height)
                out[i, y, x] = (planes[i, y, x] - np.float32(mean)) * (edge * moved_x[x])
