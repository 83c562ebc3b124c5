"""Widgets of the Edit tab: drawing, suggestions, what was deleted, and the movie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.ui._numbers import WholeBox
from napari_cnmf.ui._parts import STRETCH, fill, in_row, push_button, text_label, with_tip
from napari_cnmf.ui._theme import show_row
from napari_cnmf.ui.curation._drawing_tool import Tool

_MOST_PLANES = 999
_NO_MOVIE = (
    "The movie is not there: deciding, merging and cutting work with the model; raw, residual, "
    "drawing and splitting by time course need the movie."
)


class EditPanel(QWidget):
    """The Edit tab.

    Parameters
    ----------
    buttons
        Of actions, by name; those for shapes are laid out here.
    """

    done_wanted = Signal()
    """What is painted is done."""
    locate_wanted = Signal()

    def __init__(self, buttons: Mapping[str, QPushButton]) -> None:
        super().__init__()
        self.tool_box = QComboBox()
        self.tool_box.addItems([str(tool) for tool in Tool])
        self.tool_box.setToolTip("What regions are drawn with")
        self.tool_box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.done_button = _plain("Done", "Take what is painted (Enter)")
        self.done_button.clicked.connect(lambda _=False: self.done_wanted.emit())
        self.below, self.above = _planes("below"), _planes("above")
        self._planes_row = in_row(self.below, self.above)
        self.deleted_box = with_tip(QComboBox(), "What was deleted, the last one first")
        self.deleted_box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._suggestion = text_label()
        self._movie = text_label(_NO_MOVIE)
        self.locate_button = _plain("Locate the movie…", "Say where the movie is now")
        self.locate_button.clicked.connect(lambda _=False: self.locate_wanted.emit())
        self._trace = pg.PlotWidget(background=None)
        self._trace.setFixedHeight(110)
        self._trace.hideButtons()
        self._trace.setMenuEnabled(False)
        self._trace.setMouseEnabled(x=True, y=False)
        self._trace_title = QLabel("raw trace of what was drawn")
        self._lay_out(buttons)
        self.show_painting(False)
        self.offer_planes(False)
        self.show_deleted([])
        self.show_suggestion("")
        self.show_raw_trace(None, None)
        self.show_movie(is_missing=False)

    def _lay_out(self, buttons: Mapping[str, QPushButton]) -> None:
        form = QFormLayout()
        form.addRow("draw with", in_row(self.tool_box, self.done_button))
        form.addRow("planes too", self._planes_row)
        self._form = form
        form.addRow("", in_row(*(buttons[name] for name in ("trim", "find"))))
        form.addRow("deleted", in_row(self.deleted_box, buttons["restore"]))
        form.addRow(
            "merges", in_row(*(buttons[name] for name in ("suggest", "merge_pair", "skip")))
        )
        form.addRow("", self._suggestion)
        form.addRow("", self._movie)
        form.addRow("", self.locate_button)
        fill(QVBoxLayout(self), form, self._trace_title, self._trace, STRETCH, margins=6)

    @property
    def tool(self) -> Tool:
        """Tool that is chosen for drawing."""
        return Tool(self.tool_box.currentText())

    @property
    def planes(self) -> tuple[int, int]:
        """Number of planes below and above the drawn one that are covered too."""
        return self.below.value(), self.above.value()

    def offer_planes(self, is_volume: bool) -> None:
        """Offer planes for a volume; hide them for a single plane."""
        show_row(self._form, self._planes_row, is_volume)
        if not is_volume:
            self.below.setValue(0)
            self.above.setValue(0)

    def show_deleted(self, ids: Sequence[int]) -> None:
        """Offer deleted components, the last one deleted last and chosen."""
        self.deleted_box.clear()
        self.deleted_box.addItems([str(i) for i in reversed(ids)] or ["nothing"])
        self.deleted_box.setEnabled(bool(ids))

    @property
    def to_restore(self) -> int | None:
        """Id of the deleted component that was chosen; ``None`` where nothing is deleted."""
        text = self.deleted_box.currentText()
        return int(text) if text.isdigit() else None

    def show_painting(self, is_painting: bool) -> None:
        """Show the button that finishes painting while something is painted."""
        self.done_button.setVisible(is_painting)

    def show_suggestion(self, text: str) -> None:
        """Show a sentence about the suggested pair; hide the label when empty."""
        self._suggestion.setText(text)
        self._suggestion.setVisible(bool(text))

    def suggestion(self) -> str:
        """Sentence about the suggested pair."""
        return self._suggestion.text()

    def show_movie(self, *, is_missing: bool) -> None:
        """Say that the movie is missing, and offer to locate it."""
        self._movie.setVisible(is_missing)
        self.locate_button.setVisible(is_missing)

    def show_raw_trace(self, trace: NDArray[np.float32] | None, rate_hz: float | None) -> None:
        """Show the mean of the movie inside what was drawn; ``None`` takes it away."""
        self._trace.clear()
        self._trace.setVisible(trace is not None)
        self._trace_title.setVisible(trace is not None)
        if trace is not None:
            self._trace.plot(np.arange(len(trace)) / (rate_hz or 1.0), trace)
            self._trace.setLabel("bottom", "Time (s)" if rate_hz else "Frame")

    def raw_trace(self) -> NDArray[np.float64] | None:
        """Raw trace that is drawn, ``(n_frames,)``."""
        items = self._trace.listDataItems()
        return None if not items else np.asarray(items[0].getData()[1], np.float64)


def _plain(text: str, tooltip: str) -> QPushButton:
    button = push_button(text, tooltip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


def _planes(where: str) -> WholeBox:
    box = WholeBox()
    box.setRange(0, _MOST_PLANES)
    box.setPrefix("" if not where else f"{where}: ")
    box.setToolTip(f"So many planes {where} the drawn one are covered too")
    return box
