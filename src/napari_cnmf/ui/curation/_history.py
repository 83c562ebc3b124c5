"""List of every edit with who, when and what; a double-click goes to that point."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, Qt, Signal
from qtpy.QtGui import QFont, QShowEvent
from qtpy.QtWidgets import QListView, QVBoxLayout, QWidget

from napari_cnmf.model.curation import Curation, Edit
from napari_cnmf.ui._parts import fill, text_label


class HistoryModel(QAbstractListModel):
    """Qt model of the edits: the newest on top, the engine's result at the bottom."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._edits: list[Edit] = []
        self._applied: set[int] = set()
        self._here = 0
        self._is_empty = True

    def set_curation(self, cur: Curation | None) -> None:
        """Show the edits of a curation; none for ``None``."""
        self.beginResetModel()
        self._is_empty = cur is None
        self._edits = [] if cur is None else cur.history
        self._applied = set() if cur is None else {edit.number for edit in cur.applied}
        self._here = 0 if cur is None else cur.here
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of edits, and one more for the engine's result."""
        return 0 if self._is_empty else len(self._edits) + 1

    def number(self, row: int) -> int:
        """Number of the edit in a row; 0 is the engine's result."""
        return self._edits[-1 - row].number if row < len(self._edits) else 0

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text and look of an edit in the list."""
        if not index.isValid():
            return None
        row = index.row()
        number = self.number(row)
        is_applied = number == 0 or number in self._applied
        if role == Qt.ItemDataRole.DisplayRole:
            text = _sentence(self._edits[-1 - row]) if number else "the engine's result"
            return ("▸ " if number == self._here else "   ") + text
        if role == Qt.ItemDataRole.FontRole:
            font = QFont()
            font.setItalic(not is_applied)
            font.setBold(number == self._here)
            return font
        if role == Qt.ItemDataRole.ToolTipRole and not is_applied:
            return "Taken back; going there makes it again"
        return None


class HistoryList(QWidget):
    """List of the edits: the newest on top, what was taken back in italics."""

    wanted = Signal(int)
    """Number of the edit to go to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cur: Curation | None = None
        self.model = HistoryModel(self)
        self.list = QListView()
        self.list.setUniformItemSizes(True)
        self.list.setModel(self.model)
        self.list.activated.connect(self._on_activated)
        hint = text_label("Double-click an entry to go back to it. Nothing is ever lost.")
        fill(QVBoxLayout(self), hint, self.list, margins=4)

    def show_history(self, cur: Curation | None) -> None:
        """List the edits of a curation; at once if it is looked at, else when it is."""
        self._cur = cur
        if self.isVisible() or cur is None:
            self.model.set_curation(cur)

    def texts(self) -> list[str]:
        """Texts of the list, from the top."""
        model = self.model
        return [str(model.data(model.index(row))) for row in range(model.rowCount())]

    def showEvent(self, event: QShowEvent | None) -> None:
        """Bring the list up to date when it is seen."""
        super().showEvent(event)
        self.model.set_curation(self._cur)

    def _on_activated(self, index: QModelIndex) -> None:
        self.wanted.emit(self.model.number(index.row()))


def _sentence(edit: Edit) -> str:
    try:
        time = datetime.fromisoformat(edit.time).astimezone().strftime("%d %b %H:%M")
    except ValueError:
        time = ""
    return f"{time}  {edit.who}:  {edit.describe()}"
