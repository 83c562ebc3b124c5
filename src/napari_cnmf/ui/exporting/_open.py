"""Docks that other docks open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_cnmf.ui._theme import bring_to_front

if TYPE_CHECKING:
    import napari

_DISPLAY_NAME = "CNMF"


def open_dock(viewer: napari.Viewer, make: Callable[[Any], Any], title: str, *, area: str) -> Any:
    """Show a dock, the one that is there or a new one; returns its widget."""
    # napari gives docks of a plugin this name: the menu finds ours instead of making another.
    name = f"{title} ({_DISPLAY_NAME})"
    docks = viewer.window.dock_widgets
    if name in docks:
        widget = docks[name]
        widget.parentWidget().show()
    else:
        widget = make(viewer)
        viewer.window.add_dock_widget(widget, name=name, area=area, tabify=True)
    bring_to_front(widget)
    return widget
