"""The journal, the tree of its edits, and the state they lead to: always in step."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from napari_cnmf.errors import CurationError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation.edits import CHANGES_COMPONENTS, SHAPE_EDITS, Edit, EditKind
from napari_cnmf.model.curation.history import EditTree
from napari_cnmf.model.curation.mending import MendedJournal, Move, mend_lines
from napari_cnmf.model.curation.state import CuratedState, TakeBack
from napari_cnmf.model.curation.stored import (
    ArrayStore,
    EditedComponent,
    Journal,
    MemorySeenIds,
    SeenIds,
)


class EditLog:
    """Makes edits, takes them back, and writes both down before it does.

    Parameters
    ----------
    original
        The engine's components.
    journal, arrays
        Where edits and their arrays are kept; what is there already is replayed.
    who
        The curator, as written into each line.
    seen
        Where the ids are kept that were looked at; in memory by default.

    Attributes
    ----------
    tree
        All edits and where one stands.
    state
        What the edits that stand amount to.
    seen
        Ids that were looked at; no undo changes them.
    problem
        One sentence on what of the journal is damaged or unknown; empty where it is whole.
    version
        Another number after every edit and move.
    shape_version
        Another number whenever other components are there.
    verdict_version
        Another number whenever thresholds or components may judge otherwise.
    """

    def __init__(
        self,
        original: Components,
        journal: Journal,
        arrays: ArrayStore,
        who: str,
        seen: SeenIds | None = None,
    ) -> None:
        self._journal = journal
        self._arrays = arrays
        self._who = who
        self._size = original.n_pixels, original.n_frames
        self._take_back: dict[int, TakeBack] = {}
        self._listeners: list[Callable[[], None]] = []
        self._next_id = original.n_components
        self._seen = seen if seen is not None else MemorySeenIds()
        self.tree = EditTree()
        self.state = CuratedState(original.n_components)
        self.version = 0
        self.shape_version = 0
        self.verdict_version = 0
        # Edits whose arrays are missing or damaged; they change nothing.
        self._without_arrays: set[int] = set()
        mended = mend_lines(journal.lines(), original.n_components)
        self._lines = mended.lines
        self._next_move = mended.next_move
        self._must_rewrite = bool(journal.n_damaged or mended.is_changed)
        self.seen = self._seen.read() | mended.seen
        self._replay(mended)
        self.problem = self._describe_problem(mended)

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
        if any(not made.fits(*self._size) for made in arrays):
            raise CurationError(
                f"An estimator must make components of {self._size[0]} pixels and "
                f"{self._size[1]} frames. Open the result with the movie that it was made from."
            )
        # The lock is held from the first array to the line, so that no other process gives this
        # number to an edit of its own.
        with self._journal.writing():
            if arrays:
                self._arrays.write(edit.number, arrays)
            self._append(edit.to_line())
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
        with self._journal.writing():
            number = self._next_move
            self._append({"move": target, "number": number, "who": self._who, "time": _now()})
        self._next_move = number + 1
        for number in back:
            self._take_back.pop(number)()
        for number in forth:
            self._apply(self.tree.edits[number])
        self.tree.stand_on(target)
        self._note_change({self.tree.edits[number].kind for number in (*back, *forth)})
        self._tell()
        return True

    def mark_seen(self, ids: Sequence[int]) -> None:
        """Remember what was looked at; this is no edit, and no listener is called.

        Other windows may remember other ids at the same time.
        """
        fresh = [i for i in ids if i not in self.seen]
        if fresh:
            self.seen.update(fresh)
            self._seen.add(fresh)

    # -- looking back

    def lines(self) -> list[dict[str, Any]]:
        """The journal as it stands, without what is damaged."""
        return [dict(line) for line in self._lines]

    def arrays_of(self, number: int) -> list[EditedComponent]:
        """The components that edit ``number`` made or redrew; empty for other edits.

        Empty, too, where the arrays of the edit are missing or damaged.
        """
        if self.tree.edits[number].kind not in SHAPE_EDITS or number in self._without_arrays:
            return []
        return self._arrays_that_fit(self.tree.edits[number]) or []

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every edit and move; returns what disconnects it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _append(self, line: dict[str, Any]) -> None:
        plain = _plain_line(line)
        if self._must_rewrite:
            # What is written now must not lie behind damage: the journal is made whole first.
            self._journal.rewrite([*self._lines, plain])
            self._must_rewrite = False
        else:
            self._journal.append(plain)
        self._lines.append(plain)

    def _replay(self, mended: MendedJournal) -> None:
        for step in mended.steps:
            if isinstance(step, Move):
                self.tree.stand_on(step.target)
            else:
                self._add(step)
        for number in self.tree.path(self.tree.here):
            self._apply(self.tree.edits[number])

    def _add(self, edit: Edit) -> None:
        self.tree.add(edit)
        self._next_id = max(self._next_id - 1, *edit.new_ids, -1) + 1

    def _apply(self, edit: Edit) -> None:
        """Make an edit of the journal, as far as its arrays and components are there."""
        arrays = self._arrays_that_fit(edit) if edit.kind in SHAPE_EDITS else []
        if arrays is None:
            self._without_arrays.add(edit.number)
            self._take_back[edit.number] = lambda: None
            return
        self._take_back[edit.number] = self.state.apply(edit, arrays)

    def _arrays_that_fit(self, edit: Edit) -> list[EditedComponent] | None:
        """The components that an edit made; ``None`` where they are missing or damaged."""
        try:
            arrays = list(self._arrays.read(edit.number))
        except CurationError:
            return None
        expected = len(edit.ids if edit.kind is EditKind.REDRAW else edit.new_ids)
        sound = len(arrays) == expected and all(made.fits(*self._size) for made in arrays)
        return arrays if sound else None

    def _note_change(self, kinds: set[EditKind | str]) -> None:
        changes_components = bool(kinds & CHANGES_COMPONENTS)
        self.version += 1
        self.shape_version += changes_components
        self.verdict_version += changes_components or EditKind.SET_THRESHOLDS in kinds

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()

    def _describe_problem(self, mended: MendedJournal) -> str:
        n_damaged = self._journal.n_damaged + mended.n_unusable
        said = [
            _counted(n_damaged, "place", "cannot be read"),
            _counted(mended.n_lost, "edit", "is missing", "are missing"),
            _counted(
                mended.n_doubled,
                "line",
                "is there twice or out of order",
                "are there twice or out of order",
            ),
            _counted(
                len(self._without_arrays),
                "merged, split or drawn shape",
                "has no arrays beside the journal",
                "have no arrays beside the journal",
            ),
        ]
        if mended.newer_kinds:
            names = ", ".join(sorted(mended.newer_kinds)[:5])
            said.append(f"edits of a newer version ({names:.80}) change nothing here")
        faults = [fault for fault in said if fault]
        if not faults:
            return ""
        n_whole = sum(edit.kind is not EditKind.LOST for edit in self.tree.edits.values())
        n_intact = n_whole - len(self._without_arrays)
        sentence = (
            f"The journal of the curation is not whole: {', '.join(faults)}. "
            f"{_counted(n_intact, 'edit', 'is intact', 'are intact') or 'No edit is intact'}."
        )
        return f"{sentence} {self._journal.set_aside()}" if self._must_rewrite else sentence


def _counted(n: int, what: str, does: str, do: str | None = None) -> str:
    if n == 0:
        return ""
    return f"1 {what} {does}" if n == 1 else f"{n} {what}s {do or does}"


def _plain_line(line: dict[str, Any]) -> dict[str, Any]:
    """A line as it is read back from a file.

    Raises
    ------
    CurationError
        When it holds what JSON or UTF-8 cannot say.
    """
    try:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False, default=_plain)
        text.encode()
    except (TypeError, ValueError) as error:
        raise CurationError(
            f"An edit must hold numbers, text and nothing else that a text file cannot: {error}. "
            "The edit was not made."
        ) from error
    plain: dict[str, Any] = json.loads(text)
    return plain


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a journal")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
