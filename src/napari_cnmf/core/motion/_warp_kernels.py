"""Compiled sub-pixel shifts of frames."""

from __future__ import annotations

# One loop nest is one function: calls between kernels would break their fusion.
# ruff: noqa: PLR0912, PLR0917
import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

TAPS = 6
"""Lanczos kernel of three lobes."""


@njit("void(float64, float32[::1])", nogil=True, cache=True)
def lanczos_weights(fraction: float, weights: F32) -> None:
    """Weights of the samples at -2..3 for the value at ``fraction`` in [0, 1); their sum is 1."""
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


@njit(
    "void(float32[:,:,:,::1], float64[:,::1], float32[::1], float32, float32, boolean,"
    " float32[:,:,:,::1])",
    nogil=True,
    cache=True,
    fastmath={"contract", "reassoc"},
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
    plane = np.empty((Y, X), np.float32)
    row = np.empty(X, np.float32)
    for i in range(n):
        nz, ny, nx = (
            int(np.floor(shifts[i, 0])),
            int(np.floor(shifts[i, 1])),
            int(np.floor(shifts[i, 2])),
        )
        lanczos_weights(shifts[i, 0] - nz, wz)
        lanczos_weights(shifts[i, 1] - ny, wy)
        lanczos_weights(shifts[i, 2] - nx, wx)
        flat_z = abs(shifts[i, 0] - nz) < 1e-6
        padded = np.empty(X + 6, np.float32)
        # columns of the frame that the padded row takes before it is filtered along x
        first = nx - 2
        for z in range(Z):
            source_z = z + shifts[i, 0]
            for y in range(Y):
                if flat_z:
                    zz = min(max(z + nz, 0), Z - 1)
                    for x in range(X):
                        plane[y, x] = frames[i, zz, y, x]
                else:
                    for x in range(X):
                        plane[y, x] = 0.0
                    for j in range(6):
                        zz = min(max(z + nz - 2 + j, 0), Z - 1)
                        w = wz[j]
                        for x in range(X):
                            plane[y, x] += w * frames[i, zz, y, x]
            for y in range(Y):
                y0 = min(max(y + ny - 2, 0), Y - 1)
                y1 = min(max(y + ny - 1, 0), Y - 1)
                y2 = min(max(y + ny, 0), Y - 1)
                y3 = min(max(y + ny + 1, 0), Y - 1)
                y4 = min(max(y + ny + 2, 0), Y - 1)
                y5 = min(max(y + ny + 3, 0), Y - 1)
                for x in range(X):
                    row[x] = (
                        wy[0] * plane[y0, x]
                        + wy[1] * plane[y1, x]
                        + wy[2] * plane[y2, x]
                        + wy[3] * plane[y3, x]
                        + wy[4] * plane[y4, x]
                        + wy[5] * plane[y5, x]
                    )
                start = min(max(-first, 0), X + 6)
                stop = max(min(X - first, X + 6), 0)
                for x in range(0, min(start, X + 6)):
                    padded[x] = row[0]
                for x in range(start, stop):
                    padded[x] = row[x + first]
                for x in range(max(stop, 0), X + 6):
                    padded[x] = row[X - 1]
                for x in range(X):
                    value = (
                        wx[0] * padded[x]
                        + wx[1] * padded[x + 1]
                        + wx[2] * padded[x + 2]
                        + wx[3] * padded[x + 3]
                        + wx[4] * padded[x + 4]
                        + wx[5] * padded[x + 5]
                    )
                    value = low if value < low else value
                    value = high if value > high else value
                    out[i, z, y, x] = value
            if not invent:
                for y in range(Y):
                    source_y = y + shifts[i, 1]
                    outside = source_z < 0 or source_z > Z - 1 or source_y < 0 or source_y > Y - 1
                    for x in range(X):
                        source_x = x + shifts[i, 2]
                        if outside or source_x < 0 or source_x > X - 1:
                            out[i, z, y, x] = fill[i]
