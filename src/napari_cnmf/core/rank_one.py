"""One component ``a c`` in its box: the compiled moves that peeling and least squares share."""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import inline_kernel
from napari_cnmf.core.energy import lower_side_scale


@inline_kernel()
def soft_threshold(
    c: NDArray[np.float32], out: NDArray[np.float32], work: NDArray[np.float32]
) -> np.float32:
    """``out = max(c - centre - 2 sigma, 0)``; returns ``<c, out>``."""
    centre, sigma = lower_side_scale(c, work)
    level = centre + np.float32(2.0) * sigma
    total = np.float32(0.0)
    for t in range(c.shape[0]):
        v = max(c[t] - level, np.float32(0.0))
        out[t] = v
        total += v * c[t]
    return total


@inline_kernel()
def alternate(
    R: NDArray[np.float32],
    corner: NDArray[np.int64],
    margin: NDArray[np.int64],
    a: NDArray[np.float32],
    c: NDArray[np.float32],
    sparse: NDArray[np.float32],
    work: NDArray[np.float32],
) -> bool:
    """One alternation inside the box less ``margin``; False when nothing is left."""
    n_z, n_y, n_x, n_bins = R.shape
    bz, by, bx = a.shape
    scale = soft_threshold(c, sparse, work)
    if not scale > 0.0:
        return False
    norm = np.float32(0.0)
    new = np.zeros(n_bins, np.float32)
    a[:] = 0.0
    for k in range(margin[0], bz - margin[0]):
        z = corner[0] + k
        if z < 0 or z >= n_z:
            continue
        for j in range(margin[1], by - margin[1]):
            y = corner[1] + j
            if y < 0 or y >= n_y:
                continue
            for i in range(margin[2], bx - margin[2]):
                x = corner[2] + i
                if x < 0 or x >= n_x:
                    continue
                r = R[z, y, x]
                dot = np.float32(0.0)
                for t in range(n_bins):
                    dot += r[t] * sparse[t]
                if dot > 0.0:
                    v = dot / scale
                    a[k, j, i] = v
                    norm += v * v
                    for t in range(n_bins):
                        new[t] += v * r[t]
    if not norm > 0.0:
        return False
    for t in range(n_bins):
        c[t] = new[t] / norm
    return True


@inline_kernel()
def project_trace(
    R: NDArray[np.float32],
    corner: NDArray[np.int64],
    a: NDArray[np.float32],
    c: NDArray[np.float32],
) -> np.float32:
    """``c = a'R / a'a`` over the box; returns ``a'a``."""
    bz, by, bx = a.shape
    norm = np.float32(0.0)
    c[:] = 0.0
    for k in range(bz):
        for j in range(by):
            for i in range(bx):
                v = a[k, j, i]
                if v != 0.0:
                    r = R[corner[0] + k, corner[1] + j, corner[2] + i]
                    norm += v * v
                    for t in range(c.shape[0]):
                        c[t] += v * r[t]
    if norm > 0.0:
        for t in range(c.shape[0]):
            c[t] /= norm
    return norm


@inline_kernel()
def subtract_product(
    R: NDArray[np.float32],
    corner: NDArray[np.int64],
    a: NDArray[np.float32],
    c: NDArray[np.float32],
) -> None:
    """``R -= a c`` over the box."""
    bz, by, bx = a.shape
    for k in range(bz):
        for j in range(by):
            for i in range(bx):
                v = a[k, j, i]
                if v != 0.0:
                    r = R[corner[0] + k, corner[1] + j, corner[2] + i]
                    for t in range(c.shape[0]):
                        r[t] -= v * c[t]
