"""Reads a part of every frame, without the rest of it where the file allows that."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.io.movies._lazy import frame_source
from napari_cnmf.io.movies._stores import RawFrames, _open_for_reading, read_exactly
from napari_cnmf.model.movie import Movie


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
        if isinstance(source, RawFrames) and _has_whole_planes(source):
            return _read_rows(source, start, stop, window)
        return source.read(start, stop)[(slice(None), *window)]


def _has_whole_planes(source: RawFrames) -> bool:
    """Whether each part on disk is a plane or a frame, with its rows one after the other."""
    n_planes = int(np.prod(source.frame_shape[:-2]))
    return source.order is None and source.offsets.shape[1] in (1, n_planes)


def _read_rows(source: RawFrames, start: int, stop: int, window: tuple[slice, ...]) -> NDArray[Any]:
    n_rows, n_columns = source.frame_shape[-2:]
    plane_bytes = n_rows * n_columns * source.stored.itemsize
    row_bytes = n_columns * source.stored.itemsize
    *depth, rows, columns = window
    planes = range(depth[0].start, depth[0].stop) if depth else range(1)
    n_parts = source.offsets.shape[1]
    block = np.empty((stop - start, len(planes), rows.stop - rows.start, n_columns), source.dtype)
    opened, opened_index = None, -1
    try:
        for frame in range(start, stop):
            for k, plane in enumerate(planes):
                part = plane if n_parts > 1 else 0
                index = 0 if source.file_index is None else int(source.file_index[frame, part])
                if opened is None or index != opened_index:
                    if opened is not None:
                        opened.close()
                    opened, opened_index = _open_for_reading(source.paths[index]), index
                within = 0 if n_parts > 1 else plane * plane_bytes
                offset = int(source.offsets[frame, part]) + within + rows.start * row_bytes
                target = block[frame - start, k].reshape(-1).view(np.uint8).data
                read_exactly(opened, offset, target, source.paths[index])
    finally:
        if opened is not None:
            opened.close()
    if not source.stored.isnative:
        block.byteswap(inplace=True)
    cut = block[..., columns]
    return cut if depth else cut[:, 0]
