"""Drawing an outline or a line on the canvas, once, on a layer of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer
from skimage.draw import polygon2mask

if TYPE_CHECKING:
    import napari
    from napari.layers import Shapes

OUTLINE = "add_polygon_lasso"
LINE = "add_line"
_NAME = "drawing"


class DrawingTool(QObject):
    """Adds a Shapes layer in drawing mode and takes it away when one shape is drawn."""

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Shapes | None = None
        self._active_before: Any = None
        self._done: Callable[[NDArray[np.float64]], None] | None = None
        # The shape is whole only after the event that tells of it.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._finish)

    @property
    def is_drawing(self) -> bool:
        return self._layer is not None

    @property
    def layer(self) -> Shapes | None:
        """The layer that is drawn on."""
        return self._layer

    def start(self, mode: str, like: Shapes, done: Callable[[NDArray[np.float64]], None]) -> None:
        """Draw one shape.

        Parameters
        ----------
        mode
            ``OUTLINE`` or ``LINE``.
        like
            A layer whose field it is drawn in.
        done
            Called with the vertices ``(n, 2)`` or ``(n, 3)`` in field pixels.
        """
        self.cancel()
        self._done = done
        self._active_before = self._viewer.layers.selection.active
        self._layer = self._viewer.add_shapes(
            name=_NAME,
            ndim=like.ndim,
            scale=like.scale,
            edge_color="#ffffff",
            face_color="#ffffff22",
            edge_width=max(like.current_edge_width, 0.5),
        )
        self._layer.mode = mode
        self._layer.events.data.connect(self._on_data)

    def cancel(self) -> None:
        """Draw nothing."""
        layer, self._layer = self._layer, None
        if layer is None:
            return
        layer.events.data.disconnect(self._on_data)
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if self._active_before in self._viewer.layers:
            self._viewer.layers.selection.active = self._active_before

    def _on_data(self, event: Any) -> None:
        if str(getattr(event, "action", "")).lower().endswith("added"):
            self._soon.start()

    def _finish(self) -> None:
        layer, done = self._layer, self._done
        if layer is None or done is None or layer._is_creating:
            return
        shapes = [np.asarray(shape, float) for shape in layer.data]
        if not shapes:
            return
        self.cancel()
        done(shapes[-1])


def pixels_inside(vertices: NDArray[np.float64], dims: tuple[int, ...]) -> NDArray[np.int64]:
    """C-order pixels of the field whose centres lie inside an outline.

    Parameters
    ----------
    vertices
        ``(n, 2)`` as (y, x), or ``(n, 3)`` as (z, y, x) in one plane; may reach outside.
    """
    mask = np.zeros(dims, np.bool_)
    inside = polygon2mask(dims[-2:], vertices[:, -2:])  # type: ignore[no-untyped-call]
    if len(dims) == 2:
        mask[:] = inside
    else:
        z = round(float(vertices[:, 0].mean()))
        if 0 <= z < dims[0]:
            mask[z] = inside
    return np.flatnonzero(mask).astype(np.int64)


def sides_of_line(
    vertices: NDArray[np.float64], pixels: NDArray[np.integer], dims: tuple[int, ...]
) -> list[NDArray[np.int64]]:
    """Pixels on the one side and on the other of the line through first and last vertex."""
    start, end = vertices[0, -2:], vertices[-1, -2:]
    y, x = np.unravel_index(pixels, dims)[-2:]
    side = (end[0] - start[0]) * (x - start[1]) - (end[1] - start[1]) * (y - start[0])
    return [np.asarray(pixels[side <= 0], np.int64), np.asarray(pixels[side > 0], np.int64)]
