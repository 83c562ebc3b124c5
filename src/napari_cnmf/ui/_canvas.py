"""The canvas of the viewer and the OpenGL context that it draws with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cnmf.ui._theme import connect_while_alive

if TYPE_CHECKING:
    import napari


def make_removal_safe(viewer: napari.Viewer) -> None:
    """Have the canvas's own OpenGL context current whenever a layer is taken away.

    napari deletes the shaders of a removed layer at once, in whatever context happens to be
    current: after a paint that is the one with which Qt puts the window together. Deleted there,
    programs that the canvas has used leave it dangling, and its next draw crashes: a segmentation
    fault in Mesa's llvmpipe, seen with every Shapes layer and napari 0.9.2.
    """
    native = viewer.window._qt_viewer.canvas.native
    connect_while_alive(
        native, (viewer.layers.events.removing, lambda _event=None: native.makeCurrent())
    )
