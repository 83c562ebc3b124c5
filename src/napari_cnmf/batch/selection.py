"""Items that a queue was asked to run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from napari_cnmf._checks import check_kind
from napari_cnmf.batch.item import Item
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch


class Selection:
    """Items to run: all, those added from a moment on, or single ones; with parents they need."""

    def __init__(self) -> None:
        self._all = False
        self._since: datetime | None = None
        self._uuids: set[str] = set()

    def add(self, items: Iterable[Item] | None, start: Item | None) -> None:
        """Widen the selection; neither ``items`` nor ``start`` means everything."""
        if items is None and start is None:
            self._all = True
        if start is not None:
            since = start.spec.added
            self._since = since if self._since is None else min(self._since, since)
            self._uuids |= _with_ancestors(start)
        for item in items or ():
            self._uuids |= _with_ancestors(item)

    def includes(self, item: Item) -> bool:
        """Whether an item was asked for, by itself or by something that needs it."""
        if self._all or item.uuid in self._uuids:
            return True
        try:
            return self._since is not None and item.spec.added >= self._since
        except BatchError:
            return False

    def of(self, batch: Batch) -> list[Item]:
        """The selected items that can be read, in order of adding."""
        items = [item for item in batch.items if self.includes(item)]
        if self._since is not None and not self._all:
            needed = set().union(*(_with_ancestors(item) for item in items), set())
            items = [item for item in batch.items if item.uuid in needed]
        return items


def require_items(items: Any) -> list[Item]:
    """List of items that were given to a queue; anything else raises ``BatchError``."""
    listed = list(items) if isinstance(items, Iterable) else [items]
    for item in listed:
        check_kind(
            "What a queue runs", item, Item, BatchError, needed="an item of the batch",
            advice="Take it from the batch, for example batch[0].",
        )  # fmt: skip
    return listed


def _with_ancestors(item: Item) -> set[str]:
    """Uuid of an item and those of the items that it takes its movie from."""
    found = {item.uuid}
    try:
        found |= {parent.uuid for parent in item.ancestors}
    except BatchError:
        return found  # a parent is gone or damaged: the item itself will say so
    return found
