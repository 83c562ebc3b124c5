"""Operations on one footprint in its box: connected part, smoothing, median, filled core.

Boxes are small dense arrays ``(bz, by, bx)``; neighbours touch along faces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import inline_kernel, kernel

SUPPORT = 0.2
"""A footprint's core: pixels above this share of its peak."""


@inline_kernel()
def keep_connected(
    a: NDArray[np.float32], level: np.float32, label: NDArray[np.int32], stack: NDArray[np.int32]
) -> int:
    """Zero all but the connected part above ``level`` that has the most energy; its size.

    ``label`` has the shape of ``a``, ``stack`` as many entries; both are overwritten.
    """
    bz, by, bx = a.shape
    label[:] = 0
    best, best_energy, best_size, n = 0, np.float32(0.0), 0, 0
    for z0 in range(bz):
        for y0 in range(by):
            for x0 in range(bx):
                if label[z0, y0, x0] != 0 or a[z0, y0, x0] <= level:
                    continue
                n += 1
                label[z0, y0, x0] = n
                stack[0] = (z0 * by + y0) * bx + x0
                top, size, energy = 1, 0, np.float32(0.0)
                while top > 0:
                    top -= 1
                    p = stack[top]
                    z, y, x = p // (by * bx), (p // bx) % by, p % bx
                    size += 1
                    energy += a[z, y, x] * a[z, y, x]
                    for side in range(6):
                        zz = z + (side == 0) - (side == 1)
                        yy = y + (side == 2) - (side == 3)
                        xx = x + (side == 4) - (side == 5)
                        if zz < 0 or yy < 0 or xx < 0 or zz >= bz or yy >= by or xx >= bx:
                            continue
                        if label[zz, yy, xx] == 0 and a[zz, yy, xx] > level:
                            label[zz, yy, xx] = n
                            stack[top] = (zz * by + yy) * bx + xx
                            top += 1
                if energy > best_energy:
                    best, best_energy, best_size = n, energy, size
    for z in range(bz):
        for y in range(by):
            for x in range(bx):
                if label[z, y, x] != best or best == 0:
                    a[z, y, x] = 0.0
    return best_size


@inline_kernel()
def peak_of(a: NDArray[np.float32]) -> np.float32:
    """Largest value."""
    top = np.float32(0.0)
    for z in range(a.shape[0]):
        for y in range(a.shape[1]):
            for x in range(a.shape[2]):
                top = max(top, a[z, y, x])
    return top


@inline_kernel()
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


@inline_kernel()
def smooth3(a: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """(1, 2, 1) x (1, 2, 1) / 16 in each plane, zeros outside the box."""
    bz, by, bx = a.shape
    for z in range(bz):
        for y in range(by):
            for x in range(bx):
                total = np.float32(0.0)
                for dy in range(-1, 2):
                    for dx in range(-1, 2):
                        yy, xx = y + dy, x + dx
                        if yy >= 0 and xx >= 0 and yy < by and xx < bx:
                            weight = np.float32((2 - abs(dy)) * (2 - abs(dx)))
                            total += weight * a[z, yy, xx]
                out[z, y, x] = total / np.float32(16.0)


@kernel("void(float32[:, :, :, ::1], float32, uint8[:, :, :, ::1])")
def _fill_cores(foot: NDArray[np.float32], level: np.float32, core: NDArray[np.uint8]) -> None:
    n, bz, by, bx = foot.shape
    stack = np.empty(by * bx, np.int32)
    for k in range(n):
        threshold = level * peak_of(foot[k])
        for z in range(bz):
            mask = core[k, z]
            # 2: outside, reached from the edge of the box; what is neither 1 nor 2 is a hole.
            for y in range(by):
                for x in range(bx):
                    mask[y, x] = 1 if foot[k, z, y, x] > threshold else 0
            top = 0
            for y in range(by):
                for x in range(bx):
                    edge = y == 0 or x == 0 or y == by - 1 or x == bx - 1
                    if edge and mask[y, x] == 0:
                        mask[y, x] = 2
                        stack[top] = y * bx + x
                        top += 1
            while top > 0:
                top -= 1
                y, x = stack[top] // bx, stack[top] % bx
                for side in range(4):
                    yy = y + (side == 0) - (side == 1)
                    xx = x + (side == 2) - (side == 3)
                    if yy >= 0 and xx >= 0 and yy < by and xx < bx and mask[yy, xx] == 0:
                        mask[yy, xx] = 2
                        stack[top] = yy * bx + xx
                        top += 1
            for y in range(by):
                for x in range(bx):
                    mask[y, x] = 0 if mask[y, x] == 2 else 1


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
    core = np.zeros(foot.shape, np.uint8)
    _fill_cores(np.ascontiguousarray(foot, np.float32), np.float32(level), core)
    return core.astype(np.bool_)


def dilate(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """One pixel in every in-plane direction of the last two axes, corners included."""
    out = mask.copy()
    out[..., 1:, :] |= mask[..., :-1, :]
    out[..., :-1, :] |= mask[..., 1:, :]
    rows = out.copy()
    out[..., 1:] |= rows[..., :-1]
    out[..., :-1] |= rows[..., 1:]
    return out
