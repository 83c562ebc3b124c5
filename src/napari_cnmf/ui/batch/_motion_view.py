"""Shows how the field moved, and how well that was taken out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_cnmf.io.motion import MotionRecord
from napari_cnmf.ui._parts import fill, text_label
from napari_cnmf.ui._theme import ERROR_COLOR

_COLORS = {"z": "#b07cd8", "y": "#4a9eda", "x": "#e8a33d"}
_BEFORE, _AFTER = "#888888", "#4caf7a"

_SHIFT = "Shift (px)"
_CORRELATION = "Correlation with the template"
_ERROR = "Standard error of a shift (px)"
_FIGURES = "Figures"
_LEAST_SPAN = {_SHIFT: 1.0, _CORRELATION: 0.1, _ERROR: 0.1}
"""Of the vertical axis."""

Course = tuple[str, str, NDArray[Any]]
"""Name, colour and ``(T,)`` values."""


class MotionView(QWidget):
    """Shifts, their error or the correlation with the template, frame by frame, and the figures."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kinds = QComboBox()
        # Beside the list, not in the plot: there it would lie on the curves.
        self.legend = QLabel()
        self.summary = text_label()
        self.summary.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._widget = pg.PlotWidget(background=None)
        self._plot = self._widget.getPlotItem()
        self._widget.setMinimumHeight(110)
        self._plot.getAxis("left").enableAutoSIPrefix(False)
        self._plot.hideButtons()
        self._plot.setMenuEnabled(False)
        self._plot.setMouseEnabled(x=True, y=False)
        self._plot.setDownsampling(auto=True, mode="peak")
        self._plot.setClipToView(True)
        self._plot.setLabel("bottom", "frame")
        self.record: MotionRecord | None = None
        """Motion record that is shown."""
        self._courses: dict[str, list[Course]] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        top = fill(QHBoxLayout(), (self.kinds, 1), self.legend)
        layout.addLayout(top)
        layout.addWidget(self._widget, 1)
        layout.addWidget(self.summary, 1)
        self.kinds.currentTextChanged.connect(self._draw)

    @property
    def curves(self) -> dict[str, NDArray[np.float64]]:
        """Curves that are drawn, by their names in the legend."""
        return {i.name(): np.asarray(i.yData) for i in self._plot.listDataItems()}

    def show_record(self, record: MotionRecord | None) -> None:
        """Draw a motion correction; ``None`` empties the view."""
        self.record = record
        self._courses = {} if record is None else courses_of(record)
        wanted = self.kinds.currentText()
        with QSignalBlocker(self.kinds):
            self.kinds.clear()
            if record is not None:
                self.kinds.addItems([*self._courses, _FIGURES])
            self.kinds.setCurrentIndex(max(self.kinds.findText(wanted), 0))
        self.kinds.setToolTip("Frame by frame, along the recording")
        self.summary.setText("" if record is None else summary_of(record))
        self._draw(self.kinds.currentText())
        if record is not None:
            self._plot.setXRange(0, max(len(record.shifts) - 1, 1), padding=0.01)

    def _draw(self, kind: str) -> None:
        self._plot.clear()
        record = self.record
        self.summary.setVisible(kind == _FIGURES)
        self._widget.setVisible(kind != _FIGURES)
        self.legend.setText("")
        if record is None or kind == _FIGURES:
            return
        lowest: list[float] = []
        named = [(name, color) for name, color, _ in self._courses[kind]]
        # A recording that stands still is drawn so, and not a thousandth of a pixel as a mountain.
        self._plot.setLimits(minYRange=_LEAST_SPAN[kind])
        for name, color, values in self._courses[kind]:
            # where nothing could be measured the line has a gap
            finite = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
            self._plot.plot(np.arange(finite.size), finite, pen=color, name=name, connect="finite")
            lowest.append(float(np.nanmin(finite, initial=np.inf)))
        if record.lost is not None and record.lost.any():
            at = np.flatnonzero(record.lost)
            floor = min((y for y in lowest if np.isfinite(y)), default=0.0)
            self._plot.plot(
                at, np.full(at.size, floor), name="not measured",
                pen=None, symbol="x", symbolSize=7, symbolPen=ERROR_COLOR,
            )  # fmt: skip
            named.append(("not measured", ERROR_COLOR))
        self.legend.setText("&nbsp; ".join(f"<font color='{c}'>■</font> {n}" for n, c in named))


def courses_of(record: MotionRecord) -> dict[str, list[Course]]:
    """Courses over time that can be drawn, by title: those that the engine measured."""
    axes = "zyx"[-record.shifts.shape[1] :]
    shifts = zip(axes, record.shifts.T, strict=True)
    courses = {_SHIFT: [(name, _COLORS[name], values) for name, values in shifts]}
    if record.correlations is not None:
        before, after = record.correlations.T
        courses[_CORRELATION] = [
            ("before", _BEFORE, before),
            ("after", _AFTER, after),
        ]
    if record.error_px is not None:
        courses[_ERROR] = [("error", _AFTER, record.error_px)]
    return courses


def summary_of(record: MotionRecord) -> str:
    """Summary of the figures that the engine knows, line by line."""
    figures = record.figures
    parts = [f"shifts: up to {np.abs(record.shifts).max():.1f} px"]
    if "residual_px" in figures:
        parts.append(f"left over: {figures['residual_px']:.2f} px")
    for name in ("correlation", "crispness"):
        if f"{name}_before" in figures and f"{name}_after" in figures:
            before, after = figures[f"{name}_before"], figures[f"{name}_after"]
            digits = 0 if before > 100 else 2
            parts.append(f"{name}: {before:,.{digits}f} → {after:,.{digits}f}")
    if figures.get("nonrigid_rms_px"):
        parts.append(f"bending: {figures['nonrigid_rms_px']:.2f} px rms")
    if record.lost is not None and record.lost.any():
        parts.append(f"{int(record.lost.sum())} frames without a field")
    if figures.get("n_beyond_max_shifts"):
        n = int(figures["n_beyond_max_shifts"])
        parts.append(f"{n} frames moved further than max_shifts")
    parts.append(f"rim without data: {record.border_px} px")
    return "\n".join(parts)
