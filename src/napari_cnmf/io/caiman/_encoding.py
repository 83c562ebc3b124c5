"""How CaImAn puts Python values into HDF5, in both directions.

Dicts are groups, numbers and arrays datasets, strings attributes of the parent group, ``None`` the
scalar string dataset ``NoneType``, lists of strings byte-string arrays, sparse matrices groups
``{data, indices, indptr, shape}`` in CSC.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

NONE = "NoneType"
_SPARSE_PARTS = frozenset({"data", "indices", "indptr", "shape"})
_PLAIN_SIZE = 64  # arrays of parameters up to this size become tuples; masks and kernels do not


def read_node(node: h5py.Group | h5py.Dataset) -> Any:
    """One value as CaImAn meant it; groups become dicts or CSC matrices."""
    if isinstance(node, h5py.Dataset):
        return _read_dataset(node)
    if set(node) >= _SPARSE_PARTS:
        parts = [node[name][()] for name in ("data", "indices", "indptr")]
        n_rows, n_columns = (int(n) for n in node["shape"][()])
        return sp.csc_matrix(tuple(parts), shape=(n_rows, n_columns))
    values = {name: read_node(child) for name, child in node.items()}
    return {**{name: plain(value) for name, value in node.attrs.items()}, **values}


def _read_dataset(dataset: h5py.Dataset) -> Any:
    value = dataset[()]
    if isinstance(value, bytes | str):
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return None if text == NONE else text
    return value


def plain(value: Any) -> Any:
    """Numpy scalars and small arrays as Python numbers and tuples, byte strings as text."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray) and value.size <= _PLAIN_SIZE:
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def floats(value: Any) -> NDArray[np.floating[Any]]:
    """Numbers from an array of any kind; CaImAn writes some of them as byte strings.

    Raises
    ------
    ValueError
        Where an element is neither a number nor ``None``.
    """
    array = np.asarray(value)
    if array.dtype.kind == "f":
        return array
    if array.dtype.kind in "biu":
        return array.astype(float)
    elements = [_float_of(element) for element in array.ravel().tolist()]
    return np.array(elements, dtype=float).reshape(array.shape)


def _float_of(element: Any) -> float:
    text = element.decode("ascii") if isinstance(element, bytes) else str(element)
    text = text.strip("[] ")
    return float("nan") if text == "None" else float(text)


def is_sparse(value: Any) -> bool:
    """Whether a value of unknown kind is a sparse matrix."""
    return bool(sp.issparse(value))


def write_node(group: h5py.Group, name: str, value: Any) -> None:
    """Write one value the way CaImAn's own ``save`` does."""
    if isinstance(value, str | PurePath):
        group.attrs[name] = str(value)
    elif value is None:
        group[name] = NONE
    elif isinstance(value, Mapping):
        child = group.require_group(name)
        for key, item in value.items():
            write_node(child, str(key), item)
    elif is_sparse(value):
        _write_sparse(group.create_group(name), sp.csc_matrix(value))
    else:
        group[name] = _as_storable(value)


def _write_sparse(group: h5py.Group, matrix: sp.csc_matrix) -> None:
    group["data"] = matrix.data
    group["indices"] = matrix.indices
    group["indptr"] = matrix.indptr
    group["shape"] = np.asarray(matrix.shape, dtype=np.int64)


def _as_storable(value: Any) -> Any:
    if isinstance(value, bool | int | float | np.generic):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "OU":
        texts = [str(element).encode() for element in array.ravel().tolist()]
        return np.array(texts, dtype="S").reshape(array.shape)
    return array
