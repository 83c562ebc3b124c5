"""Row of the form: label, tick for an optional value, editor, unit."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.params import ParameterField
from napari_cnmf.ui._parts import fill, text_label, with_tip
from napari_cnmf.ui._theme import ERROR_COLOR, WARNING_COLOR, set_problem
from napari_cnmf.ui.forms._editors import make_editor

_EDITOR_WIDTH = 92
_UNIT_WIDTH = 56
_SPACING = 5
_AUTOMATIC = "color: {}; padding-left: 4px; text-align: left; background: transparent;"


class ParameterRow(QWidget):
    """Row of a parameter: label on the left; on the right the editor with its unit.

    An optional parameter has a tick in front of its editor: without it the value is ``None`` and
    the engine decides. Ticking it shows an empty line, so that what is typed next is all of the
    value.
    """

    changed = Signal()

    def __init__(self, field: ParameterField, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self._reference = field.default
        self._problem: str | None = ""
        self._is_required = False
        self._remark: _Remark | None = None
        self._editor = make_editor(field, field.default)
        self._label = text_label(field.title)
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
        tick = with_tip(QCheckBox(), "Set a value; without the tick the engine decides")
        tick.toggled.connect(self._on_ticked)
        return tick

    def _lay_out(self) -> None:
        is_wide = bool(self.field.choices) and not self.field.unit
        width = _EDITOR_WIDTH + _SPACING + _UNIT_WIDTH if is_wide else _EDITOR_WIDTH
        for widget in (self._editor.native, self._automatic):
            widget.setFixedWidth(width)
        self._unit.setFixedWidth(_UNIT_WIDTH)
        self._label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        line = fill(QHBoxLayout(), (self._label, 1), spacing=_SPACING)
        if self._tick is not None:
            line.addWidget(self._tick)
        line.addWidget(self._editor.native, 0, Qt.AlignmentFlag.AlignRight)
        line.addWidget(self._automatic, 0, Qt.AlignmentFlag.AlignRight)
        if not is_wide:
            line.addWidget(self._unit)
        fill(QVBoxLayout(self), line, margins=(0, 1, 0, 1), spacing=1)

    @property
    def name(self) -> str:
        """Name of the parameter: ``group.key``, or the key alone at the root."""
        return self.field.name

    @property
    def editor(self) -> Any:
        """Magicgui widget of the value."""
        return self._editor.widget

    @property
    def value(self) -> Any:
        """Value that was entered, right or wrong; ``None`` where the engine decides."""
        if self._is_required:
            return None if self._is_empty else self._editor.value
        if self._tick is not None and not self._tick.isChecked():
            return None
        return self._editor.value

    @property
    def _is_empty(self) -> bool:
        return bool(self._editor.value == "")

    def set_value(self, value: Any) -> None:
        """Show a value; ``changed`` fires when it differs."""
        if self._tick is not None:
            self._tick.setChecked(value is not None)
        if value is None:
            self._editor.clear()
        elif self._editor.value != value:
            self._editor.value = value
        self._show_parts()
        self._mark_changed()

    def set_required(self, is_required: bool) -> None:
        """Ask for a value that nobody can decide but the user: an empty line without a tick."""
        if is_required == self._is_required:
            return
        value = self.value
        self._is_required = is_required
        if self._tick is not None:
            self._tick.blockSignals(True)
            self._tick.setChecked(value is not None)
            self._tick.blockSignals(False)
        self._show_parts()

    def set_reference(self, value: Any) -> None:
        """Set what the value is compared with: the label is bold where it differs."""
        self._reference = value
        self._mark_changed()

    def _show_parts(self) -> None:
        """Show the editor, or a word in its place while the engine decides."""
        is_decided = self._tick is not None and not self._tick.isChecked()
        is_shown = self._is_required or not is_decided
        self._editor.native.setVisible(is_shown)
        self._automatic.setVisible(not is_shown)
        if self._tick is not None:
            self._tick.setVisible(not self._is_required)

    def _on_ticked(self, ticked: bool) -> None:
        if not ticked:
            # Typed digits must not join what stood here before.
            self._editor.clear()
        self._show_parts()
        self._on_changed()

    def _start_editing(self) -> None:
        """Begin to type, as who clicks at "automatic" wants to set a value."""
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
        """Show a note in place of the unit, such as what the engine would take."""
        self._unit.setText(note or self.field.unit or "")

    def show_remark(
        self,
        text: str,
        *,
        is_warning: bool = False,
        button: str = "",
        clicked: Callable[[], None] | None = None,
    ) -> None:
        """Show a sentence below the row, with a button that acts on it; nothing without a text."""
        if self._remark is None:
            if not text:
                return
            self._remark = _Remark()
            layout = self.layout()
            assert layout is not None
            layout.addWidget(self._remark)
        self._remark.show_text(text, is_warning=is_warning, button=button, clicked=clicked)

    def show_problem(self, problem: str | None) -> None:
        """Show a red border with the sentence as tooltip, or the help without a problem."""
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


class _Remark(QWidget):
    """A sentence in small print and a button that does what it suggests."""

    def __init__(self) -> None:
        super().__init__()
        self.label = text_label()
        self.button = QPushButton()
        self._clicked: Callable[[], None] | None = None
        self.button.clicked.connect(lambda _=False: self._act())
        fill(QHBoxLayout(self), (self.label, 1), self.button, margins=(8, 0, 0, 2))

    def show_text(
        self, text: str, *, is_warning: bool, button: str, clicked: Callable[[], None] | None
    ) -> None:
        """Show the sentence, and the button where it has a text."""
        self.label.setText(text)
        self.label.setStyleSheet(f"color: {WARNING_COLOR if is_warning else 'gray'};")
        self.button.setText(button)
        self.button.setVisible(bool(button))
        self._clicked = clicked
        self.setVisible(bool(text))

    def _act(self) -> None:
        if self._clicked is not None:
            self._clicked()


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
