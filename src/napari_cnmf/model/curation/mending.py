"""Edits of a journal that lost lines, has some twice, or knows more than this version.

A journal is read line by line. Whatever the lines are, the result is a sound history: every edit
has a number of its own and a parent that was made before it, and every id is made once. See
``docs/decisions/journals-open-whatever-happened.md`` for the rules and their reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from napari_cnmf.errors import CurationError
from napari_cnmf.model.curation.edits import Edit, EditKind

_MOST_IDS = 1_000_000
"""Number of components that edits may add to a result. A damaged id must not reserve memory."""


@dataclass(frozen=True)
class Move:
    """Step of undo, redo or the history to the edit ``target``."""

    target: int


@dataclass
class MendedJournal:
    """A sound history, and what had to be done to make it so.

    Attributes
    ----------
    steps
        Edits and moves in the order in which they are replayed.
    lines
        The same as lines of a journal, with the lines that this version does not know.
    seen
        Ids that older versions wrote into the journal when they were looked at.
    n_unusable
        Number of lines that are no edit, or an edit that contradicts those before it.
    n_lost
        Number of edits that others were made on and whose lines are missing.
    n_doubled
        Number of lines that are there twice, out of order, or whose number is taken.
    newer_kinds
        Kinds of edits that only a newer version knows.
    next_move
        Number of the next step of undo, redo or of the history.
    """

    steps: list[Edit | Move] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    n_unusable: int = 0
    n_lost: int = 0
    n_doubled: int = 0
    newer_kinds: set[str] = field(default_factory=set)
    next_move: int = 1

    @property
    def is_changed(self) -> bool:
        """Whether the lines differ from those that were read."""
        return bool(self.n_unusable or self.n_lost or self.n_doubled)


def mend_lines(lines: Sequence[Mapping[str, Any]], n_base: int) -> MendedJournal:
    """Make a sound history of the lines of a journal.

    Parameters
    ----------
    lines
        JSON objects in the order in which they were written.
    n_base
        Number of the engine's components: ids below it are not an edit's to give.
    """
    return _Mender(lines, n_base).mended


class _Mender:
    """Reads lines one after the other and keeps the history sound after each."""

    def __init__(self, lines: Sequence[Mapping[str, Any]], n_base: int) -> None:
        self.mended = MendedJournal()
        self._n_base = n_base
        self._edits: dict[int, Edit] = {}
        self._read_as: dict[int, Mapping[str, Any]] = {}
        self._line_of: dict[int, dict[str, Any]] = {}
        # Where the history stood just before an edit was made, by its number.
        self._stood: dict[int, int] = {}
        # The number under which an edit is kept whose own number was taken.
        self._renumbered: dict[int, int] = {}
        self._made_ids: set[int] = set()
        self._here = 0
        # Moves count on their own: their numbers are no numbers of edits.
        self._next_free = 1 + _highest_number(line for line in lines if "move" not in line)
        self.mended.next_move = 1 + _highest_number(line for line in lines if "move" in line)
        self._moves: dict[int, list[Mapping[str, Any]]] = {}
        # Moves of earlier versions have no number; theirs is how often the time had changed.
        self._unnumbered: dict[str, int] = {}
        self._time: Any = None
        self._n_times = 0
        self._is_out_of_order = False
        for line in lines:
            self._read(dict(line))
        if self._is_out_of_order:
            self._sort()

    def _read(self, line: dict[str, Any]) -> None:
        if line.get("time") != self._time:
            self._time = line.get("time")
            self._n_times += 1
        if "edit" in line:
            self._read_edit(line)
        elif "move" in line:
            self._read_move(line)
        elif "seen" in line:
            self._read_seen(line)
        else:
            # Written by a newer version: kept as it is for that version.
            self.mended.lines.append(line)

    def _read_seen(self, line: dict[str, Any]) -> None:
        ids = line["seen"] if isinstance(line["seen"], list) else []
        self.mended.seen.update(i for i in ids if type(i) is int and i >= 0)
        self.mended.lines.append(line)

    def _read_move(self, line: dict[str, Any]) -> None:
        target = _number(line["move"])
        if target is None:
            self.mended.n_unusable += 1
            return
        if self._is_doubled_move(line):
            self.mended.n_doubled += 1
            return
        number = _number(line.get("number"))
        if number is not None:
            made = self._moves.setdefault(number, [])
            made.append(line)
            if len(made) > 1:  # two programs wrote at the same time: both moves are made
                self.mended.n_doubled += 1
                line = line | {"number": self.mended.next_move}
                self.mended.next_move += 1
        target = self._renumbered.get(target, target)
        self._require_edit(target)
        self._here = target
        self.mended.steps.append(Move(target))
        self.mended.lines.append(line | {"move": target})

    def _is_doubled_move(self, line: Mapping[str, Any]) -> bool:
        """Whether this very move was made already: made again it would lead to another edit."""
        if (number := _number(line.get("number"))) is not None:
            return line in self._moves.get(number, ())
        # A script can undo, redo and undo within a millisecond: those lines are alike, too.
        when = self._unnumbered.setdefault(repr(sorted(line.items())), self._n_times)
        return "time" in line and when != self._n_times

    def _read_edit(self, line: dict[str, Any]) -> None:
        try:
            edit = Edit.from_line(line)
        except CurationError:
            self.mended.n_unusable += 1
            return
        renumbered = self._renumbered.get(edit.number)
        if line in (self._read_as.get(edit.number), self._read_as.get(renumbered or 0)):
            self.mended.n_doubled += 1
            return
        is_known = edit.number in self._edits and not self._is_stand_in(edit.number)
        if is_known or renumbered is not None:
            # Two programs wrote at the same time: the second edit is made on top of the first.
            self.mended.n_doubled += 1
            edit = replace(self._with_free_number(edit, line), parent=self._here)
        elif edit.parent in self._renumbered:
            edit = replace(edit, parent=self._renumbered[edit.parent])
            if edit.parent >= edit.number:
                edit = self._with_free_number(edit, line)
        if not self._is_sound(edit):
            self.mended.n_unusable += 1
            return
        self._require_edit(edit.parent)
        self._read_as.setdefault(edit.number, line)
        self._add(edit, line | {"number": edit.number, "parent": edit.parent})

    def _with_free_number(self, edit: Edit, line: dict[str, Any]) -> Edit:
        number = self._next_free
        self._next_free += 1
        self._read_as[number] = line
        self._renumbered[edit.number] = number
        return replace(edit, number=number)

    def _is_stand_in(self, number: int) -> bool:
        return self._edits[number].kind is EditKind.LOST and number not in self._read_as

    def _is_sound(self, edit: Edit) -> bool:
        """Whether an edit fits the history: its parent is older, and its ids were never made."""
        if edit.number < 1 or not 0 <= edit.parent < edit.number:
            return False
        if min(edit.ids, default=0) < 0:
            return False
        made = set(edit.new_ids)
        highest = self._n_base + _MOST_IDS
        if len(made) < len(edit.new_ids) or made & self._made_ids:
            return False
        if any(not self._n_base <= i < highest for i in made):
            return False
        makes_components = edit.kind in (EditKind.MERGE, EditKind.SPLIT, EditKind.ADD)
        return not made or makes_components or not isinstance(edit.kind, EditKind)

    def _add(self, edit: Edit, line: dict[str, Any]) -> None:
        is_late = edit.number in self._edits
        if is_late:  # the line of an edit that something stood in for until now
            self._is_out_of_order = True
            self.mended.n_lost -= 1
            self.mended.n_doubled += 1
        if not isinstance(edit.kind, EditKind):
            self.mended.newer_kinds.add(edit.kind)
        self._stood.setdefault(edit.number, self._here)
        self._edits[edit.number] = edit
        self._line_of[edit.number] = line
        self._made_ids.update(edit.new_ids)
        if not is_late:
            self._here = edit.number
        self.mended.steps.append(edit)
        self.mended.lines.append(line)

    def _sort(self) -> None:
        """Put edits whose lines came in another order back into the order of their numbers."""
        others = [line for line in self.mended.lines if not {"edit", "move"} & line.keys()]
        numbers = sorted(self._edits)
        steps: list[Edit | Move] = [self._edits[n] for n in numbers]
        self.mended.steps = [*steps, Move(self._here)]
        edits = [self._line_of[n] for n in numbers]
        move = {"move": self._here, "number": self.mended.next_move}
        self.mended.next_move += 1
        self.mended.lines = [*others, *edits, move]

    def _require_edit(self, number: int) -> None:
        """Let an edit that changes nothing stand in for one whose line is missing."""
        if number == 0 or number in self._edits:
            return
        later = [n for n in self._edits if n > number]
        parent = self._stood[min(later)] if later else self._here
        while parent >= number:
            parent = self._edits[parent].parent
        edit = Edit(number=number, parent=parent, kind=EditKind.LOST)
        self.mended.n_lost += 1
        self._add(edit, edit.to_line())
        self._next_free = max(self._next_free, number + 1)


def _highest_number(lines: Iterable[Mapping[str, Any]]) -> int:
    return max((_number(line.get("number")) or 0 for line in lines), default=0)


def _number(value: Any) -> int | None:
    """Return ``value`` where it can be the number of an edit, else ``None``."""
    return value if type(value) is int and 0 <= value < 2**53 else None
