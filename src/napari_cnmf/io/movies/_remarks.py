"""Remarks on a movie that opened: gaps in time, and frames of channels or planes that alternate."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.io.movies._lazy import frame_source
from napari_cnmf.model.movie import Movie

_PERIODS: WeakKeyDictionary[Movie, int | None] = WeakKeyDictionary()
"""Of movies that were looked at: a grid of items asks for each of them."""

_MOST = 8
"""Channels, or planes, that alternation is looked for in."""
_PER_LOOK = 2 * _MOST
_LOOKS = 8
_LOOK_BYTES = 16 * 2**20
_COARSE_PX = 24
_CLEARLY = 0.2
"""At least so much of what the means differ by is the same in all looks."""


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


def find_alternation(source: FrameSource) -> int | None:
    """After how many frames a movie repeats, where its frames plainly alternate.

    Frames are averaged by their number modulo n, in several places of the movie by itself. How
    these means differ from each other is the same everywhere where channels alternate; where they
    do not, it is chance: noise, activity, motion and heartbeats keep no step with the frames.

    Parameters
    ----------
    source
        ``(T, [Z], Y, X)``; a few runs of frames are read.

    Returns
    -------
    int or None
        2 where frames of two channels follow each other, n with n channels or planes; ``None``
        for one channel, and where less than 32 frames are there to tell.
    """
    n_frames = source.shape[0]
    frame_bytes = int(np.prod(source.shape[1:])) * source.dtype.itemsize
    length = min(_PER_LOOK, n_frames // _LOOKS, max(4, _LOOK_BYTES // max(1, frame_bytes)))
    longest = min(_MOST, length // 2)
    if longest < 2:
        return None
    starts = np.linspace(0, n_frames - length, _LOOKS).astype(int).tolist()
    looks = [_without_trend(_coarse(source.read(start, start + length))) for start in starts]
    found = {n: _agreement(looks, starts, n) for n in range(2, longest + 1)}
    shared = {n: power for n, (power, agreement) in found.items() if agreement > _CLEARLY}
    most = max(shared.values(), default=0.0)
    return next((n for n, power in shared.items() if power > 0.5 * most), None)


def _agreement(looks: list[NDArray[np.float32]], starts: list[int], n: int) -> tuple[float, float]:
    """Difference of means over every n-th frame that all looks agree on, and its share.

    The share is 0 where a look contradicts the others: a few patterns, such as those of motion,
    agree by chance in some looks, but not in all.
    """
    means = []
    for frames, start in zip(looks, starts, strict=True):
        phase = (start + np.arange(len(frames))) % n
        mean = np.stack([frames[phase == k].mean(0) for k in range(n)])
        means.append((mean - mean.mean(0)).ravel())
    vectors = np.stack(means).astype(np.float64)
    products = vectors @ vectors.T / vectors.shape[1]
    length = np.sqrt(np.diag(products))
    others = ~np.eye(len(vectors), dtype=bool)
    power, whole = products[others].mean(), np.outer(length, length)[others].mean()
    contradicts = (products.sum(1) - np.diag(products) <= 0).any()
    return float(power), 0.0 if contradicts or not whole > 0 else float(power / whole)


def _without_trend(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract the line through each square's time course, since all squares bleach alike."""
    time = np.arange(len(frames), dtype=np.float32)
    time -= time.mean()
    frames = frames - frames.mean(0)
    return np.asarray(frames - np.outer(time, time @ frames / (time @ time)), np.float32)


def _coarse(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Means over large squares ``(n, n_squares)``."""
    *_, height, width = frames.shape
    ky, kx = max(1, height // _COARSE_PX), max(1, width // _COARSE_PX)
    cut = frames[..., : height // ky * ky, : width // kx * kx]
    squares = cut.reshape(*cut.shape[:-2], height // ky, ky, width // kx, kx)
    means = squares.mean(axis=(-3, -1), dtype=np.float32)
    return np.asarray(means.reshape(len(frames), -1), np.float32)
