"""Form that a project's configuration asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QCompleter,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QWidget,
)

from napari_cnmf._portable import expand_home
from napari_cnmf.io.exports import MovieIn
from napari_cnmf.io.projects import Column, ColumnKind, ProjectConfig
from napari_cnmf.ui._frame_table import text_of
from napari_cnmf.ui._parts import fill, push_button

_MOVIES = {
    "leave the movie out": MovieIn.NOT,
    "link to the movie's file": MovieIn.LINKED,
    "copy the movie into the sample": MovieIn.COPIED,
}
_HINTS = {ColumnKind.DATE: "YYYY-MM-DD", ColumnKind.NUMBER: "a number"}


class SampleForm(QWidget):
    """Form with a field for each column, which offers what was typed before."""

    def __init__(self) -> None:
        super().__init__()
        self.is_typed = False
        """Whether something was typed that is not written yet."""
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.fields: dict[str, QLineEdit | QComboBox] = {}
        self.stimuli = QLineEdit()
        self.stimuli.setPlaceholderText("CSV with start_time and stop_time in seconds")
        self.stimuli.setToolTip("For the next sample that is added; the line is emptied then")
        self.movie = QComboBox()
        self.movie.addItems(list(_MOVIES))
        # Else its longest entry makes the form wider than the dock, and the fields are cut off.
        self.movie.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.movie.setMinimumContentsLength(12)
        self._browse = push_button("Browse…", clicked=self._ask_for_stimuli)
        row = QWidget()
        fill(QHBoxLayout(row), (self.stimuli, 1), self._browse, margins=0)
        self._layout.addRow("Stimuli", row)
        self._layout.addRow("Movie", self.movie)

    def set_config(self, config: ProjectConfig, known: dict[str, list[str]]) -> None:
        """Ask for these columns; what was typed stays."""
        before = self.value()
        for field in self.fields.values():
            self._layout.removeRow(field)
        self.fields = {}
        for position, column in enumerate(config.columns):
            field = _field(column, known.get(column.name, []))
            typed = field.activated if isinstance(field, QComboBox) else field.textEdited
            typed.connect(self._on_typed)
            self.fields[column.name] = field
            label = column.name + (" *" if column.required else "")
            self._layout.insertRow(position, label, field)
        self.set_value(before)

    def value(self) -> dict[str, str]:
        """Values of the fields, as typed."""
        return {
            name: field.currentText() if isinstance(field, QComboBox) else field.text()
            for name, field in self.fields.items()
        }

    def set_value(self, values: dict[str, Any]) -> None:
        """Fill the fields; columns that the project has not are passed over."""
        for name, value in values.items():
            field = self.fields.get(name)
            text = text_of(value)
            if isinstance(field, QComboBox):
                field.setCurrentText(text)
            elif field is not None:
                field.setText(text)

    def _on_typed(self, _what: object = None) -> None:
        self.is_typed = True

    def set_written(self) -> None:
        """Note that the form's values were written: its stimuli belong to that sample alone."""
        self.is_typed = False
        self.stimuli.clear()

    def movie_in_nwb(self) -> MovieIn:
        """Choice of what becomes of the movie."""
        return _MOVIES[self.movie.currentText()]

    def stimuli_path(self) -> Path | None:
        """Path of the table of stimuli, or ``None``."""
        text = self.stimuli.text().strip()
        return expand_home(text) if text else None

    def _ask_for_stimuli(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Table of stimuli", self.stimuli.text(), "Tables (*.csv *.tsv *.txt)"
        )
        if path:
            self.stimuli.setText(path)


def _field(column: Column, known: list[str]) -> QLineEdit | QComboBox:
    if column.choices:
        box = QComboBox()
        box.addItems(["", *column.choices])
        return box
    edit = QLineEdit()
    edit.setPlaceholderText(_HINTS.get(column.kind, ""))
    completer = QCompleter(known, edit)
    completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
    completer.setFilterMode(Qt.MatchFlag.MatchContains)
    edit.setCompleter(completer)
    return edit
