"""Reads pickled arrays and dicts of other programs without running anything that they name.

A pickle is a program: it may call any function by its name. Here every name that data are made of
becomes a record that only notes what it was given; any other becomes a record that is read as
nothing. Arrays are then made from their bytes, with types of numbers alone: a pickle that could
describe a type of its own can make NumPy read memory that is not its.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from tokenize import TokenError
from typing import IO, Any

import numpy as np

from napari_cnmf.errors import ResultError, brief

_TYPE_OF_NUMBERS = re.compile(r"[<>|=]?(?:b1|\?|[iu][1248]|f[248]|c(?:8|16)|[SU]\d{1,6})")
_OBJECTS_PER_BYTE = 4
_LEAST_OBJECTS = 100_000
_BYTES_PER_BYTE = 20
_LEAST_BYTES = 2**24
_LONGEST_PATH = 2**16
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_FAILURES = (
    OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, IndexError, ImportError,
    OverflowError, RecursionError, MemoryError, SyntaxError, TokenError, pickle.UnpicklingError,
)  # fmt: skip
"""What NumPy and the reader of pickles raise for bytes that are none."""


def check_opcodes(data: bytes) -> None:
    """Refuse a pickle that would make its reader take memory that the file does not hold.

    The machine that reads pickles believes every length, and every place in its table of earlier
    values, and takes as much memory as they say.

    Raises
    ------
    ValueError
        A length is more than what is left, a place is beyond the file's size, or it is no pickle.
    """
    for opcode, argument, _position in pickletools.genops(data):
        if opcode.name in _PUTS and int(argument or 0) > len(data):
            raise ValueError("a value is kept at a place that no file of its size needs")


class PickledRecord:
    """Record of what a pickle wanted to call, and with which arguments; it does nothing.

    Each class or function that a pickle names gets a subclass of its own, since the machine that
    reads pickles asks for a class here and for something to call there.
    """

    origin = ""
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    state: Any
    items: list[tuple[Any, Any]]

    def __new__(cls, *args: Any, **keywords: Any) -> PickledRecord:
        """Note what the pickle wanted to call it with."""
        record = object.__new__(cls)
        record.args, record.keywords, record.state, record.items = args, keywords, None, []
        return record

    def __init__(self, *args: Any, **keywords: Any) -> None:
        """Do nothing: `__new__` noted all that there is."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, _item: Any) -> None:
        """Ignore an item of what is no list."""

    def extend(self, _items: Any) -> None:
        """Ignore items of what is no list."""

    def add(self, _item: Any) -> None:
        """Ignore items of what is no set."""


class RecordingUnpickler(pickle.Unpickler):
    """Unpickler that makes records and Python's own plain values, nothing else.

    Parameters
    ----------
    stream
        Of the pickle.
    require_known
        Called with the canonical and the written name of each class or function; may raise.
    """

    def __init__(
        self,
        stream: io.BufferedIOBase,
        require_known: Callable[[str, str], None] | None = None,
    ) -> None:
        super().__init__(stream)
        self._types: dict[str, type[PickledRecord]] = {}
        self._require_known = require_known

    def find_class(self, module_name: str, global_name: str, /) -> type[PickledRecord]:
        """Return a record type for a class or function that the pickle names; imports nothing."""
        name = f"{module_name}.{global_name}"
        origin = canonical(name)
        if self._require_known is not None:
            self._require_known(origin, name)
        if origin not in self._types:
            self._types[origin] = type("Record", (PickledRecord,), {"origin": origin})
        return self._types[origin]

    def persistent_load(self, pid: Any) -> Any:
        """Refuse a persistent object, which no table or array has."""
        raise pickle.UnpicklingError(f"a persistent object ({str(pid)[:80]})")


_MOVED = {
    "__builtin__.": "builtins.",
    "numpy._core.": "numpy.core.",
    "pandas._libs.missing.NA": "pandas.NA",
    "pandas.core.arrays.arrow.array.ArrowExtensionArray": "pandas.arrays.ArrowExtensionArray",
    "pandas.core.arrays.string_arrow.ArrowStringArray": "pandas.arrays.ArrowStringArray",
    "pandas.core.arrays.string_.StringArray": "pandas.arrays.StringArray",
    "pandas.core.arrays.string_.StringDtype": "pandas.StringDtype",
    "pandas.core.frame.DataFrame": "pandas.DataFrame",
    "pandas.core.indexes.base.Index": "pandas.Index",
    "pandas.core.indexes.numeric.Int64Index": "pandas.Index",
    "pandas.core.indexes.range.RangeIndex": "pandas.RangeIndex",
    "pathlib._local.": "pathlib.",
}


def canonical(origin: str) -> str:
    """Name that is the same for what moved between versions."""
    for old, new in _MOVED.items():
        if origin.startswith(old):
            return new + origin[len(old) :]
    return origin


class PlainValues:
    """Turns what a pickle noted into plain values, no more of them than the file honestly holds.

    A pickle of a few hundred bytes can hold a list of ten lists of ten lists, each written once
    and meant a million times. The number of values is therefore counted as they are made.

    Parameters
    ----------
    size
        Of the pickle, in bytes.
    readers
        By canonical name: what a record becomes. Records of other names become ``None``.
    """

    def __init__(
        self, size: int, readers: Mapping[str, Callable[[PickledRecord, PlainValues], Any]]
    ) -> None:
        self._left = max(_LEAST_OBJECTS, _OBJECTS_PER_BYTE * size)
        self._bytes_left = max(_LEAST_BYTES, _BYTES_PER_BYTE * size)
        self._readers = readers

    def of(self, value: Any) -> Any:
        """Turn one value, and all that is in it, into plain values.

        Raises
        ------
        ValueError
            More values than a file of this size can hold.
        """
        self.count(1)
        if isinstance(value, PickledRecord):
            reader = self._readers.get(value.origin)
            return None if reader is None else reader(value, self)
        if isinstance(value, type):
            if getattr(value, "origin", "") == "pandas.NA":
                return None
            # Left as it is: a class that stands as an argument, such as an index's own.
            return value
        if isinstance(value, str | bytes | bytearray):
            self._count_bytes(len(value))
        if isinstance(value, dict):
            return {_key(self.of(key)): self.of(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if isinstance(value, tuple):
            return tuple(self.of(item) for item in value)
        if isinstance(value, set | frozenset):
            return {_key(self.of(item)) for item in value}
        return value

    def count(self, n: int) -> None:
        """Account for ``n`` further values."""
        self._left -= n
        if self._left < 0:
            raise ValueError("it unfolds into more values than a file of its size can hold")

    def _count_bytes(self, n: int) -> None:
        self._bytes_left -= n
        if self._bytes_left < 0:
            raise ValueError("it unfolds into more bytes than a file of its size can hold")

    def array(self, shape: Any, dtype: Any, order: Any, data: Any) -> np.ndarray[Any, Any]:
        """Make an array of numbers from its bytes, or of objects from a list.

        Raises
        ------
        ValueError
            The type is none of numbers and text, or the bytes are not as many as the shape says.
        """
        kind = dtype if isinstance(dtype, np.dtype) else self.of(dtype)
        sizes = tuple(int(n) for n in shape)
        if not isinstance(kind, np.dtype) or any(n < 0 for n in sizes):
            raise ValueError("an array without type or shape")
        n = math.prod(sizes)
        if kind.hasobject:
            items = list(data)
            if n != len(items):
                raise ValueError(f"an array of {n} objects that has {len(items)}")
            flat = np.empty(n, dtype=object)
            for place, item in enumerate(items):
                flat[place] = self.of(item)
        else:
            content = bytes(data) if isinstance(data, bytes | bytearray) else b""
            if len(content) != n * kind.itemsize:
                raise ValueError(f"an array of {n} values that has {len(content)} bytes")
            self._count_bytes(len(content))
            flat = np.frombuffer(content, kind).copy()
        return flat.reshape(sizes, order="F" if order == "F" else "C")


def _key(value: Any) -> Any:
    """Turn a key of a dict into something that can be a key."""
    return value if isinstance(value, str | bytes | int | float | tuple | None) else str(value)


def _dtype(record: PickledRecord, _plain: PlainValues) -> np.dtype[Any]:
    """Type of numbers or text by its name; fields and nested types are refused."""
    code = record.args[0] if record.args else ""
    if isinstance(code, bytes):
        code = code.decode("ascii", "replace")
    if code in ("O", "O8", "|O"):
        return np.dtype(object)
    if not isinstance(code, str) or _TYPE_OF_NUMBERS.fullmatch(code) is None:
        raise ValueError(f"a type of values that is no number and no text ({str(code)[:40]!r})")
    dtype = np.dtype(code)
    state = record.state if isinstance(record.state, tuple) else ()
    return dtype.newbyteorder(">") if len(state) > 1 and state[1] in (">", b">") else dtype


def _array(record: PickledRecord, plain: PlainValues) -> np.ndarray[Any, Any]:
    _, shape, dtype, fortran, data = record.state
    data = _bytes_of(data) if isinstance(data, PickledRecord) else data
    return plain.array(shape, dtype, "F" if fortran else "C", data)


def _array_from_buffer(record: PickledRecord, plain: PlainValues) -> np.ndarray[Any, Any]:
    data, dtype, shape, order = record.args[:4]
    return plain.array(shape, dtype, order, data)


def _scalar(record: PickledRecord, plain: PlainValues) -> Any:
    dtype, data = record.args
    data = _bytes_of(data) if isinstance(data, PickledRecord) else data
    return plain.array((1,), dtype, "C", data)[0].item()


def _bytes_of(record: PickledRecord, _plain: PlainValues | None = None) -> bytes:
    """Bytes as old pickles spell them: as text in Latin-1."""
    if record.origin != "_codecs.encode" or not isinstance(record.args[0], str):
        raise ValueError(f"bytes that are made by {record.origin}")
    return record.args[0].encode("latin1")


def _path(record: PickledRecord, _plain: PlainValues) -> str:
    return str(PurePosixPath(*texts_of(record)))


def texts_of(record: PickledRecord) -> list[str]:
    """The arguments of a record, which must be short texts."""
    texts = [part for part in record.args if isinstance(part, str)]
    if len(texts) != len(record.args) or sum(map(len, texts)) > _LONGEST_PATH:
        raise ValueError("a path that is not made of short texts")
    return texts


def ordered(record: PickledRecord, plain: PlainValues) -> dict[Any, Any]:
    """Dict that keeps its order, as older Pythons wrote it."""
    pairs = [*(record.args[0] if record.args else ()), *record.items]
    return {_key(plain.of(key)): plain.of(value) for key, value in pairs}


NUMPY_READERS: dict[str, Callable[[PickledRecord, PlainValues], Any]] = {
    "_codecs.encode": _bytes_of,
    "collections.OrderedDict": ordered,
    "numpy.core.multiarray._reconstruct": _array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _array_from_buffer,
    "numpy.dtype": _dtype,
}
"""What arrays and numbers are made of."""
_READERS = NUMPY_READERS | {
    f"pathlib.{name}": _path
    for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
}


def read_object_array(path: Path) -> Any:
    """Read the object in an ``.npy`` file of one pickled array.

    Returns
    -------
    Any
        The array; for a 0-dimensional one (a dict) its content.

    Raises
    ------
    ResultError
        The file is missing, cut short, or no such array.
    """
    try:
        with path.open("rb") as stream:
            shape, dtype = _read_header(stream)
            if dtype != np.dtype(object):
                raise ValueError("no objects in it")
            data = stream.read()
        check_opcodes(data)
        plain = PlainValues(len(data), _READERS)
        array = plain.of(RecordingUnpickler(io.BytesIO(data)).load())
    except _FAILURES as error:
        raise ResultError(
            f"{path} must be an array as suite2p writes it, got: {type(error).__name__} "
            f"{brief(error)}. Run suite2p again, or choose another folder."
        ) from error
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ResultError(f"{path} must hold an array of shape {shape}. Choose another folder.")
    return array.item() if array.ndim == 0 else array


def read_plain_array(path: Path) -> np.ndarray[Any, Any]:
    """Read the numbers in an ``.npy`` file, no more of them than it holds.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ResultError
        It is damaged, cut short, or holds something else than numbers.
    """
    try:
        with path.open("rb") as stream:
            shape, dtype = _read_header(stream)
            left = path.stat().st_size - stream.tell()
        if dtype.kind not in "biuf":
            raise ValueError(f"values of type {dtype}")
        if math.prod(shape) * dtype.itemsize > left:
            raise ValueError(f"{left} bytes for an array of shape {shape}")
        return np.asarray(np.load(path, allow_pickle=False))
    except FileNotFoundError:
        raise
    except _FAILURES as error:
        raise ResultError(
            f"{path} must hold an array of numbers, got: {type(error).__name__} {brief(error)}. "
            "Save it again, or copy it again."
        ) from error


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and type of the array that an ``.npy`` file says it holds."""
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"version {version} of the format")
    shape, _fortran, dtype = read(stream)
    if any(size < 0 for size in shape):
        raise ValueError(f"an array of shape {shape}")
    return shape, dtype
