"""Dock with the traces of the selected components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import (
    QHBoxLayout,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.model.dff import compute_dff, is_detrended_only
from napari_cnmf.ui._session import ShownResult, session_of
from napari_cnmf.ui._theme import SteadyLabel, bring_to_front, call_soon, follow_theme, hint_label
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
    "QToolButton { padding: 2px 9px; border-radius: 3px; }"
    "QToolButton:checked { background: rgba(128, 128, 128, 100); }"
)
_NO_RESULT = "Open a result to see its traces: double-click a completed item of the batch."
_NO_SELECTION = "Click a cell in the image to see its traces. Shift-click adds another one."


class TracesWidget(QWidget):
    """Raw, denoised, spikes and dF/F of the selection, with a time cursor tied to the slider."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = session_of(napari_viewer)
        self._times = np.zeros(0)
        # Many selection changes of one event are drawn once.
        self._redraw = call_soon(self, self._draw)
        self._plot = TracePlot()
        self._title = SteadyLabel()
        self._buttons = {trace: self._make_button(trace) for trace in Trace}
        for trace in (Trace.RAW, Trace.DENOISED, Trace.SPIKES):
            self._buttons[trace].setChecked(True)
        self._hint = hint_label(_NO_RESULT)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._hint)
        self._pages.addWidget(self._plot)
        self._lay_out_widgets()

        self._plot.time_chosen.connect(self._move_slider)
        self._session.result_changed.connect(self._on_result)
        self._session.selection_changed.connect(self._on_selection)
        self._session.components_changed.connect(self._on_edit)
        self._session.verdicts_changed.connect(self._on_edit)
        napari_viewer.dims.events.current_step.connect(self._move_cursor)
        follow_theme(self, napari_viewer, self._apply_theme)
        self._on_result(self._session.result)

    def _make_button(self, trace: Trace) -> QToolButton:
        button = QToolButton()
        button.setText(trace.value)
        button.setToolTip(TRACE_TOOLTIPS[trace])
        button.setCheckable(True)
        button.setStyleSheet(_TOGGLE)
        button.toggled.connect(lambda _: self._redraw.start())
        return button

    def _lay_out_widgets(self) -> None:
        bar = QHBoxLayout()
        bar.addWidget(self._title, 1)
        for button in self._buttons.values():
            bar.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 4)
        layout.setSpacing(4)
        layout.addLayout(bar)
        layout.addWidget(self._pages, 1)

    @property
    def plot(self) -> TracePlot:
        return self._plot

    def shown_traces(self) -> frozenset[Trace]:
        """The traces whose buttons are down."""
        return frozenset(t for t, button in self._buttons.items() if button.isChecked())

    def set_trace_shown(self, trace: Trace, shown: bool) -> None:
        """Press or release a trace's button."""
        self._buttons[trace].setChecked(shown)

    def _on_result(self, result: ShownResult | None) -> None:
        if result is not None:
            components = result.components
            rate = result.loaded.frame_rate_hz
            self._times = np.arange(components.n_frames) / (rate or 1.0)
            label, unit = ("Time", "s") if rate else ("Frame", "")
            self._plot.set_time_axis(label, unit, max(float(self._times[-1]), 1 / (rate or 1.0)))
            present = available_traces(components)
            for trace, button in self._buttons.items():
                button.setEnabled(trace in present)
            relative = self._buttons[Trace.DFF]
            # Without a baseline that means something, a ratio would be a number about nothing.
            detrended = is_detrended_only(components)
            relative.setText("Detrended" if detrended else Trace.DFF.value)
            relative.setToolTip(DETRENDED_TOOLTIP if detrended else TRACE_TOOLTIPS[Trace.DFF])
            bring_to_front(self)
        self._move_cursor()
        self._redraw.start()

    def _on_selection(self, _selection: tuple[int, ...]) -> None:
        self._redraw.start()

    def _on_edit(self) -> None:
        self._redraw.start()

    def _draw(self) -> None:
        result, selection = self._session.result, self._session.selection
        if result is None or not selection:
            self._title.clear()
            self._hint.setText(_NO_SELECTION if result is not None else _NO_RESULT)
            self._pages.setCurrentWidget(self._hint)
            return
        components = result.components
        ids = result.ids[list(selection)].tolist()
        states = result.link.states[list(selection)].tolist()
        self._title.setText(_describe(components, selection, ids, states))
        shown = self.shown_traces()
        dff = compute_dff(components, selection) if Trace.DFF in shown else None
        curves = lay_out(components, selection, shown, dff)
        self._plot.set_curves(self._times, curves, [f"{i}" for i in ids])
        self._pages.setCurrentWidget(self._plot)

    def _time_axis(self) -> int | None:
        """Which of the viewer's axes is time, while a result is shown."""
        result = self._session.result
        if result is None:
            return None
        axis = self._viewer.dims.ndim - len(result.components.dims) - 1
        return axis if axis >= 0 else None

    def _move_cursor(self, _event: Any = None) -> None:
        axis = self._time_axis()
        if axis is None or not self._times.size:
            return
        frame = min(self._viewer.dims.current_step[axis], len(self._times) - 1)
        self._plot.set_time(float(self._times[frame]))

    def _move_slider(self, time: float) -> None:
        axis = self._time_axis()
        if axis is None or not self._times.size:
            return
        frame = int(np.abs(self._times - time).argmin())
        self._viewer.dims.set_current_step(axis, frame)
        self._move_cursor()

    def _apply_theme(self, theme: Any) -> None:
        self._plot.set_colors(theme.text.as_hex(), theme.warning.as_hex())
        self._redraw.start()


def _describe(
    components: Components, selection: tuple[int, ...], ids: list[int], states: list[str]
) -> str:
    """The selection in words, with scores where it is one component."""
    if len(selection) > 1:
        return f"{len(selection)} components"
    index = selection[0]
    parts = [f"<b style='color:{selection_color(0)}'>Component {ids[0]}</b>"]
    parts.append(states[0])
    if components.classes is not None:
        parts.append(str(components.classes[index]))
    if components.snr is not None:
        parts.append(f"SNR {components.snr[index]:.1f}")
    if components.r_values is not None:
        parts.append(f"r {components.r_values[index]:.2f}")
    return " · ".join(parts)
