"""All components as a table model that stays quick at ten thousand rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QModelIndex, QObject, Qt, Signal
from qtpy.QtGui import QColor

from napari_cnmf.errors import CurationError
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.verdict_colors import VERDICT_COLORS
from napari_cnmf.ui._frame_table import TableModel
from napari_cnmf.ui.curation._actions import Tag, color_of
from napari_cnmf.ui.curation._columns import TITLES, TOOLTIPS, Column, Figures, filter_rows

_Index = QModelIndex
_DECIMALS = {Column.SNR: 1, Column.R: 2, Column.P_CELL: 2}
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class CurationTableModel(TableModel):
    """Qt model whose rows are sorted and filtered on arrays: a proxy would ask for every cell.

    ``order`` says which component stands in which row.
    """

    titles, tooltips = TITLES, TOOLTIPS
    note_written = Signal(int, str)
    """A note was typed: id and text."""
    reordered = Signal()
    """Rows stand elsewhere than before."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.figures = Figures.empty()
        self.order: NDArray[np.intp] = np.zeros(0, np.intp)
        self._cur: Curation | None = None
        self._states: NDArray[np.str_] = np.zeros(0, "<U1")
        self._position: NDArray[np.intp] = np.zeros(0, np.intp)
        self._filter = ""
        self._colors: dict[str, QColor] = {}
        self._tags: tuple[Tag, ...] = ()
        self.set_colors({verdict.value: color for verdict, color in VERDICT_COLORS.items()})
        self._sort = (Column.ID, Qt.SortOrder.AscendingOrder)
        self._keys: NDArray[np.float64] | None = None

    def set_content(self, cur: Curation | None, figures: Figures, states: NDArray[np.str_]) -> None:
        """Show other components."""
        self._cur, self.figures, self._states = cur, figures, states
        self._reorder()

    def set_colors(self, colors: Mapping[str, str]) -> None:
        """Set the colours of the decisions, by name."""
        self._colors = {name: QColor(color) for name, color in colors.items()}

    def set_tags(self, tags: tuple[Tag, ...]) -> None:
        """Set the colours of the tags."""
        self._tags = tags
        self.set_states(self._states)

    def set_states(self, states: NDArray[np.str_]) -> None:
        """Show other decisions; rows stay where they are until the filter is set again."""
        self._states = states
        if len(self.order):
            last = self.index(len(self.order) - 1, len(TITLES) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def set_filter(self, text: str) -> None:
        """Keep the rows that satisfy every word; see ``filter_rows``.

        Raises
        ------
        CurationError
            When the text is no filter; what was shown stays.
        """
        if self._cur is not None:
            filter_rows(text, self.figures, self._states, self._cur)
        self._filter = text
        self._reorder()

    def _reorder(self) -> None:
        self.beginResetModel()
        self.order = self._sorted_rows()
        self._position = np.full(len(self.figures), -1, np.intp)
        self._position[self.order] = np.arange(len(self.order))
        self.endResetModel()
        self.reordered.emit()

    def _sorted_rows(self) -> NDArray[np.intp]:
        if self._cur is None:
            return np.zeros(0, np.intp)
        try:
            kept = np.flatnonzero(filter_rows(self._filter, self.figures, self._states, self._cur))
        except CurationError:
            kept = np.arange(len(self.figures))
        if self._keys is not None and len(self._keys) == len(self.figures):
            return np.asarray(kept[np.argsort(-self._keys[kept], kind="stable")], np.intp)
        column, direction = self._sort
        keys = self._sort_keys(column)[kept]
        is_descending = direction == Qt.SortOrder.DescendingOrder
        if keys.dtype.kind == "f":
            # Unknown values stand last, whichever way the others are sorted.
            order = np.argsort(-keys if is_descending else keys, kind="stable")
        else:
            order = np.argsort(keys, kind="stable")
            order = order[::-1] if is_descending else order
        return np.asarray(kept[order], np.intp)

    def _sort_keys(self, column: Column) -> NDArray[Any]:
        if column in self.figures.numbers:
            return self.figures.numbers[column]
        if column is Column.DECISION:
            return self._states
        if column is Column.CLASS:
            return self.figures.classes
        texts = [self._text(int(row), column) for row in range(len(self.figures))]
        return np.array(texts, dtype=str)

    @property
    def is_kept(self) -> NDArray[np.bool_]:
        """Whether the filter keeps each component, ``(n_components,)``."""
        return self._position >= 0

    def position_of(self, row: int) -> int:
        """Row of a component in the table, -1 where the filter hides it."""
        return int(self._position[row]) if 0 <= row < len(self._position) else -1

    # -- Qt's side

    @property
    def n_rows(self) -> int:
        """Number of components that the filter keeps."""
        return len(self.order)

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Flags of a cell: only notes can be edited."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == Column.NOTE else flags

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, colour or tooltip of a cell."""
        if not index.isValid() or self._cur is None:
            return None
        row, column = int(self.order[index.row()]), Column(index.column())
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self._text(row, column)
        if role == Qt.ItemDataRole.ForegroundRole and column is Column.DECISION:
            return self._colors.get(str(self._states[row]))
        if role == Qt.ItemDataRole.DecorationRole and column is Column.TAGS:
            tags = sorted(self._cur.tags(int(self.figures.ids[row])))
            return QColor(color_of(tags[0], self._tags)) if tags else None
        if role == Qt.ItemDataRole.TextAlignmentRole and column in self.figures.numbers:
            return _RIGHT
        return None

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Tell that a note was typed; the row follows when the curation has it."""
        if role != Qt.ItemDataRole.EditRole or index.column() != Column.NOTE:
            return False
        self.note_written.emit(int(self.figures.ids[self.order[index.row()]]), str(value))
        return True

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the rows by a column."""
        self._sort = (Column(column) if column >= 0 else Column.ID, order)
        self._keys = None
        self._reorder()

    def sort_by(self, keys: NDArray[np.float64]) -> None:
        """Sort by values that have no column, the largest first, until a column is clicked.

        Parameters
        ----------
        keys
            One of each component, ``(n_components,)``.
        """
        self._keys = keys
        self._reorder()

    def _text(self, row: int, column: Column) -> str:
        if column in self.figures.numbers:
            value = self.figures.numbers[column][row]
            return "" if np.isnan(value) else f"{value:.{_DECIMALS.get(column, 0)}f}"
        if column is Column.DECISION:
            return str(self._states[row])
        if column is Column.CLASS:
            return str(self.figures.classes[row])
        if self._cur is None:
            return ""
        id_ = int(self.figures.ids[row])
        if column is Column.TAGS:
            return ", ".join(sorted(self._cur.tags(id_)))
        return self._cur.note_of(id_)
