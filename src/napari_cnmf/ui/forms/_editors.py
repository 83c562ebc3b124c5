"""Editors of parameters: one for each kind, and a box for keyword arguments."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, ComboBox, LineEdit, TextEdit
from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, ParameterField, read_foreign
from napari_cnmf.params.numbers import kind_of, read_text
from napari_cnmf.ui._parts import fill
from napari_cnmf.ui._theme import set_problem


class Editor:
    """An editor whose ``value`` is what was entered, right or wrong.

    What does not parse is handed on as the text it is, so that the models say what is wrong with
    it, in one place and in the same words as everywhere.
    """

    def __init__(self, widget: ValueWidget[Any]) -> None:
        self.widget = widget

    @property
    def native(self) -> QWidget:
        """Qt widget of the editor."""
        native: QWidget = self.widget.native
        return native

    @property
    def value(self) -> Any:
        """Value that was entered, right or wrong."""
        return self.widget.value

    @value.setter
    def value(self, value: Any) -> None:
        self.widget.value = value

    def clear(self) -> None:
        """Forget what was typed; a list or a switch always shows one of its values."""


class NumberEditor(Editor):
    """Editor of a number, or several, in a line that is empty while nothing was typed.

    A line rather than a spin box: a spin box drops signs that it does not like as they are typed,
    so that 2,5 becomes 25 on one desktop and 2.5 on another.
    """

    def __init__(self, field: ParameterField) -> None:
        super().__init__(LineEdit())
        self._name, self._kind = field.name, kind_of(field.annotation)

    @property
    def value(self) -> Any:
        """Number or numbers that were typed; the text itself where it is none."""
        text = self.widget.value.strip()
        try:
            return read_text(text, self._kind, self._name)
        except ParameterError:
            return text

    @value.setter
    def value(self, value: Any) -> None:
        if value is None:
            self.clear()
        elif isinstance(value, list | tuple):
            text = ", ".join(_plain(part) for part in value)
            self.widget.value = text + "," if len(value) == 1 else text
        else:
            self.widget.value = _plain(value)

    def clear(self) -> None:
        """Empty the line."""
        if self.widget.value:
            self.widget.value = ""


def _plain(value: Any) -> str:
    """Text of a number as a person writes it: ``20`` rather than ``20.0``."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def make_editor(field: ParameterField, value: Any) -> Editor:
    """Make the editor for a parameter, holding ``value``."""
    editor: Editor
    if field.choices:
        first = field.choices[0] if value is None else value
        editor = Editor(ComboBox(choices=list(field.choices), value=first))
    elif kind_of(field.annotation).number:
        editor = NumberEditor(field)
        editor.value = value
    else:
        editor = Editor(CheckBox(text="", value=bool(value)))
    keep_wheel_for_scrolling(editor.native)
    return editor


class _WheelFilter(QObject):
    """Event filter that lets the wheel scroll the form instead of changing a value below it."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Keep the wheel from widgets without the keyboard, so that the form scrolls."""
        if (
            event is not None
            and event.type() == QEvent.Type.Wheel
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return False


def keep_wheel_for_scrolling(widget: QWidget) -> None:
    """Let the wheel change the widget's value only while it has the keyboard."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_WheelFilter(widget))


class KwargsBox(QWidget):
    """Text such as ``gSig=(4, 4), merge_thr=0.7``, which wins over the form above it."""

    changed = Signal()

    def __init__(self, title: str, placeholder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.left_out = ""
        """What was typed and has no meaning here, in a sentence."""
        self._text = TextEdit()
        native = self._text.native
        native.setPlaceholderText(placeholder)
        native.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        native.setTabChangesFocus(True)
        native.setFixedHeight(56)
        native.setToolTip(
            "Python literals or TOML, with CaImAn's names. What stands here wins over the form. "
            "The text is parsed, never evaluated."
        )
        # magicgui's own signal does not fire here: QTextEdit's carries no value.
        native.textChanged.connect(self.changed)
        fill(QVBoxLayout(self), QLabel(title), native, margins=(0, 2, 0, 4), spacing=2)

    @property
    def text(self) -> str:
        """Text that was typed."""
        text: str = self._text.value
        return text.strip()

    def set_text(self, text: str) -> None:
        """Set the text as if it was typed."""
        self._text.value = text

    def applied_to(self, params: CNMFParams) -> CNMFParams:
        """Parameters with what was typed on top.

        Raises
        ------
        ParameterError
            When it does not parse, or names what nobody knows.
        """
        self.left_out = ""
        if not self.text:
            return params
        foreign = read_foreign(self.text, params)
        self.left_out = foreign.report
        return params.replace(**foreign.groups)

    def show_problem(self, problem: ParameterError | None) -> None:
        """Show a red border, and the sentence as its tooltip."""
        set_problem(self._text.native, None if problem is None else str(problem))
