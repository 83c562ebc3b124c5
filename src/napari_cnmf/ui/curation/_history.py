"""List of every edit with who, when and what; a double-click goes to that point."""

from __future__ import annotations

from datetime import datetime

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_cnmf.model.curation import Curation, Edit
from napari_cnmf.ui._parts import fill, text_label

_NUMBER = Qt.ItemDataRole.UserRole


class HistoryList(QWidget):
    """List of the edits: the newest on top, what was taken back in italics."""

    wanted = Signal(int)
    """Number of the edit to go to; 0 is the engine's result."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cur: Curation | None = None
        self.list = QListWidget()
        self.list.setUniformItemSizes(True)
        self.list.itemActivated.connect(lambda item: self.wanted.emit(item.data(_NUMBER)))
        hint = text_label("Double-click an entry to go back to it. Nothing is ever lost.")
        fill(QVBoxLayout(self), hint, self.list, margins=4)

    def show_history(self, cur: Curation | None) -> None:
        """List the edits of a curation; at once if it is looked at, else when it is."""
        self._cur = cur
        if self.isVisible() or cur is None:
            self._fill()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Bring the list up to date when it is seen."""
        super().showEvent(event)
        self._fill()

    def _fill(self) -> None:
        self.list.clear()
        if self._cur is None:
            return
        applied = {0, *(edit.number for edit in self._cur.applied)}
        entries = [(e.number, _sentence(e)) for e in reversed(self._cur.history)]
        for number, text in (*entries, (0, "the engine's result")):
            is_here = number == self._cur.here
            item = QListWidgetItem(("▸ " if is_here else "   ") + text)
            item.setData(_NUMBER, number)
            font = item.font()
            font.setBold(is_here)
            font.setItalic(number not in applied)
            item.setFont(font)
            if number not in applied:
                item.setToolTip("Taken back; going there makes it again")
            self.list.addItem(item)

    def texts(self) -> list[str]:
        """Texts of the list, from the top."""
        items = (self.list.item(row) for row in range(self.list.count()))
        return [item.text() for item in items if item is not None]


def _sentence(edit: Edit) -> str:
    try:
        time = datetime.fromisoformat(edit.time).astimezone().strftime("%d %b %H:%M")
    except ValueError:
        time = ""
    return f"{time}  {edit.who}:  {edit.describe()}"
