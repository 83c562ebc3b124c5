"""Traces that stay in a result file until somebody asks for them."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_cnmf.errors import ResultError
from napari_cnmf.model import rows as model_rows
from napari_cnmf.model.rows import TraceRows


class StoredRows(TraceRows):
    """A matrix that lies in one piece in a file; read row by row, the file closed in between.

    The file is no memory map: one that is cut short while it is looked at would end the process,
    and on Windows a file that is open cannot be replaced.

    Parameters
    ----------
    path
        The file.
    offset
        Place of the first value, in bytes.
    shape, dtype
        Of the matrix.
    """

    def __init__(self, path: Path, offset: int, shape: tuple[int, int], dtype: DTypeLike) -> None:
        super().__init__(shape, dtype)
        self._path, self._offset = path.absolute(), offset
        self._state = _state_of(self._path.stat())

    def read(self, rows: NDArray[np.intp], frames: slice) -> NDArray[Any]:
        """Read some rows from the file, ``(n_rows, n_frames of the slice)``."""
        out = np.empty((rows.size, frames.stop - frames.start), self.dtype)
        if not out.size:
            return out
        whole = out.shape[1] == self.shape[1]
        # rows that follow each other are read together
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1 if whole else np.arange(1, rows.size)
        edges = [0, *breaks.tolist(), rows.size]
        try:
            with self._path.open("rb", buffering=0) as file:
                if _state_of(os.fstat(file.fileno())) != self._state:
                    raise ResultError(
                        f"{self._path.name} was written anew since it was opened, so its traces "
                        "may be those of another result. Open it again."
                    )
                for a, b in pairwise(edges):
                    first = int(rows[a]) * self.shape[1] + frames.start
                    file.seek(self._offset + first * self.dtype.itemsize)
                    _fill(file, out[a:b])
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise ResultError(
                f"The traces of {self._path.name} cannot be read ({reason}): a result of this size "
                f"stays in its file. Put it back to {self._path.parent}, or open it again."
            ) from error
        return out


def stored_rows(dataset: h5py.Dataset) -> StoredRows | None:
    """Rows of a dataset that are read later; ``None`` where it is small, or not in one piece.

    Raises
    ------
    ResultError
        The file ends before the values do.
    """
    if dataset.ndim != 2 or dataset.dtype.kind != "f" or dataset.nbytes < model_rows.LARGE_BYTES:
        return None
    offset = dataset.id.get_offset()
    if offset is None or dataset.chunks is not None or dataset.file.userblock_size:
        return None
    path = Path(dataset.file.filename)
    if offset + dataset.nbytes > path.stat().st_size:
        raise ResultError(f"{dataset.name} goes on beyond the end of the file. Copy it again.")
    return StoredRows(path, offset, dataset.shape, dataset.dtype)


def _state_of(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_size, stat.st_mtime_ns


def _fill(file: Any, out: NDArray[Any]) -> None:
    """Read all of an array; a single call gives what the system has at hand."""
    bytes_of_out: Any = out.reshape(-1).view(np.uint8)
    left = memoryview(bytes_of_out)
    while left:
        n = file.readinto(left)
        if not n:
            raise OSError("the file is shorter than it says")
        left = left[n:]
