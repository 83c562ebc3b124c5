"""Writes files of arrays such that a full disk is an error that is raised.

Two libraries need help with that:

- numpy, and with it tifffile, writes arrays into an open file by way of C, and never learns that
  the last kilobytes did not fit. So such a file is made in memory and written by Python.
- HDF5 cannot close a file of which something could not be written: it keeps what is left in its
  caches, frees it twice, and that ends the process. So it writes into a Python file that never
  fails: what cannot be written is kept aside, HDF5 closes a file that is whole as far as it knows,
  and the error is raised then.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import h5py

_READ_AGAIN_BYTES = 2**16
"""Largest piece that is kept in memory once the disk is full.

HDF5 reads its own tables again, which are small. Arrays are written once and never read again.
"""


@contextmanager
def hdf5_for_writing(path: str | os.PathLike[str], mode: str = "w") -> Iterator[h5py.File]:
    """Open an HDF5 file for writing; the error of a full disk comes when the block ends.

    Parameters
    ----------
    path
        The file. Where an error is raised it is left unfinished: the caller removes it, as
        `napari_cnmf._atomic.replacing` does.
    mode
        ``w`` makes a new file, ``r+`` goes on with one that is there.

    Raises
    ------
    OSError
        The file cannot be opened, or not all of it can be written.
    """
    import h5py

    with _UnfailingFile(Path(path), mode) as stream:
        try:
            with h5py.File(stream, mode) as file:
                yield file
        except Exception:
            stream.raise_first_error()  # the cause of whatever HDF5 met with afterwards
            raise
        stream.raise_first_error()


def npy_content(array: NDArray[Any]) -> bytes:
    """Content of a ``.npy`` file, to be written by Python, which says when the disk is full."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


class _UnfailingFile(io.RawIOBase):
    """File that keeps its first error to itself, and goes on as if all were written."""

    def __init__(self, path: Path, mode: str) -> None:
        self._stream = path.open("w+b" if mode == "w" else "r+b", buffering=0)
        self._position = 0
        self._size = self._stream.seek(0, os.SEEK_END)
        self._error: BaseException | None = None
        self._unwritten: list[tuple[int, bytes]] = []

    def raise_first_error(self) -> None:
        """Raise the first error that a write, or anything else, met with."""
        if self._error is not None:
            raise self._error

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, piece: Any) -> int:
        view = memoryview(piece).cast("B")
        start, self._position = self._position, self._position + len(view)
        self._size = max(self._size, self._position)
        if self._error is None:
            with self._first_error_kept():
                self._stream.seek(start)
                done = 0
                while done < len(view):
                    done += self._stream.write(view[done:]) or 0
        if self._error is not None and len(view) <= _READ_AGAIN_BYTES:
            self._unwritten.append((start, bytes(view)))
        return len(view)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        start = self._position
        n_bytes = max(min(len(view), self._size - start), 0)
        done = 0
        with self._first_error_kept():
            self._stream.seek(start)
            while done < n_bytes and (n := self._stream.readinto(view[done:n_bytes])):
                done += n
        view[done:n_bytes] = bytes(n_bytes - done)  # what the disk had no room for
        for at, piece in self._unwritten:
            first, last = max(at, start), min(at + len(piece), start + n_bytes)
            if first < last:
                view[first - start : last - start] = piece[first - at : last - at]
        self._position += n_bytes
        return n_bytes

    def truncate(self, size: int | None = None) -> int:
        self._size = self._position if size is None else size
        if self._error is None:
            with self._first_error_kept():
                self._stream.truncate(self._size)
        return self._size

    def flush(self) -> None:
        """Do nothing: each piece is handed to the system when it is written."""

    @contextmanager
    def _first_error_kept(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - HDF5 fares no better with an interruption
            self._error = self._error or error

    def close(self) -> None:
        self._stream.close()  # nothing is buffered, so nothing is lost here
        super().close()
