"""The items of a batch as a Qt table that stays quick with thousands of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any

from qtpy.QtCore import QModelIndex, QObject, Qt, Signal

from napari_cnmf.ui._frame_table import TableModel
from napari_cnmf.ui.batch._rows import ItemRow, format_duration
from napari_cnmf.ui.batch._states import state_icon

SORT_ROLE = Qt.ItemDataRole.UserRole
ROW_ROLE = Qt.ItemDataRole.UserRole + 1


class Column(IntEnum):
    """Columns of the batch table in their order."""

    NAME = 0
    STATE = 1
    CELLS = 2
    TIME = 3
    ALGORITHM = 4
    ENGINE = 5
    MOVIE = 6
    COMMENT = 7


_HEADERS = {
    Column.NAME: ("Name", "Name of the item"),
    Column.STATE: ("State", "Where it stands"),
    Column.CELLS: ("Cells", "Accepted / found components"),
    Column.TIME: ("Time", "How long it ran, or has been running"),
    Column.ALGORITHM: ("Algorithm", "What it does"),
    Column.ENGINE: ("Engine", "What computes it"),
    Column.MOVIE: ("Input", "Its movie, or the item that makes it"),
    Column.COMMENT: ("Comment", "Your own words"),
}
_EDITABLE = {Column.NAME: "name", Column.COMMENT: "comment"}
_NUMERIC = (Column.CELLS, Column.TIME)


class BatchTableModel(TableModel):
    """Qt model of the items' frozen snapshots; an update touches the rows that changed alone."""

    titles = tuple(title for title, _ in _HEADERS.values())
    tooltips = tuple(tooltip for _, tooltip in _HEADERS.values())
    edited = Signal(str, str, str)
    """Uuid of an item, ``name`` or ``comment``, and the text that was typed for it."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[ItemRow] = []
        self._position: dict[str, int] = {}

    def set_rows(self, rows: Iterable[ItemRow]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self._rows = list(rows)
        self._index()
        self.endResetModel()

    def add_rows(self, rows: Iterable[ItemRow]) -> None:
        """Append items; known ones are updated."""
        rows = list(rows)
        new = [row for row in rows if row.uuid not in self._position]
        known = [row for row in rows if row.uuid in self._position]
        if new:
            first = len(self._rows)
            self.beginInsertRows(QModelIndex(), first, first + len(new) - 1)
            self._rows.extend(new)
            self._index()
            self.endInsertRows()
        self.update_rows(known)

    def update_rows(self, rows: Iterable[ItemRow]) -> None:
        """Replace the snapshots of known items."""
        for row in rows:
            position = self._position.get(row.uuid)
            if position is not None:
                self._rows[position] = row
                self._announce(position)

    def remove_rows(self, uuids: Iterable[str]) -> None:
        """Remove the rows of items."""
        positions = (self._position[uuid] for uuid in uuids if uuid in self._position)
        for position in sorted(positions, reverse=True):
            self.beginRemoveRows(QModelIndex(), position, position)
            del self._rows[position]
            self.endRemoveRows()
        self._index()

    def touch_running(self) -> None:
        """Renew the shown time of running items."""
        for position, row in enumerate(self._rows):
            if row.state.value == "running":
                self._announce(position)

    def _announce(self, position: int) -> None:
        self.dataChanged.emit(self.index(position, 0), self.index(position, self.columnCount() - 1))

    def _index(self) -> None:
        self._position = {row.uuid: i for i, row in enumerate(self._rows)}

    @property
    def rows(self) -> tuple[ItemRow, ...]:
        """Snapshots of all items in order of adding."""
        return tuple(self._rows)

    def row_at(self, position: int) -> ItemRow:
        """Snapshot in a row."""
        return self._rows[position]

    def row_of(self, uuid: str) -> ItemRow | None:
        """Snapshot of an item."""
        position = self._position.get(uuid)
        return None if position is None else self._rows[position]

    def position_of(self, uuid: str) -> int:
        """Row of an item, -1 when it is not there."""
        return self._position.get(uuid, -1)

    @property
    def n_rows(self) -> int:
        """Number of items."""
        return len(self._rows)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Title, tooltip or alignment of a column."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(Column(section))
        return super().headerData(section, orientation, role)

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Flags of a cell: name and comment can be edited where the item can be read."""
        flags = super().flags(index)
        is_text = index.isValid() and Column(index.column()) in _EDITABLE
        # An item that cannot be read has no name of its own.
        if is_text and self._rows[index.row()].algorithm:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Ask for another name or comment; the row follows when the item has it."""
        row, what = self._rows[index.row()], _EDITABLE.get(Column(index.column()))
        if role != Qt.ItemDataRole.EditRole or what is None or value == getattr(row, what):
            return False
        self.edited.emit(row.uuid, what, str(value))
        return True

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, icon, tooltip or sort key of a cell."""
        row, column = self._rows[index.row()], Column(index.column())
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return _TEXTS[column](row)
        if role == SORT_ROLE:
            return _sort_key(row, column)
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.DecorationRole and column is Column.NAME:
            return state_icon(row.state)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tooltip(row)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        return None


def _alignment(column: Column) -> Any:
    centred = column in _NUMERIC
    side = Qt.AlignmentFlag.AlignHCenter if centred else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _cells(row: ItemRow) -> str:
    if row.n_components is None:
        return ""
    if row.n_accepted is None:
        return f"{row.n_components}"
    return f"{row.n_accepted} / {row.n_components}"


_TEXTS: dict[Column, Callable[[ItemRow], str]] = {
    Column.NAME: lambda row: row.name,
    Column.STATE: lambda row: f"{row.state.value} ⚠" if row.warnings else row.state.value,
    Column.CELLS: _cells,
    Column.TIME: lambda row: format_duration(row.duration()),
    Column.ALGORITHM: lambda row: row.algorithm,
    Column.ENGINE: lambda row: row.engine,
    Column.MOVIE: lambda row: row.movie,
    Column.COMMENT: lambda row: row.comment,
}


def _sort_key(row: ItemRow, column: Column) -> Any:
    if column is Column.CELLS:
        return -1 if row.n_components is None else row.n_components
    if column is Column.TIME:
        return row.duration() or 0.0
    return _TEXTS[column](row).lower()


def _tooltip(row: ItemRow) -> str:
    parts = [row.name, row.state.value]
    if row.stage:
        parts.append(f"{row.stage}, {row.fraction:.0%}")
    if row.error:
        parts.append(row.error)
    parts += [f"⚠ {warning}" for warning in row.warnings]
    parts.append("Double-click opens the result." if row.state.value == "completed" else "")
    return "\n".join(part for part in parts if part)
