"""Times of the frames, and which file of a session each comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.movie import Movie

_GAP_STEPS = 1.5
"""Frames that lie this many usual steps apart have a gap between them."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """Times and files of a result's frames.

    Attributes
    ----------
    n_frames
        Number of frames.
    frame_rate_hz
        Frames per second; ``None`` where nobody knows it.
    recorded_s
        Time stamps of the recording ``(n_frames,)`` in seconds; ``None`` where it has none.
    files, frames_per_file
        Names of the session's files in order and how many frames each has; empty for a movie
        of one file, and where it is not known.
    """

    n_frames: int
    frame_rate_hz: float | None = None
    recorded_s: NDArray[np.float64] | None = None
    files: tuple[str, ...] = ()
    frames_per_file: tuple[int, ...] = ()

    @classmethod
    def of(cls, n_frames: int, frame_rate_hz: float | None, movie: Movie | None) -> Timeline:
        """Read what a movie says of its files and times, as far as it fits the result.

        Parameters
        ----------
        n_frames, frame_rate_hz
            Those of the result.
        movie
            The recording before motion correction; ``None`` where it is not known.
        """
        if movie is None:
            return cls(n_frames, frame_rate_hz)
        counts = tuple(int(n) for n in movie.metadata.get("frames_per_file") or ())
        if sum(counts) != n_frames or len(counts) < 2:
            counts = ()
        names = tuple(movie.metadata.get("file_names") or (path.name for path in movie.paths))
        if len(names) != len(counts):
            names = tuple(f"file {number}" for number in range(1, len(counts) + 1))
        return cls(n_frames, frame_rate_hz, _stamps(movie.time_s, n_frames), names, counts)

    @property
    def times_s(self) -> NDArray[np.float64] | None:
        """Time of each frame in seconds: the recording's stamps, else counted by the frame rate."""
        if self.recorded_s is not None:
            return self.recorded_s
        return None if self.frame_rate_hz is None else np.arange(self.n_frames) / self.frame_rate_hz

    @property
    def first_frames(self) -> list[int]:
        """First frame of each file, counted from 0."""
        return [0, *np.cumsum(self.frames_per_file[:-1]).tolist()] if self.frames_per_file else []

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """Gaps between recorded times: the frame after each, and its length in seconds."""
        if self.recorded_s is None or self.n_frames < 3:
            return []
        steps = np.diff(self.recorded_s)
        at = np.flatnonzero(steps > _GAP_STEPS * np.median(steps))
        return [{"frame": int(i) + 1, "seconds": float(steps[i])} for i in at]

    def gap_arrays(self) -> dict[str, NDArray[Any]]:
        """Gaps as arrays: ``gap_frames`` after each, from 0, and ``gap_s``; empty without times."""
        if self.recorded_s is None:
            return {}
        return {
            "gap_frames": np.array([gap["frame"] for gap in self.gaps], np.int64),
            "gap_s": np.array([gap["seconds"] for gap in self.gaps], np.float64),
        }

    def file_table(self) -> dict[str, list[Any]]:
        """Columns of a table with a row a file: name, first frame, frames, first time, pause."""
        table: dict[str, list[Any]] = {
            "file": list(self.files),
            "first_frame": self.first_frames,
            "n_frames": list(self.frames_per_file),
        }
        times = self.times_s
        if times is not None:
            table["start_s"] = [float(times[frame]) for frame in self.first_frames]
        if self.recorded_s is not None:
            seconds = {gap["frame"]: gap["seconds"] for gap in self.gaps}
            table["gap_before_s"] = [seconds.get(frame, 0.0) for frame in self.first_frames]
        return table

    def as_plain(self) -> dict[str, Any]:
        """Timeline without the times of single frames, for JSON; empty where nothing is known."""
        said: dict[str, Any] = {}
        if self.frame_rate_hz is not None:
            said["frame_rate_hz"] = float(self.frame_rate_hz)
        if self.frames_per_file:
            said["files"] = list(self.files)
            said["frames_per_file"] = list(self.frames_per_file)
        if self.recorded_s is not None:
            said["times"] = "recorded"
            said["gaps"] = self.gaps
        return said


def _stamps(given: NDArray[np.float64] | None, n_frames: int) -> NDArray[np.float64] | None:
    """Time stamps, where there is one for each frame and time runs forward."""
    if given is None:
        return None
    times = np.asarray(given, np.float64).ravel()
    if times.size != n_frames or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        return None
    return times
