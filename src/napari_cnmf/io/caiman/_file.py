"""Opening a result file, with errors the user can read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from napari_cnmf.errors import ResultError


def why(error: BaseException) -> str:
    """HDF5's reason without its addresses and time stamps."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error).split("\n", 1)[0]


@contextmanager
def open_result(path: Path) -> Iterator[h5py.File]:
    """The open file; failing to open or to read it is a `ResultError`."""
    if not path.is_file():
        raise ResultError(f"A result must be a file, {path} is not there.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise ResultError(
            f"A result must be a complete HDF5 file, {path.name} cannot be read ({why(error)}). "
            "It may have been cut short: copy it again, or run the analysis again."
        ) from error
