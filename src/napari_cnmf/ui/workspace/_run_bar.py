"""One line that shows the run that was started: how far it is, how it ended, what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_cnmf.batch.status import RETRIABLE, State
from napari_cnmf.ui._theme import ERROR_COLOR
from napari_cnmf.ui.batch._rows import ItemRow, format_duration
from napari_cnmf.ui.workspace._progress import RunProgress

_STEPS = 1000
_CANCEL, _RETRY, _OPEN = "Cancel", "Run again", "Open"


class RunBar(QWidget):
    """Bar of one run, which only grows; hidden while there is nothing to say."""

    cancel_wanted = Signal(tuple)
    retry_wanted = Signal(tuple)
    open_wanted = Signal(object)
    """The row of the last item of a run that is done."""
    ended = Signal(object)
    """The row of the item with which the run ended, once."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run: RunProgress | None = None
        self._end: ItemRow | None = None
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(True)
        self.bar.setFixedHeight(16)
        self.button = QPushButton(_CANCEL)
        self.button.clicked.connect(lambda _=False: self._on_clicked())
        line = QHBoxLayout()
        line.addWidget(self.bar, 1)
        line.addWidget(self.words, 1)
        line.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.stage = QLabel()
        self.stage.setStyleSheet("color: gray;")
        layout.addLayout(line)
        layout.addWidget(self.stage)
        self.hide()

    @property
    def uuids(self) -> tuple[str, ...]:
        """Items of the run that is followed."""
        return () if self._run is None else self._run.uuids

    @property
    def is_over(self) -> bool:
        """Whether the run that is followed has ended."""
        return self._end is not None

    def follow(self, uuids: Iterable[str]) -> None:
        """Follow another run from now on."""
        self._run, self._end = RunProgress(tuple(uuids)), None
        self._show_words("", is_problem=False)
        self.stage.setText("waiting to start")
        self.bar.setValue(0)
        self.button.setText(_CANCEL)
        self.button.setToolTip("Stop this run; what other items do goes on")
        self.show()

    def forget(self) -> None:
        """Stop following a run."""
        self._run, self._end = None, None
        self.hide()

    def show_rows(self, rows: Mapping[str, ItemRow]) -> None:
        """Show where the run stands, given all items by uuid."""
        if self._run is None:
            return
        mine = [rows[uuid] for uuid in self._run.uuids if uuid in rows]
        stand = self._run.follow(rows)
        problem = next((row for row in mine if row.state in RETRIABLE), None)
        if problem is not None:
            self._finish(problem)
        elif len(mine) == len(self._run.uuids) and all(r.state is State.COMPLETED for r in mine):
            self._finish(mine[-1])
        elif self._end is None or any(not row.state.ended for row in mine):
            if self._end is not None:  # it was started again from the batch
                self.follow(self._run.uuids)
            self.bar.setValue(round(_STEPS * stand.fraction))
            left = format_duration(stand.seconds_left)
            self.stage.setText(stand.stage + (f", about {left} left" if left else ""))

    def _finish(self, row: ItemRow) -> None:
        if self._end == row:
            return
        is_new = self._end is None
        self._end = row
        if row.state is State.COMPLETED:
            self._show_words(_words_of_success(row), is_problem=False)
            self.button.setText(_OPEN)
            self.button.setToolTip("Show what this run has made")
        else:
            why = row.error or f"It was {row.state.value}."
            what_next = "" if row.state is State.CANCELLED else " Its log is in the batch below."
            self._show_words(f"{row.algorithm} of {row.name}: {why}{what_next}", is_problem=True)
            self.button.setText(_RETRY)
            self.button.setToolTip("Run what has not completed once more")
        self.stage.setText("")
        if is_new:
            self.ended.emit(row)

    def _show_words(self, text: str, *, is_problem: bool) -> None:
        self.words.setText(text)
        self.words.setStyleSheet(f"color: {ERROR_COLOR};" if is_problem else "")
        self.words.setVisible(bool(text))
        self.bar.setVisible(not text)
        self.stage.setVisible(not text)

    def _on_clicked(self) -> None:
        if self._end is None:
            self.cancel_wanted.emit(self.uuids)
        elif self._end.state is State.COMPLETED:
            self.open_wanted.emit(self._end)
        else:
            self.retry_wanted.emit(self.uuids)


def _words_of_success(row: ItemRow) -> str:
    found = "" if row.n_components is None else f": {row.n_components} components"
    if row.n_accepted is not None:
        found += f", {row.n_accepted} accepted"
    warnings = f" {' '.join(row.warnings)}" if row.warnings else ""
    return f"{row.name} is done{found} ({format_duration(row.seconds)}).{warnings}"
