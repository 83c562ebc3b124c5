"""Reads ScanImage 3.8 to 2023: channels, volumes, flyback, scan fields, files split anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._cycle import Cycle
from napari_cnmf.io.movies._recording import Recording, fact_of_channels, positive_or_none
from napari_cnmf.io.movies._request import ChoiceNeededError, Request, chosen_channel, chosen_of
from napari_cnmf.io.movies._stores import crop_rows, pick_frames
from napari_cnmf.io.movies.tiff.arranging import check_whole
from napari_cnmf.io.movies.tiff.chain import Chain, read_chain, read_descriptions
from napari_cnmf.io.movies.tiff.pages import Pages, join_pages, open_tiff
from napari_cnmf.io.movies.tiff.scanfields import ScanField, fields_of, spacing_of
from napari_cnmf.model.description import Fact, Piece

_SOURCE = "ScanImage header"


@dataclass(frozen=True)
class Settings:
    """Settings that ScanImage notes in the first image of a file.

    Attributes
    ----------
    version
        ``"3.8"``, ``"5"`` or the year.
    values
        Settings by their name without ``SI.``, ``scanimage.SI4.`` or ``state.``.
    regions
        The groups of regions of interest.
    """

    version: str
    values: Mapping[str, Any]
    regions: Mapping[str, Any] = field(default_factory=dict)

    def number(self, *names: str) -> float | None:
        """First of these settings that is a number above 0."""
        return next((v for n in names if (v := positive_or_none(self.values.get(n)))), None)

    def is_on(self, *names: str) -> bool:
        """Whether one of these settings is on."""
        return any(self.values.get(name) in (True, 1, "true", "True") for name in names)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that are saved."""
        saved = next(
            (
                self.values[name]
                for name in ("hChannels.channelSave", "channelsSave")
                if name in self.values
            ),
            None,
        )
        if saved is None:
            count = int(self.number("acq.numberOfChannelsSave") or 1)
            flags = [k for k in range(1, 9) if self.is_on(f"acq.savingChannel{k}")]
            saved = flags if len(flags) == count else list(range(1, count + 1))
        return tuple(f"channel {int(k)}" for k in np.ravel(saved)) or ("channel 1",)

    @property
    def cycle(self) -> Cycle:
        """How the images follow each other."""
        n_planes = self.n_planes
        if n_planes == 1:
            return Cycle(len(self.channels))
        with_flyback = self.number(
            "hStackManager.numFramesPerVolumeWithFlyback", "hFastZ.numFramesPerVolume"
        )
        if with_flyback is not None and with_flyback >= n_planes * self.per_plane:
            flyback = int(with_flyback) - n_planes * self.per_plane
        else:
            names = ("hFastZ.discardFlybackFrames", "fastZDiscardFlybackFrames")
            n = self.number("hFastZ.numDiscardFlybackFrames", "fastZNumDiscardFrames")
            flyback = int(n or 0) if self.is_on(*names) else 0
        return Cycle(len(self.channels), n_planes, flyback)

    @property
    def n_planes(self) -> int:
        """Number of planes of a volume, or of a slow stack."""
        volumes = self.is_on("hFastZ.enable", "hStackManager.enable", "fastZEnable")
        if "acq.numberOfZSlices" in self.values:
            return int(self.number("acq.numberOfZSlices") or 1)
        names = ("hStackManager.actualNumSlices", "hStackManager.numSlices", "stackNumSlices")
        return int(self.number(*names) or 1) if volumes else 1

    @property
    def per_plane(self) -> int:
        """Number of images of a plane that follow each other before the next plane."""
        count = self.number("hStackManager.framesPerSlice", "acqNumFrames", "acq.numberOfFrames")
        if count is None or self.n_planes == 1:
            return 1
        return max(1, int(count / (self.averaged or 1)))

    @property
    def averaged(self) -> float:
        """Number of frames that are averaged into one image."""
        return self.number("hScan2D.logAverageFactor", "acqNumAveragedFrames") or 1.0

    def rate(self, cycle: Cycle) -> tuple[float | None, str]:
        """Rate of frames or volumes in Hz, and the setting that tells it."""
        frames = self.number("hRoiManager.scanFrameRate", "scanFrameRate", "acq.frameRate")
        if cycle.n_planes == 1:
            averaged = self.averaged
            if "acq.frameRate" in self.values:
                averaged = self.number("acq.numAvgFramesSave") or 1
            name = "acq.frameRate" if "acq.frameRate" in self.values else "scanFrameRate"
            return (None if frames is None else frames / averaged), f"{_SOURCE}, {name}"
        volumes = self.number("hRoiManager.scanVolumeRate")
        if volumes is not None and cycle == self.cycle:
            return volumes, f"{_SOURCE}, scanVolumeRate"
        per_volume = cycle.n_planes + cycle.n_flyback
        return (None if frames is None else frames / per_volume), f"{_SOURCE}, scanFrameRate"


def read_settings(tiff: tifffile.TiffFile) -> Settings | None:
    """Read the settings of ScanImage, or ``None`` where another program wrote the file."""
    page = tiff.pages.first
    noted = (tiff.scanimage_metadata or {}) if tiff.is_scanimage else {}
    software = str(page.software)
    if noted.get("FrameData"):
        return _modern(noted["FrameData"], noted.get("RoiGroups") or {})
    if software.startswith("SI."):
        try:
            regions = json.loads(str(page.tags.valueof("Artist", default="{}")))
        except ValueError:
            regions = {}
        return _modern(tifffile.matlabstr2py(software), regions.get("RoiGroups") or {})
    text = str(page.description)
    if "state.config" in text[:200] or "state.acq." in text:
        lines = re.findall(r"state\.([\w.]+)\s*=\s*([^\r\n]*)", text)
        return Settings("3", {name: _plain(value) for name, value in lines})
    if "scanimage.SI" in text:
        lines = re.findall(r"scanimage\.SI\d?\.([\w.]+)\s*=\s*([^\r\n]*)", text)
        return Settings("4 or 5", {name: _matlab(value) for name, value in lines})
    return None


def _modern(frame_data: Mapping[str, Any], regions: Mapping[str, Any]) -> Settings:
    values = {name.removeprefix("SI."): value for name, value in frame_data.items()}
    version = str(values.get("VERSION_MAJOR", "")).strip("'\"") or "5"
    return Settings(version, values, regions)


def _plain(text: str) -> Any:
    text = text.strip().strip("'")
    try:
        return float(text)
    except ValueError:
        return text


def _matlab(text: str) -> Any:
    """A number, a list in brackets, or a word of a MATLAB line."""
    inner = text.strip()
    if inner.startswith("[") and inner.endswith("]"):
        return [float(n) for n in re.findall(r"[-+0-9.eE]+", inner)]
    return {"true": True, "false": False}.get(inner, _plain(inner))


@dataclass
class _Part:
    """One file: its images and the number and time of its first and last frame."""

    path: Path
    pages: Pages
    chain: Chain
    remarks: list[str]


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
    cycle, cycle_remarks = _cycle_of(settings, request, len(pages))
    names = settings.channels
    if request.n_channels is not None and request.n_channels != len(names):
        names = tuple(f"channel {k}" for k in range(request.n_channels))
    place = _places(parts, cycle, settings)
    facts = _facts(settings, cycle, pages.stored)
    fields = fields_of(settings.regions, settings.values, cycle.n_planes, pages.shape[-2])
    # Two questions may be open; the one that concerns the frames' number comes first.
    per_plane = settings.per_plane if cycle.n_planes > 1 and not request.has_cycle else 1
    channel = chosen_channel(names, request.channel, name, _SOURCE)
    facts["channels"] = fact_of_channels(list(names), channel, _SOURCE)
    scan_field = _chosen_field(fields, request, name)
    if per_plane > 1:
        numbers, plane_remarks, rate = _one_plane(
            len(pages), cycle, per_plane, channel, settings, request, name
        )
        times = None
    else:
        volumes = place.volumes_of(cycle)
        numbers = volumes.images + channel
        plane_remarks = _told_lost(volumes.n_broken, cycle)
        rate = settings.rate(cycle)
        times = _times(parts, place, volumes, cycle, rate[0])
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
            _SOURCE,
        )
        if numbers.ndim == 2:
            numbers = numbers[:, list(scan_field.planes)]
            numbers = numbers[:, 0] if numbers.shape[1] == 1 else numbers
    store = pick_frames(pages.store("YX", 0), numbers)
    if scan_field is not None:
        store = crop_rows(store, scan_field.first, scan_field.stop)
    recording = Recording(
        store,
        rate[0],
        spacing_of(settings.regions, settings.values, scan_field),
        ({"frame_rate_from": rate[1]} if rate[0] else {})
        | ({"plane": request.plane, "n_planes": cycle.n_planes} if per_plane > 1 else {}),
        f"ScanImage {settings.version} TIFF",
        facts,
        (*remarks, *cycle_remarks, *place.remarks, *plane_remarks),
        pieces=tuple(Piece(part.path, len(part.pages)) for part in parts),
    )
    return recording.with_times(times, "ScanImage time stamps")


def _read_part(path: Path, request: Request) -> _Part:
    with open_tiff(path) as tiff:
        chain = read_chain(path)
        pages = Pages.of_chain(tiff.pages[chain.first].aspage(), chain, path)
    pages, remarks = check_whole(pages, None, chain.is_cut, request, str(path))
    if pages.axes != "YX":
        raise MovieError(f"{path} must hold images of Y and X, got axes {pages.axes}.")
    return _Part(path, pages, chain, remarks)


def _cycle_of(settings: Settings, request: Request, n_images: int) -> tuple[Cycle, list[str]]:
    """Order of the images: the user's, else that of the header and their number."""
    own = settings.cycle
    cycle = Cycle(
        own.n_channels if request.n_channels is None else request.n_channels,
        own.n_planes if request.n_planes is None else request.n_planes,
        own.n_flyback if request.n_flyback is None else request.n_flyback,
    )
    if request.has_cycle or not own.n_flyback:
        return cycle, []
    volumes = settings.number("hStackManager.numVolumes", "hFastZ.numVolumes")
    without = replace(own, n_flyback=0)
    if volumes and n_images == volumes * without.n_images * settings.per_plane:
        remark = (
            f"The header tells of {own.n_flyback} flyback images after each volume, but the number "
            "of images shows that they are not stored. Say n_flyback= if that is wrong."
        )
        return without, [remark]
    return own, [
        f"{own.n_flyback} flyback image{'s' * (own.n_flyback > 1)} after each volume of "
        f"{own.n_planes} planes {'are' if own.n_flyback > 1 else 'is'} left out. Say n_flyback=0 "
        "if the files hold none."
    ]


@dataclass
class _Places:
    """Place of each frame: its volume and plane.

    Attributes
    ----------
    frames
        ``(n,)`` number of each frame (all channels of one image) in its acquisition, from 0.
    acquisitions
        ``(n,)`` which acquisition it belongs to.
    first_images
        ``(n,)`` number of its first image among all images.
    remarks
        Sentences about missing frames and files.
    """

    frames: NDArray[np.int64]
    acquisitions: NDArray[np.int64]
    first_images: NDArray[np.int64]
    remarks: list[str]

    def volumes_of(self, cycle: Cycle) -> _Volumes:
        """Volumes (or frames, of one plane) whose images are all there."""
        per_volume = cycle.n_planes + cycle.n_flyback
        volume, plane = np.divmod(self.frames, per_volume)
        n_volumes = int(volume.max(initial=-1)) + 1
        key = self.acquisitions * n_volumes + volume
        whole, place = np.unique(key, return_inverse=True)
        table = np.full((whole.size, per_volume), -1, np.int64)
        table[place, plane] = self.first_images
        table = table[:, : cycle.n_planes]
        complete = (table >= 0).all(axis=1)
        acquisition, number = np.divmod(whole[complete], max(1, n_volumes))
        return _Volumes(table[complete], number, acquisition, int(np.count_nonzero(~complete)))


@dataclass(frozen=True)
class _Volumes:
    """The volumes whose images are all there.

    Attributes
    ----------
    images
        ``(T, n_planes)`` number of the first channel's image of each plane.
    numbers, acquisitions
        ``(T,)`` number of the volume in its acquisition, and which one that is.
    n_broken
        Volumes that lack an image and are left out.
    """

    images: NDArray[np.int64]
    numbers: NDArray[np.int64]
    acquisitions: NDArray[np.int64]
    n_broken: int


_NUMBER = re.compile(r"frameNumbers?\s*=\s*(\d+)|Frame Number\s*=\s*(\d+)")
_STAMP = re.compile(
    r"frameTimestamps?_sec\s*=\s*([-+0-9.eE]+)|Frame Timestamp\(s\)\s*=\s*([-+0-9.eE]+)"
)
_EPOCH = re.compile(r"epoch\s*=\s*\[([^\]]*)\]")


def _places(parts: Sequence[_Part], cycle: Cycle, settings: Settings) -> _Places:
    """Find the place of every frame, by the numbers that ScanImage gives the frames.

    The first number of each file tells whether it goes on where the one before ended (a volume
    may go on over the end of a file), begins a new acquisition, or whether files are missing.
    """
    n_channels = cycle.n_channels
    frames, acquisitions, images = [], [], []
    remarks: list[str] = []
    acquisition, expected, image = 0, None, 0
    for k, part in enumerate(parts):
        n_frames, rest = divmod(len(part.pages), n_channels)
        if rest:
            remarks.append(
                f"{part.path.name} ends in the middle of a frame of {n_channels} channels: its "
                f"last {rest} images are left out."
            )
        number = _first_number(part)
        start = 0 if expected is None else expected
        if number is not None:
            if expected is None:
                start = number - 1
                if number > 1:
                    remarks.append(
                        f"{part.path.name} begins with frame {number}: what came before is in "
                        "another file, which is not given."
                    )
            elif number - 1 > expected:
                lost = number - 1 - expected
                remarks.append(
                    f"Frames {expected + 1}-{number - 1} are missing between "
                    f"{parts[k - 1].path.name} and {part.path.name} ({lost} frames)."
                )
                start = number - 1
            elif number - 1 < expected:
                acquisition, start = acquisition + 1, number - 1
        frames.append(start + np.arange(n_frames))
        acquisitions.append(np.full(n_frames, acquisition))
        images.append(image + n_channels * np.arange(n_frames))
        expected, image = start + n_frames, image + len(part.pages)
    return _Places(
        np.concatenate(frames), np.concatenate(acquisitions), np.concatenate(images), remarks
    )


def _first_number(part: _Part) -> int | None:
    found = _NUMBER.search(read_descriptions(part.path, part.chain, [0])[0])
    return int(found.group(1) or found.group(2)) if found and len(part.pages) else None


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


def _times(
    parts: Sequence[_Part], place: _Places, volumes: _Volumes, cycle: Cycle, rate: float | None
) -> NDArray[np.float64] | None:
    """Times of the frames or volumes, where there are gaps between or in the files."""
    if rate is None or len(volumes.numbers) < 2:
        return None
    starts = [_first_stamp(part) for part in parts]
    per_volume = cycle.n_planes + cycle.n_flyback
    period = 1 / (rate * per_volume)
    if place.acquisitions.max(initial=0) == 0:
        steps = np.diff(volumes.numbers)
        even = bool(np.all(steps == 1)) and _is_steady(parts, cycle.n_channels, period)
        if even:
            return None
        stamps = _all_stamps(parts, cycle)
        if stamps is None:
            return np.asarray(volumes.numbers / rate, np.float64)
        first = {int(f): float(s) for f, s in zip(place.frames, stamps, strict=True)}
        return np.array([first[int(v) * per_volume] for v in volumes.numbers])
    if any(start is None for start in starts):
        return None
    begins: dict[int, float] = {}
    at = 0
    for part, start in zip(parts, starts, strict=True):
        n_frames = len(part.pages) // cycle.n_channels
        if n_frames and start is not None:
            begins.setdefault(int(place.acquisitions[at]), start)
        at += n_frames
    origin = begins[0]
    return np.array(
        [
            begins[int(a)] - origin + v / rate
            for a, v in zip(volumes.acquisitions, volumes.numbers, strict=True)
        ]
    )


def _first_stamp(part: _Part) -> float | None:
    """Seconds of the first frame, counted from a fixed day."""
    text = read_descriptions(part.path, part.chain, [0])[0]
    stamp, epoch = _STAMP.search(text), _EPOCH.search(text)
    if stamp is None:
        return None
    seconds = float(stamp.group(1) or stamp.group(2))
    numbers = [float(n) for n in re.findall(r"[0-9.]+", epoch.group(1))] if epoch else []
    if len(numbers) != 6:
        return seconds
    try:
        day = datetime(*(int(n) for n in numbers[:5]))  # type: ignore[arg-type]
    except ValueError:
        return seconds
    return (day - datetime(2000, 1, 1)).total_seconds() + numbers[5] + seconds


def _is_steady(parts: Sequence[_Part], n_channels: int, period: float) -> bool:
    """Whether the last stamp of each file lies where the frame rate puts it."""
    for part in parts:
        n_frames = len(part.pages) // n_channels
        if n_frames < 2:
            continue
        texts = read_descriptions(part.path, part.chain, [0, (n_frames - 1) * n_channels])
        stamps = [_STAMP.search(text) for text in texts]
        if stamps[0] is None or stamps[1] is None:
            return True
        first, last = (float(s.group(1) or s.group(2)) for s in stamps if s is not None)
        if abs(last - first - (n_frames - 1) * period) > max(1.5 * period, 0.02 * (last - first)):
            return False
    return True


def _all_stamps(parts: Sequence[_Part], cycle: Cycle) -> NDArray[np.float64] | None:
    """Time stamps ``(n_frames,)`` of every frame."""
    found: list[float] = []
    for part in parts:
        n_frames = len(part.pages) // cycle.n_channels
        numbers = [k * cycle.n_channels for k in range(n_frames)]
        for text in read_descriptions(part.path, part.chain, numbers):
            stamp = _STAMP.search(text)
            if stamp is None:
                return None
            found.append(float(stamp.group(1) or stamp.group(2)))
    return np.array(found)


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
    return numbers[:, None], remarks, (rate, f"{_SOURCE}, scanFrameRate")


def _chosen_field(fields: Sequence[ScanField], request: Request, name: str) -> ScanField | None:
    """Choose the scan field to open; ``None`` where an image is one field."""
    if len(fields) < 2:
        if request.field not in (None, 0):
            raise MovieError(f"field must be 0, got {request.field}: {name} has one scan field.")
        return None
    if request.field is None:
        listed = ", ".join(f"{k}: {one.name}" for k, one in enumerate(fields))
        raise ChoiceNeededError(
            f"One scan field (ROI) must be chosen, {name} has {len(fields)} ({_SOURCE}): each is a "
            f"movie of its own. Choose it with field=0 to field={len(fields) - 1}: {listed}.",
            "field",
            [(k, one.name) for k, one in enumerate(fields)],
        )
    index = chosen_of("field", [one.name for one in fields], request.field, name, "")
    return fields[index or 0]


def _facts(settings: Settings, cycle: Cycle, stored: np.dtype[Any]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    if cycle.n_flyback:
        facts["not_images"] = Fact(
            cycle.n_flyback, f"{cycle.n_flyback} flyback images after each volume", _SOURCE
        )
    subtracted = settings.values.get("hChannels.channelSubtractOffset")
    if subtracted is None:
        subtracted = settings.values.get("hScan2D.channelsSubtractOffsets")
    if subtracted is not None and any(bool(one) for one in np.ravel(subtracted)):
        text = f"{stored.name}, offset subtracted while recording (values below 0 are possible)"
        facts["values"] = Fact("offset subtracted", text, _SOURCE)
    return facts
