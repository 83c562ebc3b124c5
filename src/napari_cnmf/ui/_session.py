"""State of one viewer: a batch, a result, a selection. The docks meet here alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import NDArray
from psygnal import Signal

from napari_cnmf.batch import set_current_batch
from napari_cnmf.engines.compile_ahead import start_compiling_ahead
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.ui._bridge import BatchBridge
from napari_cnmf.ui._canvas import delete_in_own_context, is_open
from napari_cnmf.ui._listeners import go_on_after_errors_of_others
from napari_cnmf.ui._loading import RESULT, LoadedMovie, LoadedResult
from napari_cnmf.ui._requirements import without_opengl
from napari_cnmf.ui._timeline import Timeline
from napari_cnmf.ui.curation._columns import Overview
from napari_cnmf.ui.curation._following import Following
from napari_cnmf.ui.curation._link import CurationLink
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
        """Name of the result."""
        return self.loaded.name

    @property
    def curation(self) -> Curation:
        """Curation of the result."""
        return self.loaded.curation

    @property
    def components(self) -> Components:
        """Components on screen; row ``i`` has id ``ids[i]``."""
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
    flip_wanted = Signal(int)
    """Index of a component that the user accepts or rejects on the canvas, by a right click."""

    engines_changed = Signal()
    """Engines were looked for again, and may be others than before."""
    form_changed = Signal()
    """The parameters dock was opened or closed."""
    run_started = Signal(tuple)
    """Uuids of the items of a run that the form has started, in the order in which they run."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self._bridge: BatchBridge | None = None
        self._results: list[ShownResult] = []
        self._result: ShownResult | None = None
        self._selection: tuple[int, ...] = ()
        self._docks = 0
        self._forms: list[ParametersWidget] = []
        self.batch_is_restored = False
        """Whether the batch is the one of the last time, which nobody has chosen this time."""
        self.overview = Overview(self)
        self.timeline = Timeline(self)
        self.following = Following(self)
        delete_in_own_context(viewer)
        go_on_after_errors_of_others(viewer)
        viewer.layers.events.inserted.connect(self._adopt)
        viewer.layers.selection.events.active.connect(self._follow_active)
        self._adopt()
        viewer.mouse_drag_callbacks.append(ClickToSelect(self))

    @property
    def batch(self) -> Batch | None:
        """Batch that is open."""
        return None if self._bridge is None else self._bridge.batch

    @property
    def bridge(self) -> BatchBridge | None:
        """Bridge that watches the batch that is open, and runs it."""
        return self._bridge

    def set_batch(self, batch: Batch | None, *, is_restored: bool = False) -> None:
        """Set the batch to work with from now on; what runs in the one before goes on.

        Parameters
        ----------
        is_restored
            Whether it is the batch of the last time: new movies do not go into it unasked.
        """
        if not is_open(self.viewer):
            return
        self.batch_is_restored = is_restored
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
        """Parameters dock, whose parameters others show and change too."""
        return self._forms[-1] if self._forms else None

    def set_form(self, form: ParametersWidget) -> None:
        """Note that the parameters dock is there."""
        self._forms.append(form)
        self.form_changed.emit()

    def form_closed(self, form: ParametersWidget) -> None:
        """Note that this parameters dock is gone; the one that was there before counts again."""
        before = self.form
        self._forms = [one for one in self._forms if one is not form]
        if self.form is not before:
            self.form_changed.emit()

    @property
    def result(self) -> ShownResult | None:
        """Result that the docks work on; of several, the one whose layer is active."""
        return self._result

    @property
    def results(self) -> tuple[ShownResult, ...]:
        """Every result in the viewer, in the order in which they were opened."""
        return tuple(self._results)

    @property
    def selection(self) -> tuple[int, ...]:
        """Indices of the selected components, in the order they were selected."""
        return self._selection

    def show(self, loaded: LoadedResult) -> ShownResult | None:
        """Put a result into the viewer; the one that was worked on leaves it, and the memory.

        Returns
        -------
        ShownResult or None
            ``None`` when the viewer was closed while the result was read.
        """
        if not is_open(self.viewer):
            return None
        self._close_same(loaded)
        self.close_result()
        layers = add_result_layers(self.viewer, loaded.layer_data, loaded.drawing)
        return self._take_over(loaded, layers)

    def _take_over(self, loaded: LoadedResult, layers: ResultLayers) -> ShownResult:
        link = CurationLink(loaded.curation, layers, loaded.movie)
        result = ShownResult(loaded, layers, link)
        layers.closed.connect(partial(self._forget, result))
        link.verdicts_changed.connect(partial(self._on_verdicts, result))
        link.replaced.connect(partial(self._on_replaced, result))
        self._results.append(result)
        if loaded.curation.journal_problem:
            show_warning(loaded.curation.journal_problem)
        self._make_current(result)
        return result

    def _make_current(self, result: ShownResult | None) -> None:
        """Have the docks work on another result, or on none."""
        self.select(())
        self._result = result
        self.result_changed.emit(result)

    def _follow_active(self, _event: Any = None) -> None:
        """Work on the result whose layer the user makes active."""
        active = self.viewer.layers.selection.active
        if active is None or len(self._results) < 2:
            return
        for result in self._results:
            if result is not self._result and active in result.layers.all_layers():
                self._make_current(result)
                return

    def _adopt(self, _event: Any = None) -> None:
        """Take over results whose layers napari's reader has added.

        The layers of one result are those that carry it: another result may have its name.
        """
        known = [result.loaded for result in self._results]
        found: dict[int, tuple[LoadedResult, dict[str, Any]]] = {}
        for layer in self.viewer.layers:
            loaded = layer.metadata.get(RESULT)
            if loaded is not None and not any(loaded is one for one in known):
                layers = found.setdefault(id(loaded), (loaded, {}))[1]
                # A copy that the user made stands behind the layer that it was made of.
                layers.setdefault(layer.metadata[KIND], layer)
        for loaded, layers in found.values():
            # The reader adds layer by layer; the selection is the last one.
            if {"components", "selection"} <= set(layers):
                self._close_same(loaded)
                self._take_over(
                    loaded, ResultLayers(self.viewer, layers, loaded.layer_data, loaded.drawing)
                )

    def _close_same(self, loaded: LoadedResult) -> None:
        """Close a result of the same file: two would write to one journal."""
        path = loaded.curation.path
        for result in self.results:
            if path is not None and result.curation.path == path:
                result.layers.close()

    def show_movie(self, loaded: LoadedMovie) -> None:
        """Put a movie into the viewer, beside what is there."""
        if not is_open(self.viewer):
            return
        for note in loaded.notes:
            show_warning(note)
        # the movie itself comes last: then it is the layer that docks work on
        for data, keywords, _ in (*loaded.beside, loaded.layer_data):
            self.viewer.add_image(data, **keywords)
        if loaded.beside:
            self.viewer.reset_view()

    def close_result(self) -> None:
        """Take the layers of the result that is worked on out of the viewer."""
        if self._result is not None:
            self._result.layers.close()

    def _on_verdicts(self, result: ShownResult) -> None:
        if result is self._result:
            self.verdicts_changed.emit()

    def _on_replaced(self, result: ShownResult, ids_before: NDArray[np.intp]) -> None:
        """Keep what is selected, by id; what an edit has just made is selected instead."""
        if result is not self._result:
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

    def _forget(self, result: ShownResult) -> None:
        """Forget a result that was closed; the docks go on with the one opened before it."""
        result.link.close()
        self._results = [one for one in self._results if one is not result]
        if result is self._result:
            self._make_current(self._results[-1] if self._results else None)

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
    """Session of a viewer; plugin widgets get a proxy of it, which is the same viewer."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _sessions:
        start_compiling_ahead()
        if (problem := without_opengl()) is not None:
            show_warning(problem)
        _sessions[viewer] = Session(viewer)
    return _sessions[viewer]
