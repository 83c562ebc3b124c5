"""Converts Python values to HDF5 and back, in CaImAn's way.

Dicts are groups, numbers and arrays datasets, strings attributes of the parent group, ``None`` the
scalar string dataset ``NoneType``, lists of strings byte-string arrays, sparse matrices groups
``{data, indices, indptr, shape}`` in CSC.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, cast

import h5py
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.io.caiman._file import NONE
from napari_cnmf.model.rows import TraceRows, row_blocks


def floats(value: Any) -> NDArray[np.floating[Any]]:
    """Numbers from an array of any kind; CaImAn writes some of them as byte strings.

    Raises
    ------
    ValueError
        Where an element is neither a number nor ``None``.
    """
    array = value if isinstance(value, TraceRows) else np.asarray(value)
    if array.dtype.kind == "f":
        return cast("NDArray[np.floating[Any]]", array)
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
    """Write one value the way CaImAn's own ``save`` does, in types that it can save again.

    CaImAn opens a file, keeps all that is in it, and writes it anew. Its writer takes 64- and
    32-bit numbers, arrays, text as attributes, dicts, sparse matrices and ``None``. It stops half
    way at scalars of any other type, and at NaN, with the old file already emptied.
    """
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str | PurePath):
        group.attrs[name] = str(value)
    elif value is None or (isinstance(value, float) and math.isnan(value)):
        group[name] = NONE
    elif isinstance(value, Mapping):
        child = group.require_group(name)
        for key, item in value.items():
            write_node(child, str(key), item)
    elif is_sparse(value):
        _write_sparse(group.create_group(name), sp.csc_matrix(value))
    elif isinstance(value, TraceRows):
        for _ in write_rows(group, name, cast("NDArray[Any]", value)):
            pass
    elif isinstance(value, bool | int | float):
        group[name] = value if abs(value) < 2**63 else float(value)
    else:
        group[name] = _as_array(value)


def write_rows(group: h5py.Group, name: str, traces: NDArray[Any]) -> Iterator[float]:
    """Write traces some rows at a time; yields the share that is written."""
    dataset = group.create_dataset(name, shape=traces.shape, dtype=traces.dtype)
    for rows, block in row_blocks(traces):
        dataset[rows] = block
        yield rows.stop / len(traces)


def _write_sparse(group: h5py.Group, matrix: sp.csc_matrix) -> None:
    group["data"] = matrix.data
    group["indices"] = matrix.indices
    group["indptr"] = matrix.indptr
    group["shape"] = np.asarray(matrix.shape, dtype=np.int64)


def _as_array(value: Any) -> Any:
    """An array of numbers or byte strings; what is neither becomes text, as CaImAn has it."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray([str(item) for item in value])
    if array.dtype.kind in "biuf":
        return array
    texts = [
        item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist()
    ]
    return np.array(texts, dtype="S").reshape(array.shape)
