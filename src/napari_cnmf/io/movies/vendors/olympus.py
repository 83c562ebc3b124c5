"""Opens Olympus' OIF and OIB, by the library ``oiffile``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.io.movies._recording import Recording, positive_or_none
from napari_cnmf.io.movies._request import Request
from napari_cnmf.io.movies._units import micrometres, seconds
from napari_cnmf.io.movies.vendors.by_library import (
    LibraryFrames,
    opened_with,
    recording_of,
    with_facts,
)


def _read_image(file: Any, number: int, names: tuple[str, ...]) -> Any:
    return file.asarray(names[number])


def open_oif(path: Path, request: Request) -> Recording:
    """Open a file of Olympus FluoView.

    Raises
    ------
    MovieError
        The library is missing, the file is damaged, or a channel must be chosen.
    """
    with opened_with("oiffile", path, "Olympus") as oiffile, oiffile.OifFile(str(path)) as file:
        series = file.series[0]
        names = tuple(str(name) for name in series)
        first = np.asarray(file.asarray(names[0]))
        settings = file.mainfile
        lead_axes, lead = str(series.axes).upper(), tuple(int(n) for n in series.shape)
        steps = {axis: _oif_step(settings, axis) for axis in "XYZT"}
    lead_axes = lead_axes[: len(lead)]
    read = partial(_read_image, names=names)
    frames = LibraryFrames(path, "oiffile", "OifFile", read, lead)
    shape, axes = (*lead, *first.shape), lead_axes + "YX"
    found = recording_of(frames, path, shape, axes, first.dtype, (), request, "Olympus OIF")
    step = steps["T"]
    rate = None if step is None else positive_or_none(1 / step)
    spacing = {axis: steps[axis] for axis in "XYZ"}
    found = with_facts(found, rate, "OIF header, T", spacing)
    # The images of an OIF lie in a folder beside it; an OIB holds them itself.
    folder = path.with_name(f"{path.name}.files")
    beside = tuple(sorted(folder.glob("*.tif"))) if path.suffix.lower() == ".oif" else ()
    return replace(found, frames_in=beside)


def _oif_step(settings: Any, axis: str) -> float | None:
    """Size of a pixel in micrometres, or time of a frame in seconds."""
    for k in range(8):
        one = settings.get(f"Axis {k} Parameters Common", {})
        if one.get("AxisCode") != axis:
            continue
        try:
            n = int(one["MaxSize"])
            length = abs(float(one["EndPosition"]) - float(one["StartPosition"]))
        except (KeyError, TypeError, ValueError):
            return None
        named = str(one.get("UnitName", one.get("PixUnit", "")))
        unit = seconds(named) if axis == "T" else micrometres(named)
        count = n if axis in "XY" else n - 1
        return None if unit is None or count < 1 else positive_or_none(length * unit / count)
    return None
