"""A pickled pandas table, read without executing the pickle.

A pickle is a program: whoever opens one with ``pickle.load`` runs what its author wrote. Here
nothing that it names is imported or called. Every class and function in it becomes a `_Record` of
its own that only notes what it was given, and only those in `_READERS`, which tables of plain
values need, are taken at all; any other is refused by its name before it could matter. What was
noted is then read as data: numpy's arrays from their bytes, a table from its blocks and axes.
"""

from __future__ import annotations

import io
import pickle
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from napari_cnmf.errors import BatchError

_MAX_BYTES = 500_000_000
_LONGEST_RANGE = 10_000_000


@dataclass(frozen=True)
class Table:
    """Columns by name, each with one plain value a row."""

    columns: dict[str, list[Any]]
    attributes: dict[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """A dict for each row."""
        names = list(self.columns)
        return [
            dict(zip(names, values, strict=True))
            for values in zip(*self.columns.values(), strict=True)
        ]


class _Record:
    """What a pickle wanted to call, and with what; it does nothing.

    Each class or function that a pickle names gets a subclass of its own, since the machine that
    reads pickles asks for a class here and for something to call there.
    """

    origin = ""
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    state: Any
    items: list[tuple[Any, Any]]

    def __new__(cls, *args: Any, **keywords: Any) -> _Record:
        record = object.__new__(cls)
        record.args, record.keywords, record.state, record.items = args, keywords, None, []
        return record

    def __init__(self, *args: Any, **keywords: Any) -> None:
        """What `__new__` noted is all there is."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))


class _Unpickler(pickle.Unpickler):
    """Makes records and Python's own plain values, nothing else."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self._types: dict[str, type[_Record]] = {}

    def find_class(self, module_name: str, global_name: str, /) -> type[_Record]:
        origin = _canonical(f"{module_name}.{global_name}")
        if origin not in _READERS:
            raise _RefusedError(f"{module_name}.{global_name}")
        if origin not in self._types:
            self._types[origin] = type("Record", (_Record,), {"origin": origin})
        return self._types[origin]

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError(f"a persistent object ({pid!r})")


class _RefusedError(Exception):
    """The pickle names what no table needs."""


def read_table_pickle(path: Path) -> Table:
    """The table in a file that pandas' ``to_pickle`` wrote.

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
        value = _plain(_Unpickler(data).load())
    except _RefusedError as error:
        raise BatchError(
            f"{path} asks for {error}, which no table of a batch needs. It was refused, and "
            "nothing of it was run. If the file is yours, say where it comes from in an issue."
        ) from error
    # The machine that reads pickles raises nearly anything for bytes that are none.
    except Exception as error:
        raise BatchError(
            f"{path} must be a pickled pandas table as mesmerize-core writes it: "
            f"{type(error).__name__}: {error}."
        ) from error
    if not isinstance(value, Table):
        raise BatchError(
            f"{path} must hold a pickled pandas table, got {type(value).__name__}. "
            "A batch of mesmerize-core is the file that create_batch() made."
        )
    return value


def _canonical(origin: str) -> str:
    """What moved between versions, by one name."""
    for old, new in _MOVED.items():
        if origin.startswith(old):
            return new + origin[len(old) :]
    return origin


_MOVED = {
    "__builtin__.": "builtins.",
    "numpy._core.": "numpy.core.",
    "pandas.core.arrays.string_.StringArray": "pandas.arrays.StringArray",
    "pandas.core.arrays.string_.StringDtype": "pandas.StringDtype",
    "pandas.core.frame.DataFrame": "pandas.DataFrame",
    "pandas.core.indexes.base.Index": "pandas.Index",
    "pandas.core.indexes.numeric.Int64Index": "pandas.Index",
    "pandas.core.indexes.range.RangeIndex": "pandas.RangeIndex",
    "pathlib._local.": "pathlib.",
}


def _plain(value: Any) -> Any:
    """A noted value as data."""
    if isinstance(value, _Record):
        return _READERS[value.origin](value)
    if isinstance(value, type):
        # Left as it is: a class that stands as an argument, such as an index's own.
        return value
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, set | frozenset):
        return {_plain(item) for item in value}
    return value


# -- numpy


def _dtype(record: _Record) -> np.dtype[Any]:
    code, *_ = record.args
    # A name alone: fields and nested types are no plain values.
    dtype = np.dtype(str(code))
    return dtype.newbyteorder(">") if record.state and record.state[1] == ">" else dtype


def _array(record: _Record) -> np.ndarray[Any, Any]:
    _, shape, dtype, fortran, data = record.state
    return _filled(shape, _plain(dtype), "F" if fortran else "C", data)


def _array_from_buffer(record: _Record) -> np.ndarray[Any, Any]:
    data, dtype, shape, order = record.args[:4]
    return _filled(shape, _plain(dtype), order, data)


def _filled(
    shape: Sequence[int], dtype: np.dtype[Any], order: Any, data: Any
) -> np.ndarray[Any, Any]:
    flat: np.ndarray[Any, Any]
    if dtype.hasobject:
        flat = np.empty(len(data), dtype=object)
        for position, item in enumerate(data):
            flat[position] = _plain(item)
    else:
        flat = np.frombuffer(bytes(data), dtype)
    return flat.reshape(tuple(shape), order="F" if order == "F" else "C")


def _scalar(record: _Record) -> Any:
    dtype, data = record.args
    return np.frombuffer(bytes(data), _plain(dtype))[0].item()


# -- pandas


def _frame(record: _Record) -> Table:
    state = record.state
    blocks, (columns, rows) = _blocks_and_axes(state["_mgr"])
    n_rows = len(rows)
    found: list[list[Any] | None] = [None] * len(columns)
    for values, places in blocks:
        for place, row in zip(places, values, strict=True):
            found[place] = [_plain(item) for item in row]
    missing = [name for name, column in zip(columns, found, strict=True) if column is None]
    if missing:
        raise ValueError(f"no values for the columns {missing}")
    named = {str(n): c for n, c in zip(columns, found, strict=True) if c is not None}
    if any(len(column) != n_rows for column in named.values()):
        raise ValueError(f"columns that have not {n_rows} rows")
    attributes = _plain(state.get("attrs") or {})
    return Table(named, attributes)


def _blocks_and_axes(manager: _Record) -> tuple[list[tuple[Any, list[int]]], list[list[Any]]]:
    blocks, axes = manager.args
    return [_plain(block) for block in blocks], [_plain(axis) for axis in axes]


def _block(record: _Record) -> tuple[Any, list[int]]:
    values, placement, ndim = record.args
    array = _plain(values)
    places = _plain(placement)
    rows = array if ndim == 2 and getattr(array, "ndim", 1) == 2 else [array]
    if isinstance(places, slice):
        return rows, list(range(places.start or 0, places.stop, places.step or 1))
    return rows, [int(place) for place in places]


def _index(record: _Record) -> list[Any]:
    kind, values = record.args
    if kind.origin == "pandas.RangeIndex":
        numbers = range(values["start"], values["stop"], values["step"])
        if len(numbers) > _LONGEST_RANGE:
            raise ValueError(f"an index of {len(numbers)} rows")
        return list(numbers)
    return list(_plain(values["data"]))


def _strings(record: _Record) -> list[Any]:
    """pandas' own text column: its type and the array that it wraps."""
    return list(_plain(record.state[1]))


# -- Python


def _path(kind: type[PurePath]) -> Callable[[_Record], PurePath]:
    return lambda record: kind(*(str(part) for part in record.args))


def _uuid(record: _Record) -> str:
    return str(uuid.UUID(int=record.state["int"]))


def _slice(record: _Record) -> slice:
    return slice(*record.args)


def _ordered(record: _Record) -> dict[Any, Any]:
    pairs = [*(record.args[0] if record.args else ()), *record.items]
    return {_plain(key): _plain(value) for key, value in pairs}


def _nothing(record: _Record) -> None:
    """Belongs to another record."""


_READERS: dict[str, Callable[[_Record], Any]] = {
    "builtins.slice": _slice,
    "collections.OrderedDict": _ordered,
    "numpy.core.multiarray._reconstruct": _array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _array_from_buffer,
    "numpy.dtype": _dtype,
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
