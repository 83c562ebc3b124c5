"""Reads UCLA miniscopes: the videos of the scope, its frame rate, and the times of frames.

Version 4 writes ``0.avi, 1.avi, ...`` with ``metaData.json`` and ``timeStamps.csv``; version 3
writes ``msCam1.avi, ...`` with ``timestamp.dat`` (all cameras in one table). Videos of both name
the speed of playing in their header, which is not the rate of the recording.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.movies._clock import Start, start_of_seconds
from napari_cnmf.io.movies._recording import number_or_none, positive_or_none, usual_step
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts, field_of

_BEHAVIOUR = re.compile(r"behav", re.IGNORECASE)
_SETTINGS = "metaData.json"
DESCRIPTIONS = (_SETTINGS, "timeStamps.csv", "timestamp.dat")
"""Names of the files beside the videos that describe them."""
_SAME_RATE = 0.1
"""Rates that differ by less, relative, agree: cameras are asked for rates and keep them roughly."""
_SCOPE = re.compile(r"mscam", re.IGNORECASE)


def videos_of_scope(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The videos of the scope, without those of the camera on the animal, and what is left out."""
    scope = [name for name in names if _SCOPE.search(name)]
    others = [name for name in names if _BEHAVIOUR.search(name)]
    if scope and others:
        return scope, others
    return list(names), []


def read_miniscope(
    files: Sequence[Path], n_frames: int, field_px: tuple[int, int]
) -> SidecarFacts | None:
    """Read rate and times from the files beside the videos.

    Parameters
    ----------
    files
        The videos, in order.
    n_frames
        Frames that they hold together.
    field_px
        Rows and columns of a frame.
    """
    remarks: list[str] = []
    rate, told_px, start = _settings(files[0].parent, remarks)
    table, name = _times(files, n_frames, remarks)
    is_whole = table is not None and table.size == n_frames
    if told_px is not None and is_whole and told_px not in (field_px, field_px[::-1]):
        # As many times as frames: they belong together, and the videos were cropped or binned.
        remarks.append(
            f"{_SETTINGS} tells of images of {told_px[0]} x {told_px[1]} pixels and the videos "
            f"have {field_px[0]} x {field_px[1]}: they were cropped or binned."
        )
        told_px = None
    if table is None:
        if rate is None and told_px is None and start is None and not remarks:
            return None
        source = f"miniscope {_SETTINGS}"
        return SidecarFacts(
            source, rate, "frameRate", remarks=tuple(remarks), field_px=told_px, start=start
        )
    measured = 1 / (usual_step(table) or np.inf)
    if rate is not None and abs(measured / rate - 1) > _SAME_RATE:
        remarks.append(
            f"{_SETTINGS} tells {rate:g} Hz and the times in {name} {measured:.4g} Hz: the times "
            "are used."
        )
    if not is_whole:
        if _is_part(files, table.size, n_frames):
            remarks.append(
                f"{name} tells of {table.size} frames and the videos given hold {n_frames}: the "
                "times of single frames are not used. Give all videos of the folder for them."
            )
        else:
            remarks.append(
                f"{name} tells of {table.size} frames and the videos hold {n_frames}: frames were "
                "dropped, or it belongs to another recording. Only its frame rate is used."
            )
    return SidecarFacts(
        f"miniscope {name}", measured, "", {}, (), table if is_whole else None, tuple(remarks),
        told_px, start=start,
    )  # fmt: skip


def _is_part(files: Sequence[Path], n_times: int, n_frames: int) -> bool:
    return n_times > n_frames and len(_videos_beside(files)) > len(files)


def _videos_beside(files: Sequence[Path]) -> list[str]:
    """Names of the scope's videos in the folder of those that were given."""
    suffix = files[0].suffix.lower()
    names = [p.name for p in files[0].parent.iterdir() if p.suffix.lower() == suffix]
    return videos_of_scope(names)[0]


def _settings(
    folder: Path, remarks: list[str]
) -> tuple[float | None, tuple[int, int] | None, Start | None]:
    """Frame rate (``"20FPS"`` or a number), rows and columns, and start in version 4's settings."""
    path = folder / _SETTINGS
    try:
        notes = json.loads(path.read_text("utf-8", "replace"))
    except FileNotFoundError:
        return None, None, None
    except (OSError, ValueError, RecursionError):
        notes = None
    if not isinstance(notes, dict):
        remarks.append(f"{_SETTINGS} cannot be understood: it is not used.")
        return None, None, None
    area = notes.get("ROI")
    size = field_of(area.get("height"), area.get("width")) if isinstance(area, dict) else None
    told = notes.get("frameRate")
    found = re.match(r"\s*(\d+(?:[.,]\d+)?)\s*(?:fps|hz)?\s*$", str(told), re.IGNORECASE)
    rate = positive_or_none(found[1].replace(",", ".")) if found else None
    if rate is None and told is not None:
        remarks.append(
            f"{_SETTINGS} tells the frame rate {told!r:.40}, which is no number of Hz: not used."
        )
    return rate, size, _start(notes, folder.parent)


def _start(notes: Mapping[str, Any], above: Path) -> Start | None:
    """Moment that the time stamps count from, which stands here or in the folder above."""
    told = notes.get("recordingStartTime")
    if not isinstance(told, dict):
        told = _json_of(above / _SETTINGS).get("recordingStartTime")
    since = number_or_none(told.get("msecSinceEpoch")) if isinstance(told, dict) else None
    source = f"miniscope {_SETTINGS}, recordingStartTime"
    return start_of_seconds(None if since is None else since / 1000, 1e-3, source)


def _json_of(path: Path) -> dict[str, Any]:
    """Read a JSON file; empty where it is not there or damaged."""
    try:
        notes = json.loads(path.read_text("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _times(
    files: Sequence[Path], n_frames: int, remarks: list[str]
) -> tuple[NDArray[np.float64] | None, str]:
    """Times of the frames in seconds, from the table of version 4 or 3."""
    folder = files[0].parent
    path = folder / "timeStamps.csv"
    if path.is_file():
        table = _seconds([row[1] for row in _rows(path, ",;") if len(row) > 1])
    elif (path := folder / "timestamp.dat").is_file():
        cameras: dict[float, list[float]] = {}
        for row in _rows(path, "\t,"):
            if len(row) > 2:
                cameras.setdefault(row[0], []).append(row[2])
        # The camera of the scope is the one with as many frames as its videos; where some of
        # these are given, all hold about so many more.
        expected = n_frames * max(1, len(_videos_beside(files))) / len(files)
        found = min(cameras.values(), key=lambda times: abs(len(times) - expected), default=())
        table = _seconds(found)
    else:
        return None, ""
    if table is None:
        remarks.append(f"{path.name} holds no times of frames that can be read: it is not used.")
    elif not np.all(np.diff(table) > 0):  # false for times that are no numbers, too
        remarks.append(f"The times in {path.name} do not increase from frame to frame: not used.")
        table = None
    return table, path.name


def _rows(path: Path, delimiters: str) -> list[list[float]]:
    """Rows of numbers of a table, whichever of these characters separates its columns."""
    found = []
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            delimiter = next((one for one in delimiters if one in line), delimiters[0])
            try:
                found.append([float(cell) for cell in line.split(delimiter) if cell.strip()])
            except ValueError:
                continue  # the line with the names of the columns
    return found


def _seconds(milliseconds: Sequence[float]) -> NDArray[np.float64] | None:
    times = np.array(milliseconds, np.float64) / 1000
    if times.size < 2:
        return None
    # The first stamp of version 3 may be a huge number of before the clock was set.
    if abs(times[0]) > 1e6 or times[0] > times[1]:
        times[0] = times[1] - float(np.median(np.diff(times[1:]))) if times.size > 2 else 0.0
    return times
