"""Shows the table of items: sorting, filtering, keys."""

from __future__ import annotations

from qtpy.QtCore import (
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QAction, QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_cnmf.batch.status import State
from napari_cnmf.ui._frame_table import TextDelegate
from napari_cnmf.ui._theme import pressed_keys
from napari_cnmf.ui.batch._rows import ItemRow
from napari_cnmf.ui.batch._states import StateDelegate
from napari_cnmf.ui.batch._table_model import ROW_ROLE, SORT_ROLE, BatchTableModel, Column

_WIDTHS = {
    Column.NAME: 170,
    Column.STATE: 185,
    Column.CELLS: 76,
    Column.TIME: 64,
    Column.ALGORITHM: 122,
    Column.ENGINE: 64,
    Column.MOVIE: 150,
}


class _Filter(QSortFilterProxyModel):
    """Filter for rows in one of the chosen states that hold every typed word, in any column."""

    def __init__(self, model: BatchTableModel, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSourceModel(model)
        self._items = model
        self._words: list[str] = []
        self._states: frozenset[State] = frozenset()

    def set_text(self, text: str) -> None:
        """Show the rows that hold every one of these words."""
        self._words = text.lower().split()
        self.invalidate()

    def set_states(self, states: frozenset[State]) -> None:
        """Show the rows in these states alone; all rows with an empty set."""
        self._states = states
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        """Whether a row is in a chosen state and holds every typed word."""
        row = self._items.row_at(source_row)
        if self._states and row.state not in self._states:
            return False
        if not self._words:
            return True
        fields = (row.name, row.state.value, row.algorithm, row.engine, row.movie, row.comment)
        text = " ".join(fields).lower()
        return all(word in text for word in self._words)


class BatchTable(QTableView):
    """Table of the items, one row each."""

    opened = Signal(object)
    """``ItemRow`` that was double-clicked, or chosen with the return key."""
    chosen = Signal()
    """Other rows are selected now."""
    menu_wanted = Signal(QPoint)

    def __init__(self, model: BatchTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items = model
        self._filter = _Filter(model, self)
        self._filter.setSortRole(SORT_ROLE)
        self.setModel(self._filter)
        self.setItemDelegate(TextDelegate(self))
        self.setItemDelegateForColumn(Column.STATE, StateDelegate(ROW_ROLE, self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        # A double-click opens the result; the actions begin an edit.
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._style_headers()
        # The order of adding, until a header is clicked.
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.activated.connect(self._on_activated)
        self.customContextMenuRequested.connect(self.menu_wanted)
        selection = self.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(lambda *_: self.chosen.emit())

    def _style_headers(self) -> None:
        vertical, horizontal = self.verticalHeader(), self.horizontalHeader()
        if vertical is not None:
            vertical.hide()
            vertical.setDefaultSectionSize(26)
        if horizontal is not None:
            horizontal.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
            horizontal.setStretchLastSection(True)
            horizontal.setHighlightSections(False)
            horizontal.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        for column, width in _WIDTHS.items():
            self.setColumnWidth(column, width)

    def set_filter(self, text: str) -> None:
        """Show the rows that hold every one of these words."""
        self._filter.set_text(text)

    def set_states(self, states: frozenset[State]) -> None:
        """Show the rows in these states alone; all of them with an empty set."""
        self._filter.set_states(states)

    @property
    def n_shown(self) -> int:
        """Number of rows that pass the filter."""
        return self._filter.rowCount()

    def chosen_rows(self) -> list[ItemRow]:
        """Rows of the selected items, from top to bottom."""
        selection = self.selectionModel()
        indexes = selection.selectedRows() if selection is not None else []
        return [i.data(ROW_ROLE) for i in sorted(indexes, key=lambda i: i.row())]

    def choose(self, uuid: str) -> None:
        """Select one item and scroll to it."""
        index, selection = self.index_of(uuid), self.selectionModel()
        if index.isValid() and selection is not None:
            # Not selectRow: with the control key held it would take the selection away.
            flag = QItemSelectionModel.SelectionFlag
            selection.setCurrentIndex(index, flag.ClearAndSelect | flag.Rows)
            self.scrollTo(index)

    def index_of(self, uuid: str) -> QModelIndex:
        """Index of an item's name in the view; invalid when it is filtered out."""
        position = self._items.position_of(uuid)
        return self._filter.mapFromSource(self._items.index(position, 0))

    def edit_text(self, uuid: str, column: Column) -> None:
        """Let the user type into an item's name or comment."""
        index = self.index_of(uuid)
        if index.isValid():
            index = index.siblingAtColumn(column)
            self.scrollTo(index)
            self.edit(index)

    def _action_of(self, event: QKeyEvent) -> QAction | None:
        """Action whose key was pressed, when it can be done now.

        What is typed into a name bubbles up to the table, and is no key of the table's.
        """
        if self.state() == QAbstractItemView.State.EditingState:
            return None
        pressed = pressed_keys(event)
        return next((a for a in self.actions() if a.isEnabled() and a.shortcut() == pressed), None)

    def event(self, event: QEvent | None) -> bool:
        """Handle own keys while the table has the keyboard, whatever other docks bind."""
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.ShortcutOverride
            and self._action_of(event) is not None
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Run the action of the pressed key, if there is one that is possible now."""
        action = None if event is None else self._action_of(event)
        if action is None:
            super().keyPressEvent(event)
        else:
            action.trigger()

    def _on_activated(self, index: QModelIndex) -> None:
        row = index.data(ROW_ROLE)
        if row is not None:
            self.opened.emit(row)
