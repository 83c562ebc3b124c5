"""Pictures of what each preset is made for, to choose one by what the recording looks like."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QPointF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap, QRadialGradient
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QSizePolicy, QToolButton, QWidget

from napari_cnmf._names import PresetName
from napari_cnmf.params import PRESETS
from napari_cnmf.ui._parts import tool_button

_SIZE = QSize(64, 42)
_SCALE = 2
"""Pixels of a picture for each of the button's, so that it stays sharp on a dense screen."""
_STYLE = (
    "QToolButton { border: 2px solid transparent; border-radius: 4px; padding: 2px 0px; }"
    "QToolButton:hover { border-color: rgba(128, 128, 128, 160); }"
    "QToolButton:checked { border-color: #4c7bd9; font-weight: bold; }"
)
_TISSUE, _CELL = QColor("#1d2733"), QColor("#9fd8a4")


class PresetPictures(QWidget):
    """Row of a button with a picture for each preset; at most one of them is pressed."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QToolButton] = {}
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for name, (title, paint) in _PICTURES.items():
            button = tool_button(title)
            button.setIcon(QIcon(_picture(paint)))
            button.setIconSize(_SIZE)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setCheckable(True)
            button.setStyleSheet(_STYLE)
            button.setToolTip(PRESETS[name].description)
            button.setAccessibleName(f"Preset {name}")
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setMinimumWidth(_SIZE.width() + 6)
            button.clicked.connect(lambda _=False, name=name: self.chosen.emit(name))
            self._group.addButton(button)
            self.buttons[name] = button
            layout.addWidget(button, 1)

    def show_chosen(self, name: str) -> None:
        """Press the button of a preset; none where the name is no preset's."""
        # An exclusive group always keeps one pressed.
        self._group.setExclusive(False)
        for preset, button in self.buttons.items():
            button.setChecked(preset == name)
        self._group.setExclusive(True)


def _picture(paint: Callable[[QPainter], None]) -> QPixmap:
    pixmap = QPixmap(_SIZE * _SCALE)
    pixmap.fill(_TISSUE)
    pixmap.setDevicePixelRatio(_SCALE)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    paint(painter)
    painter.end()
    return pixmap


def _faded(alpha: float) -> QColor:
    color = QColor(_CELL)
    color.setAlphaF(alpha)
    return color


def _disc(painter: QPainter, x: float, y: float, radius: float, *, edge: float) -> None:
    """Draw a disc that fades from a fraction ``edge`` of its radius on."""
    gradient = QRadialGradient(QPointF(x, y), radius)
    gradient.setColorAt(0, _faded(0.95))
    gradient.setColorAt(edge, _faded(0.8 * edge + 0.1))
    gradient.setColorAt(1, _faded(0))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(gradient)
    painter.drawEllipse(QPointF(x, y), radius, radius)


def _paint_somata(painter: QPainter) -> None:
    """Sharp discs, darker where the nucleus is."""
    for x, y in ((11, 12), (28, 27), (45, 10), (52, 31), (13, 33)):
        _disc(painter, x, y, 6, edge=0.9)
        painter.setBrush(QColor(_TISSUE.red(), _TISSUE.green(), _TISSUE.blue(), 150))
        painter.drawEllipse(QPointF(x, y), 2.2, 2.2)


def _paint_one_photon(painter: QPainter) -> None:
    """Blurred discs in a bright haze."""
    painter.fillRect(0, 0, _SIZE.width(), _SIZE.height(), _faded(0.22))
    _disc(painter, 34, 20, 40, edge=0.3)
    for x, y in ((16, 13), (40, 27), (51, 12), (18, 32)):
        _disc(painter, x, y, 11, edge=0.3)


def _paint_processes(painter: QPainter) -> None:
    """Thin lines that branch."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for offset, alpha in ((0, 0.9), (15, 0.6), (-14, 0.7)):
        path = QPainterPath(QPointF(0, 24 + offset))
        path.cubicTo(20, 10 + offset, 36, 40 + offset, 64, 16 + offset)
        painter.setPen(QPen(_faded(alpha), 1.8))
        painter.drawPath(path)
    for x in np.linspace(8, 58, 6):
        _disc(painter, float(x), 22 + 6 * float(np.sin(x)), 2.4, edge=0.9)


def _paint_volume(painter: QPainter) -> None:
    """Planes one behind another, with cells in them."""
    for depth, (x, y) in enumerate(((22, 3), (15, 10), (8, 17))):
        painter.setPen(QPen(_faded(0.8), 1))
        painter.setBrush(QColor(_TISSUE.red(), _TISSUE.green(), _TISSUE.blue(), 230))
        painter.drawRect(x, y, 34, 21)
        for dx, dy in ((8, 7), (24, 13)):
            _disc(painter, x + dx + 2 * depth, y + dy, 4.5, edge=0.9)


_PICTURES: dict[PresetName, tuple[str, Callable[[QPainter], None]]] = {
    "two-photon somata": ("Somata", _paint_somata),
    "one-photon": ("1-photon", _paint_one_photon),
    "dendrites/axons": ("Processes", _paint_processes),
    "volumetric": ("Volume", _paint_volume),
}
