"""The steps of the workspace, and the strip that shows where each of them stands."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QSizePolicy, QToolButton, QWidget


class Step(IntEnum):
    """Steps from a movie to files, in their order."""

    MOVIE = 0
    MOTION = 1
    CELLS = 2
    CURATE = 3
    EXPORT = 4

    @property
    def title(self) -> str:
        """Title of the step."""
        return self.name.capitalize()


class StepState(StrEnum):
    """State of a step."""

    TO_DO = "to do"
    ASKED = "asked"
    """It is chosen and has not begun."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


_SIGNS = {
    StepState.TO_DO: "",
    StepState.ASKED: "◔",
    StepState.RUNNING: "◑",
    StepState.DONE: "✔",
    StepState.FAILED: "✖",
}
"""Signs and not colours alone: they are read in every theme and by every eye."""
_COLORS = {
    StepState.TO_DO: "rgba(128, 128, 128, 60)",
    StepState.ASKED: "#56708f",
    StepState.RUNNING: "#2b6cb0",
    StepState.DONE: "#2f7d4f",
    StepState.FAILED: "#b3452c",
}
_STYLE = """
QToolButton {{ background: {background}; {color} border: 2px solid transparent;
    border-radius: 4px; padding: 3px 2px; }}
QToolButton:hover {{ border-color: rgba(128, 128, 128, 160); }}
QToolButton:checked {{ border-color: {ring}; font-weight: bold; }}
"""


class StepStrip(QWidget):
    """Strip with a button for each step: its title, its state, and which of them is seen."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self._ring = "#ffffff"
        self.buttons: dict[Step, QToolButton] = {}
        self._states: dict[Step, StepState] = {}
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for step in Step:
            button = QToolButton()
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self._group.addButton(button, int(step))
            self.buttons[step] = button
            layout.addWidget(button, 1)
            self.show_state(step, StepState.TO_DO)
        self._group.idClicked.connect(self.chosen)

    def set_step(self, step: Step) -> None:
        """Mark the step that is seen."""
        self.buttons[step].setChecked(True)

    def state(self, step: Step) -> StepState:
        """State of a step that is shown."""
        return self._states[step]

    def show_state(self, step: Step, state: StepState, why: str = "") -> None:
        """Show where a step stands, with a sentence about it as tooltip."""
        button = self.buttons[step]
        said = f"{step.title}: {state}" + (f". {why}" if why else "")
        if button.toolTip() == said:
            return
        self._states[step] = state
        button.setText(f"{_SIGNS[state]} {step.title}".strip())
        button.setToolTip(said)
        button.setAccessibleName(said)
        self._style(step)

    def set_ring(self, color: str) -> None:
        """Set the colour that marks the step that is seen, such as that of text."""
        self._ring = color
        for step in Step:
            self._style(step)

    def _style(self, step: Step) -> None:
        state = self._states[step]
        color = "" if state is StepState.TO_DO else "color: white;"
        self.buttons[step].setStyleSheet(
            _STYLE.format(background=_COLORS[state], color=color, ring=self._ring)
        )
