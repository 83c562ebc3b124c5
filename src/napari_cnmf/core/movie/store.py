"""Stores of the bins of pass 1: in memory, or in a scratch file that is read tile by tile."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.source import ScratchFactory

Region = tuple[slice, slice, slice]
"""A box of pixels along (Z, Y, X)."""


BINS_TOGETHER = 64
"""That are written to a pixel at once where bins are kept in memory."""
_PIXELS = 4096
"""Whose bins a thread writes together."""


@contextmanager
def default_scratch(shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[NDArray[Any]]:
    """Return an array in a nameless temporary file, which is removed at the end."""
    with tempfile.TemporaryFile() as file:
        yield np.memmap(file, dtype, "w+", shape=shape)


def _turn(bins: NDArray[np.float32], out: NDArray[np.float32], workers: Workers) -> None:
    """Transpose bins ``(n, n_pixels)`` into ``out (n_pixels, n)``."""

    def work(start: int, stop: int) -> None:
        out[start:stop] = bins[:, start:stop].T

    workers.ranges(work, len(out), _PIXELS)


class BinStore(Protocol):
    """Takes bins block after block, gives them back tile by tile."""

    shape: tuple[int, int, int]
    n_bins: int

    @property
    def n_pixels(self) -> int:
        """Number of pixels of the field."""
        ...

    def block(self, first: int, last: int) -> NDArray[np.float32]:
        """Room ``(last - first, n_pixels)`` to fill with some bins of all pixels.

        Blocks come in order, none larger than the one before.
        """
        ...

    def filled(self, first: int, last: int, workers: Workers) -> None:
        """Take over the block given last, which is complete."""
        ...

    def tile(self, region: Region) -> NDArray[np.float32]:
        """Bins of a region ``(Z, Y, X, n_bins)``, which the caller may change; given once."""
        ...


class MemoryStore:
    """All bins in one array, pixel-major.

    Blocks wait for each other: the fewer bins of a pixel are written at a time, the more memory
    around them is fetched and written back for nothing.

    Parameters
    ----------
    shape
        Of the field, (Z, Y, X).
    n_bins
        Number of bins.
    n_together
        Bins that wait; fewer take less memory and more time.
    """

    def __init__(
        self, shape: tuple[int, int, int], n_bins: int, n_together: int = BINS_TOGETHER
    ) -> None:
        self.shape, self.n_bins, self._n_together = shape, n_bins, n_together
        self.n_pixels = int(np.prod(shape))
        self._X = np.empty((self.n_pixels, n_bins), np.float32)
        self._waiting = np.empty((0, self.n_pixels), np.float32)
        self._n_waiting = 0

    def block(self, first: int, last: int) -> NDArray[np.float32]:
        """Room ``(last - first, n_pixels)`` to fill with bins ``first`` to ``last``."""
        stop = self._n_waiting + last - first
        if stop > len(self._waiting):
            room = max(stop, min(self._n_together, self.n_bins))
            self._waiting = np.empty((room, self.n_pixels), np.float32)
        return self._waiting[self._n_waiting : stop]

    def filled(self, first: int, last: int, workers: Workers) -> None:
        """Take over the block given last; several blocks are moved to their place together."""
        self._n_waiting += last - first
        is_last = last == self.n_bins
        if is_last or self._n_waiting + last - first > len(self._waiting):
            place = self._X[:, last - self._n_waiting : last]
            _turn(self._waiting[: self._n_waiting], place, workers)
            self._n_waiting = 0
        if is_last:
            self._waiting = self._waiting[:0].copy()

    def tile(self, region: Region) -> NDArray[np.float32]:
        """Bins of a region: for the whole field the array itself, for a part of it a copy."""
        field = self._X.reshape(*self.shape, self.n_bins)
        whole = all(s == slice(0, n) for s, n in zip(region, self.shape, strict=True))
        return field if whole else field[region].copy()


class ScratchStore:
    """Bins in scratch arrays, one for each block, so that writing is sequential."""

    def __init__(self, shape: tuple[int, int, int], n_bins: int, scratch: ScratchFactory) -> None:
        self.shape, self.n_bins = shape, n_bins
        self.n_pixels = int(np.prod(shape))
        self._scratch = scratch
        self._stack = ExitStack()
        self._parts: list[NDArray[Any]] = []
        self._buffer = np.zeros((0, 0), np.float32)

    def __enter__(self) -> ScratchStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._parts.clear()
        self._stack.close()

    def block(self, first: int, last: int) -> NDArray[np.float32]:
        """Room ``(last - first, n_pixels)`` to fill with bins ``first`` to ``last``."""
        if len(self._buffer) != last - first:
            self._buffer = np.empty((last - first, self.n_pixels), np.float32)
        return self._buffer

    def filled(self, first: int, last: int, workers: Workers) -> None:
        """Write the block given last to a scratch array of its own."""
        if last <= first:
            return
        part = self._stack.enter_context(self._scratch((*self.shape, last - first), np.float32))
        _turn(self._buffer, np.asarray(part).reshape(self.n_pixels, -1), workers)
        release_pages(part)
        self._parts.append(part)

    def tile(self, region: Region) -> NDArray[np.float32]:
        """Read the bins of a region ``(Z, Y, X, n_bins)`` from all scratch arrays."""
        out = np.empty((*(s.stop - s.start for s in region), self.n_bins), np.float32)
        first = 0
        self._buffer = np.zeros((0, 0), np.float32)
        for part in self._parts:
            out[..., first : first + part.shape[-1]] = part[region]
            first += part.shape[-1]
            release_pages(part)
        return out


class SharedStore:
    """Bins in files of a folder that several processes see, one file for each block.

    Each process writes the blocks of its own parts; whoever has the store reads all of them. A
    block that is written again, because its first writer died, replaces the file as a whole.

    Parameters
    ----------
    shape
        Of the field, (Z, Y, X).
    n_bins
        Number of bins.
    folder
        Seen under this path by all of them.
    """

    def __init__(self, shape: tuple[int, int, int], n_bins: int, folder: Path) -> None:
        self.shape, self.n_bins, self.folder = shape, n_bins, folder
        self.n_pixels = int(np.prod(shape))
        # Parts that one process works on at a time fill blocks of their own.
        self._own = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.shape, self.n_bins, self.folder)

    def block(self, first: int, last: int) -> NDArray[np.float32]:
        """Room ``(last - first, n_pixels)`` to fill with bins ``first`` to ``last``."""
        buffer: NDArray[np.float32] = np.empty((last - first, self.n_pixels), np.float32)
        self._own.buffer = buffer
        return buffer

    def filled(self, first: int, last: int, workers: Workers) -> None:
        """Write the block given last to its file."""
        bins, self._own.buffer = self._own.buffer, None
        if last <= first:
            return
        turned = np.empty((self.n_pixels, last - first), np.float32)
        _turn(bins, turned, workers)
        descriptor, name = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(turned.reshape(-1).view(np.uint8).data)
        os.replace(name, self._path(first))

    def tile(self, region: Region) -> NDArray[np.float32]:
        """Read the bins of a region ``(Z, Y, X, n_bins)`` from all files."""
        out = np.empty((*(s.stop - s.start for s in region), self.n_bins), np.float32)
        first = 0
        while first < self.n_bins:
            path = self._path(first)
            n = path.stat().st_size // (4 * self.n_pixels)
            part: NDArray[np.float32] = np.memmap(path, np.float32, "r", shape=(*self.shape, n))
            out[..., first : first + n] = part[region]
            release_pages(part)
            first += n
        return out

    def _path(self, first: int) -> Path:
        # By name, not by a list of the folder: other computers may see that late.
        return self.folder / f"{first}.bins"


@contextmanager
def shared_store(shape: tuple[int, int, int], n_bins: int, folder: Path) -> Iterator[SharedStore]:
    """Make a store in a folder of its own inside ``folder``, which is removed at the end."""
    own = Path(tempfile.mkdtemp(prefix="bins-", dir=folder))
    try:
        yield SharedStore(shape, n_bins, own)
    finally:
        # A worker that was stopped may be writing there for a moment more.
        shutil.rmtree(own, ignore_errors=True)


def release_freed() -> None:
    """Hand back to the system what the C library keeps of arrays that were freed.

    glibc keeps them for the next of that size, 50 MB and more after some tiles; other libraries
    have no such call, or no need of it.
    """
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim.argtypes = [ctypes.c_size_t]
        trim(0)


def release_pages(array: NDArray[Any]) -> None:
    """Let go of the memory behind a memory-mapped file; its contents stay in the file.

    Mapped pages count as the process's memory until the system wants them back.
    """
    import mmap

    mapped = getattr(array, "_mmap", None)
    if mapped is None and array.base is not None:
        mapped = getattr(array.base, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)
