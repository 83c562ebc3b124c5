"""Runs the built-in engine on the patch under the cursor, again with every change."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtWidgets import QCheckBox

from napari_cnmf.core.lab.preview import Preview, Window, preview, read_window, window_box
from napari_cnmf.core.plan.plan import MIN_FRAMES
from napari_cnmf.errors import CnmfError, ParameterError
from napari_cnmf.io.movies import MovieWindow
from napari_cnmf.model.contours import contours
from napari_cnmf.params import CNMFParams
from napari_cnmf.ui._parts import text_label
from napari_cnmf.ui._theme import call_later
from napari_cnmf.ui.lab._panel import Panel, show_sentence, take_what_is_left
from napari_cnmf.ui.lab._task import LatestTask, ShouldStop

if TYPE_CHECKING:
    from napari_cnmf.model.movie import Movie
    from napari_cnmf.ui.lab._link import FormLink
    from napari_cnmf.ui.lab._stage import Stage

PREVIEW, BOX = "preview", "preview window"
_DELAY_MS = 250
_MOST_TRACES = 14
_REJECTED = "#888888"


@dataclass(frozen=True)
class _Place:
    """Place that the preview looks at."""

    centre: tuple[float, float]
    frame: int


class PreviewPanel(Panel):
    """Page of contours and traces of a small window."""

    def __init__(self, link: FormLink, stage: Stage) -> None:
        super().__init__(link, stage)
        self.place: _Place | None = None
        self.found: Preview | None = None
        self._found_for: tuple[Any, ...] | None = None
        self._window: tuple[Any, Window] | None = None
        self.task = LatestTask(self)
        self.rejected_box = QCheckBox("Rejected ones too")
        self.rejected_box.setChecked(True)
        self.summary, self.notes = text_label(), text_label(gray=True)
        self.plot = pg.PlotWidget(background=None)
        self._item = self.plot.getPlotItem()
        self._item.hideButtons()
        self._item.setMenuEnabled(False)
        self._item.getAxis("left").setStyle(showValues=False)
        self._item.getAxis("bottom").setLabel("time (s)")
        self._item.setDownsampling(auto=True, mode="peak")
        take_what_is_left(self.plot, 170)
        self._lay_out()
        self._run_later = call_later(self, self._run, _DELAY_MS)
        self.rejected_box.toggled.connect(lambda _: self._show())

    def _lay_out(self) -> None:
        for name in ("init.gSig", "data.decay_time", "merging.merge_thr", "quality.min_SNR"):
            self.column.addWidget(self.link.row(name))
        self.column.addWidget(self.rejected_box)
        self.column.addWidget(self.summary)
        self.column.addWidget(self.plot, 1)
        self.column.addWidget(self.notes)

    # -- where

    def look_at(self, y: float, x: float) -> None:
        """Preview the patch around a pixel of the movie."""
        self.place = _Place((float(y), float(x)), self.stage.frame)
        self.refresh()

    def _listen(self) -> None:
        callbacks = self.stage.viewer.mouse_drag_callbacks
        if self.is_shown and self._on_click not in callbacks:
            callbacks.append(self._on_click)
        elif not self.is_shown and self._on_click in callbacks:
            callbacks.remove(self._on_click)

    def _on_click(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        if event.button != 1 or self.stage.layer is None:
            return
        at = self.stage.to_pixels(event.position)
        yield
        moved = False
        while event.type == "mouse_move":
            moved = True
            yield
        if not moved and self._is_inside(at):
            self.look_at(*at)

    def _is_inside(self, at: NDArray[np.float64]) -> bool:
        layer = self.stage.layer
        return layer is not None and bool(
            ((at >= -0.5) & (at < np.array(layer.data.shape[-2:]) - 0.5)).all()
        )

    # -- running

    def on_recording(self) -> None:
        """Forget the place and what was found in another movie."""
        self.place, self.found, self._found_for, self._window = None, None, None, None
        self.task.cancel()

    def on_plane(self) -> None:
        """Preview the same place in the plane on screen."""
        if self.is_shown:
            self._show()

    def refresh(self) -> None:
        """Run the preview anew with the parameters as they are."""
        self._listen()
        if self.recording is None:
            show_sentence(self.summary, "")
        elif self.place is None:
            show_sentence(self.summary, "Click on a cell: the engine runs on the patch around it.")
        else:
            self._run_later.start()

    def _run(self) -> None:
        params, recording, place = self.link.params(), self.recording, self.place
        if params is None or recording is None or place is None or not self.is_shown:
            return
        rate = params.data.fr or recording.frame_rate_hz
        if rate is None:
            show_sentence(self.summary, "Set the frame rate first.", kind="warning")
            return
        movie, kept, one_photon = recording.movie, self._window, self.link.is_one_photon
        wanted = (self.stage.layer, place, params, rate, one_photon)
        if wanted == self._found_for:
            self._show()
            return

        def work(should_stop: ShouldStop) -> tuple[Any, Window, Preview]:
            key, window = _window_for(
                movie, place, params, rate, kept=kept, should_stop=should_stop
            )
            inside = _for_window(params, window)
            found = preview(window, inside, rate, one_photon=one_photon, should_stop=should_stop)
            return key, window, found

        def done(result: tuple[Any, Window, Preview]) -> None:
            key, window, self.found = result
            self._found_for = wanted
            self._window = (key, window)
            if self.is_shown:
                self._show()

        def failed(error: CnmfError) -> None:
            show_sentence(self.summary, str(error), kind="error")

        if self.found is None:
            show_sentence(self.summary, "running…")
        self.task.start(work, done, failed)

    # -- showing

    def _show(self) -> None:
        found = self.found
        if found is None or self.stage.layer is None:
            return
        components = found.components
        n = components.n_components
        accepted = components.accepted
        is_good = np.ones(n, bool) if accepted is None else np.asarray(accepted, bool)
        text = f"{n} found, {int(is_good.sum())} accepted, in {found.seconds:.1f} s"
        if np.isfinite(found.typical_width) and n:
            text += f"; cells look {found.typical_width:.2g} × gSig"
        if not n:
            text = "No cell found here. Try another place, or gSig and decay time."
        show_sentence(self.summary, text, kind="" if n else "warning")
        self.notes.setText(" ".join(found.notes[1:]))
        shown = np.flatnonzero(is_good | self.rejected_box.isChecked())
        colors = {int(k): _color(i) if is_good[k] else _REJECTED for i, k in enumerate(shown)}
        self._draw_contours(found, shown, colors)
        self._draw_traces(found, shown[is_good[shown]], colors)

    def _draw_contours(
        self, found: Preview, shown: NDArray[np.intp], colors: dict[int, str]
    ) -> None:
        origin = np.array(found.window.origin[-2:], float)
        low, high = origin - 0.5, origin + np.array(found.window.dims[-2:]) - 0.5
        corners = np.array([[low[0], low[1]], [low[0], high[1]], high, [high[0], low[1]]])
        self.stage.draw(
            BOX, [corners], shape_type="rectangle", edge_width=0.4, edge_color="#ffffff",
            face_color="transparent",
        )  # fmt: skip
        paths, edge = [], []
        for k in shown.tolist():
            for outline in contours(found.components.A, k, found.components.dims):
                if outline.shape[1] == 2 or outline[0, 0] == self.stage.plane:
                    paths.append(outline[:, -2:] + origin)
                    edge.append(colors[k])
        self.stage.draw(PREVIEW, paths, shape_type="path", edge_color=edge, edge_width=0.4)

    def _draw_traces(self, found: Preview, shown: NDArray[np.intp], colors: dict[int, str]) -> None:
        self._item.clear()
        components = found.components
        rate = components.frame_rate_hz or 1.0
        seconds = (np.arange(components.n_frames) + found.window.first_frame) / rate
        if components.snr is not None:
            shown = shown[np.argsort(-np.nan_to_num(components.snr[shown]), kind="stable")]
        for row, k in enumerate(shown[:_MOST_TRACES].tolist()):
            raw = components.C[k] + (components.YrA[k] if components.YrA is not None else 0)
            height = float(np.ptp(components.C[k])) or 1.0
            low = float(np.median(raw))
            for curve, width, alpha in ((raw, 1.0, 90), (components.C[k], 1.8, 255)):
                pen = pg.mkColor(colors[k])
                pen.setAlpha(alpha)
                self._item.plot(
                    seconds, (curve - low) / height - 1.15 * row, pen=pg.mkPen(pen, width=width)
                )

    def set_shown(self, is_shown: bool) -> None:
        """Listen to clicks while this is the page that is seen."""
        super().set_shown(is_shown)
        self._listen()

    def clear(self) -> None:
        """Stop the preview and hide what was drawn."""
        self.task.cancel()
        self.stage.hide(PREVIEW, BOX)


def _window_for(
    movie: Movie,
    place: _Place,
    params: CNMFParams,
    rate: float,
    *,
    kept: tuple[Any, Window] | None,
    should_stop: ShouldStop,
) -> tuple[Any, Window]:
    """Window of frames around a place; one read before serves as long as its box is the same."""
    if len(params.init.gSig) != len(movie.dims):
        raise ParameterError(
            f"init.gSig must have {len(movie.dims)} numbers for a field of {movie.dims} px, "
            f"got {params.init.gSig}."
        )
    box = window_box(movie.dims, place.centre, params.init.gSig)
    key = (id(movie), tuple((s.start, s.stop) for s in box), place.frame)
    if kept is not None and kept[0] == key:
        return kept
    window = read_window(
        MovieWindow(movie), box, rate, around_frame=place.frame, should_stop=should_stop
    )
    if len(window.frames) < MIN_FRAMES:
        raise ParameterError(f"A preview needs {MIN_FRAMES} frames, got {len(window.frames)}.")
    return key, window


def _for_window(params: CNMFParams, window: Window) -> CNMFParams:
    """Parameters for a window, without those that make sense in a whole field only."""
    return params.replace(patch={"rf": None, "border_pix": 0}, init={"K": None})


def _color(index: int) -> str:
    """Colour that neighbours in a list do not share."""
    return str(pg.intColor(index, hues=9, values=1, maxValue=255, sat=170).name())
