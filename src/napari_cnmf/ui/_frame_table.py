"""Tables in Qt: bases of models and editors, and a pandas table that is sorted and selected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QSortFilterProxyModel, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QStyledItemDelegate,
    QTableView,
    QWidget,
)

if TYPE_CHECKING:
    import pandas as pd

_SORT = Qt.ItemDataRole.UserRole
_WIDEST = 220


class TableModel(QAbstractTableModel):
    """Base of Qt models of rows below titles; what stands in a cell is the subclass's."""

    titles: Sequence[str] = ()
    """Title of each column."""
    tooltips: Sequence[str] = ()
    """Tooltip of each title; none where there are none."""

    @property
    def n_rows(self) -> int:
        """Number of rows of the table."""
        raise NotImplementedError

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of rows; nothing lies below a cell."""
        return 0 if parent is not None and parent.isValid() else self.n_rows

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Number of columns; nothing lies below a cell."""
        return 0 if parent is not None and parent.isValid() else len(self.titles)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Title or tooltip of a column."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return self.titles[section]
            if role == Qt.ItemDataRole.ToolTipRole and self.tooltips:
                return self.tooltips[section]
        return None


class FrameModel(TableModel):
    """Qt model of the cells of a DataFrame."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[tuple[Any, ...]] = []

    def set_frame(self, frame: pd.DataFrame) -> None:
        """Replace the whole table."""
        self.beginResetModel()
        self.titles = [str(name) for name in frame.columns]
        self._rows = list(frame.itertuples(index=False, name=None))
        self.endResetModel()

    @property
    def n_rows(self) -> int:
        """Number of rows of the table."""
        return len(self._rows)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell of the table, or what it is sorted by."""
        if not index.isValid():
            return None
        value = self._rows[index.row()][index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return text_of(value)
        if role == _SORT:
            return _sortable(value)
        return None


class FrameTable(QTableView):
    """Qt view of a DataFrame; rows are named by their position in it."""

    rows_selected = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._model = FrameModel(self)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._model)
        self._sorted.setSortRole(_SORT)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        rows: Any = self.verticalHeader()
        columns: Any = self.horizontalHeader()
        rows.hide()
        rows.setDefaultSectionSize(22)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        columns.setHighlightSections(False)
        self._chosen().selectionChanged.connect(lambda *_: self.rows_selected.emit())

    def set_frame(self, frame: pd.DataFrame) -> None:
        """Show another table; what was selected is selected no more."""
        self._model.set_frame(frame)
        self.resizeColumnsToContents()
        for column in range(self._model.columnCount()):
            self.setColumnWidth(column, min(self.columnWidth(column) + 6, _WIDEST))

    @property
    def n_rows(self) -> int:
        """Number of rows of the table."""
        return self._model.n_rows

    def selected_rows(self) -> list[int]:
        """Positions of the selected rows in the DataFrame, in the order on screen."""
        chosen = sorted(self._chosen().selectedRows(), key=lambda index: index.row())
        return [self._sorted.mapToSource(index).row() for index in chosen]

    def select_rows(self, rows: list[int]) -> None:
        """Select rows by their position in the DataFrame, and no others."""
        self.clearSelection()
        model = self._chosen()
        for row in rows:
            index = self._sorted.mapFromSource(self._model.index(row, 0))
            model.select(index, model.SelectionFlag.Select | model.SelectionFlag.Rows)

    def scroll_to_row(self, row: int) -> None:
        """Bring a row, by its position in the DataFrame, into view."""
        self.scrollTo(self._sorted.mapFromSource(self._model.index(row, 0)))

    def _chosen(self) -> Any:
        return self.selectionModel()

    def current_column(self) -> int:
        """Column that was clicked last, -1 for none."""
        return self.currentIndex().column()


def text_of(value: Any) -> str:
    """Text of a value as it is shown; nothing for what is missing."""
    if value is None or str(value) in ("nan", "NaT", "<NA>"):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _sortable(value: Any) -> Any:
    text = text_of(value)
    if isinstance(value, bool) or not text:
        return text
    try:
        return float(value)
    except (TypeError, ValueError):
        return text


class TextDelegate(QStyledItemDelegate):
    """Delegate that leaves an open editor alone once the user has typed into it.

    Qt writes the value of a cell into its open editor at every ``dataChanged``; a row whose clock
    ticks each second would take away what was typed, or the selection of the text to replace.
    """

    def setEditorData(self, editor: QWidget | None, index: QModelIndex) -> None:
        """Fill the editor with the text of the cell, unless the user has typed into it."""
        if isinstance(editor, QLineEdit) and (editor.isModified() or editor.text() == index.data()):
            return
        super().setEditorData(editor, index)
