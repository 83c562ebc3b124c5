"""TIFF: multi-page, BigTIFF, ImageJ, OME, ScanImage, compressed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import Layout, layout_of
from napari_cnmf.io.movies._recording import Recording, Request, checked_dtype
from napari_cnmf.io.movies._stores import FrameStore, RawFrames
from napari_cnmf.io.movies._tiff_metadata import TiffFacts, read_tiff_facts
from napari_cnmf.io.movies._tiff_own import own_store
from napari_cnmf.io.movies._tiff_pages import (
    COPY_AGAIN,
    DecodedPages,
    PageTable,
    check_chain_is_whole,
    open_tiff,
)


def open_tiff_movie(path: Path, request: Request) -> Recording:
    """Open one TIFF file of many frames.

    Raises
    ------
    MovieError
        It is a single image, cut short, broken, or needs ``axes`` or ``channel``.
    """
    with open_tiff(path) as tiff:
        facts = read_tiff_facts(tiff)
        own = own_store(tiff, path) if request == Request() else None
        if own is not None:
            return Recording(own, facts.frame_rate_hz, facts.spacing_um, facts.metadata)
        series = _movie_series(tiff, path)
        check_chain_is_whole(tiff, series, path)
        shape, axes = _shape_and_axes(series, facts)
        left_out = _left_out(series, facts, path)
        layout = layout_of(
            shape, axes=request.axes, file_axes=axes, channel=request.channel, name=str(path)
        )
        checked_dtype(np.dtype(series.dtype), str(path))
        store = _store(series, layout, path, counted=not left_out)
    return Recording(
        store,
        facts.frame_rate_hz,
        facts.spacing_um,
        facts.metadata | {"axes_in_file": axes, "channel": layout.channel} | left_out,
    )


def _movie_series(tiff: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    """The one series of images, or the one with several frames beside thumbnails."""
    if not tiff.series:
        raise MovieError(f"{path} must hold images, got none. {COPY_AGAIN}.")
    stacks = [series for series in tiff.series if len(series.shape) > 2]
    if len(tiff.series) == 1 or len(stacks) == 1:
        return stacks[0] if stacks else tiff.series[0]
    shapes = ", ".join(str(series.shape) for series in tiff.series[:4])
    raise MovieError(
        f"All frames of a movie must have one shape, got {len(tiff.series)} image series in "
        f"{path}: {shapes}{', ...' * (len(tiff.series) > 4)}. Save the movie to a file of its own."
    )


def _shape_and_axes(
    series: tifffile.TiffPageSeries, facts: TiffFacts
) -> tuple[tuple[int, ...], str]:
    """Shape and axes of the file; what ScanImage says about them is better than a guess."""
    if facts.page_axes is None:
        return tuple(series.shape), str(series.axes)
    lead = tuple(size for size in facts.page_shape if size > 1)
    axes = "".join(a for a, n in zip(facts.page_axes, facts.page_shape, strict=True) if n > 1)
    return (*lead, *series.keyframe.shape), axes + str(series.keyframe.axes)


def _left_out(
    series: tifffile.TiffPageSeries, facts: TiffFacts, path: Path
) -> dict[str, list[str]]:
    """A remark on pages at the end that make no whole frame: a recording that was stopped."""
    if facts.page_axes is None:
        return {}
    n_pages = int(np.prod(series.shape)) // max(1, int(np.prod(series.keyframe.shape)))
    extra = n_pages - int(np.prod(facts.page_shape))
    if extra <= 0 or not facts.page_shape[0]:
        return {}
    per_frame = int(np.prod(facts.page_shape[1:]))
    return {
        "remarks": [
            f"{path} holds {n_pages} images, no multiple of the {per_frame} of a frame (channels "
            f"times planes): the last {extra} are left out."
        ]
    }


def _store(
    series: tifffile.TiffPageSeries, layout: Layout, path: Path, *, counted: bool
) -> FrameStore:
    """Raw reads where the pixels lie as they are; decoding page by page elsewhere.

    Parameters
    ----------
    counted
        The pages must be as many as the axes say.
    """
    n_lead = len(layout.stored_shape) - len(series.keyframe.shape)
    within = layout.axes[n_lead:]
    if "T" in within or set("YX") - set(within):
        raise MovieError(
            f"In {path}, Y and X must be the axes of a page {tuple(series.keyframe.shape)}, got "
            f"axes {layout.axes!r} for shape {layout.stored_shape}. Correct axes=."
        )
    pages = PageTable.of(series, path, interleaved=within not in ("YX", "XY"))
    named = int(np.prod(layout.stored_shape[:n_lead]))
    if named > len(pages.offsets) or (counted and named != len(pages.offsets)):
        raise MovieError(
            f"{path} must hold {named} images as its header says, got {len(pages.offsets)}: frames "
            f"are missing at its end. {COPY_AGAIN}, or save the frames there are as a new file."
        )
    per_frame = _pages_of_frames(layout, n_lead, named)
    stored = np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder)
    plain = (
        pages.contiguous
        and within in ("YX", "XY")
        and series.keyframe.bitspersample == stored.itemsize * 8
    )
    if not plain or (within == "XY" and per_frame.shape[1] > 1):
        return DecodedPages(pages, per_frame, layout, within, stored.newbyteorder("="))
    page = tuple(int(n) for n in series.keyframe.shape[-2:])
    return RawFrames(
        pages.paths,
        pages.offsets[per_frame, 0],
        (per_frame.shape[1], *page) if "Z" in layout.axes else page,
        stored,
        None if within == "YX" else (1, 0),
        pages.file_index[per_frame] if len(pages.paths) > 1 else None,
    )


def _pages_of_frames(layout: Layout, n_lead: int, n_pages: int) -> NDArray[np.int64]:
    """``(T, n_planes)``, the number of the page of each plane of the chosen channel."""
    lead_shape = layout.stored_shape[:n_lead]
    lead = Layout(layout.axes[:n_lead] + "YX", (*lead_shape, 1, 1), layout.channel)
    numbers = np.arange(n_pages, dtype=np.int64).reshape(*lead_shape, 1, 1)
    chosen = lead.arrange(numbers[lead.select(0, lead.shape[0])])
    return chosen.reshape(len(chosen), -1)
