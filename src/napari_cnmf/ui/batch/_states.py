"""Draws the states of an item, in the colours that users know from Mesmerize."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from qtpy.QtCore import QModelIndex, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_cnmf.batch.status import State

STATE_COLORS = {
    State.COMPLETED: "#3ddc84",
    State.FAILED: "#ff5c5c",
    State.RUNNING: "#ffd43b",
    State.CANCELLED: "#ff9f1c",
    State.INTERRUPTED: "#ff5c5c",
    State.QUEUED: "#9aa3b2",
    State.WAITING: "#9aa3b2",
}
_HOLLOW = frozenset({State.WAITING, State.INTERRUPTED})
_SIZE = 32


@lru_cache(maxsize=len(State))
def state_icon(state: State) -> QIcon:
    """Icon of a state: a disc in its colour, a ring for what waits or was interrupted."""
    pixmap = QPixmap(_SIZE, _SIZE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    color = QColor(STATE_COLORS[state])
    painter.setPen(QPen(color, 5))
    painter.setBrush(Qt.BrushStyle.NoBrush if state in _HOLLOW else color)
    painter.drawEllipse(QRectF(6, 6, _SIZE - 12, _SIZE - 12))
    painter.end()
    return QIcon(pixmap)


class StateDelegate(QStyledItemDelegate):
    """Delegate that paints the state in words, over a bar while the item runs."""

    def __init__(self, row_role: int, parent: Any = None) -> None:
        super().__init__(parent)
        self._row_role = row_role

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Paint the state in words; over a bar of the progress while the item runs."""
        row = index.data(self._row_role)
        if painter is None or row is None or row.state is not State.RUNNING:
            super().paint(painter, option, index)
            return
        option = QStyleOptionViewItem(option)
        self.initStyleOption(option, index)
        option.text = ""
        style = option.widget.style()
        if style is not None:
            style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = QRectF(option.rect).adjusted(3, 4, -3, -4)
        color = QColor(STATE_COLORS[State.RUNNING])
        painter.setPen(Qt.PenStyle.NoPen)
        color.setAlpha(45)
        painter.setBrush(color)
        painter.drawRoundedRect(bar, 3, 3)
        color.setAlpha(150)
        painter.setBrush(color)
        filled = QRectF(bar.x(), bar.y(), bar.width() * row.fraction, bar.height())
        painter.drawRoundedRect(filled, 3, 3)
        painter.setPen(option.palette.text().color())
        text = f"{row.fraction:.0%}  {row.stage}".strip()
        fitting = option.fontMetrics.elidedText(
            text, Qt.TextElideMode.ElideRight, int(bar.width()) - 10
        )
        painter.drawText(
            bar.adjusted(6, 0, -4, 0),
            int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft),
            fitting,
        )
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Size of the cell, with room for a bar with words."""
        return super().sizeHint(option, index).expandedTo(QSize(130, 22))
