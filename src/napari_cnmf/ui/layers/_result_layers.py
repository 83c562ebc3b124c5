"""The one adapter between a result and a viewer's layers."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_cnmf.model.components import Components
from napari_cnmf.ui.layers._colors import (
    label_colormap,
    selection_color,
    verdict_rgba,
    verdicts,
)
from napari_cnmf.ui.layers._convert import KIND, LayerData, edge_width
from napari_cnmf.ui.layers._drawing import Drawing

if TYPE_CHECKING:
    import napari
    from napari.layers import Labels, Layer, Shapes


@contextmanager
def _cheap_collection() -> Iterator[None]:
    """napari collects garbage at every layer it removes, 0.2 s each: here it finds next to none."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def add_result_layers(
    viewer: napari.Viewer, layer_data: Sequence[LayerData], drawing: Drawing
) -> ResultLayers:
    """Add the layers of a result, as ``components_to_layers`` gives them, to a viewer."""
    layers = {}
    for data, keywords, kind in layer_data:
        add = getattr(viewer, f"add_{kind}")
        layers[keywords["metadata"][KIND]] = add(data, **keywords)
    return ResultLayers(viewer, layers, drawing)


class ResultLayers:
    """Layers of one result in one viewer.

    Knows how a verdict, a selection and a style look; nothing of where they come from.

    Parameters
    ----------
    viewer
        Where the layers go.
    layers
        By kind, as they stand in the viewer.
    drawing
        The same that the layers were made with.

    See Also
    --------
    add_result_layers : makes the layers.
    """

    closed = Signal()
    """The user removed the components layer, or ``close`` was called."""

    def __init__(
        self, viewer: napari.Viewer, layers: Mapping[str, Layer], drawing: Drawing
    ) -> None:
        self.viewer = viewer
        self.drawing = drawing
        self._states = verdicts(drawing.components)
        self._shown = np.ones(drawing.components.n_components, bool)
        self._filled = False
        self._is_closed = False
        self._selection_colors: list[str] = []
        self.layers = dict(layers)
        # Painting would change a picture, never the result.
        self.labels.editable = False
        viewer.layers.selection.active = self.labels
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def components(self) -> Components:
        return self.drawing.components

    @property
    def labels(self) -> Labels:
        """All components; label ``i + 1`` is component ``i``."""
        return self.layers["components"]

    @property
    def selection(self) -> Shapes:
        """Contours of the selected components."""
        return self.layers["selection"]

    def set_verdicts(self, states: NDArray[np.str_]) -> None:
        """Recolour by verdicts ``(n_components,)``, values of ``Verdict``."""
        self._states = states
        self._recolour()

    def set_shown(self, shown: NDArray[np.bool_]) -> None:
        """Show those components alone, ``(n_components,)``."""
        self._shown = shown
        self._recolour()

    def _recolour(self) -> None:
        self.labels.colormap = label_colormap(verdict_rgba(self._states), ~self._shown)

    def redraw(self, drawing: Drawing, stacks: Mapping[str, Any] | None = None) -> None:
        """Show other components of the same field; the selection is left empty.

        Parameters
        ----------
        stacks
            Lazy stacks by kind that take the place of those shown.
        """
        self.drawing = drawing
        self._states = verdicts(drawing.components)
        self._shown = np.ones(drawing.components.n_components, bool)
        self.labels.data = drawing.filled if self._filled else drawing.outlined
        self._recolour()
        self.set_selection(())
        for kind, stack in (stacks or {}).items():
            if kind in self.layers and self.layers[kind] in self.viewer.layers:
                self.layers[kind].data = stack

    def set_filled(self, filled: bool) -> None:
        """Draw components as areas, or as outlines."""
        if filled == self._filled:
            return
        self._filled = filled
        self.labels.data = self.drawing.filled if filled else self.drawing.outlined
        self.labels.opacity = 0.55 if filled else 0.9

    def set_selection(self, indices: Iterable[int]) -> None:
        """Draw the contours of these components, in the colours of their traces."""
        polygons: list[NDArray[np.float64]] = []
        colors: list[str] = []
        for position, index in enumerate(indices):
            lines = self.drawing.contours(index)
            polygons.extend(lines)
            colors.extend([selection_color(position)] * len(lines))
        shapes = self.selection
        # A thumbnail would have napari paint its layer list again, a highlight compile shaders.
        events = shapes.events
        with events.data.blocker(), events.highlight.blocker(), shapes.block_thumbnail_update():
            if polygons and colors == self._selection_colors:
                # napari keeps the looks by position, and its shaders: half the time of adding.
                shapes.data = polygons
                return
            shapes.selected_data = set()
            shapes.data = []
            if polygons:
                shapes.add(
                    polygons,
                    shape_type="polygon",
                    edge_color=colors,
                    face_color="transparent",
                    edge_width=edge_width(self.components),
                )
        self._selection_colors = colors

    def components_at(self, event: Any) -> list[int]:
        """Components under a mouse event, the strongest there first.

        On a volume seen in 3D it is the one that the ray meets first.
        """
        n_axes = len(self.components.dims)
        if len(event.dims_displayed) == 3:
            label = self.labels.get_value(
                event.position,
                view_direction=event.view_direction,
                dims_displayed=event.dims_displayed,
                world=True,
            )
            return [int(label) - 1] if label else []
        fine = np.asarray(self.labels.world_to_data(event.position[-n_axes:]))
        field = fine * self.drawing.scale + self.drawing.offset
        return self.drawing.components_at(tuple(int(p) for p in np.round(field)))

    def close(self) -> None:
        """Take the layers out of the viewer and let go of the result."""
        if self._is_closed:
            return
        self._is_closed = True
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        with _cheap_collection():
            for layer in self.layers.values():
                if layer in self.viewer.layers:
                    self.viewer.layers.remove(layer)
        self.closed.emit()

    def _on_removed(self, event: Any) -> None:
        """Without its components layer a result is closed; other layers may go."""
        if event.value is self.labels:
            self._is_closed = True
            self.viewer.layers.events.removed.disconnect(self._on_removed)
            self.closed.emit()
