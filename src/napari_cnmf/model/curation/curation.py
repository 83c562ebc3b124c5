"""A result and the decisions about it."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import CurationError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation.edits import Decision, Edit, EditKind
from napari_cnmf.model.curation.estimator import Estimator
from napari_cnmf.model.curation.history import EditTree
from napari_cnmf.model.curation.state import CuratedState, TakeBack
from napari_cnmf.model.curation.stored import (
    ArrayStore,
    EditedComponent,
    Journal,
    MemoryArrayStore,
    MemoryJournal,
    assemble,
)
from napari_cnmf.model.evaluation import ACCEPTED_CLASSES, passes_thresholds
from napari_cnmf.params import CNMFParams, QualityParams

Ids = int | Iterable[int]


class Curation:
    """The engine's components, frozen, and a journal of what a curator did to them.

    Every edit is written to the journal before it is made, so that a crash loses at most the edit
    being written. A decision is ``AUTO`` (follows the thresholds) or made by hand; thresholds
    never change what was decided by hand.

    Parameters
    ----------
    original
        What the engine found; never changed.
    journal, arrays
        Where edits and their arrays are kept; in memory by default.
    estimator
        Re-estimates merged, split and drawn components; without one those edits are refused.
    who
        The curator, as written into each edit.

    Notes
    -----
    Ids are stable: the engine's component ``i`` stays ``i``, new ones count on, and no id is used
    twice. ``ids[row]`` translates rows of :attr:`components` to ids.

    Examples
    --------
    >>> cur.set_thresholds(min_SNR=3)           # doctest: +SKIP
    >>> cur.reject([3]); cur.undo()             # doctest: +SKIP
    """

    def __init__(
        self,
        original: Components,
        *,
        journal: Journal | None = None,
        arrays: ArrayStore | None = None,
        estimator: Estimator | None = None,
        who: str | None = None,
    ) -> None:
        self.original = original
        self.estimator = estimator
        self.who = who if who is not None else _user_name()
        self.base_quality = _quality_of(original)
        self.accepted_classes = ACCEPTED_CLASSES
        self._journal: Journal = journal if journal is not None else MemoryJournal()
        self._arrays: ArrayStore = arrays if arrays is not None else MemoryArrayStore()
        self._tree = EditTree()
        self._state = CuratedState(original.n_components)
        self._take_back: dict[int, TakeBack] = {}
        self._components: Components | None = original
        self._auto: NDArray[np.bool_] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._replay()

    # -- what stands now

    @property
    def ids(self) -> NDArray[np.intp]:
        """Ids of the components, ascending, ``(n_components,)``."""
        return self._state.ids

    @property
    def components(self) -> Components:
        """The components as curated so far; row ``i`` has id ``ids[i]``."""
        if self._components is None:
            self._components = assemble(self.original, self._state.rows())
        return self._components

    @property
    def decisions(self) -> NDArray[np.uint8]:
        """``Decision`` of each component, ``(n_components,)``."""
        return self._state.decisions[self.ids]

    @property
    def quality(self) -> QualityParams:
        """The thresholds that stand: the engine's, and what was set since."""
        return QualityParams.model_validate(self.base_quality.model_dump() | self._state.thresholds)

    @property
    def auto_accepted(self) -> NDArray[np.bool_]:
        """What the thresholds alone accept, ``(n_components,)``."""
        if self._auto is None:
            self._auto = self.preview_thresholds()
        return self._auto

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Accepted components, ``(n_components,)``: by hand, or by the thresholds where undecided.

        ``UNSURE`` keeps the side that the thresholds give it.
        """
        return self.resolve(self.auto_accepted)

    def resolve(self, auto: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """``auto`` with the decisions by hand on top."""
        decisions = self.decisions
        by_hand = decisions == Decision.ACCEPTED
        return np.asarray((auto | by_hand) & (decisions != Decision.REJECTED), dtype=bool)

    def preview_thresholds(self, **thresholds: Any) -> NDArray[np.bool_]:
        """What other thresholds would accept unasked, ``(n_components,)``; nothing is changed."""
        quality = QualityParams.model_validate(self.quality.model_dump() | thresholds)
        components = self.components
        verdict = self.original.accepted
        untouched = quality == self.base_quality and components is self.original
        if untouched and verdict is not None:
            return verdict
        return passes_thresholds(components, quality, self.accepted_classes)

    def tags(self, id_: int) -> frozenset[str]:
        return self._state.tags.get(id_, frozenset())

    def note_of(self, id_: int) -> str:
        return self._state.notes.get(id_, "")

    @property
    def seen(self) -> NDArray[np.bool_]:
        """What the curator has looked at, ``(n_components,)``."""
        return self._state.seen[self.ids]

    def row_of(self, id_: int) -> int:
        """The row of :attr:`components` that has this id."""
        self._state.require([id_])
        return int(np.searchsorted(self.ids, id_))

    # -- decisions

    def accept(self, ids: Ids) -> None:
        """Accept by hand."""
        self._decide(EditKind.ACCEPT, ids)

    def reject(self, ids: Ids) -> None:
        """Reject by hand."""
        self._decide(EditKind.REJECT, ids)

    def unsure(self, ids: Ids) -> None:
        """Mark for another look; the thresholds' side is kept."""
        self._decide(EditKind.UNSURE, ids)

    def auto(self, ids: Ids) -> None:
        """Leave it to the thresholds again."""
        self._decide(EditKind.AUTO, ids)

    def mark_seen(self, ids: Ids) -> None:
        """Remember that these were looked at; does nothing for what was seen before."""
        index = self._state.require(_listed(ids))
        fresh = index[~self._state.seen[index]]
        if fresh.size:
            self._decide(EditKind.SEEN, fresh.tolist())

    def set_thresholds(self, **thresholds: Any) -> None:
        """Set evaluation parameters by CaImAn's names; changes only what is ``AUTO``.

        Raises
        ------
        ParameterError
            When a name is unknown or a value out of bounds.
        """
        QualityParams.model_validate(self.quality.model_dump() | thresholds)
        self._commit(EditKind.SET_THRESHOLDS, value=thresholds)

    def tag(self, ids: Ids, tag: str) -> None:
        """Give a tag."""
        self._commit(EditKind.TAG, self._state.require(_listed(ids)).tolist(), _said(tag, "tag"))

    def untag(self, ids: Ids, tag: str) -> None:
        """Take a tag away."""
        self._commit(EditKind.UNTAG, self._state.require(_listed(ids)).tolist(), _said(tag, "tag"))

    def note(self, ids: Ids, text: str) -> None:
        """Write a note; an empty one removes it."""
        self._commit(EditKind.NOTE, self._state.require(_listed(ids)).tolist(), text)

    def _decide(self, kind: EditKind, ids: Ids) -> None:
        self._commit(kind, self._state.require(_listed(ids)).tolist())

    # -- shapes

    def merge(self, ids: Ids) -> int:
        """Make one component of several; returns its id."""
        index = self._state.require(_listed(ids))
        if np.unique(index).size < 2:
            raise CurationError(f"A merge needs two components or more, got {index.tolist()}.")
        rows = np.searchsorted(self.ids, index)
        merged = self._estimate().merge(self.components, rows)
        return self._make(EditKind.MERGE, index.tolist(), [merged])[0]

    def split(self, id_: int, parts: Sequence[NDArray[np.int64]] | None = None) -> list[int]:
        """Make several components of one; returns their ids.

        Parameters
        ----------
        parts
            C-order pixels of each part; by default the estimator divides by time course.
        """
        row = self.row_of(id_)
        return self._make(
            EditKind.SPLIT, [id_], self._estimate().split(self.components, row, parts)
        )

    def add(self, pixels: NDArray[np.int64]) -> int:
        """Add a drawn component.

        Parameters
        ----------
        pixels
            C-order pixel indices inside the drawn outline.
        """
        _require_pixels(pixels, self.original.n_pixels)
        added = self._estimate().add(self.components, pixels)
        return self._make(EditKind.ADD, [], [added])[0]

    def redraw(self, id_: int, pixels: NDArray[np.int64]) -> None:
        """Give a component another outline; traces and scores follow."""
        row = self.row_of(id_)
        _require_pixels(pixels, self.original.n_pixels)
        redrawn = self._estimate().redraw(self.components, row, pixels)
        self._commit(EditKind.REDRAW, [id_], arrays=[redrawn])

    def delete(self, ids: Ids) -> None:
        """Take components out of the result; :meth:`restore` and :meth:`undo` bring them back."""
        self._decide(EditKind.DELETE, ids)

    def restore(self, ids: Ids) -> None:
        """Bring back deleted components."""
        index = _listed(ids)
        n, deleted = self._state.n_ids, self._state.deleted
        bad = [i for i in index if not (0 <= i < n and deleted[i])]
        if bad:
            raise CurationError(
                f"Only deleted components can be restored; not deleted: {bad}. "
                "Undo brings back what was merged or split."
            )
        self._commit(EditKind.RESTORE, index)

    def _estimate(self) -> Estimator:
        if self.estimator is None:
            raise CurationError(
                "Merging, splitting and drawing re-estimate components, and this result was opened "
                "without an estimator. Open it with its movie."
            )
        return self.estimator

    def _make(self, kind: EditKind, ids: list[int], made: list[EditedComponent]) -> list[int]:
        taken = (i for edit in self._tree.edits.values() for i in edit.new_ids)
        first = max([self._state.n_base - 1, *taken]) + 1
        new_ids = list(range(first, first + len(made)))
        self._commit(kind, ids, new_ids=new_ids, arrays=made)
        return new_ids

    # -- history

    @property
    def history(self) -> list[Edit]:
        """All edits ever made, in the order made, those undone included."""
        return list(self._tree.edits.values())

    @property
    def applied(self) -> list[Edit]:
        """The edits that lead from the engine's result to what stands now."""
        return [self._tree.edits[n] for n in self._tree.path(self._tree.here)]

    @property
    def here(self) -> int:
        """Number of the edit that stands now; 0 is the engine's result."""
        return self._tree.here

    @property
    def can_undo(self) -> bool:
        return self._tree.undo_target is not None

    @property
    def can_redo(self) -> bool:
        return self._tree.redo_target is not None

    def undo(self) -> bool:
        """Take the last edit back; False at the engine's result."""
        return self._move(self._tree.undo_target)

    def redo(self) -> bool:
        """Make the edit again that was undone last; False when there is none."""
        return self._move(self._tree.redo_target)

    def go_to(self, number: int) -> None:
        """Go to any point of the history; 0 is the engine's result."""
        self._tree.path(number)
        self._move(number)

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every edit, undo and redo; returns what disconnects it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _move(self, target: int | None) -> bool:
        if target is None or target == self._tree.here:
            return False
        self._journal.append({"move": target, "who": self.who, "time": _now()})
        self._walk(target)
        self._changed()
        return True

    def _walk(self, target: int) -> None:
        back, forth = self._tree.route(target)
        for number in back:
            self._take_back.pop(number)()
        for number in forth:
            self._apply(self._tree.edits[number])
        self._tree.stand_on(target)
        self._forget_assembled()

    def _commit(
        self,
        kind: EditKind,
        ids: Sequence[int] = (),
        value: Any = None,
        *,
        new_ids: Sequence[int] = (),
        arrays: Sequence[EditedComponent] = (),
    ) -> None:
        edit = Edit(
            number=self._tree.next_number,
            parent=self._tree.here,
            kind=kind,
            ids=tuple(ids),
            value=value,
            new_ids=tuple(new_ids),
            who=self.who,
            time=_now(),
        )
        if arrays:
            self._arrays.write(edit.number, arrays)
        self._journal.append(edit.to_line())
        self._tree.add(edit)
        self._take_back[edit.number] = self._state.apply(edit, arrays)
        if arrays or kind in (EditKind.DELETE, EditKind.RESTORE):
            self._forget_assembled()
        elif kind is EditKind.SET_THRESHOLDS:
            self._auto = None
        self._changed()

    def _apply(self, edit: Edit) -> None:
        made = edit.kind in (EditKind.MERGE, EditKind.SPLIT, EditKind.ADD, EditKind.REDRAW)
        arrays = self._arrays.read(edit.number) if made else ()
        self._take_back[edit.number] = self._state.apply(edit, arrays)

    def _replay(self) -> None:
        for line in self._journal.lines():
            if "move" in line:
                self._tree.path(int(line["move"]))
                self._tree.stand_on(int(line["move"]))
            else:
                self._tree.add(Edit.from_line(line))
        for number in self._tree.path(self._tree.here):
            self._apply(self._tree.edits[number])
        self._forget_assembled()

    def _forget_assembled(self) -> None:
        untouched = not self._state.edited and bool(self._state.alive.all())
        self._components = self.original if untouched else None
        self._auto = None

    def _changed(self) -> None:
        for listener in list(self._listeners):
            listener()


def _quality_of(components: Components) -> QualityParams:
    """The thresholds the engine ran with; CaImAn's defaults where the file does not say."""
    stored = components.params.get("quality", {})
    known = {key: value for key, value in stored.items() if key in QualityParams.model_fields}
    return CNMFParams().replace(quality=known).quality


def _listed(ids: Ids) -> list[int]:
    return [int(ids)] if isinstance(ids, (int, np.integer)) else [int(i) for i in ids]


def _said(text: str, what: str) -> str:
    if not text.strip():
        raise CurationError(f"A {what} must have a name, got {text!r}.")
    return text.strip()


def _require_pixels(pixels: NDArray[np.int64], n_pixels: int) -> None:
    if pixels.size == 0 or pixels.min() < 0 or pixels.max() >= n_pixels:
        raise CurationError(
            "A drawn component must cover at least one pixel of the field. "
            "Draw it inside the image, with an outline that does not cross itself."
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
