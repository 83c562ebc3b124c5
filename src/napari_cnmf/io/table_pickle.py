"""Reads a pickled pandas table without executing the pickle.

A pickle is a program: whoever opens one with ``pickle.load`` runs what its author wrote. Here
nothing that it names is imported or called. Every class and function in it becomes a record of its
own that only notes what it was given, and only those in `_READERS`, which tables of plain values
need, are taken at all; any other is refused by its name before it could matter. What was noted is
then read as data: numpy's arrays from their bytes, a table from its blocks and axes.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from napari_cnmf.errors import BatchError, brief
from napari_cnmf.io.pickled import (
    NUMPY_READERS,
    PickledRecord,
    PlainValues,
    RecordingUnpickler,
    check_opcodes,
    texts_of,
)

_MAX_BYTES = 500_000_000


@dataclass(frozen=True)
class Table:
    """Columns by name, each with one plain value a row."""

    columns: dict[str, list[Any]]
    attributes: dict[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the table, a dict each."""
        names = list(self.columns)
        return [
            dict(zip(names, values, strict=True))
            for values in zip(*self.columns.values(), strict=True)
        ]


class _RefusedError(Exception):
    """A pickle names what no table needs."""


def _require_known(origin: str, name: str) -> None:
    if origin not in _READERS:
        raise _RefusedError(name)


def read_table_pickle(path: Path) -> Table:
    """Read the table in a file that pandas' ``to_pickle`` wrote.

    Paths of either system become ``PurePosixPath`` and ``PureWindowsPath``; arrays stay arrays.

    Raises
    ------
    BatchError
        When the file is no pickled table, or names a class or function that no table of plain
        values needs; nothing of it was run.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BatchError(
                f"A pickled table of a batch has some kilobytes, and {path} has "
                f"{path.stat().st_size / 1e6:.0f} MB. Is it the right file?"
            )
        data = path.read_bytes()
    except OSError as error:
        raise BatchError(f"{path} must be readable: {error.strerror or error}.") from error
    try:
        check_opcodes(data)
        noted = RecordingUnpickler(io.BytesIO(data), _require_known).load()
        value = PlainValues(len(data), _READERS).of(noted)
    except _RefusedError as error:
        raise BatchError(
            f"{path} asks for {error}, which no table of a batch needs. It was refused, and "
            "nothing of it was run. If the file is yours, write it again where it comes from, as "
            "plain values: table.astype(object).to_pickle(PATH)."
        ) from error
    # The machine that reads pickles raises nearly anything for bytes that are none.
    except Exception as error:
        raise BatchError(
            f"{path} must be a pickled pandas table as mesmerize-core writes it: "
            f"{type(error).__name__}: {brief(error)}."
        ) from error
    if not isinstance(value, Table):
        raise BatchError(
            f"{path} must hold a pickled pandas table, got {type(value).__name__}. "
            "A batch of mesmerize-core is the file that create_batch() made."
        )
    return value


# -- pandas


def _frame(record: PickledRecord, plain: PlainValues) -> Table:
    state = record.state
    blocks, (columns, rows) = _blocks_and_axes(state["_mgr"], plain)
    n_rows = len(rows)
    found: list[list[Any] | None] = [None] * len(columns)
    for values, places in blocks:
        for place, row in zip(places, values, strict=True):
            found[place] = [plain.of(item) for item in row]
    missing = [name for name, column in zip(columns, found, strict=True) if column is None]
    if missing:
        raise ValueError(f"no values for the columns {missing}")
    named = {str(n): c for n, c in zip(columns, found, strict=True) if c is not None}
    if any(len(column) != n_rows for column in named.values()):
        raise ValueError(f"columns that have not {n_rows} rows")
    attributes = plain.of(state.get("attrs") or {})
    return Table(named, attributes)


def _blocks_and_axes(
    manager: PickledRecord, plain: PlainValues
) -> tuple[list[tuple[Any, list[int]]], list[list[Any]]]:
    blocks, axes = manager.args
    return [plain.of(block) for block in blocks], [plain.of(axis) for axis in axes]


def _block(record: PickledRecord, plain: PlainValues) -> tuple[Any, list[int]]:
    values, placement, ndim = record.args
    array = plain.of(values)
    places = plain.of(placement)
    rows = array if ndim == 2 and getattr(array, "ndim", 1) == 2 else [array]
    if isinstance(places, slice):
        numbers = range(places.start or 0, places.stop, places.step or 1)
        plain.count(len(numbers))
        return rows, list(numbers)
    return rows, [int(place) for place in places]


def _index(record: PickledRecord, plain: PlainValues) -> list[Any]:
    kind, values = record.args
    if kind.origin == "pandas.RangeIndex":
        numbers = range(values["start"], values["stop"], values["step"])
        plain.count(len(numbers))
        return list(numbers)
    return list(plain.of(values["data"]))


def _strings(record: PickledRecord, plain: PlainValues) -> list[Any]:
    """Values of pandas' own text column, which wraps an array."""
    return list(plain.of(record.state[1]))


# -- pyarrow, which keeps pandas' texts where it is installed

_WIDTH_OF_OFFSETS = {"string": "<i4", "large_string": "<i8"}
_NUMBERS = {
    name: np.dtype(name)
    for name in (
        "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double",
    )
}  # fmt: skip
_NUMBERS["float"] = np.dtype("float32")


def _arrow_column(record: PickledRecord, plain: PlainValues) -> list[Any]:
    """A column of pandas that wraps an array of pyarrow's."""
    state = record.state
    array = state.get("_pa_array", state.get("_data"))
    return list(plain.of(array))


def _arrow_chunks(record: PickledRecord, plain: PlainValues) -> list[Any]:
    return [value for chunk in record.args[0] for value in plain.of(chunk)]


def _arrow_array(record: PickledRecord, plain: PlainValues) -> list[Any]:
    """An array of pyarrow's from its buffers: which values are there, then the values.

    The layout is that of https://arrow.apache.org/docs/format/Columnar.html; every size and
    offset is checked against the bytes that are there.
    """
    kind, n, _n_missing, first, buffers, *_ = record.args[0]
    name = str(kind.args[0]) if kind.origin == "pyarrow.lib.type_for_alias" else kind.origin
    n, first = int(n), int(first)
    if n < 0 or first < 0:
        raise ValueError(f"an array of {n} values from {first} on")
    plain.count(n)
    parts = [None if part is None else _arrow_bytes(part, plain) for part in buffers]
    values = _arrow_values(name, parts[1:], first, first + n, plain)
    if parts[0] is None:
        return values
    bits = np.frombuffer(parts[0], np.uint8, count=(first + n + 7) // 8)
    is_there = np.unpackbits(bits, bitorder="little")[first : first + n]
    return [value if there else None for value, there in zip(values, is_there, strict=True)]


def _arrow_values(
    name: str, parts: list[bytes | None], start: int, stop: int, plain: PlainValues
) -> list[Any]:
    first = parts[0] if parts and parts[0] is not None else b""
    if name in _NUMBERS:
        return list(np.frombuffer(first, _NUMBERS[name], count=stop)[start:].tolist())
    if name == "bool":
        bits = np.frombuffer(first, np.uint8, count=(stop + 7) // 8)
        return list(np.unpackbits(bits, bitorder="little")[start:stop].astype(bool).tolist())
    if name not in _WIDTH_OF_OFFSETS:
        raise ValueError(f"a column of type {name[:40]}, which is no text and no number")
    text = parts[1] or b"" if len(parts) > 1 else b""
    if start == stop:
        return []
    ends = np.frombuffer(first, _WIDTH_OF_OFFSETS[name], count=stop + 1)[start:].tolist()
    if not 0 <= ends[0] <= ends[-1] <= len(text) or ends != sorted(ends):
        raise ValueError("texts that reach beyond the bytes that are there")
    return [plain.of(text[begin:end].decode()) for begin, end in pairwise(ends)]


def _arrow_bytes(record: PickledRecord, plain: PlainValues) -> bytes:
    """Bytes of a buffer, as the protocols of pickle spell them."""
    content: Any = record.args[0]
    while isinstance(content, PickledRecord):
        is_wrapped = content.origin in ("builtins.bytearray", "pyarrow.lib.py_buffer")
        content = content.args[0] if is_wrapped and content.args else plain.of(content)
    if isinstance(content, str):  # protocol 2: bytes as text in Latin-1
        content = content.encode("latin1")
    if not isinstance(content, bytes | bytearray):
        raise ValueError("a buffer that holds no bytes")
    return bytes(content)


# -- Python


def _path(kind: type[PurePath]) -> Callable[[PickledRecord, PlainValues], PurePath]:
    return lambda record, _plain: kind(*texts_of(record))


def _uuid(record: PickledRecord, plain: PlainValues) -> str:
    return str(uuid.UUID(int=record.state["int"]))


def _slice(record: PickledRecord, plain: PlainValues) -> slice:
    return slice(*record.args)


def _nothing(record: PickledRecord, plain: PlainValues) -> None:
    """Nothing, for a record that belongs to another one."""


_READERS: dict[str, Callable[[PickledRecord, PlainValues], Any]] = NUMPY_READERS | {
    "builtins.bytearray": _nothing,
    "builtins.slice": _slice,
    "numpy.ndarray": _nothing,
    "pandas.DataFrame": _frame,
    "pandas.ArrowDtype": _nothing,
    "pandas.Index": _nothing,
    "pandas.NA": _nothing,
    "pandas.RangeIndex": _nothing,
    "pandas.StringDtype": _nothing,
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked": _strings,
    "pandas._libs.internals._unpickle_block": _block,
    "pandas.arrays.ArrowExtensionArray": _arrow_column,
    "pandas.arrays.ArrowStringArray": _arrow_column,
    "pandas.arrays.StringArray": _nothing,
    "pandas.core.indexes.base._new_Index": _index,
    "pandas.core.internals.managers.BlockManager": _nothing,
    "pathlib.PosixPath": _path(PurePosixPath),
    "pathlib.PurePosixPath": _path(PurePosixPath),
    "pathlib.PureWindowsPath": _path(PureWindowsPath),
    "pathlib.WindowsPath": _path(PureWindowsPath),
    "pyarrow.lib._restore_array": _arrow_array,
    "pyarrow.lib.chunked_array": _arrow_chunks,
    "pyarrow.lib.py_buffer": _nothing,
    "pyarrow.lib.type_for_alias": _nothing,
    "uuid.UUID": _uuid,
}
"""What tables of plain values are made of, and how each is read."""
