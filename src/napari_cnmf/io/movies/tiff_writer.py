"""Writes movies as one contiguous BigTIFF: read back by plain file reads, opened by Fiji."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import numpy as np
import tifffile
from numpy.typing import DTypeLike, NDArray

from napari_cnmf._atomic import replacing
from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._recording import checked_dtype
from napari_cnmf.io.movies._stores import write_at

OWN_SOFTWARE = "napari-cnmf"
# What OME-XML has a name for; other types are written as plain TIFF with a note in JSON.
_OME_TYPES = frozenset({"i1", "i2", "i4", "u1", "u2", "u4", "f4", "f8"})


@dataclass(frozen=True)
class FramesInFile:
    """Place of a movie's frames in a file that is being written, for other processes to write to.

    Attributes
    ----------
    path
        The file as it is named until it is complete.
    offset
        Byte where the first frame begins.
    """

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def write(self, start: int, frames: NDArray[Any]) -> None:
        """Write ``frames`` ``(n, [Z], Y, X)`` at frame ``start``."""
        frames = np.ascontiguousarray(frames, self.dtype)
        frame_bytes = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        with FileIO(self.path, "rb+") as stream:
            write_at(stream, self.offset + start * frame_bytes, frames)


class TiffMovieWriter:
    """A movie that is written in any order, block by block.

    The file appears under its name only when the block ends without an error and
    every frame was written; else nothing is left behind.

    Parameters
    ----------
    path
        ``.tif``; its folder must exist.
    shape
        ``(T, Y, X)`` or ``(T, Z, Y, X)``.
    dtype
        Any integer or float type.
    frame_rate_hz, pixel_size_um
        Written to the metadata where known; ``([dz], dy, dx)`` in micrometres.

    Raises
    ------
    MovieError
        Shape or type cannot be a movie; on exit: frames are missing.
    OSError
        The folder is missing, read-only, or the disk is full.

    Examples
    --------
    >>> import numpy as np, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "movie.tif"
    >>> with TiffMovieWriter(path, (2, 3, 4), "uint16", frame_rate_hz=10) as writer:
    ...     writer.write(0, np.ones((2, 3, 4)))
    >>> path.exists()
    True

    See Also
    --------
    napari_cnmf.io.movies.open_movie
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        shape: Sequence[int],
        dtype: DTypeLike,
        *,
        frame_rate_hz: float | None = None,
        pixel_size_um: Sequence[float] | None = None,
    ) -> None:
        self.path = Path(path)
        self.shape = tuple(int(n) for n in shape)
        self.dtype = checked_dtype(np.dtype(dtype), str(path)).newbyteorder("=")
        if len(self.shape) not in (3, 4) or min(self.shape) < 1:
            raise MovieError(
                "A movie to write must be (T, Y, X) or (T, Z, Y, X) with every axis at least 1, "
                f"got {self.shape}."
            )
        if pixel_size_um is not None and len(pixel_size_um) != len(self.shape) - 1:
            raise MovieError(
                f"pixel_size_um must have {len(self.shape) - 1} values, got {pixel_size_um}."
            )
        self._metadata = self._header(frame_rate_hz, pixel_size_um)
        self._written = np.zeros(self.shape[0], bool)
        self._lock = Lock()
        self._stack = ExitStack()
        self._stream: FileIO | None = None
        self._beside: Path | None = None
        self._offset = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            beside = stack.enter_context(replacing(self.path))
            self._offset, self._beside = self._lay_out(beside), beside
            self._stream = stack.enter_context(FileIO(beside, "rb+"))
            stack.callback(self._forget_stream)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and not self._written.all():
            missing = int(np.count_nonzero(~self._written))
            error = MovieError(
                f"All {self.shape[0]} frames of {self.path} must be written, {missing} are "
                f"missing, the first is {int(np.argmin(self._written))}."
            )
            self._stack.__exit__(type(error), error, None)
            raise error
        self._stack.__exit__(kind, error, trace)

    def write(self, start: int, frames: NDArray[Any]) -> None:
        """Write ``frames`` ``(n, [Z], Y, X)`` at frame ``start``.

        Safe to call from several threads. Values are converted to the file's type;
        integers out of its range, NaN and infinity must be dealt with by the caller.
        """
        frames = np.ascontiguousarray(frames, self.dtype)
        if frames.shape[1:] != self.shape[1:] or not 0 <= start <= self.shape[0] - len(frames):
            raise MovieError(
                f"Frames to write must fit into {self.shape}, got {frames.shape} at {start}."
            )
        with self._lock:
            if self._stream is None:
                raise MovieError(f"{self.path} must be open for writing: use it in a with block.")
            frame_bytes = int(np.prod(self.shape[1:])) * self.dtype.itemsize
            write_at(self._stream, self._offset + start * frame_bytes, frames)
            self._written[start : start + len(frames)] = True

    def frames_in_file(self) -> FramesInFile:
        """Place where other processes may write frames; see `all_written`."""
        if self._beside is None:
            raise MovieError(f"{self.path} must be open for writing: use it in a with block.")
        return FramesInFile(self._beside, self._offset, self.shape, self.dtype)

    def all_written(self) -> None:
        """Take it from the caller that other processes have written every frame."""
        self._written[:] = True

    def _forget_stream(self) -> None:
        self._stream = None

    def _lay_out(self, beside: Path) -> int:
        """Write headers around the space for the frames; returns where the first one begins."""
        ome = self.dtype.str[1:] in _OME_TYPES
        tifffile.imwrite(
            beside,
            data=None,
            shape=self.shape,
            dtype=self.dtype,
            bigtiff=True,
            ome=ome,
            photometric="minisblack",
            software=OWN_SOFTWARE,
            contiguous=True,
            metadata=self._metadata,
        )
        with tifffile.TiffFile(beside) as tiff:
            return int(tiff.pages.first.dataoffsets[0])

    def _header(
        self, frame_rate_hz: float | None, pixel_size_um: Sequence[float] | None
    ) -> dict[str, Any]:
        axes = "TYX" if len(self.shape) == 3 else "TZYX"
        header: dict[str, Any] = {"axes": axes}
        if self.dtype.str[1:] not in _OME_TYPES:
            if frame_rate_hz is not None:
                header["frame_rate_hz"] = float(frame_rate_hz)
            if pixel_size_um is not None:
                header["pixel_size_um"] = [float(size) for size in pixel_size_um]
            return header
        if frame_rate_hz is not None:
            header |= {"TimeIncrement": 1 / float(frame_rate_hz), "TimeIncrementUnit": "s"}
        for axis, size in zip(axes[1:], pixel_size_um or (), strict=False):
            header |= {f"PhysicalSize{axis}": float(size), f"PhysicalSize{axis}Unit": "µm"}
        return header
