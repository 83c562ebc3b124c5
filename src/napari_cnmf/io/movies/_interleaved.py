"""Channels whose frames alternate in files that do not say so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import ChannelUnknownError
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._stores import FrameStore, RawFrames

_MOST = 8
"""Channels, or planes, that alternation is looked for in."""
_PER_LOOK = 2 * _MOST
_LOOKS = 8
_LOOK_BYTES = 16 * 2**20
_COARSE_PX = 24
_CLEARLY = 0.2
"""At least so much of what the means differ by is the same in all looks."""


@dataclass(frozen=True)
class Interleaved:
    """Which of the frames that alternate.

    Attributes
    ----------
    n_channels
        Frames ``k, k + n_channels, ...`` belong together.
    channel
        The first of them.
    """

    n_channels: int
    channel: int

    @classmethod
    def checked(cls, n_channels: int, channel: int | None) -> Interleaved:
        """Refuse what cannot be.

        Raises
        ------
        MovieError
            No number of channels, no such channel, or none was chosen.
        """
        if n_channels < 1:
            raise MovieError(
                f"n_channels must be at least 1, got {n_channels}. Give the number of channels "
                "whose frames alternate."
            )
        if channel is None and n_channels > 1:
            raise ChannelUnknownError(
                f"One of {n_channels} interleaved channels must be chosen. Choose it with "
                f"channel=0 to channel={n_channels - 1}.",
                n_channels,
            )
        if not 0 <= (channel or 0) < n_channels:
            raise MovieError(
                f"channel must be between 0 and {n_channels - 1}, got {channel}: n_channels is "
                f"{n_channels}."
            )
        return cls(n_channels, channel or 0)

    def of(self, recording: Recording, name: str, *, is_last: bool) -> Recording:
        """The frames of the channel alone.

        Parameters
        ----------
        is_last
            Of the files of a session: an incomplete set of channels at its end is left out. In
            the middle it would be unclear which channel the next file begins with.

        Raises
        ------
        MovieError
            The frames are no whole number of sets.
        """
        n_frames, n = recording.store.shape[0], self.n_channels
        extra = n_frames % n
        if n_frames < n or (extra and not is_last):
            raise MovieError(
                f"{name} must hold a multiple of {n} frames for {n} interleaved channels, got "
                f"{n_frames}. Check n_channels, or leave the file out."
            )
        metadata = {k: v for k, v in recording.metadata.items() if k != "frame_rate_from"}
        metadata["channel"] = self.channel
        if extra:
            metadata["remarks"] = [
                f"{name} holds {n_frames} frames, no multiple of {n}: the incomplete set at its "
                f"end ({extra} of {n} channels) is left out."
            ]
        # What the file notes as its rate counts the frames of all channels, or not: nobody knows.
        return replace(
            recording, store=self._store(recording.store, n_frames - extra), metadata=metadata,
            frame_rate_hz=None,
        )  # fmt: skip

    def _store(self, store: FrameStore, n_frames: int) -> FrameStore:
        mine = slice(self.channel, n_frames, self.n_channels)
        if isinstance(store, RawFrames):
            files = None if store.file_index is None else store.file_index[mine]
            return replace(store, offsets=store.offsets[mine], file_index=files)
        return EveryNth(store, self.n_channels, self.channel, n_frames // self.n_channels)


@dataclass
class EveryNth(FrameStore):
    """Every n-th frame of a store whose frames are decoded."""

    frames: FrameStore
    step: int
    first: int
    n_frames: int

    def __post_init__(self) -> None:
        self.shape = (self.n_frames, *self.frames.shape[1:])
        self.dtype = self.frames.dtype

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        for index in range(len(out)):
            at = self.first + (start + index) * self.step
            self.frames.read(at, at + 1, out[index : index + 1])


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
    """How much means over every n-th frame differ in all looks alike, and its share.

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
    """Less the line through each square's time course: bleaching is the same everywhere, too."""
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
