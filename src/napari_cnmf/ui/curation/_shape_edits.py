"""Estimates edits of shapes one after the other off the GUI thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from qtpy.QtCore import QObject, Signal

from napari_cnmf.errors import CnmfError
from napari_cnmf.model.curation import Curation, PreparedEdit, ShapeEdits
from napari_cnmf.ui._background import call_in_background, report
from napari_cnmf.ui.curation._link import CurationLink

Estimate = Callable[[ShapeEdits], PreparedEdit]


class ShapeEditor(QObject):
    """Editor that estimates in the background and makes the edit on the GUI thread."""

    busy_changed = Signal(str)
    """What is estimated now; empty when nothing is."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: deque[tuple[CurationLink, Estimate, str]] = deque()
        self._is_busy = False

    @property
    def is_busy(self) -> bool:
        """Whether an edit is being estimated, or waits for that."""
        return self._is_busy or bool(self._waiting)

    def edit(self, link: CurationLink, estimate: Estimate, what: str) -> None:
        """Estimate an edit, then make it; it waits for those that were asked for before."""
        self._waiting.append((link, estimate, what))
        self._next()

    def _next(self) -> None:
        if self._is_busy:
            return
        if not self._waiting:
            self.busy_changed.emit("")
            return
        link, estimate, what = self._waiting.popleft()
        self._is_busy = True
        self.busy_changed.emit(what)
        cur = link.curation

        def done(prepared: PreparedEdit) -> None:
            self._commit(link, cur, prepared)
            self._is_busy = False
            self._next()

        def failed(_error: Exception) -> None:
            self._is_busy = False
            self._next()

        call_in_background(lambda: estimate(cur.shape_edits), done=done, failed=failed)

    @staticmethod
    def _commit(link: CurationLink, cur: Curation, prepared: PreparedEdit) -> None:
        try:
            link.just_made = cur.commit(prepared)
        except CnmfError as error:
            # Decided or undone otherwise while it was estimated.
            report(error)
