"""Measures motion, cell radius and decay time of the chosen movie, beside what is asked for."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from napari_cnmf.batch.suggesting import Suggestion, suggest
from napari_cnmf.errors import CnmfError
from napari_cnmf.params.volume_sizes import set_all
from napari_cnmf.ui._background import run_in_background
from napari_cnmf.ui.forms._request import open_input

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
