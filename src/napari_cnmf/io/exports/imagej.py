"""Writes outlines for ImageJ's ROI manager."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._overwriting import mark_of
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import (
    OnProgress,
    PathLike,
    checked_writer,
    ignore_progress,
    new_export,
)
from napari_cnmf.model.contours import contours
from napari_cnmf.model.curation import Curatable
from napari_cnmf.model.verdict_colors import VERDICT_COLORS, Verdict

if TYPE_CHECKING:
    from roifile import ImagejRoi

_PIXEL_CENTRE = 0.5
"""ImageJ counts from a pixel's corner, contours from its centre."""

_OPAQUE = b"\xff"
"""ImageJ's colours are alpha, red, green, blue."""
_KIND = "ImageJ ROI"
_ROIS_BETWEEN_REPORTS = 64


@checked_writer
def write_imagej(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write a zip of polygons: contours at three tenths of each footprint's maximum.

    A ROI is named by its component's id, ``0007``; further pieces of one, and the planes of a
    volume (``position`` is the plane, from 1), have ``0007-1`` and so on. Accepted ones are
    blue; rejected ones are orange, with ``-rejected`` at the end of their name. Holes are filled.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.zip``.
    include_rejected
        Write rejected components too.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        The movie and what else is known.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    from roifile import roiwrite

    chosen = select(source, include_rejected=include_rejected, context=context)
    with new_export(out, (".zip",), _KIND, overwrite=overwrite, sources=chosen.sources) as beside:
        rois = _rois(chosen, on_progress)
        if rois:
            roiwrite(beside, rois, mode="w")
        # the library writes no file without a ROI
        with ZipFile(beside, "a" if rois else "w") as archive:
            archive.comment = mark_of(_KIND).encode()
    return Path(out)


def _rois(chosen: Selected, on_progress: OnProgress) -> list[ImagejRoi]:
    from roifile import ImagejRoi

    rois = []
    for row, id_ in enumerate(chosen.ids):
        if row % _ROIS_BETWEEN_REPORTS == 0:
            on_progress(row, chosen.n_components)
        outlines = contours(chosen.A, row, chosen.dims)
        pieces = [outline for outline in outlines if _is_outer(outline)]
        for number, piece in enumerate(pieces):
            # without its last vertex, which repeats the first
            corners = piece[:-1, :-3:-1] + _PIXEL_CENTRE
            roi = ImagejRoi.frompoints(
                corners.astype(np.float32),
                name=f"{id_:04d}"
                + (f"-{number}" if number else "")
                + ("" if chosen.accepted[row] else "-rejected"),
            )
            if piece.shape[1] == 3:
                roi.position = int(piece[0, 0]) + 1
            verdict = Verdict.ACCEPTED if chosen.accepted[row] else Verdict.REJECTED
            roi.stroke_color = _OPAQUE + bytes.fromhex(VERDICT_COLORS[verdict][1:])
            rois.append(roi)
    return rois


def _is_outer(outline: NDArray[np.float64]) -> bool:
    """Whether the contour runs around high values; around a hole it runs the other way."""
    y, x = outline[:, -2], outline[:, -1]
    return bool(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0)
