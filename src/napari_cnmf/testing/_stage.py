"""Field and clock that all ingredients of one recording share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.testing._random import stream


@dataclass(frozen=True)
class Stage:
    """Field and clock of a recording.

    Attributes
    ----------
    dims
        The field ``([Z], Y, X)`` in px.
    pad
        Surround rendered on both sides of each axis, in px, so that motion shows what lies there.
    """

    dims: tuple[int, ...]
    n_frames: int
    frame_rate_hz: float
    seed: int
    pad: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.pad:
            object.__setattr__(self, "pad", (0,) * len(self.dims))

    @property
    def padded(self) -> tuple[int, ...]:
        """Shape ``([Z], Y, X)`` of the field with its surround, in pixels."""
        return tuple(n + 2 * p for n, p in zip(self.dims, self.pad, strict=True))

    @property
    def n_padded(self) -> int:
        """Number of pixels of the field with its surround."""
        return int(np.prod(self.padded))

    @property
    def duration_s(self) -> float:
        """Length of the recording in seconds."""
        return self.n_frames / self.frame_rate_hz

    @property
    def inner(self) -> tuple[slice, ...]:
        """Index of the field in its surround."""
        return tuple(slice(p, p + n) for n, p in zip(self.dims, self.pad, strict=True))

    def field_pixels(self) -> NDArray[np.intp]:
        """Flat pixels of the surround that make up the field, in C order."""
        flat = np.arange(self.n_padded).reshape(self.padded)
        return np.asarray(flat[self.inner].ravel(), dtype=np.intp)

    def rng(self, ingredient: str) -> np.random.Generator:
        """Random numbers of one ingredient."""
        return stream(self.seed, ingredient)
