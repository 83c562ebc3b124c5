"""The ring background of one-photon results (Zhou et al. 2018, eq. 7-9), frame by frame."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.errors import ResultError


def ring_grid(dims: tuple[int, ...], n_nodes: int) -> tuple[int, ...]:
    """The grid on which ring weights with ``n_nodes`` rows were computed.

    CaImAn computes them on the field downsampled by ``init.ssub_B``; the number of rows alone
    says by how much.

    Raises
    ------
    ResultError
        No whole step fits.
    """
    step = round((np.prod(dims) / n_nodes) ** (1 / len(dims))) if n_nodes else 0
    grid = tuple((n - 1) // step + 1 for n in dims) if step else ()
    if int(np.prod(grid)) != n_nodes:
        raise ResultError(f"W has {n_nodes} rows, which no downsampling of the field {dims} gives.")
    return grid


class Ring:
    """``W`` on its own grid, applied to whole frames.

    Parameters
    ----------
    W
        Weights ``(n_nodes, n_nodes)`` between the nodes of `ring_grid`, in C order.
    dims
        The field ``(Y, X)`` or ``(Z, Y, X)``.
    """

    def __init__(self, W: sp.csr_matrix, dims: tuple[int, ...]) -> None:
        grid = ring_grid(dims, W.shape[0])
        step = -(-dims[-1] // grid[-1])
        node_of = np.ravel_multi_index(tuple(i // step for i in np.indices(dims)), grid).ravel()
        mean = 1.0 / np.bincount(node_of, minlength=W.shape[0])
        pixels = np.arange(node_of.size)
        self._mean = sp.csr_matrix(
            (mean[node_of].astype(np.float32), (node_of, pixels)), shape=(W.shape[0], pixels.size)
        )
        self._node_of = node_of
        self._W = sp.csr_matrix(W, dtype=np.float32)

    def predict(self, fluctuation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Background fluctuation ``(n_frames, n_pixels)`` from the pixels around each pixel.

        Parameters
        ----------
        fluctuation
            ``Y - A C - b0`` of whole frames, ``(n_frames, n_pixels)``.
        """
        on_nodes = self._W @ (self._mean @ fluctuation.T)
        return np.ascontiguousarray(on_nodes[self._node_of].T, dtype=np.float32)
