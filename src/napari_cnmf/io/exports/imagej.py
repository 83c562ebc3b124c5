"""Outlines for ImageJ's ROI manager."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import PathLike, new_file
from napari_cnmf.model.components import Components
from napari_cnmf.model.contours import contours
from napari_cnmf.model.curation import Curation

if TYPE_CHECKING:
    from roifile import ImagejRoi

_PIXEL_CENTRE = 0.5
"""ImageJ counts from a pixel's corner, contours from its centre."""

_GREEN, _RED = b"\xff\x2e\xcc\x71", b"\xff\xe7\x4c\x3c"
_EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def write_imagej(
    source: Curation | Components,
    out: PathLike,
    *,
    include_rejected: bool = False,
    context: Context = NOTHING_KNOWN,
) -> Path:
    """Write a zip of polygons: contours at three tenths of each footprint's maximum.

    A ROI is named by its component's id, ``0007``; further pieces of one, and the planes of a
    volume (``position`` is the plane, from 1), have ``0007-1`` and so on. Accepted ones are
    green, rejected ones red. Holes are filled.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    from roifile import roiwrite

    rois = _rois(select(source, include_rejected=include_rejected))
    with new_file(out, (".zip",)) as beside:
        if rois:
            roiwrite(beside, rois, mode="w")
        else:
            beside.write_bytes(_EMPTY_ZIP)  # the library writes no file without a ROI
    return Path(out)


def _rois(chosen: Selected) -> list[ImagejRoi]:
    from roifile import ImagejRoi

    components = chosen.components
    rois = []
    for row, id_ in enumerate(chosen.ids):
        outlines = contours(components.A, row, components.dims)
        pieces = [outline for outline in outlines if _is_outer(outline)]
        for number, piece in enumerate(pieces):
            # without its last vertex, which repeats the first
            corners = piece[:-1, :-3:-1] + _PIXEL_CENTRE
            roi = ImagejRoi.frompoints(
                corners.astype(np.float32),
                name=f"{id_:04d}" + (f"-{number}" if number else ""),
            )
            if piece.shape[1] == 3:
                roi.position = int(piece[0, 0]) + 1
            roi.stroke_color = _GREEN if chosen.accepted[row] else _RED
            rois.append(roi)
    return rois


def _is_outer(outline: NDArray[np.float64]) -> bool:
    """Whether the contour runs around high values; around a hole it runs the other way."""
    y, x = outline[:, -2], outline[:, -1]
    return bool(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0)
