"""Reads tables of stimuli from files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cnmf.errors import ParameterError, ProjectError
from napari_cnmf.params.numbers import read_number

if TYPE_CHECKING:
    import pandas as pd

START, STOP = "start_time", "stop_time"


def read_stimuli(path: str | Path) -> pd.DataFrame:
    """Read a table with ``start_time`` and ``stop_time`` in seconds, and any other columns.

    Columns are separated by commas, semicolons or tabs; with semicolons, as spreadsheets write
    them where the comma is the decimal mark, ``1,500`` is one and a half.

    Raises
    ------
    ProjectError
        It cannot be read, lacks a column, or holds times that are none.
    """
    import pandas as pd

    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        first = text.lstrip().partition("\n")[0]
        mark = max(";\t,", key=first.count)
        table = pd.read_csv(io.StringIO(text), sep=mark, dtype=str, skipinitialspace=True)
    except (OSError, ValueError) as error:
        raise ProjectError(f"The table of stimuli {path} cannot be read: {error}.") from error
    table.columns = [str(name).strip() for name in table.columns]
    missing = [name for name in (START, STOP) if name not in table]
    if missing:
        raise ProjectError(
            f"A table of stimuli must have a column {missing[0]}, in seconds, {path} has "
            f"{', '.join(table.columns)}."
        )
    for name in table.columns:
        column = table[name].str.replace(",", ".") if mark == ";" else table[name]
        table[name] = (
            _times(column, name) if name in (START, STOP) else _as_numbers(column, table[name])
        )
    return check_stimuli(table)


def check_stimuli(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table when each stimulus has a start and a stop that is not before it.

    Raises
    ------
    ProjectError
        Otherwise, with the row.
    """
    import pandas as pd

    if START not in table or STOP not in table:
        return table  # the export refuses it, and names its columns
    try:
        start, stop = (np.asarray(pd.to_numeric(table[n]), float) for n in (START, STOP))
    except (ValueError, TypeError) as error:
        raise ProjectError(f"Times of stimuli must be numbers, in seconds: {error}.") from error
    for name, times in ((START, start), (STOP, stop)):
        if not np.isfinite(times).all():
            row = int(np.flatnonzero(~np.isfinite(times))[0])
            raise ProjectError(
                f"Each stimulus must have a {name} in seconds, and number {row + 1} has none. "
                "Fill it in, or take the row out."
            )
    if (stop < start).any():
        row = int(np.flatnonzero(stop < start)[0])
        raise ProjectError(
            f"A stimulus must stop after it starts, and number {row + 1} runs from "
            f"{start[row]:g} s to {stop[row]:g} s. Correct its times."
        )
    return table


def _times(column: pd.Series[Any], name: str) -> list[float]:
    times = []
    for row, text in enumerate(column.fillna(""), start=1):
        try:
            times.append(float(read_number(text, f"{name} of stimulus {row}")) if text else np.nan)
        except ParameterError as error:
            raise ProjectError(str(error)) from error
    return times


def _as_numbers(column: pd.Series[Any], as_written: pd.Series[Any]) -> Any:
    """Column of numbers as numbers; any other as it was written."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if (numbers.notna() == column.notna()).all() else as_written
