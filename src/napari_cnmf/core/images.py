"""Summary images: what a user looks at to see cells, without running the engine."""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import kernel
from napari_cnmf.core._threads import Workers
from napari_cnmf.core.binning import Binned


@kernel(
    "void(float32[:, :, :, ::1], float32[:, :, ::1], float32[:, :, ::1], float32[:, :, ::1], "
    "int64, int64)"
)
def _correlate_rows(
    X: NDArray[np.float32],
    mean: NDArray[np.float32],
    norm: NDArray[np.float32],
    out: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Mean correlation of each pixel with its neighbours, rows (over Z and Y) start to stop."""
    n_y, n_x, n_bins = X.shape[1:]
    for row in range(start, stop):
        z, y = row // n_y, row % n_y
        for x in range(n_x):
            total, count = np.float32(0.0), 0
            if norm[z, y, x] > 0.0:
                here = X[z, y, x]
                for side in range(4):
                    yy = y + (side == 0) - (side == 1)
                    xx = x + (side == 2) - (side == 3)
                    if yy < 0 or xx < 0 or yy >= n_y or xx >= n_x or not norm[z, yy, xx] > 0.0:
                        continue
                    there = X[z, yy, xx]
                    m, mm = mean[z, y, x], mean[z, yy, xx]
                    dot = np.float32(0.0)
                    for t in range(n_bins):
                        dot += (here[t] - m) * (there[t] - mm)
                    total += dot / (norm[z, y, x] * norm[z, yy, xx])
                    count += 1
            out[z, y, x] = total / count if count > 0 else 0.0


@kernel("void(float32[:, ::1], float32[::1], float32[::1], float32[::1], int64, int64)")
def _describe_rows(
    X: NDArray[np.float32],
    mean: NDArray[np.float32],
    norm: NDArray[np.float32],
    top: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Mean, norm of the deviations and maximum of each row."""
    n_bins = X.shape[1]
    for p in range(start, stop):
        total, high = np.float32(0.0), np.float32(-np.inf)
        for t in range(n_bins):
            total += X[p, t]
            high = max(high, X[p, t])
        m = total / n_bins
        square = np.float32(0.0)
        for t in range(n_bins):
            square += (X[p, t] - m) ** 2
        mean[p], norm[p], top[p] = m, np.sqrt(square), high


def bin_images(
    X: NDArray[np.float32], sn: NDArray[np.float32], frames_per_bin: int, workers: Workers
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Correlation with neighbours and peak-to-noise ratio of a tile's bins.

    Parameters
    ----------
    X
        Bin means ``(Z, Y, X, n_bins)``, units of the movie.
    sn
        Noise of a frame ``(Z, Y, X)``; pixels of infinite noise give 0.

    Returns
    -------
    correlation
        Mean correlation of a pixel's bins with those of its in-plane neighbours ``(Z, Y, X)``.
    pnr
        Highest bin less the mean, over the noise of a bin ``(Z, Y, X)``.
    """
    shape = X.shape[:3]
    n_pixels = int(np.prod(shape))
    flat = X.reshape(n_pixels, -1)
    mean, norm, top = (np.zeros(n_pixels, np.float32) for _ in range(3))
    step = max(1, n_pixels // 64)
    workers.ranges(lambda a, b: _describe_rows(flat, mean, norm, top, a, b), n_pixels, step)
    noise = sn.ravel()
    alive = np.isfinite(noise) & np.isfinite(norm)
    strength = np.where(alive, norm, 0).astype(np.float32).reshape(shape)
    correlation = np.zeros(shape, np.float32)
    rows = shape[0] * shape[1]
    level = mean.reshape(shape)
    workers.ranges(
        lambda a, b: _correlate_rows(X, level, strength, correlation, a, b),
        rows,
        max(1, rows // 64),
    )
    of_bin = np.where(alive, noise, 1) / np.sqrt(frames_per_bin)
    pnr = np.where(alive, (top - mean) / of_bin, 0).astype(np.float32)
    return correlation, pnr.reshape(shape)


def frame_images(binned: Binned, dims: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
    """``mean``, ``max``, ``std`` and ``noise`` over all good frames, of shape ``dims``."""
    noise = np.where(np.isfinite(binned.sn), binned.sn, 0)
    flat = {"mean": binned.mean, "max": binned.peak, "std": binned.std, "noise": noise}
    return {name: np.asarray(v, np.float32).reshape(dims) for name, v in flat.items()}
