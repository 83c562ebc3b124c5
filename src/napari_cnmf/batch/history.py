"""``history_trace``: how a result came to be, from the movie on."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_cnmf.batch._files import tail

if TYPE_CHECKING:
    from napari_cnmf.batch.item import Item

JOURNAL_FILE = "curation.jsonl"


def history_trace(item: Item) -> list[dict[str, Any]]:
    """One plain dict for each item of the chain, the first that ran first.

    Each has ``step`` (the algorithm), ``engine``, ``version`` (of the engine), ``params`` (nested,
    CaImAn's names), ``time`` (ISO 8601 of its end, or ``None``) and ``input``: the movie files, or
    the uuid of the item whose movie it took.
    """
    chain = [*reversed(item.ancestors), item]
    curation = _curation(item)
    return [_step(link) for link in chain] + ([curation] if curation is not None else [])


def _curation(item: Item) -> dict[str, Any] | None:
    """Decisions about an item's result, as far as its journal says when and how many."""
    lines = tail(item.folder / JOURNAL_FILE, 10_000_000).splitlines()
    if not lines:
        return None
    last = _parse(lines[-1]) or _parse(lines[-2] if len(lines) > 1 else "")
    return {
        "step": "curation",
        "engine": "napari-cnmf",
        "version": version("napari-cnmf"),
        "params": {"edits": len(lines)},
        "time": last.get("time"),
        "input": item.uuid,
    }


def _parse(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}  # a torn last line, or one of another program
    return value if isinstance(value, dict) else {}


def _step(item: Item) -> dict[str, Any]:
    spec, status = item.spec, item.status
    return {
        "step": spec.algorithm.value,
        "engine": status.engine or spec.engine,
        "version": status.engine_version,
        "params": spec.params,
        "refit": spec.refit,
        "time": status.ended.isoformat() if status.ended else None,
        "input": spec.parent if spec.movie is None else list(spec.movie.paths),
        "item": spec.uuid,
        "name": spec.name,
        "versions": dict(spec.versions),
    }
