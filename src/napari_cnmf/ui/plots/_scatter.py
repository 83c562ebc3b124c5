"""Scatter of two metrics with a lasso; arrays in, rows out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QVBoxLayout, QWidget
from skimage.measure import points_in_poly

from napari_cnmf.ui._parts import fill
from napari_cnmf.ui._theme import readable_on
from napari_cnmf.ui.layers import selection_color

_REACH_PX = 12
"""How far from a point a click may be."""
_MOST_RINGS = 500
"""Selected points that get a ring of their own colour; more of them share one."""


class _LassoBox(pg.ViewBox):  # type: ignore[misc]  # pyqtgraph has no types
    """View box in which the left button draws, the middle one moves, the wheel zooms."""

    drawn = Signal(object, bool)
    """Vertices ``(n, 2)`` in plot coordinates; whether shift adds to the selection."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self._path: list[tuple[float, float]] = []
        self.outline = pg.PlotCurveItem()
        self.outline.setZValue(50)
        self.addItem(self.outline, ignoreBounds=True)

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """Draw the lasso while the left button is down."""
        if event.button() != Qt.MouseButton.LeftButton or axis is not None:
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        if event.isStart():
            start = self.mapToView(event.buttonDownPos())
            self._path = [(start.x(), start.y())]
        point = self.mapToView(event.pos())
        self._path.append((point.x(), point.y()))
        if not event.isFinish():
            path = np.array([*self._path, self._path[0]])
            self.outline.setData(path[:, 0], path[:, 1])
            return
        self.outline.setData([], [])
        adds = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self.drawn.emit(np.array(self._path), adds)


class ScatterPlot(QWidget):
    """Scatter of one point a component, coloured by group; it knows neither viewer nor result."""

    chosen = Signal(tuple, bool)
    """Rows that were clicked or lassoed; whether they are added to the selection."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = _LassoBox()
        self._plot = pg.PlotWidget(background=None, viewBox=self._box)
        self._item = self._plot.getPlotItem()
        self._item.hideButtons()
        self._item.showGrid(x=True, y=True, alpha=0.12)
        for name in ("left", "bottom"):
            # a correlation of 0.9 is not 900 thousandths
            self._item.getAxis(name).enableAutoSIPrefix(False)
        self._background = "#000000"
        self._points = pg.ScatterPlotItem(pen=None, size=6, pxMode=True)
        self._item.addItem(self._points)
        self._groups = np.zeros(0, "<U1")
        self._colors: dict[str, str] = {}
        self._lines: list[Any] = []
        self.rings = pg.ScatterPlotItem(size=12, brush=None, pxMode=True)
        self.rings.setZValue(40)
        self._item.addItem(self.rings, ignoreBounds=True)
        self._xy = np.zeros((0, 2))
        self._selection: tuple[int, ...] = ()
        self._box.drawn.connect(self._on_lasso)
        self._plot.scene().sigMouseClicked.connect(self._on_clicked)
        fill(QVBoxLayout(self), self._plot, margins=0)
        self.setMinimumSize(160, 120)

    @property
    def canvas(self) -> Any:
        """Widget that mouse events go to."""
        return self._plot.viewport()

    def set_theme(self, background: str, text: str) -> None:
        """Set the colours of background and axes."""
        self._plot.setBackground(background)
        self._background = background
        for name in ("left", "bottom"):
            axis = self._item.getAxis(name)
            axis.setPen(pg.mkPen(text, width=1))
            axis.setTextPen(text)
        self._box.outline.setPen(pg.mkPen(text, width=1.5, style=Qt.PenStyle.DashLine))

    def set_points(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        titles: tuple[str, str],
        thresholds: tuple[Sequence[float], Sequence[float]] = ((), ()),
    ) -> None:
        """Replace the points ``(n,)``; those without a finite x and y are left out."""
        self._xy = np.column_stack([x, y])
        self._points.clear()
        self._colors = {}
        self._item.setLabel("bottom", titles[0])
        self._item.setLabel("left", titles[1])
        self.set_thresholds(thresholds)
        self._ring()
        finite = self._xy[self.is_shown]
        if len(finite):
            low, high = finite.min(axis=0), finite.max(axis=0)
            self._item.setRange(xRange=(low[0], high[0]), yRange=(low[1], high[1]), padding=0.05)

    def set_thresholds(self, thresholds: tuple[Sequence[float], Sequence[float]]) -> None:
        """Draw lines across x, and across y."""
        for line in self._lines:
            self._item.removeItem(line)
        pen = pg.mkPen(QColor(128, 128, 128), width=1, style=Qt.PenStyle.DashLine)
        self._lines = [
            pg.InfiniteLine(value, angle=angle, pen=pen)
            for values, angle in zip(thresholds, (90, 0), strict=True)
            for value in values
        ]
        for line in self._lines:
            self._item.addItem(line, ignoreBounds=True)

    @property
    def is_shown(self) -> NDArray[np.bool_]:
        """Whether each component has a point, ``(n,)``."""
        return np.asarray(np.isfinite(self._xy).all(axis=1))

    def set_groups(self, groups: NDArray[np.str_], colors: dict[str, str]) -> None:
        """Colour the points by group ``(n,)``.

        Only points that change are touched, all of one group at once.
        """
        rows = np.flatnonzero(self.is_shown)
        groups = groups[rows]
        brushes = {name: pg.mkBrush(_faint(color)) for name, color in colors.items()}
        is_fresh = self._colors != colors or len(self._groups) != len(groups)
        changed = np.zeros(0, np.intp) if is_fresh else np.flatnonzero(self._groups != groups)
        self._groups, self._colors = groups, dict(colors)
        if is_fresh:
            xy = self._xy[rows]
            wanted = [brushes[name] for name in groups.tolist()]
            self._points.setData(x=xy[:, 0], y=xy[:, 1], brush=wanted)
            return
        data = self._points.data
        for name in np.unique(groups[changed]).tolist():
            same = changed[groups[changed] == name]
            first = int(same[0])
            self._points.setBrush([brushes[name]], dataSet=data[first : first + 1])
            # pyqtgraph takes 5 us a point to find the same picture for each.
            for field in ("brush", "sourceRect"):
                data[field][same] = data[field][first]

    def set_selection(self, rows: Sequence[int]) -> None:
        """Put rings around the selected components."""
        self._selection = tuple(rows)
        self._ring()

    def _ring(self) -> None:
        rows = np.array([r for r in self._selection if r < len(self._xy)], np.intp)
        shown = self.is_shown[rows]
        places = np.flatnonzero(shown)
        xy = self._xy[rows[shown]]
        if len(rows) > _MOST_RINGS:
            pens: Any = pg.mkPen(self._selection_color(0), width=1.5)
        else:
            pens = [pg.mkPen(self._selection_color(int(i)), width=2) for i in places]
        self.rings.setData(x=xy[:, 0], y=xy[:, 1], pen=pens, brush=pg.mkBrush(None))

    def _selection_color(self, position: int) -> str:
        return readable_on(self._background, selection_color(position))

    def color_of(self, row: int) -> str:
        """Colour of a component's point."""
        place = int(np.count_nonzero(self.is_shown[:row]))
        return str(self._points.data["brush"][place].color().name())

    def place_of(self, row: int) -> Any:
        """Position of a component's point on the canvas."""
        at = self._box.mapViewToScene(pg.Point(*self._xy[row]))
        return self._plot.mapFromScene(at)

    def _on_lasso(self, vertices: NDArray[np.float64], adds: bool) -> None:
        if len(vertices) < 3:
            return
        inside = np.zeros(len(self._xy), bool)
        shown = self.is_shown
        inside[shown] = points_in_poly(self._xy[shown], vertices)  # type: ignore[no-untyped-call]
        self.chosen.emit(tuple(np.flatnonzero(inside).tolist()), adds)

    def _on_clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton or not len(self._xy):
            return
        at = self._box.mapSceneToView(event.scenePos())
        width, height = (max(abs(s), 1e-300) for s in self._box.viewPixelSize())
        distance = np.hypot((self._xy[:, 0] - at.x()) / width, (self._xy[:, 1] - at.y()) / height)
        distance[~self.is_shown] = np.inf
        nearest = int(distance.argmin())
        if distance[nearest] <= _REACH_PX:
            adds = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.chosen.emit((nearest,), adds)


def _faint(color: str) -> QColor:
    fill = QColor(color)
    fill.setAlpha(190)
    return fill
