"""Finds the frame and volume of each image of ScanImage, and when it was recorded.

The number that ScanImage gives every frame tells whether a file goes on where the one before
ended - between two volumes, in a volume, or between the channels of one frame -, begins a new
acquisition, or whether files are missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.movies._clock import Start, start_of_moment
from napari_cnmf.io.movies._cycle import Cycle
from napari_cnmf.io.movies._pauses import Segment
from napari_cnmf.io.movies.tiff.chain import Chain, read_descriptions
from napari_cnmf.io.movies.tiff.pages import Pages
from napari_cnmf.io.movies.tiff.scanimage_settings import Settings

_NUMBER = re.compile(r"frameNumbers?\s*=\s*(\d+)|Frame Number\s*=\s*(\d+)")
_STAMP = re.compile(
    r"frameTimestamps?_sec\s*=\s*([-+0-9.eE]+)|Frame Timestamp\(s\)\s*=\s*([-+0-9.eE]+)"
)
_LOOKED_AT = 64
"""Images whose numbers show how frames are counted: some frames of all channels, some volumes."""
_EPOCH = re.compile(r"epoch\s*=\s*\[([^\]]*)\]")


@dataclass
class Part:
    """One file: its images, where their headers lie, and remarks on it."""

    path: Path
    pages: Pages
    chain: Chain
    remarks: list[str]


@dataclass(frozen=True)
class Volumes:
    """Volumes (or frames, of one plane) whose images are all there.

    Attributes
    ----------
    images
        ``(T, n_planes)`` number of the first channel's image of each plane.
    frames
        ``(T,)`` place of the first plane's frame in `Places`.
    numbers, acquisitions
        ``(T,)`` number of the volume in its acquisition, and which one that is.
    n_broken
        Volumes that lack an image and are left out.
    """

    images: NDArray[np.int64]
    frames: NDArray[np.int64]
    numbers: NDArray[np.int64]
    acquisitions: NDArray[np.int64]
    n_broken: int


@dataclass(frozen=True)
class Places:
    """Place of each frame (all channels of one image): its volume and plane.

    Attributes
    ----------
    frames
        ``(n,)`` number of each frame in its acquisition, from 0.
    acquisitions
        ``(n,)`` which acquisition it belongs to.
    first_images
        ``(n,)`` number of its first channel's image among the images of all files.
    remarks
        Sentences about missing frames and files.
    """

    frames: NDArray[np.int64]
    acquisitions: NDArray[np.int64]
    first_images: NDArray[np.int64]
    remarks: list[str]

    def volumes_of(self, cycle: Cycle) -> Volumes:
        """The volumes whose images are all there."""
        per_volume = cycle.n_planes + cycle.n_flyback
        volume, plane = np.divmod(self.frames, per_volume)
        n_volumes = int(volume.max(initial=-1)) + 1
        key = self.acquisitions * n_volumes + volume
        whole, place = np.unique(key, return_inverse=True)
        table = np.full((whole.size, per_volume), -1, np.int64)
        table[place, plane] = np.arange(len(self.frames))
        table = table[:, : cycle.n_planes]
        complete = (table >= 0).all(axis=1)
        acquisition, number = np.divmod(whole[complete], max(1, n_volumes))
        frames = table[complete]
        n_broken = int(np.count_nonzero(~complete))
        return Volumes(self.first_images[frames], frames[:, 0], number, acquisition, n_broken)


@dataclass(frozen=True)
class Counting:
    """Way from the number that ScanImage gives a frame to its place among the saved frames.

    Where frames are averaged, their numbers go on counting those that were recorded.

    Attributes
    ----------
    averaged
        Recorded frames for each saved one; 1 where the numbers count the saved ones.
    per_volume, imaged
        Recorded frames of a volume, and how many of them show planes; 0 for one plane.
    n_flyback
        Saved flyback images of a volume.
    """

    averaged: int = 1
    per_volume: int = 0
    imaged: int = 0
    n_flyback: int = 0

    def place(self, number: int) -> int:
        """Place of a frame, from 0, among the saved frames of its acquisition."""
        if self.averaged == 1:
            return number - 1
        if not self.per_volume:
            return (number - 1) // self.averaged
        volume, frame = divmod(number - 1, self.per_volume)
        n_saved = self.imaged // self.averaged
        image = frame // self.averaged
        return volume * (n_saved + self.n_flyback) + min(image, n_saved + self.n_flyback - 1)


def counting_of(part: Part, settings: Settings, cycle: Cycle) -> Counting:
    """Find out how the numbers in the headers count averaged frames.

    Parameters
    ----------
    part
        The first file.
    cycle
        Order of the saved images.
    """
    numbers = _numbers(part, _LOOKED_AT * cycle.n_channels)[:: cycle.n_channels]
    averaged = settings.averaged
    if averaged == 1 or averaged not in np.diff(numbers):
        return Counting()
    if cycle.n_planes == 1:
        return Counting(averaged)
    per_volume = settings.frames_per_volume or settings.imaged_frames + settings.cycle.n_flyback
    return Counting(averaged, per_volume, settings.imaged_frames, cycle.n_flyback)


def stored_flyback(part: Part, settings: Settings) -> int | None:
    """Number of flyback images that are saved after a volume of averaged frames.

    Returns
    -------
    int or None
        ``None`` where the numbers of the frames do not tell.
    """
    n_channels, per_volume = len(settings.channels), settings.frames_per_volume
    numbers = np.array(_numbers(part, _LOOKED_AT * n_channels)[::n_channels])
    if per_volume is None or settings.averaged not in np.diff(numbers):
        return None
    volume, frame = np.divmod(numbers - 1, per_volume)
    whole = volume[(volume > volume[0]) & (volume < volume[-1])]
    if not whole.size:
        return None
    return int(np.count_nonzero((volume == whole[0]) & (frame >= settings.imaged_frames)))


def channels_by_number(part: Part) -> int | None:
    """Number of images that share the number of their frame: the channels that are saved.

    Returns
    -------
    int or None
        ``None`` where there are too few images, or their numbers do not count frames.
    """
    numbers = np.array(_numbers(part, _LOOKED_AT))
    ends = np.flatnonzero(np.diff(numbers) > 0)
    lengths = np.unique(np.diff(ends))
    return int(lengths[0]) if ends.size > 2 and lengths.size == 1 else None


def places_of(parts: Sequence[Part], n_channels: int, counting: Counting) -> Places:
    """Find the place of every frame, by the numbers that ScanImage gives the frames."""
    frames, acquisitions, images = [], [], []
    remarks: list[str] = []
    acquisition, expected, image = 0, 0, 0
    n_begun = 0  # images of the frame that the file before ended in the middle of
    for k, part in enumerate(parts):
        number = _first_number(part)
        start = expected if number is None else counting.place(number)
        if k and n_begun and start != expected:
            remarks.append(_told_begun(parts[k - 1], n_begun, n_channels))
            start_image, n_begun = image, 0
            expected += 1
        else:
            start_image = image - n_begun
        if k == 0 and start > 0:
            remarks.append(
                f"{part.path.name} begins with frame {start + 1}: what came before is in another "
                "file, which is not given."
            )
        elif k and start > expected:
            lost = start - expected
            what = f"Frames {expected + 1}-{start} are" if lost > 1 else f"Frame {start} is"
            remarks.append(f"{what} missing between {parts[k - 1].path.name} and {part.path.name}.")
        elif k and start < expected:
            acquisition += 1
        n_frames, n_begun = divmod(n_begun + len(part.pages), n_channels)
        frames.append(start + np.arange(n_frames))
        acquisitions.append(np.full(n_frames, acquisition))
        images.append(start_image + n_channels * np.arange(n_frames))
        expected, image = start + n_frames, image + len(part.pages)
    if n_begun:
        remarks.append(_told_begun(parts[-1], n_begun, n_channels))
    return Places(
        np.concatenate(frames), np.concatenate(acquisitions), np.concatenate(images), remarks
    )


def _told_begun(part: Part, n_begun: int, n_channels: int) -> str:
    return (
        f"{part.path.name} ends in the middle of a frame: {n_begun} of its {n_channels} channels "
        f"{'are' if n_begun > 1 else 'is'} there, and left out."
    )


def _first_number(part: Part) -> int | None:
    return next(iter(_numbers(part, 1)), None)


def _numbers(part: Part, n_images: int) -> list[int]:
    """Numbers that ScanImage gave the first images of a file; empty where one has none."""
    texts = read_descriptions(part.path, part.chain, list(range(min(n_images, len(part.pages)))))
    found = [_NUMBER.search(text) for text in texts]
    return [] if None in found else [int(one.group(1) or one.group(2)) for one in found if one]


def times_of(
    parts: Sequence[Part], place: Places, volumes: Volumes, cycle: Cycle, rate: float | None
) -> NDArray[np.float64] | None:
    """Times of the frames or volumes in seconds, where they are not even; else ``None``."""
    if rate is None or len(volumes.numbers) < 2:
        return None
    period = 1 / (rate * (cycle.n_planes + cycle.n_flyback))
    if np.all(np.diff(volumes.numbers) == 1) and _is_steady(parts, place, period):
        return None
    texts = _descriptions(parts, place.first_images[volumes.frames])
    stamps = [_seconds(text) for text in texts]
    if any(stamp is None for stamp in stamps):
        return np.asarray(volumes.numbers / rate, np.float64)
    return np.array(stamps, np.float64)


def segments_of(
    parts: Sequence[Part], place: Places, volumes: Volumes, rate: float | None
) -> list[Segment]:
    """Acquisitions one after the other, each with its start; empty for one alone."""
    if rate is None or not len(volumes.numbers) or place.acquisitions.max(initial=0) == 0:
        return []
    kept, first_volume = np.unique(volumes.acquisitions, return_index=True)
    images = place.first_images[volumes.frames[first_volume]]
    texts = _descriptions(parts, images)
    starts = [_start(text) for text in texts]
    stamps = [_seconds(text) for text in texts]
    counted = [stamp for stamp in stamps if stamp is not None]
    if not any(starts) and len(counted) == len(stamps) and np.all(np.diff(counted) > 0):
        source = "ScanImage time stamps"
        starts = [Start(0.0, source, 0.0, source, stamp) for stamp in counted]
    ends = np.cumsum([len(part.pages) for part in parts])
    found = []
    for acquisition, image, start in zip(kept, images, starts, strict=True):
        numbers = volumes.numbers[volumes.acquisitions == acquisition]
        name = parts[int(np.searchsorted(ends, image, side="right"))].path.name
        is_even = bool(np.all(np.diff(numbers) == 1))
        found.append(Segment(name, (numbers - numbers[0]) / rate, start, is_even))
    return found


def _is_steady(parts: Sequence[Part], place: Places, period: float) -> bool:
    """Whether the first and last stamp of each file lie where the frame rate puts them.

    The trials of a loop are files whose numbers go on, with a pause between them.
    """
    ends = np.cumsum([len(part.pages) for part in parts])
    file = np.searchsorted(ends, place.first_images, side="right")
    at = np.flatnonzero(np.diff(file, prepend=-1, append=len(parts)))
    at = np.unique(np.concatenate([at[:-1], at[1:] - 1]))
    found = [_seconds(text) for text in _descriptions(parts, place.first_images[at])]
    stamps = [stamp for stamp in found if stamp is not None]
    if len(stamps) < len(found):
        return True
    took, expected = np.diff(stamps), np.diff(place.frames[at]) * period
    return bool(np.all(np.abs(took - expected) <= np.maximum(1.5 * period, 0.02 * np.abs(took))))


def _descriptions(parts: Sequence[Part], images: NDArray[np.int64]) -> list[str]:
    """The text of each of these images, which are numbered over all files, in ascending order."""
    starts = np.cumsum([0, *(len(part.pages) for part in parts)])
    texts: list[str] = []
    for part, begin, end in zip(parts, starts[:-1], starts[1:], strict=True):
        mine = images[(images >= begin) & (images < end)] - begin
        if mine.size:
            texts += read_descriptions(part.path, part.chain, mine.tolist())
    return texts


def _seconds(text: str) -> float | None:
    """Seconds of a frame since its acquisition began."""
    stamp = _STAMP.search(text)
    return None if stamp is None else float(stamp.group(1) or stamp.group(2))


def _start(text: str) -> Start | None:
    """Start of a frame by the epoch that its time counts from; ``None`` where none is noted."""
    seconds, epoch = _seconds(text), _EPOCH.search(text)
    numbers = [] if epoch is None else re.findall(r"[0-9.]+", epoch.group(1))
    if seconds is None or len(numbers) != 6:
        return None
    try:
        *day, last = (float(number) for number in numbers)
        minute = datetime(*(int(n) for n in day))  # type: ignore[arg-type]
    except ValueError:
        return None
    return start_of_moment(minute, 1e-3, "ScanImage epoch").later(last + seconds)
