"""Finds the pauses between the files of one session, by the moments at which they began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.movies._clock import Start

_SAME_LENGTH = 0.02
"""Measured lengths that differ by less, relative, from what the frame rate tells are those."""
_RATE_ERROR = 0.002
"""Frame rates in headers are wrong by up to this, relative: files seem longer or shorter."""
_LATE_S = 0.05
"""Programs read the clock of the computer up to so many seconds late."""
_FEW_FILES = 2
"""From so few files it cannot be seen that they were split by length."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Frames that follow each other without a pause, of one file or acquisition.

    Attributes
    ----------
    name
        Name of the file that they begin in.
    time_s
        ``(T,)`` time of each frame from the first one on, in seconds.
    start
        When the first frame was taken; ``None`` where nothing tells it.
    is_even
        Whether all steps between the frames are the usual one.
    """

    name: str
    time_s: NDArray[np.float64]
    start: Start | None
    is_even: bool = True

    @classmethod
    def of_rate(cls, name: str, n_frames: int, rate: float, start: Start | None) -> Segment:
        """Segment of frames of which the rate in Hz is known, and perhaps when they began."""
        length = (n_frames - 1) / rate
        told = None if start is None else start.length_s
        if told is not None and abs(told - length) <= _SAME_LENGTH * length:
            length = told  # a rate that is rounded would end the file too early or too late
        return cls(name, np.linspace(0.0, length, n_frames), start)


def join_segments(
    segments: Sequence[Segment], rate: float
) -> tuple[NDArray[np.float64] | None, list[str]]:
    """Join the times of segments, each of which begins when its start says.

    Those whose starts cannot be compared begin one step after the segment before.

    Returns
    -------
    time_s
        ``(T,)`` times of all frames in seconds; ``None`` where all of them are even.
    remarks
        Sentences on pauses, on segments that overlap, and on what is not known.
    """
    step = 1 / rate
    boundaries = [_boundary(before, after, step) for before, after in pairwise(segments)]
    remarks = _told_boundaries(boundaries, segments, step)
    if all(one.is_even for one in segments) and not any(one.pause_s for one in boundaries):
        return None, remarks
    joined = [segments[0].time_s]
    for boundary, one in zip(boundaries, segments[1:], strict=True):
        joined.append(float(joined[-1][-1]) + step + boundary.pause_s + one.time_s)
    return np.concatenate(joined), remarks


@dataclass(frozen=True)
class _Boundary:
    """Place where one file ends and the next begins.

    Attributes
    ----------
    pause_s
        Time that is lost there, beyond the usual step; 0 where none is known.
    overlap_s
        Time by which the later file began before the other ended.
    resolution_s
        Step in which the starts are noted; ``None`` where they cannot be compared.
    source
        Where the later start stands.
    """

    pause_s: float = 0.0
    overlap_s: float = 0.0
    resolution_s: float | None = None
    source: str = ""


def _boundary(before: Segment, after: Segment, step: float) -> _Boundary:
    """Compare when one file ended and when the next one began."""
    between = None
    if before.start is not None and after.start is not None:
        between = before.start.until(after.start)
    if before.start is None or after.start is None or between is None:
        return _Boundary()
    seconds, resolution = between
    length_s = float(before.time_s[-1])
    lost = seconds - length_s - step
    sure = resolution + _LATE_S + step / 2
    if before.start.length_s is None:
        sure += _RATE_ERROR * length_s
    source = after.start.source
    if lost < -sure:
        return _Boundary(0.0, length_s - seconds, resolution, source)
    return _Boundary(lost if lost > sure else 0.0, 0.0, resolution, source)


def _told_boundaries(
    boundaries: Sequence[_Boundary], segments: Sequence[Segment], step: float
) -> list[str]:
    """Sentences on pauses between files, on files that overlap, and on what is not known."""
    names = [one.name for one in segments]
    remarks = []
    if paused := [k for k, one in enumerate(boundaries) if one.pause_s]:
        k = max(paused, key=lambda index: boundaries[index].pause_s)
        longest = boundaries[k]
        which = "There is a pause" if len(paused) == 1 else f"There are {len(paused)} pauses"
        between = f"between {names[k]} and {names[k + 1]}"
        said = f"{longest.pause_s + step:.3g} s {between}"
        said = f"of {said}" if len(paused) == 1 else f"between files, the longest of {said}"
        remarks.append(f"{which} {said} ({longest.source}).")
    if early := [k for k, one in enumerate(boundaries) if one.overlap_s]:
        k = early[0]
        more = f", and {len(early) - 1} more begin so" if len(early) > 1 else ""
        remarks.append(
            f"{names[k + 1]} began {boundaries[k].overlap_s:.3g} s before {names[k]} ended "
            f"({boundaries[k].source}){more}: it is taken to follow one frame later. Check the "
            "order of the files and whether they are of one session."
        )
    rough = max(boundaries, key=lambda one: one.resolution_s or 0.0, default=_Boundary())
    if (rough.resolution_s or 0.0) > 1.5 * step:
        remarks.append(
            f"When the files began is noted in steps of {rough.resolution_s:g} s "
            f"({rough.source}): a shorter pause between them is not known."
        )
    unknown = [k for k, one in enumerate(boundaries) if one.resolution_s is None]
    if unknown and not _is_split_by_length([len(one.time_s) for one in segments]):
        k, n = unknown[0], len(unknown)
        remarks.append(
            f"Nothing tells when {names[k + 1]} began: a pause before it is not known, and it is "
            f"taken to follow one frame after {names[k]}."
            if n == 1
            else f"Nothing tells when {n} of the {len(segments)} files began: pauses before them "
            "are not known, and each is taken to follow one frame after the file before it."
        )
    return remarks


def _is_split_by_length(counts: Sequence[int]) -> bool:
    """Whether a program began a new file whenever one was full: only the last one is shorter."""
    return len(counts) > _FEW_FILES and len(set(counts[:-1])) == 1 and counts[-1] < counts[0]
