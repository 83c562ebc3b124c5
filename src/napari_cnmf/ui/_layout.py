"""Where the docks go when we open the viewer ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cnmf.ui.batch._dock import BatchWidget
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.forms._dock import ParametersWidget
from napari_cnmf.ui.plots._dock import PlotsWidget
from napari_cnmf.ui.traces._dock import TracesWidget

if TYPE_CHECKING:
    import napari


_DISPLAY_NAME = "CNMF"


def show_docks(viewer: napari.Viewer) -> dict[str, Any]:
    """Add parameters and curation on the right, the others below; those that are there stay.

    Returns
    -------
    dict
        The widgets by their names in the menu.
    """
    widgets: dict[str, Any] = {}
    first_in: dict[str, Any] = {}
    for make, title, area in (
        (ParametersWidget, "CNMF parameters", "right"),
        (CurationWidget, "Curation", "right"),
        (BatchWidget, "Batch manager", "bottom"),
        (TracesWidget, "Traces", "bottom"),
        (PlotsWidget, "Plots", "bottom"),
    ):
        # napari gives docks of a plugin this name: the menu finds ours instead of making another.
        name = f"{title} ({_DISPLAY_NAME})"
        if name in viewer.window.dock_widgets:
            widgets[title] = viewer.window.dock_widgets[name]
            continue
        widgets[title] = make(viewer)
        dock = viewer.window.add_dock_widget(
            widgets[title], name=name, area=area, tabify=area in first_in
        )
        first_in.setdefault(area, dock)
    if "right" in first_in:
        first_in["right"].raise_()
    return widgets
