"""Tables of stimuli from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_cnmf.errors import ProjectError

if TYPE_CHECKING:
    import pandas as pd


def read_stimuli(path: str | Path) -> pd.DataFrame:
    """Read a CSV with ``start_time`` and ``stop_time`` in seconds, and any other columns.

    Raises
    ------
    ProjectError
        It cannot be read, or lacks a column.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, sep=None, engine="python", encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ProjectError(f"The table of stimuli {path} cannot be read: {error}.") from error
    missing = [name for name in ("start_time", "stop_time") if name not in table]
    if missing:
        raise ProjectError(
            f"A table of stimuli must have a column {missing[0]}, in seconds, {path} has "
            f"{', '.join(map(str, table.columns))}."
        )
    return table
