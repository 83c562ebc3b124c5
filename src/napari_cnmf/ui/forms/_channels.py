"""Which channel of a file, and whether channels alternate in it frame by frame."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QToolButton, QWidget

from napari_cnmf.ui.forms._editors import keep_wheel_for_scrolling

_MOST = 32
_UNSAID = -1


class ChannelRow(QWidget):
    """``channel`` and ``n_channels`` of `open_movie`."""

    changed = Signal()
    show_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.channel_box, self.number_box = QSpinBox(), QSpinBox()
        self.channel_box.setRange(_UNSAID, _MOST - 1)
        self.channel_box.setSpecialValueText("auto")
        self.channel_box.setToolTip(
            "Which channel, counted from 0; auto where the file has one alone"
        )
        self.number_box.setRange(1, _MOST)
        self.number_box.setSpecialValueText("auto")
        self.number_box.setToolTip(
            "auto: the file says how many. Some do not: so many channels alternate in them frame "
            "by frame"
        )
        self.show_button = QToolButton()
        self.show_button.setText("Show")
        self.show_button.setToolTip("Show the frames of this channel as a layer")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("channel"))
        layout.addWidget(self.channel_box, 1)
        layout.addWidget(QLabel("of"))
        layout.addWidget(self.number_box, 1)
        layout.addWidget(self.show_button)
        for box in (self.channel_box, self.number_box):
            keep_wheel_for_scrolling(box)
            box.setKeyboardTracking(False)
        self.number_box.valueChanged.connect(lambda _: self._on_number())
        self.channel_box.valueChanged.connect(lambda _: self.changed.emit())
        self.show_button.clicked.connect(lambda _=False: self.show_clicked.emit())

    def told(self) -> dict[str, Any]:
        """What `open_movie` is to be told; empty where nothing is."""
        channel, number = self.channel_box.value(), self.number_box.value()
        told = {} if channel == _UNSAID else {"channel": channel}
        return told if number == 1 else told | {"n_channels": number}

    def show_told(self, told: dict[str, Any]) -> None:
        """Show what a movie is opened with."""
        for box in (self.channel_box, self.number_box):
            box.blockSignals(True)
        self.number_box.setValue(told.get("n_channels") or 1)
        self._bound()
        channel = told.get("channel")
        self.channel_box.setValue(_UNSAID if channel is None else channel)
        for box in (self.channel_box, self.number_box):
            box.blockSignals(False)

    def _on_number(self) -> None:
        self.channel_box.blockSignals(True)
        self._bound()
        self.channel_box.blockSignals(False)
        self.changed.emit()

    def _bound(self) -> None:
        """Of alternating channels one is always chosen."""
        number = self.number_box.value()
        self.channel_box.setRange(*((_UNSAID, _MOST - 1) if number == 1 else (0, number - 1)))
