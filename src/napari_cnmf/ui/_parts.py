"""Parts that the docks are built of: buttons, labels, rows and columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

_Box = TypeVar("_Box", bound=QBoxLayout)
_Widget = TypeVar("_Widget", bound=QWidget)
_Button = TypeVar("_Button", bound=QAbstractButton)

STRETCH = "stretch"
"""Part of a row or column that takes the room that is left."""
Part = QWidget | QLayout | str


def fill(
    layout: _Box,
    *parts: Part | tuple[Part, int],
    margins: int | tuple[int, int, int, int] | None = None,
    spacing: int | None = None,
) -> _Box:
    """Put parts into a row or a column.

    Parameters
    ----------
    parts
        Widgets, layouts or ``STRETCH``; ``(part, n)`` gives a part ``n`` shares of the room.
    margins, spacing
        Pixels around all parts (left, top, right, bottom), and between two of them.
    """
    if margins is not None:
        layout.setContentsMargins(*((margins,) * 4 if isinstance(margins, int) else margins))
    if spacing is not None:
        layout.setSpacing(spacing)
    for each in parts:
        part, share = each if isinstance(each, tuple) else (each, 0)
        if isinstance(part, str):
            layout.addStretch(share)
        elif isinstance(part, QLayout):
            layout.addLayout(part, share)
        else:
            layout.addWidget(part, share)
    return layout


def in_row(*parts: Part | tuple[Part, int]) -> QWidget:
    """Put parts side by side, as one field of a form."""
    row = QWidget()
    fill(QHBoxLayout(row), *parts, margins=0)
    return row


def in_column(*parts: Part | tuple[Part, int], spacing: int | None = None) -> QWidget:
    """Put parts below each other."""
    column = QWidget()
    fill(QVBoxLayout(column), *parts, margins=0, spacing=spacing)
    return column


def in_lines(*widgets: QWidget) -> QWidget:
    """Put widgets side by side, in as many lines as a narrow dock needs."""
    row = QWidget()
    layout = QFlowLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return row


def scrolling(widget: QWidget) -> QScrollArea:
    """Let a widget scroll where the dock is lower than it."""
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setWidget(widget)
    return scroll


def with_tip(widget: _Widget, tooltip: str) -> _Widget:
    """Give a widget its tooltip."""
    widget.setToolTip(tooltip)
    return widget


def push_button(
    text: str, tooltip: str = "", clicked: Callable[[], Any] | None = None
) -> QPushButton:
    """Make a button that calls ``clicked``."""
    return _set_up(QPushButton(text), tooltip, clicked)


def tool_button(
    text: str, tooltip: str = "", clicked: Callable[[], Any] | None = None
) -> QToolButton:
    """Make a small button that calls ``clicked``."""
    button = QToolButton()
    button.setText(text)
    return _set_up(button, tooltip, clicked)


def _set_up(button: _Button, tooltip: str, clicked: Callable[[], Any] | None) -> _Button:
    button.setToolTip(tooltip)
    if clicked is not None:
        button.clicked.connect(lambda _=False: clicked())
    return button


def text_label(text: str = "", *, gray: bool = False, selectable: bool = False) -> QLabel:
    """Make a label of several lines; ``selectable`` lets the user copy its text."""
    label = QLabel(text)
    label.setWordWrap(True)
    if gray:
        label.setStyleSheet("color: gray;")
    if selectable:
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def hint_label(text: str) -> QLabel:
    """Label for what an empty dock says to do next."""
    label = text_label(text)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setStyleSheet("color: gray; padding: 18px;")
    return label
