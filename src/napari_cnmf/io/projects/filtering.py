"""Filters rows of a table by words, which are parsed, never evaluated."""

from __future__ import annotations

import operator
import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._names import did_you_mean
from napari_cnmf.errors import ParameterError, ProjectError
from napari_cnmf.params.numbers import parse_number, read_number

if TYPE_CHECKING:
    import pandas as pd

_CONDITION = re.compile(r"(\w+)(>=|<=|!=|=|>|<)(.+)")
_ORDERED: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


def matching_rows(table: pd.DataFrame, text: str) -> NDArray[np.bool_]:
    """Whether each row satisfies all words, ``(n_rows,)``.

    Parameters
    ----------
    text
        ``genotype=wt n_accepted>20 date>=2026-03-01 anything``: a column compared with a value, or
        text that some column holds. Quotes keep blanks together; case does not matter.

    Raises
    ------
    ProjectError
        An unknown column, an open quote, or a comparison that the column does not allow.
    """
    kept = np.ones(len(table), dtype=bool)
    names = {str(name).casefold(): str(name) for name in table.columns}
    for word in _words(text):
        condition = _CONDITION.fullmatch(word)
        if condition is None:
            wanted = word.casefold()
            held = [table[name].astype(str).str.casefold() for name in table.columns]
            one = np.zeros(len(table), dtype=bool)
            for column in held:
                one |= column.str.contains(wanted, regex=False).to_numpy(bool)
            kept &= one
            continue
        name, compare, value = condition.groups()
        if name.casefold() not in names:
            raise ProjectError(
                f"There is no column {name!r}, only {', '.join(names.values())}."
                f"{did_you_mean(name, names.values())}"
            )
        kept &= _compare(table[names[name.casefold()]], compare, value)
    return kept


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ProjectError(f"A filter must close its quotes, got {text!r}.") from error


def _compare(column: pd.Series[Any], how: str, value: str) -> NDArray[np.bool_]:
    import pandas as pd

    if how in ("=", "!="):
        numbers = pd.to_numeric(column, errors="coerce")
        same = column.astype(str).str.casefold().to_numpy() == value.casefold()
        with suppress(ParameterError):
            wanted = parse_number(value)
            same = same if wanted is None else same | (numbers.to_numpy(float) == wanted)
        return np.asarray(same if how == "=" else ~same, dtype=bool)
    if pd.api.types.is_numeric_dtype(column):
        try:
            number = read_number(value, str(column.name))
        except ParameterError as error:
            raise ProjectError(str(error)) from error
        return np.asarray(_ORDERED[how](column.to_numpy(float), number), dtype=bool)
    texts = column.fillna("").astype(str)
    return np.asarray((texts != "") & _ORDERED[how](texts, value), dtype=bool)
