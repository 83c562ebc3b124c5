"""Whether to correct motion first, and what the movie says about that."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cnmf.ui._theme import WARNING_COLOR

_MEASURING = "Looking whether the movie moves…"
_STILL = "A sample of the movie stands still. Correcting motion is seldom needed here."
_UNKNOWN = "Correct motion where the field moves by more than a quarter of a pixel."


class MotionChoice(QWidget):
    """Rows that say how much the movie moves, and offer to correct it first or alone."""

    toggled = Signal(bool)
    alone_wanted = Signal()
    """Motion is to be corrected now, to look at the corrected movie before cells are found."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.verdict = QLabel(_UNKNOWN)
        self.verdict.setWordWrap(True)
        self.tick = QCheckBox("Correct motion before finding cells")
        self.tick.setToolTip(
            "Both run one after the other when you click Find cells, and cells are found in the "
            "corrected movie"
        )
        self.tick.toggled.connect(self.toggled)
        self.alone = QPushButton("Correct now, and look first")
        self.alone.setToolTip("Runs the correction alone and opens the corrected movie")
        self.alone.clicked.connect(lambda _=False: self.alone_wanted.emit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 8)
        for widget in (self.verdict, self.tick, self.alone):
            layout.addWidget(widget)

    def show_chosen(self, is_first: bool) -> None:
        """Show the form's choice without telling anyone."""
        with QSignalBlocker(self.tick):
            self.tick.setChecked(is_first)

    def show_measured(self, motion: str | None) -> None:
        """Show what was measured: a sentence about motion, empty where it stands still."""
        text = _MEASURING if motion is None else motion or _STILL
        self.verdict.setText(text)
        self.verdict.setStyleSheet(f"color: {WARNING_COLOR};" if motion else "")

    def show_unknown(self) -> None:
        """Show what to go by where nothing could be measured."""
        self.verdict.setText(_UNKNOWN)
        self.verdict.setStyleSheet("")
