"""The docks, under the names the manifest gives them."""

from napari_cnmf.ui._requirements import require_napari

require_napari()

# The docks import what an older napari does not have.
# ruff: noqa: E402

from napari_cnmf.ui.batch._dock import BatchWidget
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.exporting._dock import ExportWidget
from napari_cnmf.ui.forms._dock import ParametersWidget
from napari_cnmf.ui.lab._dock import LabWidget
from napari_cnmf.ui.plots._dock import PlotsWidget
from napari_cnmf.ui.projects._dock import ProjectWidget
from napari_cnmf.ui.sessions._dock import SessionsWidget
from napari_cnmf.ui.settings._dock import SettingsWidget
from napari_cnmf.ui.traces._dock import TracesWidget
from napari_cnmf.ui.workspace._dock import WorkspaceWidget

__all__ = [
    "BatchWidget",
    "CurationWidget",
    "ExportWidget",
    "LabWidget",
    "ParametersWidget",
    "PlotsWidget",
    "ProjectWidget",
    "SessionsWidget",
    "SettingsWidget",
    "TracesWidget",
    "WorkspaceWidget",
]
