"""Opens Zeiss' CZI, by Zeiss' library ``pylibCZIrw``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._clock import Start, start_of_text
from napari_cnmf.io.movies._recording import Recording, positive_or_none, usual_step
from napari_cnmf.io.movies._request import Request, chosen_of
from napari_cnmf.io.movies.vendors.by_library import (
    LibraryFrames,
    opened_with,
    recording_of,
    with_facts,
)

_LIBRARY = "pylibCZIrw.czi"
_LEAD = "TZC"
_OTHER = "RIHVB"
"""Axes of views, phases and the like: a movie has one place along each."""
_DTYPES = {"Gray8": np.uint8, "Gray16": np.uint16, "Gray32Float": np.float32}


def _read_image(file: Any, number: int, lead: tuple[int, ...], scene: int | None) -> Any:
    place = zip(_LEAD, np.unravel_index(number, lead), strict=True)
    return file.read(plane={axis: int(at) for axis, at in place}, scene=scene)[..., 0]


def open_czi(path: Path, request: Request) -> Recording:
    """Open a file of Zeiss' ZEN.

    Raises
    ------
    MovieError
        The library is missing, the file is damaged or in colour, or a scene or channel must be
        chosen.
    """
    with opened_with(_LIBRARY, path, "Zeiss") as czi, czi.open_czi(str(path)) as file:
        box = dict(file.total_bounding_box)
        scenes = dict(file.scenes_bounding_rectangle)
        kinds = {str(kind) for kind in dict(file.pixel_types).values()}
        root = ElementTree.fromstring(file.raw_metadata)
    kind = next(iter(kinds), "none")
    if len(kinds) != 1 or kind not in _DTYPES:
        raise MovieError(
            f"{path} must hold gray images of one type, got {', '.join(sorted(kinds)) or 'none'}. "
            "Export the channel to analyse from ZEN."
        )
    several = [axis for axis in _OTHER if axis in box and box[axis][1] - box[axis][0] > 1]
    if several:
        raise MovieError(
            f"{path} must hold time, planes and channels only, got several places along the axes "
            f"{', '.join(several)}. Export the part to analyse from ZEN."
        )
    names = [f"scene {k} ({one.w} x {one.h} pixels)" for k, one in sorted(scenes.items())]
    place = chosen_of("field", names, request.field, path, "scenes are movies of their own")
    scene = sorted(scenes)[place or 0] if scenes else None
    area = scenes[scene] if scene is not None else file_area(box)
    lead = tuple(box[axis][1] - box[axis][0] if axis in box else 1 for axis in _LEAD)
    read = partial(_read_image, lead=lead, scene=scene)
    frames = LibraryFrames(path, _LIBRARY, "CziReader", read, lead)
    found = recording_of(
        frames, path, (*lead, area[3], area[2]), "TZCYX", np.dtype(_DTYPES[kind]),
        _channels(root), request, "Zeiss CZI",
    )  # fmt: skip
    if place is not None:
        found.metadata["field"] = place
    found = with_facts(found, _rate(root), "CZI metadata, T", _spacing(root))
    return replace(found, start=start_of_metadata(root))


def file_area(box: dict[str, tuple[int, int]]) -> tuple[int, int, int, int]:
    """Left, top, width and height of all images together."""
    (left, right), (top, bottom) = box["X"], box["Y"]
    return left, top, right - left, bottom - top


def _channels(root: ElementTree.Element) -> tuple[str, ...]:
    found = root.findall(".//Information/Image/Dimensions/Channels/Channel")
    return tuple(str(one.get("Name") or one.get("Id")) for one in found)


def _spacing(root: ElementTree.Element) -> dict[str, float]:
    """Micrometres by axis; the file has metres."""
    sizes = {}
    for one in root.findall(".//Scaling/Items/Distance"):
        value = positive_or_none(one.findtext("Value"))
        if value is not None:
            sizes[str(one.get("Id"))] = 1e6 * value
    return sizes


def start_of_metadata(root: ElementTree.Element) -> Start | None:
    """Start of the time series, or else of the acquisition."""
    image = ".//Information/Image"
    for name in ("Dimensions/T/StartTime", "AcquisitionDateAndTime"):
        began = start_of_text(root.findtext(f"{image}/{name}"), f"CZI metadata, {name}")
        if began is not None:
            return began
    return None


def _rate(root: ElementTree.Element) -> float | None:
    """Time points a second, from the interval or the times of the time series."""
    times = root.find(".//Information/Image/Dimensions/T/Positions")
    if times is None:
        return None
    step = positive_or_none(times.findtext("Interval/Increment"))
    if step is None:
        stamps = [float(text) for text in (times.findtext("List/Offsets") or "").split()]
        step = usual_step(stamps)
    return None if step is None else 1 / step
