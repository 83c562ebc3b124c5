"""Where the docks go when we open the viewer ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cnmf.ui._theme import bring_to_front
from napari_cnmf.ui.batch._dock import BatchWidget
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.forms._dock import ParametersWidget
from napari_cnmf.ui.plots._dock import PlotsWidget
from napari_cnmf.ui.traces._dock import TracesWidget

if TYPE_CHECKING:
    import napari


_DISPLAY_NAME = "CNMF"


_DOCKS: dict[str, tuple[Any, str]] = {
    "CNMF parameters": (ParametersWidget, "right"),
    "Curation": (CurationWidget, "right"),
    "Batch manager": (BatchWidget, "bottom"),
    "Traces": (TracesWidget, "bottom"),
    "Plots": (PlotsWidget, "bottom"),
}


def show_docks(viewer: napari.Viewer) -> dict[str, Any]:
    """Add parameters and curation on the right, the others below; those that are there stay.

    Returns
    -------
    dict
        The widgets by their names in the menu.
    """
    first_in: dict[str, Any] = {}
    widgets = {}
    for title, (_, area) in _DOCKS.items():
        widgets[title], dock = _show(viewer, title, tabify=area in first_in)
        if dock is not None:
            first_in.setdefault(area, dock)
    if "right" in first_in:
        first_in["right"].raise_()
    return widgets


def show_dock(viewer: napari.Viewer, title: str) -> Any:
    """The widget of one dock, by its name in the menu; added when it is not there."""
    widget, _ = _show(viewer, title, tabify=True)
    bring_to_front(widget)
    return widget


def _show(viewer: napari.Viewer, title: str, *, tabify: bool) -> tuple[Any, Any]:
    """The widget, and its dock when that was added now."""
    # napari gives docks of a plugin this name: the menu finds ours instead of making another.
    name = f"{title} ({_DISPLAY_NAME})"
    if name in viewer.window.dock_widgets:
        return viewer.window.dock_widgets[name], None
    make, area = _DOCKS[title]
    widget = make(viewer)
    return widget, viewer.window.add_dock_widget(widget, name=name, area=area, tabify=tabify)
