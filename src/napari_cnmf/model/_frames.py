"""Frames computed on demand: what to compute, and the few ways to compute it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model._ring import Ring
from napari_cnmf.model.rows import TraceRows

Frames2D = NDArray[np.float32]
_FRAMES_AT_ONCE = 16  # whole frames of a movie in memory while a ring background is computed
_FRAMES_OF_TRACES = 128  # read together from traces that stay in their file


@dataclass(frozen=True)
class Selection:
    """Some pixels of some frames.

    Attributes
    ----------
    times
        Frames, step above 0.
    window
        One slice for each axis of the field.
    pixels
        The window's pixels in C order of the field; ``None`` for the whole field.
    """

    times: range
    window: tuple[slice, ...]
    pixels: NDArray[np.intp] | slice | None

    @property
    def time_slice(self) -> slice:
        """Slice of the selected frames."""
        return slice(self.times.start, self.times.stop, self.times.step)

    def whole_frames(self) -> Iterator[Selection]:
        """The selection of the same frames, all pixels, a few at a time."""
        everywhere = tuple(slice(None) for _ in self.window)
        for first in range(0, len(self.times), _FRAMES_AT_ONCE):
            times = self.times[first : first + _FRAMES_AT_ONCE]
            yield replace(self, times=times, window=everywhere, pixels=None)


class Frames(Protocol):
    """Computes ``(n_frames, n_pixels)`` float32 of a selection."""

    def read(self, selection: Selection) -> Frames2D:
        """Compute the frames of a selection, ``(n_frames, n_pixels)`` float32."""
        ...


class ProductFrames:
    """Frames of ``left @ right``: footprints times traces, or background times its time course.

    Parameters
    ----------
    left
        ``(n_pixels, n)``, dense or sparse by columns.
    right
        ``(n, n_frames)``.
    """

    def __init__(self, left: Any, right: Any) -> None:
        self._left = left.astype(np.float32, copy=False)
        # traces that are read from a file stay there; neighbouring frames are asked for together
        self._right: Any = right if isinstance(right, TraceRows) else np.asarray(right, np.float32)
        self._stretch: tuple[slice, NDArray[np.float32]] | None = None

    @cached_property
    def _rows(self) -> Any:
        return getattr(self._left, "tocsr", lambda: self._left)()  # a dense array has none

    def read(self, selection: Selection) -> Frames2D:
        """Compute the product for a selection, ``(n_frames, n_pixels)`` float32."""
        left = self._left if selection.pixels is None else self._rows[selection.pixels]
        frames: Frames2D = (left @ self._courses(selection.times)).T
        return frames

    def _courses(self, times: range) -> NDArray[np.float32]:
        """``right`` at some frames ``(n, n_times)``."""
        if not isinstance(self._right, TraceRows):
            courses: NDArray[np.float32] = self._right[:, times.start : times.stop : times.step]
            return courses
        if not times:
            return np.zeros((len(self._right), 0), np.float32)
        stretch = self._stretch
        if stretch is None or not stretch[0].start <= times[0] <= times[-1] < stretch[0].stop:
            start = times[0] // _FRAMES_OF_TRACES * _FRAMES_OF_TRACES
            stop = min(max(times[-1] + 1, start + _FRAMES_OF_TRACES), self._right.shape[1])
            frames = slice(start, stop)
            stretch = frames, np.asarray(self._right[:, frames], np.float32)
            if stop - start <= _FRAMES_OF_TRACES:
                self._stretch = stretch
        first = stretch[0].start
        return stretch[1][:, times.start - first : times[-1] + 1 - first : times.step]


class MovieFrames:
    """Frames of the recording itself, a lazy or plain array ``(T, [Z], Y, X)``."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def read(self, selection: Selection) -> Frames2D:
        """Read a selection of the recording, ``(n_frames, n_pixels)`` float32."""
        block = self._data[(selection.time_slice, *selection.window)]
        if isinstance(block, da.Array):
            # a task of the outer graph runs this: one thread is what it was given
            block = block.compute(scheduler="synchronous")
        frames: Frames2D = np.asarray(block, dtype=np.float32).reshape(len(selection.times), -1)
        return frames


class RingFrames:
    """Frames of the ring background ``W (Y - A C - b0) + b0``, from whole frames of the movie."""

    def __init__(self, movie: Frames, signal: Frames, ring: Ring, b0: NDArray[Any]) -> None:
        self._movie = movie
        self._signal = signal
        self._ring = ring
        self._b0 = np.asarray(b0, dtype=np.float32)

    def read(self, selection: Selection) -> Frames2D:
        """Compute the background of a selection, ``(n_frames, n_pixels)`` float32."""
        pixels = slice(None) if selection.pixels is None else selection.pixels
        parts = [
            (self._ring.predict(self._fluctuation(whole)) + self._b0)[:, pixels]
            for whole in selection.whole_frames()
        ]
        return np.concatenate(parts)

    def _fluctuation(self, whole: Selection) -> Frames2D:
        return self._movie.read(whole) - self._signal.read(whole) - self._b0


class ResidualFrames:
    """Frames of the movie minus everything that explains it."""

    def __init__(self, movie: Frames, explained: tuple[Frames, ...]) -> None:
        self._movie = movie
        self._explained = explained

    def read(self, selection: Selection) -> Frames2D:
        """Compute the residual of a selection, ``(n_frames, n_pixels)`` float32."""
        rest = self._movie.read(selection).copy()
        for part in self._explained:
            rest -= part.read(selection)
        return rest
