"""Joins several files to one recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._names import FROM_NAMES, missing_files, numbers_of_frames
from napari_cnmf.io.movies._pauses import Segment, join_segments
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._stores import ConcatFrames, pick_frames

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
    rates = [r.frame_rate_hz for r in recordings if r.frame_rate_hz is not None]
    parts = tuple(part for r in recordings for part in (r.parts or (r,)))
    metadata = first.metadata | {"frames_per_file": [part.store.shape[0] for part in parts]}
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
    segments = [_segment(part.with_rate(rate), rate) for part in recording.parts]
    times, told = join_segments(segments, rate)
    return replace(recording, time_s=times, remarks=(*recording.remarks, *told), parts=())


def _segment(one: Recording, rate: float) -> Segment:
    """Times and start of one file's frames."""
    name = one.pieces[0].path.name if one.pieces else "a file"
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
        if key not in ("frame_rate_from", "frames_per_file", "rates_in_files")
    }
    numbers = np.arange(planes.store.shape[0], dtype=np.int64).reshape(-1, n_planes)
    return replace(
        planes,
        store=pick_frames(planes.store, numbers),
        frame_rate_hz=None,
        metadata=metadata,
        parts=(),
    )
