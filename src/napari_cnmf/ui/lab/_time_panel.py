"""Page of frame rate and decay time: what is set, what the metadata say, what the data show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtWidgets import QPushButton

from napari_cnmf.ui._parts import text_label
from napari_cnmf.ui.lab._panel import Panel, show_sentence, take_what_is_left

if TYPE_CHECKING:
    from napari_cnmf.core.lab.decay import Decay
    from napari_cnmf.ui.lab._link import FormLink
    from napari_cnmf.ui.lab._stage import Stage

_DATA, _FIT, _SET = "#bbbbbb", "#4caf7a", "#ffd54f"
_DIFFERS = 1.5
"""A set decay that is so many times off is worth a word."""


class TimePanel(Panel):
    """Page of data.fr and data.decay_time."""

    def __init__(self, link: FormLink, stage: Stage) -> None:
        super().__init__(link, stage)
        self.rate_facts, self.decay_facts, self.warning = text_label(), text_label(), text_label()
        self.take_button = QPushButton()
        self.plot = pg.PlotWidget(background=None)
        self._item = self.plot.getPlotItem()
        self._item.hideButtons()
        self._item.setMenuEnabled(False)
        self._item.setMouseEnabled(x=False, y=False)
        self._item.addLegend(offset=(-4, 1), labelTextSize="8pt")
        self._item.getAxis("bottom").setLabel("lag (s)")
        left = self._item.getAxis("left")
        left.setLabel("autocorrelation")
        left.enableAutoSIPrefix(False)  # of a number without a unit
        take_what_is_left(self.plot, 140)
        self.column.addWidget(link.row("data.fr"))
        self.column.addWidget(self.rate_facts)
        self.column.addWidget(link.row("data.decay_time"))
        self.column.addWidget(self.decay_facts)
        self.column.addWidget(self.take_button)
        self.column.addWidget(self.warning)
        self.column.addWidget(self.plot, 1)
        self.take_button.clicked.connect(lambda _=False: self.take_decay())

    def rate(self) -> float | None:
        """Frame rate in Hz: what is set, else what the metadata say."""
        params = self.link.params()
        if params is not None and params.data.fr is not None:
            return params.data.fr
        return None if self.recording is None else self.recording.frame_rate_hz

    def estimate(self) -> float | None:
        """Decay time of the data in seconds."""
        rate = self.rate()
        if self.recording is None or rate is None:
            return None
        return self.recording.decay.seconds(rate)

    def take_decay(self) -> None:
        """Put the measured decay time into the form."""
        estimate = self.estimate()
        if estimate is not None:
            self.link.set("data.decay_time", round(estimate, 2))

    def refresh(self) -> None:
        """Show what the data tell about frame rate and decay time, beside what is set."""
        recording, params = self.recording, self.link.params()
        if recording is None or params is None:
            for label in (self.rate_facts, self.decay_facts, self.warning):
                show_sentence(label, "")
            self.take_button.hide()
            return
        self._show_rate(recording.frame_rate_hz, params.data.fr)
        decay, rate, estimate = recording.decay, self.rate(), self.estimate()
        self.take_button.setVisible(estimate is not None)
        show_sentence(self.decay_facts, _decay_text(decay, rate))
        if estimate is not None:
            self.take_button.setText(f"Take {estimate:.2g} s")
        self._warn(decay, params.data.decay_time, estimate)
        self._draw(decay, rate, params.data.decay_time)

    def _show_rate(self, told: float | None, is_set: float | None) -> None:
        if told is None:
            kind = "" if is_set is not None else "warning"
            text = "The movie's metadata do not say it."
            show_sentence(self.rate_facts, text, kind=kind)
            return
        text = f"The movie's metadata say {told:.4g} Hz"
        differs = is_set is not None and abs(is_set / told - 1) > 0.02
        show_sentence(
            self.rate_facts, text + (f", not {is_set:g} Hz." if differs else "."),
            kind="warning" if differs else "",
        )  # fmt: skip

    def _warn(self, decay: Decay, is_set: float, estimate: float | None) -> None:
        if estimate is None:
            show_sentence(self.warning, "")
            return
        ratio = estimate / is_set
        if 1 / _DIFFERS < ratio < _DIFFERS:
            show_sentence(self.warning, "")
            return
        would_be = decay.frame_rate_hz(is_set)
        text = (
            f"The data decay {ratio:.1f} times as slowly as what is set."
            if ratio > 1
            else f"The data decay {1 / ratio:.1f} times as fast as what is set."
        )
        text += f" Check both: with {is_set:g} s the frame rate would be {would_be:.3g} Hz."
        show_sentence(self.warning, text, kind="warning")

    def _draw(self, decay: Decay, rate: float | None, is_set: float) -> None:
        self._item.clear()
        if not len(decay.fitted):
            return
        seconds = np.arange(1, len(decay.correlation) + 1) / (rate or 1.0)
        self._item.getAxis("bottom").setLabel("lag (s)" if rate else "lag (frames)")
        self._item.plot(seconds, decay.correlation, pen=pg.mkPen(_DATA, width=2), name="data")
        self._item.plot(seconds, decay.fitted, pen=pg.mkPen(_FIT, width=2), name="fit")
        if rate:
            # The set decay through the ends of the fit.
            wave = np.exp(-seconds / is_set)
            span = wave[0] - wave[-1]
            top, low = decay.fitted[0], decay.fitted[-1]
            curve = low + (top - low) * (wave - wave[-1]) / (span if span > 0 else 1)
            pen = pg.mkPen(_SET, width=1.5, dash=[4, 3])
            self._item.plot(seconds, curve, pen=pen, name="as set")


def _decay_text(decay: Decay, rate: float | None) -> str:
    if decay.is_too_slow:
        return (
            "The data do not tell it: the brightness of cells changes more slowly than any "
            "indicator. Bursts of activity, drift or motion hide single transients."
        )
    if decay.frames is None:
        return (
            f"The data do not tell it: {decay.n_cells} bright places in the sample, or too few "
            "frames."
        )
    seconds = "" if rate is None else f" = {decay.frames / rate:.2g} s at {rate:.4g} Hz"
    source = (
        f"the events of {decay.n_measured} bright places"
        if decay.n_measured
        else f"the autocorrelation of {decay.n_cells} bright places"
    )
    return f"The data decay within {decay.frames:.1f} frames{seconds}, by {source}."
