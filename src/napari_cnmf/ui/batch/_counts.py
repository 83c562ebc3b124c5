"""Counts the items of each state; a click on a state shows its items alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from napari_cnmf.batch.status import State
from napari_cnmf.ui.batch._rows import ItemRow
from napari_cnmf.ui.batch._states import state_icon

_ORDER = (
    State.RUNNING,
    State.QUEUED,
    State.WAITING,
    State.COMPLETED,
    State.FAILED,
    State.INTERRUPTED,
    State.CANCELLED,
)
_STYLE = (
    "QToolButton { border: none; background: transparent; padding: 2px 3px; }"
    "QToolButton:hover { background: rgba(128, 128, 128, 50); border-radius: 3px; }"
    "QToolButton:checked { background: rgba(128, 128, 128, 90); border-radius: 3px; }"
)


class StateCounts(QWidget):
    """A small button for each state that an item is in."""

    filtered = Signal(object)
    """The states to show, a frozenset; empty for all."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.buttons = {state: self._make(state) for state in _ORDER}
        for button in self.buttons.values():
            layout.addWidget(button)

    def _make(self, state: State) -> QToolButton:
        button = QToolButton()
        button.setIcon(state_icon(state))
        button.setIconSize(QSize(16, 16))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setCheckable(True)
        button.setStyleSheet(_STYLE)
        button.toggled.connect(lambda _: self.filtered.emit(self.states))
        button.hide()
        return button

    @property
    def states(self) -> frozenset[State]:
        """States that were clicked; empty for all."""
        return frozenset(state for state, b in self.buttons.items() if b.isChecked())

    def show_rows(self, rows: Iterable[ItemRow]) -> None:
        """Count items; a state without any is not shown, and no longer asked for."""
        counts = Counter(row.state for row in rows)
        for state, button in self.buttons.items():
            n = counts[state]
            button.setVisible(n > 0)
            button.setText(f"{n:,}")
            button.setToolTip(f"{n:,} {state.value}: click to show these alone")
            if not n:
                button.setChecked(False)
