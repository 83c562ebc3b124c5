"""Rows for what a file needs to be opened: channel, axes, array."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.io.movies import may_hold_several
from napari_cnmf.ui._numbers import WholeBox
from napari_cnmf.ui._parts import fill, tool_button
from napari_cnmf.ui.forms._editors import keep_wheel_for_scrolling

_MOST = 32
_LEAST_BOX_PX = 66
"""What Qt asks for by itself is more than a narrow dock has."""
_UNSAID = -1


class OpenWithRows(QWidget):
    """Rows of `open_movie`'s ``channel``, ``n_channels``, ``axes`` and ``dataset``."""

    changed = Signal()
    show_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.channel_box, self.number_box = WholeBox(), WholeBox()
        self.channel_box.setRange(_UNSAID, _MOST - 1)
        self.channel_box.setSpecialValueText("auto")
        self.channel_box.setToolTip(
            "Channel to analyse, counted from 0. auto takes the only channel of the file"
        )
        self.number_box.setRange(1, _MOST)
        self.number_box.setSpecialValueText("auto")
        self.number_box.setToolTip(
            "Number of channels. auto: as the file says. In some files, channels alternate frame "
            "by frame and nothing says so"
        )
        self.axes_edit = _line_edit(
            "Meaning of each axis of the file, one letter of T, Z, C, Y, X each, where the file "
            "does not say it or is wrong: TZYX for volumes in time. With ZYX each file of a list "
            "is one volume"
        )
        self.dataset_edit = _line_edit("Name of the array to open, where the file holds several")
        self._dataset_label = QLabel("dataset")
        self.show_button = tool_button(
            "Show", "Open the movie with these settings and show it as a layer"
        )
        self._lay_out()
        for box in (self.channel_box, self.number_box):
            keep_wheel_for_scrolling(box)
            box.setKeyboardTracking(False)
            box.setMinimumWidth(_LEAST_BOX_PX)
        self.number_box.valueChanged.connect(lambda _: self._on_number())
        self.channel_box.valueChanged.connect(lambda _: self.changed.emit())
        for edit in (self.axes_edit, self.dataset_edit):
            edit.editingFinished.connect(self._on_edited)
        self.show_button.clicked.connect(lambda _=False: self.show_clicked.emit())
        self._told = self.told()

    def _lay_out(self) -> None:
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(QLabel("channel"))
        first.addWidget(self.channel_box, 1)
        first.addWidget(QLabel("of"))
        first.addWidget(self.number_box, 1)
        second.addWidget(QLabel("axes"))
        second.addWidget(self.axes_edit, 1)
        second.addWidget(self._dataset_label)
        second.addWidget(self.dataset_edit, 2)
        second.addWidget(self.show_button)
        fill(QVBoxLayout(self), first, second, margins=0, spacing=2)

    def told(self) -> dict[str, Any]:
        """Options for `open_movie`, in the order of its arguments."""
        channel, number = self.channel_box.value(), self.number_box.value()
        told = {
            "axes": self.axes_edit.text().strip().upper() or None,
            "dataset": self.dataset_edit.text().strip() or None,
            "channel": None if channel == _UNSAID else channel,
            "n_channels": None if number == 1 else number,
        }
        return {name: value for name, value in told.items() if value is not None}

    def show_told(self, paths: Sequence[Path], told: dict[str, Any]) -> None:
        """Show the options that these files are opened with."""
        for widget in (self._dataset_label, self.dataset_edit):
            widget.setVisible(may_hold_several(paths[0]))
        for box in (self.channel_box, self.number_box):
            box.blockSignals(True)
        self.number_box.setValue(told.get("n_channels") or 1)
        self._bound()
        channel = told.get("channel")
        self.channel_box.setValue(_UNSAID if channel is None else channel)
        for box in (self.channel_box, self.number_box):
            box.blockSignals(False)
        self.axes_edit.setText(told.get("axes") or "")
        self.dataset_edit.setText(told.get("dataset") or "")
        self._told = self.told()

    def set_option(self, name: str, value: Any) -> bool:
        """Set one option as if the user had; return ``False`` where it has no field here."""
        if name == "channel":
            self.channel_box.setMaximum(max(self.channel_box.maximum(), value))
            self.channel_box.setValue(value)
        elif name == "n_channels":
            self.number_box.setValue(value)
        elif name == "dataset":
            self.dataset_edit.setText(str(value))
            self._on_edited()
        else:
            return False
        return True

    def _on_edited(self) -> None:
        """Report a change of the options; a field that was left without one is not reported."""
        if self.told() != self._told:
            self._told = self.told()
            self.changed.emit()

    def _on_number(self) -> None:
        self.channel_box.blockSignals(True)
        self._bound()
        self.channel_box.blockSignals(False)
        self.changed.emit()

    def _bound(self) -> None:
        """Limit the channel to those there are: of alternating channels one is always chosen."""
        number = self.number_box.value()
        self.channel_box.setRange(*((_UNSAID, _MOST - 1) if number == 1 else (0, number - 1)))


def _line_edit(tip: str) -> QLineEdit:
    edit = QLineEdit()
    edit.setPlaceholderText("auto")
    edit.setToolTip(tip)
    return edit
