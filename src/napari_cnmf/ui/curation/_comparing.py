"""Reads other curators' journals in the background and walks through the differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QObject

from napari_cnmf.errors import CnmfError
from napari_cnmf.io.curation import journals_of, read_other
from napari_cnmf.model.curation import Comparison, Difference
from napari_cnmf.ui._background import call_in_background, report
from napari_cnmf.ui._theme import connect_while_alive

if TYPE_CHECKING:
    from napari_cnmf.ui.curation._dock import CurationWidget

_EDIT_OF = {"accepted": "accept", "rejected": "reject", "unsure": "unsure", "deleted": "delete"}


class Comparing(QObject):
    """Controller that ties the page to the curation that is shown."""

    def __init__(self, dock: CurationWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._page = dock.panel.compare
        self._page.shown.connect(self._list_curators)
        self._page.wanted.connect(self.compare)
        self._page.difference_wanted.connect(self._look_at)
        self._page.adoption_wanted.connect(self._adopt)
        self._page.curator_changed.connect(lambda name: dock.remember(curator=name or None))
        connect_while_alive(dock, (dock.session.result_changed, self._on_result))

    def _on_result(self, _result: Any) -> None:
        self._page.show_comparison(None)
        self._page.set_curators([])
        if self._page.isVisible():
            self._list_curators()

    def _list_curators(self) -> None:
        cur = self._dock.curation
        if cur is None:
            return

        def show(names: list[str]) -> None:
            if self._dock.curation is cur:
                self._page.set_curators(names)

        call_in_background(
            lambda: [n for n in journals_of(cur) if n != cur.journal_name], done=show
        )

    def compare(self, other: str) -> None:
        """Compare the curation as it stands with a curator's journal or a file."""
        cur = self._dock.curation
        if cur is None:
            return

        def show(found: Comparison) -> None:
            if self._dock.curation is cur:
                self._page.show_comparison(found)

        call_in_background(lambda: cur.compare(read_other(cur, other)), done=show)

    def _look_at(self, difference: Difference) -> None:
        result = self._dock.session.result
        if result is None:
            return
        rows = [row for row, id_ in enumerate(result.ids.tolist()) if id_ == difference.id]
        self._dock.session.select(rows)

    def _adopt(self, difference: Difference) -> None:
        cur = self._dock.curation
        edit = _EDIT_OF.get(difference.there.split()[0])
        if cur is None:
            return
        if edit is None or difference.id is None or difference.about != "decision":
            show_info("Only decisions can be taken over; edit this one by hand.")
            return
        try:
            getattr(cur, edit)([difference.id])
        except CnmfError as error:
            report(error)
            return
        self._page.mark_done()
