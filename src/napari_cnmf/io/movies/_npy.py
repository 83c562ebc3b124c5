"""Opens NumPy ``.npy`` files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import Layout, layout_of
from napari_cnmf.io.movies._recording import Recording, checked_dtype
from napari_cnmf.io.movies._request import Request
from napari_cnmf.io.movies._stores import ArrayFrames, FrameStore, RawFrames, file_size


@dataclass(frozen=True)
class MappedArray:
    """A plain array in a file, mapped for the time of one read."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    fortran_order: bool = False

    def __str__(self) -> str:
        return str(self.path)

    @contextmanager
    def open(self) -> Iterator[np.memmap[Any, Any]]:
        """Map the array for the time of one read."""
        order: Literal["F", "C"] = "F" if self.fortran_order else "C"
        yield np.memmap(self.path, self.dtype, "r", self.offset, self.shape, order)


def plain_store(array: MappedArray, layout: Layout, frames_per_read: int = 1) -> FrameStore:
    """Store of file reads where whole frames follow each other, else of a memory map a read."""
    order = layout.frame_order
    if order is None or array.fortran_order:
        return ArrayFrames(array, layout, array.dtype, frames_per_read)
    n_frames = array.shape[layout.axes.index("T")]
    frame = tuple(n for a, n in zip(layout.axes, array.shape, strict=True) if a not in "T-")
    step = int(np.prod(frame)) * array.dtype.itemsize
    offsets = array.offset + step * np.arange(n_frames, dtype=np.int64)[:, None]
    return RawFrames([array.path], offsets, frame, array.dtype, order)


def open_npy_movie(path: Path, request: Request) -> Recording:
    """Open an ``.npy`` file.

    Raises
    ------
    MovieError
        It holds Python objects, is no such file, or cut short.
    """
    try:
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            read_header = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran_order, dtype = read_header(stream)
            offset = stream.tell()
    except (ValueError, TokenError) as error:
        raise MovieError(
            f"{path} must be a NumPy array file, got: {error}. Save it with numpy.save."
        ) from error
    checked_dtype(dtype, str(path))
    needed = offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if (size := file_size(path)) < needed:
        raise MovieError(
            f"{path} must hold {needed} bytes for an array {shape} {dtype}, got {size}: it is cut "
            "short. Copy it again from where it was made."
        )
    layout = layout_of(shape, axes=request.axes, channel=request.channel, name=str(path))
    array = MappedArray(path, dtype, shape, offset, fortran_order)
    return Recording(plain_store(array, layout))
