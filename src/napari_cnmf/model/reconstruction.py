"""Lazy movies of a result: denoised, background, residual.

Each is a dask array ``(T, [Z], Y, X)`` float32 with one frame a chunk. Small requests (one frame,
one plane, the traces of a few pixels) skip the chunks: they are one task that computes exactly
the pixels asked for, from the rows of A.
"""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np

from napari_cnmf._checks import shown
from napari_cnmf.errors import ResultError
from napari_cnmf.model._frames import (
    Frames,
    MovieFrames,
    ProductFrames,
    ResidualFrames,
    RingFrames,
)
from napari_cnmf.model._lazy import LazyMovie, LazyStack
from napari_cnmf.model._ring import Ring
from napari_cnmf.model.components import Components
from napari_cnmf.model.ids import Ids, as_ids
from napari_cnmf.model.movie import Movie


def denoised(
    components: Components, *, ids: Ids | None = None, accepted_only: bool = False
) -> da.Array:
    """Lazy movie ``A C``: the components without background and noise.

    Parameters
    ----------
    components
        The result.
    ids
        These components alone, counted from 0 as the columns of ``A`` are, or a boolean mask.
    accepted_only
        Only those that the result calls accepted (and that are among ``ids``).

    Returns
    -------
    dask.array.Array
        ``(T, [Z], Y, X)`` float32, in the units of the movie.
    """
    return _stack(_signal(_subset(components, ids, accepted_only)), components, "denoised")


def background(components: Components, movie: Movie | Any = None) -> da.Array:
    """Lazy movie of the background: ``b f``, or the ring ``W (Y - A C - b0) + b0``.

    Parameters
    ----------
    components
        The result.
    movie
        The recording, or an array ``(T, [Z], Y, X)``; needed for a ring background.

    Returns
    -------
    dask.array.Array
        ``(T, [Z], Y, X)`` float32.

    Raises
    ------
    ResultError
        No background in the result, or a ring background without its movie.

    Notes
    -----
    Where CaImAn computed ``W`` on a coarser grid (``init.ssub_B``), the fluctuation is averaged
    onto the grid and the prediction repeated back, as its ``compute_background`` does.

    References
    ----------
    Zhou et al. (2018), eLife 7:e28728, eq. 7-9.
    """
    frames = _background(components, movie)
    if frames is None:
        raise ResultError("The result holds no background: neither b and f, nor W and b0.")
    return _stack(frames, components, "background")


def residual(
    components: Components,
    movie: Movie | Any,
    *,
    ids: Ids | None = None,
    accepted_only: bool = False,
) -> da.Array:
    """Lazy movie of what nothing explains: ``Y - A C - background``.

    Parameters
    ----------
    components
        The result.
    movie
        The recording, or an array ``(T, [Z], Y, X)``.
    ids, accepted_only
        Take only these components out; the background stays that of the whole result.

    Returns
    -------
    dask.array.Array
        ``(T, [Z], Y, X)`` float32.

    Raises
    ------
    ResultError
        The movie does not have the shape of the result.
    """
    explained: list[Frames] = [_signal(_subset(components, ids, accepted_only))]
    behind = _background(components, movie)
    if behind is not None:
        explained.append(behind)
    frames = ResidualFrames(_movie(components, movie), tuple(explained))
    return _stack(frames, components, "residual")


def _stack(frames: Frames, components: Components, name: str) -> LazyStack:
    return LazyStack(LazyMovie(frames, (components.n_frames, *components.dims)), name)


def _subset(components: Components, ids: Ids | None, accepted_only: bool) -> Components:
    if ids is None and not accepted_only:
        return components
    there = np.arange(components.n_components)
    kept = there if ids is None else np.asarray(as_ids(ids, there), dtype=np.intp)
    if accepted_only and components.accepted is not None:
        kept = kept[components.accepted[kept]]
    return components.take(kept)


def _signal(components: Components) -> ProductFrames:
    return ProductFrames(components.A, components.C)


def _background(components: Components, movie: Movie | Any) -> Frames | None:
    if components.b is not None and components.f is not None:
        return ProductFrames(components.b, components.f)
    if components.W is None or components.b0 is None:
        return None
    if movie is None:
        raise ResultError(
            "A ring background is computed from the movie, which is not given. "
            "Open the movie of this result, then show its background."
        )
    return RingFrames(
        _movie(components, movie),
        _signal(components),
        Ring(components.W, components.dims),
        components.b0,
    )


def _movie(components: Components, movie: Movie | Any) -> MovieFrames:
    data = movie.data if isinstance(movie, Movie) else movie
    expected = (components.n_frames, *components.dims)
    # any array will do: of numpy, dask, zarr, or read from a file when asked for
    shape = getattr(data, "shape", None)
    if not isinstance(shape, tuple) or not hasattr(data, "__getitem__") or shape != expected:
        given = shape if isinstance(shape, tuple) and shape else shown(data)
        raise ResultError(
            f"The movie must have the result's shape {expected}, got {given}. "
            "Choose the movie this result was computed from."
        )
    return MovieFrames(data)
