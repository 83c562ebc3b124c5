"""NWB files, written with pynwb."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import select
from napari_cnmf.io.exports.writing import PathLike, new_file, require
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation

if TYPE_CHECKING:
    from napari_cnmf.io.exports.selection import Selected

__all__ = ["write_nwb"]


def write_nwb(
    source: Curation | Components,
    out: PathLike,
    *,
    include_rejected: bool = True,
    context: Context = NOTHING_KNOWN,
) -> Path:
    """Write an NWB file with everything in ``processing/ophys``.

    =========================  ===============================================================
    ``ImageSegmentation``      ``PlaneSegmentation``: a row a component (its ``id`` the stable
                               id) with ``pixel_mask`` (x, y, weight), or ``voxel_mask`` (x, y,
                               z, weight) of a volume; ``accepted``, decision, scores, tags, note
    ``Fluorescence``           ``raw``, ``denoised``, ``spikes``; for one-photon ``detrended``
    ``DfOverF``                ``dff``, a ratio
    ``ImageSegmentation``      ``Background``: image masks of the low-rank background, its time
    ``Fluorescence``           courses in ``background``
    ``SummaryImages``          mean, correlation and so on, as ``(x, y)``, a plane each
    ``motion_correction``      shifts that were applied, where known (``MotionCorrection`` where
                               the movies are linked or copied)
    ``intervals``              ``stimuli``, where given
    =========================  ===============================================================

    ``scratch`` holds ``params_json`` and ``history_trace``. NWB asks for a start of the session,
    an indicator, a location and wavelengths: see :class:`Session` for what stands there unasked.

    Raises
    ------
    ExportError
        pynwb is not installed, the frame rate is unknown, or the file cannot be written.
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

    chosen = select(source, include_rejected=include_rejected)
    rate = _rate_of(chosen)
    nwbfile = _file.build_file(chosen, context)
    plane = _file.add_plane(nwbfile, chosen, context)
    module = nwbfile.create_processing_module("ophys", "Cells found by napari-cnmf")
    table = _segmentation.add_components(module, plane, chosen, context)
    _traces.add_traces(module, table, chosen, rate)
    _segmentation.add_background(module, plane, chosen, rate)
    _images.add_images(module, chosen.components)
    _movie.add_movie_and_motion(nwbfile, chosen, context, rate=rate, out=Path(out))
    _stimuli.add_stimuli(nwbfile, context.stimuli)
    with new_file(out, (".nwb",)) as beside, pynwb.NWBHDF5IO(beside, "w") as io:
        io.write(nwbfile)
    return Path(out)


def _rate_of(chosen: Selected) -> float:
    rate = chosen.components.frame_rate_hz
    if rate is None:
        raise ExportError(
            "NWB needs the frame rate in Hz, and the result does not say it. "
            "Run it again with data.fr set."
        )
    return float(rate)
