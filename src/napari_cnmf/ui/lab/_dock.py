"""Dock of the parameter lab: draw on the picture, slide, look, and the form follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.QtWidgets import QHBoxLayout, QLabel, QTabWidget, QVBoxLayout

from napari_cnmf.errors import CnmfError
from napari_cnmf.ui._docks import Dock, bring_to_front
from napari_cnmf.ui._parts import fill, hint_label, scrolling, text_label
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui._theme import CallSoon, connect_while_alive
from napari_cnmf.ui.forms._editors import keep_wheel_for_scrolling
from napari_cnmf.ui.forms._input import read_again
from napari_cnmf.ui.lab._link import FormLink
from napari_cnmf.ui.lab._panel import Panel, show_sentence
from napari_cnmf.ui.lab._patches_panel import PatchesPanel
from napari_cnmf.ui.lab._preview_panel import PreviewPanel
from napari_cnmf.ui.lab._recording import Recording, look_at
from napari_cnmf.ui.lab._seeds_panel import SeedsPanel
from napari_cnmf.ui.lab._size_panel import SizePanel
from napari_cnmf.ui.lab._stage import Stage, is_movie
from napari_cnmf.ui.lab._task import LatestTask, ShouldStop
from napari_cnmf.ui.lab._time_panel import TimePanel

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_cnmf.core.lab.cells import MeasuredCells

_EMPTY = (
    "Open a movie and choose it here: cell size, seeds, patches and times are drawn over it, and "
    "what you choose goes into the CNMF parameters dock at once."
)


class LabWidget(Dock):
    """Dock of pages over one movie layer; only the page that is seen draws."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._session.attach(self)
        self.stage = Stage(self._session.viewer)
        self.link = FormLink(self._session, self)
        self.task = LatestTask(self)
        self.recording: Recording | None = None
        self._plane: int | None = None
        self._volume: MeasuredCells | None = None
        self._is_one_photon = False
        self.layer_combo = ComboBox(choices=self._choices, nullable=True)
        keep_wheel_for_scrolling(self.layer_combo.native)
        self.status = text_label(gray=True)
        self.cell_size = SizePanel(self.link, self.stage)
        self.seeds = SeedsPanel(self.link, self.stage)
        self.patches = PatchesPanel(self.link, self.stage)
        self.time = TimePanel(self.link, self.stage)
        self.preview = PreviewPanel(self.link, self.stage)
        self.tabs = QTabWidget()
        self._hint = hint_label(_EMPTY)
        self._lay_out()
        self._layers_soon = CallSoon(self, self._on_layers)
        self._connect()
        self._open_form = CallSoon(self, self._ensure_form)
        self._open_form.start()
        self._on_layers()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Every page of the lab, in their order."""
        return (self.cell_size, self.seeds, self.patches, self.time, self.preview)

    def _lay_out(self) -> None:
        titles = ("Cell size", "Seeds", "Patches", "Time", "Preview")
        for title, panel in zip(titles, self.panels, strict=True):
            scroll = scrolling(panel)
            self.tabs.addTab(scroll, title)
        top = fill(QHBoxLayout(), QLabel("Movie"), (self.layer_combo.native, 1))
        fill(QVBoxLayout(self), top, self.status, self._hint, (self.tabs, 1), margins=8, spacing=6)
        self.setMinimumWidth(350)

    def _connect(self) -> None:
        events = self._session.viewer.layers.events
        connect_while_alive(
            self,
            (events.inserted, self._on_layers_event),
            (events.removed, self._on_layers_event),
            (self._session.viewer.dims.events.current_step, self._on_step),
        )
        stage, panels = self.stage, self.panels
        self.destroyed.connect(lambda: _leave(stage, panels))
        self.layer_combo.changed.connect(lambda _: self._on_layer())
        self.link.changed.connect(self._on_parameters)
        self.tabs.currentChanged.connect(lambda _: self._show_page())

    def _ensure_form(self) -> None:
        """Open the form, whose rows these are: without it there is nothing to change."""
        if self._session.form is None:
            _ = self.link.form
            bring_to_front(self)

    # -- the movie

    def _choices(self, _widget: Any = None) -> list[tuple[str, Image]]:
        layers = reversed(self._session.viewer.layers)
        return [(str(layer.name), layer) for layer in layers if is_movie(layer)]

    def _on_layers_event(self, _event: Any = None) -> None:
        """Follow the layers once their list has settled: none may come or go meanwhile."""
        self._layers_soon.start()

    def _on_layers(self) -> None:
        before = self.layer_combo.value
        read_again(self.layer_combo)
        choices = self.layer_combo.choices
        if before is None or before not in choices:
            active = self._session.viewer.layers.selection.active
            movies = [one for one in choices if one is not None]
            self.layer_combo.value = active if active in movies else next(iter(movies), None)
        if self.layer_combo.value is not self.stage.layer:
            self._on_layer()
        self._show_hint()

    def _show_hint(self) -> None:
        has_movie = self.stage.layer is not None
        self._hint.setVisible(not has_movie)
        self.tabs.setVisible(has_movie)

    def _on_layer(self) -> None:
        layer = self.layer_combo.value
        if layer is self.stage.layer:
            return
        self.stage.remove()
        self.stage.layer = layer
        self._volume = None
        self._show_hint()
        self._load()

    def _on_step(self, _event: Any = None) -> None:
        """Take a sample of the plane that is seen in a volume."""
        if self.stage.plane != self._plane:
            for panel in self.panels:
                panel.on_plane()
            self._load(again=True)

    def _on_parameters(self) -> None:
        """Measure cells anew where parameters ask for one-photon: they are told apart otherwise."""
        if self.stage.layer is not None and self.link.is_one_photon != self._is_one_photon:
            self._volume = None
            self._load(again=True)

    def _load(self, *, again: bool = False) -> None:
        """Sample and measure the movie; ``again`` leaves what is drawn of the same movie."""
        layer = self.stage.layer
        again = again and self.recording is not None
        if not again:
            self._set_recording(None)
        self._plane = plane = self.stage.plane
        if layer is None:
            self.task.cancel()
            show_sentence(self.status, "")
            return
        params = self.link.params()
        rate = None if params is None else params.data.fr

        volume, one_photon = self._volume, self.link.is_one_photon
        self._is_one_photon = one_photon

        def work(should_stop: ShouldStop) -> Recording:
            return look_at(layer, plane, rate, should_stop, volume, one_photon=one_photon)

        def done(recording: Recording) -> None:
            self._volume = recording.volume
            self._set_recording(recording, again=again)
            kind = "warning" if recording.remarks else ""
            show_sentence(self.status, _describe(recording), kind=kind)

        def failed(error: CnmfError) -> None:
            show_sentence(self.status, str(error), kind="error")

        show_sentence(self.status, "reading a sample and measuring its cells…")
        self.task.start(work, done, failed, title="Parameter lab: a sample of the movie")

    def _set_recording(self, recording: Recording | None, *, again: bool = False) -> None:
        self.recording = recording
        for panel in self.panels:
            panel.set_recording(recording, again=again)
        self._show_page()

    def _show_page(self) -> None:
        current = self.tabs.currentIndex() if self.stage.layer is not None else -1
        # Leave before entering: both may draw a layer of the same name.
        for index, panel in enumerate(self.panels):
            if index != current:
                panel.set_shown(False)
        for index, panel in enumerate(self.panels):
            if index == current:
                panel.set_shown(True)


def _leave(stage: Stage, panels: tuple[Panel, ...]) -> None:
    """Take the lab's layers and mouse callbacks out of the viewer."""
    viewer = stage.viewer
    for callback in list(viewer.mouse_drag_callbacks):
        if getattr(callback, "__self__", None) in panels:
            viewer.mouse_drag_callbacks.remove(callback)
    stage.remove()


def _describe(recording: Recording) -> str:
    sample = recording.sample
    n, of = len(sample.frames), sample.n_movie_frames
    parts = [f"sample of {n:,} of {of:,} frames" if n < of else f"all {n:,} frames"]
    if sample.binning > 1:
        parts.append(f"{sample.binning} × {sample.binning} px binned")
    if sample.plane is not None:
        parts.append(f"plane {sample.plane}")
    return "\n".join([" · ".join(parts), *recording.remarks])
