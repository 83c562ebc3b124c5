"""Frame rate in the form: what the movie says of it, where, and what speaks against it."""

from __future__ import annotations

from napari_cnmf.ui.forms._input import ChosenInput
from napari_cnmf.ui.forms._request import MovieFacts
from napari_cnmf.ui.forms._rows import ParameterRow

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
