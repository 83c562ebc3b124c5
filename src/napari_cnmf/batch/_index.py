"""The items of a batch by folder, uuid and what they ask for; one look at each new folder."""

from __future__ import annotations

import threading
from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from napari_cnmf.batch.item import Item
from napari_cnmf.batch.spec import ItemSpec
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch


class ItemIndex:
    """Memory of what a `Batch` knows of its folders; never the truth, that is on disk.

    A queue, a watcher and a script may share one `Batch`: every look and every answer holds the
    lock.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._lock = threading.RLock()
        self._by_folder: dict[str, Item] = {}
        self._keys: dict[str, tuple[datetime, str]] = {}
        self._order: list[Item] = []
        self._by_uuid: dict[str, Item] = {}
        self._by_identity: dict[Hashable, list[Item]] = defaultdict(list)

    @property
    def items(self) -> list[Item]:
        """Every item, in order of adding."""
        with self._lock:
            return list(self._order)

    def with_uuid(self, item_uuid: str) -> Item | None:
        """The item with that uuid; ``None`` where there is none."""
        with self._lock:
            return self._by_uuid.get(item_uuid)

    def asking_for(self, wanted: Hashable) -> list[Item]:
        """The items whose `identity` is ``wanted``."""
        with self._lock:
            return list(self._by_identity.get(wanted, ()))

    def update(self, list_names: Callable[[], Iterable[str]]) -> None:
        """Take in the folders that ``list_names`` finds, and forget the others.

        The listing is made under the lock: an older one of another thread would take folders
        away that a newer one has found.
        """
        with self._lock:
            self._update(set(list_names()))

    def _update(self, present: set[str]) -> None:
        gone = self._by_folder.keys() - present
        for name in gone:
            self._forget(self._by_folder.pop(name))
        for name, item in list(self._by_folder.items()) if gone else ():
            if item.copy_of in gone:  # it stands for itself from now on
                self._forget(self._by_folder.pop(name))
        # Sorted: items of one process appear in the order of their uuid-free time stamps, so that
        # two that share a moment keep an order that every process sees.
        for name in sorted(present - self._by_folder.keys()):
            item = Item(self._batch, self._batch.path / "items" / name)
            self._by_folder[name] = item
            self._take_in(item)

    def _take_in(self, item: Item) -> None:
        name = item.folder.name
        try:
            spec = item.spec
        except BatchError:
            self._keys[name] = (_time_in_name(name), name)
        else:
            self._keys[name] = (spec.added, name)
            first = self._by_uuid.setdefault(spec.uuid, item)
            if first is item:
                self._by_identity[identity(spec)].append(item)
            elif first.folder.name != name:  # a folder is never a copy of itself
                item.copy_of = first.folder.name
        insort(self._order, item, key=lambda other: self._keys[other.folder.name])

    def _forget(self, item: Item) -> None:
        del self._keys[item.folder.name]
        self._order.remove(item)
        self._by_uuid = {key: other for key, other in self._by_uuid.items() if other != item}
        for items in self._by_identity.values():
            if item in items:
                items.remove(item)


def identity(spec: ItemSpec) -> Hashable:
    """Equal for two items that ask for the same: inputs, hash, algorithm and engine."""
    if spec.movie is None:
        source: Hashable = spec.parent
    else:
        movie = spec.movie
        files = movie.array_fingerprint or movie.fingerprint or movie.paths
        # A rate among the parameters wins over the movie's, and enters the hash.
        group = spec.params.get("data")
        rate = group.get("fr") if isinstance(group, dict) else None
        rate = movie.frame_rate_hz if not isinstance(rate, int | float) else None
        source = (files, *movie.open_with.items(), rate, movie.pixel_size_um)
    return source, spec.hash, spec.algorithm, spec.engine


def _time_in_name(name: str) -> datetime:
    """Time when a damaged item was added, as far as the name of its folder says."""
    try:
        return datetime.strptime(name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
