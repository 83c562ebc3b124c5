"""Interfaces that the engine asks of its caller: the frames of a movie, and scratch space."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_cnmf.errors import MovieError

SMALLEST_UNIT, LARGEST_UNIT = 1e-12, 1e15
"""Range of a movie's largest value: squares of smaller and larger ones, summed over the movie, are
no numbers in single precision."""


class FrameSource(Protocol):
    """A movie read front to back in blocks of frames.

    Attributes
    ----------
    shape
        ``(T, Y, X)`` or ``(T, Z, Y, X)``.
    dtype
        Of the frames as they are stored; any integer or float type.
    frames_apart
        Optional. Whether a block costs no more when it is read in parts by several threads: true
        of frames that lie each by itself, not of compressed chunks of frames.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the movie, ``(T, Y, X)`` or ``(T, Z, Y, X)``."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames as they are stored."""
        ...

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return frames ``start`` to ``stop``, shape ``(stop - start, [Z], Y, X)``.

        ``out``, where given, has that shape and the source's dtype; it is filled
        and returned, so that one buffer serves a whole pass. Safe to call from
        several threads with different ``out``.
        """
        ...


class ScratchFactory(Protocol):
    """Gives big temporary arrays, in memory or in a file that is removed afterwards."""

    def __call__(
        self, shape: tuple[int, ...], dtype: DTypeLike
    ) -> AbstractContextManager[NDArray[Any]]:
        """Open an array of ``shape`` and ``dtype``, which is removed at the end."""
        ...


class WindowSource(Protocol):
    """A movie of which boxes can be read alone."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(T, [Z], Y, X)`` of the movie."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames as they are stored."""
        ...

    def read_window(self, start: int, stop: int, window: tuple[slice, ...]) -> NDArray[Any]:
        """Return frames ``start`` to ``stop`` inside ``window``, ``(stop - start, [z], y, x)``."""
        ...


class ArraySource:
    """A movie that is in memory; both a ``FrameSource`` and a ``WindowSource``."""

    frames_apart = True

    def __init__(self, frames: NDArray[Any]) -> None:
        self._frames = frames

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(T, [Z], Y, X)`` of the movie."""
        return self._frames.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames."""
        return self._frames.dtype

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return a copy of frames ``start`` to ``stop``, or write them into ``out``."""
        if out is None:
            return self._frames[start:stop].copy()
        out[...] = self._frames[start:stop]
        return out

    def read_window(self, start: int, stop: int, window: tuple[slice, ...]) -> NDArray[Any]:
        """Return frames ``start`` to ``stop`` inside ``window``, ``(stop - start, [z], y, x)``."""
        return self._frames[(slice(start, stop), *window)]


def check_unit(source: FrameSource) -> None:
    """Refuse a movie in a unit in which its numbers cannot be computed with.

    Raises
    ------
    MovieError
        With the factor that helps.
    """
    if np.dtype(source.dtype).kind != "f":
        return
    last = source.shape[0] - 1
    frames = [np.abs(source.read(t, t + 1).astype(np.float64)) for t in (0, last // 2, last)]
    largest = max(float(np.max(f, where=np.isfinite(f), initial=0.0)) for f in frames)
    if largest == 0 or SMALLEST_UNIT <= largest <= LARGEST_UNIT:
        return
    raise MovieError(
        f"The largest value of a movie must lie between {SMALLEST_UNIT:g} and {LARGEST_UNIT:g}, "
        f"got {largest:.2g}. Multiply the movie by {10.0 ** -round(np.log10(largest)):g}: cells "
        "stay the same, and traces change their unit."
    )
