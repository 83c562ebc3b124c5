"""Frame rate, pixel size and axes from what TIFF writers note: ImageJ, OME, ScanImage, ours."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_cnmf.io.movies._recording import positive_or_none
from napari_cnmf.io.movies._units import micrometres, seconds


@dataclass(frozen=True)
class TiffFacts:
    """What the header of a TIFF says.

    Attributes
    ----------
    frame_rate_hz
        Of frames, or volumes; ``None`` when nothing says.
    spacing_um
        By axis letter.
    page_axes, page_shape
        How the pages are arranged, where the writer says it better than ``tifffile`` guesses.
    metadata
        Plain values, with ``frame_rate_from`` naming where the rate was found.
    """

    frame_rate_hz: float | None = None
    spacing_um: Mapping[str, float] = field(default_factory=dict)
    page_axes: str | None = None
    page_shape: tuple[int, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


def read_tiff_facts(tiff: tifffile.TiffFile) -> TiffFacts:
    """Ask the writers in turn; an empty answer when none left a note."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome(tiff.ome_metadata)
    if tiff.is_scanimage:
        return _scanimage(tiff)
    if tiff.is_imagej:
        return _imagej(tiff)
    if tiff.is_shaped and tiff.shaped_metadata:
        return _shaped(tiff.shaped_metadata[0])
    return TiffFacts()


def _shaped(notes: Mapping[str, Any]) -> TiffFacts:
    """What ``tifffile`` users write as ``metadata=``."""
    for key in ("frame_rate_hz", "frame_rate", "fps", "fr"):
        rate = positive_or_none(notes.get(key))
        if rate is not None:
            return TiffFacts(rate, _listed_spacing(notes), metadata={"frame_rate_from": key})
    interval = positive_or_none(notes.get("finterval"))
    if interval is None:
        return TiffFacts(None, _listed_spacing(notes))
    return TiffFacts(
        1 / interval, _listed_spacing(notes), metadata={"frame_rate_from": "finterval"}
    )


def _listed_spacing(notes: Mapping[str, Any]) -> dict[str, float]:
    """Our writer's ``pixel_size_um`` as ``([dz], dy, dx)``."""
    values = notes.get("pixel_size_um")
    if not isinstance(values, list) or not 2 <= len(values) <= 3:
        return {}
    named = zip("ZYX"[-len(values) :], values, strict=True)
    return {axis: size for axis, value in named if (size := positive_or_none(value))}


def _imagej(tiff: tifffile.TiffFile) -> TiffFacts:
    """ImageJ: ``finterval`` is the time between frames; ``fps`` only how fast it is played."""
    notes = tiff.imagej_metadata or {}
    found: dict[str, Any] = {}
    rate = None
    interval = positive_or_none(notes.get("finterval"))
    per_unit = seconds(str(notes.get("tunit", "sec")))
    if interval is not None and per_unit is not None:
        rate = 1 / (interval * per_unit)
        found["frame_rate_from"] = "ImageJ finterval"
    elif (fps := positive_or_none(notes.get("fps"))) is not None:
        rate = fps
        found["frame_rate_from"] = "ImageJ fps"
    spacing: dict[str, float] = {}
    unit_um = micrometres(str(notes.get("unit", "")))
    if unit_um is not None:
        if (depth := positive_or_none(abs(float(notes.get("spacing", 0) or 0)))) is not None:
            spacing["Z"] = depth * unit_um
        spacing |= {a: size * unit_um for a, size in _resolution(tiff).items()}
    return TiffFacts(rate, spacing, metadata=found)


def _resolution(tiff: tifffile.TiffFile) -> dict[str, float]:
    """Units per pixel from the resolution tags, ``{}`` when they say nothing."""
    tags = tiff.pages.first.tags
    sizes = {}
    for axis, name in (("Y", "YResolution"), ("X", "XResolution")):
        value = tags.valueof(name)
        if isinstance(value, tuple) and len(value) == 2 and value[0] and value[1]:
            sizes[axis] = value[1] / value[0]
    return sizes


def _ome(xml: str) -> TiffFacts:
    """OME: ``TimeIncrement``, or the times of the planes."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return TiffFacts()
    pixels = next((e for e in root.iter() if e.tag.endswith("}Pixels")), None)
    if pixels is None:
        return TiffFacts()
    spacing = {}
    for axis in "ZYX":
        size = positive_or_none(pixels.get(f"PhysicalSize{axis}"))
        unit = micrometres(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        if size is not None and unit is not None:
            spacing[axis] = size * unit
    increment = positive_or_none(pixels.get("TimeIncrement"))
    unit = seconds(pixels.get("TimeIncrementUnit", "s"))
    if increment is not None and unit is not None:
        found = {"frame_rate_from": "OME TimeIncrement"}
        return TiffFacts(1 / (increment * unit), spacing, metadata=found)
    rate = _ome_plane_rate(pixels)
    found = {} if rate is None else {"frame_rate_from": "OME Plane DeltaT"}
    return TiffFacts(rate, spacing, metadata=found)


def _ome_plane_rate(pixels: ElementTree.Element) -> float | None:
    """From the median step between the first planes of successive time points."""
    times: dict[int, float] = {}
    for plane in pixels:
        if not plane.tag.endswith("}Plane") or plane.get("DeltaT") is None:
            continue
        if plane.get("TheZ", "0") != "0" or plane.get("TheC", "0") != "0":
            continue
        unit = seconds(plane.get("DeltaTUnit", "s"))
        if unit is not None:
            times[int(plane.get("TheT", "0"))] = float(plane.get("DeltaT", "nan")) * unit
    if len(times) < 2:
        return None
    frames = np.array(sorted(times))
    steps = np.diff([times[int(t)] for t in frames]) / np.diff(frames)
    return positive_or_none(1 / step) if (step := float(np.median(steps))) > 0 else None


def _scanimage(tiff: tifffile.TiffFile) -> TiffFacts:
    """ScanImage: rate and arrangement of channels, planes and volumes from its header."""
    header, regions = _scanimage_header(tiff)
    if not header:
        return _scanimage_legacy(tiff)
    channels = header.get("SI.hChannels.channelSave", 1)
    n_channels = int(np.size(channels))
    volumetric = bool(header.get("SI.hFastZ.enable") or header.get("SI.hStackManager.enable"))
    n_slices = int(
        positive_or_none(header.get("SI.hStackManager.actualNumSlices"))
        or positive_or_none(header.get("SI.hStackManager.numSlices"))
        or 1
    )
    per_slice = positive_or_none(header.get("SI.hStackManager.framesPerSlice")) or 1
    rate = positive_or_none(header.get("SI.hRoiManager.scanFrameRate"))
    averaged = positive_or_none(header.get("SI.hScan2D.logAverageFactor")) or 1
    found = {"frame_rate_from": "ScanImage scanFrameRate"}
    n_pages = len(tiff.pages)
    axes: str | None = "TC"
    shape: tuple[int, ...] = (n_pages // n_channels, n_channels)
    if volumetric and n_slices > 1:
        found = {"frame_rate_from": "ScanImage scanVolumeRate"}
        rate = positive_or_none(header.get("SI.hRoiManager.scanVolumeRate"))
        if per_slice == 1:
            axes, shape = "TZC", (n_pages // (n_slices * n_channels), n_slices, n_channels)
        else:
            # planes one after the other, a movie each: no volume in time
            axes, shape, rate = None, (), None
    if rate is not None:
        rate /= averaged
    return TiffFacts(rate, _scanimage_spacing(header, regions), axes, shape, found if rate else {})


def _scanimage_legacy(tiff: tifffile.TiffFile) -> TiffFacts:
    """ScanImage 3 to 5 note their settings in the description of the first page."""
    text = str(tiff.pages.first.description)
    for key in ("scanFrameRate", r"state\.acq\.frameRate"):
        match = re.search(rf"{key}\s*=\s*([0-9.eE+-]+)", text)
        rate = positive_or_none(match.group(1)) if match else None
        if rate is not None:
            name = key.replace("\\", "")
            return TiffFacts(rate, metadata={"frame_rate_from": f"ScanImage {name}"})
    return TiffFacts()


def _scanimage_header(tiff: tifffile.TiffFile) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Settings and regions, from the head of the file or the tags of its first page."""
    noted = tiff.scanimage_metadata or {}
    if noted.get("FrameData"):
        return noted["FrameData"], noted.get("RoiGroups") or {}
    software = str(tiff.pages.first.software)
    if not software.startswith("SI."):
        return {}, {}
    try:
        regions = json.loads(str(tiff.pages.first.tags.valueof("Artist", default="{}")))
    except ValueError:
        regions = {}
    return tifffile.matlabstr2py(software), regions.get("RoiGroups") or {}


def _scanimage_spacing(header: Mapping[str, Any], groups: Mapping[str, Any]) -> dict[str, float]:
    """Size in degrees of the first scan field, times micrometres a degree, by its pixels."""
    spacing = {}
    step = positive_or_none(abs(float(header.get("SI.hStackManager.stackZStepSize") or 0)))
    if step is not None:
        spacing["Z"] = step
    per_degree = positive_or_none(header.get("SI.objectiveResolution"))
    try:
        rois = groups["imagingRoiGroup"]["rois"]
        fields = (rois[0] if isinstance(rois, list) else rois)["scanfields"]
        one = fields[0] if isinstance(fields, list) else fields
        sizes = [s / n for s, n in zip(one["sizeXY"], one["pixelResolutionXY"], strict=True)]
    except (KeyError, TypeError, IndexError, ValueError, ZeroDivisionError):
        return spacing
    if per_degree is not None and all(math.isfinite(size) and size > 0 for size in sizes):
        spacing |= {"X": sizes[0] * per_degree, "Y": sizes[1] * per_degree}
    return spacing
