"""Canvas of a viewer: its window, its camera, its focus, its OpenGL context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget


def canvas_widget(viewer: napari.Viewer) -> QWidget:
    """Widget on which a viewer draws its layers; it has the keyboard after a click there."""
    native: QWidget = viewer.window._qt_viewer.canvas.native
    return native


def is_open(viewer: Any) -> bool:
    """Whether the window of a viewer is there; work in the background may end after it is closed.

    napari deletes a window that a user closes, and lets go of one that a script closes.
    """
    window = getattr(viewer.window, "_qt_window", None)
    return window is not None and any(window is one for one in type(window)._instances)


def camera_of(viewer: Any) -> Any:
    """The camera of a viewer, which napari 0.9 has moved to its scene."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera


def canvas_has_focus(viewer: napari.Viewer) -> bool:
    """Whether keys go to the canvas; napari hands on those that its whole viewer gets."""
    focus = QApplication.focusWidget()
    return focus is not None and focus in (canvas_widget(viewer), viewer.window._qt_viewer)


def delete_in_own_context(viewer: napari.Viewer) -> None:
    """Keep the canvas's own OpenGL context current when napari deletes what layers have left.

    napari does so between two paints, with ``context.finish()``, in whatever OpenGL context
    happens to be current: after a paint that is the one with which Qt puts the window together.
    Deleted there, the canvas keeps programs and buffers that are no more, and its next draw
    crashes: a segmentation fault in Mesa's llvmpipe, seen with napari 0.9.2.
    """
    scene: Any = viewer.window._qt_viewer.canvas._scene_canvas
    finish = scene.context.finish

    def finish_in_own_context() -> None:
        scene.set_current()
        finish()

    scene.context.finish = finish_in_own_context
