"""Matches between sessions and the decisions about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from napari_cnmf.errors import CurationError
from napari_cnmf.model.ids import Ids, as_id, as_ids, whole_numbers

MatchEdit = Mapping[str, Any]
"""``{"edit": "accept" | "unlink" | "link", ...}``, as it is saved."""

State = Literal["auto", "accepted", "by hand"]


@dataclass
class Match:
    """One cell, and the component of each session that is this cell.

    Attributes
    ----------
    components
        Id of its component in each session where it was found, by the session's number.
    probabilities
        Probability that each of them is the cell that was known before; none for the first, and
        for what was linked by hand.
    state
        ``auto``; ``accepted`` by hand; ``by hand`` where a component was linked or unlinked.
    """

    components: dict[int, int]
    probabilities: dict[int, float] = field(default_factory=dict)
    state: State = "auto"

    @property
    def probability(self) -> float:
        """The lowest of its matches' probabilities; NaN without any."""
        return min(self.probabilities.values(), default=math.nan)


class SessionMatches:
    """Cells over sessions: the found ones, then edits; every edit can be undone.

    Parameters
    ----------
    sessions
        Names, in order.
    found
        As the assignment gave them; never changed.
    edits
        Made since.

    Notes
    -----
    A cell's number stays what it is; cells made by unlinking count on. A component belongs to one
    cell at a time, a cell has at most one component of a session.
    """

    def __init__(
        self, sessions: Sequence[str], found: Sequence[Match], edits: Sequence[MatchEdit] = ()
    ) -> None:
        self.sessions = tuple(sessions)
        self._found = list(found)
        self._edits: list[MatchEdit] = []
        self._listeners: list[Callable[[], None]] = []
        self._replay(edits)

    def __repr__(self) -> str:
        names = ", ".join(self.sessions)
        return f"<SessionMatches: {len(self.cells)} cells over {names}, {len(self._edits)} edits>"

    @property
    def found(self) -> list[Match]:
        """The matches that the assignment found, without edits."""
        return self._found

    @property
    def edits(self) -> list[MatchEdit]:
        """The edits that were made and not taken back."""
        return list(self._edits)

    @property
    def cells(self) -> dict[int, Match]:
        """Every cell that has a component, by number."""
        return {number: cell for number, cell in self._cells.items() if cell.components}

    def cell_of(self, session: int, component: int) -> int:
        """The number of the cell that has this component.

        Raises
        ------
        CurationError
            No such component.
        """
        for number, cell in self._cells.items():
            if cell.components.get(session) == component:
                return number
        name = self.sessions[session] if 0 <= session < len(self.sessions) else session
        raise CurationError(f"There is no component {component} in {name}.")

    def accept(self, cells: Ids) -> None:
        """Say that these cells are right: by their numbers, or by a mask over :attr:`cells`."""
        listed = as_ids(cells, np.asarray(list(self.cells), dtype=np.intp), what="cell")
        self._commit({"edit": "accept", "cells": listed})

    def unlink(self, cell: int, session: int) -> int:
        """Make a cell of its own of a component; returns its number."""
        sessions = np.arange(len(self.sessions))
        number = as_id(cell, np.asarray(list(self.cells), dtype=np.intp), what="cell")
        self._commit(
            {"edit": "unlink", "cell": number, "session": as_id(session, sessions, what="session")}
        )
        return len(self._cells) - 1

    def link(self, components: Mapping[int, int]) -> int:
        """Say that components, by session, are one cell; returns its number.

        They leave the cells they were in. Whatever stood in their place in the cell of the first
        one becomes a cell of its own.
        """
        sessions = np.arange(len(self.sessions))
        whole = {
            as_id(session, sessions, what="session"): whole_numbers(id_)[0]
            for session, id_ in components.items()
        }
        plain = {str(session): id_ for session, id_ in whole.items()}
        first = next(iter(whole.items()), None)
        self._commit({"edit": "link", "components": plain})
        assert first is not None  # an empty link is refused
        return self.cell_of(*first)

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._edits)

    def undo(self) -> bool:
        """Take the last edit back; False where there is none."""
        if not self._edits:
            return False
        self._replay(self._edits[:-1])
        self._tell()
        return True

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every edit and undo; returns what disconnects it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _replay(self, edits: Sequence[MatchEdit]) -> None:
        self._cells = {
            number: Match(dict(cell.components), dict(cell.probabilities), cell.state)
            for number, cell in enumerate(self._found)
        }
        self._edits = []
        for edit in edits:
            self._apply(edit)
            self._edits.append(edit)

    def _commit(self, edit: MatchEdit) -> None:
        self._apply(edit)
        self._edits.append(edit)
        self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()

    def _apply(self, edit: MatchEdit) -> None:
        try:
            kind = edit["edit"]
            if kind == "accept":
                for cell in [self._cell(number) for number in edit["cells"]]:
                    cell.state = "accepted"
            elif kind == "unlink":
                self._unlink(self._cell(edit["cell"]), int(edit["session"]))
            elif kind == "link":
                self._link({int(s): int(i) for s, i in edit["components"].items()})
            else:
                raise CurationError(f"There is no edit {kind!r} of matches.")
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise CurationError(f"An edit of matches is damaged: {dict(edit)!r:.120}.") from error

    def _cell(self, number: int) -> Match:
        cell = self._cells.get(int(number))
        if cell is None or not cell.components:
            raise CurationError(f"There is no cell {number}.")
        return cell

    def _unlink(self, cell: Match, session: int) -> None:
        if session not in cell.components or len(cell.components) < 2:
            name = self.sessions[session] if 0 <= session < len(self.sessions) else session
            raise CurationError(
                f"Only what is matched can be unlinked; the cell has no match in {name}."
            )
        self._split_off(cell, session)
        cell.state = "by hand"

    def _split_off(self, cell: Match, session: int) -> None:
        alone = Match({session: cell.components.pop(session)}, {}, "by hand")
        cell.probabilities.pop(session, None)
        self._cells[len(self._cells)] = alone

    def _link(self, components: Mapping[int, int]) -> None:
        if len(components) < 2:
            raise CurationError(
                "Two or more components of different sessions can be linked, got "
                f"{len(components)}. Select one in each session."
            )
        owners = {s: self._cells[self.cell_of(s, id_)] for s, id_ in components.items()}
        target = next(iter(owners.values()))
        for session, id_ in components.items():
            owner = owners[session]
            if owner is target:
                continue
            owner.components.pop(session)
            owner.probabilities.pop(session, None)
            if session in target.components:
                self._split_off(target, session)
            target.components[session] = id_
        target.state = "by hand"
