"""Draws a heat map of all traces; arrays in, positions and times out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cnmf.ui._parts import fill
from napari_cnmf.ui._theme import CallSoon
from napari_cnmf.ui.layers import selection_color
from napari_cnmf.ui.plots._pooling import pooled

_MOST = (1200, 1600)
"""Rows and columns that are drawn at once: about what a screen has."""
_MOST_MARKS = 100


class HeatMap(QWidget):
    """Heat map with one row a trace, the first on top; it knows neither viewer nor result.

    Only what is in view is drawn, pooled to what the screen can show.
    """

    position_chosen = Signal(int, bool)
    """The row that was clicked, counted from the top; whether it is added to the selection."""
    time_chosen = Signal(float)
    """The cursor was dragged, in the units of the time axis."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plot = pg.PlotWidget(background=None)
        self._item = self._plot.getPlotItem()
        self._item.hideButtons()
        self._item.setMenuEnabled(False)
        self._item.invertY(True)
        self._item.getAxis("left").setWidth(58)
        self._item.setLabel("left", "row of the table")
        self.image = pg.ImageItem(axisOrder="row-major")
        self.image.setColorMap(pg.colormap.get("viridis"))
        self._item.addItem(self.image, ignoreBounds=True)
        self._cursor = pg.InfiniteLine(0, movable=True, angle=90)
        self._cursor.sigDragged.connect(lambda line: self.time_chosen.emit(float(line.value())))
        self._item.addItem(self._cursor, ignoreBounds=True)
        self.marks: list[Any] = []
        self._picture = np.zeros((0, 0), np.uint8)
        self._rows = np.zeros(0, np.intp)
        self._end = 1.0
        self._render = CallSoon(self, self._draw)
        self._item.getViewBox().sigRangeChanged.connect(lambda *_: self._render.start())
        self._plot.scene().sigMouseClicked.connect(self._on_clicked)
        fill(QVBoxLayout(self), self._plot, margins=0)
        self.setMinimumSize(160, 120)

    @property
    def canvas(self) -> Any:
        """Widget that mouse events go to."""
        return self._plot.viewport()

    def set_theme(self, background: str, text: str, cursor: str) -> None:
        """Set the colours of background, axes and cursor."""
        self._plot.setBackground(background)
        for name in ("left", "bottom"):
            axis = self._item.getAxis(name)
            axis.setPen(pg.mkPen(text, width=1))
            axis.setTextPen(text)
        self._cursor.setPen(pg.mkPen(cursor, width=1.5))

    def set_picture(self, picture: NDArray[np.uint8], end: float, label: str) -> None:
        """Show other traces ``(n, n_columns)``, which reach from 0 to ``end`` in time."""
        self._picture, self._end = picture, max(end, 1e-9)
        axis = self._item.getAxis("bottom")
        axis.enableAutoSIPrefix(False)
        axis.setLabel(label)
        self._item.setLimits(xMin=0, xMax=self._end, yMin=0, yMax=max(len(picture), 1))
        self.set_order(np.arange(len(picture)))
        self._item.setXRange(0, self._end, padding=0)

    def set_order(self, rows: NDArray[np.intp]) -> None:
        """Show these rows of the picture, in that order from the top."""
        self._rows = rows[rows < len(self._picture)]
        self._item.setYRange(0, max(len(self._rows), 1), padding=0)
        self._render.start()

    def set_selection(self, rows: Sequence[int]) -> None:
        """Mark the selected components at the left and right edge of their rows."""
        for mark in self.marks:
            self._item.removeItem(mark)
        position = np.full(len(self._picture), -1)
        position[self._rows] = np.arange(len(self._rows))
        self.marks = []
        for place, row in enumerate(rows[:_MOST_MARKS]):
            if 0 <= row < len(position) and position[row] >= 0:
                pen = pg.mkPen(selection_color(place), width=1.5)
                at = position[row]
                box = [0, self._end, self._end, 0, 0]
                mark = pg.PlotCurveItem(box, [at, at, at + 1, at + 1, at], pen=pen)
                self.marks.append(mark)
                self._item.addItem(mark, ignoreBounds=True)

    def set_time(self, time: float) -> None:
        """Move the cursor without telling anyone."""
        self._cursor.setValue(time)

    def place_of(self, position: int, time: float) -> Any:
        """Position of a row on the canvas at a time."""
        box = self._item.getViewBox()
        return self._plot.mapFromScene(box.mapViewToScene(pg.Point(time, position + 0.5)))

    def _draw(self) -> None:
        n, n_columns = len(self._rows), self._picture.shape[1]
        if not n or not n_columns:
            self.image.clear()
            return
        (left, right), (top, bottom) = self._item.viewRange()
        first, last = (int(np.clip(v, 0, n)) for v in (np.floor(top), np.ceil(bottom)))
        per_time = n_columns / self._end
        start, stop = (
            int(np.clip(v, 0, n_columns))
            for v in (np.floor(left * per_time), np.ceil(right * per_time))
        )
        if last <= first or stop <= start:
            return
        image, (tall, wide) = pooled(self._picture[:, start:stop], self._rows[first:last], _MOST)
        self.image.setImage(image, autoLevels=False, levels=(0, 255))
        height, width = image.shape[0] * tall, image.shape[1] * wide / per_time
        self.image.setRect(QRectF(start / per_time, first, width, height))

    def _on_clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        box = self._item.getViewBox()
        if not box.sceneBoundingRect().contains(event.scenePos()):
            return
        position = int(np.floor(box.mapSceneToView(event.scenePos()).y()))
        if 0 <= position < len(self._rows):
            adds = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.position_chosen.emit(position, adds)
