"""A simulated recording: movie and truth, in memory or streamed to a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_cnmf._atomic import replacing
from napari_cnmf.errors import MovieError
from napari_cnmf.testing.scene import Scene
from napari_cnmf.testing.truth import Truth

_CHUNK_BYTES = 64_000_000
_CLASSIC_TIFF_BYTES = 3_900_000_000


@dataclass(frozen=True, eq=False)
class Recording:
    """A simulated movie with its truth.

    Attributes
    ----------
    movie
        ``(T, [Z], Y, X)`` uint16, or the path of the file it was streamed to.
    frame_rate_hz, decay_time_s
        As a user would know them; the decay is the median of the cells'.
    gSig
        Half width of the typical cell per axis, in whole px, as CaImAn understands it.
    """

    movie: NDArray[np.uint16] | Path
    frame_rate_hz: float
    decay_time_s: float
    gSig: tuple[int, ...]
    truth: Truth
    name: str = "simulated"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(T, [Z], Y, X)`` of the movie."""
        return (self.truth.n_frames, *self.truth.dims)

    def array(self) -> NDArray[np.uint16]:
        """Read the movie as an array; a file is memory-mapped."""
        if isinstance(self.movie, Path):
            if self.movie.suffix == ".npy":
                mapped: NDArray[np.uint16] = np.load(self.movie, mmap_mode="r")
                return mapped
            return np.asarray(tifffile.memmap(self.movie, mode="r"))
        return self.movie

    def write(self, path: str | Path) -> Recording:
        """Write the movie to ``.tif`` or ``.npy``; return the recording with that file."""
        movie = self.array()
        target = write_movie(Path(path), iter(movie), movie.shape, self.frame_rate_hz)
        return replace(self, movie=target)


def whole_px(*half_widths_px: float) -> tuple[int, ...]:
    """Round half widths to what a parameter takes: whole pixels, at least 1."""
    return tuple(max(1, round(width)) for width in half_widths_px)


@dataclass(frozen=True, eq=False)
class Plan:
    """A recording that is decided but not rendered."""

    scene: Scene
    truth: Truth
    decay_time_s: float
    gSig: tuple[int, ...]
    name: str = "simulated"

    def record(self) -> Recording:
        """Render the recording in memory."""
        movie = np.empty(self.scene.shape, dtype=np.uint16)
        self.scene.render(0, self.scene.stage.n_frames, movie)
        return self._recording(movie)

    def record_to(self, path: str | Path, *, chunk_frames: int | None = None) -> Recording:
        """Render the recording to ``.tif`` or ``.npy``, a chunk of frames at a time."""
        frames = self._frames(chunk_frames)
        return self._recording(
            write_movie(Path(path), frames, self.scene.shape, self.scene.stage.frame_rate_hz)
        )

    def _frames(self, chunk_frames: int | None) -> Iterator[NDArray[np.uint16]]:
        n_frames = self.scene.stage.n_frames
        frame_bytes = 2 * int(np.prod(self.scene.stage.dims))
        step = chunk_frames or max(1, min(n_frames, _CHUNK_BYTES // frame_bytes))
        buffer = np.empty((step, *self.scene.stage.dims), dtype=np.uint16)
        for start in range(0, n_frames, step):
            stop = min(start + step, n_frames)
            yield from self.scene.render(start, stop, buffer[: stop - start])

    def _recording(self, movie: NDArray[np.uint16] | Path) -> Recording:
        return Recording(
            movie=movie,
            frame_rate_hz=self.scene.stage.frame_rate_hz,
            decay_time_s=self.decay_time_s,
            gSig=self.gSig,
            truth=self.truth,
            name=self.name,
        )


def write_movie(
    path: Path, frames: Iterator[NDArray[Any]], shape: tuple[int, ...], frame_rate_hz: float
) -> Path:
    """Stream uint16 frames to one contiguous file, which can be memory-mapped.

    ``.tif`` carries the frame rate as ImageJ's ``finterval``: ImageJ TIFF, or BigTIFF with the same
    entries in tifffile's own description where it would be larger than a classic TIFF can be.

    Raises
    ------
    MovieError
        Another suffix than ``.tif``, ``.tiff`` or ``.npy``.
    """
    suffix = path.suffix.lower()
    if suffix not in (".tif", ".tiff", ".npy"):
        raise MovieError(f"A simulated movie is written to .tif or .npy, got {path.name}.")
    with replacing(path, keep_suffix=True) as beside:
        if suffix == ".npy":
            _write_npy(beside, frames, shape)
        else:
            _write_tiff(beside, frames, shape, frame_rate_hz)
    return path


def _write_npy(path: Path, frames: Iterator[NDArray[Any]], shape: tuple[int, ...]) -> None:
    header = {"descr": "<u2", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        for frame in frames:
            file.write(np.ascontiguousarray(frame, dtype="<u2").data)


def _write_tiff(
    path: Path, frames: Iterator[NDArray[Any]], shape: tuple[int, ...], frame_rate_hz: float
) -> None:
    classic = 2 * int(np.prod(shape)) < _CLASSIC_TIFF_BYTES
    metadata = {
        "axes": "TYX" if len(shape) == 3 else "TZYX",
        "finterval": 1 / frame_rate_hz,
        "fps": frame_rate_hz,
        "unit": "pixel",
    }
    planes = frames if len(shape) == 3 else (plane for volume in frames for plane in volume)
    with tifffile.TiffWriter(path, imagej=classic, bigtiff=not classic) as writer:
        writer.write(
            planes, shape=shape, dtype=np.uint16, metadata=metadata, photometric="minisblack"
        )
