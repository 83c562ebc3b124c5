"""Reads ScanImage's notes in its files: channels, planes, flyback images, rates."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tifffile

from napari_cnmf.io.movies._cycle import Cycle
from napari_cnmf.io.movies._recording import positive_or_none

SOURCE = "ScanImage header"


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
        """Order in which the images follow each other; flyback counts frames before averaging."""
        n_planes = self.n_planes
        if n_planes == 1:
            return Cycle(len(self.channels))
        if self.frames_per_volume is not None:
            return Cycle(len(self.channels), n_planes, self.frames_per_volume - self.imaged_frames)
        names = ("hFastZ.discardFlybackFrames", "fastZDiscardFlybackFrames")
        n = self.number("hFastZ.numDiscardFlybackFrames", "fastZNumDiscardFrames")
        return Cycle(len(self.channels), n_planes, int(n or 0) if self.is_on(*names) else 0)

    @property
    def frames_per_slice(self) -> int:
        """Number of frames that are recorded of a plane before the next plane."""
        names = ("hStackManager.framesPerSlice", "acqNumFrames", "acq.numberOfFrames")
        return int(self.number(*names) or 1)

    @property
    def imaged_frames(self) -> int:
        """Number of frames of a volume that show planes, before averaging."""
        return self.n_planes * self.frames_per_slice

    @property
    def frames_per_volume(self) -> int | None:
        """Number of frames of a volume with flyback, before averaging; ``None`` if not noted."""
        names = ("hStackManager.numFramesPerVolumeWithFlyback", "hFastZ.numFramesPerVolume")
        count = self.number(*names)
        return int(count) if count is not None and count >= self.imaged_frames else None

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
        return 1 if self.n_planes == 1 else max(1, self.frames_per_slice // self.averaged)

    @property
    def averaged(self) -> int:
        """Number of frames that are averaged into one image."""
        names = ("hScan2D.logAverageFactor", "acqNumAveragedFrames", "acq.numAvgFramesSave")
        return max(1, int(self.number(*names) or 1))

    def rate(self, cycle: Cycle) -> tuple[float | None, str]:
        """Rate of frames or volumes in Hz, and the setting that tells it."""
        frames = self.number("hRoiManager.scanFrameRate", "scanFrameRate", "acq.frameRate")
        if cycle.n_planes == 1:
            name = "acq.frameRate" if "acq.frameRate" in self.values else "scanFrameRate"
            return (None if frames is None else frames / self.averaged), f"{SOURCE}, {name}"
        volumes = self.number("hRoiManager.scanVolumeRate")
        if volumes is not None and cycle == self.cycle:
            return volumes, f"{SOURCE}, scanVolumeRate"
        per_volume = cycle.n_planes + cycle.n_flyback
        return (None if frames is None else frames / per_volume), f"{SOURCE}, scanFrameRate"


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
    for mark, name, version in (
        ("state.config", r"state\.", "3"),
        ("state.acq.", r"state\.", "3"),
        ("scanimage.SI", r"scanimage\.SI\d?\.", "4 or 5"),
    ):
        if mark in text:
            values = tifffile.matlabstr2py(text)
            named = {found: value for found, value in values.items() if re.match(name, found)}
            return Settings(version, {re.sub(name, "", key): v for key, v in named.items()})
    return None


def _modern(frame_data: Mapping[str, Any], regions: Mapping[str, Any]) -> Settings:
    values = {name.removeprefix("SI."): value for name, value in frame_data.items()}
    version = str(values.get("VERSION_MAJOR", "")).strip("'\"") or "5"
    return Settings(version, values, regions)
