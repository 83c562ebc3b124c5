"""Writes one image of all cells: each pixel holds the cell it belongs to."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
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
from napari_cnmf.model.contours import CONTOUR_LEVEL
from napari_cnmf.model.curation import Curatable

_KIND = "labels"


@checked_writer
def write_labels(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write a labels image ``(Y, X)`` or ``(Z, Y, X)``: 0 outside of cells, else **id + 1**.

    A pixel belongs to the cell with the largest weight there, relative to the cell's own maximum.
    Where a footprint falls below three tenths of its maximum it has ended, as for contours.
    uint16 in ImageJ's layout, which Fiji, napari and Cellpose open; uint32 for ids from 65,535 on.
    The image's description lists the numbers of rejected cells, as ``rejected_labels``.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.tif``.
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
    chosen = select(source, include_rejected=include_rejected, context=context)
    on_progress(0, 1)
    image = label_image(chosen)
    axes = "YX" if image.ndim == 2 else "ZYX"
    rejected = ", ".join(str(id_ + 1) for id_ in chosen.ids[~chosen.accepted].tolist())
    metadata = {"axes": axes, "rejected_labels": rejected or "none"}
    options: dict[str, Any] = {"metadata": metadata, "software": mark_of(_KIND)}
    if image.dtype == np.uint16:
        options["imagej"] = True
        sizes = context.pixel_size_um(chosen.whole)
        if sizes is not None:
            options["resolution"] = (1 / sizes[-1], 1 / sizes[-2])
            options["metadata"]["unit"] = "um"
            if len(sizes) == 3:
                options["metadata"]["spacing"] = sizes[0]
    with new_export(
        out, (".tif", ".tiff"), _KIND, overwrite=overwrite, sources=chosen.sources
    ) as beside:
        # Written into a file, tifffile does not notice that the end did not fit on the disk.
        content = io.BytesIO()
        tifffile.imwrite(content, image, **options)
        beside.write_bytes(content.getvalue())
        on_progress(1, 1)
    return Path(out)


def label_image(chosen: Selected) -> NDArray[np.unsignedinteger[Any]]:
    """``id + 1`` of the strongest component in each pixel, shape ``dims``."""
    is_small = chosen.ids.max(initial=0) < 2**16 - 1
    labels: NDArray[np.unsignedinteger[Any]] = np.zeros(
        chosen.whole.n_pixels, dtype=np.uint16 if is_small else np.uint32
    )
    strongest = np.zeros(chosen.whole.n_pixels, dtype=np.float32)
    A = chosen.A
    for row, id_ in enumerate(chosen.ids):
        part = slice(A.indptr[row], A.indptr[row + 1])
        pixels, weights = A.indices[part], A.data[part]
        if not weights.size or weights.max() <= 0:
            continue
        relative = weights / weights.max()
        wins = (relative >= CONTOUR_LEVEL) & (relative > strongest[pixels])
        labels[pixels[wins]] = id_ + 1
        strongest[pixels[wins]] = relative[wins]
    return labels.reshape(chosen.dims)
