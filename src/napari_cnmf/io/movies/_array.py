"""Opens movies that are already arrays: numpy, dask, zarr, h5py, napari layers' data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import Layout, layout_of
from napari_cnmf.io.movies._lazy import LazyFrames
from napari_cnmf.io.movies._recording import checked_dtype
from napari_cnmf.io.movies._request import Request
from napari_cnmf.io.movies._stores import FrameStore

if TYPE_CHECKING:
    import dask.array as da


class MemoryFrames(FrameStore):
    """Frames of anything that is sliced like an array; numpy arrays are not copied."""

    def __init__(self, array: Any, layout: Layout) -> None:
        self.array = array
        self.layout = layout
        self.shape = layout.shape
        self.dtype = np.dtype(array.dtype).newbyteorder("=")
        self.frames_apart = isinstance(array, np.ndarray)

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        selected = np.asarray(self.array[self.layout.select(start, start + len(out))])
        out[...] = self.layout.arrange(selected)


def is_array(value: object) -> bool:
    """Whether a value has what an array has: shape, dtype and indexing."""
    return all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__"))


def array_movie_data(array: Any, request: Request) -> da.Array | LazyFrames:
    """Make a lazy ``(T, [Z], Y, X)`` of any array.

    Raises
    ------
    MovieError
        It has no time axis, or its axes must be named.
    """
    if request.dataset is not None:
        raise MovieError(f"dataset must be left out for an array, got {request.dataset!r}.")
    checked_dtype(np.dtype(array.dtype), "the array")
    shape = tuple(int(n) for n in array.shape)
    layout = layout_of(shape, axes=request.axes, channel=request.channel, name="the array")
    if 0 in shape:
        raise MovieError(f"A movie must have at least one frame and pixel, got shape {shape}.")
    if hasattr(array, "dask"):
        lazy: da.Array = array[layout.select(0, layout.shape[0])]
        arranged: da.Array = lazy.transpose(layout.order)
        return arranged
    return LazyFrames(MemoryFrames(array, layout))
