"""Lays out the docks when we open the viewer ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cnmf.ui._docks import bring_to_front, open_dock
from napari_cnmf.ui.batch._dock import BatchWidget
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.forms._dock import ParametersWidget
from napari_cnmf.ui.plots._dock import PlotsWidget
from napari_cnmf.ui.traces._dock import TracesWidget
from napari_cnmf.ui.workspace._dock import WorkspaceWidget

if TYPE_CHECKING:
    import napari

_DOCKS: dict[str, Any] = {
    "Workspace": WorkspaceWidget,
    "CNMF parameters": ParametersWidget,
    "Curation": CurationWidget,
    "Batch manager": BatchWidget,
    "Traces": TracesWidget,
    "Plots": PlotsWidget,
}


def show_docks(viewer: napari.Viewer) -> dict[str, Any]:
    """Open the workspace, with batch and traces below the canvas; what is there stays.

    Returns
    -------
    dict
        The workspace, the docks in it and below the canvas, by their names in the menu.
    """
    workspace = open_dock(viewer, WorkspaceWidget, "Workspace")
    below = {
        title: open_dock(viewer, _DOCKS[title], title) for title in ("Batch manager", "Traces")
    }
    return {
        "Workspace": workspace,
        "CNMF parameters": workspace.form,
        "Curation": workspace.curation,
        **below,
    }


def show_dock(viewer: napari.Viewer, title: str) -> Any:
    """Show one dock by its name in the menu, and return its widget."""
    widget = open_dock(viewer, _DOCKS[title], title)
    bring_to_front(widget)
    return widget
