"""Makes the docks look like napari, in its dark and its light theme."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from psygnal import SignalInstance
from qtpy.QtCore import QObject, QPoint, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QDropEvent, QKeyEvent, QKeySequence, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QWidget,
)

if TYPE_CHECKING:
    import napari

ERROR_COLOR = "#ff5c5c"
WARNING_COLOR = "#e8a33d"
PRIMARY_COLOR = "#2f7d4f"


def follow_theme(widget: QWidget, viewer: napari.Viewer, apply: Callable[[Any], None]) -> None:
    """Call ``apply(theme)`` now and whenever the viewer's theme changes, while ``widget`` lives."""
    from napari.utils.theme import get_theme

    def on_change(_event: Any = None) -> None:
        apply(get_theme(viewer.theme))

    viewer.events.theme.connect(on_change)
    widget.destroyed.connect(lambda: viewer.events.theme.disconnect(on_change))
    on_change()


def connect_while_alive(owner: QObject, *pairs: tuple[Any, Callable[..., Any]]) -> None:
    """Connect signals of psygnal or napari to slots until Qt deletes their owner.

    Python may keep the object longer than Qt does.
    """
    connected = [
        (signal, slot if isinstance(signal, SignalInstance) else _as_function(slot))
        for signal, slot in pairs
    ]
    for signal, slot in connected:
        signal.connect(slot)

    def disconnect() -> None:
        for signal, slot in connected:
            if isinstance(signal, SignalInstance):
                signal.disconnect(slot, missing_ok=True)
            else:
                signal.disconnect(slot)

    owner.destroyed.connect(disconnect)


def _as_function(slot: Callable[..., Any]) -> Callable[..., Any]:
    """Make a plain function of a method.

    To find a method that is to be disconnected, napari compares the objects that methods belong
    to, and PyQt5 refuses to compare a widget that Qt has deleted.
    """

    @wraps(slot)
    def call(*args: Any) -> Any:
        return slot(*args)

    return call


def readable_on(background: str, color: str) -> str:
    """Darken a colour that was chosen for dark backgrounds, where the background is light."""
    is_light = QColor(background).lightnessF() > 0.5
    return QColor(color).darker(165).name() if is_light else color


class WholeLabel(QLabel):
    """A label of several lines, all of which are seen also where a layout is short of room."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)

    def setText(self, text: str | None) -> None:
        """Set the text, and keep room for all its lines."""
        super().setText(text)
        self._keep_height()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep room for all lines at the new width."""
        super().resizeEvent(event)
        self._keep_height()

    def _keep_height(self) -> None:
        self.setMinimumHeight(0)  # Qt would answer with no less than what is set
        # Fixed: a form gives a label the height of a narrower one otherwise.
        self.setFixedHeight(self.heightForWidth(self.width()))


class CallSoon(QObject):
    """Timer that calls a slot once when what happens now is over, however often it was started.

    A posted event and not a timer: those come after Qt has painted, and the whole window, canvas
    included, would be painted twice.
    """

    _posted = Signal()

    def __init__(self, owner: QObject, slot: Callable[[], None]) -> None:
        super().__init__(owner)
        self._slot = slot
        self._is_started = False
        self._posted.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        """Start the timer: the slot is called soon."""
        if not self._is_started:
            self._is_started = True
            self._posted.emit()

    def _call(self) -> None:
        self._is_started = False
        self._slot()


def call_later(owner: QWidget, slot: Callable[[], None], delay_ms: int) -> QTimer:
    """Timer whose ``start()`` calls ``slot`` once nothing was started for a while."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setInterval(delay_ms)
    timer.timeout.connect(slot)
    return timer


class SteadyLabel(QWidget):
    """Label of one line of text that changes often.

    A plain label in a layout has the whole window laid out and painted at each change of its text.
    """

    def __init__(self) -> None:
        super().__init__()
        self._label = QLabel(self)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(self.fontMetrics().height() + 4)

    def text(self) -> str:
        """Text of the label."""
        return self._label.text()

    def setText(self, text: str) -> None:
        """Set the text without a new layout of the window."""
        self._label.setText(text)

    def clear(self) -> None:
        """Clear the text."""
        self._label.clear()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the label all of the new size."""
        super().resizeEvent(event)
        # Of a fixed size it asks for no layout.
        self._label.setFixedSize(self.size())


def pressed_keys(event: QKeyEvent) -> QKeySequence:
    """Key of an event with its modifiers, as shortcuts are written."""
    known: Any = event  # the types are those of Qt 6
    if hasattr(known, "keyCombination"):
        return QKeySequence(known.keyCombination())
    return QKeySequence(int(known.modifiers()) | known.key())


def show_row(form: QFormLayout, field: QWidget, visible: bool) -> None:
    """Show or hide one row of a form, by the widget at its right."""
    if hasattr(form, "setRowVisible"):
        form.setRowVisible(field, visible)
        return
    label = form.labelForField(field)  # Qt 5 leaves both to us
    field.setVisible(visible)
    if label is not None:
        label.setVisible(visible)


def drop_position(event: QDropEvent) -> QPoint:
    """Position where something was dropped, in the widget's pixels."""
    known: Any = event  # the types are those of Qt 6
    where: QPoint = known.position().toPoint() if hasattr(known, "position") else known.pos()
    return where


def set_problem(widget: QWidget, problem: str | None) -> None:
    """Draw a red border while there is a problem, else the border that napari gives."""
    widget.setStyleSheet(f"border: 1px solid {ERROR_COLOR};" if problem else "")
    widget.setProperty("problem", problem or "")


def make_primary(button: QAbstractButton) -> None:
    """Make a button look like the one that is usually wanted."""
    kind = type(button).__name__
    button.setStyleSheet(
        f"{kind}:enabled {{ background: {PRIMARY_COLOR}; color: white; font-weight: bold; }}"
    )


_TOOL_BUTTON = """
QToolButton {{ background: {background}; {color} font-weight: {weight}; border: none;
    border-radius: 3px; padding: 4px {right}px 4px 10px; }}
QToolButton:hover {{ background: {hover}; }}
QToolButton:disabled {{ background: rgba(128, 128, 128, 30); color: gray; }}
QToolButton::menu-button {{ width: 20px; border: none; border-left: 1px solid rgba(0, 0, 0, 60); }}
QToolButton::menu-indicator {{ image: none; }}
"""


def style_tool_button(button: QToolButton, *, primary: bool = False) -> None:
    """Make a tool button look like a push button, with room for the arrow of its menu."""
    is_split = button.popupMode() is QToolButton.ToolButtonPopupMode.MenuButtonPopup
    button.setStyleSheet(
        _TOOL_BUTTON.format(
            background=PRIMARY_COLOR if primary else "rgba(128, 128, 128, 70)",
            hover="#38935e" if primary else "rgba(128, 128, 128, 110)",
            color="color: white;" if primary else "",
            weight="bold" if primary else "normal",
            right=28 if is_split else 10,
        )
    )
