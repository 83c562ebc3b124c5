"""Reads sets of TIFF files that one file describes: PrairieView's XML, or OME-XML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._damage import OFFER
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._request import Request
from napari_cnmf.io.movies.sidecars.bruker import PrairieScan
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts, with_sidecar
from napari_cnmf.io.movies.tiff.arranging import Images, pick_table, read_pages
from napari_cnmf.io.movies.tiff.headers import Header
from napari_cnmf.io.movies.tiff.ome import OmeSet
from napari_cnmf.io.movies.tiff.pages import Pages, join_pages
from napari_cnmf.io.movies.tiff.singles import open_singles, without_empty
from napari_cnmf.model.description import Piece


def read_prairie(
    scan: PrairieScan, files: Sequence[Path], request: Request, *, is_folder: bool
) -> Recording:
    """Read a PrairieView recording, by its XML."""
    folder = files[0].parent
    there = {path.name for path in folder.iterdir()}
    if not is_folder and len(files) > 1:
        there &= {path.name for path in files}
    paths = [folder / name for name in scan.files if name in there]
    paths, remarks = without_empty(paths, request)
    if (
        request.allow_missing is None
        and len(paths) == len(files) < len(scan.files)
        and not is_folder
    ):
        request = replace(request, allow_missing=True)
    place = {path.name: k for k, path in enumerate(paths)}
    lookup = np.array([place.get(name, -1) for name in scan.files], np.int64)
    number = np.where(scan.pages[..., 0] < 0, -1, lookup[scan.pages[..., 0]])
    header = Header("Bruker PrairieView TIFF", channels=scan.channels)
    singles = open_singles(paths, request) if scan.is_single_images else None
    images: Images
    count = np.zeros(0, np.int64)
    if singles is not None:
        images, table = singles, number
        pieces = [Piece(path, 1) for path in paths]
    else:
        images, starts, pieces = _all_pages(paths, request)
        first = np.array([*(starts[path][0] for path in paths), -1], np.int64)
        count = np.array([*(starts[path][1] for path in paths), 0], np.int64)
        page = scan.pages[..., 1]
        table = np.where((number < 0) | (page >= count[number]), -1, first[number] + page)
    if is_folder:
        remarks = [*remarks, *_beside_the_xml(scan, files)]
    if singles is None:
        remarks = [*remarks, *_pages_beside_the_xml(scan, paths, count)]
    table, channels = _channels_there(table, scan.channels)
    if is_folder and len(channels) < len(scan.channels):
        remarks = [
            *remarks,
            f"The Bruker XML names the channels {', '.join(scan.channels)} and the folder holds "
            f"images of {', '.join(channels)} alone.",
        ]
    header = replace(header, channels=channels)
    picked = pick_table(images, table, header, request, str(folder), pieces)
    facts = scan.facts
    if picked.is_overruled:  # the rate and times count the frames of the XML
        start, times = facts.start, facts.time_s
        if start is not None and times is not None:
            start = start.later(float(times[0]))
        facts = replace(facts, frame_rate_hz=None, time_s=None, start=start)
    elif facts.time_s is not None:
        facts = replace(facts, time_s=facts.time_s[picked.kept])
    found = picked.recording
    return with_sidecar(replace(found, remarks=(*found.remarks, *remarks)), facts)


def _beside_the_xml(scan: PrairieScan, files: Sequence[Path]) -> list[str]:
    named = {*scan.files, *scan.in_broken}
    others = [path.name for path in files if path.name not in named]
    if not others:
        return []
    if len(others) == 1:
        return [f"{others[0]} is left out: {scan.path.name} does not name it."]
    return [
        f"{len(others)} TIFF files of the folder are left out, the first is {others[0]}: "
        f"{scan.path.name} does not name them."
    ]


def _pages_beside_the_xml(
    scan: PrairieScan, paths: Sequence[Path], count: NDArray[np.int64]
) -> list[str]:
    """Remarks on files that hold more images than the XML names."""
    remarks = []
    for path, n_pages in zip(paths, count.tolist(), strict=False):
        mine = scan.pages[..., 0] == scan.files.index(path.name)
        n_named = int(scan.pages[..., 1][mine].max(initial=-1)) + 1
        if n_pages > n_named:
            remarks.append(
                f"{path.name} holds {n_pages} images and {scan.path.name} names {n_named}: the "
                "others are left out."
            )
    return remarks


def _channels_there(
    table: NDArray[np.int64], names: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Leave out channels without any image: the user gave the files of the others."""
    there = [c for c in range(table.shape[2]) if (table[:, :, c] >= 0).any()]
    return table[:, :, there], tuple(names[c] for c in there)


def read_ome(
    one_set: OmeSet, given: Sequence[Path], request: Request, notes: SidecarFacts | None = None
) -> Recording:
    """Read the frames of one OME-TIFF set.

    Parameters
    ----------
    given
        The files that the user gave: one stands for the whole set, several for themselves.
    """
    files = one_set.files
    there = [path for path in files if path.is_file()]
    lost = [path for path in files if not path.is_file()]
    name = str(one_set.where)
    header = one_set.header
    remarks: list[str] = []
    if 1 < len(given) < len(files) and len(given) < len(there):
        there = [path for path in there if path in set(given)]
        remarks.append(f"{len(given)} of the {len(files)} files of the OME-TIFF set are given.")
        request = replace(request, allow_missing=True)
    elif lost and not request.allow_missing:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise MovieError(
            f"The OME-TIFF set of {one_set.where.name} must have all its {len(files)} files, got "
            f"no {lost[0]}{more}. Put it back beside the others, {OFFER}."
        )
    elif len(given) == 1 < len(files):
        remarks.append(f"The header names a set of {len(files)} files, which is opened as a whole.")
    if not there:
        raise MovieError(f"The files that {name} names must be there, got no {files[0]}.")
    images: Images | None = None
    if one_set.is_single_images:
        images = open_singles(there, request)
    if images is not None:
        starts = {path: (k, 1) for k, path in enumerate(there)}
        pieces = [Piece(path, 1) for path in there]
    else:
        images, starts, pieces = _all_pages(there, request)
    table = one_set.numbers(starts)
    if notes is not None and len(notes.channels) == table.shape[2]:
        header = replace(header, channels=notes.channels)
    if len(files) == 1 and not request.allow_missing:
        # One file tells by itself that images are missing at its end.
        _check_whole_table(table, images, name)
    header = replace(header, remarks=tuple(remarks))
    picked = pick_table(images, table, header, request, name, pieces)
    if one_set.series:
        picked.recording.metadata["dataset"] = one_set.series
    recording = replace(picked.recording, start=one_set.start)
    if picked.is_overruled:
        return recording
    if not all(int(k) in one_set.times for k in picked.kept):
        first = one_set.times.get(int(picked.kept[0]), 0.0) if len(picked.kept) else 0.0
        began = None if one_set.start is None else one_set.start.later(first)
        return replace(recording, start=began)
    times = np.array([one_set.times[int(k)] for k in picked.kept])
    return recording.with_times(times, "OME-XML, Plane DeltaT")


def _check_whole_table(table: NDArray[np.int64], images: Images, name: str) -> None:
    """Refuse a single file whose header names more images than it has."""
    n_missing = int(np.count_nonzero(table < 0))
    if n_missing:
        raise MovieError(
            f"{name} must hold all {table.size} frames that its header names, got {len(images)}. "
            f"Put the other files of the set beside it, {OFFER}."
        )


def _all_pages(
    paths: Iterable[Path], request: Request
) -> tuple[Pages, dict[Path, tuple[int, int]], list[Piece]]:
    """Images of several files, where each file's begin, and the files."""
    parts, starts, pieces = [], {}, []
    at = 0
    for path in paths:
        pages, _, _ = read_pages(path, request)
        parts.append(pages)
        starts[path] = (at, len(pages))
        pieces.append(Piece(path, len(pages)))
        at += len(pages)
    return join_pages(parts), starts, pieces
