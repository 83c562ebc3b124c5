"""The one adapter between a result and a viewer's layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_cnmf.model.components import Components
from napari_cnmf.model.verdict_colors import Verdict
from napari_cnmf.ui.layers._colors import (
    label_colormap,
    selection_color,
    verdict_rgba,
    verdicts,
)
from napari_cnmf.ui.layers._convert import (
    BLEND_COLORMAPS,
    KIND,
    STACK_KINDS,
    Arrangement,
    LayerData,
    edge_width,
    shown_first,
    stack_colormap,
)
from napari_cnmf.ui.layers._drawing import Drawing
from napari_cnmf.ui.layers._extras import ExtraLayers
from napari_cnmf.ui.layers._tiles import Tiles

if TYPE_CHECKING:
    import napari
    from napari.layers import Labels, Layer, Shapes


_REJECTED = (Verdict.REJECTED.value, Verdict.REJECTED_BY_HAND.value)
_MOST_CONTOURS = 200
"""Selected components whose contours are drawn."""


def add_result_layers(
    viewer: napari.Viewer, layer_data: Sequence[LayerData], drawing: Drawing
) -> ResultLayers:
    """Add the layers of a result, as ``components_to_layers`` gives them, to a viewer.

    Only those that are seen at first; the others are added when they are asked for.
    """
    layers = {}
    for data, keywords, kind in shown_first(layer_data):
        add = getattr(viewer, f"add_{kind}")
        layers[keywords["metadata"][KIND]] = add(data, **keywords)
    return ResultLayers(viewer, layers, layer_data, drawing)


class ResultLayers:
    """Layers of one result in one viewer.

    Knows how a verdict, a selection and a style look; nothing of where they come from.

    Parameters
    ----------
    viewer
        Where the layers go.
    layers
        By kind, as they stand in the viewer.
    layer_data
        All layers that the result can have, bottom first; those that are not in the viewer are
        added when they are asked for.
    drawing
        The same that the layers were made with.

    See Also
    --------
    add_result_layers : makes the layers.
    """

    closed = Signal()
    """The user removed the components layer, or ``close`` was called."""
    images_changed = Signal()
    """The user removed a movie or an image of the result."""

    def __init__(
        self,
        viewer: napari.Viewer,
        layers: Mapping[str, Layer],
        layer_data: Sequence[LayerData],
        drawing: Drawing,
    ) -> None:
        self.viewer = viewer
        self.drawing = drawing
        self._states = verdicts(drawing.components)
        self.is_shown = np.ones(drawing.components.n_components, bool)
        """Whether each component is switched on, ``(n_components,)``."""
        self._colors: NDArray[np.float32] | None = None
        self.is_filled = False
        """Whether components are drawn as areas rather than as outlines."""
        self.tiles = Tiles(drawing.components.dims)
        self._by_verdict = False
        self.extras = ExtraLayers(self)
        self._is_closed = False
        self._selection_colors: list[str] = []
        self._selected: tuple[int, ...] = ()
        self.layers = dict(layers)
        self._layer_data = {layer[1]["metadata"][KIND]: layer for layer in layer_data}
        # Painting would change a picture, never the result.
        self.labels.editable = False
        viewer.layers.selection.active = self.labels
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    @property
    def components(self) -> Components:
        """Components that are drawn."""
        return self.drawing.components

    @property
    def labels(self) -> Labels:
        """Labels layer of all components; label ``i + 1`` is component ``i``."""
        return self.layers["components"]

    @property
    def selection(self) -> Shapes:
        """Shapes layer of the selected components' contours."""
        return self.layers["selection"]

    def all_layers(self) -> list[Layer]:
        """Every layer of this result that is in the viewer."""
        present = self.viewer.layers
        return [*self.extras.layers(), *(la for la in self.layers.values() if la in present)]

    def set_verdicts(self, states: NDArray[np.str_]) -> None:
        """Recolour by verdicts ``(n_components,)``, values of ``Verdict``."""
        self._states = states
        if self._by_verdict:
            self._draw_labels()
        self._recolour()

    def set_shown(self, shown: NDArray[np.bool_]) -> None:
        """Show these components alone, ``(n_components,)``."""
        self.is_shown = shown
        self._recolour()

    def set_colors(self, rgba: NDArray[np.float32] | None) -> None:
        """Colour components by something else than verdicts, ``(n_components, 4)``."""
        self._colors = rgba
        self._recolour()

    @property
    def rgba(self) -> NDArray[np.float32]:
        """Colours ``(n_components, 4)`` as they are; what is switched off is transparent."""
        rgba = verdict_rgba(self._states) if self._colors is None else self._colors.copy()
        rgba[~self.is_shown] = 0
        return rgba

    def _recolour(self) -> None:
        rgba = self.rgba
        n_labels = len(rgba) + 1  # 0 is the background
        if len(self.labels.features) != n_labels:
            # Other plugins look the selected label up in the table of features, which a change of
            # colours announces: a table without its row would raise in them, and so here.
            self.labels.features = {"index": np.arange(n_labels)}
        self.labels.colormap = label_colormap(rgba)
        self.extras.recolour(rgba)

    def redraw(self, drawing: Drawing, stacks: Mapping[str, Any] | None = None) -> None:
        """Show other components of the same field; the selection is left empty."""
        self.drawing = drawing
        self._states = verdicts(drawing.components)
        self.is_shown = np.ones(drawing.components.n_components, bool)
        self._colors = None
        self.extras.close()
        self._draw_labels()
        self._recolour()
        self.set_selection(())
        for kind, stack in (stacks or {}).items():
            if kind in self._layer_data:
                self._layer_data[kind] = (stack, *self._layer_data[kind][1:])
            if (layer := self._image(kind)) is not None:
                layer.data = stack
                if self._by_verdict and layer.visible:
                    self.extras.show_twin(layer, self.tiles.offsets[1])

    def _draw_labels(self) -> None:
        picture = self.drawing.filled if self.is_filled else self.drawing.outlined
        kept = self._sides() if self._by_verdict else ()
        self.labels.data = self.tiles.repeat(picture, self.drawing.oversampling, kept)

    def _sides(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Labels that are seen on the left copy, and those, being rejected, on the right one."""
        is_rejected = np.concatenate([[False], np.isin(self._states, _REJECTED)])
        return ~is_rejected, is_rejected

    def set_filled(self, filled: bool) -> None:
        """Draw components as areas, or as outlines."""
        if filled == self.is_filled:
            return
        self.is_filled = filled
        self._draw_labels()
        self.labels.opacity = 0.55 if filled else 0.9

    def set_level(self, drawing: Drawing) -> None:
        """Show the same components down to another level."""
        self.drawing = drawing
        self._draw_labels()

    def stack_kinds(self) -> list[str]:
        """Kinds of the lazy stacks that can be shown, bottom first."""
        return [kind for kind in STACK_KINDS if kind in self._layer_data]

    def image_kinds(self) -> list[str]:
        """Kinds of the summary images that can be shown, bottom first."""
        return [
            kind
            for kind, (_, _, layer_type) in self._layer_data.items()
            if layer_type == "image" and kind not in STACK_KINDS
        ]

    def visible_kinds(self) -> list[str]:
        """Kinds of the stacks and images that are seen now."""
        kinds = (*self.stack_kinds(), *self.image_kinds())
        return [k for k in kinds if (layer := self._image(k)) is not None and layer.visible]

    def stack(self, kind: str) -> Any:
        """Lazy stack of a kind, ``(T, [Z], Y, X)``, whether it is shown or not."""
        return self._layer_data[kind][0]

    def show_images(self, kinds: Sequence[str]) -> None:
        """Show these summary images above the movies, and hide the others."""
        for kind in self.image_kinds():
            layer = self._need(kind) if kind in kinds else self._image(kind)
            if layer is not None:
                layer.visible = kind in kinds

    def _image(self, kind: str) -> Any:
        layer = self.layers.get(kind)
        return layer if layer is not None and layer in self.viewer.layers else None

    def _need(self, kind: str) -> Any:
        """Layer of a kind, added at its place when it is not in the viewer."""
        layer = self._image(kind)
        if layer is not None:
            return layer
        data, keywords, layer_type = self._layer_data[kind]
        active = self.viewer.layers.selection.active
        layer = getattr(self.viewer, f"add_{layer_type}")(data, **keywords)
        order = list(self._layer_data)
        above = [k for k in order[order.index(kind) + 1 :] if self._image(k) is not None]
        if above:
            layers = self.viewer.layers
            layers.move(layers.index(layer), layers.index(self.layers[above[0]]))
        self.layers[kind] = layer
        self.viewer.layers.selection.active = active or self.labels
        return layer

    def arrange(self, arrangement: Arrangement, kinds: Sequence[str]) -> None:
        """Show these stacks one above the other, beside each other, or blended."""
        shown = [kind for kind in self.stack_kinds() if kind in kinds]
        beside = arrangement is Arrangement.BESIDE and len(shown) > 1
        by_verdict = arrangement is Arrangement.VERDICTS
        n_copies = 2 if by_verdict else len(shown) if beside else 1
        tiles = Tiles(self.components.dims, n_copies)
        is_blended = arrangement is Arrangement.BLENDED and len(shown) > 1
        for kind in self.stack_kinds():
            layer = self._need(kind) if kind in shown else self._image(kind)
            if layer is None:
                continue
            layer.visible = kind in shown
            offset = tiles.offsets[shown.index(kind)] if beside and kind in shown else (0, 0)
            layer.translate = (*layer.translate[:-2], *(layer.scale[-2:] * offset))
            layer.blending = "additive" if is_blended else "translucent_no_depth"
            layer.colormap = BLEND_COLORMAPS[kind] if is_blended else stack_colormap(kind)
        if tiles != self.tiles or by_verdict != self._by_verdict:
            self.tiles, self._by_verdict = tiles, by_verdict
            self.extras.close()
            self._draw_labels()
        if by_verdict and shown:
            self.extras.show_twin(self._need(shown[-1]), tiles.offsets[1])
        else:
            self.extras.hide_twin()

    def set_selection(self, indices: Iterable[int]) -> None:
        """Draw the contours of these components, in the colours of their traces.

        Of more than a lasso can mean one by one, the first: thousands take seconds.
        """
        self._selected = tuple(indices)
        indices = () if self._is_flat_in_space() else self._selected
        polygons: list[NDArray[np.float64]] = []
        colors: list[str] = []
        for position, index in enumerate(islice(indices, _MOST_CONTOURS)):
            lines = [
                copy for line in self.drawing.contours(index) for copy in self.tiles.spread(line)
            ]
            polygons.extend(lines)
            colors.extend([selection_color(position)] * len(lines))
        if self._image("selection") is None and polygons:
            self._need("selection")
            self._selection_colors = []
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
        """Find components under a mouse event, the strongest there first.

        On a volume seen in 3D it is the one that the ray meets first.
        """
        if len(event.dims_displayed) == 3:
            label = self.labels.get_value(
                event.position,
                view_direction=event.view_direction,
                dims_displayed=event.dims_displayed,
                world=True,
            )
            return [int(label) - 1] if label else []
        found = self.drawing.components_at(self.pixel_at(event.position))
        if not self._by_verdict:
            return found
        seen = self._sides()[self.tiles.copy_at(self._field_point(event.position))]
        return [index for index in found if seen[index + 1]] or found

    def pixel_at(self, position: Sequence[float]) -> tuple[int, ...]:
        """Find the pixel ``([z], y, x)`` of the field at a place of the viewer's world."""
        field = self.tiles.fold(self._field_point(position))
        return tuple(int(p) for p in np.round(field))

    def _field_point(self, position: Sequence[float]) -> NDArray[np.float64]:
        """Point ``([z], y, x)`` in field pixels, on whichever copy it lies."""
        n_axes = len(self.components.dims)
        fine = np.asarray(self.labels.world_to_data(position[-n_axes:]))
        return np.asarray(fine * self.drawing.scale + self.drawing.offset, np.float64)

    def close(self) -> None:
        """Take the layers out of the viewer and let go of the result."""
        if self._is_closed:
            return
        self._is_closed = True
        self._disconnect()
        self._take_all_away()
        self.closed.emit()

    def _disconnect(self) -> None:
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)

    def _is_flat_in_space(self) -> bool:
        """Whether a plane is seen in 3D, where napari cannot change its shapes."""
        return self.viewer.dims.ndisplay == 3 and len(self.components.dims) == 2

    def _on_ndisplay(self, _event: Any = None) -> None:
        """Draw the selection again when napari's layers have followed to 2D, or to 3D."""
        from qtpy.QtCore import QTimer

        QTimer.singleShot(0, self._draw_selection_again)

    def _draw_selection_again(self) -> None:
        if not self._is_closed:
            self.set_selection(self._selected)

    def _take_all_away(self) -> None:
        for layer in self.all_layers():
            self.viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        """Close the result when its components layer is removed; other layers may go."""
        if event.value is self.labels:
            self._is_closed = True
            self._disconnect()
            self.closed.emit()
            # The rest follows when napari is done with what it removes: it may be more than one.
            from qtpy.QtCore import QTimer

            QTimer.singleShot(0, self._take_all_away)
        elif any(event.value is layer for layer in self.layers.values()):
            self.images_changed.emit()
