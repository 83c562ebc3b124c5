"""Opens Inscopix' ISXD, by Inscopix' library ``isx``."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.movies._recording import Recording, positive_or_none
from napari_cnmf.io.movies._request import Request
from napari_cnmf.io.movies.vendors.by_library import (
    LibraryFrames,
    opened_with,
    recording_of,
    with_facts,
)


class _IsxReader:
    """Frames of an Inscopix movie: ``(T, Y, X)``."""

    def __init__(self, path: Path, part: None) -> None:
        self._path = path

    def __enter__(self) -> _IsxReader:
        self._movie = import_module("isx").Movie.read(str(self._path))
        return self

    def __exit__(self, *_: object) -> None:
        del self._movie

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        numbers = np.atleast_1d(np.arange(self._movie.timing.num_samples)[index[0]])
        frames = [np.asarray(self._movie.get_frame_data(int(n)))[index[1:]] for n in numbers]
        return np.stack(frames)


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
        lost = len(timing.dropped) + sum(b - a + 1 for a, b in getattr(timing, "cropped", []))
    frames = LibraryFrames(path, _IsxReader)
    found = recording_of(frames, (n_frames, *shape), "TYX", dtype, (), request, "Inscopix ISXD")
    remarks: tuple[str, ...] = ()
    if lost:
        remarks = (f"{lost} of {n_frames} frames were dropped or cut out while recording.",)
    rate = None if period is None else 1 / period
    return replace(with_facts(found, rate, "ISXD header, period", {}), remarks=remarks)
