"""Reads Micro-Manager's ``metadata.txt`` beside single images, and the notes in its stacks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.io.movies._clock import Start, start_of_text
from napari_cnmf.io.movies._recording import number_or_none, positive_or_none, usual_step
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts, field_of

NAME = "metadata.txt"
_MAX_BYTES = 512 * 2**20
_FEW = 2
"""Times of the first and the last image are read of a stack, which says nothing of the others."""


def read_micromanager_text(folder: Path) -> SidecarFacts | None:
    """Read ``metadata.txt`` of a folder; ``None`` where Micro-Manager did not write one."""
    path = folder / NAME
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        return None
    text = path.read_text("utf-8", "replace")
    try:
        notes = json.loads(text)
    except (ValueError, RecursionError):
        # An acquisition that was stopped leaves the last brackets out.
        try:
            notes = json.loads(text.rstrip().rstrip(",") + "}")
        except (ValueError, RecursionError):
            return None
    if not isinstance(notes, dict) or not isinstance(notes.get("Summary"), dict):
        return None
    times: dict[int, float] = {}
    for key, value in notes.items():
        found = re.match(r"(?:FrameKey|Metadata)\D*(\d+)\D+(\d+)\D+(\d+)", key)
        if found is None:
            found = re.match(r"Coords.*time(\d+)()()", key)
        if found and isinstance(value, dict):
            elapsed = elapsed_ms(value)
            if elapsed is not None and not int(found.group(3) or 0):
                times.setdefault(int(found.group(1)), elapsed / 1000)
    return facts_of_summary(notes["Summary"], times, "Micro-Manager metadata.txt")


def facts_of_summary(
    summary: Mapping[str, Any], times: Mapping[int, float], source: str
) -> SidecarFacts | None:
    """Frame rate, pixel size and channels of Micro-Manager's summary.

    Parameters
    ----------
    summary
        The summary.
    times
        Seconds of some time points, by their number.
    source
        Where it stands.
    """
    rate, rate_from = None, ""
    numbers = sorted(times)
    if (step := usual_step([times[k] for k in numbers], numbers)) is not None:
        rate, rate_from = 1 / step, "times of the frames"
    if rate is None and (interval := positive_or_none(summary.get("Interval_ms"))) is not None:
        rate, rate_from = 1000 / interval, "Interval_ms"
    # Times of some images only tell a rate; those of all are the times of the frames.
    is_whole = len(numbers) > _FEW and numbers == list(range(len(numbers)))
    time_s = np.array([times[k] for k in numbers]) - times[0] if is_whole else None
    size = positive_or_none(summary.get("PixelSize_um"))
    spacing = {} if size is None else {"Y": size, "X": size}
    if (step := positive_or_none(summary.get("z-step_um"))) is not None:
        spacing["Z"] = step
    channels = summary.get("ChNames")
    names = tuple(str(name) for name in channels) if isinstance(channels, list) else ()
    size_px = field_of(summary.get("Height"), summary.get("Width"))
    n_frames = positive_or_none(summary.get("Frames"))
    return SidecarFacts(
        source, rate, rate_from, spacing, names, time_s, field_px=size_px,
        n_frames=None if n_frames is None else int(n_frames),
        start=_start(summary, times.get(0, 0.0), source),
    )  # fmt: skip


def _start(summary: Mapping[str, Any], first_s: float, source: str) -> Start | None:
    """Moment of the first image, ``first_s`` seconds after the acquisition began."""
    for name in ("StartTime", "Time"):  # version 2, version 1.4
        began = start_of_text(summary.get(name), f"{source}, {name}")
        if began is not None:
            return began.later(first_s)
    return None


def elapsed_ms(notes: Any) -> float | None:
    """Milliseconds from the start of the acquisition to one image."""
    for name in ("ElapsedTime-ms", "ElapsedTimeMs"):
        value = notes.get(name) if isinstance(notes, Mapping) else None
        value = value.get("PropVal") if isinstance(value, Mapping) else value
        if (elapsed := number_or_none(value)) is not None:
            return elapsed
    return None
