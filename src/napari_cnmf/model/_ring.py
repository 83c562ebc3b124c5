"""The ring background of one-photon results (Zhou et al. 2018, eq. 7-9), frame by frame."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.errors import ResultError


def ring_step(dims: tuple[int, ...], n_nodes: int) -> int:
    """Factor by which the field was downsampled for ring weights with ``n_nodes`` rows.

    CaImAn computes them on the field downsampled by ``init.ssub_B``; the number of rows tells by
    how much.

    Raises
    ------
    ResultError
        No whole step fits.
    """
    for step in range(1, max(dims) + 1):
        if math.prod(ring_grid(dims, step)) == n_nodes:
            return step
    raise ResultError(f"W has {n_nodes} rows, which no downsampling of the field {dims} gives.")


def ring_grid(dims: tuple[int, ...], step: int) -> tuple[int, ...]:
    """The field downsampled by ``step``, incomplete blocks at its end included."""
    return tuple((n - 1) // step + 1 for n in dims)


class Ring:
    """Ring weights ``W`` on their own grid, applied to whole frames.

    Parameters
    ----------
    W
        Weights ``(n_nodes, n_nodes)`` between the nodes of `ring_grid`, in C order.
    dims
        The field ``(Y, X)`` or ``(Z, Y, X)``.
    """

    def __init__(self, W: sp.csr_matrix, dims: tuple[int, ...]) -> None:
        step = ring_step(dims, W.shape[0])
        grid = ring_grid(dims, step)
        node_of = np.ravel_multi_index(tuple(i // step for i in np.indices(dims)), grid).ravel()
        mean = 1.0 / np.bincount(node_of, minlength=W.shape[0])
        pixels = np.arange(node_of.size)
        self._mean = sp.csr_matrix(
            (mean[node_of].astype(np.float32), (node_of, pixels)), shape=(W.shape[0], pixels.size)
        )
        self._node_of = node_of
        self._W = sp.csr_matrix(W, dtype=np.float32)

    def predict(self, fluctuation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict the background's fluctuation ``(n_frames, n_pixels)`` from around each pixel.

        Parameters
        ----------
        fluctuation
            ``Y - A C - b0`` of whole frames, ``(n_frames, n_pixels)``.
        """
        on_nodes = self._W @ (self._mean @ fluctuation.T)
        return np.ascontiguousarray(on_nodes[self._node_of].T, dtype=np.float32)
