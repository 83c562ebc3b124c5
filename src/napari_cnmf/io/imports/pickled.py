"""Reads suite2p's pickled dicts without running anything that a pickle could name.

A pickle is a program: it may call any function by its name. Here only the few constructors that
NumPy arrays, dates and paths are made of can be reached; every other name becomes an inert object.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from napari_cnmf.errors import ResultError


class _Unknown:
    """Stands for an object of a class that is not read; takes whatever it is given."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> _Unknown:
        return object.__new__(cls)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None: ...

    def __setstate__(self, _state: Any) -> None: ...

    def append(self, _item: Any) -> None: ...

    def extend(self, _items: Any) -> None: ...

    def __setitem__(self, _key: Any, _value: Any) -> None: ...


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """How old pickles spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


def _path(*parts: str) -> str:
    return str(PurePosixPath(*parts))


def _allowed() -> dict[tuple[str, str], Callable[..., Any]]:
    # Asked of NumPy itself: the module they live in has moved, and both names lie in files.
    reconstruct = np.zeros(1).__reduce__()[0]
    from_buffer = np.zeros(1).__reduce_ex__(5)[0]
    scalar = np.float64(1).__reduce__()[0]
    found: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _latin1,
        ("collections", "OrderedDict"): dict,
    }
    for core in ("numpy.core", "numpy._core"):
        found[f"{core}.multiarray", "_reconstruct"] = reconstruct  # type: ignore[assignment]
        found[f"{core}.multiarray", "scalar"] = scalar  # type: ignore[assignment]
        found[f"{core}.numeric", "_frombuffer"] = from_buffer  # type: ignore[assignment]
    for module in ("pathlib", "pathlib._local"):
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
            found[module, name] = _path
    return found


class _Unpickler(pickle.Unpickler):
    """An unpickler that can call nothing but what is allowed."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        super().__init__(stream)
        self._found = _allowed()

    def find_class(self, module: str, name: str) -> Any:
        return self._found.get((module, name), _Unknown)

    def persistent_load(self, _pid: Any) -> Any:
        raise pickle.UnpicklingError("persistent ids")


def read_object_array(path: Path) -> Any:
    """The object that an ``.npy`` file of one pickled array holds.

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
            version = np.lib.format.read_magic(stream)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _fortran, dtype = read(stream)
            if not dtype.hasobject:
                raise ValueError("no objects in it")
            array = _Unpickler(stream).load()
    except (OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, IndexError,
            ImportError, pickle.UnpicklingError) as error:  # fmt: skip
        raise ResultError(
            f"{path} must be an array as suite2p writes it, got: {type(error).__name__} {error}. "
            "Run suite2p again, or choose another folder."
        ) from error
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ResultError(f"{path} must hold an array of shape {shape}. Choose another folder.")
    return array.item() if array.ndim == 0 else array
