"""Keeps the layers of a result in step with its curation, whoever edits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_cnmf.model.components import Components
from napari_cnmf.model.contours import CONTOUR_LEVEL
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui.curation._states import states_of
from napari_cnmf.ui.layers._drawing import Drawing
from napari_cnmf.ui.layers._stacks import lazy_stacks

if TYPE_CHECKING:
    from napari_cnmf.ui.layers import ResultLayers


class CurationLink:
    """Link that recolours a result's layers at decisions and redraws them at edits of shapes.

    Redrawing thousands of components takes a while, so it happens in the background; until it is
    done the screen shows the components from before.
    """

    verdicts_changed = Signal()
    """Colours are up to date again."""
    replaced = Signal(object)
    """Other components are on screen; the ids of those before, ``(n_components,)``."""

    def __init__(self, curation: Curation, layers: ResultLayers, movie: Movie | None) -> None:
        self.curation = curation
        self.ids: NDArray[np.intp] = curation.ids
        self.just_made: list[int] = []
        """Ids that the edit made which is being drawn: they become the selection."""
        self._layers = layers
        self._movie = movie
        self._shapes = curation.shape_version
        self.is_redrawing = False
        """Whether the screen still shows components from before an edit."""
        self._is_closed = False
        self._disconnect = curation.on_change(self._on_change)
        self.states: NDArray[np.str_] = states_of(curation)
        if layers.components.accepted is not None:
            layers.set_verdicts(self.states)

    def preview(self, auto: NDArray[np.bool_]) -> None:
        """Show what other thresholds would accept."""
        if not self.is_redrawing:
            self._layers.set_verdicts(states_of(self.curation, auto))

    def close(self) -> None:
        """Stop listening."""
        if not self._is_closed:
            self._is_closed = True
            self._disconnect()

    def _on_change(self) -> None:
        if self.is_redrawing:
            return
        if self.curation.shape_version != self._shapes:
            self._redraw()
            return
        self.states = states_of(self.curation)
        self._layers.set_verdicts(self.states)
        self.verdicts_changed.emit()

    def _redraw(self) -> None:
        # Imported late: napari's threads need its Qt side, which a scripted session may lack.
        from napari_cnmf.ui._background import call_in_background

        self.is_redrawing = True
        version, ids, curation = self.curation.shape_version, self.curation.ids, self.curation
        level = self._layers.drawing.level

        def prepare() -> tuple[int, NDArray[np.intp], Drawing, dict[str, Any]]:
            drawing = draw(curation.components, level)
            return version, ids, drawing, _changed_stacks(drawing.components, self._movie)

        call_in_background(prepare, done=self._show, failed=self._on_failed)

    def _on_failed(self, _error: Exception) -> None:
        self.is_redrawing = False

    def _show(self, prepared: tuple[int, NDArray[np.intp], Drawing, dict[str, Any]]) -> None:
        version, ids, drawing, stacks = prepared
        self.is_redrawing = False
        if self._is_closed:
            return
        if version != self.curation.shape_version:
            self._redraw()
            return
        before, self.ids, self._shapes = self.ids, ids, version
        self._layers.redraw(drawing, stacks)
        self.states = states_of(self.curation)
        self._layers.set_verdicts(self.states)
        self.replaced.emit(before)
        self.just_made = []
        self.verdicts_changed.emit()


def draw(components: Components, level: float = CONTOUR_LEVEL) -> Drawing:
    """Draw all components, with everything that the GUI thread will ask for first."""
    drawing = Drawing(components, level)
    _ = drawing.outlined, drawing.components_at((0,) * len(components.dims))
    return drawing


def _changed_stacks(components: Components, movie: Movie | None) -> dict[str, Any]:
    stacks = lazy_stacks(components, movie)
    return {kind: stacks[kind] for kind in ("denoised", "residual") if kind in stacks}
