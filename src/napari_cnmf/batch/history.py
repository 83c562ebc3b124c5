"""``history_trace``: how a result came to be, from the movie on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cnmf.batch.item import Item


def history_trace(item: Item) -> list[dict[str, Any]]:
    """One plain dict for each item of the chain, the first that ran first.

    Each has ``step`` (the algorithm), ``engine``, ``version`` (of the engine), ``params`` (nested,
    CaImAn's names), ``time`` (ISO 8601 of its end, or ``None``) and ``input``: the movie files, or
    the uuid of the item whose movie it took.
    """
    chain = [item]
    while (parent := chain[0].parent) is not None:
        chain.insert(0, parent)
    return [_step(link) for link in chain]


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
