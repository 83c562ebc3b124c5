"""A result and the decisions about it."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import CurationError
from napari_cnmf.model.components import Components
from napari_cnmf.model.contours import CONTOUR_LEVEL, contours
from napari_cnmf.model.curation.comparing import Comparison, compare
from napari_cnmf.model.curation.edits import Decision, Edit, EditKind
from napari_cnmf.model.curation.estimator import Estimator
from napari_cnmf.model.curation.log import EditLog
from napari_cnmf.model.curation.prepared import PreparedEdit, ShapeEdits
from napari_cnmf.model.curation.stored import (
    ArrayStore,
    EditedComponent,
    Journal,
    MemoryArrayStore,
    MemoryJournal,
    assemble,
)
from napari_cnmf.model.curation.suggestions import (
    MIN_CORRELATION,
    MIN_OVERLAP,
    MergeSuggestion,
    suggest_merges,
)
from napari_cnmf.model.dff import compute_dff
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
    path
        The file that the result was read from, which is never written to.
    journal_name
        Whose journal it is, where there are several beside one result.

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
        path: Path | None = None,
        journal_name: str = "",
    ) -> None:
        self.original = original
        self.path = path
        self.journal_name = journal_name
        self.estimator = estimator
        self.who = who if who is not None else _user_name()
        self.base_quality = _quality_of(original)
        self.accepted_classes = ACCEPTED_CLASSES
        self._log = EditLog(
            original.n_components,
            journal if journal is not None else MemoryJournal(),
            arrays if arrays is not None else MemoryArrayStore(),
            self.who,
        )
        self._tree, self._state = self._log.tree, self._log.state
        self._assembled: tuple[int, Components] | None = None
        self._judged: tuple[int, NDArray[np.bool_]] | None = None

    # -- what stands now

    @property
    def ids(self) -> NDArray[np.intp]:
        """Ids of the components, ascending, ``(n_components,)``."""
        return self._state.ids

    @property
    def shape_version(self) -> int:
        """Another number whenever :attr:`components` or :attr:`ids` are others."""
        return self._log.shape_version

    @property
    def components(self) -> Components:
        """The components as curated so far; row ``i`` has id ``ids[i]``."""
        version = self.shape_version
        if self._assembled is None or self._assembled[0] != version:
            self._assembled = version, assemble(self.original, self._state.rows())
        return self._assembled[1]

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
        version = self._log.verdict_version
        if self._judged is None or self._judged[0] != version:
            self._judged = version, self.preview_thresholds()
        return self._judged[1]

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

    def words(self) -> dict[int, str]:
        """Tags and note of each component that has any, by id."""
        state = self._state
        return {
            i: " ".join((*sorted(state.tags.get(i, ())), state.notes.get(i, "")))
            for i in sorted({*state.tags, *state.notes})
        }

    @property
    def all_tags(self) -> list[str]:
        """Tags in use, in alphabetical order."""
        return sorted({tag for tags in self._state.tags.values() for tag in tags})

    @property
    def seen(self) -> NDArray[np.bool_]:
        """What the curator has looked at, ``(n_components,)``; no undo changes it."""
        return np.isin(self.ids, list(self._log.seen))

    def contours(
        self, ids: Ids | None = None, *, level: float = CONTOUR_LEVEL
    ) -> dict[int, list[NDArray[np.float64]]]:
        """Closed contours by id, of all components by default.

        Parameters
        ----------
        level
            Fraction of a footprint's maximum the contour runs at.

        Returns
        -------
        dict
            Vertices ``(n, 2)`` as (y, x), or ``(n, 3)`` as (z, y, x), in pixels whose centres are
            integers.
        """
        components = self.components
        wanted = self.ids.tolist() if ids is None else _listed(ids)
        return {
            i: contours(components.A, self.row_of(i), components.dims, level=level) for i in wanted
        }

    def dff(
        self, ids: Ids | None = None, *, percentile: float = 8.0, window: int = 500
    ) -> NDArray[np.float32]:
        """dF/F of the curated components, ``(n, n_frames)``; see :func:`compute_dff`."""
        rows = None if ids is None else [self.row_of(i) for i in _listed(ids)]
        return compute_dff(self.components, rows, percentile=percentile, window=window)

    def row_of(self, id_: int) -> int:
        """The row of :attr:`components` that has this id."""
        self._state.require([id_])
        return int(np.searchsorted(self.ids, id_))

    # -- decisions

    def accept(self, ids: Ids) -> None:
        """Accept by hand."""
        self._edit(EditKind.ACCEPT, ids)

    def reject(self, ids: Ids) -> None:
        """Reject by hand."""
        self._edit(EditKind.REJECT, ids)

    def unsure(self, ids: Ids) -> None:
        """Mark for another look; the thresholds' side is kept."""
        self._edit(EditKind.UNSURE, ids)

    def auto(self, ids: Ids) -> None:
        """Leave it to the thresholds again."""
        self._edit(EditKind.AUTO, ids)

    def mark_seen(self, ids: Ids) -> None:
        """Remember that these were looked at.

        Looking is no edit: it is written to the journal, but no step of the history, and
        listeners are not called.
        """
        self._log.mark_seen(self._state.require(_listed(ids)).tolist())

    def set_thresholds(self, **thresholds: Any) -> None:
        """Set evaluation parameters by CaImAn's names; changes only what is ``AUTO``.

        Raises
        ------
        ParameterError
            When a name is unknown or a value out of bounds.
        """
        QualityParams.model_validate(self.quality.model_dump() | thresholds)
        self._log.commit(EditKind.SET_THRESHOLDS, value=thresholds)

    def tag(self, ids: Ids, tag: str) -> None:
        """Give a tag."""
        self._edit(EditKind.TAG, ids, _said(tag, "tag"))

    def untag(self, ids: Ids, tag: str) -> None:
        """Take a tag away."""
        self._edit(EditKind.UNTAG, ids, _said(tag, "tag"))

    def note(self, ids: Ids, text: str) -> None:
        """Write a note; an empty one removes it."""
        self._edit(EditKind.NOTE, ids, text)

    def _edit(self, kind: EditKind, ids: Ids, value: Any = None) -> None:
        self._log.commit(kind, self._state.require(_listed(ids)).tolist(), value)

    # -- shapes

    @property
    def shape_edits(self) -> ShapeEdits:
        """Estimates shape edits of what stands now without making them; may run in a thread.

        Make one with :meth:`commit`.
        """
        return ShapeEdits(self.components, self.ids, self.estimator)

    def commit(self, prepared: PreparedEdit) -> list[int]:
        """Make an estimated edit; returns the ids of the components it made or redrew.

        Raises
        ------
        CurationError
            When what it changes is not there any more.
        """
        self._state.require(prepared.ids)
        ids, made = list(prepared.ids), prepared.made
        if prepared.kind is EditKind.REDRAW:
            self._log.commit(EditKind.REDRAW, ids, arrays=made)
            return ids
        return list(self._log.commit(prepared.kind, ids, n_new=len(made), arrays=made))

    def merge(self, ids: Ids) -> int:
        """Make one component of several; returns its id."""
        return self.commit(self.shape_edits.merge(_listed(ids)))[0]

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
            self.components, min_overlap=min_overlap, min_correlation=min_correlation
        )
        return [replace(s, ids=(int(ids[s.ids[0]]), int(ids[s.ids[1]]))) for s in found]

    def redraw(self, id_: int, pixels: NDArray[np.int64]) -> None:
        """Give a component another outline; traces and scores follow."""
        self.commit(self.shape_edits.redraw(id_, pixels))

    def delete(self, ids: Ids) -> None:
        """Take components out of the result; :meth:`restore` and :meth:`undo` bring them back."""
        self._edit(EditKind.DELETE, ids)

    @property
    def deleted(self) -> list[int]:
        """Ids that :meth:`restore` can bring back, the last one deleted last."""
        gone = set(np.flatnonzero(self._state.deleted & ~self._state.replaced).tolist())
        order = [i for e in self.applied if e.kind is EditKind.DELETE for i in e.ids]
        return [i for n, i in enumerate(order) if i in gone and i not in order[n + 1 :]]

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
        self._log.commit(EditKind.RESTORE, index)

    def compare(self, other: Curation) -> Comparison:
        """Where another curation of the same result agrees with this one, and where not.

        Raises
        ------
        CurationError
            When it is about another result.
        """
        return compare(self, other)

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
        return self._log.move(self._tree.undo_target)

    def redo(self) -> bool:
        """Make the edit again that was undone last; False when there is none."""
        return self._log.move(self._tree.redo_target)

    def go_to(self, number: int) -> None:
        """Go to any point of the history; 0 is the engine's result."""
        self._log.move(number)

    def journal_lines(self) -> list[dict[str, Any]]:
        """The journal as it stands, line by line."""
        return self._log.lines()

    def arrays_of(self, number: int) -> list[EditedComponent]:
        """The components that edit ``number`` made or redrew; empty for other edits."""
        return self._log.arrays_of(number)

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every edit, undo and redo; returns what disconnects it."""
        return self._log.on_change(listener)


def _quality_of(components: Components) -> QualityParams:
    """The thresholds the engine ran with; CaImAn's defaults where the file does not say."""
    stored = components.params.get("quality", {})
    known = {key: value for key, value in stored.items() if key in QualityParams.model_fields}
    quality = CNMFParams().replace(quality=known).quality
    return quality.for_scores(are_probabilities="evidence" in components.attributes)


def _listed(ids: Ids) -> list[int]:
    return [int(ids)] if isinstance(ids, (int, np.integer)) else [int(i) for i in ids]


def _said(text: str, what: str) -> str:
    if not text.strip():
        raise CurationError(f"A {what} must have a name, got {text!r}.")
    return text.strip()


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
