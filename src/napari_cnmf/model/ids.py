"""Turns what people pass where components are asked for into a list of ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._checks import shown
from napari_cnmf.errors import CurationError

if TYPE_CHECKING:
    import pandas as pd

    Ids: TypeAlias = (
        int
        | Sequence[int]
        | Set[int]
        | NDArray[np.bool_]
        | NDArray[np.integer]
        | pd.Series[Any]
        | pd.Index[Any]
    )
else:  # pandas is imported by those who use a table
    Ids = int | Sequence[int] | Set[int] | NDArray[np.bool_] | NDArray[np.integer]
"""Stable ids of components, or a boolean mask with one entry for each component.

Ranges, sets, and the columns and the index of a pandas table work, too.
"""


_WHERE = {
    "component": "cur.ids lists the ids.",
    "cell": "matched.df lists the cells.",
    "session": "matched.matches.sessions lists them, counted from 0.",
}
"""Where a user finds the ids of a thing."""


def as_ids(ids: Any, present: NDArray[np.integer], *, what: str = "component") -> list[int]:
    """Ids as a list, each once, in the order given.

    Parameters
    ----------
    ids
        A whole number, several of them, or a boolean mask ``(n,)`` that selects from ``present``.
        A boolean column of a pandas table selects by the table's index where that holds the ids.
    present
        Ids that are there, ``(n,)``.
    what
        The thing that has the ids, for the message.

    Raises
    ------
    CurationError
        When something is no id: text, a number with a decimal point, a truth value, a mask of
        another length, or an id that is not there.
    """
    listed = _listed(ids, present, what)
    there = set(present.tolist())
    missing = [i for i in listed if i not in there]
    if missing:
        shown = ", ".join(str(i) for i in missing[:8]) + (" …" if len(missing) > 8 else "")
        if what == "component":
            advice = "It was never there, or was deleted, merged or split: see the history."
            raise CurationError(f"There is no component {shown} in this result. {advice}")
        raise CurationError(f"There is no {what} {shown}. {_WHERE[what]}")
    return listed


def as_id(id_: Any, present: NDArray[np.integer], *, what: str = "component") -> int:
    """Check and return one id.

    Raises
    ------
    CurationError
        When it is no id, or is not there.
    """
    if not isinstance(id_, (int, np.integer, np.ndarray)) or np.ndim(id_) != 0:
        raise CurationError(f"The id of one {what} is needed, got {shown(id_)}.")
    return as_ids(id_, present, what=what)[0]


def whole_numbers(ids: Any, *, what: str = "component") -> list[int]:
    """Ids as a list without asking whether they are there; a mask is refused.

    Raises
    ------
    CurationError
        When something is no whole number.
    """
    values = _flat(ids, what)
    if values.dtype == np.bool_:
        raise CurationError(
            f"Ids of {what}s are needed here, got a boolean mask. A mask selects among the "
            f"{what}s that are shown; name these by their ids."
        )
    return list(dict.fromkeys(values.tolist()))


def _listed(ids: Any, present: NDArray[np.integer], what: str) -> list[int]:
    values = _flat(ids, what)
    if values.dtype != np.bool_:
        return list(dict.fromkeys(values.tolist()))
    if values.shape != present.shape:
        raise CurationError(
            f"A boolean mask must have one entry for each of the {present.size} {what}s, got "
            f"{values.size}. Make it of what stands now: {_WHERE[what]}"
        )
    index = getattr(ids, "index", None)
    if index is None or callable(index):
        return [int(i) for i in present[values]]
    # A column of a table, which may have been sorted: its index says what its rows are.
    labels = np.asarray(index)
    if labels.dtype.kind in "iu" and set(labels.tolist()) == set(present.tolist()):
        return [int(i) for i in labels[values]]
    if np.array_equal(labels, np.arange(present.size)):
        return [int(i) for i in present[values]]
    raise CurationError(
        f"The index of a boolean column must hold the ids of the {what}s, got {shown(labels)}. "
        f"Use a table as it stands now, or pass the ids themselves: {_WHERE[what]}"
    )


def _flat(ids: Any, what: str) -> NDArray[Any]:
    """Whole numbers ``(n,)`` as Python integers, or truth values ``(n,)``."""
    if isinstance(ids, (str, bytes, bytearray, bool, np.bool_, Mapping)) or ids is None:
        raise _no_ids(ids, what)
    if isinstance(ids, np.ma.MaskedArray):
        if np.ma.getmaskarray(ids).any():
            raise _no_ids(ids, what)
        ids = ids.data
    if isinstance(ids, range):
        return np.arange(ids.start, ids.stop, ids.step)
    if not isinstance(ids, (Sequence, np.ndarray)) and not hasattr(ids, "__array__"):
        # a set, a generator, the keys of a dict; anything else that is no number is refused
        ids = list(ids) if isinstance(ids, Iterable) else ids
    try:
        array = np.asarray(ids)
    except ValueError as error:  # lists of several lengths
        raise _no_ids(ids, what) from error
    if array.ndim == 0:
        array = array[np.newaxis]
    is_mixed = isinstance(ids, (list, tuple)) and any(isinstance(i, (bool, np.bool_)) for i in ids)
    if array.dtype.kind == "O" or (is_mixed and array.dtype != np.bool_):
        array = _from_objects(list(ids) if is_mixed else array.ravel().tolist(), array.ndim)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iub"):
        raise _no_ids(ids, what)
    if not array.size and array.dtype != np.bool_:
        return np.empty(0, dtype=np.intp)
    return array


def _from_objects(values: list[Any], ndim: int) -> NDArray[Any]:
    """Values of any type as an array of whole numbers or truth values; text where they mix."""
    if ndim == 1 and all(isinstance(v, (bool, np.bool_)) for v in values):
        return np.asarray(values, dtype=bool)
    whole = all(
        isinstance(v, (int, np.integer)) and not isinstance(v, (bool, np.bool_)) for v in values
    )
    # Objects keep numbers that are too large for any integer of numpy, and so too large for ids.
    if ndim == 1 and whole and all(abs(int(v)) < 2**62 for v in values):
        return np.asarray([int(v) for v in values], dtype=np.int64)
    return np.asarray([repr(v) for v in values])


def _no_ids(ids: Any, what: str) -> CurationError:
    return CurationError(
        f"Ids of {what}s must be whole numbers such as 3 or [3, 7], or a boolean mask with one "
        f"entry for each {what}, got {shown(ids)}. {_WHERE[what]}"
    )
