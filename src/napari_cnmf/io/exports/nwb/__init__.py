"""Writes NWB files with pynwb."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import select
from napari_cnmf.io.exports.writing import (
    OnProgress,
    PathLike,
    checked_writer,
    hdf5_kind,
    ignore_progress,
    mark_hdf5,
    new_export,
    require,
)
from napari_cnmf.io.full_disk import hdf5_for_writing
from napari_cnmf.model.curation import Curatable

if TYPE_CHECKING:
    from napari_cnmf.io.exports.selection import Selected

__all__ = ["write_nwb", "write_nwb_file"]

NWB_FILE = hdf5_kind("nwb", "NWB export")
"""Kind of file that `write_nwb` makes."""


@checked_writer
def write_nwb(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write an NWB file with everything in ``processing/ophys``.

    - ``ImageSegmentation``: ``PlaneSegmentation`` has a row a component (its ``id`` the stable
      id) with ``pixel_mask`` (x, y, weight), or ``voxel_mask`` (x, y, z, weight) of a volume;
      ``accepted``, decision, scores, tags, note. ``Background`` has image masks of the low-rank
      background.
    - ``Fluorescence``: ``raw``, ``denoised``, ``spikes``; for one-photon ``detrended``; the time
      courses of the background in ``background``.
    - ``DfOverF``: ``dff``, a ratio.
    - ``SummaryImages``: mean, correlation and so on, as ``(x, y)``, a plane each.
    - ``motion_correction``: shifts that were applied, where known (``MotionCorrection`` where the
      movies are linked or copied).
    - ``intervals``: ``stimuli``, where given; ``movie_files``: which frames belong to which file
      of a session.

    ``scratch`` holds ``params_json`` and ``history_trace``. NWB asks for a start of the session,
    an indicator, a location and wavelengths: see :class:`Session` for what stands there unasked.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.nwb``.
    include_rejected
        Write rejected components too.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        The movie, its motion, the session and the animal.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Raises
    ------
    ExportError
        pynwb is not installed, the frame rate is unknown, or the file cannot be written.
    """
    require("pynwb", "nwb", "NWB")
    chosen = select(source, include_rejected=include_rejected, context=context)
    with new_export(
        out, (".nwb",), NWB_FILE, overwrite=overwrite, sources=chosen.sources
    ) as beside:
        write_nwb_file(chosen, beside, context, linked_from=Path(out), on_progress=on_progress)
        mark_hdf5(beside, "nwb")
    return Path(out)


def write_nwb_file(
    chosen: Selected,
    path: Path,
    context: Context,
    *,
    linked_from: Path | None = None,
    on_progress: OnProgress = ignore_progress,
) -> None:
    """Write the file itself, to a place that the caller has checked.

    Parameters
    ----------
    chosen
        What is written.
    path
        New file.
    context
        As in `write_nwb`.
    linked_from
        Where the file will lie, for links to movies; by default ``path``.
    on_progress
        As in `write_nwb`.
    """
    require("pynwb", "nwb", "NWB")
    import pynwb

    from napari_cnmf.io.exports.nwb import (
        _file,
        _images,
        _movie,
        _segmentation,
        _stimuli,
        _traces,
    )

    rate = _rate_of(chosen)
    recorded = chosen.timeline.recorded_s
    clock = {"rate": rate, "starting_time": 0.0} if recorded is None else {"timestamps": recorded}
    nwbfile = _file.build_file(chosen, context)
    plane = _file.add_plane(nwbfile, chosen, context)
    module = nwbfile.create_processing_module("ophys", "Cells found by napari-cnmf")
    table = _segmentation.add_components(module, plane, chosen, context)
    _traces.add_traces(module, table, chosen, clock, on_progress)
    _segmentation.add_background(module, plane, chosen, clock)
    _images.add_images(module, chosen.whole)
    _movie.add_movie_and_motion(nwbfile, chosen, context, clock=clock, out=linked_from or path)
    _stimuli.add_stimuli(nwbfile, context.stimuli)
    _stimuli.add_files(nwbfile, chosen.timeline)
    _stimuli.add_gaps(nwbfile, chosen.timeline)
    with hdf5_for_writing(path) as file, pynwb.NWBHDF5IO(file=file, mode="w") as io:
        io.write(nwbfile)


def _rate_of(chosen: Selected) -> float:
    rate = chosen.whole.frame_rate_hz
    if rate is None:
        raise ExportError(
            "NWB needs the frame rate in Hz, and the result does not say it. "
            "Run it again with data.fr set."
        )
    return float(rate)
