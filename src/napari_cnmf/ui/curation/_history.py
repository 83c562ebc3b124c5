"""Every edit with who, when and what; a double-click goes back to it, or forth."""

from __future__ import annotations

from datetime import datetime

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_cnmf.model.curation import Curation, Edit

_MOST = 500
"""Edits that are listed; older ones are reached step by step."""


class HistoryList(QWidget):
    """The newest edit on top, what was taken back in italics."""

    wanted = Signal(int)
    """Number of the edit to go to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cur: Curation | None = None
        self.list = QListWidget()
        self.list.itemActivated.connect(self._on_activated)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Double-click an entry to go back to it. Nothing is ever lost."))
        layout.addWidget(self.list)

    def show_history(self, cur: Curation | None) -> None:
        """List the edits of a curation; at once if it is looked at, else when it is."""
        self._cur = cur
        if self.isVisible():
            self._fill()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._fill()

    def _fill(self) -> None:
        cur = self._cur
        self.list.clear()
        if cur is None:
            return
        applied = {edit.number for edit in cur.applied}
        for edit in reversed(cur.history[-_MOST:]):
            self._add(_sentence(edit), edit.number, edit.number in applied, edit.number == cur.here)
        self._add("the engine's result", 0, True, cur.here == 0)

    def _add(self, text: str, number: int, is_applied: bool, is_here: bool) -> None:
        item = QListWidgetItem(("▸ " if is_here else "   ") + text)
        item.setData(Qt.ItemDataRole.UserRole, number)
        font = item.font()
        font.setItalic(not is_applied)
        font.setBold(is_here)
        item.setFont(font)
        if not is_applied:
            item.setToolTip("Taken back; going there makes it again")
        self.list.addItem(item)

    def _on_activated(self, item: QListWidgetItem) -> None:
        self.wanted.emit(int(item.data(Qt.ItemDataRole.UserRole)))


def _sentence(edit: Edit) -> str:
    try:
        time = datetime.fromisoformat(edit.time).astimezone().strftime("%d %b %H:%M")
    except ValueError:
        time = ""
    return f"{time}  {edit.who}:  {edit.describe()}"
