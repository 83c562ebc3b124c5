"""Arranges images in the order of their files as frames, planes and channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import Layout, layout_of
from napari_cnmf.io.movies._cycle import Cycle
from napari_cnmf.io.movies._damage import COPY_AGAIN, OFFER
from napari_cnmf.io.movies._recording import (
    Recording,
    fact_of_channels,
    frames_of_files,
)
from napari_cnmf.io.movies._request import Request, chosen_channel
from napari_cnmf.io.movies._stores import ConcatFrames, FrameStore, pick_frames, shift_values
from napari_cnmf.io.movies.tiff.chain import Chain, read_chain
from napari_cnmf.io.movies.tiff.headers import Header
from napari_cnmf.io.movies.tiff.pages import Pages, open_tiff
from napari_cnmf.model.description import Piece


class Images(Protocol):
    """All images of a recording: `Pages` or `Singles`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        ...

    @property
    def axes(self) -> str:
        """Letters of the axes of one image."""
        ...

    def __len__(self) -> int: ...

    def store(self, within: str, sample: int) -> FrameStore:
        """Store of all images as frames ``(n_images, Y, X)``."""
        ...


@dataclass(frozen=True)
class Arranged:
    """Number of the image of each frame, plane and channel.

    Attributes
    ----------
    pages
        All images.
    numbers
        Number of the image at each place; -1 where it is missing.
    lead
        Axes of ``numbers``, letters of ``TZC``.
    """

    pages: Images
    numbers: NDArray[np.int64]
    lead: str


@dataclass(frozen=True)
class Picked:
    """A recording, and how its frames lie among the time points that the files name.

    Attributes
    ----------
    recording
        The frames.
    kept
        ``(T,)`` number of the time point of each frame.
    is_overruled
        Whether the user named another arrangement than the files do.
    """

    recording: Recording
    kept: NDArray[np.int64]
    is_overruled: bool


def pick(
    arranged: Arranged, header: Header, request: Request, name: str, pieces: Sequence[Piece]
) -> Picked:
    """Choose channel and axes, and make the recording.

    Parameters
    ----------
    arranged
        Which image is where, by the files.
    header
        What else the files say.
    request
        What the user says; wins.
    name
        The recording, for messages.
    pieces
        The files.
    """
    arranged, header, is_overruled = _by_request(arranged, header, request, name)
    if is_overruled and request.axes is not None:
        # The letters name the images in turn; what follows each other in them is said otherwise.
        within = request.axes.upper()[-len(arranged.pages.shape) :]
        request = replace(request, axes=arranged.lead + within)
    numbers, lead, facts = arranged.numbers, arranged.lead, dict(header.facts)
    channel: int | None = request.channel
    if request.axes is None and "C" in lead and len(lead) > 1:
        axis = lead.index("C")
        n = numbers.shape[axis]
        names = header.channels if len(header.channels) == n else [f"channel {k}" for k in range(n)]
        source = "you" if is_overruled else header.format
        channel = chosen_channel(tuple(names), request.channel, name, source)
        facts["channels"] = fact_of_channels(list(names), channel, source)
        header = replace(header, remarks=(*header.remarks, *_told_lengths(numbers, axis, names)))
        numbers, lead = np.take(numbers, [channel], axis).squeeze(axis), lead.replace("C", "")
    pages = arranged.pages
    inside = header.within or pages.axes
    layout = layout_of(
        (*numbers.shape, *pages.shape),
        axes=request.axes,
        file_axes=lead + inside,
        channel=channel if "C" in lead or "S" in inside or request.axes is not None else None,
        name=name,
    )
    if channel and layout.channel is None and "channels" not in facts:
        raise MovieError(f"channel must be 0, got {channel}: {name} has one channel.")
    within = layout.axes[numbers.ndim :]
    if ("T" in within and numbers.ndim) or set("YX") - set(within):
        raise MovieError(
            f"In {name}, Y and X must be the axes of an image {pages.shape}, got axes "
            f"{layout.axes!r} for shape {layout.stored_shape}. Correct axes=."
        )
    wanted = numbers.reshape(1) if "T" in within else _of_frames(layout, numbers)
    wanted, kept, remarks = _without_missing(wanted, request, name)
    in_files = frames_of_files(pieces, wanted.reshape(len(wanted), -1)[:, 0])
    images, wanted = _inside_images(pages, within, layout, wanted)
    store = pick_frames(images, wanted)
    offset, scale = header.values
    if request.offset is None and (offset, scale) != (0.0, 1.0):
        store = shift_values(store, offset, scale)
    recording = Recording(
        store,
        header.frame_rate_hz,
        header.spacing_um,
        {"axes_in_file": lead + inside, "channel": channel}
        | in_files
        | ({"frame_rate_from": header.rate_from} if header.frame_rate_hz else {}),
        header.format,
        facts,
        (*header.remarks, *remarks),
        pieces=tuple(pieces),
    )
    if np.any(np.diff(kept) > 1):
        recording = replace(recording, frame_numbers=kept)
    return Picked(recording, kept, is_overruled)


def _inside_images(
    pages: Images, within: str, layout: Layout, wanted: NDArray[np.int64]
) -> tuple[FrameStore, NDArray[np.int64]]:
    """Frames of the chosen channel, or of all planes or times, where an image holds several.

    Returns
    -------
    store
        Frames ``(n, Y, X)``: those of the images, first plane first.
    wanted
        Numbers of the frames in it, ``(T,)`` or ``(T, Z)``.
    """
    samples = re.sub("[CZT]", "S", within)
    if not set("ZT") & set(within):
        return pages.store(samples, layout.channel or 0 if "S" in samples else 0), wanted
    n_inside = pages.shape[samples.index("S")]
    inside = [pages.store(samples, sample) for sample in range(n_inside)]
    table = wanted[:, np.newaxis] + len(pages) * np.arange(n_inside)
    return ConcatFrames(inside), table[0] if "T" in within else table


def _told_lengths(numbers: NDArray[np.int64], axis: int, names: Sequence[str]) -> list[str]:
    """Sentence on channels of which images are missing that others have."""
    counts = (np.moveaxis(numbers, axis, 0).reshape(len(names), -1) >= 0).sum(axis=1).tolist()
    if len(set(counts)) == 1:
        return []
    told = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
    return [f"The channels differ in length: {told} images."]


def pick_table(  # noqa: PLR0917
    images: Images,
    table: NDArray[np.int64],
    header: Header,
    request: Request,
    name: str,
    pieces: Sequence[Piece],
) -> Picked:
    """Choose channel and axes of a table ``(T, Z, C)`` of image numbers; see `pick`."""
    table, trailing = _without_open_end(table)
    lead = "".join(axis for axis, size in zip("TZC", table.shape, strict=True) if size > 1)
    numbers = table.reshape([n for n in table.shape if n > 1])
    header = replace(header, remarks=(*header.remarks, *trailing))
    return pick(Arranged(images, numbers, lead), header, request, name, pieces)


def _without_open_end(table: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[str]]:
    """Remove an incomplete time point at the end, of a recording that was stopped."""
    if len(table) < 2 or table.shape[1] * table.shape[2] == 1:
        return table, []
    last = table[-1]
    if not (last < 0).any() or (table[:-1] < 0).any():
        return table, []
    n = int(np.count_nonzero(last >= 0))
    return table[:-1], [
        f"The last time point has {n} of its {last.size} images (channels times planes) and is "
        "left out."
    ]


def _by_request(
    arranged: Arranged, header: Header, request: Request, name: str
) -> tuple[Arranged, Header, bool]:
    """Arrangement that the user names, where it is another one than the files'."""
    if not request.has_cycle:
        return arranged, header, False
    sizes = dict(zip(arranged.lead, arranged.numbers.shape, strict=True))
    own = Cycle(sizes.get("C", 1), sizes.get("Z", 1) if "T" in sizes else 1, 0)
    wanted = Cycle(
        own.n_channels if request.n_channels is None else request.n_channels,
        own.n_planes if request.n_planes is None else request.n_planes,
        request.n_flyback or 0,
    )
    if wanted == own:
        return arranged, header, False
    wanted.check_channel(request.channel)
    numbers, remarks = wanted.arrange(len(arranged.pages), name, is_last=True)
    header = replace(
        # What the files note as their rate counts all images, or not: nobody knows.
        header, channels=(), frame_rate_hz=None, rate_from="", remarks=(*header.remarks, *remarks),
    )  # fmt: skip
    lead = "TZC" if wanted.n_planes > 1 else "TC"
    numbers = numbers if wanted.n_planes > 1 else numbers[:, 0, :]
    if wanted.n_channels == 1:
        numbers, lead = numbers[..., 0], lead[:-1]
    return Arranged(arranged.pages, numbers, lead), header, True


def _of_frames(layout: Layout, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the image of each plane of the chosen channel, ``(T,)`` or ``(T, Z)``."""
    lead = Layout(layout.axes[: numbers.ndim] + "YX", (*numbers.shape, 1, 1), layout.channel)
    block = numbers.reshape(*numbers.shape, 1, 1)
    chosen = lead.arrange(block[lead.select(0, lead.shape[0])])
    return chosen[..., 0, 0]


def _without_missing(
    wanted: NDArray[np.int64], request: Request, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Refuse missing images, or leave their frames out where the user allows that."""
    missing = (wanted < 0).reshape(len(wanted), -1).any(axis=1)
    if not missing.any():
        return wanted, np.arange(len(wanted)), []
    kept = np.flatnonzero(~missing)
    whose = _runs(np.flatnonzero(missing))
    if not request.allow_missing or kept.size < 1:
        raise MovieError(
            f"{name} must hold all {len(wanted)} frames that its header names, got {kept.size}: "
            f"missing are {whose}. Put the other files of the set beside it, {OFFER}."
        )
    is_one = np.count_nonzero(missing) == 1
    what = (
        f"Frame {whose} of {len(wanted)} is" if is_one else f"Frames {whose} of {len(wanted)} are"
    )
    remark = f"{what} missing and left out."
    return wanted[kept], kept, [remark]


def _runs(numbers: NDArray[np.int64]) -> str:
    """Text of ranges such as ``3, 50-52``, at most five of them."""
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    runs = [
        f"{run[0]}" if run.size == 1 else f"{run[0]}-{run[-1]}"
        for run in np.split(numbers, breaks)[:5]
    ]
    return ", ".join(runs) + (", ..." if breaks.size >= 5 else "")


def check_whole(
    pages: Pages, named: int | None, is_cut: bool, request: Request, name: str
) -> tuple[Pages, list[str]]:
    """Refuse a file that lost its end, or give the images that are whole where that is allowed.

    Parameters
    ----------
    named
        Number of images that the header names; ``None`` where it does not.
    is_cut
        Whether the chain of headers leads out of the file.
    """
    whole = pages.count_whole()
    wanted = max(len(pages), named or 0)
    if whole == wanted and not is_cut:
        return pages, []
    if request.allow_missing and whole > 0:
        remark = f"{name} is cut short: its {whole} whole images are opened."
        return pages.take(whole), [remark]
    if whole < len(pages):
        why = f"it is cut short after image {whole}"
    elif wanted > len(pages):
        why = f"its header names {wanted} images and {len(pages)} are there"
    else:
        why = f"its chain of images leads out of the file after image {whole}: it is cut short"
    raise MovieError(
        f"{name} must hold whole images to its end, got {whole}: {why}. {COPY_AGAIN}, {OFFER}."
    )


def read_pages(path: Path, request: Request) -> tuple[Pages, Chain, list[str]]:
    """Read where the images of a file lie that no header of its own arranges.

    Returns
    -------
    pages, chain
        The whole images, and where their headers lie.
    remarks
        Sentence on an end that is lost.
    """
    with open_tiff(path) as tiff:
        chain = read_chain(path)
        pages = Pages.of_chain(tiff.pages[chain.first].aspage(), chain, path)
    pages, remarks = check_whole(pages, None, chain.is_cut, request, str(path))
    return pages, chain, remarks
