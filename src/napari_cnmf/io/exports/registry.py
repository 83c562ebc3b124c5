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
    about
        One sentence on what is written, for the one who chooses.
    where
        ``module:function`` that writes it.
    """

    title: str
    suffix: str
    where: str
    include_rejected: bool = True
    about: str = ""

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
    "caiman": Exporter(
        "CaImAn HDF5", ".hdf5", "caiman:export_caiman",
        about="CaImAn's own file, with decisions and journal: the one that can be curated further.",
    ),
    "nwb": Exporter(
        "NWB", ".nwb", "nwb:write_nwb",
        about="Footprints, scores, tags, traces with units and rate, background, provenance.",
    ),
    "csv": Exporter(
        "CSV tables", "", "tables:write_csv",
        about="A folder: one row a component, and one column a trace with time in seconds.",
    ),
    "npz": Exporter(
        "NumPy archive", ".npz", "archive:write_npz", about="Every array in one file."
    ),
    "mat": Exporter("MATLAB", ".mat", "matlab:write_mat", about="Every array, for MATLAB."),
    "suite2p": Exporter(
        "suite2p folder", "", "suite2p:write_suite2p",
        about="plane0 with stat, F, Fneu, spks, iscell and ops: open its stat.npy in suite2p.",
    ),
    "imagej": Exporter(
        "ImageJ ROIs", ".zip", "imagej:write_imagej", include_rejected=False,
        about="Outlines for the ROI manager of ImageJ and Fiji.",
    ),
    "labels": Exporter(
        "Labels image", ".tif", "labels:write_labels", include_rejected=False,
        about="An image in which each cell has a number: its id + 1.",
    ),
    "params": Exporter(
        "Parameters", ".toml", "parameters:write_params", about="For the next run."
    ),
    "methods": Exporter(
        "Methods paragraph", ".txt", "methods:write_methods",
        about="What was done, with versions, parameters and whom to cite.",
    ),
    "mp4": Exporter(
        "Movie", ".mp4", "video:write_mp4", include_rejected=False,
        about="The recording beside the denoised movie, with outlines.",
    ),
    "raster": Exporter(
        "Raster plot", ".png", "plots:write_raster", include_rejected=False,
        about="Every trace over time, a row a component. PNG, PDF or SVG.",
    ),
    "correlation": Exporter(
        "Correlation matrix", ".png", "plots:write_correlation", include_rejected=False,
        about="Correlation of each pair of traces, similar cells together. PNG, PDF or SVG.",
    ),
}  # fmt: skip
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
