"""A journal that goes on from one that lies inside a saved file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_cnmf.model.curation import ArrayStore, EditedComponent, Journal


class ContinuedJournal:
    """Lines that were saved, then those written since."""

    def __init__(self, saved: Sequence[dict[str, Any]], since: Journal) -> None:
        self._saved = list(saved)
        self._since = since

    def lines(self) -> Sequence[dict[str, Any]]:
        return [*self._saved, *self._since.lines()]

    def require_current(self) -> None:
        self._since.require_current()

    def append(self, line: dict[str, Any]) -> None:
        self._since.append(line)


class ContinuedArrays:
    """Arrays of saved edits, then those of edits made since."""

    def __init__(self, saved: Mapping[int, list[EditedComponent]], since: ArrayStore) -> None:
        self._saved = dict(saved)
        self._since = since

    def read(self, number: int) -> list[EditedComponent]:
        return self._saved[number] if number in self._saved else self._since.read(number)

    def write(self, number: int, components: Sequence[EditedComponent]) -> None:
        self._since.write(number, components)
