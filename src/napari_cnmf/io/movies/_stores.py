"""Stores of frames, which open their file for each read and close it again.

No store keeps a file open, so movies can be renamed and deleted while they are shown, a store
can be used from several threads and sent to another process, and nothing leaks.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from io import FileIO
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import Layout
from napari_cnmf.io.movies._damage import told_as_lost

_BLOCK_BYTES = 32 * 2**20
_READ_LIMIT = 2**30  # one read call takes less than 2 GB on Linux and macOS


class FrameStore(ABC):
    """Frames ``(T, [Z], Y, X)`` on disk; a ``FrameSource`` of the engine.

    Attributes
    ----------
    shape
        ``(T, [Z], Y, X)``.
    dtype
        The file's own, in the byte order of this machine.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    frames_apart: bool = False
    """Whether each frame is read by itself; see ``FrameSource``."""

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return frames ``start`` to ``stop``; see ``FrameSource.read``.

        Raises
        ------
        MovieError
            The frames do not exist, ``out`` does not fit, or the file changed or broke.
        """
        if not 0 <= start <= stop <= self.shape[0]:
            raise MovieError(
                f"Frames must lie between 0 and {self.shape[0]}, got {start} to {stop}."
            )
        wanted = (stop - start, *self.shape[1:])
        if out is None:
            out = np.empty(wanted, self.dtype)
        elif out.shape != wanted or out.dtype != self.dtype:
            raise MovieError(
                f"The buffer for frames {start} to {stop} must be {wanted} {self.dtype}, "
                f"got {out.shape} {out.dtype}."
            )
        if stop > start:
            self._fill(start, out)
        return out

    @property
    def frame_bytes(self) -> int:
        """Memory of one frame, in bytes."""
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize

    @abstractmethod
    def _fill(self, start: int, out: NDArray[Any]) -> None:
        """Write ``len(out)`` frames from ``start`` on into ``out``."""


@dataclass
class RawFrames(FrameStore):
    """Frames that lie uncompressed in one or many files: plain reads into the caller's buffer.

    Reads, not memory maps: mapped pages count as the process's memory, and a
    vanished network share kills a process that touches one.

    Attributes
    ----------
    paths
        The files.
    offsets
        ``(T, n_parts)``, byte where each part of a frame begins (a plane, or the whole frame).
    frame_shape
        Shape of a frame as it is stored.
    stored
        Its type as it is stored, with byte order.
    order
        Axes of the stored frame in the order ``([Z], Y, X)``; ``None`` when they are so already.
    file_index
        ``(T, n_parts)``, which of ``paths``; ``None`` when there is one file.
    swapped
        Numbers of the files whose bytes lie in the other order than ``stored`` says.
    """

    frames_apart = True
    paths: Sequence[Path]
    offsets: NDArray[np.int64]
    frame_shape: tuple[int, ...]
    stored: np.dtype[Any]
    order: tuple[int, ...] | None = None
    file_index: NDArray[np.int64] | None = None
    swapped: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.order == tuple(range(len(self.frame_shape))):
            self.order = None
        dims = self.frame_shape
        if self.order is not None:
            dims = tuple(dims[axis] for axis in self.order)
        self.shape = (len(self.offsets), *dims)
        self.dtype = self.stored.newbyteorder("=")

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        if self.order is None and out.flags.c_contiguous:
            self._read_stored(start, out)
            return
        step = max(1, _BLOCK_BYTES // self.frame_bytes)
        buffer = np.empty((min(step, len(out)), *self.frame_shape), self.dtype)
        order = (0, *(axis + 1 for axis in self.order or range(len(self.frame_shape))))
        for first in range(0, len(out), step):
            block = buffer[: min(step, len(out) - first)]
            self._read_stored(start + first, block)
            out[first : first + len(block)] = block.transpose(order)

    def _read_stored(self, start: int, block: NDArray[Any]) -> None:
        """Read frames as they are stored into contiguous ``block``, neighbours in one go."""
        stop = start + len(block)
        offsets = self.offsets[start:stop].ravel()
        part_bytes = block.nbytes // offsets.size
        broken = np.diff(offsets) != part_bytes
        files = np.zeros(1, np.int64)
        if self.file_index is not None:
            files = self.file_index[start:stop].ravel()
            broken |= np.diff(files) != 0
        ends = [*(np.flatnonzero(broken) + 1).tolist(), offsets.size]
        target = block.reshape(-1).view(np.uint8).data
        begin = 0
        opened: FileIO | None = None
        opened_index = -1
        try:
            for end in ends:
                index = int(files[begin]) if self.file_index is not None else 0
                if opened is None or index != opened_index:
                    if opened is not None:
                        opened.close()
                    opened, opened_index = _open_for_reading(self.paths[index]), index
                part = target[begin * part_bytes : end * part_bytes]
                read_exactly(opened, int(offsets[begin]), part, self.paths[index])
                begin = end
        finally:
            if opened is not None:
                opened.close()
        if not self.stored.isnative:
            block.byteswap(inplace=True)
        if self.swapped and self.file_index is not None:
            parts = block.reshape(offsets.size, -1)
            is_swapped = np.isin(files, list(self.swapped))
            parts[is_swapped] = parts[is_swapped].byteswap()


def _open_for_reading(path: Path) -> FileIO:
    with told_as_lost(path):
        return FileIO(path, "rb")


def read_exactly(stream: FileIO, offset: int, target: memoryview, path: Path) -> None:
    """Fill ``target`` from ``offset`` on."""
    stream.seek(offset)
    done = 0
    while done < len(target):
        try:
            count = stream.readinto(target[done : done + _READ_LIMIT])
        except OSError as error:
            raise MovieError(
                f"{path} must be readable to its end, got {error.strerror} at byte "
                f"{offset + done}. Check the disk or the network share."
            ) from error
        if not count:
            raise MovieError(
                f"{path} must hold {offset + len(target)} bytes for the frames asked for, "
                f"got {offset + done}. It was cut or changed after it was opened: copy it again."
            )
        done += count


def write_at(stream: FileIO, offset: int, frames: NDArray[Any]) -> None:
    """Write contiguous frames from byte ``offset`` on."""
    content = frames.reshape(-1).view(np.uint8).data
    stream.seek(offset)
    while content:
        content = content[stream.write(content[:_READ_LIMIT]) :]


class ArrayOnDisk(Protocol):
    """Name of an array in a file, which is opened for the time of one read."""

    def open(self) -> AbstractContextManager[Any]:
        """Open the array for the time of one read."""
        ...


@dataclass
class ArrayFrames(FrameStore):
    """Frames of an array that a library slices: chunked HDF5, zarr, a memory map.

    Attributes
    ----------
    array
        Where the array is.
    layout
        Its axes.
    stored
        Its type as it is stored.
    frames_per_read
        Frames that are read in one go at the least, because the file keeps them together; the
        last such block is remembered, so that walking frame by frame decodes each chunk once.
    """

    array: ArrayOnDisk
    layout: Layout
    stored: np.dtype[Any]
    frames_per_read: int = 1
    _block: tuple[int, NDArray[Any]] | None = field(default=None, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.shape = self.layout.shape
        self.dtype = self.stored.newbyteorder("=")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_block": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        if len(out) >= self.frames_per_read:
            self._read_array(start, out)
            return
        done = 0
        while done < len(out):
            first, block = self._block_with(start + done)
            begin = start + done - first
            count = min(len(block) - begin, len(out) - done)
            out[done : done + count] = block[begin : begin + count]
            done += count

    def _block_with(self, frame: int) -> tuple[int, NDArray[Any]]:
        """Block that holds ``frame``, remembered or read now."""
        with self._lock:
            if self._block is not None:
                first, block = self._block
                if first <= frame < first + len(block):
                    return first, block
            first = frame - frame % self.frames_per_read
            count = min(self.frames_per_read, self.shape[0] - first)
            block = np.empty((count, *self.shape[1:]), self.dtype)
            self._read_array(first, block)
            self._block = (first, block)
            return first, block

    def _read_array(self, start: int, out: NDArray[Any]) -> None:
        step = max(self.frames_per_read, _BLOCK_BYTES // self.frame_bytes)
        with told_as_lost(self.array), self.array.open() as array:
            for first in range(0, len(out), step):
                last = min(first + step, len(out))
                selected = np.asarray(array[self.layout.select(start + first, start + last)])
                out[first:last] = self.layout.arrange(selected)


@dataclass
class ConcatFrames(FrameStore):
    """Frames of several stores, one after the other."""

    stores: Sequence[FrameStore]

    def __post_init__(self) -> None:
        self._ends = np.cumsum([store.shape[0] for store in self.stores])
        self.shape = (int(self._ends[-1]), *self.stores[0].shape[1:])
        self.dtype = self.stores[0].dtype
        self.frames_apart = all(store.frames_apart for store in self.stores)

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        done = 0
        while done < len(out):
            index = int(np.searchsorted(self._ends, start + done, side="right"))
            store = self.stores[index]
            first = start + done - (int(self._ends[index]) - store.shape[0])
            count = min(store.shape[0] - first, len(out) - done)
            store.read(first, first + count, out[done : done + count])
            done += count


def pick_frames(store: FrameStore, numbers: NDArray[np.int64]) -> FrameStore:
    """Store of some frames of a store, in any order.

    Parameters
    ----------
    store
        Frames ``(P, Y, X)``.
    numbers
        ``(T,)`` numbers of the frames of a movie, or ``(T, Z)`` of the planes of volumes.
    """
    n_planes = 1 if numbers.ndim == 1 else numbers.shape[1]
    if isinstance(store, RawFrames) and store.offsets.shape[1] == 1:
        flat = (len(numbers), n_planes)
        files = None if store.file_index is None else store.file_index[numbers, 0].reshape(flat)
        if numbers.ndim == 1 or store.order is None:
            shape = store.frame_shape if numbers.ndim == 1 else (n_planes, *store.frame_shape)
            return replace(
                store,
                offsets=store.offsets[numbers, 0].reshape(flat),
                file_index=files,
                frame_shape=shape,
            )
    if numbers.ndim == 1 and np.array_equal(numbers, np.arange(store.shape[0])):
        return store
    return PickedFrames(store, numbers)


@dataclass
class PickedFrames(FrameStore):
    """Some frames of a store that are not plain reads; ``numbers`` as for `pick_frames`."""

    frames: FrameStore
    numbers: NDArray[np.int64]

    def __post_init__(self) -> None:
        self.shape = (*self.numbers.shape, *self.frames.shape[1:])
        self.dtype = self.frames.dtype
        self.frames_apart = self.frames.frames_apart

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        wanted = self.numbers[start : start + len(out)].ravel()
        flat = out.reshape(-1, *self.frames.shape[1:]) if out.flags.c_contiguous else None
        target = flat if flat is not None else np.empty((wanted.size, *out.shape[-2:]), out.dtype)
        ends = [*(np.flatnonzero(np.diff(wanted) != 1) + 1).tolist(), wanted.size]
        begin = 0
        for end in ends:
            first = int(wanted[begin])
            self.frames.read(first, first + end - begin, target[begin:end])
            begin = end
        if flat is None:
            out[...] = target.reshape(out.shape)


def part_of(store: FrameStore, planes: slice, rows: slice) -> RawFrames | None:
    """Store of some rows of some planes ``(T, [Z], Y, X)`` that reads nothing else.

    Parameters
    ----------
    planes, rows
        With explicit bounds and step 1; ``planes`` is ``slice(0, 1)`` for frames of one plane.

    Returns
    -------
    RawFrames or None
        ``None`` where frames must be decoded, or turned, as a whole.
    """
    if not isinstance(store, RawFrames) or store.order is not None:
        return None
    *depth, n_rows, n_columns = store.frame_shape
    n_planes = depth[0] if depth else 1
    offsets, files, n_parts = store.offsets, store.file_index, store.offsets.shape[1]
    if n_parts not in (1, n_planes):
        return None
    row_bytes = n_columns * store.stored.itemsize
    if n_parts < n_planes:  # the planes of a volume follow each other
        offsets = offsets + n_rows * row_bytes * np.arange(n_planes)
        files = None if files is None else np.repeat(files, n_planes, axis=1)
    n_wanted = [planes.stop - planes.start] if depth else []
    return replace(
        store,
        offsets=offsets[:, planes] + rows.start * row_bytes,
        file_index=None if files is None else files[:, planes],
        frame_shape=(*n_wanted, rows.stop - rows.start, n_columns),
    )


def crop_rows(store: FrameStore, first: int, stop: int) -> FrameStore:
    """Store of rows ``first`` to ``stop`` of every frame or plane."""
    n_planes = store.shape[1] if len(store.shape) == 4 else 1
    part = part_of(store, slice(0, n_planes), slice(first, stop))
    shape = (*store.shape[:-2], stop - first, store.shape[-1])
    cut = itemgetter((..., slice(first, stop), slice(None)))
    return part if part is not None else ChangedFrames(store, shape, store.dtype, cut)


def take_plane(store: FrameStore, plane: int) -> FrameStore:
    """Store of one plane ``(T, Y, X)`` of volumes ``(T, Z, Y, X)``."""
    n_frames, _, *field_px = store.shape
    part = part_of(store, slice(plane, plane + 1), slice(0, field_px[0]))
    if part is not None:
        return replace(part, frame_shape=part.frame_shape[1:])
    return ChangedFrames(store, (n_frames, *field_px), store.dtype, itemgetter(np.s_[:, plane]))


def shift_values(store: FrameStore, offset: float, scale: float = 1.0) -> FrameStore:
    """Store of ``offset + scale * value``, as integers where these can hold the result."""
    if offset == 0 and scale == 1:
        return store
    dtype: np.dtype[Any] = np.dtype(np.float32)
    if scale in (1, -1) and float(offset).is_integer() and store.dtype.kind in "ui":
        info = np.iinfo(store.dtype)
        ends = [int(offset) + int(scale) * end for end in (info.min, info.max)]
        low, high = min(ends), max(ends)
        for name in ("u1", "i1", "u2", "i2", "u4", "i4"):
            fits = np.iinfo(name)
            if fits.min <= low and high <= fits.max:
                dtype = np.dtype(name)
                break
    shift = partial(_shifted, offset=offset, scale=scale, dtype=dtype)
    return ChangedFrames(store, store.shape, dtype, shift)


def _shifted(
    stored: NDArray[Any], offset: float, scale: float, dtype: np.dtype[Any]
) -> NDArray[Any]:
    wide = np.float64 if dtype.kind == "f" else np.int64
    return (stored.astype(wide) * wide(scale) + wide(offset)).astype(dtype)


@dataclass
class ChangedFrames(FrameStore):
    """Frames that are cut or computed from those of another store, which are read as a whole.

    Attributes
    ----------
    change
        Function of a block of the other's frames; it can be pickled.
    """

    frames: FrameStore
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    change: Callable[[NDArray[Any]], NDArray[Any]]

    def __post_init__(self) -> None:
        self.frames_apart = self.frames.frames_apart

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        step = max(1, _BLOCK_BYTES // self.frames.frame_bytes)
        for done in range(0, len(out), step):
            last = min(done + step, len(out))
            out[done:last] = self.change(self.frames.read(start + done, start + last))


def frames_that_fit(chunk_frames: int, frame_bytes: int) -> int:
    """Number of frames to read together: a chunk of the file, unless that takes much memory."""
    return max(1, min(chunk_frames, 2 * _BLOCK_BYTES // max(frame_bytes, 1)))


def file_size(path: Path) -> int:
    """Size of a file in bytes."""
    return os.stat(path).st_size
