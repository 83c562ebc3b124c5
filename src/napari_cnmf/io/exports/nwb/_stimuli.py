"""Adds time intervals: stimuli, and the files of a session."""

from __future__ import annotations

from typing import Any

import numpy as np
from pynwb.epoch import TimeIntervals

from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports.timeline import Timeline

_TIMES = ("start_time", "stop_time")


def add_stimuli(nwbfile: Any, stimuli: Any) -> None:
    """Add ``intervals/stimuli``: ``start_time, stop_time`` in seconds, and other columns."""
    if stimuli is None:
        return
    missing = [name for name in _TIMES if name not in stimuli]
    if missing:
        raise ExportError(
            "A table of stimuli must have the columns start_time and stop_time, in seconds, got "
            f"{', '.join(map(str, stimuli.columns)) or 'none'}."
        )
    intervals = TimeIntervals(name="stimuli", description="Stimuli, in seconds of the recording")
    others = [name for name in stimuli.columns if name not in _TIMES]
    for name in others:
        intervals.add_column(name=str(name), description=f"{name} of each stimulus")
    for _, row in stimuli.iterrows():
        try:
            start, stop = float(row["start_time"]), float(row["stop_time"])
        except ValueError as error:
            raise ExportError(f"start_time and stop_time must be seconds: {error}.") from error
        intervals.add_interval(
            start_time=start, stop_time=stop, **{str(name): _plain(row[name]) for name in others}
        )
    nwbfile.add_time_intervals(intervals)


def add_files(nwbfile: Any, timeline: Timeline) -> None:
    """Add ``intervals/movie_files``: which frames belong to which file, where there are several."""
    times = timeline.times_s
    if times is None or not timeline.frames_per_file:
        return
    intervals = TimeIntervals(name="movie_files", description="Files of the recording, in order")
    intervals.add_column(name="file_name", description="Name of the movie's file")
    intervals.add_column(name="first_frame", description="First frame of the file, from 0")
    intervals.add_column(name="frames_per_file", description="Number of frames of the file")
    # A pause is not part of the usual step. Several files have two frames at least.
    step = float(np.median(np.diff(times)))
    pairs = zip(timeline.files, timeline.first_frames, timeline.frames_per_file, strict=True)
    for name, first, count in pairs:
        intervals.add_interval(
            start_time=float(times[first]),
            stop_time=float(times[first + count - 1]) + step,
            file_name=name,
            first_frame=first,
            frames_per_file=count,
        )
    nwbfile.add_time_intervals(intervals)


def add_gaps(nwbfile: Any, timeline: Timeline) -> None:
    """Add ``intervals/recording_gaps``: when nothing was recorded, where there are such times."""
    times = timeline.recorded_s
    if times is None or not timeline.gaps:
        return
    intervals = TimeIntervals(
        name="recording_gaps", description="Times between two frames in which none was recorded"
    )
    intervals.add_column(name="next_frame", description="First frame after the gap, from 0")
    step = float(np.median(np.diff(times)))
    for gap in timeline.gaps:
        after = gap["frame"]
        intervals.add_interval(
            start_time=float(times[after - 1]) + step,
            stop_time=float(times[after]),
            next_frame=after,
        )
    nwbfile.add_time_intervals(intervals)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
