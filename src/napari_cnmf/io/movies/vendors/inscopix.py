"""Opens Inscopix' ISXD, by Inscopix' library ``isx``."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.io.movies._clock import start_of_moment
from napari_cnmf.io.movies._recording import Recording, positive_or_none
from napari_cnmf.io.movies._request import Request
from napari_cnmf.io.movies.vendors.by_library import (
    LibraryFrames,
    opened_with,
    recording_of,
    with_facts,
)


def _read_image(movie: Any, number: int) -> Any:
    return movie.get_frame_data(number)


def open_isxd(path: Path, request: Request) -> Recording:
    """Open a movie of an Inscopix miniscope.

    Raises
    ------
    MovieError
        The library is missing, or the file is damaged.
    """
    with opened_with("isx", path, "Inscopix") as isx:
        movie = isx.Movie.read(str(path))
        timing = movie.timing
        n_frames = int(timing.num_samples)
        shape = tuple(int(n) for n in movie.spacing.num_pixels)
        dtype = np.dtype(movie.data_type)
        period = positive_or_none(timing.period.secs_float)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what isx itself calls
            began = timing.start.to_datetime()
        lost = len(timing.dropped) + sum(b - a + 1 for a, b in getattr(timing, "cropped", []))
    frames = LibraryFrames(path, "isx", "Movie.read", _read_image, (n_frames,))
    shape = (n_frames, *shape)
    found = recording_of(frames, path, shape, "TYX", dtype, (), request, "Inscopix ISXD")
    remarks: tuple[str, ...] = ()
    if lost:
        remarks = (f"{lost} of {n_frames} frames were dropped or cut out while recording.",)
    rate = None if period is None else 1 / period
    # A movie without a start begins with 1970.
    start = start_of_moment(began, 1e-3, "ISXD header, start") if began.year > 1970 else None
    found = with_facts(found, rate, "ISXD header, period", {})
    return replace(found, remarks=remarks, start=start)
