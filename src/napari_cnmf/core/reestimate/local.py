"""The light at a few pixels that is left to the components being changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.movie.source import WindowSource
from napari_cnmf.core.reestimate.neuropil import explained, local_background, surroundings
from napari_cnmf.core.reestimate.size import half_width
from napari_cnmf.errors import CurationError, ResultError
from napari_cnmf.model._ring import ring_grid, ring_step
from napari_cnmf.model.components import Components

_BLOCK_BYTES = 64 << 20
_STATIC_PERCENTILE = 20.0
_BUILTIN = "builtin"
"""The engine whose results have a local background beside ``b f``, as they say themselves."""
_REACH_WIDTHS = 2.0
"""Half-widths of a cell around an edit from which its background is taken."""


@dataclass(frozen=True, eq=False)
class Local:
    """Light and neighbours at the pixels of an edit.

    Attributes
    ----------
    pixels
        C-order pixels of the field, ascending, ``(P,)``.
    light
        What the changed components have to explain, ``(P, T)`` float32: the movie less its
        background and its other components.
    movie
        The movie at these pixels ``(P, T)``; ``None`` where the model stands in for it.
    others
        Rows of the components that stay and overlap the pixels.
    A_others, C_others
        Their footprints at the pixels ``(P, n)`` and traces ``(n, T)``.
    """

    pixels: NDArray[np.int64]
    light: NDArray[np.float32]
    movie: NDArray[np.float32] | None
    others: NDArray[np.intp]
    A_others: NDArray[np.float32]
    C_others: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class HeldPixels:
    """Time courses of some pixels in memory, read once for several edits.

    Attributes
    ----------
    pixels
        C-order pixels of the field, ascending, ``(P,)``.
    values
        ``(P, T)`` float32.
    """

    pixels: NDArray[np.int64]
    values: NDArray[np.float32]


def local_light(
    components: Components,
    source: WindowSource | HeldPixels | None,
    pixels: NDArray[np.int64],
    leaving: NDArray[np.intp],
    *,
    keep_local: bool = False,
) -> Local:
    """Take everything but the components ``leaving`` out of the movie at ``pixels``.

    Without a movie the light is what the leaving components' own traces say, ``A (C + YrA)``.

    Parameters
    ----------
    keep_local
        Leave in what ``b f`` misses of the background: the engine's search takes it out itself,
        and in a large region one plane is no picture of it.

    Raises
    ------
    CurationError
        Without a movie, when nothing leaves: there is no light to give to a new component.
    """
    rows = components.A_rows[pixels]
    touching = np.unique(rows.indices)
    others = np.setdiff1d(touching, leaving).astype(np.intp)
    by_column = rows.tocsc()
    A_others = by_column[:, others].toarray().astype(np.float32)
    C_others = np.ascontiguousarray(components.C[others], np.float32)
    if source is None:
        if leaving.size == 0:
            raise CurationError(
                "A new component needs the movie: the model holds no light that its components "
                "do not explain. Locate the movie, then open the result again."
            )
        raw = components.C[leaving]
        if components.YrA is not None:
            raw = raw + components.YrA[leaving]
        light = by_column[:, leaving].toarray().astype(np.float32) @ raw.astype(np.float32)
        return Local(pixels, light, None, others, A_others, C_others)
    movie, background = _movie_and_background(components, source, pixels, keep_local)
    light = movie - background
    if others.size:
        light -= A_others @ C_others
    return Local(pixels, light, movie, others, A_others, C_others)


def pixels_needed(components: Components, pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    """C-order pixels, ascending, that `local_light` reads to tell the light at ``pixels``."""
    if components.W is not None and components.b0 is not None:
        return _ring_pixels(components, pixels).needed
    if _has_smooth(components) or not _has_low_rank(components):
        return np.union1d(pixels, _around(components, pixels))
    return pixels


def _has_low_rank(components: Components) -> bool:
    b, f = components.b, components.f
    return b is not None and f is not None and b.shape[1] > 0


def _has_smooth(components: Components) -> bool:
    return components.attributes.get("engine") == _BUILTIN


def _movie_and_background(
    components: Components,
    source: WindowSource | HeldPixels,
    pixels: NDArray[np.int64],
    keep_local: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Movie and its background at the pixels, both ``(P, T)``."""
    dims = components.dims
    if components.W is not None and components.b0 is not None:
        return _ring_background(components, source, pixels)
    if _has_low_rank(components):
        if not keep_local and _has_smooth(components):
            return _smooth_background(components, source, pixels)
        movie = read_pixels(source, pixels, dims)
        return movie, _low_rank(components, pixels)
    if not keep_local:
        return _smooth_background(components, source, pixels)
    movie = read_pixels(source, pixels, dims)
    return movie, np.broadcast_to(_static(movie), movie.shape)


def _static(movie: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brightness of each pixel at rest, ``(P, 1)``, where a result tells of no background."""
    return np.percentile(movie, _STATIC_PERCENTILE, axis=1, keepdims=True).astype(np.float32)


def _low_rank(components: Components, pixels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Low-rank background ``b f`` at ``pixels``, ``(P, T)``."""
    assert components.b is not None
    assert components.f is not None
    return np.asarray(
        components.b[pixels].astype(np.float32) @ components.f.astype(np.float32), np.float32
    )


def _around(components: Components, pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    reach = _REACH_WIDTHS * max(half_width(components))
    return surroundings(pixels, components.dims, reach)


def _smooth_background(
    components: Components, source: WindowSource | HeldPixels, pixels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Background of the result, or brightness at rest, plus what it misses of the local one.

    What is missed is taken from the pixels around.
    """
    around = _around(components, pixels)
    both = np.union1d(pixels, around)
    movie = read_pixels(source, both, components.dims)
    here, there = np.searchsorted(both, pixels), np.searchsorted(both, around)
    known = _low_rank(components, both) if _has_low_rank(components) else _static(movie)
    A, rows = explained(components, around)
    residual = movie[there] - known[there]
    residual -= A @ components.C[rows].astype(np.float32)
    missed = local_background(residual, around, pixels, components)
    return movie[here], known[here] + missed


@dataclass(frozen=True, eq=False)
class _RingPixels:
    """The rings around some pixels: their nodes, and the pixels that the nodes are made of."""

    weights: Any
    """Rows of ``W`` for the nodes of the pixels, sparse."""
    node_at: NDArray[np.intp]
    """For each of the pixels its row of ``weights``."""
    around: NDArray[np.integer[Any]]
    """Nodes on the rings, ascending."""
    wanted: NDArray[np.int64]
    """Pixels of these nodes."""
    column: NDArray[np.intp]
    """For each of ``wanted`` its place in ``around``."""
    needed: NDArray[np.int64]


def _ring_pixels(components: Components, pixels: NDArray[np.int64]) -> _RingPixels:
    assert components.W is not None
    dims, W = components.dims, components.W
    step = ring_step(dims, W.shape[0])
    grid = ring_grid(dims, step)
    at = np.unravel_index(np.arange(components.n_pixels), dims)
    node_of = np.ravel_multi_index(tuple(i // step for i in at), grid)
    nodes, node_at = np.unique(node_of[pixels], return_inverse=True)
    weights = W[nodes]
    around = np.unique(weights.indices)
    wanted = np.flatnonzero(np.isin(node_of, around))
    column = np.searchsorted(around, node_of[wanted])
    return _RingPixels(weights, node_at, around, wanted, column, np.union1d(wanted, pixels))


def _ring_background(
    components: Components, source: WindowSource | HeldPixels, pixels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ring background ``W (Y - A C - b0) + b0`` at ``pixels``, from their rings alone."""
    assert components.b0 is not None
    ring = _ring_pixels(components, pixels)
    movie = read_pixels(source, ring.needed, components.dims)
    b0 = components.b0[ring.needed].astype(np.float32)[:, np.newaxis]
    rows = components.A_rows[ring.needed].tocsc()
    touching = np.unique(components.A_rows[ring.needed].indices)
    fluctuation = movie - b0
    fluctuation -= rows[:, touching] @ components.C[touching].astype(np.float32)
    inside = np.searchsorted(ring.needed, ring.wanted)
    counts = np.bincount(ring.column, minlength=ring.around.size)
    on_nodes = np.zeros((ring.around.size, movie.shape[1]), np.float32)
    np.add.at(on_nodes, ring.column, fluctuation[inside])
    on_nodes /= counts[:, np.newaxis]
    predicted = (ring.weights[:, ring.around] @ on_nodes)[ring.node_at]
    mine = np.searchsorted(ring.needed, pixels)
    return movie[mine], np.asarray(predicted, np.float32) + b0[mine]


def read_pixels(
    source: WindowSource | HeldPixels, pixels: NDArray[np.int64], dims: tuple[int, ...]
) -> NDArray[np.float32]:
    """Read time courses of some pixels, ``(P, T)`` float32, by their bounding box.

    Raises
    ------
    ResultError
        When the movie does not have the result's field.
    """
    if isinstance(source, HeldPixels):
        return source.values[np.searchsorted(source.pixels, pixels)]
    if tuple(source.shape[1:]) != tuple(dims):
        raise ResultError(
            f"The movie must have the result's field {dims}, got {tuple(source.shape[1:])}. "
            "Choose the movie that the result was made from."
        )
    at = np.unravel_index(pixels, dims)
    window = tuple(slice(int(i.min()), int(i.max()) + 1) for i in at)
    inside = np.ravel_multi_index(
        tuple(i - part.start for i, part in zip(at, window, strict=True)),
        tuple(part.stop - part.start for part in window),
    )
    n_frames = source.shape[0]
    out = np.empty((pixels.size, n_frames), np.float32)
    step = max(1, _BLOCK_BYTES // max(1, int(np.prod(dims)) * source.dtype.itemsize))
    for start in range(0, n_frames, step):
        stop = min(start + step, n_frames)
        block = source.read_window(start, stop, window).reshape(stop - start, -1)
        out[:, start:stop] = block[:, inside].T
    return np.nan_to_num(out, copy=False)
