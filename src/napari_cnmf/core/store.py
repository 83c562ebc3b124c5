"""Where the bins of pass 1 lie: in memory, or in a scratch file that is read tile by tile."""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.source import ScratchFactory

Region = tuple[slice, slice, slice]
"""A box of pixels along (Z, Y, X)."""


class BinStore(Protocol):
    """Takes bins block after block, gives them back tile by tile."""

    shape: tuple[int, int, int]
    n_bins: int

    @property
    def n_pixels(self) -> int: ...

    def block(self, first: int, last: int) -> NDArray[np.float32]:
        """Room ``(n_pixels, last - first)`` to fill with the bins of all pixels."""
        ...

    def filled(self, first: int, last: int) -> None:
        """The block given last is complete."""
        ...

    def tile(self, region: Region) -> NDArray[np.float32]:
        """Bins of a region ``(Z, Y, X, n_bins)``, the caller's to change; given once."""
        ...


class MemoryStore:
    """All bins in one array, pixel-major."""

    def __init__(self, shape: tuple[int, int, int], n_bins: int) -> None:
        self.shape, self.n_bins = shape, n_bins
        self.n_pixels = int(np.prod(shape))
        self._X = np.empty((self.n_pixels, n_bins), np.float32)

    def block(self, first: int, last: int) -> NDArray[np.float32]:
        return self._X[:, first:last]

    def filled(self, first: int, last: int) -> None:
        """Nothing to do: the block is a view."""

    def tile(self, region: Region) -> NDArray[np.float32]:
        """The whole field is the array itself, a part of it a copy."""
        field = self._X.reshape(*self.shape, self.n_bins)
        whole = all(s == slice(0, n) for s, n in zip(region, self.shape, strict=True))
        return field if whole else np.ascontiguousarray(field[region])


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
        if self._buffer.shape[1] != last - first:
            self._buffer = np.empty((self.n_pixels, last - first), np.float32)
        return self._buffer

    def filled(self, first: int, last: int) -> None:
        if last <= first:
            return
        part = self._stack.enter_context(self._scratch((*self.shape, last - first), np.float32))
        part.reshape(self.n_pixels, -1)[:] = self._buffer
        release_pages(part)
        self._parts.append(part)

    def tile(self, region: Region) -> NDArray[np.float32]:
        out = np.empty((*(s.stop - s.start for s in region), self.n_bins), np.float32)
        first = 0
        self._buffer = np.zeros((0, 0), np.float32)
        for part in self._parts:
            out[..., first : first + part.shape[-1]] = part[region]
            first += part.shape[-1]
            release_pages(part)
        return out


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
