"""Operations on footprints in their boxes: connected part, smoothing, median, filled core.

Boxes are small dense arrays ``(bz, by, bx)``; neighbours touch along faces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel

SUPPORT = 0.2
"""A footprint's core: pixels above this share of its peak."""


@kernel("int64(float32[::1], int64[::1], float32)")
def keep_connected(a: NDArray[np.float32], box: NDArray[np.int64], level: float) -> int:
    """Zero all but the connected part above ``level`` that has the most energy; its size.

    ``a`` is a flat box of shape ``box (3,)``.
    """
    label, stack = np.empty(len(a), np.int64), np.empty(len(a), np.int64)
    for p in range(len(a)):
        label[p] = 0
    best, best_energy, best_size, n = 0, np.float32(0.0), 0, 0
    for start in range(len(a)):
        if label[start] != 0 or a[start] <= level:
            continue
        n += 1
        label[start] = n
        stack[0] = start
        top, size, energy = 1, 0, np.float32(0.0)
        while top > 0:
            top -= 1
            p = stack[top]
            size += 1
            energy += a[p] * a[p]
            stride = 1
            for axis in range(2, -1, -1):
                at = (p // stride) % box[axis]
                for side in range(-1, 2, 2):
                    q = p + side * stride
                    if 0 <= at + side < box[axis] and label[q] == 0 and a[q] > level:
                        label[q] = n
                        stack[top] = q
                        top += 1
                stride *= box[axis]
        if energy > best_energy:
            best, best_energy, best_size = n, energy, size
    for p in range(len(a)):
        if label[p] != best or best == 0:
            a[p] = 0.0
    return best_size


@kernel("void(float32[:, :, ::1], float32[:, :, ::1])")
def median3(a: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Median of 3 x 3 pixels of each plane, zeros outside the box."""
    bz, by, bx = a.shape
    nine = np.empty(9, np.float32)
    for z in range(bz):
        for y in range(by):
            for x in range(bx):
                n = 0
                for dy in range(-1, 2):
                    for dx in range(-1, 2):
                        yy, xx = y + dy, x + dx
                        v = np.float32(0.0)
                        if yy >= 0 and xx >= 0 and yy < by and xx < bx:
                            v = a[z, yy, xx]
                        i = n
                        while i > 0 and nine[i - 1] > v:
                            nine[i] = nine[i - 1]
                            i -= 1
                        nine[i] = v
                        n += 1
                out[z, y, x] = nine[4]


def smooth_planes(foot: NDArray[np.float32]) -> NDArray[np.float32]:
    """(1, 2, 1) / 4 along both axes of each plane: noise would fray the outline."""
    for axis in (-2, -1):
        out = 2 * foot
        to, of = np.moveaxis(out, axis, 0), np.moveaxis(foot, axis, 0)
        to[1:] += of[:-1]
        to[:-1] += of[1:]
        foot = np.float32(0.25) * out
    return foot


def filled_cores(foot: NDArray[np.float32], level: float = SUPPORT) -> NDArray[np.bool_]:
    """Pixels above ``level`` of the peak, holes of each plane filled.

    Parameters
    ----------
    foot
        ``(n_components, bz, by, bx)``.

    Returns
    -------
    core
        Like ``foot``, bool.
    """
    peak = foot.max((1, 2, 3), initial=0, keepdims=True)
    free = ~(foot > np.float32(level) * peak)
    # What is seen along a row or a column from outside, then what that touches, is no hole.
    outside = np.zeros_like(free)
    for axis in (2, 3):
        outside |= np.logical_and.accumulate(free, axis)
        flipped = np.flip(free, axis)
        outside |= np.flip(np.logical_and.accumulate(flipped, axis), axis)
    while True:
        grown = outside.copy()
        grown[..., 1:, :] |= outside[..., :-1, :]
        grown[..., :-1, :] |= outside[..., 1:, :]
        grown[..., 1:] |= outside[..., :-1]
        grown[..., :-1] |= outside[..., 1:]
        grown &= free
        if np.array_equal(grown, outside):
            return np.asarray(~outside, np.bool_)
        outside = grown


def dilate(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Grow a mask by one pixel in every direction of the last two axes, corners included."""
    out = mask.copy()
    out[..., 1:, :] |= mask[..., :-1, :]
    out[..., :-1, :] |= mask[..., 1:, :]
    rows = out.copy()
    out[..., 1:] |= rows[..., :-1]
    out[..., :-1] |= rows[..., 1:]
    return out


def touched(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Grow masks ``(n, bz, by, bx)`` by the pixels that touch them along faces."""
    out = mask.copy()
    for axis in (1, 2, 3):
        to, of = np.moveaxis(out, axis, 0), np.moveaxis(mask, axis, 0)
        to[1:] |= of[:-1]
        to[:-1] |= of[1:]
    return out
