"""CNMF-E's ring: the background of a pixel from those on a ring around it, where it is asked for.

With blocks of ``init.ssub_B`` pixels as nodes and X their means of ``Y - A C - b0``, the weights of
node i on the nodes j of a ring of radius ``ring_size_factor * gSiz`` around it are those of least
squares,

    W_i = argmin_w |X_i - w X_ring|^2 + 1e-5 trace(X_ring X_ring') |w|^2,

and its background is ``W X``, the same in all pixels of a block. Cells are found before that
with the engine's own background; the ring takes its place for the traces and in the result.

References
----------
Zhou et al. 2018, eLife 7, e28728, eq. 7-9.
"""

# ruff: noqa: PLR0917 (steps take their inputs by position)

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.background.grid import node_sums, weighted_sums
from napari_cnmf.core.background.kriging import PredictedBackground
from napari_cnmf.core.background.residual import TileResidual
from napari_cnmf.core.base.geometry import Field, Grid
from napari_cnmf.core.base.rows import add_matrix_product, flat_rows
from napari_cnmf.core.movie.store import Region
from napari_cnmf.params import CNMFParams

RIDGE = 1e-5
"""CaImAn's: weights of a ring of equal courses are equal."""
DEFAULT_FACTOR = 1.5
"""Where ``ring_size_factor`` is empty."""


@dataclass(frozen=True, eq=False)
class RingShape:
    """The nodes of the ring from which the background of one node is predicted.

    Attributes
    ----------
    field
        The whole field, its grid the blocks of ``init.ssub_B`` pixels.
    offsets
        Of the ring's nodes from its middle along (y, x), ``(n, 2)``.
    """

    field: Field
    offsets: NDArray[np.int64]

    @classmethod
    def wanted(cls, params: CNMFParams, field: Field) -> RingShape | None:
        """The ring that ``params`` ask for; ``None`` where they do not, and for volumes."""
        if params.init.nb > 0 or not field.is_plane:
            return None
        window = params.init.gSiz or tuple(2 * g + 1 for g in params.init.gSig)
        factor = params.init.ring_size_factor or DEFAULT_FACTOR
        radius = max(1, round(factor * float(np.mean(window)) / params.init.ssub_B))
        return cls(replace(field, block_px=params.init.ssub_B), ring_offsets(radius))


@dataclass(frozen=True, eq=False)
class RingModel:
    """Weights of the ring model of the background, as they were learnt from the movie.

    Attributes
    ----------
    W
        Weights between nodes ``(n_nodes, n_nodes)``.
    field
        The whole field with the nodes as its grid.
    """

    W: sp.csr_matrix
    field: Field

    def foresee(self, sn: NDArray[np.float32]) -> PredictedBackground:
        """The ring model in the form in which pass 2 predicts a background.

        A node's mean is weighted by the noise of its pixels there, as all least squares are.

        Parameters
        ----------
        sn
            Noise ``(n_pixels,)``, infinite where a pixel is left out.
        """
        shape = self.field.shape
        gain = np.where(np.isfinite(sn), 1 / sn, 0).astype(np.float32).reshape(shape)
        weight = node_sums(gain**2, self.field.grid).ravel()
        mean = sp.diags(np.where(weight > 0, 1 / np.where(weight > 0, weight, 1), 0))
        everywhere = np.zeros(shape, np.bool_)
        return PredictedBackground(
            self.field, None, sp.csr_matrix(self.W.astype(np.float64) @ mean), everywhere, gain
        )


def ring_offsets(radius: int) -> NDArray[np.int64]:
    """Offsets ``(n, 2)`` of nodes further than ``radius`` from the middle, by up to one more."""
    y, x = np.mgrid[-radius - 1 : radius + 2, -radius - 1 : radius + 2]
    squared = y**2 + x**2
    on = (squared > radius**2) & (squared <= (radius + 1) ** 2)
    return np.stack([y[on], x[on]], axis=1)


def learn_ring(
    tile: TileResidual, sn: NDArray[np.float32], shape: RingShape, region: Region, core: Region
) -> sp.csr_matrix:
    """Weights of the nodes that a tile owns, after its components were found.

    Parameters
    ----------
    sn
        Noise ``(Z, Y, X)`` of the tile, infinite where a pixel is left out.
    region, core
        Of the tile and of what it owns, in the field. Rings end with the region.

    Returns
    -------
    W
        ``(n_nodes, n_nodes)`` of the whole field's grid, rows of other tiles' nodes empty.
    """
    whole = shape.field.grid
    local = whole.within(region)
    scale = np.where(np.isfinite(sn), sn, 0).astype(np.float32)
    means, size = _node_courses(tile, scale, local)
    first = [
        int(np.searchsorted(e, s.start, "right")) - 1
        for e, s in zip(whole.edges, region, strict=True)
    ]
    mine = np.zeros(local.shape, np.bool_)
    mine[
        np.ix_(
            *(
                _owned(edge, s.start, c)
                for edge, s, c in zip(local.edges, region, core, strict=True)
            )
        )
    ] = True
    number = np.arange(whole.n_nodes).reshape(whole.shape)
    part = tuple(slice(f, f + n) for f, n in zip(first, local.shape, strict=True))
    return ring_weights(
        means,
        shape.offsets,
        local.shape[1:],
        size > 0,
        mine.ravel(),
        number[part].ravel(),
        whole.n_nodes,
    )


def _owned(edge: NDArray[np.int64], start: int, core: slice) -> NDArray[np.int64]:
    """Nodes along an axis whose first pixel lies in the core."""
    at = edge[:-1] + start
    return np.flatnonzero((at >= core.start) & (at < core.stop))


def _node_courses(
    tile: TileResidual, scale: NDArray[np.float32], grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of ``Y - A C - b0`` ``(n_nodes, n_bins)`` up to a factor; pixels of each node."""
    sums = flat_rows(weighted_sums(tile.R, scale, grid, tile.workers))
    weight = sp.diags((tile.gain * scale).ravel())
    own = (grid.nodes @ weight @ tile.field.grid.interpolation).tocsr()
    add_matrix_product(
        own, flat_rows(np.ascontiguousarray(tile.background, np.float32)), sums, tile.workers
    )
    size = node_sums((scale > 0).astype(np.float32), grid).ravel()
    return sums / np.maximum(size, 1)[:, None], size


def ring_weights(
    X: NDArray[np.float64],
    offsets: NDArray[np.int64],
    dims: tuple[int, ...],
    used: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    number: NDArray[np.int64],
    n_nodes: int,
) -> sp.csr_matrix:
    """Weights of each node's ring, by least squares.

    Parameters
    ----------
    X
        Courses of the nodes ``(n, n_bins)``, in C order of ``dims``.
    used, wanted
        Nodes that say something, and those whose weights are asked for ``(n,)``.
    number
        Of each node in the matrix that is returned ``(n,)``, which has ``n_nodes`` rows.
    """
    ny, nx = dims
    rows, columns, values = [], [], []
    for node in np.flatnonzero(used & wanted):
        y, x = node // nx + offsets[:, 0], node % nx + offsets[:, 1]
        inside = (y >= 0) & (y < ny) & (x >= 0) & (x < nx)
        ring = y[inside] * nx + x[inside]
        ring = ring[used[ring]]
        if len(ring) == 0:
            continue
        around = X[ring]
        gram = around @ around.T
        # An empty recording has no weights to find, and must not divide by zero.
        gram.flat[:: len(ring) + 1] += RIDGE * np.trace(gram) + np.finfo(np.float32).tiny
        rows.append(np.full(len(ring), number[node]))
        columns.append(number[ring])
        values.append(np.linalg.solve(gram, around @ X[node]))
    none = np.zeros(0, np.int64)
    at = np.concatenate([none, *rows]), np.concatenate([none, *columns])
    return sp.csr_matrix(
        (np.concatenate([np.zeros(0), *values]).astype(np.float32), at), shape=(n_nodes, n_nodes)
    )
