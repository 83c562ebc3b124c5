"""What the movie says beside what is asked: frame rate, motion, cell radius, decay time."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_cnmf.batch.suggesting import Suggestion, suggest
from napari_cnmf.errors import CnmfError
from napari_cnmf.params.volume_sizes import set_all
from napari_cnmf.ui._background import run_in_background
from napari_cnmf.ui._parts import fill, push_button, text_label, with_tip
from napari_cnmf.ui._theme import WARNING_COLOR
from napari_cnmf.ui.forms._input import ChosenInput
from napari_cnmf.ui.forms._request import MovieFacts, open_input
from napari_cnmf.ui.forms._rows import ParameterRow

if TYPE_CHECKING:
    from napari_cnmf.ui.forms._dock import ParametersWidget

_SIZE, _DECAY = "init.gSig", "data.decay_time"


class Measuring:
    """Measures each movie once, as soon as it is chosen in the workspace."""

    def __init__(self, form: ParametersWidget) -> None:
        self._form = form
        self._asked: tuple[Any, ...] | None = None
        self.found: Suggestion | None = None

    def start(self) -> None:
        """Measure the chosen movie, unless that was done already."""
        form = self._form
        chosen, facts = form.header.input.value(), form.facts
        if not form.is_stepped or facts is None or facts.shape is None:
            return
        is_one_photon = form.header.algorithm == "cnmfe"
        asked = (chosen, is_one_photon)
        if asked == self._asked:
            self._show_decay()  # the frame rate may be another one
            return
        self._asked = asked
        self.found = None
        self._say("Measuring…")
        form.motion_choice.show_measured(None)

        batch = form.session.batch

        def measure() -> Generator[str, None, Suggestion | None]:
            yield "measuring"
            try:
                return suggest(open_input(batch, chosen), one_photon=is_one_photon)
            except CnmfError:
                return None  # too short or too small to be measured: the user types the numbers

        def show(found: Suggestion | None) -> None:
            if asked == self._asked:
                self._show(found)
                form.checked.emit()

        run_in_background(measure, title="Measuring the movie", done=show)

    def _say(self, text: str) -> None:
        for name in (_SIZE, _DECAY):
            self._form.form.row(name).show_remark(text)

    def _show(self, found: Suggestion | None) -> None:
        self.found = found
        form, rows = self._form, self._form.form
        if found is None:
            self._say("This movie is too short or too small to be measured.")
            form.motion_choice.show_unknown()
            return
        form.motion_choice.show_measured(found.motion)
        if found.size is None or found.radius_px is None:
            text = "Too few clear cells to measure their radius. Draw one in the parameter lab."
            rows.row(_SIZE).show_remark(text)
        else:
            rows.row(_SIZE).show_remark(
                f"Measured on {found.n_cells} cells: radius {found.radius_px:.1f} px.",
                button=f"Use {', '.join(map(str, found.size.gSig))}",
                clicked=self._use_size,
            )
        self._show_decay()

    def _show_decay(self) -> None:
        """Show the decay in seconds, as soon as a frame rate is known."""
        found, form = self.found, self._form
        row = form.form.row(_DECAY)
        if found is None:
            return
        if found.decay_frames is None:
            row.show_remark("The movie does not tell it. Take the indicator's.")
            return
        typed = form.form.row("data.fr").value
        is_number = isinstance(typed, int | float) and typed > 0
        rate = typed if is_number else found.frame_rate_hz
        if rate is None:
            row.show_remark("Measured as soon as the frame rate is known.")
            return
        seconds = round(found.decay_frames / rate, 2)
        row.show_remark(
            f"Measured: {seconds:g} s.",
            button=f"Use {seconds:g} s",
            clicked=lambda: row.set_value(seconds),
        )

    def _use_size(self) -> None:
        """Put the measured radius into the form."""
        found, form = self.found, self._form.form
        if found is None:
            return
        sizes = {name: found.settings[name] for name in (_SIZE, "init.gSiz")}
        if len(sizes[_SIZE]) == 2:
            for name, value in sizes.items():
                form.row(name).set_value(value)
        else:  # all sizes of a volume have three numbers, and change together
            form.set_value(set_all(form.value(), sizes))


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
        self.verdict = text_label(_UNKNOWN)
        self.tick = with_tip(
            QCheckBox("Correct motion before finding cells"),
            "Both run one after the other when you click Find cells, and cells are found in the "
            "corrected movie",
        )
        self.tick.toggled.connect(self.toggled)
        self.alone = push_button(
            "Correct now, and look first",
            "Runs the correction alone and opens the corrected movie",
            self.alone_wanted.emit,
        )
        fill(QVBoxLayout(self), self.verdict, self.tick, self.alone, margins=(0, 4, 0, 8))

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


_SAME_RATE = 1e-3
"""Relative difference up to which a typed frame rate is the one that the movie says."""


class FrameRateNotes:
    """Notes that keep a frame rate typed for one movie from counting silently for the next."""

    def __init__(self, row: ParameterRow) -> None:
        self._row = row
        self._typed_for = ""

    def note_typing(self, chosen: ChosenInput | None) -> None:
        """Note which movie the rate was typed for."""
        is_typed = self._row.value is not None
        self._typed_for = chosen.name if is_typed and chosen is not None else ""

    def doubt(
        self, typed: float | None, facts: MovieFacts | None, chosen: ChosenInput | None
    ) -> str:
        """Reason against a frame rate that was typed; empty where there is none.

        Parameters
        ----------
        typed
            Hz.
        facts, chosen
            The movie that is chosen now.
        """
        if typed is None or facts is None or chosen is None:
            return ""
        told = facts.frame_rate_hz
        if told is None:
            if self._typed_for in ("", chosen.name):
                return ""
            return (
                f"{typed:g} Hz was typed for {self._typed_for}; {chosen.name} does not say its own "
                "rate. Check it."
            )
        if abs(typed / told - 1) < _SAME_RATE:
            return ""
        return f"{chosen.name} says {told:.4g} Hz, and {typed:g} Hz is used."

    def show(self, facts: MovieFacts | None, chosen: ChosenInput | None) -> None:
        """Show beside the row the movie's frame rate, and offer to take it."""
        row = self._row
        if facts is None:
            row.show_note("")
            row.show_remark("")
            return
        told, typed = facts.frame_rate_hz, row.value
        row.set_required(told is None)
        row.show_note(f"{told:.4g} Hz" if told and typed is None else "")
        source = f" ({facts.frame_rate_from})" if facts.frame_rate_from else ""
        is_number = isinstance(typed, int | float) and typed > 0
        doubt = self.doubt(typed, facts, chosen) if is_number else ""
        if doubt and told:
            row.show_remark(
                f"The movie says {told:.4g} Hz{source}.",
                is_warning=True,
                button=f"Take {told:.4g} Hz",
                clicked=lambda: row.set_value(None),
            )
        elif doubt:
            row.show_remark(doubt, is_warning=True)
        else:
            row.show_remark(f"The movie says {told:.4g} Hz{source}." if told else "")
