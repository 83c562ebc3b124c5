"""Reads ROIs of ImageJ's ROI manager."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import CurationError, ParameterError, ResultError, brief
from napari_cnmf.model.outline import pixels_inside

if TYPE_CHECKING:
    from roifile import ImagejRoi

_PIXEL_CENTRE = 0.5
"""ImageJ counts from a pixel's corner, outlines here from its centre."""
_MOVE = 0
_SEGMENT_VALUES = {_MOVE: 2, 1: 2, 2: 4, 3: 6, 4: 0}
"""Numbers after each kind of segment: move, line, quadratic and cubic curve, close."""
_CURVE_POINTS = 32
"""Lines for a curve: of one around a cell of 100 pixels they are off by a tenth of a pixel."""
_PIECE = re.compile(r"^(\d{4,})-\d+$")
"""Further pieces of a component, and its planes, as our own export names them."""


def read_rois(path: Path, dims: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """Read cells in a ``.roi`` file, a zip of them, or the overlay of a TIFF, as pixels.

    In a volume the ROI's position says the plane. Parts that our own export named ``0007`` and
    ``0007-1`` are one cell, as are the parts of a composite; a part inside of another one is its
    hole.

    Parameters
    ----------
    path
        The file.
    dims
        Field ``(Y, X)`` or ``(Z, Y, X)``.

    Returns
    -------
    list of int64 arrays
        For each cell its pixels, in C order of the field.

    Raises
    ------
    ResultError
        It cannot be read.
    ParameterError
        There is none, one is a line or a point, or covers no pixel of the field.
    """
    from roifile import roiread

    _require_field_of_overlay(path, dims)
    try:
        read = roiread(path)
        rois = read if isinstance(read, list) else [read]
        parts = [_parts_of(roi) for roi in rois]
    # The reader of ROIs raises nearly anything for what is none.
    except Exception as error:
        raise ResultError(
            f"{path} cannot be read as ImageJ ROIs: {type(error).__name__} {brief(error)}. "
            "Save them again from the ROI manager."
        ) from error
    if not rois:
        raise ParameterError(f"{path.name} must hold at least one ROI, got none.")
    cells: dict[str, list[NDArray[np.int64]]] = {}
    for number, (roi, corners) in enumerate(zip(rois, parts, strict=True)):
        name = str(roi.name or "")[:100]
        piece = _PIECE.match(name)
        key = piece.group(1) if piece else name or f"\n{number}"
        if piece is None and key in cells:
            key = f"\n{number}"  # two cells of one name
        what = f"{name or number} in {path.name}"
        cells.setdefault(key, []).append(_pixels_of(roi, corners, dims, what))
    return [np.unique(np.concatenate(pixels)) for pixels in cells.values()]


def has_rois(path: Path) -> bool:
    """Whether a TIFF carries ROIs: ImageJ's overlay, or its selection."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            notes = tiff.imagej_metadata or {}
    # what is wrong with the file is said by whoever reads it
    except (tifffile.TiffFileError, ValueError, OSError):
        return False
    return bool(notes.get("Overlays") or notes.get("ROI"))


def _require_field_of_overlay(path: Path, dims: tuple[int, ...]) -> None:
    """Refuse ROIs that lie on a picture of another field."""
    import tifffile

    if path.suffix.lower() not in (".tif", ".tiff"):
        return
    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            field = (int(page.imagelength), int(page.imagewidth))
    except (tifffile.TiffFileError, ValueError, OSError):
        return  # what is wrong with the file is said when its ROIs are read
    if field != tuple(dims[-2:]):
        raise ParameterError(
            f"The ROIs of {path.name} must be drawn on the field {tuple(dims[-2:])}, got an image "
            f"of {field}. Take those of the same recording."
        )


def _parts_of(roi: ImagejRoi) -> list[NDArray[np.float64]]:
    """Corners ``(n, 2)`` as (x, y) of each part of a ROI; curves become short lines."""
    values = roi.multi_coordinates
    if values is None:
        return [np.asarray(one, np.float64) for one in roi.coordinates(multi=True)]
    path = [float(value) for value in values]
    parts: list[list[NDArray[np.float64]]] = []
    at = 0
    while at < len(path):
        kind = int(path[at])
        n = _SEGMENT_VALUES[kind]
        points = np.array(path[at + 1 : at + 1 + n], np.float64).reshape(-1, 2)
        at += 1 + n
        if kind == _MOVE:
            parts.append([points])
        elif n == 2:
            parts[-1].append(points)
        elif n:
            parts[-1].append(_bend(np.vstack([parts[-1][-1][-1:], points])))
    return [np.vstack(part) for part in parts]


def _bend(controls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points ``(n, 2)`` along a Bezier curve, without its first."""
    t = np.linspace(0, 1, _CURVE_POINTS + 1)[1:, None, None]
    points = np.broadcast_to(controls, (_CURVE_POINTS, *controls.shape))
    while points.shape[1] > 1:
        points = (1 - t) * points[:, :-1] + t * points[:, 1:]
    return np.asarray(points[:, 0])


def _pixels_of(
    roi: ImagejRoi, parts: list[Any], dims: tuple[int, ...], what: str
) -> NDArray[np.int64]:
    """Pixels inside of an odd number of a ROI's parts: ImageJ's rule for composites."""
    inside = np.zeros(0, np.int64)
    for corners in parts:
        outline = _outline(roi, corners, dims, what)
        try:
            pixels = pixels_inside(outline, dims)
        except CurationError as error:
            if len(parts) > 1:
                continue  # a part that is smaller than a pixel, or outside of the field
            raise ParameterError(f"The ROI {what}: {error}") from error
        inside = np.setxor1d(inside, pixels)
    if not inside.size:
        raise ParameterError(
            f"The ROI {what} must cover a pixel of the field {dims}, and covers none. Check that "
            "it was drawn on this recording."
        )
    return inside


def _said_kind(kind: Any) -> str:
    """Kind of a ROI with its article."""
    word = str(kind.name).lower()
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _outline(roi: ImagejRoi, corners: Any, dims: tuple[int, ...], what: str) -> NDArray[np.float64]:
    from roifile import ROI_SUBTYPE, ROI_TYPE

    corners = np.asarray(corners, np.float64)
    areas = (ROI_TYPE.POLYGON, ROI_TYPE.RECT, ROI_TYPE.OVAL, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
    notes = (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.IMAGE)
    if roi.roitype not in areas or roi.subtype in notes or len(corners) < 3:
        kind = roi.subtype if roi.subtype in notes else roi.roitype
        raise ParameterError(
            f"The ROI {what} must be an area, got {_said_kind(kind)}. "
            "Draw around the cells, or remove it from the file."
        )
    yx = np.asarray(corners[:, ::-1] - _PIXEL_CENTRE, np.float64)
    if len(dims) == 2:
        return yx
    plane = int(roi.z_position or roi.position or 1) - 1
    return np.column_stack([np.full(len(yx), float(plane)), yx])
