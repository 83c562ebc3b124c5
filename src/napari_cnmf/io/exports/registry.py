"""Registry of every format that a result can be written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from napari_cnmf._checks import check_choice
from napari_cnmf._names import FormatName
from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.writing import OnProgress, PathLike, ignore_progress
from napari_cnmf.model.curation import Curatable

Write = Callable[..., Path]
"""``write(source, out, *, include_rejected, overwrite, context, on_progress) -> out``."""


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
        Whether rejected components are written unasked: where a file is to be curated further.
    about
        One sentence on what is written, for the one who chooses.
    where
        ``module:function`` that writes it.
    """

    title: str
    suffix: str
    where: str
    include_rejected: bool = False
    about: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether the format is a folder rather than a file."""
        return not self.suffix

    @property
    def write(self) -> Write:
        """Function that writes the format."""
        module, name = self.where.split(":")
        function: Write = getattr(import_module(f"napari_cnmf.io.exports.{module}"), name)
        return function


EXPORTERS: dict[str, Exporter] = {
    "caiman": Exporter(
        "CaImAn HDF5", ".hdf5", "caiman:write_caiman", include_rejected=True,
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
    "parquet": Exporter(
        "Parquet tables", "", "tables:write_parquet",
        about="The same tables as Parquet: smaller, and much faster to read. Needs pyarrow.",
    ),
    "dandi": Exporter(
        "NWB for DANDI", "", "dandi:write_dandi",
        about="A folder with the NWB file, named and checked as the DANDI archive asks for.",
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
        "ImageJ ROIs", ".zip", "imagej:write_imagej",
        about="Outlines for the ROI manager of ImageJ and Fiji.",
    ),
    "labels": Exporter(
        "Labels image", ".tif", "labels:write_labels",
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
        "Movie", ".mp4", "video:write_mp4",
        about="The recording beside the denoised movie, with outlines.",
    ),
    "raster": Exporter(
        "Raster plot", ".png", "plots:write_raster",
        about="Every trace over time, a row a component. PNG, PDF or SVG.",
    ),
    "correlation": Exporter(
        "Correlation matrix", ".png", "plots:write_correlation",
        about="Correlation of each pair of traces, similar cells together. PNG, PDF or SVG.",
    ),
}  # fmt: skip
"""By the name that the command line and :func:`export` take."""


def export(
    source: Curatable,
    to: FormatName,
    out: PathLike,
    *,
    include_rejected: bool | None = None,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write a result for another program.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    to
        A name in :data:`EXPORTERS`.
    out
        The file, or the folder for ``csv``, ``parquet``, ``suite2p`` and ``dandi``.
    include_rejected
        Write rejected components too; by default they are left out of all formats but ``caiman``.
    overwrite
        Replace an earlier export of the same format; anything else at ``out`` is never replaced.
    context
        The movie and what else is known; see :class:`Context`.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    EarlierExportError
        There is an earlier export, and ``overwrite`` is not set.
    ExportError
        Unknown format, a package that is missing, or a place that cannot be written.
    """
    exporter = EXPORTERS[check_choice("The format", to, EXPORTERS, ExportError)]
    rejected = exporter.include_rejected if include_rejected is None else include_rejected
    return exporter.write(
        source,
        out,
        include_rejected=rejected,
        overwrite=overwrite,
        context=context,
        on_progress=on_progress,
    )
