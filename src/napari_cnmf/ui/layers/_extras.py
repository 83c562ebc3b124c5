"""Layers that a result has on request: numbers, contours of all, further images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.ui.layers._convert import KIND, edge_width, image_keywords
from napari_cnmf.ui.layers._stacks import image_limits

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_cnmf.ui.layers._result_layers import ResultLayers

_NUMBERS, _CONTOURS = "numbers", "contours"
_TWIN = "twin"
_PLATE = "#00000099"
"""Behind each number, of a size on the screen: white is not read on a bright image."""


class ExtraLayers:
    """Layers that can be switched on beside those that every result has."""

    def __init__(self, owner: ResultLayers) -> None:
        self._owner = owner
        self._layers: dict[str, Layer] = {}
        self._owner_of_contour: NDArray[np.intp] = np.zeros(0, np.intp)

    def layers(self) -> list[Layer]:
        """Extra layers that are in the viewer."""
        return list(self._present())

    def _present(self) -> Iterator[Layer]:
        for layer in self._layers.values():
            if layer in self._owner.viewer.layers:
                yield layer

    def is_shown(self, kind: str) -> bool:
        """Whether the extra layer of that kind is in the viewer."""
        layer = self._layers.get(kind)
        return layer is not None and layer in self._owner.viewer.layers

    def close(self) -> None:
        """Remove what is drawn of components; images stay."""
        for kind in (_NUMBERS, _CONTOURS):
            self._remove(kind)

    def show_numbers(self, texts: Sequence[str] | None, centres: NDArray[np.float64]) -> None:
        """Write a text at each component; ``None`` takes them away.

        Parameters
        ----------
        centres
            ``(n_components, 2 or 3)`` in field pixels; those with NaN get none.
        """
        self._remove(_NUMBERS)
        if texts is None:
            return
        placed = np.isfinite(centres).all(axis=1) & self._owner.is_shown
        copies = self._owner.tiles.spread(centres[placed])
        words = np.tile(np.asarray(texts, dtype=str)[placed], len(copies))
        plate = 8 + 6 * max(words.dtype.itemsize // 4, 1)
        self._add(
            _NUMBERS,
            "points",
            np.concatenate(copies),
            size=1,
            canvas_size_limits=(plate, plate),
            symbol="disc",
            face_color=_PLATE,
            border_width=0,
            features={"id": words},
            text={"string": "{id}", "size": 8, "color": "white", "anchor": "center"},
        )

    def show_contours(self, contours: Sequence[Sequence[NDArray[np.float64]]] | None) -> None:
        """Draw the contours of all components as shapes; ``None`` takes them away."""
        owner = self._owner
        self._remove(_CONTOURS)
        owner.labels.visible = contours is None
        if contours is None:
            return
        lines: list[NDArray[np.float64]] = []
        whose: list[int] = []
        for index, of_one in enumerate(contours):
            for line in of_one:
                copies = owner.tiles.spread(line)
                lines += copies
                whose += [index] * len(copies)
        self._owner_of_contour = np.asarray(whose, np.intp)
        if lines:
            self._add(
                _CONTOURS,
                "shapes",
                lines,
                shape_type="path",
                edge_color=owner.rgba[self._owner_of_contour],
                edge_width=edge_width(owner.components),
            )

    def show_image(self, kind: str, image: NDArray[np.float32]) -> None:
        """Show an image of the field that was computed on request."""
        owner = self._owner
        self._remove(kind)
        keywords = image_keywords(kind, image_limits(image)) | {"visible": True}
        layer = self._add(kind, "image", image, **keywords)
        # Below the components, above the movies.
        layers = owner.viewer.layers
        layers.move(layers.index(layer), layers.index(owner.labels))

    def show_twin(self, layer: Any, offset: tuple[int, int]) -> None:
        """Show a stack once more, ``offset`` field pixels (y, x) beside itself."""
        self.hide_twin()
        viewer = self._owner.viewer
        active = viewer.layers.selection.active
        twin = viewer.add_image(
            layer.data, name=f"{layer.name} (rejected)", metadata={KIND: _TWIN},
            contrast_limits=layer.contrast_limits, colormap=layer.colormap.name,
            scale=layer.scale, units=layer.units, axis_labels=layer.axis_labels,
            translate=(*layer.translate[:-2], *(layer.scale[-2:] * offset)),
            multiscale=False, cache=False, blending="translucent_no_depth",
        )  # fmt: skip
        viewer.layers.move(viewer.layers.index(twin), viewer.layers.index(layer) + 1)
        viewer.layers.selection.active = active or self._owner.labels
        self._layers[_TWIN] = twin

    def hide_twin(self) -> None:
        """Show every stack once."""
        self._remove(_TWIN)

    def recolour(self, rgba: NDArray[np.float32]) -> None:
        """Set colours ``(n_components, 4)`` of the contours, where they are shown."""
        if self.is_shown(_CONTOURS):
            self._layers[_CONTOURS].edge_color = rgba[self._owner_of_contour]

    def _add(self, kind: str, layer_type: str, data: Any, **keywords: Any) -> Any:
        owner = self._owner
        active = owner.viewer.layers.selection.active
        like = owner.selection
        layer = getattr(owner.viewer, f"add_{layer_type}")(
            data,
            name=like.name.replace("selection", kind, 1),
            metadata={KIND: kind, "history_trace": like.metadata.get("history_trace", [])},
            scale=like.scale,
            units=like.units,
            axis_labels=like.axis_labels,
            **({"blending": "translucent_no_depth"} | keywords),
        )
        self._layers[kind] = layer
        if active is not None and active in owner.viewer.layers:
            owner.viewer.layers.selection.active = active
        return layer

    def _remove(self, kind: str) -> None:
        layer = self._layers.pop(kind, None)
        if layer is not None and layer in self._owner.viewer.layers:
            self._owner.viewer.layers.remove(layer)
        if kind == _CONTOURS and layer is not None:
            self._owner.labels.visible = True
