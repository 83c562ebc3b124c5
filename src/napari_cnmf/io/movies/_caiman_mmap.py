"""Opens CaImAn's memory maps: all that is known about them stands in their names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import Layout, layout_of
from napari_cnmf.io.movies._npy import MappedArray, plain_store
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._request import Request
from napari_cnmf.io.movies._stores import ArrayFrames, file_size

_NAME = re.compile(r"_d1_(\d+)_d2_(\d+)_d3_(\d+)_order_([CF])_frames_(\d+)_?\.mmap$")
_PIXELS = np.dtype("<f4")
# A page of the file holds 1,024 frames of one pixel: reading one frame costs as much as many.
_C_ORDER_FRAMES = 1024
_C_ORDER_BYTES = 128 * 2**20


def open_caiman_mmap(path: Path, request: Request) -> Recording:
    """Open a ``.mmap`` file of CaImAn, either order, fields and volumes.

    The array is ``(n_pixels, T)`` float32 with pixels in Fortran order of the dims; in order F,
    frames follow each other, each in Fortran order; in order C, pixels do.

    Raises
    ------
    MovieError
        The name does not say the layout, or the file has another size.
    """
    match = _NAME.search(path.name)
    if match is None:
        raise MovieError(
            "The name of a CaImAn memory map must end in _d1_.._d2_.._d3_.._order_.._frames_...mmap"
            f", got {path.name!r}. Give it its original name back: the layout stands only there."
        )
    d1, d2, d3, n_frames = (int(match.group(i)) for i in (1, 2, 3, 5))
    order = match.group(4)
    needed = d1 * d2 * d3 * n_frames * _PIXELS.itemsize
    if (size := file_size(path)) != needed:
        raise MovieError(
            f"{path} must hold {needed} bytes for {n_frames} frames of {d1} x {d2} x {d3} pixels, "
            f"got {size}. Copy it again, or let CaImAn write it again."
        )
    if request.axes is not None:
        raise MovieError(
            f"axes must be left out for a CaImAn memory map, got {request.axes!r}: its name "
            "says how it is laid out."
        )
    letters, dims = ("XY", (d2, d1)) if d3 == 1 else ("XYZ", (d3, d2, d1))
    shape, axes = (*dims, n_frames), letters + "T"
    if order == "F":
        shape, axes = (n_frames, *dims), "T" + letters
    array = MappedArray(path, _PIXELS, shape, 0)
    layout = layout_of(shape, axes=axes, channel=request.channel, name=str(path))
    metadata = {"caiman_order": order}
    if order == "F":
        return Recording(plain_store(array, layout), metadata=metadata)
    return Recording(_pixel_major(array, layout, d1 * d2 * d3), metadata=metadata)


def _pixel_major(array: MappedArray, layout: Layout, n_pixels: int) -> ArrayFrames:
    fitting = max(1, _C_ORDER_BYTES // (n_pixels * _PIXELS.itemsize))
    return ArrayFrames(array, layout, _PIXELS, min(_C_ORDER_FRAMES, fitting))
