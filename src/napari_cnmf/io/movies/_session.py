"""Joins several files to one recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._names import (
    FROM_NAMES,
    missing_files,
    names_apart,
    numbers_of_frames,
)
from napari_cnmf.io.movies._pauses import Segment, join_segments
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._stores import ConcatFrames, pick_frames
from napari_cnmf.model.description import Piece

_SAME_RATE = 0.01


def join(
    recordings: Sequence[Recording], files: Sequence[Path], *, are_volumes: bool = False
) -> Recording:
    """Join recordings one after the other.

    The names of files of one time point each, as those that ``are_volumes``, tell the pauses
    between them. Where the files tell different frame rates, the rate of the whole is unknown and
    ``metadata`` has the lowest and the highest as ``rates_in_files``.

    Raises
    ------
    MovieError
        They differ in field or type.
    """
    first = recordings[0]
    if len(recordings) == 1:
        return first
    for recording, path in zip(recordings, files, strict=True):
        mine, wanted = recording.store, first.store
        if (mine.shape[1:], mine.dtype) != (wanted.shape[1:], wanted.dtype):
            raise MovieError(
                f"All files of a session must hold frames {wanted.shape[1:]} {wanted.dtype} as "
                f"{files[0].name} does, got {mine.shape[1:]} {mine.dtype} in {path}. "
                "Leave that file out, or crop and convert it."
            )
    recordings = [
        r if r.pieces else replace(r, pieces=(Piece(path, r.store.shape[0]),))
        for r, path in zip(recordings, files, strict=True)
    ]
    rates = [r.frame_rate_hz for r in recordings if r.frame_rate_hz is not None]
    parts = tuple(part for r in recordings for part in (r.parts or (r,)))
    metadata = first.metadata | _joined_files(recordings, files)
    rate = float(np.median(rates)) if rates else None
    names = [path.name for path in files]
    numbers, told = None, missing_files(names)
    are_frames = are_volumes or all(recording.store.shape[0] == 1 for recording in recordings)
    if are_frames:
        numbers, told = numbers_of_frames(names)
    is_timed = numbers is None if not are_frames else all(part.start for part in parts)
    if rates and max(rates) > (1 + _SAME_RATE) * min(rates):
        metadata["rates_in_files"] = [min(rates), max(rates)]
        metadata.pop("frame_rate_from", None)
        rate = None
    return replace(
        first,
        store=ConcatFrames([recording.store for recording in recordings]),
        frame_rate_hz=rate,
        metadata=metadata,
        remarks=(
            *dict.fromkeys(s for r in recordings for s in r.remarks),
            *told,
        ),
        time_s=None,
        frame_numbers=None if is_timed else numbers,
        numbers_from=FROM_NAMES if numbers is not None else first.numbers_from,
        pieces=tuple(piece for r in recordings for piece in r.pieces),
        parts=parts if is_timed else (),
    )


def _joined_files(recordings: Sequence[Recording], files: Sequence[Path]) -> dict[str, list[Any]]:
    """Frames of each file, and names that differ, over recordings of one or several files."""
    counts, names = [], []
    for recording, path, named in zip(recordings, files, names_apart(files), strict=True):
        counts += recording.metadata.get("frames_per_file", [recording.store.shape[0]])
        own = recording.metadata.get("file_names")
        if own is None:
            names.append(named)
        else:
            folder = "" if named == path.name else f"{path.parent.name}/"
            names += [name if "/" in name else f"{folder}{name}" for name in own]
    return {"frames_per_file": counts, "file_names": names}


def with_joined_times(recording: Recording, frame_rate_hz: float | None) -> Recording:
    """The recording with times that fit a frame rate, and the pauses between its files.

    Parameters
    ----------
    recording
        One file's, or that of `join`.
    frame_rate_hz
        The rate that the user says; ``None`` for the rate of the files.

    See Also
    --------
    join_segments : How the times are joined.
    """
    rate = frame_rate_hz if frame_rate_hz is not None else recording.frame_rate_hz
    if not recording.parts or rate is None:
        return recording.with_rate(frame_rate_hz)
    names = names_apart([part.pieces[0].path for part in recording.parts])
    segments = [
        _segment(part.with_rate(rate), name, rate)
        for part, name in zip(recording.parts, names, strict=True)
    ]
    times, told = join_segments(segments, rate)
    return replace(recording, time_s=times, remarks=(*recording.remarks, *told), parts=())


def _segment(one: Recording, name: str, rate: float) -> Segment:
    """Times and start of one file's frames."""
    if one.time_s is None:
        return Segment.of_rate(name, one.store.shape[0], rate, one.start)
    return Segment(name, one.time_s - one.time_s[0], one.start, is_even=False)


def join_volumes(recordings: Sequence[Recording], files: Sequence[Path]) -> Recording:
    """Join files of one volume each, opened plane by plane, one after the other.

    Raises
    ------
    MovieError
        They differ in their number of planes, in field or type.
    """
    n_planes = recordings[0].store.shape[0]
    for recording, path in zip(recordings, files, strict=True):
        if recording.store.shape[0] != n_planes:
            raise MovieError(
                f"All volumes must have {n_planes} planes as {files[0].name} has, got "
                f"{recording.store.shape[0]} in {path}. Leave that file out."
            )
    planes = join(recordings, files, are_volumes=True)
    # What the files note as their rate would be the one of planes.
    metadata = {
        key: value
        for key, value in planes.metadata.items()
        if key not in ("frame_rate_from", "frames_per_file", "file_names", "rates_in_files")
    }
    numbers = np.arange(planes.store.shape[0], dtype=np.int64).reshape(-1, n_planes)
    return replace(
        planes,
        store=pick_frames(planes.store, numbers),
        frame_rate_hz=None,
        metadata=metadata,
        parts=(),
    )
