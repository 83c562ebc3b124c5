"""Projects: folders of samples that several people fill."""

from napari_cnmf.io.projects.config import Column, ColumnKind, ProjectConfig
from napari_cnmf.io.projects.filtering import matching_rows
from napari_cnmf.io.projects.project import Project
from napari_cnmf.io.projects.sample import Sample, sample_id

__all__ = [
    "Column",
    "ColumnKind",
    "Project",
    "ProjectConfig",
    "Sample",
    "matching_rows",
    "sample_id",
]
