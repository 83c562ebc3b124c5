"""Turns a store into a lazy array, finds the store of a movie, and reads parts of its frames."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.io.movies._stores import FrameStore, RawFrames, part_of
from napari_cnmf.model.movie import Movie

if TYPE_CHECKING:
    import dask.array as da

_BLOCK_BYTES = 64 * 2**20
_MANY_FRAMES = 10_000

# A dask name says exactly which array it is: a movie that was sliced or filtered has another
# one, and is then read through dask.
_STORES: WeakValueDictionary[str, FrameStore] = WeakValueDictionary()


class LazyFrames:
    """Array-like that reads only the frames that are asked for.

    Deliberately no ``ndarray``: dask copies a ``np.memmap`` as a whole.
    """

    def __init__(self, store: FrameStore) -> None:
        self.store = store
        self.shape = store.shape
        self.dtype = store.dtype
        self.ndim = len(store.shape)

    def as_dask(self) -> da.Array:
        """A dask array of these frames, one frame a chunk."""
        import dask.array as da

        name = f"movie-{secrets.token_hex(8)}"
        _STORES[name] = self.store
        data: da.Array = da.from_array(
            self,
            chunks=(1, *self.shape[1:]),
            name=name,
            asarray=False,
            fancy=False,
            meta=np.empty((0,) * self.ndim, self.dtype),
        )
        return data

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Number of pixels of all frames."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Memory that all frames would take, in bytes."""
        return self.size * self.dtype.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("Frames on disk cannot be an array without a copy.")
        return np.asarray(self[...], dtype)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        index = index if isinstance(index, tuple) else (index,)
        if Ellipsis in [i for i in index if not isinstance(i, np.ndarray)]:
            at = next(i for i, part in enumerate(index) if part is Ellipsis)
            missing = self.ndim - len(index) + 1
            index = (*index[:at], *[slice(None)] * missing, *index[at + 1 :])
        frames, *within = index or (slice(None),)
        rest = tuple(within)
        if isinstance(frames, slice):
            return self._slice(range(*frames.indices(self.shape[0])), rest)
        if np.ndim(frames) == 0:
            frame = range(self.shape[0])[int(frames)]
            return np.asarray(self.store.read(frame, frame + 1)[(0, *rest)])
        wanted = np.arange(self.shape[0])[np.asarray(frames)]
        return np.concatenate([self._slice(range(i, i + 1), rest) for i in wanted.tolist()])

    def _slice(self, frames: range, rest: tuple[Any, ...]) -> NDArray[Any]:
        """Read frames in order, in blocks, so that a column over time needs no whole movie."""
        contiguous = frames.step == 1
        step = max(1, _BLOCK_BYTES // max(self.store.frame_bytes, 1)) if contiguous else 1
        if contiguous and (len(frames) <= step or not rest or _takes_all(rest)):
            block = self.store.read(frames.start, max(frames.start, frames.stop))
            return np.asarray(block[(slice(None), *rest)])
        blocks = [
            self.store.read(part[0], part[-1] + 1)[(slice(None), *rest)]
            for part in (frames[i : i + step] for i in range(0, len(frames), step))
        ]
        if not blocks:
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
        return np.concatenate(blocks)


def _takes_all(rest: tuple[Any, ...]) -> bool:
    return all(isinstance(part, slice) and part == slice(None) for part in rest)


def array_for_display(movie: Movie) -> da.Array | LazyFrames:
    """Frames for a viewer that asks for them one at a time.

    Dask looks at every chunk of a graph for each frame: 0.1 s of 90,000. Long
    movies are therefore given as an array that only slices.
    """
    store = store_of(movie)
    return movie.data if store is None or movie.n_frames <= _MANY_FRAMES else LazyFrames(store)


class DaskFrames(FrameStore):
    """Frames of any dask array: a movie that was cropped or computed."""

    def __init__(self, data: da.Array) -> None:
        self.data = data
        self.shape = tuple(int(n) for n in data.shape)
        self.dtype = np.dtype(data.dtype).newbyteorder("=")

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        # Threads of this process, whatever cluster the caller's session is connected to.
        out[...] = self.data[start : start + len(out)].compute(scheduler="threads")


def store_of(movie: Movie) -> FrameStore | None:
    """Store of the files behind ``movie.data``, or ``None`` when it was computed or cropped."""
    frames = movie.deferred
    return frames.store if isinstance(frames, LazyFrames) else _STORES.get(movie.data.name)


def frame_source(movie: Movie) -> FrameSource:
    """Source of the movie's frames, as the engine reads them.

    Frames that lie uncompressed in their files are read straight into the
    caller's buffer; others are decoded; a computed movie goes through dask.
    Several threads may read at a time.

    See Also
    --------
    napari_cnmf.core.movie.source.FrameSource
    """
    return store_of(movie) or DaskFrames(movie.data)


class MovieWindow:
    """Reader of boxes of a movie; a ``WindowSource`` of the engine.

    Rows of frames that lie uncompressed in their file are read alone; of other movies whole
    frames are read and cut.
    """

    def __init__(self, movie: Movie) -> None:
        self._source: FrameSource = frame_source(movie)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(T, [Z], Y, X)`` of the movie."""
        return self._source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames as they are stored."""
        return self._source.dtype

    def read_window(self, start: int, stop: int, window: tuple[slice, ...]) -> NDArray[Any]:
        """Read frames ``start`` to ``stop`` inside ``window``, ``(stop - start, [z], y, x)``.

        Parameters
        ----------
        window
            One slice for each axis of a frame, with explicit bounds and step 1.
        """
        source = self._source
        if isinstance(source, RawFrames):
            files = source.file_index
            wanted = replace(
                source,
                offsets=source.offsets[start:stop],
                file_index=None if files is None else files[start:stop],
            )
            *depth, rows, columns = window
            part = part_of(wanted, depth[0] if depth else slice(0, 1), rows)
            if part is not None:
                return part.read(0, stop - start)[..., columns]
        return source.read(start, stop)[(slice(None), *window)]
