"""State that the edits so far lead to, and how one edit changes it and is taken back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import CurationError, ParameterError
from napari_cnmf.model.curation.edits import DECISION_OF_EDIT, Decision, Edit, EditKind
from napari_cnmf.model.curation.stored import EditedComponent
from napari_cnmf.params import QualityParams

TakeBack = Callable[[], None]
"""Restores what one edit changed."""


class CuratedState:
    """Decisions, tags, notes and shapes by component id. Ids are never used twice.

    Attributes
    ----------
    decisions
        ``Decision`` by id, uint8 ``(n_ids,)``.
    deleted, replaced
        What was deleted, and what was merged or split into others, ``(n_ids,)``.
    tags, notes
        By id; an id without any has no entry.
    thresholds
        What was set away from the engine's quality parameters, by CaImAn's name.
    edited
        Components that an edit made or redrew, by id; the others are the engine's row ``id``.
    n_base
        Number of the engine's components: ids below it are its rows.
    """

    def __init__(self, n_base: int) -> None:
        self.n_base = n_base
        self.decisions = np.zeros(n_base, dtype=np.uint8)
        self.deleted = np.zeros(n_base, dtype=bool)
        self.replaced = np.zeros(n_base, dtype=bool)
        self.tags: dict[int, frozenset[str]] = {}
        self.notes: dict[int, str] = {}
        self.thresholds: dict[str, Any] = {}
        self.edited: dict[int, EditedComponent] = {}

    @property
    def n_ids(self) -> int:
        """Number of ids that were ever used."""
        return int(self.decisions.size)

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Whether the component of each id is there, ``(n_ids,)``: neither deleted nor replaced."""
        return ~(self.deleted | self.replaced)

    @property
    def ids(self) -> NDArray[np.intp]:
        """Ids of the components that are there, ascending; row ``i`` of them has ``ids[i]``."""
        return np.flatnonzero(self.alive)

    def rows(self) -> list[int | EditedComponent]:
        """Source of each component that is there: the engine's row, or the edited component."""
        return [self.edited.get(int(i), int(i)) for i in self.ids]

    def apply(self, edit: Edit, arrays: Sequence[EditedComponent] = ()) -> TakeBack:
        """Make an edit; returns what takes it back.

        Parameters
        ----------
        arrays
            The components it made, in the order of ``edit.new_ids`` (of ``edit.ids`` for a
            redrawn one).

        Notes
        -----
        Ids that are not there are passed over: the edit that made them was lost.
        """
        ids = [i for i in edit.ids if 0 <= i < self.n_ids]
        index = np.asarray(ids, dtype=np.intp)
        match edit.kind:
            case EditKind.ACCEPT | EditKind.REJECT | EditKind.UNSURE | EditKind.AUTO:
                return self._assign(self.decisions, index, DECISION_OF_EDIT[edit.kind])
            case EditKind.DELETE:
                return self._assign(self.deleted, index, True)
            case EditKind.RESTORE:
                return self._assign(self.deleted, index, False)
            case EditKind.SET_THRESHOLDS:
                return self._set_thresholds(edit.value)
            case EditKind.TAG | EditKind.UNTAG:
                return self._tag(ids, str(edit.value), edit.kind is EditKind.TAG)
            case EditKind.NOTE:
                return self._update(self.notes, dict.fromkeys(ids, str(edit.value)))
            case EditKind.REDRAW:
                redrawn = dict(zip(edit.ids, arrays, strict=True))
                return self._update(self.edited, {i: redrawn[i] for i in ids})
            case EditKind.MERGE | EditKind.SPLIT | EditKind.ADD:
                return self._replace(edit, index, arrays)
            case _:  # an edit that is lost, or one that only a newer version knows
                return lambda: None

    @staticmethod
    def _assign(values: NDArray[Any], index: NDArray[np.intp], value: Any) -> TakeBack:
        before = values[index].copy()
        values[index] = value

        def take_back() -> None:
            values[index] = before

        return take_back

    @staticmethod
    def _update(values: dict[int, Any], changes: dict[int, Any]) -> TakeBack:
        before = {key: values.get(key) for key in changes}

        def put(new: dict[int, Any]) -> None:
            for key, value in new.items():
                if value:
                    values[key] = value
                else:
                    values.pop(key, None)

        put(changes)
        return lambda: put(before)

    def _set_thresholds(self, values: dict[str, Any]) -> TakeBack:
        before = dict(self.thresholds)
        self.thresholds = before | usable_thresholds(values)

        def take_back() -> None:
            self.thresholds = before

        return take_back

    def merged_decision(self, ids: Sequence[int]) -> Decision:
        """The decision of the component that is merged from ``ids``.

        What was decided by hand goes on, and a merge never accepts what was rejected by hand:
        one rejected parent rejects, else one unsure parent leaves it unsure, else one accepted
        parent accepts. Where nothing was decided by hand the thresholds decide.
        """
        made = {Decision(int(d)) for d in self.decisions[np.asarray(ids, dtype=np.intp)]}
        order = (Decision.REJECTED, Decision.UNSURE, Decision.ACCEPTED)
        return next((decision for decision in order if decision in made), Decision.AUTO)

    def _decision_of_children(self, edit: Edit, parents: NDArray[np.intp]) -> int:
        if isinstance(edit.value, dict) and edit.value.get("decision") in _DECISION_NAMES:
            return int(_DECISION_NAMES[edit.value["decision"]])
        # Merges of earlier versions say no decision; a journal goes on to mean what it meant.
        agreed = {int(d) for d in self.decisions[parents]}
        return agreed.pop() if len(agreed) == 1 else int(Decision.AUTO)

    def _tag(self, ids: Sequence[int], tag: str, add: bool) -> TakeBack:
        changes = {}
        for i in ids:
            has = self.tags.get(i, frozenset())
            changes[i] = has | {tag} if add else has - {tag}
        return self._update(self.tags, changes)

    def _replace(
        self, edit: Edit, parents: NDArray[np.intp], arrays: Sequence[EditedComponent]
    ) -> TakeBack:
        """Replace parents by children (merge, split, add), which get their tags and notes."""
        if min(edit.new_ids, default=self.n_ids) < self.n_ids:
            raise CurationError(
                f"New components must have new ids, got {edit.new_ids} with {self.n_ids} taken."
            )
        before = (self.decisions, self.deleted, self.replaced)
        n_before = self.n_ids
        children = np.asarray(edit.new_ids, dtype=np.intp)
        grow = int(children.max(initial=n_before - 1)) + 1 - n_before
        decision = self._decision_of_children(edit, parents)
        self.decisions = _grown(self.decisions, grow, decision)
        self.deleted = _grown(self.deleted, grow, False)
        # ids between that another branch of the history uses are not there in this one
        self.replaced = _grown(self.replaced, grow, True)
        self.replaced[children] = False
        self.replaced[parents] = True
        tags = frozenset[str]().union(*(self.tags.get(i, frozenset()) for i in edit.ids))
        notes = "; ".join(self.notes[i] for i in edit.ids if i in self.notes)
        undos = (
            self._update(self.tags, dict.fromkeys(edit.new_ids, tags)),
            self._update(self.notes, dict.fromkeys(edit.new_ids, notes)),
            self._update(self.edited, dict(zip(edit.new_ids, arrays, strict=True))),
        )

        def take_back() -> None:
            for undo in undos:
                undo()
            self.decisions, self.deleted, self.replaced = before

        return take_back


_DECISION_NAMES = {decision.name.lower(): decision for decision in Decision}


def usable_thresholds(values: Mapping[str, Any]) -> dict[str, Any]:
    """Thresholds that this version knows, with values that it can judge by."""
    usable = {}
    for name, value in values.items():
        if name not in QualityParams.model_fields:
            continue
        try:
            checked = getattr(QualityParams.model_validate({name: value}), name)
        except ParameterError:
            continue
        if not isinstance(checked, float) or math.isfinite(checked):
            usable[name] = checked
    return usable


def _grown(values: NDArray[Any], by: int, fill: Any) -> NDArray[Any]:
    """Copy of an array with ``by`` more entries."""
    return np.append(values, np.full(by, fill, dtype=values.dtype))
