"""Every edit ever made, as a tree with a place where one stands. Nothing is erased."""

from __future__ import annotations

from napari_cnmf.errors import CurationError
from napari_cnmf.model.curation.edits import Edit

ROOT = 0
"""The engine's result, before any edit."""


class EditTree:
    r"""Edits by number, each on its parent, and the one that stands now.

    ::

        0 --- 1 --- 2 --- 3          undo twice, then edit: 4 starts a branch,
                     \-- 4 (here)    and 3 can still be gone back to

    Undo goes to the parent, redo to the child that was left last.
    """

    def __init__(self) -> None:
        self.edits: dict[int, Edit] = {}
        self.here = ROOT
        self._redo: dict[int, int] = {}

    @property
    def next_number(self) -> int:
        """Number that the next edit gets."""
        return max(self.edits, default=ROOT) + 1

    def add(self, edit: Edit) -> None:
        """Append an edit and stand on it."""
        if edit.number in self.edits or (edit.parent != ROOT and edit.parent not in self.edits):
            raise CurationError(
                f"Edit {edit.number} must be new and have a known parent, got parent {edit.parent}."
            )
        self.edits[edit.number] = edit
        self._redo[edit.parent] = edit.number
        self.here = edit.number

    def parent(self, number: int) -> int | None:
        """Number of the edit that an edit was made on; ``None`` for the engine's result."""
        return None if number == ROOT else self.edits[number].parent

    @property
    def undo_target(self) -> int | None:
        """Number of the edit that undo leads to; ``None`` at the engine's result."""
        return self.parent(self.here)

    @property
    def redo_target(self) -> int | None:
        """Number of the edit that redo leads to; ``None`` when nothing was undone here."""
        return self._redo.get(self.here)

    def path(self, number: int) -> list[int]:
        """Edits from the first one to ``number``, both included."""
        path = []
        while number != ROOT:
            if number not in self.edits:
                raise CurationError(
                    f"There is no edit {number} in this history. cur.history lists the edits."
                )
            path.append(number)
            number = self.edits[number].parent
        return path[::-1]

    def route(self, target: int) -> tuple[list[int], list[int]]:
        """Way from here to ``target``: edits to take back, then edits to make, in order."""
        now, then = self.path(self.here), self.path(target)
        shared = 0
        while shared < min(len(now), len(then)) and now[shared] == then[shared]:
            shared += 1
        return now[shared:][::-1], then[shared:]

    def stand_on(self, target: int) -> None:
        """Move to ``target``; redo leads back along the way that leads there."""
        for number in self.path(target):
            self._redo[self.edits[number].parent] = number
        self.here = target
