"""A batch as a pandas table, one row an item."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from napari_cnmf.batch.status import State, Status
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    import pandas as pd

    from napari_cnmf.batch.item import Item

COLUMNS = (
    "uuid",
    "name",
    "algorithm",
    "engine",
    "state",
    "progress",
    "inputs",
    "parent",
    "added",
    "started",
    "seconds",
    "n_components",
    "n_accepted",
    "error",
    "comment",
    "params",
)


def item_row(item: Item) -> dict[str, Any]:
    """The values of `COLUMNS` for one item; a damaged one says so in ``error``."""
    status = item.status
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {
        "uuid": item.uuid,
        "name": item.name,
        "state": status.state.value,
        "progress": _progress(status),
        "started": status.started,
        "seconds": status.seconds,
        "n_components": status.n_components,
        "n_accepted": status.n_accepted,
        "error": None if status.error is None else status.error.message,
    }
    try:
        spec = item.spec
    except BatchError:
        return row
    return row | {
        "algorithm": spec.algorithm.value,
        "engine": status.engine or spec.engine,
        "inputs": () if spec.movie is None else spec.movie.paths,
        "parent": spec.parent,
        "added": spec.added,
        "comment": spec.comment,
        "params": spec.params,
    }


def _progress(status: Status) -> float:
    if status.state is State.COMPLETED:
        return 1.0
    return 0.0 if status.progress is None else status.progress.fraction


def batch_table(items: Iterable[Item]) -> pd.DataFrame:
    """`item_row` of every item, in order of adding; times are UTC, counts nullable integers."""
    import pandas as pd

    table = pd.DataFrame([item_row(item) for item in items], columns=list(COLUMNS))
    return table.astype(
        {
            "progress": "float64",
            "seconds": "float64",
            "n_components": "Int64",
            "n_accepted": "Int64",
            "added": "datetime64[ns, UTC]",
            "started": "datetime64[ns, UTC]",
        }
    )
