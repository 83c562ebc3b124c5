"""Moves the view to components that are selected elsewhere than on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.ui._canvas import camera_of, canvas_widget

if TYPE_CHECKING:
    from napari_cnmf.model.components import Components
    from napari_cnmf.ui._session import Session, ShownResult

_MOST = 200
"""Selected components that are looked for; of a lasso with more one is in view."""
_MARGIN = 0.04
"""What is this close to the rim of the canvas, as a share of it, is not seen well."""


class Following:
    """Controller that brings the first selected component into view where none of them is.

    The plane of a volume is changed only when none of them reaches it. A 3D view stays as it is.
    The zoom is never changed.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.is_on = True
        session.selection_changed.connect(self._follow)

    def _follow(self, selection: tuple[int, ...]) -> None:
        result, viewer = self._session.result, self._session.viewer
        if not self.is_on or result is None or not selection or viewer.dims.ndisplay == 3:
            return
        wanted = [row for row in selection[:_MOST] if _support(result.components, row).size]
        if not wanted:
            return
        if len(result.components.dims) == 3:
            self._show_plane(result, wanted)
        self._pan(result, wanted)

    def _show_plane(self, result: ShownResult, rows: list[int]) -> None:
        components, dims = result.components, self._session.viewer.dims
        axis = dims.ndim - 3
        now = int(dims.current_step[axis])
        per_plane = int(np.prod(components.dims[1:]))
        for row in rows:
            drawn = _support(components, row, result.layers.drawing.level) // per_plane
            if (drawn == now).any():
                return
        plane = round(float(_centre(components, rows[0])[0]))
        dims.set_current_step(axis, plane)

    def _pan(self, result: ShownResult, rows: list[int]) -> None:
        viewer = self._session.viewer
        camera, canvas = camera_of(viewer), canvas_widget(viewer)
        size = np.array([canvas.height(), canvas.width()], float)
        reach = size / camera.zoom * (0.5 - _MARGIN)
        middle = np.asarray(camera.center[-2:])
        first: NDArray[np.float64] | None = None
        for row in rows:
            for copy in result.layers.tiles.spread(_centre(result.components, row)[np.newaxis]):
                at = np.asarray(result.layers.selection.data_to_world(copy[0]))[-2:]
                if (np.abs(at - middle) <= reach).all():
                    return
                first = at if first is None else first
        if first is not None:
            camera.center = (*camera.center[:-2], *first)


def _support(components: Components, row: int, level: float = 0.0) -> NDArray[np.intp]:
    """C-order pixels of a component that reach a share of its maximum."""
    A = components.A
    part = slice(A.indptr[row], A.indptr[row + 1])
    weights = A.data[part]
    kept = weights > 0
    if level and weights.size:
        kept &= weights >= level * weights.max()
    return np.asarray(A.indices[part][kept], np.intp)


def _centre(components: Components, row: int) -> NDArray[np.float64]:
    """Centre of the brighter half of a footprint, in pixels."""
    pixels = _support(components, row, 0.5)
    at = np.stack(np.unravel_index(pixels, components.dims))
    return np.asarray(at.mean(axis=1), np.float64)
