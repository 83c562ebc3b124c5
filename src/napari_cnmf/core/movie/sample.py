"""A part of a movie that fits into memory: a few runs of consecutive frames of one plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.reports import Report
from napari_cnmf.core.movie.binning import find_lost
from napari_cnmf.core.movie.source import ArraySource, WindowSource
from napari_cnmf.errors import MovieError

SAMPLE_BYTES = 384 << 20
_MAX_FRAMES = 2000
_RUN_FRAMES = 250
"""Least length of a run: transients of slow indicators are to be seen whole."""
_FIELD_PX = 768 * 768
"""Larger fields are binned in space."""
_READ_BYTES = 32 << 20
_MOST_PLANES = 16
_VOLUME_FRAMES = 500
_VOLUME_SIDE_PX = (96, 256)


@dataclass(frozen=True, eq=False)
class Sample:
    """Frames of one plane.

    Attributes
    ----------
    frames
        ``(n, Y, X)``, of the movie's own type, or float32 where pixels were binned.
    starts
        Where each run begins in ``frames``; the first is 0.
    first_frames
        The frame of the movie that each run begins with.
    binning
        Pixels of the movie along a side of a pixel of the sample.
    plane
        Of a volume.
    n_movie_frames
        Length of the movie.
    """

    frames: NDArray[Any]
    starts: tuple[int, ...]
    first_frames: tuple[int, ...]
    binning: int
    plane: int | None
    n_movie_frames: int

    @property
    def dims(self) -> tuple[int, int]:
        """Shape ``(Y, X)`` of the sample."""
        return self.frames.shape[1], self.frames.shape[2]

    @property
    def runs(self) -> list[slice]:
        """Rows of ``frames`` that follow each other in the movie, as slices."""
        stops = [*self.starts[1:], len(self.frames)]
        return [slice(a, b) for a, b in zip(self.starts, stops, strict=True)]

    @property
    def source(self) -> ArraySource:
        """The frames as a movie of their own."""
        return ArraySource(self.frames)

    def blocks(self, n_bytes: int = _READ_BYTES) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Pieces of runs as float32, ``(rows, frames)``."""
        n = max(3, n_bytes // (4 * self.frames[0].size))
        for run in self.runs:
            for start in range(run.start, run.stop, n):
                rows = slice(start, min(start + n, run.stop))
                yield rows, self.frames[rows].astype(np.float32)


def take_sample(
    source: WindowSource,
    *,
    plane: int | None = None,
    max_bytes: int = SAMPLE_BYTES,
    report: Report | None = None,
) -> Sample:
    """Read runs of frames spread evenly over a movie.

    Parameters
    ----------
    source
        ``(T, [Z], Y, X)``.
    plane
        Of a volume; the middle one when not given.
    max_bytes
        What the sample may take in memory; at least 30 frames are taken.

    Raises
    ------
    MovieError
        It has no frames, or no such plane.
    CancelledByUser
        When the report says so.
    """
    report = report or Report()
    shape = _checked_shape(source)
    plane = _plane_of(shape, plane)
    height, width = shape[-2:]
    binning = max(1, round(np.sqrt(height * width / _FIELD_PX)))
    height, width = height // binning * binning, width // binning * binning
    planes = slice(0, 1) if plane is None else slice(plane, plane + 1)
    box = (planes, slice(0, height), slice(0, width))
    (sample,) = _read_planes(source, box, binning, max_bytes, report)
    return replace(sample, plane=plane)


@dataclass(frozen=True, eq=False)
class VolumeSample:
    """Sample of the same frames of neighbouring planes, of the middle of a volume.

    Attributes
    ----------
    planes
        A sample of each.
    origin
        ``(z, y, x)`` of the first pixel, in those of the movie.
    """

    planes: tuple[Sample, ...]
    origin: tuple[int, int, int]


def take_volume_sample(
    source: WindowSource, *, max_bytes: int = SAMPLE_BYTES, report: Report | None = None
) -> VolumeSample:
    """Read runs of volumes spread evenly over a movie ``(T, Z, Y, X)``.

    Large volumes are cut around their middle, so that hundreds of frames fit into ``max_bytes``.

    Raises
    ------
    MovieError
        It is no volume, or has no frames.
    CancelledByUser
        When the report says so.
    """
    report = report or Report()
    shape = _checked_shape(source)
    if len(shape) != 4:
        raise MovieError(f"A volume must have axes (T, Z, Y, X), got shape {shape}.")
    n_planes = min(shape[1], _MOST_PLANES)
    pixels = max_bytes / (_VOLUME_FRAMES * n_planes * source.dtype.itemsize)
    side = int(np.clip(np.sqrt(pixels), *_VOLUME_SIDE_PX))
    box = tuple(
        slice((n - m) // 2, (n - m) // 2 + m)
        for n, m in zip(shape[1:], (n_planes, *(min(n, side) for n in shape[2:])), strict=True)
    )
    planes = _read_planes(source, box, 1, max_bytes, report)
    return VolumeSample(planes, (box[0].start, box[1].start, box[2].start))


def _checked_shape(source: WindowSource) -> tuple[int, ...]:
    shape = source.shape
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise MovieError(f"A movie must have axes (T, [Z], Y, X), got shape {shape}.")
    return shape


def _read_planes(
    source: WindowSource,
    box: tuple[slice, ...],
    binning: int,
    max_bytes: int,
    report: Report,
) -> tuple[Sample, ...]:
    """Read samples of the planes of a box ``(z, y, x)``, each plane once."""
    n_planes, height, width = (part.stop - part.start for part in box)
    dtype = source.dtype if binning == 1 else np.dtype(np.float32)
    frame_bytes = n_planes * (height * width // binning**2) * dtype.itemsize
    wanted = int(np.clip(max_bytes // frame_bytes, 30, _MAX_FRAMES))
    first, lengths = _runs(source.shape[0], wanted)
    frames = np.empty((n_planes, sum(lengths), height // binning, width // binning), dtype)
    window = box if len(source.shape) == 4 else box[1:]
    step = max(1, _READ_BYTES // max(1, n_planes * height * width * source.dtype.itemsize))
    at = 0
    for start, length in zip(first, lengths, strict=True):
        for a in range(start, start + length, step):
            b = min(a + step, start + length)
            block = source.read_window(a, b, window).reshape(b - a, n_planes, height, width)
            for k in range(n_planes):
                frames[k, at : at + b - a] = bin_pixels(block[:, k], binning)
            at += b - a
            report.progress("reading a sample", at, frames.shape[1])
    for of_plane in frames:
        repeat_over_lost(of_plane)
    starts = tuple(int(n) for n in np.cumsum([0, *lengths[:-1]]))
    return tuple(
        Sample(frames[k], starts, tuple(first), binning, box[0].start + k, source.shape[0])
        for k in range(n_planes)
    )


def repeat_over_lost(frames: NDArray[Any]) -> None:
    """Replace frames ``(n, Y, X)`` without content, in place, by the last one that has some.

    Dark frames and NaN, as pauses leave them, would make every image of the sample one of them.
    """
    lost = find_lost(frames.reshape(len(frames), -1))
    if not lost.any() or lost.all():
        return
    last = np.maximum.accumulate(np.where(lost, -1, np.arange(len(frames))))
    last[last < 0] = np.flatnonzero(~lost)[0]
    for frame in np.flatnonzero(lost):
        frames[frame] = frames[last[frame]]


def _plane_of(shape: tuple[int, ...], plane: int | None) -> int | None:
    if len(shape) == 3:
        return None
    plane = shape[1] // 2 if plane is None else plane
    if not 0 <= plane < shape[1]:
        raise MovieError(f"The plane must be one of 0 to {shape[1] - 1}, got {plane}.")
    return plane


def _runs(n_frames: int, wanted: int) -> tuple[list[int], list[int]]:
    """First frames and lengths of evenly spread runs; all of the movie if it is short."""
    if wanted >= n_frames:
        return [0], [n_frames]
    n_runs = max(1, wanted // _RUN_FRAMES)
    length = wanted // n_runs
    if n_runs == 1:
        return [(n_frames - length) // 2], [length]
    first = np.linspace(0, n_frames - length, n_runs).astype(int)
    # Runs that touch are one.
    starts, lengths = [int(first[0])], [length]
    for start in first[1:].tolist():
        if start <= starts[-1] + lengths[-1]:
            lengths[-1] = start + length - starts[-1]
        else:
            starts.append(start)
            lengths.append(length)
    return starts, lengths


def bin_pixels(frames: NDArray[Any], k: int) -> NDArray[Any]:
    """Average squares of ``k x k`` pixels of ``(n, Y, X)``; what is left at the edge is cut."""
    if k == 1:
        return frames
    n, height, width = frames.shape
    height, width = height // k * k, width // k * k
    blocks = frames[:, :height, :width].reshape(n, height // k, k, width // k, k)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32))
