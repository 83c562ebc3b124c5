"""Plot of traces: a value in, a time out; it knows neither viewer nor result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cnmf.ui._parts import fill
from napari_cnmf.ui._theme import readable_on
from napari_cnmf.ui.layers import selection_color
from napari_cnmf.ui.traces._curves import CurveSet, FloatArray, Trace, spike_sticks

_WIDTHS = {
    Trace.RAW: 1.0, Trace.DENOISED: 1.8, Trace.SPIKES: 1.2, Trace.RESIDUAL: 1.0, Trace.DFF: 1.4,
}  # fmt: skip
_ALPHAS = {
    Trace.RAW: 110, Trace.DENOISED: 255, Trace.SPIKES: 210, Trace.RESIDUAL: 150, Trace.DFF: 255,
}  # fmt: skip
_FLUORESCENCE = "fluorescence (a.u.)"
_WIDEST_NUMBER = "-000000"
"""Longer ones are written with an exponent."""
_TICK_PX = 14
"""Length of a tick, and the gaps beside it."""
_SMOOTH_BELOW = 1500
"""Frames; longer curves have several points a pixel, and smoothing them triples the painting."""


class TracePlot(QWidget):
    """Plot of curves over time with a cursor that can be dragged.

    The zoom along time stays when the curves change; the height follows what is visible.
    """

    time_chosen = Signal(float)
    """The user moved the cursor or clicked, in the units of the time axis."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plot = pg.PlotWidget(background=None)
        self._item = self._plot.getPlotItem()
        self._item.hideButtons()
        self._item.setMenuEnabled(False)
        self._item.setDownsampling(auto=True, mode="peak")
        self._item.setClipToView(True)
        self._item.enableAutoRange("y")
        self._item.setAutoVisible(y=True)
        self._item.setMouseEnabled(x=True, y=False)
        self._item.showGrid(x=True, y=False, alpha=0.12)
        self._item.getAxis("left").setWidth(_left_axis_width(self))
        self._cursor = pg.InfiniteLine(0, movable=True, angle=90)
        self._cursor.setZValue(100)
        self._cursor.sigDragged.connect(lambda line: self.time_chosen.emit(float(line.value())))
        self._item.addItem(self._cursor, ignoreBounds=True)
        self._plot.scene().sigMouseClicked.connect(self._on_clicked)
        self._legend = self._item.addLegend(
            offset=(-6, 1), labelTextSize="8pt", verSpacing=-6, colCount=len(Trace)
        )
        self._explained: tuple[Any, ...] = ()
        self.curves: list[Any] = []
        self._whole = (0.0, 1.0)
        self._text_color = "#cccccc"
        self._background = "#000000"

        fill(QVBoxLayout(self), self._plot, margins=0)
        self.setMinimumHeight(150)

    def set_colors(self, background: str, text: str, cursor: str) -> None:
        """Set the colours of axes, labels and cursor, as a theme has them."""
        self._plot.setBackground(background)
        self._background = background
        self._text_color = text
        self._explained = ()
        self._legend.setLabelTextColor(text)
        behind = QColor(background)
        behind.setAlpha(190)
        self._legend.setBrush(pg.mkBrush(behind))
        for name in ("left", "bottom"):
            axis = self._item.getAxis(name)
            axis.setPen(pg.mkPen(text, width=1))
            axis.setTextPen(text)
        self._cursor.setPen(pg.mkPen(cursor, width=1.5))
        self._cursor.setHoverPen(pg.mkPen(cursor, width=3))

    def set_time_axis(self, label: str, unit: str, end: float) -> None:
        """Name the time axis and show all of it, 0 to ``end``."""
        axis = self._item.getAxis("bottom")
        axis.enableAutoSIPrefix(False)
        axis.setLabel(f"{label} ({unit})" if unit else label)
        self._item.setLimits(xMin=-0.02 * end, xMax=1.02 * end)
        self._whole = (0.0, end)
        self.show_all()

    def show_all(self) -> None:
        """Zoom out to the whole recording."""
        self._item.setXRange(*self._whole, padding=0.01)

    @property
    def time_range(self) -> tuple[float, float]:
        """Range of time that is in view."""
        low, high = self._item.viewRange()[0]
        return float(low), float(high)

    def set_time_range(self, low: float, high: float) -> None:
        """Zoom to a range of time."""
        self._item.setXRange(low, high, padding=0)

    def set_curves(
        self, times: FloatArray, curves: CurveSet, names: list[str], unit: str = _FLUORESCENCE
    ) -> None:
        """Replace the curves that are drawn.

        Parameters
        ----------
        times
            ``(n_frames,)`` in the units of the time axis.
        curves
            As ``lay_out`` gives them.
        names
            Label of each selected component; shown where several are stacked.
        unit
            What the heights are where they are not scaled.
        """
        for item in self.curves:
            self._item.removeItem(item)
        self.curves = [self._add_curve(times, curve) for curve in curves.curves]
        self._explain(curves)
        axis = self._item.getAxis("left")
        if curves.has_units:
            axis.setTicks(None)
            axis.setLabel(unit if curves.curves else "")
        else:
            axis.setTicks([list(zip(curves.centres, names, strict=True))])
            axis.setLabel("")
        # Else it is found while painting, and all is painted twice.
        self._item.getViewBox().updateAutoRange()

    def _explain(self, curves: CurveSet) -> None:
        """Explain the lines of the first component; those of the others are like them."""
        kinds = {c.trace: self._pen(c) for c in curves.curves if c.position == 0}
        if tuple(kinds) == self._explained:
            return
        self._explained = tuple(kinds)
        self._legend.clear()
        for trace, pen in kinds.items():
            self._legend.addItem(pg.PlotDataItem(pen=pen), trace.value)

    def _add_curve(self, times: FloatArray, curve: Any) -> Any:
        pen = self._pen(curve)
        if curve.trace is Trace.SPIKES:
            x, y = spike_sticks(curve, times)
            item = pg.PlotCurveItem(x, y, pen=pen, connect="pairs")
        else:
            smooth = len(times) <= _SMOOTH_BELOW
            item = pg.PlotDataItem(
                times, np.asarray(curve.values, float), pen=pen, antialias=smooth, name=None
            )
        self._item.addItem(item)
        return item

    def _pen(self, curve: Any) -> Any:
        color = QColor(readable_on(self._background, selection_color(curve.position)))
        if curve.trace is Trace.RAW:
            color = QColor(self._text_color)
        color.setAlpha(_ALPHAS[curve.trace])
        return pg.mkPen(color, width=_WIDTHS[curve.trace])

    @property
    def time(self) -> float:
        """Time at which the cursor stands."""
        return float(self._cursor.value())

    def set_time(self, time: float) -> None:
        """Move the cursor without telling anyone; a zoomed plot follows it."""
        self._cursor.setValue(time)
        low, high = self.time_range
        if not low <= time <= high:
            half = (high - low) / 2
            self.set_time_range(time - half, time + half)

    @property
    def canvas(self) -> Any:
        """Widget that mouse events go to."""
        return self._plot.viewport()

    @property
    def explained(self) -> list[str]:
        """Text of the legend."""
        return [str(trace) for trace in self._explained]

    def _on_clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if event.double():
            self.show_all()
            return
        box = self._item.getViewBox()
        if box.sceneBoundingRect().contains(event.scenePos()):
            self.time_chosen.emit(float(box.mapSceneToView(event.scenePos()).x()))


def _left_axis_width(widget: QWidget) -> int:
    """Width in pixels of an axis with its numbers and a label beside them.

    It is the same for all data, so that time stands still below the eye from cell to cell.
    """
    metrics = widget.fontMetrics()
    return metrics.horizontalAdvance(_WIDEST_NUMBER) + metrics.height() + _TICK_PX
