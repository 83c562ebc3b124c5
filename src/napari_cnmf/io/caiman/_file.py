"""Result files opened and read with care: links, sizes and types are checked before use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.errors import ResultError
from napari_cnmf.io.caiman._stored_rows import stored_rows
from napari_cnmf.io.hdf5_heaps import require_sound_heaps

SPARSE_PARTS = frozenset({"data", "indices", "indptr", "shape"})
NONE = "NoneType"
TRACES = frozenset({"C", "S", "YrA", "R", "F_dff"})
"""What has a row a component and a value a frame, wherever it lies in a file."""
_PLAIN_SIZE = 64
"""Arrays of parameters up to this size become tuples; masks and kernels do not."""
_ALWAYS_BYTES = 64 * 2**20
_BYTES_PER_STORED_BYTE = 50
_DEEPEST = 12
_PLAIN_KINDS = "biufS"


def why(error: BaseException) -> str:
    """Reason that HDF5 gives, without its addresses and time stamps."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error).split("\n", 1)[0][:300]


class ResultFile:
    """An open result file whose parts are checked before they are read.

    The file may come from anywhere. HDF5 lets a file point at other files, claim sizes that it
    does not hold, and hold a group inside of itself; none of that is followed.

    Parameters
    ----------
    file
        The open file.
    size
        Its size in bytes. What is read may not be much more: contents are either stored as they
        are or compressed a few times.
    """

    def __init__(self, file: h5py.File, size: int) -> None:
        self.root: h5py.Group = file
        self._left = _ALWAYS_BYTES + _BYTES_PER_STORED_BYTE * size

    def names(self, group: h5py.Group) -> list[str]:
        """Names in a group whose contents lie in this file."""
        return [name for name in group if _is_inside(group, name)]

    def child(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
        """Child of a group under a name of one part; ``None`` where there is nothing.

        Raises
        ------
        ResultError
            It is a link to somewhere else, or no group and no dataset.
        """
        if name not in group:
            # a link to nowhere is not "in" the group
            if group.get(name, getlink=True) is None:
                return None
            raise _linked(group, name)
        if not _is_inside(group, name):
            raise _linked(group, name)
        node = group[name]
        if not isinstance(node, h5py.Group | h5py.Dataset):
            raise ResultError(f"{_named(group, name)} must be a group or a dataset.")
        return node

    def read(self, group: h5py.Group, name: str) -> Any:
        """The value under a name, as CaImAn meant it; ``None`` where there is nothing.

        Groups become dicts or CSC matrices, the text ``NoneType`` becomes ``None``. Large traces
        stay in the file until they are asked for.

        Raises
        ------
        ResultError
            It points elsewhere, is larger than the file can hold, or is a damaged matrix.
        """
        node = self.child(group, name)
        return None if node is None else self._value(node, 0)

    def attributes(self, group: h5py.Group) -> dict[str, Any]:
        """Attributes of a group as plain values; those of other kinds are passed over."""
        found: dict[str, Any] = {}
        for name in group.attrs:
            kind = group.attrs.get_id(name)
            if kind.shape is not None and _is_plain(kind.dtype, kind.shape):
                self._take(name, kind.shape, kind.dtype)
                found[name] = plain(group.attrs[name])
        return found

    def _value(self, node: h5py.Group | h5py.Dataset, depth: int) -> Any:
        if isinstance(node, h5py.Dataset):
            return self._array(node)
        if depth > _DEEPEST:
            raise ResultError(f"Groups must nest at most {_DEEPEST} deep, {node.name} is deeper.")
        if set(node) >= SPARSE_PARTS:
            return self._matrix(node)
        values = {name: self._value(node[name], depth + 1) for name in self._readable(node)}
        return {**self.attributes(node), **values}

    def _readable(self, group: h5py.Group) -> list[str]:
        """Names of the children that can be read; named types and the like are passed over."""
        children = [(name, self.child(group, name)) for name in group]
        return [
            name
            for name, node in children
            if isinstance(node, h5py.Group)
            or (node is not None and _is_plain(node.dtype, node.shape))
        ]

    def _array(self, dataset: h5py.Dataset) -> Any:
        if dataset.external or dataset.is_virtual:
            raise ResultError(
                f"{dataset.name} must lie in the file itself, its values are kept in other files. "
                "Save the result again as one file."
            )
        if dataset.shape is None:
            return None
        if not _is_plain(dataset.dtype, dataset.shape):
            raise ResultError(f"{dataset.name} must hold numbers or text, got {dataset.dtype}.")
        self._take(dataset.name, dataset.shape, dataset.dtype)
        if str(dataset.name).rsplit("/", 1)[-1] in TRACES:
            rows = stored_rows(dataset)
            if rows is not None:
                return rows
        value = dataset[()]
        if isinstance(value, bytes | str):
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            return None if text == NONE else text
        return value

    def _take(self, name: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Account for the memory of what is about to be read."""
        n_bytes = math.prod(shape) * max(dtype.itemsize, 1)
        if n_bytes > self._left:
            raise ResultError(
                f"{name} claims {n_bytes / 1e6:.0f} MB, more than a file of this size can hold. "
                "The file is damaged: copy it again, or run the analysis again."
            )
        self._left -= n_bytes

    def _matrix(self, group: h5py.Group) -> sp.csc_matrix:
        parts = {}
        for name in sorted(SPARSE_PARTS):
            node = self.child(group, name)
            if not isinstance(node, h5py.Dataset):
                raise ResultError(f"{group.name}/{name} must be an array.")
            parts[name] = np.asarray(self._array(node))
        return checked_csc(str(group.name), **parts)


def checked_csc(
    name: str,
    data: NDArray[Any],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    shape: NDArray[Any],
) -> sp.csc_matrix:
    """A CSC matrix whose every index is known to lie inside of it.

    Parameters
    ----------
    name
        What the matrix is called in messages.
    data, indices, indptr
        Values, row of each value, and where each column begins, as SciPy has them.
    shape
        Rows and columns.

    Raises
    ------
    ResultError
        The parts do not fit each other. SciPy itself would read or write beyond them.
    """

    def refuse(what: str) -> ResultError:
        return ResultError(
            f"The sparse matrix {name} is damaged: {what}. Copy the file again, or run the "
            "analysis again."
        )

    for part, array in (("indices", indices), ("indptr", indptr), ("shape", shape)):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise refuse(f"{part} must be a list of whole numbers")
    if data.ndim != 1 or data.dtype.kind not in "biuf" or data.shape != indices.shape:
        raise refuse("data must be numbers, as many as indices")
    if shape.shape != (2,) or not 0 <= int(shape.min()) <= int(shape.max()) < 2**62:
        raise refuse("shape must be two sizes")
    n_rows, n_columns = (int(size) for size in shape)
    if indptr.size != n_columns + 1 or indptr[0] != 0 or int(indptr[-1]) != data.size:
        raise refuse("indptr must begin at 0, end at the number of values and have a place more "
                     "than there are columns")  # fmt: skip
    # as signed numbers: differences of unsigned ones wrap around
    if data.size and (
        int(indptr.max()) > data.size or np.any(np.diff(indptr.astype(np.int64)) < 0)
    ):
        raise refuse("indptr must not go down")
    if data.size and not 0 <= int(indices.min()) <= int(indices.max()) < n_rows:
        raise refuse(f"indices must be from 0 to {n_rows - 1}")
    if indices.dtype != indptr.dtype or indices.dtype.name not in ("int32", "int64"):
        indices, indptr = indices.astype(np.int64), indptr.astype(np.int64)
    matrix = sp.csc_matrix((data, indices, indptr), shape=(n_rows, n_columns))
    matrix.check_format(full_check=True)
    return matrix


def plain(value: Any) -> Any:
    """Numpy scalars and small arrays as Python numbers and tuples, byte strings as text."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray) and value.size <= _PLAIN_SIZE:
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def is_self_contained(group: h5py.Group, name: str, depth: int = 0) -> bool:
    """Whether a child and all below it lie in the file, so that it may be copied as it is."""
    if not _is_inside(group, name) or depth > _DEEPEST:
        return False
    node = group[name]
    if isinstance(node, h5py.Dataset):
        return not (node.external or node.is_virtual)
    if not isinstance(node, h5py.Group):
        return False
    return all(is_self_contained(node, child, depth + 1) for child in node)


@contextmanager
def open_result(
    path: Path,
    what: str = "a CaImAn result",
    advice: str = "Save it again from CaImAn, or run the analysis again.",
) -> Iterator[ResultFile]:
    """Open a result file; failing to open or to read it is a `ResultError`.

    Parameters
    ----------
    path
        The file.
    what, advice
        What the file is like and what to do where it is not, for messages.
    """
    if not path.is_file():
        raise ResultError(f"A result must be a file, {path} is not there.")
    try:
        require_sound_heaps(path)
        with h5py.File(path, "r") as file:
            yield ResultFile(file, path.stat().st_size)
    except ResultError as error:
        text = str(error)
        raise error if path.name in text else ResultError(f"{path.name}: {text}") from error
    except PermissionError as error:
        raise ResultError(
            f"A result must be a file that you may read, got {path}: permission denied. Ask its "
            "owner for access."
        ) from error
    # The library of HDF5 tells of damage in each of these ways.
    except (OSError, RuntimeError, KeyError, AttributeError, UnicodeError) as error:
        raise ResultError(
            f"A result must be a complete HDF5 file, {path.name} cannot be read ({why(error)}). "
            "It may have been cut short: copy it again, or run the analysis again."
        ) from error
    except MemoryError as error:
        raise ResultError(
            f"{path.name} needs more memory than this computer has free. Close other programs."
        ) from error
    except (ValueError, TypeError, IndexError, RecursionError, OverflowError) as error:
        raise ResultError(
            f"{path.name} is not laid out like {what}: {why(error)}. {advice}"
        ) from error


def _is_inside(group: h5py.Group, name: str) -> bool:
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def _is_plain(dtype: np.dtype[Any], shape: tuple[int, ...] | None) -> bool:
    """Whether values are numbers or text.

    Texts of any length are taken few at a time: many of them may refer to one long text.
    """
    if h5py.check_string_dtype(dtype) is not None and dtype.kind == "O":
        return shape is None or math.prod(shape) <= _PLAIN_SIZE
    return dtype.kind in _PLAIN_KINDS


def _named(group: h5py.Group, name: str) -> str:
    return f"{str(group.name).rstrip('/')}/{name}"


def _linked(group: h5py.Group, name: str) -> ResultError:
    return ResultError(
        f"{_named(group, name)} must lie in the file itself, it is a link to somewhere else. "
        "Save the result again as one file."
    )
