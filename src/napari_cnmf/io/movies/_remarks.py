"""Remarks that a user should know about a movie that opened without an error."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from napari_cnmf.io.movies._alternation import find_alternation
from napari_cnmf.io.movies._lazy import frame_source
from napari_cnmf.model.movie import Movie

_PERIODS: WeakKeyDictionary[Movie, int | None] = WeakKeyDictionary()
"""Of movies that were looked at: a grid of items asks for each of them."""


def remarks_on(movie: Movie, *, decay_time_s: float | None = None) -> list[str]:
    """Remarks about frames that were left out, and about channels that nobody chose.

    Reads a hundred frames at the most.

    Parameters
    ----------
    decay_time_s
        Decay time of the indicator: gaps between frames that are longer are told as well, because
        an engine takes the frames for evenly spaced.

    Raises
    ------
    MovieError
        They cannot be read.
    """
    remarks = list(movie.metadata.get("remarks", ()))
    remarks += _told_gaps(movie, decay_time_s)
    if movie not in _PERIODS:
        _PERIODS[movie] = find_alternation(frame_source(movie))
    period = _PERIODS[movie]
    if period is not None:
        remarks.append(
            f"Every {_ordinal(period)} frame of {movie.name} looks alike and those between differ: "
            f"{period} channels or planes may be interleaved, and would be analysed as one movie. "
            f"Choose one with n_channels={period} and channel=0 to {period - 1} (--n-channels, "
            "--channel; the row Channel of the form)."
        )
    return remarks


def _told_gaps(movie: Movie, decay_time_s: float | None) -> list[str]:
    """Sentence about gaps in time after which the calcium has decayed."""
    if movie.time_s is None or not decay_time_s:
        return []
    steps = np.diff(movie.time_s)
    long = np.flatnonzero(steps > max(decay_time_s, 1.5 * float(np.median(steps))))
    if not long.size:
        return []
    return [
        f"{movie.name} has {long.size} gap{'s' * (long.size > 1)} longer than the decay time of "
        f"{decay_time_s:g} s, the first of {steps[long[0]]:.3g} s after frame {int(long[0])}: "
        "events across a gap are joined. Analyse the parts as items of their own where that "
        "matters."
    ]


def _ordinal(n: int) -> str:
    return {2: "second", 3: "third"}.get(n, f"{n}th")
