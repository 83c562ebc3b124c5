"""A batch as a pandas table, one row an item."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from napari_cnmf.batch.status import State, Status
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    import pandas as pd

    from napari_cnmf.batch.batch import Batch
    from napari_cnmf.batch.item import Item

_SHOWN = ("name", "algorithm", "engine", "state", "n_components", "n_accepted", "n_curated")
"""Columns of the table that a notebook shows, before the parameters that differ."""

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
    "n_curated",
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


def batch_table(items: Iterable[Item], *, curated: bool = True) -> pd.DataFrame:
    """`item_row` of every item, in order of adding, and the parameters that differ.

    Times are UTC, counts nullable integers. After `COLUMNS` comes one column ``group.key`` for
    each parameter that is not the same in all items.

    Parameters
    ----------
    curated
        Fill ``n_curated``, what is accepted after the decisions of the curator. That opens each
        result that was curated.
    """
    import pandas as pd

    items = list(items)
    rows = [item_row(item) for item in items]
    if curated:
        for row, item in zip(rows, items, strict=True):
            row["n_curated"] = item.n_curated
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {
            "progress": "float64",
            "seconds": "float64",
            "n_components": "Int64",
            "n_accepted": "Int64",
            "n_curated": "Int64",
            "added": "datetime64[ns, UTC]",
            "started": "datetime64[ns, UTC]",
        }
    )
    for name, values in _differing(rows).items():
        table[name] = pd.Series(values, index=table.index, dtype=object)
    return table


def _differing(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """``{"group.key": value of each row}`` of the parameters that not all rows have the same."""
    flat = [_flat(row["params"] or {}) for row in rows]
    with_params = [one for one, row in zip(flat, rows, strict=True) if row["params"] is not None]
    names = dict.fromkeys(name for one in with_params for name in one)
    return {
        name: [one.get(name) for one in flat]
        for name in names
        if len({repr(one.get(name)) for one in with_params}) > 1
    }


def _flat(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters by ``group.key``; lists become tuples."""
    pairs: dict[str, Any] = {}
    for group, values in params.items():
        inside = values if isinstance(values, dict) else {"": values}
        for key, value in inside.items():
            name = f"{group}.{key}".rstrip(".")
            pairs[name] = tuple(value) if isinstance(value, list) else value
    return pairs


def batch_html(batch: Batch) -> str:
    """A batch as a notebook shows it; nothing in an item becomes markup."""
    table = batch.df
    more = [str(name) for name in table.columns[len(COLUMNS) :]]
    shown = table[[*_SHOWN, *more, *(["error"] if table["error"].notna().any() else [])]]
    title = html.escape(f"Batch {batch.path}, {len(table)} items")
    return f"<p>{title}</p>{shown.to_html(na_rep='', escape=True)}"


def item_html(item: Item) -> str:
    """An item as a notebook shows it: where it stands, what it found, and its mean image."""
    from napari_cnmf.errors import CnmfError

    row = item_row(item)
    if row["state"] == State.COMPLETED:
        row["n_curated"] = item.n_curated
    rows = "".join(
        f"<tr><th>{name}</th><td>{html.escape(str(row[name]))}</td></tr>"
        for name in (*_SHOWN, "error")
        if row[name] is not None
    )
    try:
        picture = _png(item.images()["mean"])
    except (CnmfError, KeyError):
        return f"<table>{rows}</table>"
    return f'<table>{rows}</table><img alt="mean image" src="data:image/png;base64,{picture}">'


def _png(image: Any) -> str:
    """An image ``([Z], Y, X)`` as PNG in base64, of a volume its brightest planes."""
    import base64
    import io

    import numpy as np
    from matplotlib.image import imsave

    plane = image if image.ndim == 2 else image.max(axis=0)
    low, high = np.nanpercentile(plane, [1, 99.8])
    stream = io.BytesIO()
    imsave(stream, plane, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), format="png")
    return base64.b64encode(stream.getvalue()).decode("ascii")
