"""The table of components; its selection is that of the canvas."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from qtpy.QtCore import QItemSelection, QItemSelectionModel, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_cnmf.ui._frame_table import TextDelegate
from napari_cnmf.ui.curation._columns import Column
from napari_cnmf.ui.curation._table_model import CurationTableModel

_WIDTHS = {
    Column.ID: 46, Column.DECISION: 122, Column.CLASS: 66, Column.SNR: 46, Column.R: 46,
    Column.P_CELL: 52, Column.AREA: 48, Column.EVENTS: 54, Column.TAGS: 80, Column.NOTE: 120,
}  # fmt: skip
_MOVES = {
    Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown,
    Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_Left, Qt.Key.Key_Right,
}  # fmt: skip


class CurationTable(QTableView):
    """Table of components, which leaves letters to the decision keys instead of searching."""

    chosen = Signal(tuple)
    """Rows of components that the user selected."""

    def __init__(self, model: CurationTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = model
        self._is_following = False
        self.setModel(model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setItemDelegate(TextDelegate(self))
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self._style_headers()
        model.modelReset.connect(self._hide_empty)
        self.setSortingEnabled(True)
        self.sortByColumn(Column.ID, Qt.SortOrder.AscendingOrder)
        selection = self.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(self._on_selection)

    def _style_headers(self) -> None:
        vertical, horizontal = self.verticalHeader(), self.horizontalHeader()
        if vertical is not None:
            vertical.hide()
            # Fixed heights: measuring ten thousand rows takes seconds.
            vertical.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            vertical.setDefaultSectionSize(22)
        if horizontal is not None:
            horizontal.setStretchLastSection(True)
        for column, width in _WIDTHS.items():
            self.setColumnWidth(column, width)

    def _hide_empty(self) -> None:
        """Hide columns of scores that a result does not have; tags and notes get their room."""
        for column in (Column.CLASS, Column.P_CELL):
            self.setColumnHidden(column, not self._rows.figures.has(column))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Handle keys that move or edit, and leave letters to the decision keys."""
        if event is None:
            return
        is_editing = self.state() == QAbstractItemView.State.EditingState
        with_control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if is_editing or with_control or event.key() in _MOVES:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def show_selected(self, rows: Iterable[int]) -> None:
        """Select components (by row of the components) and scroll to the first."""
        positions = [p for p in (self._rows.position_of(row) for row in rows) if p >= 0]
        selection = QItemSelection()
        last = self._rows.columnCount() - 1
        for position in positions:
            selection.select(self._rows.index(position, 0), self._rows.index(position, last))
        self._is_following = True
        try:
            model = self.selectionModel()
            if model is None:
                return
            model.select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            if positions:
                first = self._rows.index(positions[0], 0)
                model.setCurrentIndex(first, QItemSelectionModel.SelectionFlag.NoUpdate)
                self.scrollTo(first)
        finally:
            self._is_following = False

    def edit_note(self, row: int) -> None:
        """Start to write the note of a component, by its row."""
        position = self._rows.position_of(row)
        if position >= 0:
            self.edit(self._rows.index(position, Column.NOTE))

    def _on_selection(self, *_: object) -> None:
        model = self.selectionModel()
        if self._is_following or model is None:
            return
        positions = sorted(index.row() for index in model.selectedRows())
        order = self._rows.order
        self.chosen.emit(tuple(order[np.asarray(positions, np.intp)].tolist()))
