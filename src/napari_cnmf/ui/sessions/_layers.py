"""Shows matched sessions as layers: an image, and each session's cells in common colours."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.matching import MatchedSessions
from napari_cnmf.ui._canvas import camera_of

_SUFFIX = " · matched"


class MatchLayers:
    """Labels layers on the first session's field; a cell has one colour in all of them."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.cell_clicked: Callable[[int], None] = lambda cell: None
        """Called with the number of a cell that was clicked on the canvas."""
        viewer.mouse_drag_callbacks.append(self._on_click)
        self._layers: list[Any] = []
        self._image: Any = None

    def stop_listening(self) -> None:
        """Stop listening to clicks, as the dock is gone."""
        if self._on_click in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_click)

    def _on_click(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        """Tell which cell was clicked, while one of these layers is active; a drag is no click."""
        active = self._viewer.layers.selection.active
        yield
        is_dragged = False
        while event.type == "mouse_move":
            is_dragged = True
            yield
        if is_dragged or active not in self._layers or str(active.mode) != "pan_zoom":
            return
        for layer in [active, *self._layers]:
            value = layer.get_value(event.position, world=True) if layer.visible else None
            if value:
                self.cell_clicked(int(value) - 1)
                return

    def show(self, matched: MatchedSessions, labels: list[NDArray[np.int32]], image: Any) -> None:
        """Show the layers in the viewer; those of other matches leave it."""
        self.remove()
        if image is not None:
            self._image = self._viewer.add_image(
                image, name=f"{matched.sources[0].name} · reference", colormap="gray"
            )
        for source, data in zip(matched.sources, labels, strict=True):
            layer = self._viewer.add_labels(
                data,
                name=source.name + _SUFFIX,
                opacity=0.8,
                metadata={"path": str(source.path), "alignment": source.alignment.matrix.tolist()},
            )
            layer.contour = 1 if data.ndim == 2 else 0
            self._layers.append(layer)

    def update(self, labels: list[NDArray[np.int32]]) -> None:
        """Show other labels, after cells got other numbers."""
        for layer, data in zip(self._layers, labels, strict=True):
            if layer in self._viewer.layers:
                layer.data = data

    def show_only(self, cell: int | None) -> None:
        """Show one cell alone, or all of them."""
        for layer in self._layers:
            layer.show_selected_label = cell is not None
            if cell is not None:
                layer.selected_label = cell + 1

    def go_to(self, cell: int) -> None:
        """Move the camera to a cell."""
        for layer in self._layers:
            where = np.argwhere(layer.data == cell + 1)
            if len(where) and layer in self._viewer.layers:
                place = where.mean(axis=0)
                camera_of(self._viewer).center = (
                    tuple(place[-2:]) if place.size == 2 else tuple(place)
                )
                if place.size == 3:
                    axis = self._viewer.dims.ndim - 3
                    self._viewer.dims.set_current_step(axis, round(place[0]))
                return

    def remove(self) -> None:
        """Remove the layers from the viewer."""
        for layer in (*self._layers, self._image):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers, self._image = [], None
