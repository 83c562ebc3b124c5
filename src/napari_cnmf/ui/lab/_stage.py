"""Stage of the lab: the movie layer it looks at, and the layers it draws over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui.forms._given import SCRATCH
from napari_cnmf.ui.forms._input import FileInput, input_of_layer, movie_of_layer

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Layer, Shapes

PREFIX = "lab · "


def is_movie(layer: Layer) -> bool:
    """Whether a layer is an image over time, also one of a result."""
    from napari.layers import Image

    return (
        isinstance(layer, Image)
        and layer.ndim in (3, 4)
        and not layer.rgb
        and SCRATCH not in layer.metadata
    )


def open_layer(layer: Image) -> Movie:
    """Open the movie of a layer, by its file where it has one of the same shape.

    Raises
    ------
    MovieError
        The file cannot be opened.
    """
    chosen = input_of_layer(layer)
    if isinstance(chosen, FileInput):
        try:
            movie = chosen.open()
        except MovieError:
            return movie_of_layer(layer)
        if movie.shape == tuple(layer.data.shape):
            return movie
    return movie_of_layer(layer)


class Stage:
    """Stage that adds, replaces and removes the lab's layers over one movie layer."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        """Viewer that the stage draws in."""
        self.layer: Image | None = None

    @property
    def plane(self) -> int | None:
        """Number of the plane of a volume that is on screen."""
        if self.layer is None or self.layer.ndim != 4:
            return None
        step = self.viewer.dims.current_step
        return int(step[len(step) - 3])

    @property
    def frame(self) -> int:
        """Number of the frame that is on screen."""
        step = self.viewer.dims.current_step
        return int(step[0]) if self.layer is not None and len(step) >= self.layer.ndim else 0

    def to_pixels(self, position: Any) -> NDArray[np.float64]:
        """Convert a place on the canvas to ``(y, x)`` in pixels of the movie."""
        assert self.layer is not None, "a movie is chosen"
        data = self.layer.world_to_data(np.asarray(position)[-self.layer.ndim :])
        return np.asarray(data[-2:], np.float64)

    def find(self, name: str) -> Any:
        """The lab's layer of that name, or ``None``."""
        full = PREFIX + name
        return next((one for one in self.viewer.layers if one.name == full), None)

    def draw(self, name: str, shapes: list[NDArray[np.float64]], **look: Any) -> Shapes:
        """Draw shapes ``(n, 2)`` in the Shapes layer of that name, in the field's plane.

        Parameters
        ----------
        look
            ``shape_type``, ``edge_color`` and so on, as ``Shapes.add`` takes them.
        """
        layer = self.find(name)
        if layer is None:
            layer = self._keep_active(
                lambda: self.viewer.add_shapes(**self._keywords(name, 1), ndim=2)
            )
        events = layer.events
        # What was just added is selected, and would be highlighted.
        with events.highlight.blocker(), layer.block_thumbnail_update():
            layer.selected_data = set()
            layer.data = []
            # Seen in 3D a plane's shapes cannot be changed: napari mixes two and three coordinates.
            if shapes and self.viewer.dims.ndisplay == 2:
                layer.add(shapes, **look)
                layer.selected_data = set()
        layer.visible = True
        return layer

    def points(self, name: str, at: NDArray[Any], **look: Any) -> Any:
        """Show places ``(n, 2)`` in pixels of the movie in the Points layer of that name."""
        layer = self.find(name)
        if layer is None:
            return self._keep_active(
                lambda: self.viewer.add_points(at, ndim=2, **self._keywords(name, 1), **look)
            )
        layer.data = at
        layer.visible = True
        return layer

    def image(self, name: str, data: NDArray[Any], binning: int, **look: Any) -> Any:
        """Show an image of the field, of pixels ``binning`` times as large."""
        layer = self.find(name)
        low, high = (float(v) for v in np.nanquantile(data, [0.01, 0.998]))
        limits = (low, high if high > low else low + 1)
        if layer is not None:
            layer.data = data
            layer.contrast_limits_range = (min(low, float(data.min())), float(data.max()) or 1.0)
            layer.contrast_limits = limits
            return layer
        return self._keep_active(
            lambda: self.viewer.add_image(
                data, contrast_limits=limits, **self._keywords(name, binning), **look
            )
        )

    def _keep_active(self, add: Any) -> Any:
        """Add a layer and leave the movie selected, so that tools of the user go on."""
        active = self.viewer.layers.selection.active
        layer = add()
        if active in self.viewer.layers:
            self.viewer.layers.selection.active = active
        return layer

    def _keywords(self, name: str, binning: int) -> dict[str, Any]:
        assert self.layer is not None, "a movie is chosen"
        scale = np.asarray(self.layer.scale[-2:])
        return {
            "name": PREFIX + name,
            "scale": scale * binning,
            "translate": np.asarray(self.layer.translate[-2:]) + scale * (binning - 1) / 2,
            "units": self.layer.units[-2:],
            "axis_labels": self.layer.axis_labels[-2:],
            "metadata": {SCRATCH: True},
        }

    def hide(self, *names: str) -> None:
        """Put layers of the lab out of sight while another page is seen.

        They are kept: napari takes up to a second to remove them with every page.
        """
        for name in names:
            layer = self.find(name)
            if layer is not None:
                layer.visible = False

    def remove(self, *names: str) -> None:
        """Take layers of the lab away; all of them when none is named."""
        for layer in list(self.viewer.layers):
            is_ours = SCRATCH in layer.metadata and layer.name.startswith(PREFIX)
            if is_ours and (not names or layer.name.removeprefix(PREFIX) in names):
                self.viewer.layers.remove(layer)


def circles(at: NDArray[np.float64], radius: float) -> list[NDArray[np.float64]]:
    """Corners of ellipses around places ``(n, 2)``."""
    square = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]], float) * radius
    return [place + square for place in at]
