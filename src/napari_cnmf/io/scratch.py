"""Makes big arrays that live as long as one stage: in memory, or in a self-removing file."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_cnmf.core.movie.source import ScratchFactory
from napari_cnmf.errors import CnmfError


def scratch_factory(folder: str | os.PathLike[str] | None = None) -> ScratchFactory:
    """Choose where the engine puts arrays that it needs only for a while.

    Parameters
    ----------
    folder
        Files go here, on a disk with room; ``None`` keeps the arrays in memory.

    Returns
    -------
    ScratchFactory
        Gives zero-filled arrays. A file has no name from the start, so that it is gone when its
        process ends, however it ends.

    Raises
    ------
    CnmfError
        When an array is asked for: the folder cannot be written, or the disk is too full. The
        space is taken at once, since a map onto a full disk kills the process later.
    """
    return _in_memory if folder is None else _OnDisk(Path(folder))


@contextmanager
def _in_memory(shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[NDArray[Any]]:
    yield np.zeros(shape, dtype)


class _OnDisk:
    """Maker of arrays in nameless files of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def __call__(self, shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[NDArray[Any]]:
        n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if n_bytes == 0:
            yield np.zeros(shape, dtype)
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            stream = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115
        except OSError as error:
            raise self._no_room(n_bytes, error.strerror or str(error)) from error
        with stream:
            self._reserve(stream.fileno(), n_bytes)
            yield np.memmap(stream, dtype, "r+", shape=shape)

    def _reserve(self, descriptor: int, n_bytes: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if n_bytes > free:
            raise self._no_room(n_bytes, f"{free / 1e9:.1f} GB free")
        try:
            if hasattr(os, "posix_fallocate"):
                try:
                    os.posix_fallocate(descriptor, 0, n_bytes)
                except OSError as error:
                    # some network file systems and C libraries cannot reserve
                    if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                        raise
            os.truncate(descriptor, n_bytes)
        except OSError as error:
            raise self._no_room(n_bytes, error.strerror or str(error)) from error

    def _no_room(self, n_bytes: int, found: str) -> CnmfError:
        return CnmfError(
            f"{self.folder} must have room for {n_bytes / 1e9:.2f} GB of temporary data, got: "
            f"{found}. Free some space, choose another folder, or raise memory_gb."
        )
