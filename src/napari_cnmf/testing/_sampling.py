"""Samples an image between its pixels with cubic B-splines (Unser 1999)."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import inline_kernel, kernel


def spline_coefficients(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coefficients of the periodic cubic B-spline through the pixels of a 2D image."""
    spectrum = scipy.fft.rfft2(image)
    for axis, n in enumerate(image.shape):
        frequency = np.fft.rfftfreq(n) if axis == 1 else np.fft.fftfreq(n)
        # Transform of the spline's values at the pixels: 1/6, 4/6, 1/6.
        answer = ((4 + 2 * np.cos(2 * np.pi * frequency)) / 6).astype(np.float32)
        spectrum /= answer[:, None] if axis == 0 else answer
    smooth = scipy.fft.irfft2(spectrum, s=image.shape, overwrite_x=True)
    return np.ascontiguousarray(smooth, dtype=np.float32)


@inline_kernel()
def _taps(f: Any) -> Any:
    """Weights of the four cubic B-splines around a place ``f`` past a pixel."""
    one, sixth = np.float32(1), np.float32(1 / 6)
    g = one - f
    first = g * g * g * sixth
    last = f * f * f * sixth
    second = (np.float32(4) - np.float32(6) * f * f + np.float32(3) * f * f * f) * sixth
    return first, second, one - first - second - last, last


@kernel("void(f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1])")
def sample(coefficients: Any, move_y: Any, move_x: Any, out: Any) -> None:
    """Sample ``out[y, x] = image(y - move_y[y, x], x - move_x[y, x])``, all of one shape.

    Places nearer than 2 px to the border, or beyond it, take the value there.
    """
    n_rows, n_cols = coefficients.shape
    bottom, right = np.float32(n_rows - 3), np.float32(n_cols - 3)
    for y in range(n_rows):
        for x in range(n_cols):
            at_y = min(max(np.float32(y) - move_y[y, x], np.float32(1)), bottom)
            at_x = min(max(np.float32(x) - move_x[y, x], np.float32(1)), right)
            row, col = int(at_y), int(at_x)
            y0, y1, y2, y3 = _taps(at_y - np.float32(row))
            x0, x1, x2, x3 = _taps(at_x - np.float32(col))
            total = np.float32(0)
            for i, weight in enumerate((y0, y1, y2, y3)):
                line = coefficients[row + i - 1]
                total += weight * (
                    x0 * line[col - 1] + x1 * line[col] + x2 * line[col + 1] + x3 * line[col + 2]
                )
            out[y, x] = total


def spline_basis(at: NDArray[np.float64], nodes: NDArray[np.float64]) -> sp.csr_matrix:
    """Values ``(n_at, n_nodes)`` at places of the cubic B-splines that sit on even nodes."""
    u = np.abs((at[:, None] - nodes[None, :]) / (nodes[1] - nodes[0]))
    near = (4 - 6 * u**2 + 3 * u**3) / 6
    far = np.maximum(2 - u, 0) ** 3 / 6
    return sp.csr_matrix(np.where(u < 1, near, far).astype(np.float32))
