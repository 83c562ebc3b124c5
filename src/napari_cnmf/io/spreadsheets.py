"""Texts in tables that a spreadsheet opens: data there, never formulas.

A spreadsheet takes a field of a CSV that begins with ``=``, ``+``, ``-`` or ``@`` for a formula
and computes it: a note ``=1+1`` becomes 2, and one from another lab could call a program. Such a
text is written with an apostrophe before it, and `plain_text` takes that away again.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_cnmf._checks import check_path
from napari_cnmf.errors import ResultError, brief

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")
"""Start of a text that some spreadsheet computes, and of one that was guarded or looks so."""


def guarded_text(text: str) -> str:
    """Text that no spreadsheet computes: an apostrophe stands before what may be a formula.

    Any text comes back from `plain_text` as it was.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def plain_text(text: str) -> str:
    """Text as it was before `guarded_text`; what was never guarded stays as it is."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def csv_text(table: pd.DataFrame, *, index: bool = False, float_format: str | None = None) -> str:
    """Write a table as CSV with commas; texts and names of columns are `guarded_text`.

    Parameters
    ----------
    table
        Numbers and texts.
    index
        Write the index as the first column, too.
    float_format
        Format of numbers with decimals, such as ``%.4f``.
    """
    guarded = _with_texts(table, guarded_text)
    text = guarded.to_csv(index=index, float_format=float_format, lineterminator="\n")
    if "\r" in text:  # the writer leaves a lone one without quotes, and readers end the row there
        text = guarded.to_csv(
            index=index, float_format=float_format, lineterminator="\n",
            quoting=csv.QUOTE_NONNUMERIC,
        )  # fmt: skip
    return str(text)


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV that this program wrote; texts come back as they were.

    Parameters
    ----------
    path
        ``components.csv``, ``files.csv``, ``traces_*.csv`` of an export, or a table of matches.

    Returns
    -------
    pandas.DataFrame
        Numbers as numbers; an empty text is ``""``, and a text such as ``NA`` stays that text.

    Raises
    ------
    ResultError
        The file cannot be read or is no table.
    """
    import pandas as pd

    path = check_path("A table", path, ResultError)
    try:
        names = pd.read_csv(path, nrows=0).columns
        texts = [name for name in names if name in _TEXTS]
        # An empty field is a missing number in one column and an empty text in the other.
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(texts, str),
            keep_default_na=False,
            na_values={name: [""] for name in names if name not in texts},
        )
    except (OSError, ValueError) as error:
        raise ResultError(f"The table {path} cannot be read: {brief(error)}.") from error
    return _with_texts(table, plain_text)


def _with_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Table with every text and every name of a column changed."""
    changed = table.copy(deep=False)
    for position, dtype in enumerate(table.dtypes):
        if dtype.kind not in "biuf":
            values = [change(v) if isinstance(v, str) else v for v in table.iloc[:, position]]
            changed.isetitem(position, values)
    changed.columns = [change(str(name)) for name in table.columns]
    return changed


_TEXTS = ("tags", "note", "class", "decision", "file", "state")
"""Columns of our tables that hold text."""
