"""One image of all cells: each pixel holds the cell it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import PathLike, new_file
from napari_cnmf.model.components import Components
from napari_cnmf.model.contours import CONTOUR_LEVEL
from napari_cnmf.model.curation import Curation


def write_labels(
    source: Curation | Components,
    out: PathLike,
    *,
    include_rejected: bool = False,
    context: Context = NOTHING_KNOWN,
) -> Path:
    """Write a labels image ``(Y, X)`` or ``(Z, Y, X)``: 0 outside of cells, else **id + 1**.

    A pixel belongs to the cell with the largest weight there, relative to the cell's own maximum.
    Where a footprint falls below three tenths of its maximum it has ended, as for contours.
    uint16 in ImageJ's layout, which Fiji, napari and Cellpose open; uint32 for ids from 65,535 on.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    chosen = select(source, include_rejected=include_rejected)
    image = label_image(chosen)
    axes = "YX" if image.ndim == 2 else "ZYX"
    options: dict[str, Any] = {"metadata": {"axes": axes}}
    if image.dtype == np.uint16:
        options["imagej"] = True
        sizes = context.pixel_size_um(chosen.components)
        if sizes is not None:
            options["resolution"] = (1 / sizes[-1], 1 / sizes[-2])
            options["metadata"]["unit"] = "um"
            if len(sizes) == 3:
                options["metadata"]["spacing"] = sizes[0]
    with new_file(out, (".tif", ".tiff")) as beside:
        tifffile.imwrite(beside, image, **options)
    return Path(out)


def label_image(chosen: Selected) -> NDArray[np.unsignedinteger[Any]]:
    """``id + 1`` of the strongest component in each pixel, shape ``dims``."""
    components = chosen.components
    is_small = chosen.ids.max(initial=0) < 2**16 - 1
    labels: NDArray[np.unsignedinteger[Any]] = np.zeros(
        components.n_pixels, dtype=np.uint16 if is_small else np.uint32
    )
    strongest = np.zeros(components.n_pixels, dtype=np.float32)
    A = components.A
    for row, id_ in enumerate(chosen.ids):
        part = slice(A.indptr[row], A.indptr[row + 1])
        pixels, weights = A.indices[part], A.data[part]
        if not weights.size or weights.max() <= 0:
            continue
        relative = weights / weights.max()
        wins = (relative >= CONTOUR_LEVEL) & (relative > strongest[pixels])
        labels[pixels[wins]] = id_ + 1
        strongest[pixels[wins]] = relative[wins]
    return labels.reshape(components.dims)
