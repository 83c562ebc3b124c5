"""Arrays that compute what is asked of them: numpy's indexing, and dask's on top of it."""

from __future__ import annotations

import math
import uuid
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed
from numpy.typing import NDArray

from napari_cnmf.model._frames import Frames, Selection

_ONE_TASK_ELEMENTS = 2**24
"""Larger requests (a crop over all frames, to be streamed) stay in chunks of one frame."""


class LazyMovie:
    """Frames behind numpy's indexing, computed when they are asked for.

    Parameters
    ----------
    frames
        Computes pixels of frames.
    shape
        ``(T, [Z], Y, X)``.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, frames: Frames, shape: tuple[int, ...]) -> None:
        self._frames = frames
        self.shape = shape
        self.ndim = len(shape)
        self._grid = np.arange(int(np.prod(shape[1:])), dtype=np.intp).reshape(shape[1:])

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        ranges = plain_ranges(key, self.shape)
        if ranges is None:
            raise IndexError(f"LazyMovie takes integers and slices, got {key!r}.")
        return self.compute(ranges).reshape(shape_of(key, ranges))

    def compute(self, ranges: tuple[range, ...]) -> NDArray[np.float32]:
        """Compute the block of these frames and these places on each axis of the field."""
        backwards = tuple(axis for axis, r in enumerate(ranges) if r.step < 0)
        ranges = tuple(r[::-1] if r.step < 0 else r for r in ranges)
        shape = tuple(len(r) for r in ranges)
        if 0 in shape:
            return np.zeros(shape, dtype=self.dtype)
        block = self._frames.read(self._selection(ranges)).reshape(shape)
        return np.ascontiguousarray(np.flip(block, backwards), dtype=self.dtype)

    def _selection(self, ranges: tuple[range, ...]) -> Selection:
        window = tuple(slice(r.start, r.stop, r.step) for r in ranges[1:])
        places = self._grid[window].ravel()
        if places.size == self._grid.size:
            return Selection(ranges[0], window, None)
        first, last = int(places[0]), int(places[-1])
        if last - first + 1 == places.size:  # a z plane: sliced rows, no index arrays
            return Selection(ranges[0], window, slice(first, last + 1))
        return Selection(ranges[0], window, places)


def plain_ranges(key: Any, shape: tuple[int, ...]) -> tuple[range, ...] | None:
    """Ranges that integers, slices and an ellipsis select; ``None`` for other keys."""
    parts = expand(key, len(shape))
    if parts is None:
        return None
    ranges = []
    for part, n in zip(parts, shape, strict=True):
        if isinstance(part, slice):
            ranges.append(range(n)[part])
        elif -n <= part < n:
            ranges.append(range(part % n, part % n + 1))
        else:
            raise IndexError(f"Index {part} is out of bounds for an axis of length {n}.")
    return tuple(ranges)


def expand(key: Any, ndim: int) -> tuple[slice | int, ...] | None:
    """A key with one part for each axis; ``None`` if it holds more than integers and slices."""
    parts = key if isinstance(key, tuple) else (key,)
    missing = ndim - sum(part is not Ellipsis for part in parts)
    full = (slice(None),) * missing
    if Ellipsis in [part for part in parts if part is Ellipsis]:
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts = (*parts[:at], *full, *parts[at + 1 :])
    else:
        parts = (*parts, *full)
    plain = all(isinstance(p, slice | int | np.integer) and not isinstance(p, bool) for p in parts)
    if not plain or len(parts) != ndim:
        return None
    return tuple(p if isinstance(p, slice) else int(p) for p in parts)


def shape_of(key: Any, ranges: tuple[range, ...]) -> tuple[int, ...]:
    """Shape that numpy gives: axes indexed by an integer are dropped."""
    parts = expand(key, len(ranges)) or ()
    return tuple(len(r) for part, r in zip(parts, ranges, strict=True) if isinstance(part, slice))


class LazyStack(da.Array):
    """A dask array, one frame a chunk, that answers small requests in one task."""

    _movie: LazyMovie

    def __new__(cls, movie: LazyMovie, name: str) -> LazyStack:
        chunks = ((1,) * movie.shape[0], *((n,) for n in movie.shape[1:]))
        base = da.from_array(
            movie,
            chunks=chunks,
            name=f"{name}-{uuid.uuid4().hex}",
            asarray=False,
            fancy=False,
            meta=np.empty((0,) * movie.ndim, dtype=movie.dtype),
        )
        make: Any = super().__new__  # dask leaves it untyped
        self: LazyStack = make(
            cls, base.dask, base.name, base.chunks, dtype=movie.dtype, meta=base._meta
        )
        self._movie = movie
        return self

    def __getitem__(self, index: Any) -> Any:
        ranges = plain_ranges(index, self.shape)
        if ranges is None or not self._is_small(ranges):
            whole: Any = super().__getitem__  # dask leaves it untyped
            return whole(index)
        task = delayed(self._movie.__getitem__, pure=False)(index)
        shape = shape_of(index, ranges)
        return da.from_delayed(task, shape, meta=np.empty((0,) * len(shape), dtype=self.dtype))

    def read(self, start: int, stop: int, out: Any = None) -> NDArray[np.float32]:
        """Read whole frames ``(stop - start, [Z], Y, X)`` at once, to pass over all of them.

        ``out``, where given, has that shape; it is filled and returned.
        """
        block = self._movie[start:stop]
        if out is None:
            return block
        out[...] = block
        return np.asarray(out)

    def _is_small(self, ranges: tuple[range, ...]) -> bool:
        lengths = [len(r) for r in ranges]
        part_of_field = lengths[1:] != list(self.shape[1:])
        return lengths[0] == 1 or (part_of_field and math.prod(lengths) <= _ONE_TASK_ELEMENTS)
