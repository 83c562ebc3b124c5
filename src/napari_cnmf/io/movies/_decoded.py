"""Movies that take time to decode, decoded once: what was read is read again from a plain file."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.io.movies._array import MemoryFrames
from napari_cnmf.io.movies._lazy import frame_source
from napari_cnmf.io.movies._npy import MappedArray
from napari_cnmf.io.movies._stores import (
    ArrayFrames,
    ChangedFrames,
    ConcatFrames,
    FrameStore,
    PickedFrames,
    RawFrames,
    read_exactly,
    write_at,
)
from napari_cnmf.model.movie import Movie

logger = logging.getLogger(__name__)

_ROOM = 2.0
"""A movie is kept only where the disk has this many times its size: results need room, too."""


@contextmanager
def decoded_once(movie: Movie, folder: Path) -> Iterator[FrameSource]:
    """Source of the movie's frames for several passes, each frame decoded once.

    Frames that have to be decoded are written as they are into a nameless file of ``folder`` when
    they are first read, and read from there afterwards. Where the disk has little room, or fills,
    they are decoded each time. Frames that lie plainly in their files are read from these.
    """
    source = frame_source(movie)
    if not isinstance(source, FrameStore) or not needs_decoding(source):
        yield source
        return
    n_bytes = source.shape[0] * source.frame_bytes
    if shutil.disk_usage(folder).free < _ROOM * n_bytes:
        yield source
        return
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        yield DecodedOnce(source, file, folder)


def needs_decoding(store: FrameStore) -> bool:
    """Whether frames take more than a read: they are compressed, or computed."""
    match store:
        case RawFrames() | MemoryFrames():
            return False
        case ConcatFrames():
            return any(needs_decoding(part) for part in store.stores)
        case PickedFrames() | ChangedFrames():
            return needs_decoding(store.frames)
        case ArrayFrames():
            return not isinstance(store.array, MappedArray)
    return True


class DecodedOnce(FrameStore):
    """Frames of a store that are kept in a plain file once they were read.

    Blocks are the store's own, so that a result does not depend on whether frames are kept.
    """

    def __init__(self, store: FrameStore, file: FileIO, folder: Path) -> None:
        self.shape, self.dtype, self.frames_apart = store.shape, store.dtype, store.frames_apart
        self._store, self._file, self._folder = store, file, folder
        self._is_kept = np.zeros(store.shape[0], np.bool_)
        self._has_room, self._lock = True, Lock()

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        kept = self._is_kept[start : start + len(out)]
        edges = [0, *(np.flatnonzero(np.diff(kept)) + 1).tolist(), len(out)]
        for first, last in pairwise(edges):
            part = out[first:last]
            if kept[first]:
                self._read_kept(start + first, part)
            else:
                self._store.read(start + first, start + last, part)
                self._keep(start + first, part)

    def _read_kept(self, start: int, out: NDArray[Any]) -> None:
        flat = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        target = flat.reshape(-1).view(np.uint8).data
        with self._lock:
            read_exactly(self._file, start * self.frame_bytes, target, self._folder)
        if flat is not out:
            out[...] = flat

    def _keep(self, start: int, frames: NDArray[Any]) -> None:
        if not self._has_room:
            return
        try:
            with self._lock:
                write_at(self._file, start * self.frame_bytes, np.ascontiguousarray(frames))
                self._is_kept[start : start + len(frames)] = True
        except OSError as error:
            # Those that are kept stay; the others are decoded again.
            logger.info("Decoded frames are no longer kept: %s", error)
            self._has_room = False
