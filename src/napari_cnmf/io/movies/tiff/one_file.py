"""Reads one TIFF file by itself, of any program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._cycle import Cycle
from napari_cnmf.io.movies._recording import Recording, positive_or_none
from napari_cnmf.io.movies._request import Request
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts, with_sidecar
from napari_cnmf.io.movies.sidecars.micromanager import elapsed_ms, facts_of_summary
from napari_cnmf.io.movies.tiff.arranging import Arranged, check_whole, pick
from napari_cnmf.io.movies.tiff.chain import read_chain
from napari_cnmf.io.movies.tiff.headers import Header, read_header
from napari_cnmf.io.movies.tiff.ome import read_ome_set
from napari_cnmf.io.movies.tiff.pages import Pages, open_tiff
from napari_cnmf.io.movies.tiff.sets import read_ome
from napari_cnmf.model.description import Piece

_MM_NOTES = 51123
_KNOWN_SERIES = ("is_lsm", "is_stk", "is_fluoview", "is_mmstack", "is_nih", "is_sis")


def read_one(
    path: Path, request: Request, *, is_last: bool = True, is_part: bool = False
) -> Recording:
    """Read one file by itself.

    Parameters
    ----------
    is_last
        Whether it ends a recording: it may then end in the middle of a time point.
    is_part
        Whether others are beside it: a single image is then one frame.
    """
    one_set = read_ome_set(path, request)
    if one_set is not None:
        recording = read_ome(one_set, [path], request)
        return with_sidecar(recording, _micromanager_notes(path))
    remarks: list[str] = []
    with open_tiff(path) as tiff:
        header = read_header(tiff)
        known = next((name for name in _KNOWN_SERIES if getattr(tiff, name)), None)
        if known is not None and header.format == "TIFF":
            return _read_series(tiff, path, request, known)
        chain = read_chain(path)
        first = tiff.pages[chain.first].aspage()
        pages = Pages.of_chain(first, chain, path)
        n_named = header.n_images or 0
        if header.is_one_run and len(pages) == 1 < n_named:
            pages = Pages.in_one_run(first, n_named, path)
        is_cut = chain.is_cut
        if is_cut and len(pages) < n_named and _is_one_run(pages):
            # tifffile writes the headers of all images but the first behind the pixels.
            remarks.append(f"{path.name} lost its end: images are found by the first header.")
            pages, is_cut = Pages.in_one_run(first, n_named, path), False
        named = header.n_images if header.format == "ImageJ TIFF" else None
        pages, cut = check_whole(pages, named, is_cut, request, str(path))
    remarks = [*header.remarks, *remarks, *cut]
    if chain.n_other:
        what = (
            "images of another size in {} are"
            if chain.n_other > 1
            else "image of another size in {} is"
        )
        remarks.append(f"{chain.n_other} {what.format(path.name)} left out.")
    header, numbers, lead = _arranged(header, len(pages), remarks, path)
    if is_part and numbers.ndim == 0:
        numbers, lead = numbers.reshape(1), "T"
    if request.has_cycle and not is_last:
        Cycle.of_request(request).arrange(len(pages), str(path), is_last=False)
    arranged = Arranged(pages, numbers, lead)
    return pick(arranged, header, request, str(path), [Piece(path, len(pages))]).recording


def _is_one_run(pages: Pages) -> bool:
    """Whether the pixels of each image begin where those of the one before end."""
    ends = pages.offsets[:-1, -1] + pages.byte_counts[:-1, -1]
    return pages.is_raw and bool(np.all(pages.offsets[1:, 0] == ends))


def _arranged(
    header: Header, n_images: int, remarks: list[str], path: Path
) -> tuple[Header, NDArray[np.int64], str]:
    """Find the axes of the images: those of the header, or time alone."""
    named = int(np.prod(header.lead_shape)) if header.lead else 0
    if header.format == "TIFF of tifffile" and n_images > max(1, named):
        # Blocks that were written one after the other, each with a header of its own.
        per_block = header.lead_shape[1:] if header.lead.startswith("T") else ()
        size = int(np.prod(per_block)) if per_block else 1
        if n_images % size == 0 and size > 1:
            shape = (n_images // size, *per_block)
            numbers = np.arange(n_images, dtype=np.int64).reshape(shape)
            return replace(header, remarks=tuple(remarks)), numbers, header.lead
        header = replace(header, lead="T", lead_shape=(n_images,))
    elif named and named < n_images and header.format == "ImageJ TIFF":
        remarks.append(
            f"{path.name} holds {n_images} images and its ImageJ header names {named}: all images "
            "are taken as frames."
        )
        header = replace(header, lead="T", lead_shape=(n_images,))
    numbers, lead = header.numbers(n_images)
    return replace(header, remarks=tuple(remarks)), numbers, lead


def _micromanager_notes(path: Path) -> SidecarFacts | None:
    """Time of the first and last image, which Micro-Manager notes in a stack of its own."""
    with open_tiff(path) as tiff:
        if not tiff.is_micromanager:
            return None
        notes = tiff.micromanager_metadata or {}
        times: dict[int, float] = {}
        n = len(tiff.pages)
        for k in {0, n - 1}:
            noted: Any = tiff.pages[k].aspage().tags.valueof(_MM_NOTES)
            elapsed = elapsed_ms(noted)
            frame = positive_or_none(noted.get("FrameIndex", k)) if isinstance(noted, dict) else k
            if elapsed is not None:
                times[int(frame or 0)] = elapsed / 1000
    summary = notes.get("Summary")
    return (
        facts_of_summary(summary, times, "Micro-Manager header")
        if isinstance(summary, dict)
        else None
    )


def _read_series(tiff: tifffile.TiffFile, path: Path, request: Request, known: str) -> Recording:
    """Read files of programs whose arrangement ``tifffile`` knows: LSM, MetaMorph, FluoView, ..."""
    series = [one for one in tiff.series if len(one.shape) > 2] or list(tiff.series)
    if len(series) != 1:
        raise MovieError(
            f"All frames of a movie must have one shape, got {len(series)} image series in {path}. "
            "Save the movie to a file of its own."
        )
    one = series[0]
    page = one.keyframe
    images = [p for p in one.pages if p is not None]
    if one.dataoffset is not None and page.is_contiguous and len(images) < _n_images(one):
        pages = Pages.in_one_run(page, _n_images(one), path)
    else:
        offsets = np.array([p.dataoffsets for p in images], np.int64)
        counts = np.array([p.databytecounts for p in images], np.int64)
        pages = Pages.of_segments(page, offsets, counts, path)
    n_lead = len(one.shape) - len(page.shape)
    lead = str(one.axes)[:n_lead]
    lead_shape = tuple(one.shape[:n_lead])
    pages, cut = check_whole(pages, int(np.prod(lead_shape)), False, request, str(path))
    numbers = np.arange(len(pages), dtype=np.int64)
    if numbers.size == int(np.prod(lead_shape)):
        numbers = numbers.reshape(lead_shape)
    else:
        lead = "T"
    label = known.removeprefix("is_").upper()
    header = Header(f"{label} TIFF", remarks=tuple(cut), **_series_facts(tiff, known))
    arranged = Arranged(pages, numbers, lead)
    return pick(arranged, header, request, str(path), [Piece(path, len(pages))]).recording


def _n_images(series: tifffile.TiffPageSeries) -> int:
    return int(np.prod(series.shape)) // max(1, int(np.prod(series.keyframe.shape)))


def _series_facts(tiff: tifffile.TiffFile, known: str) -> dict[str, Any]:
    """Frame rate and pixel size where these programs note them."""
    if known == "is_lsm":
        notes = tiff.lsm_metadata or {}
        interval = positive_or_none(notes.get("TimeIntervall"))
        spacing = {
            axis: size * 1e6
            for axis in "ZYX"
            if (size := positive_or_none(notes.get(f"VoxelSize{axis}"))) is not None
        }
        rate = None if interval is None else 1 / interval
        return {"frame_rate_hz": rate, "rate_from": "LSM header", "spacing_um": spacing}
    return {}
