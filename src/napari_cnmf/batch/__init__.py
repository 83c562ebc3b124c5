"""Batches: items in a folder, a queue, child processes, clusters."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cnmf.batch.adding import DuplicateItemWarning
    from napari_cnmf.batch.batch import Batch
    from napari_cnmf.batch.current import current_batch, set_current_batch
    from napari_cnmf.batch.events import Event, EventKind
    from napari_cnmf.batch.item import Item
    from napari_cnmf.batch.mesmerize import import_mesmerize
    from napari_cnmf.batch.queue import Queue, QueueEvent, QueueEventKind
    from napari_cnmf.batch.status import Progress, State, Status
    from napari_cnmf.batch.watch import BatchWatcher, Changes

_WHERE = {
    "Batch": "batch",
    "BatchWatcher": "watch",
    "Changes": "watch",
    "DuplicateItemWarning": "adding",
    "Event": "events",
    "EventKind": "events",
    "Item": "item",
    "Progress": "status",
    "Queue": "queue",
    "QueueEvent": "queue",
    "QueueEventKind": "queue",
    "State": "status",
    "Status": "status",
    "current_batch": "current",
    "import_mesmerize": "mesmerize",
    "set_current_batch": "current",
}

__all__ = [
    "Batch",
    "BatchWatcher",
    "Changes",
    "DuplicateItemWarning",
    "Event",
    "EventKind",
    "Item",
    "Progress",
    "Queue",
    "QueueEvent",
    "QueueEventKind",
    "State",
    "Status",
    "current_batch",
    "import_mesmerize",
    "set_current_batch",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the worker starts light."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
