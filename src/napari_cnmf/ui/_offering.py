"""Offers the workspace to a user who has opened a recording and has none of our docks."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

_offered: WeakSet[Any] = WeakSet()


def offer_workspace() -> None:
    """Show a notification that opens the workspace, once for each viewer without it."""
    from napari import current_viewer
    from napari.utils.notifications import Notification, notification_manager

    viewer: Any = current_viewer()
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer is None or viewer in _offered or not _has_no_dock_of_ours(viewer):
        return
    _offered.add(viewer)

    def open_it(_toast: Any = None) -> None:
        from napari_cnmf.ui._canvas import is_open
        from napari_cnmf.ui._docks import show_docks

        if is_open(viewer):
            show_docks(viewer)

    notification_manager.dispatch(
        Notification(
            "Find cells in this recording: the workspace leads from here to exported traces.",
            "info",
            actions=[("Open workspace", open_it)],
        )
    )


def _has_no_dock_of_ours(viewer: Any) -> bool:
    from napari_cnmf.ui._docks import Dock

    window = getattr(viewer, "window", None)
    docks = {} if window is None else window.dock_widgets
    return window is not None and not any(isinstance(dock, Dock) for dock in docks.values())
