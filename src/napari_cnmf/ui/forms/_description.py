"""Shows what is known about the chosen recording, and the questions that its files leave open."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_cnmf.io.movies import ChoiceNeededError
from napari_cnmf.model.description import Certainty, Description
from napari_cnmf.ui._parts import fill, text_label, with_tip
from napari_cnmf.ui.forms._editors import keep_wheel_for_scrolling
from napari_cnmf.ui.forms._overruling import OverruleBox

_TITLES = {
    "channel": "Channel",
    "field": "Scan field",
    "plane": "Plane",
    "dataset": "Array",
    "n_channels": "The files are",
    "n_flyback": "Flyback images",
}
_KEPT = ("plane", "n_planes", "n_flyback", "field", "offset", "pixel_size_um", "allow_missing")
"""Options of `open_movie` that have no field of their own among the rows above."""


class RecordingPanel(QWidget):
    """Panel with a table of statements and their sources, and a list for each open question.

    A pure editor of options: whoever opens the movie passes the description or the error in, and
    is told with ``answered`` what the user chose.
    """

    answered = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kept: dict[str, Any] = {}
        self.table = text_label()
        self.table.setTextFormat(Qt.TextFormat.RichText)
        self.table.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.missing_box = with_tip(
            QCheckBox("Open what is there"),
            "Leave out missing, empty and cut files of the recording",
        )
        self.missing_box.toggled.connect(self._on_missing)
        self.choice_label = QLabel()
        self.choice_combo = QComboBox()
        keep_wheel_for_scrolling(self.choice_combo)
        self.choice_combo.activated.connect(self._on_chosen)
        self._option = ""
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow(self.choice_label, self.choice_combo)
        layout = fill(
            QVBoxLayout(self), self._form, self.missing_box, self.table, margins=0, spacing=2
        )
        self.overrule = OverruleBox()
        self.overrule.rows.changed.connect(self._on_overruled)
        layout.addWidget(self.overrule)
        self.clear()

    def told(self) -> dict[str, Any]:
        """Options of `open_movie` that were chosen here."""
        return dict(self._kept)

    def show_told(self, told: Mapping[str, Any]) -> None:
        """Take over the options that a recording is opened with."""
        self._kept = {name: told[name] for name in _KEPT if name in told}
        self.overrule.rows.show_told(self._kept)
        self.missing_box.blockSignals(True)
        self.missing_box.setChecked(bool(self._kept.get("allow_missing")))
        self.missing_box.blockSignals(False)

    def clear(self) -> None:
        """Show nothing while a recording is opened, or where there is none."""
        self.table.hide()
        self._show_choices("", ())
        self.missing_box.setVisible(bool(self._kept.get("allow_missing")))

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
        self.choice_label.setText(_TITLES.get(option, option))
        for widget in (self.choice_label, self.choice_combo):
            widget.setVisible(bool(choices))

    def _on_chosen(self, index: int) -> None:
        value = self.choice_combo.itemData(index)
        if value is None:
            return
        if self._option in _KEPT:
            self._kept[self._option] = value
            self.overrule.rows.show_told(self._kept)
        self.answered.emit(self._option, value)

    def _on_overruled(self, option: str, value: object) -> None:
        self._kept.pop(option, None)
        if value is not None:
            self._kept[option] = value
        self.answered.emit(option, value)

    def _on_missing(self, on: bool) -> None:
        self._kept.pop("allow_missing", None)
        if on:
            self._kept["allow_missing"] = True
        self.answered.emit("allow_missing", on or None)


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
