"""Results as other programs read them; importing this room loads none of the formats."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_cnmf.io.exports.context import Context, MovieIn, Session
from napari_cnmf.io.exports.registry import EXPORTERS, Exporter, export

if TYPE_CHECKING:
    from napari_cnmf.io.exports.archive import write_npz
    from napari_cnmf.io.exports.caiman import write_caiman
    from napari_cnmf.io.exports.dandi import write_dandi
    from napari_cnmf.io.exports.imagej import write_imagej
    from napari_cnmf.io.exports.labels import write_labels
    from napari_cnmf.io.exports.matlab import write_mat
    from napari_cnmf.io.exports.methods import methods_text, write_methods
    from napari_cnmf.io.exports.nwb import write_nwb
    from napari_cnmf.io.exports.parameters import write_params
    from napari_cnmf.io.exports.plots import write_correlation, write_raster
    from napari_cnmf.io.exports.suite2p import write_suite2p
    from napari_cnmf.io.exports.tables import write_csv, write_parquet
    from napari_cnmf.io.exports.video import write_mp4

_WHERE = {
    "methods_text": "methods",
    "write_caiman": "caiman",
    "write_correlation": "plots",
    "write_csv": "tables",
    "write_dandi": "dandi",
    "write_imagej": "imagej",
    "write_labels": "labels",
    "write_mat": "matlab",
    "write_methods": "methods",
    "write_mp4": "video",
    "write_npz": "archive",
    "write_nwb": "nwb",
    "write_params": "parameters",
    "write_parquet": "tables",
    "write_raster": "plots",
    "write_suite2p": "suite2p",
}

__all__ = [
    "EXPORTERS",
    "Context",
    "Exporter",
    "MovieIn",
    "Session",
    "export",
    "methods_text",
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
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
