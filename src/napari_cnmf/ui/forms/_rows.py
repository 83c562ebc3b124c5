"""One row of the form: label, tick for an optional value, editor, unit."""

from __future__ import annotations

from html import escape
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_cnmf.params import ParameterField
from napari_cnmf.ui._theme import ERROR_COLOR, set_problem
from napari_cnmf.ui.forms._editors import make_editor

_EDITOR_WIDTH = 104
_UNIT_WIDTH = 56
_SPACING = 6
_AUTOMATIC = "color: {}; padding-left: 4px; text-align: left; background: transparent;"


class ParameterRow(QWidget):
    """Label on the left; on the right the editor with its unit.

    An optional parameter has a tick in front of its editor: without it the value is ``None`` and
    the engine decides.
    """

    changed = Signal()

    def __init__(self, field: ParameterField, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self._reference = field.default
        self._problem: str | None = ""
        first = field.default if field.default is not None else _first_value(field)
        self._editor = make_editor(field, first)
        self._label = QLabel(field.title)
        self._label.setWordWrap(True)
        self._tick = self._make_tick() if field.optional else None
        self._automatic = QPushButton("automatic")
        self._automatic.setFlat(True)
        self._automatic.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._automatic.clicked.connect(lambda _=False: self._start_editing())
        self._unit = QLabel(field.unit or "")
        self._unit.setStyleSheet("color: gray;")
        self._lay_out()
        self._editor.widget.changed.connect(lambda _: self._on_changed())
        self.set_value(field.default)
        self.show_problem(None)

    def _make_tick(self) -> QCheckBox:
        tick = QCheckBox()
        tick.setToolTip("Set a value; without the tick the engine decides")
        tick.toggled.connect(self._on_ticked)
        return tick

    def _lay_out(self) -> None:
        is_wide = bool(self.field.choices) and not self.field.unit
        width = _EDITOR_WIDTH + _SPACING + _UNIT_WIDTH if is_wide else _EDITOR_WIDTH
        for widget in (self._editor.native, self._automatic):
            widget.setFixedWidth(width)
        self._unit.setFixedWidth(_UNIT_WIDTH)
        self._unit.setVisible(not is_wide)
        self._label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 1, 0, 1)
        layout.setSpacing(_SPACING)
        layout.addWidget(self._label, 1)
        if self._tick is not None:
            layout.addWidget(self._tick)
        layout.addWidget(self._editor.native, 0, Qt.AlignmentFlag.AlignRight)
        layout.addWidget(self._automatic, 0, Qt.AlignmentFlag.AlignRight)
        layout.addWidget(self._unit)

    @property
    def name(self) -> str:
        """``group.key``, or the key alone at the root."""
        return self.field.name

    @property
    def editor(self) -> Any:
        """The magicgui widget of the value."""
        return self._editor.widget

    @property
    def value(self) -> Any:
        """What was entered, right or wrong; ``None`` where the engine decides."""
        if self._tick is not None and not self._tick.isChecked():
            return None
        return self._editor.value

    def set_value(self, value: Any) -> None:
        """Show a value; ``changed`` fires when it differs."""
        if self._tick is not None:
            self._tick.setChecked(value is not None)
        self._show_editor(value is not None)
        if value is not None and self._editor.value != value:
            self._editor.value = value
        self._mark_changed()

    def set_reference(self, value: Any) -> None:
        """What the value is compared with: the label is bold where it differs."""
        self._reference = value
        self._mark_changed()

    def _show_editor(self, is_set: bool) -> None:
        """The editor, or a word in its place while the engine decides."""
        self._editor.native.setVisible(is_set)
        self._automatic.setVisible(not is_set)

    def _on_ticked(self, ticked: bool) -> None:
        self._show_editor(ticked)
        self._on_changed()

    def _start_editing(self) -> None:
        """Who clicks at "automatic" wants to set a value."""
        if self._tick is not None:
            self._tick.setChecked(True)
            self._editor.native.setFocus()

    def _on_changed(self) -> None:
        self._mark_changed()
        self.changed.emit()

    @property
    def is_changed(self) -> bool:
        """Whether the value differs from the reference."""
        return bool(_as_list(self.value) != _as_list(self._reference))

    def _mark_changed(self) -> None:
        font = self._label.font()
        font.setBold(self.is_changed)
        self._label.setFont(font)

    def show_note(self, note: str) -> None:
        """Say something in place of the unit, such as what the engine would take."""
        self._unit.setText(note or self.field.unit or "")

    def show_problem(self, problem: str | None) -> None:
        """Red border and the sentence as tooltip, or the parameter's help without."""
        if problem == self._problem:
            return  # styling again costs a layout of the window, for each of a hundred rows
        self._problem = problem
        tooltip = problem or self._help()
        set_problem(self._editor.native, problem)
        self._automatic.setStyleSheet(_AUTOMATIC.format(ERROR_COLOR if problem else "gray"))
        for widget in (self._label, self._editor.native, self._automatic):
            widget.setToolTip(tooltip)

    def _help(self) -> str:
        field = self.field
        default = "the engine decides" if field.default is None else f"{field.default}"
        allowed = f"Allowed: {escape(field.allowed)}. " if field.allowed else ""
        return (
            f"<p><b>{self.name}</b></p><p>{escape(field.help)}</p>"
            f"<p style='color:gray'>{allowed}Default: {escape(default)}.</p>"
        )


def _first_value(field: ParameterField) -> Any:
    """What the editor of an empty optional parameter starts with."""
    if field.choices:
        return field.choices[0]
    low = field.bounds[0]
    return max(1, int(low)) if low is not None else 1


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
