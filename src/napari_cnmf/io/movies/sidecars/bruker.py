"""Reads Bruker's PrairieView: XML that names the file of every frame, plane and channel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.movies._clock import Start, start_of_moment
from napari_cnmf.io.movies._recording import number_or_none, positive_or_none, usual_step
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts, field_of

SOURCE = "Bruker XML"
_DATE = re.compile(r"(\d+)([./-])(\d+)[./-](\d+)[ T]+(\d+):(\d\d):(\d\d)\s*([AP]M)?", re.IGNORECASE)
_DATE_KEY = "date of the PVScan"
_TIME = re.compile(r"(\d+):(\d\d):(\d\d(?:[.,]\d+)?)")


@dataclass
class _Sequence:
    """One cycle: its kind, and for each frame the time and the files of the channels."""

    kind: str
    is_bidirectional: bool
    begins: str = ""
    times: list[tuple[float, float]] = field(default_factory=list)
    files: list[dict[int, tuple[str, int]]] = field(default_factory=list)


@dataclass(frozen=True)
class PrairieScan:
    """A recording as PrairieView describes it.

    Attributes
    ----------
    path
        The XML file.
    files
        Names of the TIFF files, in the order in which they are named.
    pages
        ``(T, Z, C, 2)``: number of the file among ``files`` and of the image in it; -1 where
        the XML names none.
    channels
        Names of the channels.
    facts
        Rate, pixel size and times.
    in_broken
        Names of the files of volumes that are not whole.
    """

    path: Path
    files: tuple[str, ...]
    pages: NDArray[np.int64]
    channels: tuple[str, ...]
    facts: SidecarFacts
    in_broken: frozenset[str]

    @property
    def is_single_images(self) -> bool:
        """Whether each file has one image."""
        return bool(self.pages[..., 1].max(initial=0) == 0)


def find_prairie_xml(folder: Path) -> Path | None:
    """Find the XML file of a PrairieView recording in a folder."""
    named = folder / f"{folder.name}.xml"
    others = sorted(folder.glob("*.xml"))
    for path in ([named] if named in others else []) + [p for p in others if p != named]:
        try:
            with path.open("rb") as stream:
                if b"<PVScan" in stream.read(2048):
                    return path
        except PermissionError:
            raise  # it may be the description, without which other frames would be read
        except OSError:
            continue
    return None


def read_prairie_xml(path: Path) -> PrairieScan | None:
    """Read the XML of a PrairieView recording; ``None`` where it names no TIFF files."""
    sequences: list[_Sequence] = []
    state: dict[str, str] = {}
    sizes: dict[str, float] = {}
    names: dict[int, str] = {}
    remarks: list[str] = []
    try:
        for event, element in ElementTree.iterparse(path, events=("start", "end")):
            if event == "start":
                _begin(element, sequences, state)
            elif element.tag == "Frame":
                if not sequences:
                    sequences.append(_Sequence("", False))
                _add_frame(element, sequences[-1], names)
                _read_state(element, state, {})
                element.clear()
            elif element.tag == "PVStateShard":
                _read_state(element, state, sizes)
    except ElementTree.ParseError as error:
        remarks.append(f"{path.name} breaks off ({error}): what it says before that is used.")
    sequences = [s for s in sequences if s.files]
    if not sequences or not names:
        return None
    channels = sorted(names)
    is_volumes = "ZSeries" in sequences[0].kind and len(sequences) > 1
    frames, times, n_planes = _frames_of(sequences, remarks, is_volumes=is_volumes)
    files: dict[str, int] = {}
    pages = np.full((len(frames), n_planes, len(channels), 2), -1, np.int64)
    for t, planes in enumerate(frames):
        for z, mine in enumerate(planes):
            for c, channel in enumerate(channels):
                if channel in mine:
                    name, page = mine[channel]
                    pages[t, z, c] = files.setdefault(name, len(files)), page - 1
    if "ZSeries" in sequences[0].kind and len(sequences) == 1:
        remarks.append(
            f"The {SOURCE} tells of one stack of planes ({sequences[0].kind}), not of frames over "
            "time: its planes are taken as frames."
        )
    spacing = sizes if is_volumes else {a: s for a, s in sizes.items() if a != "Z"}
    facts = _facts(times, state, spacing, remarks, n_planes)
    first = float(times[0]) if times.size else 0.0
    facts = replace(
        facts, start=_start(state.get(_DATE_KEY, ""), sequences[0], first, is_timed=times.size > 1)
    )
    labels = tuple(names[channel] for channel in channels)
    named = {name for s in sequences for mine in s.files for name, _ in mine.values()}
    return PrairieScan(path, tuple(files), pages, labels, facts, frozenset(named - set(files)))


def _begin(element: ElementTree.Element, into: list[_Sequence], state: dict[str, str]) -> None:
    """Begin a new cycle, or note the date at which all of them were recorded."""
    if element.tag == "PVScan":
        state[_DATE_KEY] = str(element.get("date", ""))
    elif element.tag == "Sequence":
        turned = str(element.get("bidirectionalZ", "")).lower() == "true"
        into.append(_Sequence(str(element.get("type", "")), turned, str(element.get("time", ""))))


def _start(date: str, first: _Sequence, first_s: float, *, is_timed: bool) -> Start | None:
    """Moment that the times of the frames count from; ``None`` where the XML has no date.

    Parameters
    ----------
    date
        Date of the file in the form of the microscope's country, to a second.
    first
        The first cycle, which tells the time of day at which it began more exactly.
    first_s
        Time of the first frame.
    is_timed
        Whether the frames have times.
    """
    found = _DATE.match(date.strip())
    if found is None:
        return None
    day = [int(found[k]) for k in (1, 3, 4)]
    hour, minute, second = (int(found[k]) for k in (5, 6, 7))
    if found[8]:
        hour = hour % 12 + 12 * (found[8].upper() == "PM")
    if day[0] > 31:
        year, month, number = day
    elif found[2] == "." or day[0] > 12:
        number, month, year = day
    else:
        month, number, year = day
    try:
        moment = datetime(year, month, number, hour, minute, second)
    except ValueError:
        return None
    start = start_of_moment(moment, 1.0, f"{SOURCE}, date")
    exact = _TIME.fullmatch(first.begins.strip())
    if exact is not None:
        seconds = float(exact[3].replace(",", "."))
        at = timedelta(hours=int(exact[1]), minutes=int(exact[2]), seconds=seconds)
        begun = moment.replace(hour=0, minute=0, second=0) + at
        if begun < moment - timedelta(hours=12):  # the file is of the day before
            begun += timedelta(days=1)
        start = start_of_moment(begun, 1e-3, f"{SOURCE}, time of the cycle")
        # The cycle began with its first frame.
        start = start.later(-first_s) if is_timed else start
    # 3/4/2026 is one day in March or another in April: only times of one such day are compared.
    is_unsure = day[0] <= 12 and number <= 12 and month != number and not found[8]
    is_unsure &= found[2] != "."
    return replace(start, clock=f"{start.clock} of {day}") if is_unsure else start


def _add_frame(element: ElementTree.Element, into: _Sequence, names: dict[int, str]) -> None:
    mine: dict[int, tuple[str, int]] = {}
    for file in element.iter("File"):
        number = positive_or_none(file.get("channel"))
        name = str(file.get("filename") or "").replace("\\", "/").rsplit("/", 1)[-1]
        if number is None or not name:
            continue
        channel = int(number)
        names.setdefault(channel, str(file.get("channelName") or f"Ch{channel}"))
        mine[channel] = (name, int(positive_or_none(file.get("page")) or 1))
    if mine:
        into.files.append(mine)
        times = (number_or_none(element.get(f"{which}Time")) for which in ("relative", "absolute"))
        relative, absolute = (np.nan if time is None else time for time in times)
        into.times.append((relative, absolute))


def _read_state(
    element: ElementTree.Element, state: dict[str, str], sizes: dict[str, float]
) -> None:
    """Read values of the state; the first one that is given stays."""
    for value in element.iter("PVStateValue"):
        key = str(value.get("key"))
        if value.get("value") is not None:
            state.setdefault(key, str(value.get("value")))
        if key == "micronsPerPixel":
            for one in value.iter("IndexedValue"):
                size = positive_or_none(one.get("value"))
                letter = str(one.get("index", ""))[:1]
                if size is not None and letter in ("X", "Y", "Z"):
                    sizes.setdefault(letter, size)


def _frames_of(
    sequences: Sequence[_Sequence], remarks: list[str], *, is_volumes: bool
) -> tuple[list[list[dict[int, tuple[str, int]]]], NDArray[np.float64], int]:
    """Planes of each time point, the times of these, and the number of planes."""
    if not is_volumes:
        frames = [[mine] for s in sequences for mine in s.files]
        return frames, _ascending([time for s in sequences for time in s.times]), 1
    n_planes = max(len(s.files) for s in sequences)
    volumes, times = [], []
    short = 0
    for k, one in enumerate(sequences):
        if len(one.files) < n_planes:
            short += 1
            continue
        turned = one.is_bidirectional and k % 2 == 1
        volumes.append(one.files[::-1] if turned else list(one.files))
        times.append(one.times[0])
    if short:
        what = "volume has" if short == 1 else "volumes have"
        left_out = "is left out" if short == 1 else "are left out"
        remarks.append(f"{short} {what} less than {n_planes} planes and {left_out}.")
    if any(one.is_bidirectional for one in sequences):
        remarks.append("Volumes are recorded up and down: the planes of every second are turned.")
    return volumes, _ascending(times), n_planes


def _ascending(times: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Relative times, or absolute ones where the relative ones begin anew with each cycle."""
    table = np.array(times, np.float64).reshape(-1, 2)
    for column in (0, 1):
        if np.all(np.isfinite(table[:, column])) and np.all(np.diff(table[:, column]) > 0):
            return table[:, column]
    return np.zeros(0)


def _facts(
    times: NDArray[np.float64],
    state: Mapping[str, str],
    spacing: Mapping[str, float],
    remarks: Sequence[str],
    n_planes: int,
) -> SidecarFacts:
    rate, source = None, ""
    if (step := usual_step(times)) is not None:
        rate, source = 1 / step, "times of the frames"
    elif (period := positive_or_none(state.get("framePeriod"))) is not None:
        rate, source = 1 / (period * n_planes), "framePeriod"
    return SidecarFacts(
        SOURCE, rate, source, dict(spacing), (), times if times.size > 1 else None, tuple(remarks),
        field_of(state.get("linesPerFrame"), state.get("pixelsPerLine")),
    )  # fmt: skip
