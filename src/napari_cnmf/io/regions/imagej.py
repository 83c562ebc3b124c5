"""ROIs of ImageJ's ROI manager."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import ParameterError, ResultError

if TYPE_CHECKING:
    from roifile import ImagejRoi

_PIXEL_CENTRE = 0.5
"""ImageJ counts from a pixel's corner, outlines here from its centre."""
_PIECE = re.compile(r"^(\d{4,})-\d+$")
"""Further pieces of a component, and its planes, as our own export names them."""


@dataclass(frozen=True, eq=False)
class Rois:
    """Outlines, and which cell each is a part of.

    Attributes
    ----------
    outlines
        ``(n, 2)`` as (y, x), or ``(n, 3)`` as (z, y, x) of a volume; integers are pixel centres.
    cells
        From 0, one for each outline.
    """

    outlines: list[NDArray[np.float64]]
    cells: list[int]


def read_rois(path: Path, dims: tuple[int, ...]) -> Rois:
    """Areas in a ``.roi`` file or a zip of them.

    In a volume the ROI's position says the plane. Parts that our own export named ``0007`` and
    ``0007-1`` are one cell, as are the parts of a composite.

    Raises
    ------
    ResultError
        It cannot be read.
    ParameterError
        There is none, or one is a line or a point.
    """
    from roifile import roiread

    try:
        read = roiread(path)
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        struct.error,
        BadZipFile,
    ) as error:
        raise ResultError(
            f"{path} cannot be read as ImageJ ROIs: {error}. Save them again from the ROI manager."
        ) from error
    rois = read if isinstance(read, list) else [read]
    if not rois:
        raise ParameterError(f"{path.name} must hold at least one ROI, got none.")
    outlines, cells = [], []
    known: dict[str, int] = {}
    for number, roi in enumerate(rois):
        name = str(roi.name or "")
        piece = _PIECE.match(name)
        key = piece.group(1) if piece else name or f"\n{number}"
        if piece is None and key in known:
            key = f"\n{number}"  # two cells of one name
        cell = known.setdefault(key, len(known))
        for corners in roi.coordinates(multi=True):
            outlines.append(_outline(roi, corners, dims, f"{name or number} in {path.name}"))
            cells.append(cell)
    return Rois(outlines, cells)


def _outline(roi: ImagejRoi, corners: Any, dims: tuple[int, ...], what: str) -> NDArray[np.float64]:
    from roifile import ROI_TYPE

    corners = np.asarray(corners, np.float64)
    areas = (ROI_TYPE.POLYGON, ROI_TYPE.RECT, ROI_TYPE.OVAL, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
    if roi.roitype not in areas or len(corners) < 3:
        raise ParameterError(
            f"The ROI {what} must be an area, got a {roi.roitype.name.lower()}. "
            "Draw around the cells, or remove it from the file."
        )
    yx = np.asarray(corners[:, ::-1] - _PIXEL_CENTRE, np.float64)
    if len(dims) == 2:
        return yx
    plane = int(roi.z_position or roi.position or 1) - 1
    return np.column_stack([np.full(len(yx), float(plane)), yx])
