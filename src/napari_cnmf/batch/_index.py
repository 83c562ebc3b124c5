"""The items of a batch by folder, uuid and what they ask for; one look a new folder."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from napari_cnmf.batch.item import Item
from napari_cnmf.batch.spec import ItemSpec
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch


class ItemIndex:
    """What a `Batch` knows of its folders; never the truth, that is on disk."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._by_folder: dict[str, Item] = {}
        self._keys: dict[str, tuple[datetime, str]] = {}
        self.order: list[Item] = []
        """By the time of adding."""
        self.by_uuid: dict[str, Item] = {}
        self.by_identity: dict[Hashable, list[Item]] = defaultdict(list)

    def update(self, names: Iterable[str]) -> None:
        """Take in the folders ``names``, and forget the others."""
        present = set(names)
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
            first = self.by_uuid.setdefault(spec.uuid, item)
            if first is item:
                self.by_identity[identity(spec)].append(item)
            else:
                item.copy_of = first.folder.name
        insort(self.order, item, key=lambda other: self._keys[other.folder.name])

    def _forget(self, item: Item) -> None:
        del self._keys[item.folder.name]
        self.order.remove(item)
        self.by_uuid = {key: other for key, other in self.by_uuid.items() if other != item}
        for items in self.by_identity.values():
            if item in items:
                items.remove(item)


def identity(spec: ItemSpec) -> Hashable:
    """Equal for two items that ask for the same: inputs, hash, algorithm and engine."""
    if spec.movie is None:
        source: Hashable = spec.parent
    else:
        files = spec.movie.fingerprint or spec.movie.paths
        source = (files, *spec.movie.open_with.items())
    return source, spec.hash, spec.algorithm, spec.engine


def _time_in_name(name: str) -> datetime:
    """When a damaged item was added, as far as its folder says."""
    try:
        return datetime.strptime(name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
