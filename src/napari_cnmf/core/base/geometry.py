"""Geometry: a field of pixels, boxes in it, nodes of a grid over it.

Inside the engine every field has three axes ``(Z, Y, X)``; a plane has ``Z = 1``
and a reach of 0 along it, so that one code serves planes and volumes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.errors import ParameterError

NODE_SIDE = 1.6
"""Distance between the nodes of the background's grid, in gSig."""


@dataclass(frozen=True)
class Field:
    """The field of view, or a tile of it, and the size of the cells searched in it.

    Attributes
    ----------
    shape
        ``(Z, Y, X)`` in pixels.
    g_sig
        Half-width of a cell along each axis in pixels; 0 along Z of a plane.
    node_side
        Distance between the nodes of the background's grid, in gSig.
    block_px
        Of a plane: nodes of exactly so many pixels instead, between which nothing is interpolated.
    """

    shape: tuple[int, int, int]
    g_sig: tuple[float, float, float]
    node_side: float = NODE_SIDE
    block_px: int | None = None

    @classmethod
    def of_movie(cls, dims: tuple[int, ...], g_sig: tuple[float, ...]) -> Field:
        """The field of a movie with frames of shape ``dims``.

        Raises
        ------
        ParameterError
            If gSig has another number of axes than the movie, or does not fit into it.
        """
        sizes = tuple(float(g) for g in g_sig)
        if len(sizes) != len(dims):
            raise ParameterError(
                f"init.gSig must have one value for each of the {len(dims)} axes of the movie's "
                f"frames, got {g_sig}. Set init.gSig to {len(dims)} values."
            )
        fits = all(2 * g + 1 <= n or n == 1 for g, n in zip(sizes[-2:], dims[-2:], strict=True))
        if min(sizes) <= 0 or not fits:
            raise ParameterError(
                f"init.gSig must be above 0 and a cell of 2 gSig + 1 pixels fit into the plane "
                f"{dims[-2:]}, got gSig {g_sig}. Set it to the half-width of a cell in pixels."
            )
        if len(dims) == 2:
            return cls((1, dims[0], dims[1]), (0.0, sizes[0], sizes[1]))
        # A cell that is taller than the volume looks the same in all planes, however tall it is.
        return cls((dims[0], dims[1], dims[2]), (min(sizes[0], dims[0]), sizes[1], sizes[2]))

    @property
    def n_pixels(self) -> int:
        """Number of pixels of the field."""
        return math.prod(self.shape)

    @property
    def is_plane(self) -> bool:
        """Whether the field is a single plane rather than a volume."""
        return self.g_sig[0] == 0

    @property
    def size(self) -> float:
        """Geometric mean of gSig over the axes that have one, in pixels."""
        present = [g for g in self.g_sig if g > 0]
        return math.prod(present) ** (1 / len(present))

    @property
    def cell_area(self) -> float:
        """gSig^2 of a plane, the product of gSig of a volume: the unit of areas, in pixels."""
        return math.prod(g for g in self.g_sig if g > 0)

    def reach(self, in_g_sig: float, at_least: int = 1) -> tuple[int, int, int]:
        """Half-width of a box of ``in_g_sig`` gSig, in pixels; 0 along Z of a plane."""
        r = [max(at_least, math.ceil(in_g_sig * g)) if g > 0 else 0 for g in self.g_sig]
        return r[0], r[1], r[2]

    @cached_property
    def grid(self) -> Grid:
        """The background's nodes over this field."""
        return Grid.over(self) if self.block_px is None else Grid.of_blocks(self)


@dataclass(frozen=True)
class Grid:
    """Nodes of about ``NODE_SIDE`` gSig in each plane, and how pixels lie between their centres.

    Attributes
    ----------
    shape
        Number of nodes along ``(Z, Y, X)``.
    edges
        For each axis, first pixel of each node and one past the last, ``(n + 1,)`` int64.
    lower
        For each axis and pixel, the node whose centre lies at or before it, ``(extent,)`` int64.
    share
        For each axis and pixel, the weight of the next node, ``(extent,)`` float32.
    """

    shape: tuple[int, int, int]
    edges: tuple[NDArray[np.int64], ...]
    lower: tuple[NDArray[np.int64], ...]
    share: tuple[NDArray[np.float32], ...]

    @classmethod
    def over(cls, field: Field) -> Grid:
        """Return the grid of background nodes over a field."""
        counts, edges, lower, share = [], [], [], []
        n_planes, *sides = field.shape
        # Neuropil of one plane says little about that of the next; a plane has pixels enough.
        in_plane = [
            max(1, round(side / (field.node_side * g)))
            for side, g in zip(sides, field.g_sig[1:], strict=True)
        ]
        for extent, n in zip(field.shape, (n_planes, *in_plane), strict=True):
            edge = np.round(np.linspace(0, extent, n + 1)).astype(np.int64)
            centre = (edge[1:] + edge[:-1] - 1) / 2
            pixel = np.arange(extent)
            i = np.clip(np.searchsorted(centre, pixel, side="right") - 1, 0, max(n - 2, 0))
            step = np.diff(centre, append=centre[-1] + 1)[i]
            counts.append(n)
            edges.append(edge)
            lower.append(i.astype(np.int64))
            share.append(np.clip((pixel - centre[i]) / step, 0, 1).astype(np.float32))
        return cls((counts[0], counts[1], counts[2]), tuple(edges), tuple(lower), tuple(share))

    @classmethod
    def of_blocks(cls, field: Field) -> Grid:
        """Grid of blocks of ``block_px`` pixels along y and x, an incomplete one at the end."""
        edges = []
        for extent, g in zip(field.shape, field.g_sig, strict=True):
            step = (field.block_px or 1) if g > 0 else extent
            edges.append(np.append(np.arange(0, extent, step), extent).astype(np.int64))
        return cls._without_slopes(edges)

    @classmethod
    def _without_slopes(cls, edges: list[NDArray[np.int64]]) -> Grid:
        """Grid without interpolation: every pixel takes the value of its own node."""
        sizes = [np.diff(edge) for edge in edges]
        counts = [len(size) for size in sizes]
        lower = tuple(np.repeat(np.arange(len(size)), size) for size in sizes)
        flat = tuple(np.zeros(edge[-1], np.float32) for edge in edges)
        return cls((counts[0], counts[1], counts[2]), tuple(edges), lower, flat)

    def within(self, region: tuple[slice, slice, slice]) -> Grid:
        """Cut the blocks to a region of the field, in the region's coordinates."""
        edges = []
        for edge, s in zip(self.edges, region, strict=True):
            edges.append(np.unique(np.clip(edge, s.start, s.stop)) - s.start)
        return self._without_slopes(edges)

    @property
    def n_nodes(self) -> int:
        """Number of nodes of the grid."""
        return math.prod(self.shape)

    @cached_property
    def node_of(self) -> NDArray[np.int32]:
        """Index of the grid node that each pixel belongs to ``(n_pixels,)``."""
        index = np.zeros((1, 1, 1), np.int32)
        for axis, edge in enumerate(self.edges):
            number = np.repeat(np.arange(self.shape[axis], dtype=np.int32), np.diff(edge))
            view = [1, 1, 1]
            view[axis] = -1
            index = index * np.int32(self.shape[axis]) + number.reshape(view)
        return np.asarray(index.ravel(), np.int32)

    @cached_property
    def nodes(self) -> sp.csr_matrix:
        """Matrix ``(n_nodes, n_pixels)`` float32 with 1 where a pixel lies in a grid node."""
        node = self.node_of
        order = np.argsort(node, kind="stable").astype(np.int32)
        ends = np.searchsorted(node[order], np.arange(self.n_nodes + 1)).astype(np.int32)
        ones = np.ones(node.size, np.float32)
        return sp.csr_matrix((ones, order, ends), shape=(self.n_nodes, node.size))

    @cached_property
    def interpolation(self) -> sp.csr_matrix:
        """``P (n_pixels, n_nodes)`` float32: bilinear (trilinear) from nodes to pixels."""
        out = sp.csr_matrix(np.ones((1, 1), np.float32))
        for n, low, share in zip(self.shape, self.lower, self.share, strict=True):
            extent = len(low)
            high = np.minimum(low + 1, n - 1)
            rows = np.tile(np.arange(extent), 2)
            values = np.concatenate([1 - share, share]).astype(np.float32)
            axis = sp.csr_matrix((values, (rows, np.concatenate([low, high]))), shape=(extent, n))
            axis.eliminate_zeros()
            out = sp.kron(out, axis, format="csr")
        return out

    @cached_property
    def smoothing(self) -> sp.csr_matrix:
        """``S (n_nodes, n_nodes)``: (1, 2, 1) / 4 along each axis of nodes, edges repeated."""
        out = sp.csr_matrix(np.ones((1, 1)))
        for n in self.shape:
            if n == 1:
                continue
            at = np.arange(n)
            axis = sp.csr_matrix((np.full(n, 0.5), (at, at)), shape=(n, n))
            for side in (np.maximum(at - 1, 0), np.minimum(at + 1, n - 1)):
                axis = axis + sp.csr_matrix((np.full(n, 0.25), (at, side)), shape=(n, n))
            out = sp.kron(out, axis, format="csr")
        return out.tocsr()


def colour_groups(
    centres: NDArray[np.integer], reach: tuple[int, int, int]
) -> list[list[NDArray[np.int64]]]:
    """Groups of boxes that can be worked on at the same time.

    The field is cut into squares as wide as a box; boxes whose centres lie in one
    square are done one after another by one thread, squares of one colour of the
    checkerboard never touch each other's pixels.

    Parameters
    ----------
    centres
        ``(n, 3)`` pixel coordinates of box centres.
    reach
        Half-width of a box.

    Returns
    -------
    list
        For each colour, the squares; for each square, the ids of its boxes in order.
    """
    if len(centres) == 0:
        return []
    width = 2 * np.asarray(reach) + 2
    square = np.asarray(centres, dtype=np.int64) // width
    colour = (square % 2) @ np.array([4, 2, 1])
    key = np.ravel_multi_index(tuple(square.T), tuple(square.max(0) + 1))
    order = np.lexsort((np.arange(len(key)), key, colour))
    groups: list[list[NDArray[np.int64]]] = []
    for c in np.unique(colour):
        of_colour = order[colour[order] == c]
        cuts = np.flatnonzero(np.diff(key[of_colour])) + 1
        groups.append([part.astype(np.int64) for part in np.split(of_colour, cuts)])
    return groups
