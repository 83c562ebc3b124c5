"""Reads ScanImage 3.8 to 2023: channels, volumes, flyback, scan fields, files split anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._cycle import Cycle
from napari_cnmf.io.movies._pauses import join_segments
from napari_cnmf.io.movies._recording import Recording, fact_of_channels, frames_of_files
from napari_cnmf.io.movies._request import ChoiceNeededError, Request, chosen_channel, chosen_of
from napari_cnmf.io.movies._stores import crop_rows, pick_frames
from napari_cnmf.io.movies.tiff.arranging import read_pages
from napari_cnmf.io.movies.tiff.pages import join_pages
from napari_cnmf.io.movies.tiff.scanfields import fields_of, spacing_of
from napari_cnmf.io.movies.tiff.scanimage_frames import (
    Part,
    channels_by_number,
    counting_of,
    places_of,
    segments_of,
    stored_flyback,
    times_of,
)
from napari_cnmf.io.movies.tiff.scanimage_settings import SOURCE, Settings
from napari_cnmf.model.description import Fact, Piece


def read_scanimage(files: Sequence[Path], settings: Settings, request: Request) -> Recording:
    """Open the files of a ScanImage recording, split anywhere.

    Raises
    ------
    MovieError
        Files are missing or cut short, or a channel, plane or scan field must be chosen.
    """
    name = str(files[0]) if len(files) == 1 else f"{files[0].parent} ({files[0].name} ...)"
    parts = [_read_part(path, request) for path in files]
    pages = join_pages([part.pages for part in parts])
    remarks = [remark for part in parts for remark in part.remarks]
    _check_channels(parts[0], settings, request, name)
    cycle, cycle_remarks = _cycle_of(settings, request, parts, name)
    names = settings.channels
    if request.n_channels is not None and request.n_channels != len(names):
        names = tuple(f"channel {k}" for k in range(request.n_channels))
    place = places_of(parts, cycle.n_channels, counting_of(parts[0], settings, cycle))
    facts = _facts(settings, cycle, pages.stored)
    fields = fields_of(settings.regions, settings.values, cycle.n_planes, pages.shape[-2])
    # Two questions may be open; the one that concerns the frames' number comes first.
    per_plane = settings.per_plane if cycle.n_planes > 1 and not request.has_cycle else 1
    channel = chosen_channel(names, request.channel, name, SOURCE)
    facts["channels"] = fact_of_channels(list(names), channel, SOURCE)
    why = f"by the {SOURCE} these are scan fields (ROIs), each is a movie of its own"
    place_of_field = chosen_of("field", [one.name for one in fields], request.field, name, why)
    scan_field = fields[place_of_field or 0] if len(fields) > 1 else None
    if per_plane > 1:
        numbers, plane_remarks, rate = _one_plane(
            len(pages), cycle, per_plane, channel, settings, request, name
        )
        times, segments = None, []
    else:
        volumes = place.volumes_of(cycle)
        numbers = volumes.images + channel
        plane_remarks = _told_lost(volumes.n_broken, cycle)
        rate = settings.rate(cycle)
        segments = segments_of(parts, place, volumes, rate[0])
        times = None if segments else times_of(parts, place, volumes, cycle, rate[0])
    if not len(numbers):
        raise MovieError(
            f"{name} must hold at least one whole {'volume' if cycle.n_planes > 1 else 'frame'} of "
            f"{cycle.n_images} images, got {len(pages)} images."
        )
    numbers = numbers if cycle.n_planes > 1 and per_plane == 1 else numbers[:, 0]
    if scan_field is not None:
        facts["scan_fields"] = Fact(
            [one.name for one in fields],
            f"{len(fields)}: field {request.field} is analysed, rows {scan_field.first} to "
            f"{scan_field.stop}",
            SOURCE,
        )
        if numbers.ndim == 2:
            numbers = numbers[:, list(scan_field.planes)]
            numbers = numbers[:, 0] if numbers.shape[1] == 1 else numbers
    store = pick_frames(pages.store("YX", 0), numbers)
    if scan_field is not None:
        store = crop_rows(store, scan_field.first, scan_field.stop)
    pieces = tuple(Piece(part.path, len(part.pages)) for part in parts)
    recording = Recording(
        store,
        rate[0],
        spacing_of(settings.regions, settings.values, scan_field),
        ({"frame_rate_from": rate[1]} if rate[0] else {})
        | frames_of_files(pieces, numbers.reshape(len(numbers), -1)[:, 0])
        | ({"plane": request.plane, "n_planes": cycle.n_planes} if per_plane > 1 else {})
        | ({"field": request.field} if scan_field is not None else {}),
        f"ScanImage {settings.version} TIFF",
        facts,
        (*remarks, *cycle_remarks, *place.remarks, *plane_remarks),
        pieces=pieces,
    )
    if not segments or rate[0] is None:
        return recording.with_times(times, "ScanImage time stamps")
    times, told = join_segments(segments, rate[0])
    return replace(recording, time_s=times, remarks=(*recording.remarks, *told))


def _read_part(path: Path, request: Request) -> Part:
    pages, chain, remarks = read_pages(path, request)
    if pages.axes != "YX":
        raise MovieError(f"{path} must hold images of Y and X, got axes {pages.axes}.")
    return Part(path, pages, chain, remarks)


def _check_channels(part: Part, settings: Settings, request: Request, name: str) -> None:
    """Ask where the header names other channels than the numbers of the frames show.

    Files that another program cut or joined keep the header of the recording.
    """
    n_named, n_numbered = len(settings.channels), channels_by_number(part)
    if request.n_channels is not None or n_numbered in (None, n_named):
        return
    choices = [
        (n_numbered, f"of {n_numbered} (numbers of the frames)"),
        (n_named, f"of {n_named} ({SOURCE})"),
    ]
    raise ChoiceNeededError(
        f"The number of channels must be said for {name}: the {SOURCE} names {n_named} and the "
        f"numbers of the frames show {n_numbered}, so another program may have changed the file. "
        f"Say n_channels={n_numbered} or n_channels={n_named}, with channel= for more than one.",
        "n_channels",
        choices,
    )


def _cycle_of(
    settings: Settings, request: Request, parts: Sequence[Part], name: str
) -> tuple[Cycle, list[str]]:
    """Order of the images: the user's, else that of the header and their number."""
    own = settings.cycle
    if request.n_flyback is None and request.n_planes is None and own.n_flyback:
        own, remarks = _flyback_of(settings, parts, name)
    else:
        remarks = []
    cycle = Cycle(
        own.n_channels if request.n_channels is None else request.n_channels,
        own.n_planes if request.n_planes is None else request.n_planes,
        own.n_flyback if request.n_flyback is None else request.n_flyback,
    )
    return cycle, remarks


def _flyback_of(settings: Settings, parts: Sequence[Part], name: str) -> tuple[Cycle, list[str]]:
    """Order of the images with the flyback images that are stored, and sentences about them.

    Raises
    ------
    ChoiceNeededError
        Frames are averaged, and nothing shows what became of those of the flyback.
    """
    own = settings.cycle
    n_images = sum(len(part.pages) for part in parts)
    volumes = settings.number("hStackManager.numVolumes", "hFastZ.numVolumes")
    without = replace(own, n_flyback=0)
    if volumes and n_images == volumes * without.n_images * settings.per_plane:
        return without, [
            f"The header tells of {own.n_flyback} flyback images after each volume, but the number "
            "of images shows that they are not stored. Say n_flyback= if that is wrong."
        ]
    if settings.averaged > 1:
        stored = stored_flyback(parts[0], settings)
        if stored is None:
            n = -(-own.n_flyback // settings.averaged)
            raise ChoiceNeededError(
                f"It must be said how many flyback images follow each volume in {name}: "
                f"{settings.averaged} frames are averaged into one image, and nothing shows what "
                f"became of the {own.n_flyback} flyback frames. Say n_flyback=0 or n_flyback={n}.",
                "n_flyback",
                [(0, "none is stored"), (n, f"{n} after each volume")],
            )
        own = replace(own, n_flyback=stored)
    if not own.n_flyback:
        return own, []
    return own, [
        f"{own.n_flyback} flyback image{'s' * (own.n_flyback > 1)} after each volume of "
        f"{own.n_planes} planes {'are' if own.n_flyback > 1 else 'is'} left out. Say n_flyback=0 "
        "if the files hold none."
    ]


def _told_lost(lost: int, cycle: Cycle) -> list[str]:
    if not lost:
        return []
    what = "volumes" if lost > 1 else "volume"
    return [
        f"{lost} {what} {'are' if lost > 1 else 'is'} not whole, and left out: the images are no "
        f"multiple of the {cycle.n_images} of a volume (channels times planes)."
        if cycle.n_planes > 1
        else f"{lost} incomplete frames are left out."
    ]


def _one_plane(  # noqa: PLR0917
    n_images: int,
    cycle: Cycle,
    per_plane: int,
    channel: int,
    settings: Settings,
    request: Request,
    name: str,
) -> tuple[NDArray[np.int64], list[str], tuple[float | None, str]]:
    """Images of one plane of a stack whose planes were recorded one after the other."""
    why = f"each is recorded for {per_plane} images before the next"
    planes = [f"plane {k}" for k in range(cycle.n_planes)]
    plane = chosen_of("plane", planes, request.plane, name, why)
    n_volume = cycle.n_channels * (cycle.n_planes * per_plane + cycle.n_flyback)
    n_volumes = max(1, n_images // n_volume)
    starts = n_volume * np.arange(n_volumes)[:, None] + channel
    within = cycle.n_channels * (per_plane * (plane or 0) + np.arange(per_plane))
    numbers = (starts + within).ravel()
    numbers = numbers[numbers < n_images]
    remarks = [f"Plane {plane} of {cycle.n_planes} is analysed: {why}."]
    frames = settings.number("hRoiManager.scanFrameRate", "scanFrameRate", "acq.frameRate")
    rate = None if frames is None or n_volumes > 1 else frames / settings.averaged
    return numbers[:, None], remarks, (rate, f"{SOURCE}, scanFrameRate")


def _facts(settings: Settings, cycle: Cycle, stored: np.dtype[Any]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    if cycle.n_flyback:
        facts["not_images"] = Fact(
            cycle.n_flyback, f"{cycle.n_flyback} flyback images after each volume", SOURCE
        )
    subtracted = settings.values.get("hChannels.channelSubtractOffset")
    if subtracted is None:
        subtracted = settings.values.get("hScan2D.channelsSubtractOffsets")
    if subtracted is not None and any(bool(one) for one in np.ravel(subtracted)):
        text = f"{stored.name}, offset subtracted while recording (values below 0 are possible)"
        facts["values"] = Fact("offset subtracted", text, SOURCE)
    return facts
