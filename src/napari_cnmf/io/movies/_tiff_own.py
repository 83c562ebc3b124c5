"""Movies that ``TiffMovieWriter`` wrote open without a look at every page."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import tifffile

from napari_cnmf.io.movies._stores import RawFrames, file_size

OWN_SOFTWARE = "napari-cnmf"


def own_store(tiff: tifffile.TiffFile, path: Path) -> RawFrames | None:
    """The frames of a file that is as our writer left it.

    For OME files the general way reads all page headers: seconds for 90,000
    frames. Here the sizes in the header are enough, because our frames follow each
    other without a gap.

    Returns
    -------
    RawFrames or None
        ``None`` for every other file, also for one of ours that was saved again by
        another program, or is not whole.
    """
    first = tiff.pages.first
    if first.software != OWN_SOFTWARE or not tiff.is_ome or not first.is_contiguous:
        return None
    size = {
        axis: int(found.group(1))
        for axis in "TZYXC"
        if (found := re.search(rf'\bSize{axis}="(\d+)"', first.description)) is not None
    }
    if len(size) < 5 or size["C"] != 1 or tuple(first.shape) != (size["Y"], size["X"]):
        return None
    n_pages = size["T"] * size["Z"]
    start, page_bytes = first.dataoffsets[0], first.nbytes
    if n_pages < 2 or tiff.pages[1].dataoffsets[0] != start + page_bytes:
        return None
    if file_size(path) < start + n_pages * page_bytes:
        return None
    frame = (size["Y"], size["X"]) if size["Z"] == 1 else (size["Z"], size["Y"], size["X"])
    step = page_bytes * size["Z"]
    offsets = start + step * np.arange(size["T"], dtype=np.int64)[:, None]
    stored = np.dtype(first.dtype).newbyteorder(tiff.byteorder)
    return RawFrames([path], offsets, frame, stored)
