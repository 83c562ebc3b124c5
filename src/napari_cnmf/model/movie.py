"""A recording: lazy frames and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cnmf.errors import FrameRateUnknownError, MovieError

if TYPE_CHECKING:
    import dask.array as da


@dataclass(frozen=True, eq=False)
class Movie:
    """A recording, time first, read only when it is asked for.

    Attributes
    ----------
    data
        Lazy dask array ``(T, Y, X)`` or ``(T, Z, Y, X)`` in the file's own dtype.
    paths
        The files behind it, in order; empty for an array in memory.
    frame_rate_hz
        From the caller or the metadata; ``None`` when neither says.
    pixel_size_um
        ``([dz], dy, dx)`` in micrometres; ``None`` when unknown.
    opened_with
        What `open_movie` had to be told beside the paths (``axes, dataset, channel``); needed to
        open the files again.
    fingerprint
        Hash of size, head and tail of the files: the same movie under another path has the same.
    metadata
        What else the file says, as plain values.
    """

    data: da.Array
    paths: tuple[Path, ...] = ()
    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, ...] | None = None
    opened_with: dict[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    name: str = "movie"
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.data.ndim not in (3, 4):
            raise MovieError(
                f"A movie must have axes (T, Y, X) or (T, Z, Y, X), got shape {self.data.shape}. "
                "Say which axis is which with axes=, for example axes='ZTYX'."
            )
        if self.frame_rate_hz is not None and not self.frame_rate_hz > 0:
            raise MovieError(f"Frame rate must be above 0 Hz, got {self.frame_rate_hz}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """``(T, [Z], Y, X)``."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def dims(self) -> tuple[int, ...]:
        """``([Z], Y, X)``."""
        return self.shape[1:]

    @property
    def n_frames(self) -> int:
        return self.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    def require_frame_rate(self) -> float:
        """The frame rate in Hz, or an error that says how to give it."""
        if self.frame_rate_hz is None:
            raise FrameRateUnknownError(
                f"The frame rate of {self.name} is needed in Hz: its file does not carry one. "
                "Set it in the form (data.fr) or with --set data.fr=30."
            )
        return self.frame_rate_hz

    def with_frame_rate(self, frame_rate_hz: float) -> Movie:
        """The same movie with another frame rate."""
        return replace(self, frame_rate_hz=frame_rate_hz)
