"""Walking and deciding: every method is an action of that name, with a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_cnmf.errors import CnmfError
from napari_cnmf.model.curation import Curation

if TYPE_CHECKING:
    from napari_cnmf.ui._session import Session
    from napari_cnmf.ui.curation._panel import CurationPanel


class DecideActions:
    """Actions that go through the components of the result on screen and decide about them."""

    def __init__(self, session: Session, panel: CurationPanel) -> None:
        self._session = session
        self._panel = panel

    @property
    def _cur(self) -> Curation | None:
        result = self._session.result
        return None if result is None else result.curation

    def selected_ids(self) -> list[int]:
        """Ids of the selected components, in the order they were selected."""
        result = self._session.result
        return [] if result is None else result.ids[list(self._session.selection)].tolist()

    # -- walking

    def next(self) -> None:
        """Select the next component in the filter and order of the table."""
        self._step(1)

    def previous(self) -> None:
        """Select the component before, in the filter and order of the table."""
        self._step(-1)

    def unseen(self) -> None:
        """Select the next component that was not looked at yet."""
        if self._cur is not None:
            seen = set(self._cur.ids[self._cur.seen].tolist())
            self._step(1, lambda id_: id_ not in seen)

    def _step(self, by: int, wanted: Callable[[int], bool] = lambda _id: True) -> None:
        model, selection = self._panel.model, self._session.selection
        n = len(model.order)
        position = model.position_of(selection[-1] if by > 0 else selection[0]) if selection else -1
        position = n if position < 0 and by < 0 else position
        while 0 <= (position := position + by) < n:
            row = int(model.order[position])
            if wanted(int(model.figures.ids[row])):
                self._session.select((row,))
                return

    def peak(self) -> None:
        """Move the time slider to the largest event of the selected component."""
        self._session.timeline.go_to_peak()

    def play(self) -> None:
        """Play the frames around that event; again stops it."""
        self._session.timeline.play_peak()

    # -- deciding

    def accept(self) -> None:
        """Accept the selected components by hand."""
        self._decide("accept")

    def reject(self) -> None:
        """Reject the selected components by hand."""
        self._decide("reject")

    def unsure(self) -> None:
        """Mark the selected components for another look."""
        self._decide("unsure")

    def auto(self) -> None:
        """Leave the selected components to the thresholds again."""
        self._decide("auto")

    def _decide(self, how: str) -> None:
        ids = self.selected_ids()
        if self._cur is None or not ids:
            return
        try:
            getattr(self._cur, how)(ids)
        except CnmfError as error:
            # Another window may have changed the journal: said where it stays, with what to do.
            self._panel.show_conflict(str(error))
            return
        if self._panel.advances and len(ids) == 1:
            self.next()

    def flip(self, row: int) -> None:
        """Reject an accepted component by hand, accept another one, and say how to undo it."""
        result, cur = self._session.result, self._cur
        if result is None or cur is None or result.link.is_redrawing:
            return
        id_ = int(result.ids[row])
        was_accepted = bool(cur.accepted[row])
        self._session.select((row,))
        (cur.reject if was_accepted else cur.accept)(id_)
        now = "rejected" if was_accepted else "accepted"
        self._panel.show_done(f"Component {id_} is {now}. Undo takes that back.")

    def toggle_tag(self, number: int) -> None:
        """Give the selected components the ``number``-th tag, or take it if all have it."""
        cur, ids = self._cur, self.selected_ids()
        if cur is None or not ids:
            return
        tag = self._panel.tag_name(number)
        have_it = all(tag in cur.tags(i) for i in ids)
        (cur.untag if have_it else cur.tag)(ids, tag)

    def note(self) -> None:
        """Edit the note of the selected component in the table."""
        selection = self._session.selection
        if selection:
            self._panel.table.edit_note(selection[0])

    def write_note(self, id_: int, text: str) -> None:
        """Keep the note that was typed."""
        if self._cur is not None and text != self._cur.note_of(id_):
            self._cur.note(id_, text)

    # -- history

    def undo(self) -> None:
        """Take the last edit back."""
        if self._cur is not None:
            self._cur.undo()

    def redo(self) -> None:
        """Make the edit again that was undone last."""
        if self._cur is not None:
            self._cur.redo()

    def go_to(self, number: int) -> None:
        """Go to any edit of the history."""
        if self._cur is not None:
            self._cur.go_to(number)
