"""Folders and lists of TIFF files that hold one frame each, as many as there may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._damage import told_as_lost
from napari_cnmf.io.movies._recording import Recording, Request, checked_dtype
from napari_cnmf.io.movies._stores import FrameStore, RawFrames, file_size
from napari_cnmf.io.movies._tiff_metadata import TiffFacts, read_tiff_facts
from napari_cnmf.io.movies._tiff_pages import open_tiff

_N_CHECKED = 300


@dataclass(frozen=True)
class _Frame:
    """The one image of a file.

    Attributes
    ----------
    offset
        Byte where its uncompressed pixels begin; ``None`` when they must be decoded.
    """

    shape: tuple[int, ...]
    stored: np.dtype[Any]
    offset: int | None
    facts: TiffFacts


def open_single_frames(paths: Sequence[Path], request: Request) -> Recording | None:
    """Open TIFF files of one frame each as a movie.

    Up to 300 files are all looked into, of more an even sample: opening 90,000
    files one by one would take a minute, and each is checked again when it is read,
    where its size differs from the first one's.

    Returns
    -------
    Recording or None
        ``None`` when the files hold several frames each.

    Raises
    ------
    MovieError
        Files differ in shape or type.
    """
    first = _single_frame(paths[0])
    if first is None or request.axes not in (None, "TYX") or len(first.shape) != 2:
        return None
    sizes = np.array([file_size(path) for path in paths])
    checked = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), _N_CHECKED)).astype(int))
    offsets = {first.offset}
    for index in checked.tolist():
        frame = _single_frame(paths[index])
        if frame is None:
            return None
        _check_alike(frame, first, paths[index], paths[0])
        offsets.add(frame.offset)
    if request.channel not in (None, 0):
        raise MovieError(f"channel must be 0, got {request.channel}: {paths[0]} has one channel.")
    store = _store(paths, first, sizes, offsets)
    return Recording(
        store,
        first.facts.frame_rate_hz,
        first.facts.spacing_um,
        first.facts.metadata | {"axes_in_file": "YX", "channel": None},
    )


def _store(
    paths: Sequence[Path], first: _Frame, sizes: NDArray[np.int64], offsets: set[int | None]
) -> FrameStore:
    alike = bool(np.all(sizes == sizes[0])) and len(offsets) == 1
    if first.offset is None or not alike:
        return SingleFrames(tuple(paths), first.shape, first.stored.newbyteorder("="))
    index = np.arange(len(paths), dtype=np.int64)[:, None]
    starts = np.full_like(index, first.offset)
    return RawFrames(paths, starts, first.shape, first.stored, None, index)


def _single_frame(path: Path) -> _Frame | None:
    """The one image of ``path``, or ``None`` when there are more."""
    with open_tiff(path) as tiff:
        page = tiff.pages.first
        notes = tiff.imagej_metadata or {}
        if len(tiff.pages) > 1 or int(notes.get("images", 1)) > 1:
            return None
        dtype = checked_dtype(np.dtype(page.dtype), str(path))
        offset = page.dataoffsets[0] if page.is_final and page.is_contiguous else None
        if offset is not None and offset + page.nbytes > tiff.filehandle.size:
            raise MovieError(
                f"{path} must hold {offset + page.nbytes} bytes for its frame, got "
                f"{tiff.filehandle.size}: it is cut short. Copy it again."
            )
        return _Frame(
            tuple(page.shape),
            dtype.newbyteorder(tiff.byteorder),
            offset,
            replace(read_tiff_facts(tiff), page_axes=None),
        )


def _check_alike(frame: _Frame, first: _Frame, path: Path, first_path: Path) -> None:
    if (frame.shape, frame.stored) != (first.shape, first.stored):
        raise MovieError(
            f"All frames of a movie must be {first.shape} {first.stored.name} as in "
            f"{first_path.name}, got {frame.shape} {frame.stored.name} in {path}. "
            "Take that file out, or give the files of one recording as a list."
        )


@dataclass
class SingleFrames(FrameStore):
    """One file a frame, each opened and checked when it is asked for."""

    frames_apart = True
    paths: tuple[Path, ...]
    frame_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        self.shape = (len(self.paths), *self.frame_shape)

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        for index in range(len(out)):
            path = self.paths[start + index]
            with told_as_lost(path), open_tiff(path) as tiff:
                n_pages = len(tiff.pages)
                image = tiff.pages.first.asarray()
            if n_pages != 1 or image.shape != self.frame_shape or image.dtype != self.dtype:
                raise MovieError(
                    f"All files of a movie must hold one frame {self.frame_shape} {self.dtype}, "
                    f"got {n_pages} of {image.shape} {image.dtype} in {path}. Take that file out."
                )
            out[index] = image
