"""Calcium imaging in napari: CNMF with a batch manager, two engines, and curation.

Everything a script needs, imported when it is first asked for (PEP 562): importing the package
loads neither napari nor Qt nor any file format.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cnmf import testing as testing
    from napari_cnmf.batch import (
        Batch,
        DuplicateItemWarning,
        Item,
        Queue,
        State,
        current_batch,
        import_mesmerize,
    )
    from napari_cnmf.batch.exporting import export
    from napari_cnmf.batch.opening import open_result
    from napari_cnmf.batch.suggesting import suggest
    from napari_cnmf.core.verdict.learning import learn
    from napari_cnmf.errors import CnmfError
    from napari_cnmf.io import open_movie
    from napari_cnmf.io.caiman import read_caiman
    from napari_cnmf.io.exports import (
        Session,
        write_caiman,
        write_correlation,
        write_csv,
        write_dandi,
        write_imagej,
        write_labels,
        write_mat,
        write_methods,
        write_mp4,
        write_npz,
        write_nwb,
        write_params,
        write_parquet,
        write_raster,
        write_suite2p,
    )
    from napari_cnmf.io.imports import import_result, open_import
    from napari_cnmf.io.matching import MatchedSessions, match_sessions
    from napari_cnmf.io.projects import Column, Project, Sample
    from napari_cnmf.io.spreadsheets import read_table
    from napari_cnmf.model.components import Components
    from napari_cnmf.model.curation import Curation
    from napari_cnmf.model.movie import Movie
    from napari_cnmf.model.why import explain_place
    from napari_cnmf.params import CNMFParams
    from napari_cnmf.testing.samples import sample
    from napari_cnmf.ui import view

_WHERE = {
    "Batch": "napari_cnmf.batch",
    "CNMFParams": "napari_cnmf.params",
    "CnmfError": "napari_cnmf.errors",
    "Column": "napari_cnmf.io.projects",
    "Components": "napari_cnmf.model.components",
    "Curation": "napari_cnmf.model.curation",
    "DuplicateItemWarning": "napari_cnmf.batch",
    "Item": "napari_cnmf.batch",
    "MatchedSessions": "napari_cnmf.io.matching",
    "Movie": "napari_cnmf.model.movie",
    "Project": "napari_cnmf.io.projects",
    "Queue": "napari_cnmf.batch",
    "Sample": "napari_cnmf.io.projects",
    "Session": "napari_cnmf.io.exports",
    "State": "napari_cnmf.batch",
    "current_batch": "napari_cnmf.batch",
    "explain_place": "napari_cnmf.model.why",
    "export": "napari_cnmf.batch.exporting",
    "import_mesmerize": "napari_cnmf.batch",
    "import_result": "napari_cnmf.io.imports",
    "learn": "napari_cnmf.core.verdict.learning",
    "match_sessions": "napari_cnmf.io.matching",
    "open_import": "napari_cnmf.io.imports",
    "open_movie": "napari_cnmf.io",
    "open_result": "napari_cnmf.batch.opening",
    "read_caiman": "napari_cnmf.io.caiman",
    "read_table": "napari_cnmf.io.spreadsheets",
    "sample": "napari_cnmf.testing.samples",
    "suggest": "napari_cnmf.batch.suggesting",
    "view": "napari_cnmf.ui",
    "write_caiman": "napari_cnmf.io.exports",
    "write_correlation": "napari_cnmf.io.exports",
    "write_csv": "napari_cnmf.io.exports",
    "write_dandi": "napari_cnmf.io.exports",
    "write_imagej": "napari_cnmf.io.exports",
    "write_labels": "napari_cnmf.io.exports",
    "write_mat": "napari_cnmf.io.exports",
    "write_methods": "napari_cnmf.io.exports",
    "write_mp4": "napari_cnmf.io.exports",
    "write_npz": "napari_cnmf.io.exports",
    "write_nwb": "napari_cnmf.io.exports",
    "write_params": "napari_cnmf.io.exports",
    "write_parquet": "napari_cnmf.io.exports",
    "write_raster": "napari_cnmf.io.exports",
    "write_suite2p": "napari_cnmf.io.exports",
}

__all__ = [
    "Batch",
    "CNMFParams",
    "CnmfError",
    "Column",
    "Components",
    "Curation",
    "DuplicateItemWarning",
    "Item",
    "MatchedSessions",
    "Movie",
    "Project",
    "Queue",
    "Sample",
    "Session",
    "State",
    "current_batch",
    "explain_place",
    "export",
    "import_mesmerize",
    "import_result",
    "learn",
    "match_sessions",
    "open_import",
    "open_movie",
    "open_result",
    "read_caiman",
    "read_table",
    "sample",
    "suggest",
    "view",
    "write_caiman",
    "write_correlation",
    "write_csv",
    "write_dandi",
    "write_imagej",
    "write_labels",
    "write_mat",
    "write_methods",
    "write_mp4",
    "write_npz",
    "write_nwb",
    "write_params",
    "write_parquet",
    "write_raster",
    "write_suite2p",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name == "testing":
        return import_module("napari_cnmf.testing")
    if name == "__version__":
        return _version("napari-cnmf")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted((*__all__, "__version__", "testing"))
