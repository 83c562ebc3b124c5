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
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from napari_cnmf.errors import BatchError, brief
from napari_cnmf.io.imports.pickled import (
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
            "nothing of it was run. If the file is yours, say where it comes from in an issue."
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
    "builtins.slice": _slice,
    "numpy.ndarray": _nothing,
    "pandas.DataFrame": _frame,
    "pandas.Index": _nothing,
    "pandas.RangeIndex": _nothing,
    "pandas.StringDtype": _nothing,
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked": _strings,
    "pandas._libs.internals._unpickle_block": _block,
    "pandas.arrays.StringArray": _nothing,
    "pandas.core.indexes.base._new_Index": _index,
    "pandas.core.internals.managers.BlockManager": _nothing,
    "pathlib.PosixPath": _path(PurePosixPath),
    "pathlib.PurePosixPath": _path(PurePosixPath),
    "pathlib.PureWindowsPath": _path(PureWindowsPath),
    "pathlib.WindowsPath": _path(PureWindowsPath),
    "uuid.UUID": _uuid,
}
"""What tables of plain values are made of, and how each is read."""
