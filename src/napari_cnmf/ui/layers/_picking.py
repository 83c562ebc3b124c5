"""Selects components by clicks: the next click at the same place takes the one below."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from napari_cnmf.ui.layers._convert import KIND

if TYPE_CHECKING:
    from napari_cnmf.ui._session import Session

_LEFT, _RIGHT = 1, 2


def next_in_cycle(candidates: list[int], selected: tuple[int, ...]) -> int | None:
    """The candidate after the one that is selected alone, else the first.

    >>> next_in_cycle([4, 7], ())
    4
    >>> next_in_cycle([4, 7], (4,))
    7
    >>> next_in_cycle([4, 7], (7,))
    4
    """
    if not candidates:
        return None
    if len(selected) == 1 and selected[0] in candidates:
        return candidates[(candidates.index(selected[0]) + 1) % len(candidates)]
    return candidates[0]


class ClickToSelect:
    """Mouse callback of a viewer that turns clicks into a session's selection.

    A click is press and release without a move in between: dragging pans. With shift or control
    held the component is added to the selection, or taken out of it. A right click accepts what
    is rejected and rejects what is accepted. Drawing and editing tools of the active layer keep
    their clicks.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        result = self._session.result
        if result is None or event.button not in (_LEFT, _RIGHT) or not _free_to_click(viewer):
            return
        button = event.button
        yield
        if event.type == "mouse_move":
            # Drained so that the release is not taken for a click.
            while event.type == "mouse_move":
                yield
            return
        if result is not self._session.result:
            return
        candidates = result.layers.components_at(event)
        if button == _RIGHT:
            self._flip(candidates)
            return
        if candidates:
            _activate(viewer, result.layers.labels)
        self._select(candidates, set(event.modifiers))

    def _flip(self, candidates: list[int]) -> None:
        """Flip the decision about the component at a place: the selected one, or the strongest."""
        chosen = [c for c in candidates if c in self._session.selection] or candidates
        if chosen:
            self._session.flip_wanted.emit(chosen[0])

    def _select(self, candidates: list[int], modifiers: set[Any]) -> None:
        selected = self._session.selection
        names = {getattr(modifier, "name", str(modifier)) for modifier in modifiers}
        if names & {"Shift", "Control"}:
            if not candidates:
                return
            new = [c for c in candidates if c not in selected]
            if new:
                self._session.select((*selected, new[0]))
            else:
                self._session.select(tuple(s for s in selected if s != candidates[0]))
            return
        index = next_in_cycle(candidates, selected)
        self._session.select(() if index is None else (index,))


def _activate(viewer: Any, labels: Any) -> None:
    """Give the keyboard to the components where the active layer has no use for the click.

    A layer of the user's own that is drawn on stays active.
    """
    from napari.layers import Image

    active = viewer.layers.selection.active
    is_free = active is None or (isinstance(active, Image) and KIND not in active.metadata)
    if is_free and labels in viewer.layers:
        viewer.layers.selection.active = labels


def _free_to_click(viewer: Any) -> bool:
    active = viewer.layers.selection.active
    return active is None or str(active.mode) == "pan_zoom"
