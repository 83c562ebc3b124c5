"""Plain values, which every format that we read and write has in common."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from napari_cnmf._checks import shown
from napari_cnmf.errors import ParameterError

NONE_WORD = "none"
"""How None is written where a format has no word for it (TOML, the command line)."""


def to_plain(value: Any) -> Any:
    """``value`` as None, bool, int, float, str, list and dict; the word ``none`` is None.

    Tuples, sets and arrays become lists, numpy scalars Python numbers, paths strings: so that
    what was read back from a file equals what was written.

    Raises
    ------
    ParameterError
        For NaN, which equals nothing, and for objects that no file format can hold.
    """
    try:
        return _to_plain(value)
    except RecursionError as error:
        raise ParameterError(
            "Parameters must be tables of plain values, got values nested too deeply. "
            "Write them out flat."
        ) from error


def _to_plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            raise ParameterError("A parameter must not be NaN. Write none to leave it unset.")
        return float(value)
    if isinstance(value, str):
        return None if value.strip().lower() == NONE_WORD else str(value)
    if isinstance(value, bytes):
        return _to_plain(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, Mapping):
        return {str(key): _to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy here
        return _to_plain(value.tolist())
    if hasattr(value, "model_fields_set"):
        return {name: _to_plain(getattr(value, name)) for name in type(value).model_fields}
    if hasattr(value, "__fspath__"):
        return str(value)
    raise ParameterError(
        f"A parameter must be a number, a word, a switch or a list of these, "
        f"got {type(value).__name__}: {shown(value)}. Write it out as plain values."
    )


def canonical_json(value: Any) -> str:
    """Text that is the same for equal plain values, on every system and in every process."""
    return json.dumps(
        _without_negative_zero(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )


def none_to_word(value: Any) -> Any:
    """Replace None by the word in plain values, for TOML; :func:`to_plain` is the inverse."""
    if value is None:
        return NONE_WORD
    if isinstance(value, dict):
        return {key: none_to_word(item) for key, item in value.items()}
    if isinstance(value, list):
        return [none_to_word(item) for item in value]
    return value


def _without_negative_zero(value: Any) -> Any:
    if isinstance(value, float):
        return value + 0.0  # -0.0 equals 0.0 and must hash like it
    if isinstance(value, dict):
        return {key: _without_negative_zero(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_negative_zero(item) for item in value]
    return value
