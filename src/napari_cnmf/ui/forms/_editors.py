"""One editor for each kind of parameter, from magicgui's public widgets."""

from __future__ import annotations

import ast
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, LineEdit, SpinBox
from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QWidget

from napari_cnmf.params import ParameterField

_LARGEST_SPIN = 2**31 - 1


class Editor:
    """An editor whose ``value`` is what was entered, right or wrong.

    What does not parse is handed on as the text it is, so that the models say what is wrong with
    it, in one place and in the same words as everywhere.
    """

    def __init__(self, widget: ValueWidget[Any]) -> None:
        self.widget = widget

    @property
    def native(self) -> QWidget:
        native: QWidget = self.widget.native
        return native

    @property
    def value(self) -> Any:
        return self.widget.value

    @value.setter
    def value(self, value: Any) -> None:
        self.widget.value = value


class LiteralEditor(Editor):
    """A line that holds a number, or numbers separated by commas; keeps every decimal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(LineEdit(**options))

    @property
    def value(self) -> Any:
        text = self.widget.value.strip()
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return text

    @value.setter
    def value(self, value: Any) -> None:
        if isinstance(value, list | tuple):
            text = ", ".join(_plain(part) for part in value)
            self.widget.value = text + "," if len(value) == 1 else text
        else:
            self.widget.value = _plain(value)


def _plain(value: Any) -> str:
    """A number as a person writes it: ``20`` rather than ``20.0``."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def make_editor(field: ParameterField, value: Any) -> Editor:
    """The editor for a parameter, holding ``value``.

    Parameters
    ----------
    field
        Decides the kind of editor: a tick for a switch, a list for words, a spin box for whole
        numbers, a line of text for what has decimals or several values.
    value
        Never ``None``: an optional parameter's row knows about that.
    """
    editor: Editor
    if field.choices:
        editor = Editor(ComboBox(choices=list(field.choices), value=value))
    elif _is(field, bool):
        editor = Editor(CheckBox(text="", value=bool(value)))
    elif _is(field, int):
        low, high = field.bounds
        lowest = -_LARGEST_SPIN if low is None else int(low)
        highest = _LARGEST_SPIN if high is None else min(int(high), _LARGEST_SPIN)
        editor = Editor(SpinBox(min=lowest, max=highest, value=value))
    elif _is(field, str):
        editor = Editor(LineEdit(value=value))
    else:
        editor = LiteralEditor()
        editor.value = value
    keep_wheel_for_scrolling(editor.native)
    return editor


def _is(field: ParameterField, kind: type) -> bool:
    """Whether the parameter is a plain ``kind``, apart from being optional."""
    arguments = getattr(field.annotation, "__args__", None) or (field.annotation,)
    return [a for a in arguments if a is not type(None)] == [kind]


class _WheelFilter(QObject):
    """Lets the wheel scroll the form instead of changing a value that happens to be below it."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
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
    """The wheel changes the widget's value only while it has the keyboard."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_WheelFilter(widget))
