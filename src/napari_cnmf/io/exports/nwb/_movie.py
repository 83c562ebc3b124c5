"""Adds the movie, linked or copied, and the shifts of its motion correction."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hdmf.backends.hdf5 import H5DataIO
from hdmf.data_utils import DataChunkIterator
from hdmf.utils import get_docval
from numpy.typing import NDArray
from pynwb import TimeSeries
from pynwb.image import ImageSeries
from pynwb.ophys import CorrectedImageStack, MotionCorrection, OnePhotonSeries, TwoPhotonSeries

from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports.context import Context, MovieIn
from napari_cnmf.io.exports.nwb._file import PLANE, is_one_photon
from napari_cnmf.io.exports.selection import Selected
from napari_cnmf.io.motion import MotionRecord
from napari_cnmf.model.movie import Movie

# pynwb asks for it where it knows it, and earlier versions do not take it.
_TAKES_NUM_SAMPLES = any(arg["name"] == "num_samples" for arg in get_docval(ImageSeries.__init__))
Clock = dict[str, Any]
"""``rate`` and ``starting_time``, or ``timestamps``, as pynwb takes them."""
_BYTES_AT_ONCE = 64 * 2**20


def add_movie_and_motion(
    nwbfile: Any, chosen: Selected, context: Context, *, clock: Clock, out: Path
) -> None:
    """Add the recording to ``acquisition``; what was corrected to ``processing/ophys``."""
    module, plane = nwbfile.processing["ophys"], nwbfile.imaging_planes[PLANE]
    series_type = OnePhotonSeries if is_one_photon(chosen) else TwoPhotonSeries
    acquired: dict[str, Any] = {
        "name": series_type.__name__,
        "imaging_plane": plane,
        "description": "Frames of the recording",
    }
    motion, movie = context.motion, context.movie
    shifts = None if motion is None else _shifts(motion, clock)
    if context.movie_in_nwb is MovieIn.NOT:
        if shifts is not None:
            module.add(shifts("motion_correction"))
        return
    if movie is None:
        raise ExportError(
            "The movie shall go into the NWB file, and none was given. Name it (--movie PATH), or "
            "leave it out."
        )
    frames = _frames(movie, context.movie_in_nwb, clock, out)
    if shifts is None or not context.uncorrected_paths:
        nwbfile.add_acquisition(series_type(**acquired, **frames))
        if shifts is not None:
            module.add(shifts("motion_correction"))
        return
    original = series_type(**acquired, **_linked(context.uncorrected_paths, movie, clock, out))
    nwbfile.add_acquisition(original)
    stack = CorrectedImageStack(
        corrected=ImageSeries(
            name="corrected", description="Frames after motion correction", **frames
        ),
        original=original,
        xy_translation=shifts("xy_translation"),
    )
    module.add(MotionCorrection(name="MotionCorrection", corrected_image_stacks=[stack]))


def _shifts(motion: MotionRecord, clock: Clock) -> Any:
    """Series of what was added to each frame's coordinates, ``(T, x, y[, z])``."""
    moved = np.asarray(-motion.shifts[:, ::-1], np.float32)
    said = "rigid part of the non-rigid shifts" if motion.field is not None else "rigid shifts"

    def build(name: str) -> TimeSeries:
        return TimeSeries(
            name=name,
            description=f"By how many pixels each frame was moved along x, y (and z): {said}",
            data=moved,
            unit="pixels",
            **clock,
        )

    return build


def _frames(movie: Movie, how: MovieIn, clock: Clock, out: Path) -> dict[str, Any]:
    if how is MovieIn.LINKED:
        return _linked(movie.paths, movie, clock, out)
    per_frame = int(np.prod(movie.dims)) * movie.dtype.itemsize
    n_dims = len(movie.dims)
    order = (0, *range(n_dims, 0, -1))
    chunks = DataChunkIterator(
        data=_one_by_one(movie, max(1, _BYTES_AT_ONCE // per_frame), order),
        maxshape=tuple(movie.shape[axis] for axis in order),
        dtype=movie.dtype,
        buffer_size=max(1, _BYTES_AT_ONCE // 8 // per_frame),
    )
    data = H5DataIO(chunks, compression="gzip", shuffle=True)
    return {"data": data, "unit": "a.u."} | clock


def _one_by_one(movie: Movie, step: int, order: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Yield frames as ``(X, Y[, Z])``, read in blocks."""
    for start in range(0, movie.n_frames, step):
        yield from np.asarray(movie.data[start : start + step]).transpose(order)


def _linked(paths: Sequence[Path], movie: Movie, clock: Clock, out: Path) -> dict[str, Any]:
    """Paths relative to the NWB file, so that both can move together."""
    missing = [path for path in paths if not Path(path).is_file()]
    if not paths or missing:
        raise ExportError(
            "A movie to link to must lie in files, got "
            f"{missing[0] if missing else 'an array in memory'}. Copy it into the NWB file instead."
        )
    n_frames = {"num_samples": movie.n_frames} if _TAKES_NUM_SAMPLES else {}
    return (
        n_frames
        | clock
        | {
            "external_file": [_relative(Path(path), out) for path in paths],
            "starting_frame": _first_frames(paths),
            "format": "external",
            "dimension": list(movie.dims[::-1]),
            "unit": "a.u.",
        }
    )


def _first_frames(paths: Sequence[Path]) -> list[int]:
    if len(paths) == 1:
        return [0]
    from napari_cnmf.io import open_movie

    counts = [open_movie(path).n_frames for path in paths]
    return [0, *np.cumsum(counts[:-1]).tolist()]


def _relative(path: Path, out: Path) -> str:
    try:
        return Path(os.path.relpath(path.absolute(), out.absolute().parent)).as_posix()
    except ValueError:  # on another drive of Windows
        return path.absolute().as_posix()
