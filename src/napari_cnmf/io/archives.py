"""Reads archives of NumPy (``.npz``) that may be damaged or come from anywhere."""

from __future__ import annotations

import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import scipy.sparse as sp
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from napari_cnmf.errors import ResultError, brief
from napari_cnmf.io.caiman import checked_csc

_ALWAYS_BYTES = 64 * 2**20
_BYTES_PER_STORED_BYTE = 200
_FAILURES = (
    OSError, ValueError, KeyError, EOFError, TypeError, NotImplementedError, MemoryError,
    RuntimeError, OverflowError, AttributeError, SyntaxError, TokenError, BadZipFile, zlib.error,
)  # fmt: skip
"""What NumPy and the reader of zip archives raise for bytes that are none."""


def read_archive(path: Path, what: str, advice: str) -> dict[str, NDArray[np.generic]]:
    """Read every array of an archive, no more of it than a file of its size can hold.

    Parameters
    ----------
    path
        The ``.npz`` file.
    what, advice
        What the file must be and what to do where it is none, for the message.

    Raises
    ------
    ResultError
        It is missing, damaged, or holds something else than plain arrays.
    """
    try:
        # numpy leaves a file that it opened itself open when the archive is damaged
        with path.open("rb") as stream:
            _require_honest_sizes(stream, path.stat().st_size)
            stream.seek(0)
            with NpzFile(stream, allow_pickle=False) as stored:
                # a member that is no .npy file comes as bytes
                arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
        odd = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
        if odd:
            raise ValueError(f"no array under the name {odd[0]!r}")
    except _FAILURES as error:
        raise ResultError(f"{path} must be {what}, got: {brief(error)}. {advice}") from error
    return arrays


def read_sparse(path: Path) -> sp.csc_matrix:
    """Read the sparse matrix of an archive, whose every index is known to lie inside of it.

    Raises
    ------
    ResultError
        It is missing or damaged, or no matrix as ``scipy.sparse.save_npz`` writes it.
    """
    what = "a sparse matrix as scipy.sparse.save_npz writes it"
    advice = "Save it again, or copy it again."
    parts = read_archive(path, what, advice)
    try:
        kind = parts["format"].item()
        kind = kind.decode() if isinstance(kind, bytes) else str(kind)
        if kind == "coo":
            return _of_coordinates(path.name, parts)
        if kind not in ("csc", "csr"):
            raise ValueError(f"format {kind}")
        shape = parts["shape"] if kind == "csc" else parts["shape"][::-1]
        data, indices, indptr = (parts[name] for name in ("data", "indices", "indptr"))
        matrix = checked_csc(path.name, data, indices, indptr, shape)
        return matrix if kind == "csc" else sp.csc_matrix(matrix.T)
    except _FAILURES as error:
        raise ResultError(f"{path} must hold {what}, got: {brief(error)}. {advice}") from error


def _of_coordinates(name: str, parts: dict[str, NDArray[np.generic]]) -> sp.csc_matrix:
    rows, columns = parts["row"].astype(np.int64), parts["col"].astype(np.int64)
    shape = tuple(int(size) for size in parts["shape"])
    for places, size in ((rows, shape[0]), (columns, shape[1])):
        if places.size and not 0 <= places.min() <= places.max() < size:
            raise ValueError(f"places of {name} beyond its shape {shape}")
    return sp.csc_matrix((parts["data"], (rows, columns)), shape=(shape[0], shape[1]))


def _require_honest_sizes(stream: IO[bytes], size: int) -> None:
    """Refuse an archive that says it unfolds to far more than a file of its size holds."""
    with ZipFile(stream) as archive:
        unfolded = sum(entry.file_size for entry in archive.infolist())
    if unfolded > _ALWAYS_BYTES + _BYTES_PER_STORED_BYTE * size:
        raise ValueError(f"{unfolded / 1e6:.0f} MB in a file of {size / 1e6:.1f} MB")
