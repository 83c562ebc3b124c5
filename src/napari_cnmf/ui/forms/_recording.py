"""What is known about the chosen recording, how it is opened, and the questions of its files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.errors import ParameterError
from napari_cnmf.io.movies import ChoiceNeededError, may_hold_several
from napari_cnmf.model.description import Certainty, Description
from napari_cnmf.params.numbers import parse_number
from napari_cnmf.ui._numbers import WholeBox
from napari_cnmf.ui._parts import fill, text_label, tool_button, with_tip
from napari_cnmf.ui._theme import set_problem
from napari_cnmf.ui.forms._editors import keep_wheel_for_scrolling
from napari_cnmf.ui.forms._sections import FoldingBox

_MOST, _MOST_CHANNELS = 9999, 32
_LEAST_BOX_PX = 66
"""What Qt asks for by itself is more than a narrow dock has."""
_UNSAID = -1
_COUNTS = {
    "channel": "Channel to analyse, counted from 0. auto takes the only channel of the file",
    "n_channels": "Number of channels. auto: as the file says. In some files, channels alternate "
    "frame by frame and nothing says so",
    "n_planes": "Planes that follow each other in every volume. auto: as the files say",
    "n_flyback": "Images after each volume that show none. auto: as the files say",
    "plane": "Plane of a volume to analyse as a movie of its own, from 0. auto: as the files say",
    "field": "Scan field, scene or position to analyse, from 0. auto: as the files say",
}
"""Options of `open_movie` that are whole numbers, with their tooltips."""
_TEXTS = {
    "axes": "Meaning of each axis of the file, one letter of T, Z, C, Y, X each, where the file "
    "does not say it or is wrong: TZYX for volumes in time. With ZYX each file of a list is one "
    "volume",
    "dataset": "Name of the array to open, where the file holds several",
    "offset": "Number added to every stored value; 0 leaves out a calibration. auto: as the files "
    "say",
    "pixel_size_um": "dy dx, or dz dy dx for volumes; one number stands for dy and dx. auto: as "
    "the files say",
}
_OVERRULING = {
    "n_planes": "planes of a volume",
    "n_flyback": "left out after each",
    "plane": "one plane alone",
    "field": "scan field",
    "offset": "added to values",
    "pixel_size_um": "pixel size (µm)",
}
"""Options that overrule lines of the description, with their titles."""
_OPTIONS = ("axes", "dataset", "channel", "n_channels", "plane", "n_planes", "n_flyback", "field",
            "offset", "pixel_size_um", "allow_missing")  # fmt: skip
_QUESTIONS = {
    "channel": "Channel",
    "field": "Scan field",
    "plane": "Plane",
    "dataset": "Array",
    "n_channels": "The files are",
    "n_planes": "The files are",
    "n_flyback": "Flyback images",
    "axes": "The array has",
}


class RecordingPanel(QWidget):
    """Panel of `open_movie`'s options, of statements with their sources, and of open questions.

    A pure editor of options: whoever opens the movie passes the description or the error in.
    """

    changed = Signal()
    show_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._told: dict[str, Any] = {}
        self.boxes = {name: self._count_box(name) for name in _COUNTS}
        self.edits = {name: self._line_edit(name) for name in _TEXTS}
        self.dataset_label = QLabel("dataset")
        self.show_button = tool_button(
            "Show",
            "Open the movie with these settings and show it as a layer",
            self.show_clicked.emit,
        )
        self.table = text_label(selectable=True)
        self.table.setTextFormat(Qt.TextFormat.RichText)
        self.missing_box = with_tip(
            QCheckBox("Open what is there"),
            "Leave out missing, empty and cut files of the recording",
        )
        self.missing_box.toggled.connect(lambda on: self._say(allow_missing=on or None))
        self._option = ""
        self.choice_label = QLabel()
        self.choice_combo = QComboBox()
        keep_wheel_for_scrolling(self.choice_combo)
        self.choice_combo.activated.connect(self._on_chosen)
        self._lay_out()
        self._show_told()
        self.clear()

    def _count_box(self, name: str) -> WholeBox:
        box = with_tip(WholeBox(), _COUNTS[name])
        if name != "channel":  # its range depends on the number of channels
            box.setRange({"n_planes": 0, "n_channels": 1}.get(name, _UNSAID), _MOST)
            box.setSpecialValueText("auto")
        box.setMinimumWidth(_LEAST_BOX_PX)
        keep_wheel_for_scrolling(box)
        box.valueChanged.connect(lambda _: self._on_count(name))
        return box

    def _line_edit(self, name: str) -> QLineEdit:
        edit = with_tip(QLineEdit(), _TEXTS[name])
        edit.setPlaceholderText("auto")
        edit.setAccessibleName(_OVERRULING.get(name, name))
        edit.editingFinished.connect(lambda: self._on_text(name))
        return edit

    def _lay_out(self) -> None:
        boxes, edits = self.boxes, self.edits
        first = fill(
            QHBoxLayout(),
            QLabel("channel"), (boxes["channel"], 1), QLabel("of"), (boxes["n_channels"], 1),
        )  # fmt: skip
        second = fill(
            QHBoxLayout(),
            QLabel("axes"), (edits["axes"], 1), self.dataset_label, (edits["dataset"], 2),
            self.show_button,
        )  # fmt: skip
        question = QFormLayout()
        question.addRow(self.choice_label, self.choice_combo)
        rows = QWidget()
        overruling = QFormLayout(rows)
        overruling.setContentsMargins(0, 0, 0, 0)
        for name, title in _OVERRULING.items():
            overruling.addRow(title, (boxes | edits)[name])
        folded = FoldingBox("Correct what the files say", [rows])
        fill(
            QVBoxLayout(self),
            first, second, question, self.missing_box, self.table, folded,
            margins=0, spacing=2,
        )  # fmt: skip

    # -- options

    def told(self) -> dict[str, Any]:
        """Options for `open_movie`, in the order of its arguments."""
        return dict(self._told)

    def show_told(self, paths: Sequence[Path], told: Mapping[str, Any]) -> None:
        """Take over the options that these files are opened with."""
        for widget in (self.dataset_label, self.edits["dataset"]):
            widget.setVisible(may_hold_several(paths[0]))
        self._told = {name: told[name] for name in _OPTIONS if told.get(name) is not None}
        self._show_told()

    def _show_told(self) -> None:
        """Show the options without telling anyone."""
        n_channels = self._told.get("n_channels")
        with QSignalBlocker(self.boxes["channel"]):
            # Of alternating channels one is always chosen.
            low, high = (0, n_channels - 1) if n_channels else (_UNSAID, _MOST_CHANNELS - 1)
            high = max(high, self._told.get("channel", low))
            self.boxes["channel"].setRange(low, high)
            self.boxes["channel"].setSpecialValueText("" if n_channels else "auto")
        for name, box in self.boxes.items():
            with QSignalBlocker(box):
                box.setValue(self._told.get(name, box.minimum()))
        for name, edit in self.edits.items():
            value = self._told.get(name, "")
            sizes = value if isinstance(value, tuple | list) else [value]
            edit.setText(" ".join(v if isinstance(v, str) else f"{v:g}" for v in sizes))
            set_problem(edit, None)
        with QSignalBlocker(self.missing_box):
            self.missing_box.setChecked(bool(self._told.get("allow_missing")))

    def _say(self, **said: Any) -> None:
        """Change options; a field that was left as it was is not reported."""
        told = self._told | said
        if told.get("n_channels"):
            told["channel"] = min(told.get("channel") or 0, told["n_channels"] - 1)
        told = {name: told[name] for name in _OPTIONS if told.get(name) is not None}
        if told != self._told:
            self._told = told
            self._show_told()
            self.changed.emit()

    def _on_count(self, name: str) -> None:
        box = self.boxes[name]
        is_auto = bool(box.specialValueText()) and box.value() == box.minimum()
        self._say(**{name: None if is_auto else box.value()})

    def _on_text(self, name: str) -> None:
        edit = self.edits[name]
        text = edit.text().strip()
        try:
            value = _read(name, text)
        except ParameterError:
            set_problem(edit, edit.toolTip())
            return
        set_problem(edit, None)
        self._say(**{name: value})

    # -- what is known, and what is asked

    def clear(self) -> None:
        """Show nothing while a recording is opened, or where there is none."""
        self.table.hide()
        self._show_choices("", ())
        self.missing_box.setVisible(bool(self._told.get("allow_missing")))

    def show_description(self, description: Description | None) -> None:
        """Show the statements about a recording that could be opened."""
        self.clear()
        if description is not None:
            self.table.setText(_as_html(description))
            self.table.show()

    def ask(self, error: Exception) -> None:
        """Offer what an error asks for: a choice, or to open what is there."""
        self.clear()
        if isinstance(error, ChoiceNeededError):
            self._show_choices(error.option, error.choices)
        if "allow_missing" in str(error):
            self.missing_box.show()

    def _show_choices(self, option: str, choices: tuple[tuple[Any, str], ...]) -> None:
        self._option = option
        self.choice_combo.clear()
        self.choice_combo.addItem("choose…", None)
        for value, label in choices:
            self.choice_combo.addItem(label, value)
        self.choice_label.setText(_QUESTIONS.get(option, option))
        for widget in (self.choice_label, self.choice_combo):
            widget.setVisible(bool(choices))

    def _on_chosen(self, index: int) -> None:
        value = self.choice_combo.itemData(index)
        if value is not None:
            self._say(**{self._option: value})


def _read(name: str, text: str) -> Any:
    """Value of an option that was typed; ``None`` for an empty line."""
    if name in ("axes", "dataset"):
        return (text.upper() if name == "axes" else text) or None
    numbers = [parse_number(word) for word in text.split()]
    most, least = (1, -math.inf) if name == "offset" else (3, 0.0)
    if len(numbers) > most or any(n is None or n <= least for n in numbers):
        raise ParameterError(f"{name} takes up to {most} numbers, got {text!r}.")
    if not numbers:
        return None
    return numbers[0] if name == "offset" else tuple(numbers if len(numbers) > 1 else numbers * 2)


def _as_html(description: Description) -> str:
    """HTML of the table: title, value, and in grey the source."""
    rows = []
    for title, text, source, certainty in description.rows():
        how = "" if certainty == Certainty.STATED else f" ({certainty})"
        rows.append(
            f"<tr><td>{escape(title)}&nbsp;&nbsp;</td><td>{escape(text)}&nbsp;&nbsp;</td>"
            f'<td style="color: gray">{escape(source + how)}</td></tr>'
        )
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in description.remarks)
    table = f"<table cellspacing='0'>{''.join(rows)}</table>"
    return f"{escape(description.format)}{table}{f'<ul>{remarks}</ul>' if remarks else ''}"
