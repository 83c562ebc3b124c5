"""Dock with plots of all components, in step with table, canvas and traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSignalBlocker
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QTabWidget, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_cnmf.model.verdict_colors import VERDICT_COLORS
from napari_cnmf.params import QualityParams
from napari_cnmf.ui._background import call_in_background
from napari_cnmf.ui._docks import Dock
from napari_cnmf.ui._parts import fill
from napari_cnmf.ui._session import ShownResult, session_of
from napari_cnmf.ui._theme import CallSoon, connect_while_alive, follow_theme, readable_on
from napari_cnmf.ui.curation._columns import TITLES, Column
from napari_cnmf.ui.plots._heatmap import HeatMap
from napari_cnmf.ui.plots._pooling import picture_of_traces
from napari_cnmf.ui.plots._scatter import ScatterPlot

if TYPE_CHECKING:
    import napari

_FIRST_AXES = ("SNR", "r")
_NO_RESULT = "Open a result to see all of its components at once."
_SCATTER_HINT = "Drag: lasso. Shift adds."
_HEAT_HINT = "Each trace to its own peak, in the order of the table. Click selects. Wheel zooms."


class PlotsWidget(Dock):
    """Dock with a scatter of any two metrics with a lasso, and a heat map of all traces."""

    edge = "bottom"

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = self.shows_components_of = session_of(napari_viewer)
        self._viewer = self._session.viewer
        self._overview = self._session.overview
        self.scatter = ScatterPlot()
        self.heat_map = HeatMap()
        self.x_axis, self.y_axis = QComboBox(), QComboBox()
        self._hint = QElidingLabel(_NO_RESULT)
        self._hint.setStyleSheet("color: gray;")
        self._colors = {verdict.value: color for verdict, color in VERDICT_COLORS.items()}
        self._pictured: Any = None
        self._rate = 1.0
        # Changes of one event are drawn once, and only while they are seen.
        self._refresh = CallSoon(self, self._draw)
        self._recolour_soon = CallSoon(self, self._recolour)
        self._lay_out()
        self._connect()
        self._on_result(self._session.result)
        self._on_figures()  # known already where the table was open before

    def _lay_out(self) -> None:
        # Beside the tabs: a dock below the canvas is wide and low.
        corner = QWidget()
        row = fill(QHBoxLayout(corner), self._hint, margins=(0, 0, 0, 2))
        self._axes = QWidget()
        axes = QHBoxLayout(self._axes)
        axes.setContentsMargins(8, 0, 0, 0)
        for title, box in (("y", self.y_axis), ("x", self.x_axis)):
            axes.addWidget(QLabel(title))
            axes.addWidget(box)
            box.setMinimumContentsLength(8)
            box.currentTextChanged.connect(lambda _: self._plot_points())
        row.addWidget(self._axes)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.scatter, "Scatter")
        self.tabs.addTab(self.heat_map, "Heat map")
        self.tabs.setCornerWidget(corner)
        self.tabs.currentChanged.connect(lambda _: self._draw())
        fill(QVBoxLayout(self), self.tabs, margins=(6, 4, 6, 4))

    def _connect(self) -> None:
        session, overview = self._session, self._overview
        connect_while_alive(
            self,
            (session.result_changed, self._on_result),
            (session.verdicts_changed, self._on_verdicts),
            (session.selection_changed, self._on_selection),
            (overview.figures_changed, self._on_figures),
            (overview.order_changed, self._on_order),
            (self._viewer.dims.events.current_step, self._move_cursor),
        )
        self.scatter.chosen.connect(self._select)
        self.heat_map.position_chosen.connect(self._select_position)
        self.heat_map.time_chosen.connect(self._move_slider)
        follow_theme(self, self._viewer, self._apply_theme)
        overview.attach(self)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Draw the page that is seen, which is not kept up to date while hidden."""
        super().showEvent(event)
        self._draw()

    # -- what there is to show

    def _on_result(self, result: ShownResult | None) -> None:
        self._pictured = None
        self._rate = (result.loaded.frame_rate_hz if result is not None else None) or 1.0
        self._refresh.start()

    def _on_figures(self) -> None:
        result, figures = self._session.result, self._overview.figures
        known = {} if result is None else figures.metrics
        for box, first in ((self.x_axis, _FIRST_AXES[0]), (self.y_axis, _FIRST_AXES[1])):
            wanted = box.currentText() if box.currentText() in known else first
            with QSignalBlocker(box):
                box.clear()
                box.addItems(list(known))
                box.setCurrentIndex(max(box.findText(wanted), 0 if known else -1))
        self._plot_points()
        self._refresh.start()

    def _plot_points(self) -> None:
        result, figures = self._session.result, self._overview.figures
        if result is None or len(figures) != result.components.n_components:
            self.scatter.set_points(np.zeros(0), np.zeros(0), ("", ""))
            return
        known = figures.metrics
        unknown = np.full(len(figures), np.nan)
        titles = (self.x_axis.currentText(), self.y_axis.currentText())
        x, y = (known.get(title, unknown) for title in titles)
        self.scatter.set_points(x, y, titles)
        self.scatter.set_selection(self._session.selection)
        self._recolour()

    def _draw(self) -> None:
        """Draw the page that is seen."""
        if not self.isVisible():
            return
        result = self._session.result
        self._axes.setVisible(result is not None and self.tabs.currentIndex() == 0)
        if result is None:
            self._hint.setText(_NO_RESULT)
            self.heat_map.set_picture(np.zeros((0, 0), np.uint8), 1.0, "")
        elif self.tabs.currentIndex() == 0:
            self._hint.setText(_SCATTER_HINT)
            self._recolour()
            self.scatter.set_selection(self._session.selection)
        else:
            self._hint.setText(_HEAT_HINT)
            self._draw_heat_map(result)

    def _draw_heat_map(self, result: ShownResult) -> None:
        components = result.components
        if self._pictured is components:
            self._on_order()
            return
        self._pictured = components

        def show(picture: Any) -> None:
            if self._pictured is components:
                label = "Time (s)" if result.loaded.frame_rate_hz else "Frame"
                self.heat_map.set_picture(picture, components.n_frames / self._rate, label)
                self._on_order()
                self._move_cursor()

        call_in_background(lambda: picture_of_traces(components.C), done=show)

    # -- in step with the others

    def _on_verdicts(self) -> None:
        self._recolour_soon.start()

    def _recolour(self) -> None:
        result = self._session.result
        n = len(self._overview.figures)
        if result is None or not self.isVisible() or n != len(result.link.states):
            return
        self.scatter.set_groups(result.link.states, self._colors)
        quality = result.curation.quality
        x, y = (thresholds_of(box.currentText(), quality) for box in (self.x_axis, self.y_axis))
        self.scatter.set_thresholds((x, y))

    def _on_order(self) -> None:
        if self._session.result is not None and self.tabs.currentIndex() == 1:
            self.heat_map.set_order(self._overview.order)
            self.heat_map.set_selection(self._session.selection)

    def _on_selection(self, selection: tuple[int, ...]) -> None:
        if not self.isVisible():
            return  # drawn when it is seen
        if self.tabs.currentIndex() == 0:
            self.scatter.set_selection(selection)
        else:
            self.heat_map.set_selection(selection)

    def _select(self, rows: tuple[int, ...], adds: bool) -> None:
        before = self._session.selection if adds else ()
        self._session.select((*before, *rows))

    def _select_position(self, position: int, adds: bool) -> None:
        order = self._overview.order
        if position < len(order):
            self._select((int(order[position]),), adds)

    # -- time

    def _move_cursor(self, _event: Any = None) -> None:
        frame = self._session.timeline.frame
        if frame is not None:
            self.heat_map.set_time((frame + 0.5) / self._rate)

    def _move_slider(self, time: float) -> None:
        self._session.timeline.go_to(int(time * self._rate))

    def _apply_theme(self, theme: Any) -> None:
        background = theme.background.as_hex()
        self.scatter.set_theme(background, theme.text.as_hex())
        self.heat_map.set_theme(background, theme.text.as_hex(), theme.warning.as_hex())
        self._colors = {
            verdict.value: readable_on(background, color)
            for verdict, color in VERDICT_COLORS.items()
        }
        self._recolour_soon.start()


_THRESHOLDS = {
    TITLES[Column.SNR]: ("min_SNR", "SNR_lowest"),
    TITLES[Column.R]: ("rval_thr", "rval_lowest"),
    TITLES[Column.P_CELL]: ("min_cnn_thr", "cnn_lowest"),
    "elongation": ("max_ecc",),
}


def thresholds_of(title: str, quality: QualityParams) -> list[float]:
    """Thresholds at which the evaluation divides a metric; empty where it does not."""
    if title == "elongation" and not quality.use_ecc:
        return []
    return [float(getattr(quality, name)) for name in _THRESHOLDS.get(title, ())]
