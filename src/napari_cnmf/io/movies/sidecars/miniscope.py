"""Reads UCLA miniscopes: the videos of the scope, its frame rate, and the times of frames.

Version 4 writes ``0.avi, 1.avi, ...`` with ``metaData.json`` and ``timeStamps.csv``; version 3
writes ``msCam1.avi, ...`` with ``timestamp.dat`` (all cameras in one table). Videos of both name
the speed of playing in their header, which is not the rate of the recording.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.movies._recording import positive_or_none
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts

_BEHAVIOUR = re.compile(r"behav", re.IGNORECASE)
_SCOPE = re.compile(r"mscam", re.IGNORECASE)


def videos_of_scope(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The videos of the scope, without those of the camera on the animal, and what is left out."""
    scope = [name for name in names if _SCOPE.search(name)]
    others = [name for name in names if _BEHAVIOUR.search(name)]
    if scope and others:
        return scope, others
    return list(names), []


def read_miniscope(files: Sequence[Path], n_frames: int) -> SidecarFacts | None:
    """Read rate and times from the files beside the videos.

    Parameters
    ----------
    files
        The videos, in order.
    n_frames
        Frames that they hold together.
    """
    folder = files[0].parent
    rate = _rate_of_settings(folder)
    table, name = _times(folder, n_frames)
    if table is None:
        if rate is None:
            return None
        return SidecarFacts("miniscope metaData.json", rate, "frameRate")
    remarks: list[str] = []
    step = float(np.median(np.diff(table))) if table.size > 1 else 0.0
    measured = positive_or_none(1 / step) if step > 0 else None
    if rate is not None and measured is not None and abs(measured / rate - 1) > 0.1:
        remarks.append(
            f"metaData.json tells {rate:g} Hz and the times in {name} {measured:.4g} Hz: the times "
            "are used."
        )
    times: NDArray[np.float64] | None = table
    if table.size != n_frames:
        times = None
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
    return SidecarFacts(f"miniscope {name}", measured or rate, "", {}, (), times, tuple(remarks))


def _is_part(files: Sequence[Path], n_times: int, n_frames: int) -> bool:
    videos = [p for p in files[0].parent.iterdir() if p.suffix.lower() == files[0].suffix.lower()]
    return n_times > n_frames and len(videos) > len(files)


def _rate_of_settings(folder: Path) -> float | None:
    """Frame rate of version 4's ``frameRate``: ``"20FPS"`` or a number."""
    path = folder / "metaData.json"
    try:
        notes = json.loads(path.read_text("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(notes, dict):
        return None
    found = re.search(r"[0-9.]+", str(notes.get("frameRate", "")))
    return positive_or_none(found.group()) if found else None


def _times(folder: Path, n_frames: int) -> tuple[NDArray[np.float64] | None, str]:
    """Times of the frames in seconds, from the table of version 4 or 3."""
    path = folder / "timeStamps.csv"
    if path.is_file():
        rows = _rows(path, ",")
        found = [row[1] for row in rows if len(row) > 1]
        return _seconds(found), path.name
    path = folder / "timestamp.dat"
    if path.is_file():
        cameras: dict[float, list[float]] = {}
        for row in _rows(path, "\t"):
            if len(row) > 2:
                cameras.setdefault(row[0], []).append(row[2])
        if cameras:
            # The camera of the scope is the one with as many frames as its videos.
            best = min(cameras.values(), key=lambda times: abs(len(times) - n_frames))
            return _seconds(best), path.name
    return None, ""


def _rows(path: Path, delimiter: str) -> list[list[float]]:
    found = []
    with path.open(newline="", encoding="utf-8", errors="replace") as stream:
        for row in csv.reader(stream, delimiter=delimiter):
            try:
                found.append([float(cell) for cell in row if cell.strip()])
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
