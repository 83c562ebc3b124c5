"""Cheap polling: what changed in a batch since the last look, whoever changed it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cnmf.batch.status import State
from napari_cnmf.batch.store import item_folders
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch
    from napari_cnmf.batch.item import Item


@dataclass(frozen=True)
class Changes:
    """Items that appeared, changed or went since the last `BatchWatcher.poll`."""

    added: tuple[Item, ...] = ()
    changed: tuple[Item, ...] = ()
    removed: tuple[str, ...] = ()
    """Uuids."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


_NEVER_SEEN = -1
"""Time of the last change of a folder that never could be looked at."""


class BatchWatcher:
    """Looks at the folders of a batch and says what is different from the last look.

    One directory listing and one ``stat`` an item: replacing a file inside an item's folder stamps
    the folder. Running items are looked at themselves, since a process may die without a trace.

    Examples
    --------
    >>> watcher = BatchWatcher(batch)                                     # doctest: +SKIP
    >>> for item in watcher.poll().changed: print(item.name, item.state)  # doctest: +SKIP
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._stamps: dict[str, int] = {}
        self._uuids: dict[str, str] = {}
        self._live: dict[str, State] = {}
        """State last seen of items whose state may change without a write to their folder."""

    def poll(self) -> Changes:
        """Find what is different since the last call; at the first call every item is ``added``.

        Raises
        ------
        BatchError
            When the disk or the share is away.
        """
        stamps = self._look()
        removed = [name for name in self._stamps if name not in stamps]
        self._batch.refresh(stamps)
        added, changed = [], []
        for item in self._batch:
            name = item.folder.name
            if name not in stamps:
                continue
            before = self._stamps.get(name)
            if before is None:
                added.append(item)
                self._uuids[name] = item.uuid
            elif before != stamps[name] or self._turned(item):
                changed.append(item)
            else:
                continue
            self._remember(item)
        self._stamps = stamps
        for name in removed:
            self._live.pop(name, None)
        return Changes(
            tuple(added), tuple(changed), tuple(self._uuids.pop(name) for name in removed)
        )

    def _look(self) -> dict[str, int]:
        """Time of the last change of each folder that is there.

        A folder that cannot be looked at counts as unchanged, not as removed: a share that is
        half away would seem to lose its items.
        """
        stamps: dict[str, int] = {}
        errors: list[OSError] = []
        for entry in item_folders(self._batch.path):
            try:
                stamps[entry.name] = os.stat(entry.path).st_mtime_ns
            except FileNotFoundError:
                continue  # removed between the listing and the look
            except OSError as error:
                errors.append(error)
                stamps[entry.name] = self._stamps.get(entry.name, _NEVER_SEEN)
        if errors and len(errors) == len(stamps):
            first = errors[0]
            raise BatchError(
                f"{first.filename} must be readable: {first.strerror or first}. "
                "Is the disk or the network share there?"
            ) from first
        return stamps

    def _remember(self, item: Item) -> None:
        state = item.state
        # A process dies, a parent ends; a queued item without a parent only changes by a write.
        depends = state is State.RUNNING or (not state.ended and item.spec.parent is not None)
        if depends:
            self._live[item.folder.name] = state
        else:
            self._live.pop(item.folder.name, None)

    def _turned(self, item: Item) -> bool:
        """Whether an item's state changed without a write: process died, or parent ended."""
        name = item.folder.name
        return name in self._live and item.state is not self._live[name]
