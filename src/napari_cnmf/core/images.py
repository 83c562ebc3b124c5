"""Summary images: what a user looks at to see cells, without running the engine."""

# ruff: noqa: PLR0917 (steps take their inputs by position)

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._threads import Workers
from napari_cnmf.core.binning import Binned


def _describe_plane(
    X: NDArray[np.float32],
    alive: NDArray[np.bool_],
    correlation: NDArray[np.float32],
    peak: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Fill rows ``start`` to ``stop`` of a plane ``X (Y, X, n_bins)``.

    ``correlation (2, Y, X)`` takes that with the next pixel along Y and along X; pixels of which
    not all bins are finite are no longer ``alive``, since they would spoil their neighbours.
    """
    above: NDArray[np.float32] | None = None
    for y in range(start, min(stop + 1, len(X))):
        mean = X[y].mean(1, keepdims=True)
        alive[y] &= np.isfinite(mean[:, 0])
        row = X[y] - mean
        if y < stop:
            peak[y] = row.max(1)
        norm = np.sqrt(np.einsum("xt,xt->x", row, row))
        row /= np.where(alive[y] & (norm > 0), norm, np.inf)[:, None]
        if above is not None:
            correlation[0, y - 1] = np.einsum("xt,xt->x", above, row)
        if y < stop:
            correlation[1, y, :-1] = np.einsum("xt,xt->x", row[:-1], row[1:])
        above = row


def _mean_of_neighbours(
    correlation: NDArray[np.float32], alive: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Mean over the in-plane neighbours that are alive, of ``correlation (2, Z, Y, X)``."""
    total = np.zeros(alive.shape, np.float32)
    count = np.zeros(alive.shape, np.float32)
    for along, axis in zip(correlation, (1, 2), strict=True):
        lower, upper = [slice(None)] * 3, [slice(None)] * 3
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        here, there = tuple(lower), tuple(upper)
        both = alive[here] & alive[there]
        value = np.where(both, along[here], 0)
        for side in (here, there):
            total[side] += value
            count[side] += both
    return np.asarray(total / np.maximum(count, 1), np.float32)


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
    n_z, n_y = X.shape[:2]
    alive = np.isfinite(sn)
    correlation = np.zeros((2, *X.shape[:3]), np.float32)
    peak = np.zeros(X.shape[:3], np.float32)
    for z in range(n_z):
        plane = partial(_describe_plane, X[z], alive[z], correlation[:, z], peak[z])
        workers.ranges(plane, n_y, max(2, n_y // 32))
    of_bin = np.where(alive, sn, 1) / np.sqrt(frames_per_bin)
    pnr = np.where(alive, peak / of_bin, 0).astype(np.float32)
    return _mean_of_neighbours(correlation, alive), pnr


def frame_images(binned: Binned, dims: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
    """``mean``, ``max``, ``std`` and ``noise`` over all good frames, of shape ``dims``."""
    noise = np.where(np.isfinite(binned.sn), binned.sn, 0)
    flat = {"mean": binned.mean, "max": binned.peak, "std": binned.std, "noise": noise}
    return {name: np.asarray(v, np.float32).reshape(dims) for name, v in flat.items()}
