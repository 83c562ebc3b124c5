"""What one viewer shows: a batch, a result, a selection. The docks meet here alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import NDArray
from psygnal import Signal

from napari_cnmf.batch import set_current_batch
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.ui._bridge import BatchBridge
from napari_cnmf.ui._canvas import make_removal_safe
from napari_cnmf.ui._loading import RESULT, LoadedMovie, LoadedResult
from napari_cnmf.ui._timeline import Timeline
from napari_cnmf.ui.curation._following import Following
from napari_cnmf.ui.curation._link import CurationLink
from napari_cnmf.ui.curation._overview import Overview
from napari_cnmf.ui.layers import KIND, ResultLayers, add_result_layers
from napari_cnmf.ui.layers._picking import ClickToSelect

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget

    from napari_cnmf.batch import Batch
    from napari_cnmf.ui.forms._dock import ParametersWidget


@dataclass(frozen=True, eq=False)
class ShownResult:
    """A loaded result and its layers."""

    loaded: LoadedResult
    layers: ResultLayers
    link: CurationLink

    @property
    def name(self) -> str:
        return self.loaded.name

    @property
    def curation(self) -> Curation:
        return self.loaded.curation

    @property
    def components(self) -> Components:
        """What is on screen; row ``i`` has id ``ids[i]``."""
        return self.layers.components

    @property
    def ids(self) -> NDArray[np.intp]:
        """Ids of the components on screen, ``(n_components,)``."""
        return self.link.ids


class Session:
    """State shared by the docks of one viewer.

    Signals fire on the GUI thread, after the state has changed.
    """

    batch_changed = Signal(object)
    """The ``BatchBridge`` of the batch that was opened, or ``None``."""
    result_changed = Signal(object)
    """The ``ShownResult``, or ``None`` when it was closed."""
    components_changed = Signal()
    """An edit changed the components of the result; indices mean others than before."""
    verdicts_changed = Signal()
    """Decisions, thresholds, tags or notes of the result changed."""
    selection_changed = Signal(tuple)
    """Indices of the selected components."""

    engines_changed = Signal()
    """Engines were looked for again, and may be others than before."""
    form_changed = Signal()
    """The parameters dock was opened or closed."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self._bridge: BatchBridge | None = None
        self._result: ShownResult | None = None
        self._selection: tuple[int, ...] = ()
        self._docks = 0
        self._form: ParametersWidget | None = None
        self.overview = Overview(self)
        self.timeline = Timeline(self)
        self.following = Following(self)
        make_removal_safe(viewer)
        viewer.layers.events.inserted.connect(self._adopt)
        self._adopt()
        viewer.mouse_drag_callbacks.append(ClickToSelect(self))

    @property
    def batch(self) -> Batch | None:
        """The batch that is open."""
        return None if self._bridge is None else self._bridge.batch

    @property
    def bridge(self) -> BatchBridge | None:
        """Watches the batch that is open, and runs it."""
        return self._bridge

    def set_batch(self, batch: Batch | None) -> None:
        """Work with this batch from now on; what runs in the one before goes on."""
        if self._bridge is not None:
            self._bridge.close()
        self._bridge = None if batch is None else BatchBridge(batch)
        set_current_batch(batch)
        self.batch_changed.emit(self._bridge)

    def attach(self, dock: QWidget) -> None:
        """Count a dock in; when the last one is gone the batch is watched no more."""
        self._docks += 1
        dock.destroyed.connect(self._detach)

    def _detach(self) -> None:
        self._docks -= 1
        if self._docks == 0 and self._bridge is not None:
            self._bridge.close()
            self._bridge = None

    @property
    def form(self) -> ParametersWidget | None:
        """The dock whose parameters others show and change too."""
        return self._form

    def set_form(self, form: ParametersWidget | None) -> None:
        """Tell that the parameters dock is there, or gone."""
        self._form = form
        self.form_changed.emit()

    def form_closed(self, form: ParametersWidget) -> None:
        """That dock is gone; another may be there already."""
        if self._form is form:
            self.set_form(None)

    @property
    def result(self) -> ShownResult | None:
        return self._result

    @property
    def selection(self) -> tuple[int, ...]:
        """Selected components in the order they were selected."""
        return self._selection

    def show(self, loaded: LoadedResult) -> ShownResult:
        """Put a result into the viewer; the one before leaves it, and the memory."""
        self.close_result()
        layers = add_result_layers(self.viewer, loaded.layer_data, loaded.drawing)
        return self._take_over(loaded, layers)

    def _take_over(self, loaded: LoadedResult, layers: ResultLayers) -> ShownResult:
        layers.closed.connect(self._forget)
        link = CurationLink(loaded.curation, layers, loaded.movie)
        link.verdicts_changed.connect(self.verdicts_changed.emit)
        link.replaced.connect(self._on_replaced)
        self._result = ShownResult(loaded, layers, link)
        self.result_changed.emit(self._result)
        return self._result

    def _adopt(self, _event: Any = None) -> None:
        """Take over a result whose layers napari's reader has added."""
        for layer in self.viewer.layers:
            loaded = layer.metadata.get(RESULT)
            if loaded is None or (self._result is not None and self._result.loaded is loaded):
                continue
            layers = {
                other.metadata[KIND]: other
                for other in self.viewer.layers
                if KIND in other.metadata and other.name.endswith(f"· {loaded.name}")
            }
            # The reader adds layer by layer; the selection is the last one.
            if "selection" in layers:
                self.close_result()
                self._take_over(loaded, ResultLayers(self.viewer, layers, loaded.drawing))

    def show_movie(self, loaded: LoadedMovie) -> None:
        """Put a movie into the viewer, beside what is there."""
        for note in loaded.notes:
            show_warning(note)
        # the movie itself comes last: then it is the layer that docks work on
        for data, keywords, _ in (*loaded.beside, loaded.layer_data):
            self.viewer.add_image(data, **keywords)
        if loaded.beside:
            self.viewer.reset_view()

    def close_result(self) -> None:
        """Take the result's layers out of the viewer."""
        if self._result is not None:
            self._result.layers.close()

    def _on_replaced(self, ids_before: NDArray[np.intp]) -> None:
        """Keep what is selected, by id; what an edit has just made is selected instead."""
        result = self._result
        if result is None:
            return
        kept = [int(ids_before[i]) for i in self._selection]
        wanted = result.link.just_made or kept
        self._selection = ()
        self.components_changed.emit()
        rows = np.flatnonzero(np.isin(result.ids, wanted))
        self.select(rows.tolist())
        if not self._selection:
            result.layers.set_selection(())
            self.selection_changed.emit(())

    def _forget(self) -> None:
        self.select(())
        if self._result is not None:
            self._result.link.close()
        self._result = None
        self.result_changed.emit(None)

    def select(self, indices: Iterable[int]) -> None:
        """Select components by index; unknown ones are left out."""
        n = self._result.components.n_components if self._result is not None else 0
        selection = tuple(i for i in dict.fromkeys(indices) if 0 <= i < n)
        if selection == self._selection:
            return
        self._selection = selection
        if self._result is not None:
            self._result.layers.set_selection(selection)
        self.selection_changed.emit(selection)


_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


def session_of(viewer: Any) -> Session:
    """The session of a viewer; plugin widgets get a proxy of it, which is the same viewer."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _sessions:
        _sessions[viewer] = Session(viewer)
    return _sessions[viewer]
