"""A recording: lazy frames and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._checks import check_array, check_kind, is_number, shown
from napari_cnmf.errors import FrameRateUnknownError, MovieError
from napari_cnmf.model.description import Description, Fact

if TYPE_CHECKING:
    import dask.array as da


@runtime_checkable
class Deferred(Protocol):
    """An array that dask is told of when it is first looked at.

    A worker reads frames straight from their files and never needs dask, whose import takes
    a tenth of the time of a short run.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def as_dask(self) -> da.Array:
        """Make the dask array, one frame a chunk."""
        ...


@dataclass(frozen=True, eq=False)
class Movie:
    """A recording, time first, read only when it is asked for.

    Attributes
    ----------
    data
        Lazy dask array ``(T, Y, X)`` or ``(T, Z, Y, X)`` in the file's own dtype; may be given
        as a `Deferred` and is then made on first use.
    paths
        The files behind it, in order; empty for an array in memory.
    frame_rate_hz
        From the caller or the metadata; ``None`` when neither says.
    pixel_size_um
        ``([dz], dy, dx)`` in micrometres; ``None`` when unknown.
    opened_with
        What `open_movie` was told beside the paths and the frame rate (``channel, axes, ...``);
        needed to open the files again.
    fingerprint
        Text that is equal for two movies only if they are the same; see
        `napari_cnmf.io.movies.fingerprint`. ``None`` for an array in memory.
    metadata
        What else the file says, as plain values.
    description
        What is known about the recording, and where it stands; ``None`` for an array in memory.
    time_s
        ``(T,)`` time of each frame in seconds, where the files tell it and the frames are not
        evenly spaced; ``None`` for frames at a constant rate.
    """

    data: da.Array | Any
    paths: tuple[Path, ...] = ()
    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, ...] | None = None
    opened_with: dict[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    name: str = "movie"
    metadata: dict[str, Any] = field(default_factory=dict)
    description: Description | None = None
    time_s: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.data, Deferred):
            # Without the instance's attribute, the first look at it goes to __getattr__.
            object.__setattr__(self, "_deferred", self.data)
            object.__delattr__(self, "data")
        else:
            _require_frames(self.data)
        check_kind("The name of a movie", self.name, str, MovieError, needed="text")
        if len(self.shape) not in (3, 4):
            raise MovieError(
                f"A movie must have axes (T, Y, X) or (T, Z, Y, X), got shape {self.shape}. "
                "Say which axis is which with axes=, for example axes='ZTYX'."
            )
        if self.time_s is not None and check_array("time_s", self.time_s, MovieError).ndim != 1:
            raise MovieError(f"time_s must hold a time for each frame, got {shown(self.time_s)}.")
        if self.time_s is not None and len(self.time_s) != self.shape[0]:
            object.__setattr__(self, "time_s", None)  # of the frames before they were cut
        if self.frame_rate_hz is not None:
            _require_frame_rate(self.frame_rate_hz)

    if not TYPE_CHECKING:  # else every misspelt attribute would pass for Any

        def __getattr__(self, name: str) -> Any:
            if name == "data" and self.deferred is not None:
                data = self.deferred.as_dask()
                object.__setattr__(self, "data", data)
                return data
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        if self.description is not None:
            return str(self.description)
        rate = "unknown" if self.frame_rate_hz is None else f"{self.frame_rate_hz:g} Hz"
        return f"{self.name}: movie {self.shape} {self.dtype}, frame rate {rate}"

    @property
    def deferred(self) -> Deferred | None:
        """Source of ``data``, which is made when asked for; ``None`` for a computed array."""
        return self.__dict__.get("_deferred")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(T, [Z], Y, X)`` of the movie."""
        return tuple(int(n) for n in (self.deferred or self.data).shape)

    @property
    def dims(self) -> tuple[int, ...]:
        """Shape ``([Z], Y, X)`` of a frame in pixels."""
        return self.shape[1:]

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames, as the file stores them."""
        dtype: np.dtype[Any] = np.dtype((self.deferred or self.data).dtype)
        return dtype

    def require_frame_rate(self) -> float:
        """The frame rate in Hz, or an error that says how to give it."""
        if self.frame_rate_hz is None:
            raise FrameRateUnknownError(
                f"The frame rate of {self.name} is needed in Hz: {self._why_no_rate()}. "
                "Set it in the form (data.fr), with params={'data': {'fr': 30}} in Python, or with "
                "--set data.fr=30 on the command line."
            )
        return self.frame_rate_hz

    def with_pixel_size(self, pixel_size_um: tuple[float, ...]) -> Movie:
        """Return the same movie with another pixel size, ``([dz], dy, dx)`` in micrometres."""
        return replace(self, data=self.deferred or self.data, pixel_size_um=pixel_size_um)

    def _why_no_rate(self) -> str:
        fact = None if self.description is None else self.description.facts.get("frame_rate_hz")
        if fact is None or not fact.source:
            return "its file does not carry one"
        return f"its files tell none ({fact.source})"

    def with_frame_rate(self, frame_rate_hz: float) -> Movie:
        """Copy the movie with another frame rate.

        Raises
        ------
        MovieError
            When it is no number above 0.
        """
        _require_frame_rate(frame_rate_hz)
        known = self.description
        if known is not None and frame_rate_hz != self.frame_rate_hz:
            known = known.with_fact(
                "frame_rate_hz", Fact(frame_rate_hz, f"{frame_rate_hz:.6g} Hz", "you")
            )
        return replace(
            self,
            data=self.deferred or self.data,
            frame_rate_hz=frame_rate_hz,
            description=known,
        )


def _require_frames(data: Any) -> None:
    """Raise ``MovieError`` unless it is an array, of numpy, dask, zarr or any other library."""
    is_array = isinstance(getattr(data, "shape", None), tuple) and hasattr(data, "__getitem__")
    if not is_array or not isinstance(getattr(data, "dtype", None), np.dtype):
        raise MovieError(
            f"The frames of a movie must be an array (T, [Z], Y, X), got {shown(data)}. "
            "Open a file with nc.open_movie(PATH)."
        )


def _require_frame_rate(rate: Any) -> None:
    """Raise ``MovieError`` unless it is a number above 0."""
    if not is_number(rate) or not 0 < rate < np.inf:
        raise MovieError(f"Frame rate must be a number above 0 Hz, got {shown(rate)}.")
