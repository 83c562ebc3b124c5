"""Edits of a result: decisions, tags, notes, shapes, and the way back from each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._checks import check_callable, is_whole, shown
from napari_cnmf.errors import CurationError
from napari_cnmf.model.curation.comparing import Comparison, compare
from napari_cnmf.model.curation.edits import DECISION_OF_EDIT, EditKind
from napari_cnmf.model.curation.prepared import PreparedEdit, ShapeEdits
from napari_cnmf.model.curation.result import CuratedResult
from napari_cnmf.model.curation.stored import EditedComponent
from napari_cnmf.model.curation.suggestions import (
    MIN_CORRELATION,
    MIN_OVERLAP,
    MergeSuggestion,
    suggest_merges,
)
from napari_cnmf.model.evaluation import is_scored, read_thresholds
from napari_cnmf.model.ids import Ids, as_ids, whole_numbers
from napari_cnmf.params import QualityParams


class Curation(CuratedResult):
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
    seen
        Where the ids are kept that were looked at; in memory by default.
    estimator
        Re-estimates merged, split and drawn components; without one those edits are refused.
    who
        The curator, as written into each edit.
    path
        The file that the result was read from, which is never written to.
    journal_name
        Whose journal it is, where there are several beside one result.
    journal_remark
        One sentence on the journal that the one who found it has to say; often empty.

    Notes
    -----
    Ids are stable: the engine's component ``i`` stays ``i``, new ones count on, and no id is used
    twice. ``ids[row]`` translates rows of :attr:`components` to ids. Wherever ids are taken a
    boolean mask with one entry for each row selects, and numbers are ids, never rows.

    Decisions can be made again: what stands already is no edit, and adds nothing to the journal.

    Examples
    --------
    >>> cur.set_thresholds(min_SNR=3)           # doctest: +SKIP
    >>> cur.reject(cur.components.snr < 2.8)    # doctest: +SKIP
    >>> cur.reject([3]); cur.undo()             # doctest: +SKIP
    """

    # -- decisions

    def accept(self, ids: Ids) -> None:
        """Accept components by hand."""
        self._decide(EditKind.ACCEPT, ids)

    def reject(self, ids: Ids) -> None:
        """Reject components by hand."""
        self._decide(EditKind.REJECT, ids)

    def unsure(self, ids: Ids) -> None:
        """Mark components for another look; they stay on the thresholds' side."""
        self._decide(EditKind.UNSURE, ids)

    def auto(self, ids: Ids) -> None:
        """Leave the decision about components to the thresholds again."""
        self._decide(EditKind.AUTO, ids)

    def mark_seen(self, ids: Ids) -> None:
        """Remember that the curator has looked at these components.

        Looking is no edit: it is kept in a file of its own, is no step of the history, calls no
        listener, and never hinders another window. Call it for what a curator looked at, not for
        everything that is selected at once.
        """
        self._log.mark_seen(as_ids(ids, self.ids))

    def set_thresholds(self, **thresholds: Any) -> None:
        """Set evaluation parameters by CaImAn's names; changes only what is ``AUTO``.

        A result without scores cannot be judged by thresholds: the verdict that it came with
        stays, which a warning says.

        Parameters
        ----------
        **thresholds
            Numbers, and switches for ``use_cnn`` and ``use_ecc``. A lowest value below that of
            any component, such as ``SNR_lowest=-1``, rejects nothing.

        Raises
        ------
        ParameterError
            When a name is unknown, or a value is out of bounds, not finite, or text or a truth
            value in the place of a number.
        """
        thresholds = read_thresholds(thresholds)
        now = self.quality.model_dump()
        wanted = QualityParams.model_validate(now | thresholds)
        changes = {name: getattr(wanted, name) for name in thresholds}
        changes = {name: value for name, value in changes.items() if value != now[name]}
        if not changes:
            return
        if self.ids.size and not is_scored(self._shapes, wanted).any():
            warnings.warn(
                "Thresholds change nothing: this result holds no scores (SNR, r or that of a "
                "classifier) to judge by, so the verdict that it came with stays. Evaluate it, "
                "or decide by accept and reject.",
                stacklevel=2,
            )
            return
        self._log.commit(EditKind.SET_THRESHOLDS, value=changes)

    def tag(self, ids: Ids, tag: str) -> None:
        """Give components a tag."""
        tag, state = _said(tag, "tag"), self._state
        self._edit(EditKind.TAG, ids, tag, lambda i: tag not in state.tags.get(i, ()))

    def untag(self, ids: Ids, tag: str) -> None:
        """Take a tag away from components."""
        tag, state = _said(tag, "tag"), self._state
        self._edit(EditKind.UNTAG, ids, tag, lambda i: tag in state.tags.get(i, ()))

    def note(self, ids: Ids, text: str) -> None:
        """Write a note about a component; an empty one removes it."""
        if not isinstance(text, str):
            raise CurationError(f"A note must be text, got {shown(text)}.")
        self._edit(EditKind.NOTE, ids, text, lambda i: self._state.notes.get(i, "") != text)

    def _decide(self, kind: EditKind, ids: Ids) -> None:
        decisions, decision = self._state.decisions, DECISION_OF_EDIT[kind]
        self._edit(kind, ids, None, lambda i: decisions[i] != decision)

    def _edit(
        self, kind: EditKind, ids: Ids, value: Any, is_changed: Callable[[int], bool]
    ) -> None:
        """Make an edit of those components that it changes; none where it changes none."""
        listed = [i for i in as_ids(ids, self.ids) if is_changed(i)]
        if listed:
            self._log.commit(kind, listed, value)

    # -- shapes

    @property
    def shape_edits(self) -> ShapeEdits:
        """Estimates shape edits of what stands now without making them; may run in a thread.

        Make one with :meth:`commit`.
        """
        return ShapeEdits(self._shapes, self.ids, self.estimator)

    def commit(self, prepared: PreparedEdit) -> list[int]:
        """Make an estimated edit; returns the ids of the components it made or redrew.

        Raises
        ------
        CurationError
            When what it changes is not there any more, or it is no estimated edit.
        """
        if not isinstance(prepared, PreparedEdit):
            raise CurationError(
                f"An edit that cur.shape_edits estimated is needed, got {shown(prepared)}. "
                "Call for example cur.merge([3, 5]), which estimates and makes it in one go."
            )
        ids, made = as_ids(prepared.ids, self.ids), prepared.made
        if prepared.kind is EditKind.REDRAW:
            self._log.commit(EditKind.REDRAW, ids, arrays=made)
            return ids
        value = None
        if prepared.kind is EditKind.MERGE and (decision := self._state.merged_decision(ids)):
            value = {"decision": decision.name.lower()}
        return list(self._log.commit(prepared.kind, ids, value, n_new=len(made), arrays=made))

    def merge(self, ids: Ids) -> int:
        """Make one component of several; returns its id.

        What was decided by hand goes on to the merged component: rejected, where one of them was
        rejected by hand; else unsure, where one was; else accepted, where one was. Where nothing
        was decided by hand the thresholds decide.
        """
        return self.commit(self.shape_edits.merge(ids))[0]

    def split(self, id_: int, parts: Sequence[NDArray[np.int64]] | None = None) -> list[int]:
        """Make several components of one; returns their ids.

        Parameters
        ----------
        parts
            C-order pixels of each part; by default the estimator divides by time course.
        """
        return self.commit(self.shape_edits.split(id_, parts))

    def add(self, pixels: NDArray[np.int64]) -> int:
        """Add a drawn component.

        Parameters
        ----------
        pixels
            C-order pixel indices inside the drawn outline.
        """
        return self.commit(self.shape_edits.add(pixels))[0]

    def find(self, pixels: NDArray[np.int64]) -> list[int]:
        """Add the cells that are found in the residual of a region; returns their ids.

        Parameters
        ----------
        pixels
            C-order pixel indices of the region.
        """
        return self.commit(self.shape_edits.find(pixels))

    def trim(self, id_: int, pixels: NDArray[np.int64]) -> None:
        """Take C-order ``pixels`` away from a component; traces and scores follow."""
        self.commit(self.shape_edits.trim(id_, pixels))

    def suggest_merges(
        self, *, min_overlap: float = MIN_OVERLAP, min_correlation: float = MIN_CORRELATION
    ) -> list[MergeSuggestion]:
        """Pairs of ids that look like one cell, the likeliest first; nothing is changed."""
        ids = self.ids
        found = suggest_merges(
            self._shapes, min_overlap=min_overlap, min_correlation=min_correlation
        )
        return [replace(s, ids=(int(ids[s.ids[0]]), int(ids[s.ids[1]]))) for s in found]

    def redraw(self, id_: int, pixels: NDArray[np.int64]) -> None:
        """Give a component another outline; traces and scores follow."""
        self.commit(self.shape_edits.redraw(id_, pixels))

    def delete(self, ids: Ids) -> None:
        """Take components out of the result; :meth:`restore` and :meth:`undo` bring them back."""
        self._edit(EditKind.DELETE, ids, None, lambda _: True)

    @property
    def deleted(self) -> list[int]:
        """Ids that :meth:`restore` can bring back, the last one deleted last."""
        gone = set(np.flatnonzero(self._state.deleted & ~self._state.replaced).tolist())
        order = [i for e in self.applied if e.kind is EditKind.DELETE for i in e.ids]
        return [i for n, i in enumerate(order) if i in gone and i not in order[n + 1 :]]

    def restore(self, ids: Ids) -> None:
        """Bring back deleted components, named by their ids."""
        index = whole_numbers(ids)
        n, deleted = self._state.n_ids, self._state.deleted
        bad = [i for i in index if not (0 <= i < n and deleted[i])]
        if bad:
            raise CurationError(
                f"Only deleted components can be restored; not deleted: {bad}. "
                "Undo brings back what was merged or split."
            )
        if index:
            self._log.commit(EditKind.RESTORE, index)

    def compare(self, other: Curation) -> Comparison:
        """Compare another curation of the same result with this one.

        Raises
        ------
        CurationError
            When it is about another result, or no curation.
        """
        if not isinstance(other, CuratedResult):
            raise CurationError(
                f"Another curation of this result is needed, got {shown(other)}. "
                "Open it with nc.open_result(…, curator=NAME)."
            )
        return compare(self, other)

    # -- history

    @property
    def here(self) -> int:
        """Number of the edit that stands now; 0 is the engine's result."""
        return self._tree.here

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return self._tree.undo_target is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is an edit that was taken back and can be made again."""
        return self._tree.redo_target is not None

    def undo(self) -> bool:
        """Take the last edit back; False at the engine's result."""
        return self._log.move(self._tree.undo_target)

    def redo(self) -> bool:
        """Make the edit again that was undone last; False when there is none."""
        return self._log.move(self._tree.redo_target)

    def go_to(self, number: int) -> None:
        """Go to any point of the history; 0 is the engine's result.

        Raises
        ------
        CurationError
            When the history has no such edit.
        """
        self._log.move(self._number_of_edit(number))

    def journal_lines(self) -> list[dict[str, Any]]:
        """The journal as it stands, line by line."""
        return self._log.lines()

    def arrays_of(self, number: int) -> list[EditedComponent]:
        """The components that edit ``number`` made or redrew; empty for other edits.

        Raises
        ------
        CurationError
            When the history has no such edit.
        """
        number = self._number_of_edit(number)
        return self._log.arrays_of(number) if number else []

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every edit, undo and redo; returns what disconnects it."""
        return self._log.on_change(check_callable("listener", listener, CurationError))

    def _number_of_edit(self, number: Any) -> int:
        """Check the number of an edit of the history; 0 is the engine's result."""
        if not is_whole(number):
            raise CurationError(
                f"A point of the history is the number of an edit, got {shown(number)}. "
                "cur.history lists the edits; 0 is the engine's result."
            )
        self._tree.path(int(number))  # says which are missing
        return int(number)


def _said(text: Any, what: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise CurationError(f"A {what} must have a name, got {shown(text)}.")
    return text.strip()
