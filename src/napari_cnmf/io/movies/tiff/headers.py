"""Reads what programs note in TIFF files: ImageJ, ``tifffile``, and what all others share.

ScanImage and OME say much more and stand in files of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_cnmf.io.movies._attributes import rate_among, spacing_among
from napari_cnmf.io.movies._recording import number_or_none, positive_or_none
from napari_cnmf.io.movies._units import micrometres, seconds
from napari_cnmf.io.movies.tiff.pages import has_one_image
from napari_cnmf.model.description import Certainty, Fact


@dataclass(frozen=True)
class Header:
    """Statements in the header of a TIFF file.

    Attributes
    ----------
    format
        The program that wrote it.
    lead, lead_shape
        Axes of the images and their sizes; ``("", ())`` where the header does not say.
    within
        Axes of one image where the header names others than the tags; empty where it does not.
    is_one_run
        The images after the first one have no header of their own.
    n_images
        Number of images that the header names; ``None`` where it does not.
    channels
        Names of the channels, where there are such.
    frame_rate_hz, rate_from
        Rate of frames or volumes, and where it stands.
    spacing_um
        Pixel size by axis letter.
    values
        ``(offset, scale)`` that turn stored values into those recorded.
    facts, remarks
        Statements that the program makes beyond these.
    """

    format: str
    lead: str = ""
    lead_shape: tuple[int, ...] = ()
    within: str = ""
    is_one_run: bool = False
    n_images: int | None = None
    channels: tuple[str, ...] = ()
    frame_rate_hz: float | None = None
    rate_from: str = ""
    spacing_um: Mapping[str, float] = field(default_factory=dict)
    values: tuple[float, float] = (0.0, 1.0)
    facts: Mapping[str, Fact] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def numbers(self, n_images: int) -> tuple[NDArray[np.int64], str]:
        """Number of the image at each place of ``lead_shape``, -1 if missing, and the axes."""
        if n_images == 1 and int(np.prod(self.lead_shape)) == 1:
            return np.zeros((), np.int64), ""
        if not self.lead:
            return np.arange(n_images, dtype=np.int64), "T"
        numbers = np.arange(int(np.prod(self.lead_shape)), dtype=np.int64)
        numbers[n_images:] = -1  # a file that lost its end
        return numbers.reshape(self.lead_shape), self.lead


def read_header(tiff: tifffile.TiffFile) -> Header:
    """Ask the writers in turn; a file that none of them wrote is a plain TIFF."""
    if tiff.is_imagej:
        return _imagej(tiff)
    # Not tiff.shaped_metadata: it looks at every image of a file that was written in a loop.
    described = _shape_notes(tiff.pages.first)
    if described:
        return _shaped(tiff, described)
    return Header("TIFF")


def _shape_notes(page: tifffile.TiffPage) -> Mapping[str, Any]:
    """JSON in which ``tifffile`` notes shape and metadata; empty where there is none."""
    # Older versions of tifffile give the text itself as "is_shaped".
    text = getattr(page, "shaped_description", page.is_shaped)
    try:
        notes = json.loads(str(text or "{}"))
    except (ValueError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) and isinstance(notes.get("shape"), list) else {}


def _shaped(tiff: tifffile.TiffFile, notes: Mapping[str, Any]) -> Header:
    """Header of what ``tifffile`` users write as ``metadata=``."""
    page = tiff.pages.first
    shape = tuple(int(n) for n in notes.get("shape", ()))
    lead_shape = shape[: len(shape) - len(page.shape)]
    axes = str(notes.get("axes", ""))
    lead = axes[: len(lead_shape)] if len(axes) == len(shape) else ""
    if not lead and lead_shape:
        # One axis of images without a name is time; which of several it is must be asked.
        lead = "T" if len(lead_shape) == 1 else "Q" * len(lead_shape)
    # Three or four planes are stored as the samples of a colour, unless one says photometric=.
    within = axes[len(lead_shape) :] if len(axes) == len(shape) else ""
    rate, noted = rate_among([notes])
    source = noted.get("frame_rate_from", "").replace("attribute", "TIFF header,")
    interval = positive_or_none(notes.get("finterval"))
    if rate is None and interval is not None:
        rate, source = 1 / interval, "TIFF header, finterval"
    return Header(
        "TIFF of tifffile",
        lead,
        lead_shape,
        within if sorted(within) in (["X", "Y", "Z"], ["T", "X", "Y"]) else "",
        is_one_run=bool(notes.get("truncated")),
        n_images=int(np.prod(lead_shape)),
        frame_rate_hz=rate,
        rate_from=source,
        spacing_um=spacing_among([notes]),
    )


_IMAGEJ_ORDERS = {
    "czt": ("TZC", ("frames", "slices", "channels")),
    "ctz": ("ZTC", ("slices", "frames", "channels")),
    "zct": ("TCZ", ("frames", "channels", "slices")),
    "ztc": ("CTZ", ("channels", "frames", "slices")),
    "tcz": ("ZCT", ("slices", "channels", "frames")),
    "tzc": ("CZT", ("channels", "slices", "frames")),
}


def _imagej(tiff: tifffile.TiffFile) -> Header:
    """Header of ImageJ: stacks, hyperstacks, calibration; ``fps`` is only the speed of playing."""
    notes = tiff.imagej_metadata or {}
    page = tiff.pages.first
    lead, names = _IMAGEJ_ORDERS.get(str(notes.get("order", "czt")).lower(), _IMAGEJ_ORDERS["czt"])
    sizes = {name: int(positive_or_none(notes.get(name)) or 1) for name in names}
    images = int(positive_or_none(notes.get("images")) or 1)
    rate, source, remarks, facts = _imagej_rate(notes)
    # Images without headers of their own follow the pixels of the first one. Where its header lies
    # there, what it says is left over from the stack that the image was taken from.
    follows_pixels = page.is_final and page.offset > page.dataoffsets[0]
    if images > 1 and follows_pixels and has_one_image(tiff):
        remarks.append(
            f"The ImageJ header names {images} images and one is there: it is that of the stack "
            "from which the image was saved."
        )
        images, sizes = 1, dict.fromkeys(names, 1)
    if sizes["channels"] > 1 and "S" in page.axes:
        sizes["channels"] = 1  # the channels are the samples of each pixel
    named = int(np.prod(list(sizes.values())))
    if named != images and named == 1:
        sizes["frames"] = named = images
    kept = [(axis, sizes[name]) for axis, name in zip(lead, names, strict=True) if sizes[name] > 1]
    if [axis for axis, _ in kept] == ["Z"]:
        # ImageJ calls the images of any stack slices, unless its user says otherwise.
        remarks.append(
            f"ImageJ calls the {images} images slices. They are read as frames in time; if they "
            "are planes of one volume, this is no recording in time."
        )
    offset, scale, told = _imagej_calibration(notes, np.dtype(page.dtype))
    return Header(
        "ImageJ TIFF",
        "".join(axis for axis, _ in kept),
        tuple(size for _, size in kept),
        is_one_run=page.is_final and page.is_contiguous and not follows_pixels,
        n_images=named,
        frame_rate_hz=rate,
        rate_from=source,
        spacing_um=_imagej_spacing(tiff, notes),
        values=(offset, scale),
        facts=facts,
        remarks=(*remarks, *told),
    )


def _imagej_rate(
    notes: Mapping[str, Any],
) -> tuple[float | None, str, list[str], dict[str, Fact]]:
    interval = positive_or_none(notes.get("finterval"))
    per_unit = seconds(str(notes.get("tunit", "sec")))
    if interval is not None and per_unit is not None:
        return 1 / (interval * per_unit), "ImageJ header, finterval", [], {}
    fps = positive_or_none(notes.get("fps"))
    if fps is None:
        return None, "", [], {}
    remark = (
        f"{fps:g} Hz (fps) is the speed at which ImageJ plays the stack, not the rate of the "
        "recording. Say the rate of the recording (data.fr)."
    )
    fact = Fact(None, "unknown", f"ImageJ's playing speed is {fps:g} Hz", Certainty.ASKED)
    return None, "", [remark], {"frame_rate_hz": fact}


def _imagej_calibration(
    notes: Mapping[str, Any], dtype: np.dtype[Any]
) -> tuple[float, float, list[str]]:
    """Straight line from stored to recorded values, and sentences about it."""
    function = notes.get("cf")
    if function is None or int(positive_or_none(function) or 0) == 20:
        return 0.0, 1.0, []
    if int(positive_or_none(function) or 0) != 0:
        return (
            0.0,
            1.0,
            [
                "ImageJ's calibration of the values is a curve and is not applied: the stored "
                "values are analysed."
            ],
        )
    offset, scale = number_or_none(notes.get("c0")) or 0.0, number_or_none(notes.get("c1"))
    if not scale or (offset, scale) == (0.0, 1.0):
        return 0.0, 1.0, []
    line = f"{offset:+g}" if scale == 1 else f"x {scale:g} {offset:+g}"
    how = "signed 16 bit" if (offset, scale, dtype.kind) == (-32768, 1, "u") else "calibrated"
    remark = (
        f"The values are stored {line} away by ImageJ's calibration ({how}), which is applied. "
        "Open the stored values with offset=0."
    )
    return offset, scale, [remark]


def _imagej_spacing(tiff: tifffile.TiffFile, notes: Mapping[str, Any]) -> dict[str, float]:
    unit_um = micrometres(str(notes.get("unit", "")))
    if unit_um is None:
        return {}
    spacing: dict[str, float] = {}
    depth = positive_or_none(abs(number_or_none(notes.get("spacing")) or 0))
    if depth is not None:
        spacing["Z"] = depth * unit_um
    tags = tiff.pages.first.tags
    for axis, name in (("Y", "YResolution"), ("X", "XResolution")):
        value = tags.valueof(name)
        if isinstance(value, tuple) and len(value) == 2 and value[0] and value[1]:
            spacing[axis] = value[1] / value[0] * unit_um
    return spacing
