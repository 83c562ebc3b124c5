"""Small things that make the docks look like napari, in its dark and its light theme."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QAbstractButton, QDockWidget, QLabel, QWidget

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


def hint_label(text: str) -> QLabel:
    """What an empty dock says to do next."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setStyleSheet("color: gray; padding: 18px;")
    return label


def call_soon(owner: QWidget, slot: Callable[[], None], *, delay_ms: int = 0) -> QTimer:
    """A timer whose ``start()`` calls ``slot`` once, however often it was started before."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setInterval(delay_ms)
    timer.timeout.connect(slot)
    return timer


def bring_to_front(widget: QWidget) -> None:
    """In a stack of tabs, show the dock that holds ``widget``."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    if parent is not None:
        parent.raise_()


def set_problem(widget: QWidget, problem: str | None) -> None:
    """Red border while there is a problem; the border napari gives it without."""
    widget.setStyleSheet(f"border: 1px solid {ERROR_COLOR};" if problem else "")
    widget.setProperty("problem", problem or "")


def make_primary(button: QAbstractButton) -> None:
    """Make it the button that is usually wanted."""
    kind = type(button).__name__
    button.setStyleSheet(
        f"{kind}:enabled {{ background: {PRIMARY_COLOR}; color: white; font-weight: bold; }}"
    )
