"""One line that shows the run that was started: how far it is, how it ended, what to do next.

The progress of several items and stages is one number that only grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_cnmf.batch.status import RETRIABLE, State
from napari_cnmf.ui._parts import fill, push_button, text_label
from napari_cnmf.ui._theme import ERROR_COLOR
from napari_cnmf.ui.batch._rows import ALGORITHM_TITLES, ItemRow, format_duration

_STEPS = 1000
_CANCEL, _RETRY, _OPEN = "Cancel", "Run again", "Open"


_SHARES = {
    "starting CaImAn": 0.05,
    "reading": 0.15,
    "motion template": 0.2,
    "shifts": 0.5,
    "field": 0.6,
    "finding components": 0.5,
    "refit": 0.4,
    "extracting traces": 0.5,
    "deconvolving": 0.6,
    "scoring": 0.8,
    "spectra": 0.3,
    "refining": 0.4,
    "writing": 0.6,
    "summary images": 0.7,
}
"""Share of the rest that a stage takes; engines of others may have stages of any name."""
_USUAL_SHARE = 0.35
_UNITS = {"deconvolving": " components", "reading": " frames", "writing": " frames"}
_MOTION_SHARE = 0.3
_LEAST_TOLD = 0.08
"""Below that nothing is said of the time that is left: it would be wrong."""


@dataclass(frozen=True)
class RunStand:
    """State of a run.

    Attributes
    ----------
    fraction
        0 to 1; never less than what was told before.
    stage
        What it does now, in words.
    seconds_left
        ``None`` while that cannot be told.
    """

    fraction: float
    stage: str
    seconds_left: float | None


class RunProgress:
    """Follower of the items of one run."""

    def __init__(self, uuids: Sequence[str]) -> None:
        self.uuids = tuple(uuids)
        self._stage: tuple[str, str] = ("", "")
        self._from, self._to = 0.0, 0.0
        self._fraction = 0.0

    def follow(self, rows: Mapping[str, ItemRow]) -> RunStand:
        """Renew the state of the run."""
        mine = [rows[uuid] for uuid in self.uuids if uuid in rows]
        ends = _ends(mine)
        running = next((r for r in mine if r.state is State.RUNNING), None)
        begin = 0.0
        for row, end in zip(mine, ends, strict=True):
            if row.state is State.COMPLETED:
                self._fraction = max(self._fraction, end)
            if row is running:
                self._follow_stage(row, max(begin, self._fraction), end)
            begin = end
        if running is None:
            waits = bool(mine) and not any(row.state.ended for row in mine)
            return RunStand(self._fraction, "waiting to start" if waits else "", None)
        spent = sum(row.duration() or 0.0 for row in mine)
        left = spent * (1 / self._fraction - 1) if self._fraction > _LEAST_TOLD else None
        what = running.stage or "starting"
        if running.total > 1:
            what += f", {running.done:,.0f} of {running.total:,.0f}{_UNITS.get(running.stage, '')}"
        stage = f"{running.algorithm}: {what}" if len(mine) > 1 else what
        return RunStand(self._fraction, stage, left)

    def _follow_stage(self, row: ItemRow, begin: float, end: float) -> None:
        stage = (row.uuid, row.stage)
        if row.stage and stage != self._stage:
            self._stage = stage
            self._from = max(begin, self._fraction)
            share = _SHARES.get(row.stage, _USUAL_SHARE)
            self._to = self._from + share * (end - self._from)
        if row.stage:
            now = self._from + row.fraction * (self._to - self._from)
            self._fraction = max(self._fraction, now)


def _ends(rows: Sequence[ItemRow]) -> list[float]:
    """Place on the bar where each item ends."""
    is_motion = [row.algorithm == ALGORITHM_TITLES["mcorr"] for row in rows]
    weights = [_MOTION_SHARE if motion else 1 - _MOTION_SHARE for motion in is_motion]
    total = sum(weights)
    ends, so_far = [], 0.0
    for weight in weights:
        so_far += weight / total
        ends.append(so_far)
    return ends


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
        self.words = text_label(selectable=True)
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(True)
        self.bar.setFixedHeight(16)
        self.button = push_button(_CANCEL, clicked=self._on_clicked)
        line = fill(QHBoxLayout(), (self.bar, 1), (self.words, 1), self.button)
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
