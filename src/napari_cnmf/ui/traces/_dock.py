"""Dock with the traces of the selected components."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
)

from napari_cnmf.model.dff import NoBaselineWarning, compute_dff, is_detrended_only
from napari_cnmf.ui._background import call_in_background
from napari_cnmf.ui._docks import Dock, bring_to_front
from napari_cnmf.ui._parts import fill, hint_label, tool_button
from napari_cnmf.ui._session import ShownResult, session_of
from napari_cnmf.ui._theme import (
    CallSoon,
    SteadyLabel,
    connect_while_alive,
    follow_theme,
    readable_on,
)
from napari_cnmf.ui.layers import selection_color
from napari_cnmf.ui.traces._curves import (
    DETRENDED_TOOLTIP,
    TRACE_TOOLTIPS,
    Trace,
    available_traces,
    lay_out,
)
from napari_cnmf.ui.traces._plot import TracePlot

if TYPE_CHECKING:
    import napari

    from napari_cnmf.model.components import Components

_TOGGLE = (
    "QToolButton { padding: 2px 5px; border-radius: 3px; }"
    "QToolButton:checked { background: rgba(128, 128, 128, 100); }"
)
_MOST = 40
"""Components whose traces are drawn; more are no picture any more."""
_MOST_NAMED = 10
_FLUORESCENCE = "fluorescence (a.u.)"
_NO_BASELINE = "no dF/F where the baseline is within the noise"
_NO_RESULT = "Open a result to see its traces: double-click a completed item of the batch."
_NO_SELECTION = "Click a cell in the image to see its traces. Shift-click adds another one."


class TracesWidget(Dock):
    """Dock of raw, denoised, spikes, residual and dF/F of the selection, with a time cursor."""

    edge = "bottom"

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = self.shows_components_of = session_of(napari_viewer)
        self._viewer = self._session.viewer
        self._times = np.zeros(0)
        self._background = "#000000"
        # Many selection changes of one event are drawn once.
        self._redraw = CallSoon(self, self._draw)
        self.plot = TracePlot()
        """Plot of the traces."""
        self._title = SteadyLabel()
        self.buttons = {trace: self._make_button(trace) for trace in Trace}
        for trace in (Trace.RAW, Trace.DENOISED, Trace.SPIKES):
            self.buttons[trace].setChecked(True)
        self._overlaid = self._make_tool("Overlaid", "Several on one axis in the movie's units")
        self._overlaid.setCheckable(True)
        self._overlaid.toggled.connect(lambda _: self._redraw.start())
        self._peak = self._make_tool("Peak", "Go to the largest event of the component (G)")
        self._play = self._make_tool("Play", "Play what is around the largest event (P)")
        self._whole = self._make_tool("All", "Zoom out to the whole recording (double-click)")
        self._is_computing = False
        self._dff: tuple[Any, np.ndarray[Any, Any] | None] = (None, None)
        self._without_dff = ""
        self._hint = hint_label(_NO_RESULT)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._hint)
        self._pages.addWidget(self.plot)
        self._lay_out_widgets()

        timeline = self._session.timeline
        self._peak.clicked.connect(lambda _=False: timeline.go_to_peak())
        self._play.clicked.connect(lambda _=False: timeline.play_peak())
        self._whole.clicked.connect(lambda _=False: self.plot.show_all())
        self.plot.time_chosen.connect(self._move_slider)
        session = self._session
        connect_while_alive(
            self,
            (session.result_changed, self._on_result),
            (session.selection_changed, self._on_selection),
            (session.components_changed, self._on_components),
            (session.verdicts_changed, self._on_verdicts),
            (self._viewer.dims.events.current_step, self._move_cursor),
        )
        follow_theme(self, self._viewer, self._apply_theme)
        self._on_result(self._session.result)

    def _make_button(self, trace: Trace) -> QToolButton:
        button = tool_button(trace.value, TRACE_TOOLTIPS[trace])
        button.setCheckable(True)
        button.setStyleSheet(_TOGGLE)
        button.toggled.connect(lambda _: self._redraw.start())
        return button

    @staticmethod
    def _make_tool(text: str, tooltip: str) -> QToolButton:
        button = tool_button(text, tooltip)
        button.setStyleSheet(_TOGGLE)
        return button

    def _lay_out_widgets(self) -> None:
        bar = fill(QHBoxLayout(), (self._title, 1), *self.buttons.values())
        bar.addSpacing(10)
        for button in (self._overlaid, self._peak, self._play, self._whole):
            bar.addWidget(button)
        fill(QVBoxLayout(self), bar, (self._pages, 1), margins=(8, 6, 8, 4), spacing=4)

    def shown_traces(self) -> frozenset[Trace]:
        """Traces whose buttons are down."""
        return frozenset(t for t, button in self.buttons.items() if button.isChecked())

    def _on_result(self, result: ShownResult | None) -> None:
        if result is not None:
            components = result.components
            rate = result.loaded.frame_rate_hz
            self._times = np.arange(components.n_frames) / (rate or 1.0)
            label, unit = ("Time", "s") if rate else ("Frame", "")
            self.plot.set_time_axis(label, unit, max(float(self._times[-1]), 1 / (rate or 1.0)))
            present = available_traces(components)
            for trace, button in self.buttons.items():
                button.setEnabled(trace in present)
            relative = self.buttons[Trace.DFF]
            # Without a baseline that means something, a ratio would be a number about nothing.
            detrended = is_detrended_only(components)
            relative.setText("Detrended" if detrended else Trace.DFF.value)
            relative.setToolTip(DETRENDED_TOOLTIP if detrended else TRACE_TOOLTIPS[Trace.DFF])
            bring_to_front(self)
        self._dff = (None, None)
        self._move_cursor()
        self._redraw.start()

    def _on_selection(self, _selection: tuple[int, ...]) -> None:
        self._redraw.start()

    def _on_components(self) -> None:
        self._dff = (None, None)
        self._redraw.start()

    def _on_verdicts(self) -> None:
        """Renew the title, which has the verdicts; a decision changes no trace."""
        result, selection = self._session.result, self._session.selection
        if result is not None and selection:
            ids = result.ids[list(selection[:_MOST])].tolist()
            self._title.setText(_describe(result, selection, ids, self._background))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Draw the traces, which are not kept up to date while hidden."""
        super().showEvent(event)
        self._redraw.start()

    def _draw(self) -> None:
        if not self.isVisible():
            return  # drawn when it is seen
        result, selection = self._session.result, self._session.selection
        if result is None or not selection:
            self._title.clear()
            self._hint.setText(_NO_SELECTION if result is not None else _NO_RESULT)
            self._pages.setCurrentWidget(self._hint)
            return
        components, drawn = result.components, selection[:_MOST]
        ids = result.ids[list(drawn)].tolist()
        self._title.setText(_describe(result, selection, ids, self._background))
        shown = self.shown_traces()
        if Trace.DFF not in shown:
            dff = None
        elif self._dff[0] == (id(components), drawn):
            dff = self._dff[1]
        else:
            self._compute_dff(components, drawn, result.ids)
            return
        if dff is not None and self._without_dff:
            self._title.setText(f"{self._title.text()} · {_NO_BASELINE}")
        self._title.setToolTip(self._without_dff if dff is not None else "")
        curves = lay_out(components, drawn, shown, dff, stacked=not self._overlaid.isChecked())
        unit = "dF/F" if dff is not None and not is_detrended_only(components) else _FLUORESCENCE
        self.plot.set_curves(self._times, curves, [f"{i}" for i in ids], unit)
        self._pages.setCurrentWidget(self.plot)

    def _compute_dff(
        self, components: Components, drawn: tuple[int, ...], ids: NDArray[np.intp]
    ) -> None:
        """Compute dF/F in the background: its running percentile takes a moment."""
        if self._is_computing:
            return
        self._is_computing = True

        def show(found: tuple[Any, str]) -> None:
            self._is_computing = False
            dff, self._without_dff = found
            self._dff = ((id(components), drawn), dff)
            self._redraw.start()

        def failed(_error: Exception) -> None:
            self._is_computing = False

        call_in_background(
            lambda: _dff_and_what_is_missing(components, drawn, ids), done=show, failed=failed
        )

    def _move_cursor(self, _event: Any = None) -> None:
        frame = self._session.timeline.frame
        if frame is not None and frame < len(self._times):
            self.plot.set_time(float(self._times[frame]))

    def _move_slider(self, time: float) -> None:
        if self._times.size:
            self._session.timeline.go_to(int(np.abs(self._times - time).argmin()))
            self._move_cursor()

    def _apply_theme(self, theme: Any) -> None:
        self._background = theme.background.as_hex()
        self.plot.set_colors(theme.background.as_hex(), theme.text.as_hex(), theme.warning.as_hex())
        self._redraw.start()


def _describe(
    result: ShownResult, selection: tuple[int, ...], ids: list[int], background: str
) -> str:
    """Text of the selection, with scores where it is one component."""
    names = [
        f"<b style='color:{readable_on(background, selection_color(position))}'>{id_}</b>"
        for position, id_ in enumerate(ids[:_MOST_NAMED])
    ]
    if len(selection) > 1:
        more = ", …" if len(selection) > len(names) else ""
        drawn = f", the first {len(ids)} drawn" if len(selection) > len(ids) else ""
        return f"{len(selection)} components{drawn}: {', '.join(names)}{more}"
    components, index = result.components, selection[0]
    parts = [f"Component {names[0]}", str(result.link.states[index])]
    if components.classes is not None:
        parts.append(str(components.classes[index]))
    if components.snr is not None:
        parts.append(f"SNR {components.snr[index]:.1f}")
    if components.r_values is not None:
        parts.append(f"r {components.r_values[index]:.2f}")
    return " · ".join(parts)


def _dff_and_what_is_missing(
    components: Components, drawn: tuple[int, ...], ids: NDArray[np.intp]
) -> tuple[NDArray[np.float32], str]:
    """Compute dF/F of some rows, and a sentence on those without a baseline."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dff = compute_dff(components, drawn, names=ids)
    said = [str(one.message) for one in caught if issubclass(one.category, NoBaselineWarning)]
    return dff, " ".join(said)
