"""Form for what an item is given besides its movie: cells, and a region."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import ComboBox
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QWidget

from napari_cnmf.errors import ParameterError
from napari_cnmf.io.regions import FOOTPRINT_SUFFIXES
from napari_cnmf.model.outline import ellipse_vertices
from napari_cnmf.ui._parts import in_row, tool_button
from napari_cnmf.ui._theme import connect_while_alive
from napari_cnmf.ui.forms._editors import keep_wheel_for_scrolling
from napari_cnmf.ui.forms._input import (
    ChosenInput,
    FileInput,
    ItemInput,
    LayerInput,
    inputs_of_rows,
    read_again,
    tell_apart,
    titles_of,
)
from napari_cnmf.ui.layers import KIND

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

    from napari_cnmf.ui.batch._rows import ItemRow

SCRATCH = "napari_cnmf_scratch"
"""Key of the metadata of layers that are drawn to look at, not to be taken."""
_SEARCH, _WHOLE = "search for them", "the whole field"
REGION = "region"


def outlines_of(layer: Layer, n_axes: int) -> list[NDArray[np.float64]]:
    """Vertices of a Shapes layer along the last ``n_axes`` axes; ellipses as polygons.

    Raises
    ------
    ParameterError
        It holds none, or has fewer axes.
    """
    outlines = []
    for drawn, kind in zip(layer.data, layer.shape_type, strict=True):
        corners = np.asarray(drawn, np.float64)
        vertices = ellipse_vertices(corners) if kind == "ellipse" else corners
        outlines.append(vertices[:, -n_axes:])
    if not outlines:
        raise ParameterError(f"The layer {layer.name} must hold a shape, got none. Draw one.")
    return outlines


class GivenForm(QWidget):
    """Form with two choices: where cells come from, and which part of the field counts."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._files: dict[str, list[FileInput]] = {"cells": [], REGION: []}
        self._items: list[ItemInput] = []
        self._watched: list[Any] = []
        self.cells = ComboBox(choices=self._cell_choices, nullable=False)
        self.region = ComboBox(choices=self._region_choices, nullable=False)
        self.leave_out = ComboBox(choices=[("analyse it", False), ("leave it out", True)])
        self._lay_out()
        for combo in (self.cells, self.region, self.leave_out):
            keep_wheel_for_scrolling(combo.native)
            combo.changed.connect(lambda _: self._on_changed())
        events = viewer.layers.events
        self.destroyed.connect(lambda _object=None: self._unwatch())
        connect_while_alive(
            self,
            (events.inserted, self.refresh),
            (events.removed, self.refresh),
            (events.reordered, self.refresh),
        )
        self._on_changed()

    def _lay_out(self) -> None:
        self.cells.native.setToolTip(
            "Search the field, or start from cells that are known: labels, drawn shapes, what "
            "another item found and its curation accepted, Cellpose masks, ImageJ ROIs, suite2p"
        )
        self.region.native.setToolTip("A drawn shape or labels: where cells are looked for")
        self.draw_button = tool_button(
            "Draw…", "Draw a region on the canvas: click its corners", self.draw_region
        )
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow(
            "Cells",
            in_row(
                (self.cells.native, 1), tool_button("File…", clicked=partial(self._browse, "cells"))
            ),
        )
        form.addRow(
            "Region",
            in_row(
                (self.region.native, 1),
                self.draw_button,
                tool_button("File…", clicked=partial(self._browse, REGION)),
            ),
        )
        form.addRow("", self.leave_out.native)

    def _on_changed(self) -> None:
        self.leave_out.native.setVisible(self.region.value is not None)
        self._watch()
        self.changed.emit()

    def _watch(self) -> None:
        """Listen to what is drawn into the layers that are chosen."""
        self._unwatch()
        for chosen in (self.cells.value, self.region.value):
            if isinstance(chosen, LayerInput):
                events = chosen.layer.events
                wanted = [getattr(events, name, None) for name in ("data", "paint")]
                self._watched += [event for event in wanted if event is not None]
        for event in self._watched:
            event.connect(self._on_drawn)

    def _unwatch(self) -> None:
        for event in self._watched:
            event.disconnect(self._on_drawn)
        self._watched = []

    def _on_drawn(self, _event: Any = None) -> None:
        self.changed.emit()

    # -- choices

    def _layers(self) -> list[tuple[str, ChosenInput]]:
        from napari.layers import Labels, Shapes

        return [
            (str(layer.name), LayerInput(layer))
            for layer in reversed(self._viewer.layers)
            if isinstance(layer, Labels | Shapes)
            and KIND not in layer.metadata
            and SCRATCH not in layer.metadata
        ]

    def _cell_choices(self, _widget: Any = None) -> list[tuple[str, ChosenInput | None]]:
        choices: list[tuple[str, ChosenInput | None]] = [(_SEARCH, None), *self._layers()]
        choices += [(one.paths[0].name, one) for one in self._files["cells"]]
        choices += [(f"{item.title}  (accepted cells)", item) for item in self._items]
        return tell_apart(choices)

    def _region_choices(self, _widget: Any = None) -> list[tuple[str, ChosenInput | None]]:
        choices: list[tuple[str, ChosenInput | None]] = [(_WHOLE, None), *self._layers()]
        return tell_apart(choices + [(one.paths[0].name, one) for one in self._files[REGION]])

    def list_items(self, rows: Iterable[ItemRow]) -> None:
        """Offer what items of the batch found."""
        items = inputs_of_rows(rows, "evaluate")
        if titles_of(items) != titles_of(self._items):
            self._items = items
            self.refresh()

    def refresh(self, _event: Any = None) -> None:
        """Read the layers again; what was chosen stays chosen while it is there."""
        for combo in (self.cells, self.region):
            if read_again(combo):
                self._on_changed()

    def clear(self) -> None:
        """Choose nothing: the whole field is searched."""
        self.cells.value = None
        self.region.value = None

    # -- values

    def values(self, n_axes: int) -> dict[str, Any]:
        """Values of ``ain``, ``mask`` and ``leave_out`` as `Batch.add` takes them; items by uuid.

        Raises
        ------
        ParameterError
            A layer holds nothing.
        """
        found: dict[str, Any] = {}
        if self.cells.value is not None:
            found["ain"] = _value(self.cells.value, n_axes)
        if self.region.value is not None:
            name = "leave_out" if self.leave_out.value else "mask"
            found[name] = _value(self.region.value, n_axes)
        return found

    # -- files and drawing

    def _browse(self, which: str) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in FOOTPRINT_SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(self, f"Choose {which}", filter=f"Cells ({patterns})")
        if path:
            self.choose_file(which, Path(path))

    def choose_file(self, which: str, path: Path) -> None:
        """Choose a file for ``cells`` or ``region``."""
        combo = self.cells if which == "cells" else self.region
        chosen = FileInput((path,))
        if chosen not in self._files[which]:
            self._files[which].append(chosen)
        read_again(combo)
        combo.value = chosen

    def draw_region(self) -> None:
        """Add a Shapes layer in drawing mode, laid over the movie, and choose it."""
        layers = self._viewer.layers
        like = next((one for one in reversed(layers) if one.ndim in (3, 4)), None)
        n_axes = 2 if like is None else like.ndim - 1
        keywords: dict[str, Any] = {}
        if like is not None:
            keywords = {
                "scale": like.scale[-n_axes:],
                "translate": like.translate[-n_axes:],
                "units": like.units[-n_axes:],
                "axis_labels": like.axis_labels[-n_axes:],
            }
        layer = self._viewer.add_shapes(
            name=REGION, ndim=n_axes, edge_color="#ffd54f", face_color="#ffd54f22",
            edge_width=1, **keywords,
        )  # fmt: skip
        layer.mode = "add_polygon"
        self.region.value = LayerInput(layer)


def _value(given: ChosenInput, n_axes: int) -> Any:
    """Return the input for `Batch.add`: a path, an item, or a layer's data in ``n_axes`` axes."""
    from napari.layers import Labels

    if isinstance(given, FileInput):
        return given.paths[0]
    if isinstance(given, ItemInput):
        return given
    is_labels = isinstance(given.layer, Labels)
    return np.asarray(given.layer.data) if is_labels else outlines_of(given.layer, n_axes)
