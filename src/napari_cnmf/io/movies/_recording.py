"""Result of a reader: frames that are not read yet, and statements about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._clock import Start
from napari_cnmf.io.movies._stores import FrameStore
from napari_cnmf.model.description import Certainty, Fact, Piece

_SAME_RATE = 0.02
_SAME_STEP = 0.1
_PAUSE = 0.5
"""Relative to the median: a longer or shorter step is none between two frames in turn."""
_EXACT = 1e-6
"""Steps between frames that differ by less, relative to the median, count as even."""


@dataclass(frozen=True)
class Recording:
    """Frames and what their files say about them.

    Attributes
    ----------
    store
        The frames.
    frame_rate_hz
        Rate of frames, or of volumes where there are planes; ``None`` when the files do not say.
    spacing_um
        Pixel size by axis letter; letters that the files do not give are missing.
    metadata
        What else the files say, as plain values; ``frame_rate_from`` names where the rate stands.
    format
        Kind of file and the program that wrote it.
    facts
        Statements for the description that the reader knows better than can be seen from the
        frames: ``channels``, ``planes``, ``scan_fields``, ``not_images``, ``values``.
    remarks
        Sentences that the user should read.
    time_s
        ``(T,)`` time of each frame in seconds; ``None`` when only the rate is known.
    pieces
        The files with the images of each.
    frame_numbers
        ``(T,)`` number of each frame where some are missing: with a frame rate they tell the
        times. ``None`` where none is missing, or where ``time_s`` tells more.
    frames_in
        Files that hold the frames where ``pieces`` only lead to them.
    numbers_from
        Where these numbers stand.
    settled
        Options that only chose ``pieces`` among the files: these alone are opened without them.
    start
        Time of the first frame on a clock that other files may share; ``None`` where nothing
        tells it.
    parts
        Recordings that were joined to this one and whose times are not joined yet.
    """

    store: FrameStore
    frame_rate_hz: float | None = None
    spacing_um: Mapping[str, float] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    format: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    time_s: NDArray[np.float64] | None = None
    pieces: tuple[Piece, ...] = ()
    frame_numbers: NDArray[np.int64] | None = None
    frames_in: tuple[Path, ...] = ()
    numbers_from: str = "order of the set"
    settled: tuple[str, ...] = ()
    start: Start | None = None
    parts: tuple[Recording, ...] = ()

    @property
    def pixel_size_um(self) -> tuple[float, ...] | None:
        """Pixel size ``([dz], dy, dx)`` in micrometres; ``None`` when one of them is unknown."""
        axes = "ZYX"[-(len(self.store.shape) - 1) :]
        if not all(axis in self.spacing_um for axis in axes):
            return None
        return tuple(float(self.spacing_um[axis]) for axis in axes)

    def with_rate(self, frame_rate_hz: float | None) -> Recording:
        """The recording with times that fit a frame rate.

        Numbers of frames with gaps become times; times whose usual step is another one, such as
        those at which a video is played, are stretched.

        Parameters
        ----------
        frame_rate_hz
            The rate that the user says; ``None`` for the rate of the files.
        """
        rate = frame_rate_hz if frame_rate_hz is not None else self.frame_rate_hz
        if rate is not None and self.time_s is not None:
            factor = 1 / (rate * (usual_step(self.time_s) or 1 / rate))
            is_same = abs(factor - 1) < _SAME_RATE
            return self if is_same else replace(self, time_s=self.time_s * factor)
        if self.frame_numbers is None or rate is None:
            return self
        timed = replace(self, frame_rate_hz=rate)
        times = np.asarray(self.frame_numbers / rate, np.float64)
        return timed.with_times(times, self.numbers_from)

    def with_times(self, time_s: NDArray[np.float64] | None, source: str) -> Recording:
        """The recording with a time for each frame, and the rate and remarks that follow.

        Parameters
        ----------
        time_s
            ``(T,)`` in seconds, ascending.
        source
            Where the times stand.
        """
        if time_s is None:
            return self
        if len(time_s) != (n_frames := self.store.shape[0]):
            remark = (
                f"The {source} tells the times of {len(time_s)} frames and the movie has "
                f"{n_frames}: the times are not used."
            )
            return replace(self, remarks=(*self.remarks, remark))
        if len(time_s) < 2:
            return self
        steps = np.diff(time_s)
        if not np.all(np.isfinite(steps)) or np.any(steps <= 0):
            remark = f"The times in the {source} do not increase from frame to frame: not used."
            return replace(self, remarks=(*self.remarks, remark))
        step = usual_step(time_s) or float(np.median(steps))
        notes = {**self.metadata, "frame_rate_from": source}
        told = self.frame_rate_hz
        rate = 1 / step if told is None or abs(told * step - 1) > _SAME_RATE else told
        said = str(self.metadata.get("frame_rate_from", self.format))
        contradiction: tuple[str, ...] = ()
        if told is not None and rate != told and "playing" not in said:
            contradiction = (
                f"The {said} tells {told:.4g} Hz and the {source} {rate:.4g} Hz: the times are "
                "used. Say frame_rate_hz= if that is wrong.",
            )
        even = bool(np.all(np.abs(steps / step - 1) < _SAME_STEP))
        return replace(
            self,
            frame_rate_hz=rate,
            metadata=notes if told != rate else self.metadata,
            time_s=None if even else np.asarray(time_s, np.float64),
            start=None if self.start is None else self.start.of_times(time_s),
            parts=(),
            remarks=(*self.remarks, *contradiction, *_told_gaps(steps, step, source)),
        )


def usual_step(times: ArrayLike, frames: ArrayLike | None = None) -> float | None:
    """Usual time between frames in seconds; ``None`` where the times do not ascend.

    It is the mean of the steps that are no pauses: times that are rounded to milliseconds, as
    miniscopes and Micro-Manager note them, tell it so up to 3 % better than by their median.

    Parameters
    ----------
    times
        Times of frames in seconds, ascending.
    frames
        Numbers of these frames, where they do not follow each other.
    """
    steps = np.diff(np.asarray(times, np.float64))
    if frames is not None:
        steps = steps / np.diff(np.asarray(frames, np.float64))
    middle = positive_or_none(np.median(steps)) if steps.size else None
    if middle is None:
        return None
    usual = steps[np.abs(steps / middle - 1) < _PAUSE]
    is_exact = not usual.size or np.ptp(usual) < _EXACT * middle
    return middle if is_exact else float(usual.mean())


def _told_gaps(steps: NDArray[np.float64], step: float, source: str) -> list[str]:
    """Sentences about uneven steps between frames."""
    if np.all(np.abs(steps / step - 1) < _SAME_STEP):
        return []
    gaps = np.flatnonzero(steps > 1.5 * step)
    if not gaps.size:
        return [
            f"The frames are not evenly spaced in time ({source}): steps of {steps.min():.3g} to "
            f"{steps.max():.3g} s."
        ]
    at = int(gaps[np.argmax(steps[gaps])])
    return [
        f"The time between frames has {gaps.size} gap{'s' * (gaps.size > 1)} ({source}): the "
        f"longest is {steps[at]:.3g} s after frame {at}, the usual step is {step:.3g} s."
    ]


def frames_of_files(pieces: Sequence[Piece], images: NDArray[np.int64]) -> dict[str, list[Any]]:
    """Frames of each of several files, as ``frames_per_file`` and ``file_names`` of the metadata.

    Parameters
    ----------
    pieces
        The files with the images of each.
    images
        ``(T,)`` number of the first image of each frame, over all files.

    Returns
    -------
    dict
        Empty where one file holds all frames, no file holds several, or they do not follow each
        other file by file.
    """
    ends = np.cumsum([piece.n_images for piece in pieces])
    files = np.searchsorted(ends, images, side="right")
    if not files.size or np.any(np.diff(files) < 0):
        return {}
    numbers, counts = np.unique(files, return_counts=True)
    if len(numbers) < 2 or counts.max() < 2:
        return {}
    names = [pieces[number].path.name for number in numbers.tolist()]
    return {"frames_per_file": counts.tolist(), "file_names": names}


def fact_of_channels(names: list[str] | tuple[str, ...], chosen: int, source: str) -> Fact:
    """Statement about the channels of a recording."""
    count = len(names)
    text = "1" if count == 1 else f"{count} ({', '.join(names)}): {names[chosen]} is analysed"
    return Fact(list(names), text, source)


def derived(value: Any, text: str, source: str) -> Fact:
    """Statement that follows from others."""
    return Fact(value, text, source, Certainty.DERIVED)


def number_or_none(value: object) -> float | None:
    """Value where it is a finite number, or the text of one, else ``None``."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def positive_or_none(value: object) -> float | None:
    """Value where it is finite and above 0, else ``None``: metadata often holds 0 for unknown."""
    number = number_or_none(value)
    return number if number is not None and number > 0 else None


def checked_dtype(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    """Return ``dtype`` if frames can have it: any integer or real float."""
    if dtype.kind not in "uif":
        raise MovieError(
            f"Frames must be integers or real numbers, got {dtype} in {name}. "
            "Convert them, for example to float32."
        )
    return dtype
