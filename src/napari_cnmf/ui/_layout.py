"""Lays out the docks when we open the viewer ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cnmf.ui._docks import bring_to_front, open_dock
from napari_cnmf.ui.batch._dock import BatchWidget
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.forms._dock import ParametersWidget
from napari_cnmf.ui.plots._dock import PlotsWidget
from napari_cnmf.ui.traces._dock import TracesWidget

if TYPE_CHECKING:
    import napari

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
    widgets: dict[str, Any] = {}
    for title, (make, area) in _DOCKS.items():
        widgets[title] = open_dock(viewer, make, title, area=area)
    bring_to_front(widgets["CNMF parameters"])
    return widgets


def show_dock(viewer: napari.Viewer, title: str) -> Any:
    """Show one dock by its name in the menu, and return its widget."""
    make, area = _DOCKS[title]
    widget = open_dock(viewer, make, title, area=area)
    bring_to_front(widget)
    return widget
