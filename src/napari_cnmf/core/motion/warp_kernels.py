"""Compiled sub-pixel shifts of frames."""

from __future__ import annotations

# One loop nest is one function: calls between kernels would break their fusion.
# ruff: noqa: PLR0917
import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import EXACT, SUMS, inline_kernel, kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@kernel("void(float64, float32[::1])", fastmath=EXACT)
def lanczos_weights(fraction: float, weights: F32) -> None:
    """Lanczos weights of three lobes for the value at ``fraction`` in [0, 1); their sum is 1.

    ``weights (6,)`` are those of the samples at -2 to 3.
    """
    total = 0.0
    w = np.empty(6, np.float64)
    for j in range(6):
        x = fraction - (j - 2)
        if abs(x) < 1e-9:
            w[j] = 1.0
        else:
            w[j] = 3.0 * np.sin(np.pi * x) * np.sin(np.pi * x / 3.0) / (np.pi * np.pi * x * x)
        total += w[j]
    for j in range(6):
        weights[j] = w[j] / total


@inline_kernel(fastmath=SUMS)
def _blend_rows(r0: F32, r1: F32, r2: F32, r3: F32, r4: F32, r5: F32, w: F32, out: F32) -> None:
    """Blend six rows to one."""
    w0, w1, w2, w3, w4, w5 = w[0], w[1], w[2], w[3], w[4], w[5]
    for x in range(out.size):
        out[x] = w0 * r0[x] + w1 * r1[x] + w2 * r2[x] + w3 * r3[x] + w4 * r4[x] + w5 * r5[x]


@inline_kernel(fastmath=SUMS)
def _blend_columns(row: F32, w: F32, low: float, high: float, out: F32) -> None:
    """Blend six neighbours along a row to one, within bounds."""
    w0, w1, w2, w3, w4, w5 = w[0], w[1], w[2], w[3], w[4], w[5]
    for x in range(out.size):
        value = w0 * row[x] + w1 * row[x + 1] + w2 * row[x + 2]
        value += w3 * row[x + 3] + w4 * row[x + 4] + w5 * row[x + 5]
        out[x] = min(max(value, low), high)


@kernel(
    "void(float32[:,:,:,::1], float64[:,::1], float32[::1], float32, float32, boolean,"
    " float32[:,:,:,::1])",
    fastmath=SUMS,
)
def shift_frames(
    frames: F32, shifts: F64, fill: F32, low: float, high: float, invent: bool, out: F32
) -> None:
    """``out(x) = frame(x + shift)`` for ``frames (n, Z, Y, X)``, ``shifts (n, 3)`` in px.

    Beyond the field the rim is repeated, or with ``invent`` false ``fill[i]`` is written.
    Values are clipped to ``low..high``.
    """
    n, Z, Y, X = frames.shape
    wz = np.empty(6, np.float32)
    wy = np.empty(6, np.float32)
    wx = np.empty(6, np.float32)
    blended = np.empty((Y, X), np.float32)
    padded = np.empty(X + 6, np.float32)
    for i in range(n):
        nz = int(np.floor(shifts[i, 0]))
        ny = int(np.floor(shifts[i, 1]))
        nx = int(np.floor(shifts[i, 2]))
        lanczos_weights(shifts[i, 0] - nz, wz)
        lanczos_weights(shifts[i, 1] - ny, wy)
        lanczos_weights(shifts[i, 2] - nx, wx)
        in_plane = abs(shifts[i, 0] - nz) < 1e-6
        for z in range(Z):
            plane = frames[i, min(max(z + nz, 0), Z - 1)]
            if not in_plane:
                blended[:] = 0.0
                for j in range(6):
                    source = frames[i, min(max(z + nz - 2 + j, 0), Z - 1)]
                    for y in range(Y):
                        for x in range(X):
                            blended[y, x] += wz[j] * source[y, x]
                plane = blended
            # the padded row holds columns nx - 2 .. nx - 2 + X + 5, the edges repeated
            start = min(max(2 - nx, 0), X + 6)
            stop = max(min(X + 2 - nx, X + 6), start)
            count = stop - start
            for y in range(Y):
                r0 = plane[min(max(y + ny - 2, 0), Y - 1)]
                r1 = plane[min(max(y + ny - 1, 0), Y - 1)]
                r2 = plane[min(max(y + ny, 0), Y - 1)]
                r3 = plane[min(max(y + ny + 1, 0), Y - 1)]
                r4 = plane[min(max(y + ny + 2, 0), Y - 1)]
                r5 = plane[min(max(y + ny + 3, 0), Y - 1)]
                first = start + nx - 2
                _blend_rows(
                    r0[first : first + count],
                    r1[first : first + count],
                    r2[first : first + count],
                    r3[first : first + count],
                    r4[first : first + count],
                    r5[first : first + count],
                    wy,
                    padded[start:stop],
                )
                left = r0[0] * wy[0] + r1[0] * wy[1] + r2[0] * wy[2]
                left += r3[0] * wy[3] + r4[0] * wy[4] + r5[0] * wy[5]
                e = X - 1
                right = r0[e] * wy[0] + r1[e] * wy[1] + r2[e] * wy[2]
                right += r3[e] * wy[3] + r4[e] * wy[4] + r5[e] * wy[5]
                padded[:start] = left
                padded[stop:] = right
                _blend_columns(padded, wx, low, high, out[i, z, y])
            if not invent:
                outside_z = z + shifts[i, 0] < 0 or z + shifts[i, 0] > Z - 1
                for y in range(Y):
                    source_y = y + shifts[i, 1]
                    outside = outside_z or source_y < 0 or source_y > Y - 1
                    for x in range(X):
                        source_x = x + shifts[i, 2]
                        if outside or source_x < 0 or source_x > X - 1:
                            out[i, z, y, x] = fill[i]
