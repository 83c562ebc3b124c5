"""Opens Nikon's ND2, by the library ``nd2``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.movies._clock import Start, start_of_seconds
from napari_cnmf.io.movies._recording import Recording, number_or_none, positive_or_none
from napari_cnmf.io.movies._request import ChoiceNeededError, Request
from napari_cnmf.io.movies.vendors.by_library import (
    LibraryFrames,
    opened_with,
    recording_of,
    with_facts,
)

_JULIAN_1970 = 2440587.5
"""Julian day at the beginning of 1970."""


def _read_image(file: Any, number: int) -> Any:
    return file.read_frame(number)


def open_nd2(path: Path, request: Request) -> Recording:
    """Open a file of Nikon's NIS-Elements.

    Raises
    ------
    MovieError
        The library is missing, the file is damaged, or a channel or position must be chosen.
    """
    with opened_with("nd2", path, "Nikon") as nd2, nd2.ND2File(path) as file:
        sizes = dict(file.sizes)
        dtype = np.dtype(file.dtype)
        voxel = file.voxel_size()
        channels = [str(c.channel.name) for c in (file.metadata.channels or [])]
        rate = _nd2_rate(file)
        times = _nd2_times(file, sizes)
        start = _nd2_start(file)
    lead = tuple(size for axis, size in sizes.items() if axis not in "CYXS")
    axes = "".join(sizes)
    if sizes.get("P", 1) > 1:
        raise ChoiceNeededError(
            f"{path} holds {sizes['P']} positions of the stage, each a movie of its own. Save the "
            "one to analyse as a file of its own in NIS-Elements.",
            "field",
            [],
        )
    frames = LibraryFrames(path, "nd2", "ND2File", _read_image, lead)
    shape = tuple(sizes.values())
    found = recording_of(frames, path, shape, axes, dtype, channels, request, "Nikon ND2")
    spacing = {"X": voxel.x, "Y": voxel.y, "Z": voxel.z}
    found = with_facts(found, rate, "ND2 time loop", spacing)
    found = replace(found, start=start)
    return found.with_times(times, "ND2 times of the frames")


def _nd2_times(file: Any, sizes: dict[str, int]) -> NDArray[np.float64] | None:
    """``(T,)`` seconds of the first image of each time point; ``None`` where they are not noted."""
    lead = [axis for axis in sizes if axis not in "CYXS"]
    if lead[:1] != ["T"]:
        return None
    stamps = np.asarray(file.events(orient="list").get("Time [s]", []), np.float64)
    n_images = int(np.prod([sizes[axis] for axis in lead]))
    return stamps[:: n_images // sizes["T"]] if stamps.size == n_images else None


def _nd2_start(file: Any) -> Start | None:
    """Moment that the times of the frames count from, by the date of the first one."""
    try:
        noted = file.frame_metadata(0).channels[0].time
        days = positive_or_none(noted.absoluteJulianDayNumber)
        since = number_or_none(noted.relativeTimeMs)
    except (AttributeError, IndexError, TypeError):
        return None
    if days is None or since is None:
        return None
    began = start_of_seconds(86400 * (days - _JULIAN_1970), 1e-3, "ND2 date of the first frame")
    return None if began is None else began.later(-since / 1000)


def _nd2_rate(file: Any) -> float | None:
    for loop in file.experiment or []:
        if getattr(loop, "type", "") == "TimeLoop":
            measured = getattr(getattr(loop.parameters, "periodDiff", None), "avg", None)
            period = positive_or_none(measured) or positive_or_none(loop.parameters.periodMs)
            return None if period is None else 1000 / period
    return None
