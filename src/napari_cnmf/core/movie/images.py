"""Summary images: what a user looks at to see cells, without running the engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.binning import Binned


@kernel("void(float32[:, ::1], float32[:, ::1], float32[:, ::1])")
def _products(
    line: NDArray[np.float32], below: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Sum the products of each pixel of a ``line (X, n_bins)``, ``out (3, X)``.

    With itself, with the one of the next line ``below`` and with the next one along the line.
    """
    n_x, n_bins = line.shape
    for x in range(n_x):
        row, under, right = line[x], below[x], line[min(x + 1, n_x - 1)]
        own, down, along = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for t in range(n_bins):
            own += row[t] * row[t]
            down += row[t] * under[t]
            along += row[t] * right[t]
        out[0, x], out[1, x], out[2, x] = own, down, along


def _mean_of_neighbours(
    products: NDArray[np.float32], alive: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Mean correlation of each pixel with its in-plane neighbours that are alive.

    ``products (Z, Y, 3, X)``: with itself, with the next pixel along Y and along X.
    """
    norm = np.sqrt(products[:, :, 0])
    inverse = np.where(norm > 0, 1 / np.where(norm > 0, norm, 1), 0)
    total = np.zeros(alive.shape, np.float32)
    count = np.zeros(alive.shape, np.float32)
    for i, axis in ((1, 1), (2, 2)):
        lower, upper = [slice(None)] * 3, [slice(None)] * 3
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        here, there = tuple(lower), tuple(upper)
        both = alive[here] & alive[there]
        value = products[:, :, i][here] * inverse[here] * inverse[there]
        for side in (here, there):
            total[side] += np.where(both, value, 0)
            count[side] += both
    return np.asarray(total / np.maximum(count, 1), np.float32)


def bin_images(
    R: NDArray[np.float32], alive: NDArray[np.bool_], workers: Workers
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Correlation with neighbours and peak-to-noise ratio of a tile's bins.

    Parameters
    ----------
    R
        Whitened bins ``(Z, Y, X, n_bins)``.
    alive
        Pixels that carry something ``(Z, Y, X)``; the others give 0.

    Returns
    -------
    correlation
        Mean correlation of a pixel's bins with those of its in-plane neighbours ``(Z, Y, X)``.
    pnr
        Highest bin less the mean, over the noise of a bin ``(Z, Y, X)``.
    """
    n_z, n_y, n_x = alive.shape
    products = np.empty((n_z, n_y, 3, n_x), np.float32)
    pnr = np.empty(alive.shape, np.float32)

    def work(start: int, stop: int) -> None:
        for z, y in (divmod(line, n_y) for line in range(start, stop)):
            _products(R[z, y], R[z, min(y + 1, n_y - 1)], products[z, y])
            R[z, y].max(1, out=pnr[z, y])

    workers.ranges(work, n_z * n_y, max(2, n_z * n_y // 32))
    return _mean_of_neighbours(products, alive), np.where(alive, pnr, 0).astype(np.float32)


def frame_images(binned: Binned, dims: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
    """``mean``, ``max``, ``std`` and ``noise`` over all good frames, of shape ``dims``."""
    noise = np.where(np.isfinite(binned.sn), binned.sn, 0)
    flat = {"mean": binned.mean, "max": binned.peak, "std": binned.std, "noise": noise}
    return {name: np.asarray(v, np.float32).reshape(dims) for name, v in flat.items()}
