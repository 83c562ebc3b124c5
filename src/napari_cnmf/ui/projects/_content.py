"""Reads what the dock shows of a project, off the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cnmf.io.projects import Project, ProjectConfig

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ProjectContent:
    """A project as it was at one moment.

    Attributes
    ----------
    stamp
        Another value whenever somebody changed something.
    known
        Values of each column so far.
    """

    project: Project
    config: ProjectConfig
    samples: pd.DataFrame
    rois: pd.DataFrame
    known: dict[str, list[str]]
    stamp: object


def read_content(project: Project) -> ProjectContent:
    """Read everything that is shown of a project."""
    stamp, config = project.stamp(), project.config
    known = {column.name: project.known_values(column.name) for column in config.columns}
    return ProjectContent(project, config, project.df, project.rois, known, stamp)
