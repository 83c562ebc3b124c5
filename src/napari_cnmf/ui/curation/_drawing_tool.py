"""Draws an outline, a line or an area on the canvas, once, on a layer of its own."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from napari_cnmf.model.outline import ellipse_vertices
from napari_cnmf.ui._theme import connect_while_alive

if TYPE_CHECKING:
    import napari
    from napari.layers import Labels, Shapes


class Tool(StrEnum):
    """Tools that a region is drawn with."""

    LASSO = "lasso"
    POLYGON = "polygon"
    ELLIPSE = "ellipse"
    BRUSH = "brush"


LINE = "add_line"
_MODES = {
    Tool.LASSO: "add_polygon_lasso",
    Tool.POLYGON: "add_polygon",
    Tool.ELLIPSE: "add_ellipse",
}
HINTS = {
    Tool.LASSO: "click, go around it with the mouse, and click again",
    Tool.POLYGON: "click its corners, double-click the last one",
    Tool.ELLIPSE: "drag a box around it",
    Tool.BRUSH: "paint it, in as many planes as it has, then press Enter or Done",
}
_NAME = "drawing"
_COLOR = "#ffffff"

Vertices = NDArray[np.float64]


class DrawingTool(QObject):
    """Tool that adds a layer in drawing mode and takes it away when one thing is drawn."""

    painting = Signal(bool)
    """A brush waits for being told that it is done, or no more."""
    drawing_changed = Signal()
    """Something is drawn from now on, or nothing any more."""
    cancelled = Signal()
    """The user took the layer away that was drawn on: nothing is drawn any more."""

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.layer: Shapes | Labels | None = None
        """Layer that is drawn on."""
        self._active_before: Any = None
        self._mode = ""
        self._done: Callable[[Any], None] | None = None
        # The shape is whole only after the event that tells of it.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._finish)
        connect_while_alive(self, (viewer.layers.events.removed, self._on_removed))

    def _on_removed(self, event: Any) -> None:
        if event.value is self.layer:
            self.cancel()
            self.cancelled.emit()

    @property
    def is_drawing(self) -> bool:
        """Whether something is drawn now."""
        return self.layer is not None

    def draw_line(self, like: Shapes, done: Callable[[Vertices], None]) -> None:
        """Draw one line; ``done`` gets its vertices in field pixels."""
        self._start_shape(LINE, like, done)

    def draw_outline(self, tool: Tool, like: Shapes, done: Callable[[Vertices], None]) -> None:
        """Draw one outline; ``done`` gets its vertices.

        Parameters
        ----------
        tool
            Any but the brush.
        like
            A layer whose field it is drawn in.
        done
            Called with the vertices ``(n, 2)`` or ``(n, 3)`` in field pixels.
        """
        self._start_shape(_MODES[tool], like, done)

    def _start_shape(self, mode: str, like: Shapes, done: Callable[[Vertices], None]) -> None:
        self.cancel()
        layer = self._viewer.add_shapes(
            name=_NAME,
            ndim=like.ndim,
            scale=like.scale,
            units=like.units,
            axis_labels=like.axis_labels,
            edge_color=_COLOR,
            face_color=f"{_COLOR}22",
            edge_width=max(like.current_edge_width, 0.5),
        )
        self._begin(layer, mode, done)
        layer.events.data.connect(self._on_data)

    def paint(
        self, dims: tuple[int, ...], like: Shapes, done: Callable[[NDArray[np.int64]], None]
    ) -> None:
        """Paint an area, in one plane or several, until :meth:`finish_painting`."""
        self.cancel()
        layer = self._viewer.add_labels(
            np.zeros(dims, np.uint8),
            name=_NAME,
            scale=like.scale,
            units=like.units,
            axis_labels=like.axis_labels,
            opacity=0.6,
        )
        layer.brush_size = max(3, round(max(dims[-2:]) / 100))
        layer.n_edit_dimensions = 2
        layer.bind_key("Enter", lambda _layer: self.finish_painting(), overwrite=True)
        self._begin(layer, "paint", done)
        self.painting.emit(True)

    def _begin(self, layer: Any, mode: str, done: Callable[[Any], None]) -> None:
        self._active_before = next(
            (la for la in self._viewer.layers if la is self._active_before), None
        )
        self.layer, self._mode, self._done = layer, mode, done
        self._viewer.layers.selection.active = layer
        layer.mode = mode
        self.drawing_changed.emit()

    def finish_painting(self) -> None:
        """Finish painting, and hand over the painted area."""
        layer, done = self.layer, self._done
        if layer is None or done is None or self._mode != "paint":
            return
        pixels = np.flatnonzero(layer.data).astype(np.int64)
        self.cancel()
        done(pixels)

    def cancel(self) -> None:
        """Stop drawing; nothing is handed over."""
        layer, self.layer = self.layer, None
        if layer is None:
            self._active_before = self._viewer.layers.selection.active
            return
        if self._mode == "paint":
            self.painting.emit(False)
        else:
            layer.events.data.disconnect(self._on_data)
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if self._active_before in self._viewer.layers:
            self._viewer.layers.selection.active = self._active_before
        self.drawing_changed.emit()

    def _on_data(self, event: Any) -> None:
        if str(getattr(event, "action", "")).lower().endswith("added"):
            self._soon.start()

    def _finish(self) -> None:
        layer, done, mode = self.layer, self._done, self._mode
        if layer is None or done is None or mode == "paint" or layer._is_creating:
            return
        shapes = [np.asarray(shape, np.float64) for shape in layer.data]
        if not shapes:
            return
        self.cancel()
        is_ellipse = mode == _MODES[Tool.ELLIPSE]
        done(ellipse_vertices(shapes[-1]) if is_ellipse else shapes[-1])
