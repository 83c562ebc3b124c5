"""The journal, the tree of its edits, and the state they lead to: always in step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from napari_cnmf.model.curation.edits import CHANGES_COMPONENTS, SHAPE_EDITS, Edit, EditKind
from napari_cnmf.model.curation.history import EditTree
from napari_cnmf.model.curation.state import CuratedState, TakeBack
from napari_cnmf.model.curation.stored import ArrayStore, EditedComponent, Journal


class EditLog:
    """Makes edits, takes them back, and writes both down before it does.

    Parameters
    ----------
    n_base
        Number of the engine's components.
    journal, arrays
        Where edits and their arrays are kept; what is there already is replayed.
    who
        The curator, as written into each line.

    Attributes
    ----------
    tree
        All edits and where one stands.
    state
        What the edits that stand amount to.
    seen
        Ids that were looked at; no undo changes them.
    shape_version
        Another number whenever other components are there.
    verdict_version
        Another number whenever thresholds or components may judge otherwise.
    """

    def __init__(self, n_base: int, journal: Journal, arrays: ArrayStore, who: str) -> None:
        self._journal = journal
        self._arrays = arrays
        self._who = who
        self._take_back: dict[int, TakeBack] = {}
        self._listeners: list[Callable[[], None]] = []
        self._next_id = n_base
        self.tree = EditTree()
        self.state = CuratedState(n_base)
        self.seen: set[int] = set()
        self.shape_version = 0
        self.verdict_version = 0
        self._replay()

    # -- going on

    def commit(
        self,
        kind: EditKind,
        ids: Sequence[int] = (),
        value: Any = None,
        *,
        n_new: int = 0,
        arrays: Sequence[EditedComponent] = (),
    ) -> tuple[int, ...]:
        """Make an edit; returns the ids of the components that it makes, which were never used.

        Raises
        ------
        CurationError
            When it cannot be written down: nothing has changed then.
        """
        new_ids = tuple(range(self._next_id, self._next_id + n_new))
        edit = Edit(
            number=self.tree.next_number,
            parent=self.tree.here,
            kind=kind,
            ids=tuple(ids),
            value=value,
            new_ids=new_ids,
            who=self._who,
            time=_now(),
        )
        if arrays:
            # Another window may have given this number to an edit of its own.
            self._journal.require_current()
            self._arrays.write(edit.number, arrays)
        self._journal.append(edit.to_line())
        self._add(edit)
        self._take_back[edit.number] = self.state.apply(edit, arrays)
        self._note_change({kind})
        self._tell()
        return new_ids

    def move(self, target: int | None) -> bool:
        """Stand on another edit; False where that leads nowhere."""
        if target is None or target == self.tree.here:
            return False
        back, forth = self.tree.route(target)
        self._write({"move": target})
        for number in back:
            self._take_back.pop(number)()
        for number in forth:
            self._apply(self.tree.edits[number])
        self.tree.stand_on(target)
        self._note_change({self.tree.edits[number].kind for number in (*back, *forth)})
        self._tell()
        return True

    def mark_seen(self, ids: Sequence[int]) -> None:
        """Write down what was looked at; no step of the history, and listeners are not called."""
        fresh = [i for i in ids if i not in self.seen]
        if fresh:
            self._write({"seen": fresh})
            self.seen.update(fresh)

    # -- looking back

    def lines(self) -> list[dict[str, Any]]:
        """The journal as it stands."""
        return list(self._journal.lines())

    def arrays_of(self, number: int) -> list[EditedComponent]:
        """The components that edit ``number`` made or redrew; empty for other edits."""
        is_shape = self.tree.edits[number].kind in SHAPE_EDITS
        return list(self._arrays.read(number)) if is_shape else []

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every edit and move; returns what disconnects it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _replay(self) -> None:
        for line in self._journal.lines():
            if "seen" in line:
                self.seen.update(int(i) for i in line["seen"])
            elif "move" in line:
                self.tree.path(int(line["move"]))
                self.tree.stand_on(int(line["move"]))
            else:
                self._add(Edit.from_line(line))
        for number in self.tree.path(self.tree.here):
            self._apply(self.tree.edits[number])

    def _add(self, edit: Edit) -> None:
        self.tree.add(edit)
        self._next_id = max(self._next_id - 1, *edit.new_ids, -1) + 1

    def _apply(self, edit: Edit) -> None:
        arrays = self._arrays.read(edit.number) if edit.kind in SHAPE_EDITS else ()
        self._take_back[edit.number] = self.state.apply(edit, arrays)

    def _write(self, line: dict[str, Any]) -> None:
        self._journal.append({**line, "who": self._who, "time": _now()})

    def _note_change(self, kinds: set[EditKind]) -> None:
        changes_components = bool(kinds & CHANGES_COMPONENTS)
        self.shape_version += changes_components
        self.verdict_version += changes_components or EditKind.SET_THRESHOLDS in kinds

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
