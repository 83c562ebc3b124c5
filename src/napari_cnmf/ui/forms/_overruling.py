"""Rows in which the user says otherwise than the files of a recording do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLineEdit, QWidget

from napari_cnmf.errors import ParameterError
from napari_cnmf.params.numbers import parse_number
from napari_cnmf.ui._numbers import WholeBox
from napari_cnmf.ui._theme import set_problem
from napari_cnmf.ui.forms._editors import keep_wheel_for_scrolling
from napari_cnmf.ui.forms._sections import FoldingBox

_MOST = 9999
_COUNTS = {
    "n_planes": ("planes of a volume", 1, "Planes that follow each other in every volume"),
    "n_flyback": (
        "left out after each",
        0,
        "Images after each volume that show none",
    ),
    "plane": ("one plane alone", 0, "Plane of a volume to analyse as a movie of its own, from 0"),
    "field": ("scan field", 0, "Scan field, scene or position to analyse, counted from 0"),
}
_SIZES = "pixel_size_um"


class OverruleRows(QWidget):
    """Options of `open_movie` that overrule lines of the description; empty where unsaid."""

    changed = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.boxes: dict[str, WholeBox] = {}
        for name, (title, least, tip) in _COUNTS.items():
            box = WholeBox()
            box.setRange(least - 1, _MOST)
            box.setSpecialValueText("auto")
            box.setToolTip(f"{tip}. auto: as the files say")
            keep_wheel_for_scrolling(box)
            box.valueChanged.connect(lambda _, name=name: self._on_count(name))
            layout.addRow(title, box)
            self.boxes[name] = box
        self.offset_edit = self._line(
            "added to values", "Number added to every stored value; 0 leaves out a calibration"
        )
        self.sizes_edit = self._line(
            "pixel size (µm)", "dy dx, or dz dy dx for volumes; one number stands for dy and dx"
        )
        layout.addRow("added to values", self.offset_edit)
        layout.addRow("pixel size (µm)", self.sizes_edit)
        self.offset_edit.editingFinished.connect(lambda: self._on_text("offset"))
        self.sizes_edit.editingFinished.connect(lambda: self._on_text(_SIZES))
        self._shown: dict[str, Any] = {}
        self.show_told({})

    def _line(self, title: str, tip: str) -> QLineEdit:
        edit = QLineEdit()
        edit.setAccessibleName(title)
        edit.setPlaceholderText("auto")
        edit.setToolTip(f"{tip}. auto: as the files say")
        return edit

    def show_told(self, told: Mapping[str, Any]) -> None:
        """Show what the recording is opened with."""
        names = (*_COUNTS, "offset", _SIZES)
        self._shown = {name: told[name] for name in names if told.get(name) is not None}
        for name, box in self.boxes.items():
            box.blockSignals(True)
            box.setValue(self._shown.get(name, box.minimum()))
            box.blockSignals(False)
        offset = self._shown.get("offset")
        self.offset_edit.setText("" if offset is None else f"{offset:g}")
        self.sizes_edit.setText(" ".join(f"{size:g}" for size in self._shown.get(_SIZES, ())))
        for edit in (self.offset_edit, self.sizes_edit):
            set_problem(edit, None)

    def _on_count(self, name: str) -> None:
        box = self.boxes[name]
        self._say(name, None if box.value() == box.minimum() else box.value())

    def _on_text(self, name: str) -> None:
        edit = self.offset_edit if name == "offset" else self.sizes_edit
        words = edit.text().split()
        try:
            numbers = [parse_number(word) for word in words]
        except ParameterError:
            numbers = [None]
        most, least = (1, -math.inf) if name == "offset" else (3, 0.0)
        is_right = len(numbers) <= most and all(n is not None and n > least for n in numbers)
        set_problem(edit, None if is_right else edit.toolTip())
        if not is_right:
            return
        if not numbers:
            self._say(name, None)
        elif name == "offset":
            self._say(name, numbers[0])
        else:
            self._say(name, tuple(numbers if len(numbers) > 1 else numbers * 2))

    def _say(self, name: str, value: Any) -> None:
        """Report a change of the options; a field that was left without one is not reported."""
        if self._shown.get(name) == value:
            return
        self._shown.pop(name, None)
        if value is not None:
            self._shown[name] = value
        self.changed.emit(name, value)


class OverruleBox(FoldingBox):
    """Box of the same rows under a heading that folds them away."""

    def __init__(self) -> None:
        self.rows = OverruleRows()
        super().__init__("Correct what the files say", [self.rows], is_expanded=False)
