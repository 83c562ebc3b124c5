"""Every format a result can be written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.writing import PathLike
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation

Write = Callable[..., Path]
"""``write(source, out, *, include_rejected, context) -> out``."""


@dataclass(frozen=True)
class Exporter:
    """One format; the code that writes it is imported when it is asked for.

    Attributes
    ----------
    title
        For menus.
    suffix
        Of the file; empty for a folder.
    include_rejected
        Whether rejected components are written unasked: where the format can tell them apart.
    where
        ``module:function`` that writes it.
    """

    title: str
    suffix: str
    where: str
    include_rejected: bool = True

    @property
    def is_folder(self) -> bool:
        return not self.suffix

    @property
    def write(self) -> Write:
        """The function that writes it."""
        module, name = self.where.split(":")
        function: Write = getattr(import_module(f"napari_cnmf.io.exports.{module}"), name)
        return function


EXPORTERS: dict[str, Exporter] = {
    "caiman": Exporter("CaImAn HDF5", ".hdf5", "caiman:export_caiman"),
    "nwb": Exporter("NWB", ".nwb", "nwb:write_nwb"),
    "csv": Exporter("CSV tables", "", "tables:write_csv"),
    "npz": Exporter("NumPy archive", ".npz", "archive:write_npz"),
    "mat": Exporter("MATLAB", ".mat", "matlab:write_mat"),
    "suite2p": Exporter("suite2p folder", "", "suite2p:write_suite2p"),
    "imagej": Exporter("ImageJ ROIs", ".zip", "imagej:write_imagej", include_rejected=False),
    "labels": Exporter("Labels image", ".tif", "labels:write_labels", include_rejected=False),
    "params": Exporter("Parameters", ".toml", "parameters:write_params"),
    "methods": Exporter("Methods paragraph", ".txt", "methods:write_methods"),
    "mp4": Exporter("Movie", ".mp4", "video:write_mp4", include_rejected=False),
}
"""By the name that the command line and :func:`export` take."""


def export(
    source: Curation | Components,
    to: str,
    out: PathLike,
    *,
    include_rejected: bool | None = None,
    context: Context = NOTHING_KNOWN,
) -> Path:
    """Write a result for another program.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    to
        A name in :data:`EXPORTERS`.
    out
        The file, or the folder for ``csv`` and ``suite2p``.
    include_rejected
        By default the format's own habit: those that can mark a component as rejected have all.
    context
        The movie and what else is known; see :class:`Context`.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ExportError
        Unknown format, a package that is missing, or a place that cannot be written.
    """
    if to not in EXPORTERS:
        raise ExportError(f"The format must be one of {', '.join(EXPORTERS)}, got {to!r}.")
    exporter = EXPORTERS[to]
    rejected = exporter.include_rejected if include_rejected is None else include_rejected
    return exporter.write(source, out, include_rejected=rejected, context=context)
