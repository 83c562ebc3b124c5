"""Shared by all files that libraries of the extra ``formats`` read: Nikon, Leica, Zeiss, ...

Each library lists frames and reads one without the rest; a file is open for the time of one read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.errors import MovieError, brief
from napari_cnmf.io.movies._axes import Layout, layout_of
from napari_cnmf.io.movies._recording import (
    Recording,
    checked_dtype,
    fact_of_channels,
    positive_or_none,
)
from napari_cnmf.io.movies._request import Request, chosen_channel
from napari_cnmf.io.movies._stores import ArrayFrames, FrameStore
from napari_cnmf.model.description import Piece

_EXPORTS = {
    "pylibCZIrw.czi": "Zeiss' ZEN, or Fiji (File > Import > Bio-Formats)",
    "nd2": "Nikon's NIS-Elements, or Fiji (File > Import > Bio-Formats)",
    "liffile": "Leica's LAS X, or Fiji (File > Import > Bio-Formats)",
    "oiffile": "Olympus FluoView, or Fiji (File > Import > Bio-Formats)",
    "isx": "the Inscopix Data Processing Software",
}


@contextmanager
def opened_with(name: str, path: Path, maker: str) -> Iterator[Any]:
    """Give a maker's library for the reading of one header.

    Parameters
    ----------
    name
        The library's module, a key of `_EXPORTS`.
    path
        The file that it reads meanwhile.
    maker
        Who made the format, for messages.

    Raises
    ------
    MovieError
        The library is missing, or refuses the file. Errors of ours and of the file system pass as
        they are: they say already what is wrong.
    """
    other_way = f"save it as TIFF with {_EXPORTS[name]}"
    try:
        module = import_module(name)
    except ImportError as error:
        raise MovieError(
            f"{path} is in {maker}'s format, which needs the package {name.partition('.')[0]!r}: "
            f"pip install 'napari-cnmf[formats]'. Or {other_way}."
        ) from error
    try:
        yield module
    except MovieError:
        raise
    except Exception as error:
        # Libraries raise an OSError of their own words for a damaged file: it has no number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise MovieError(
            f"{path} must be a whole file of {maker}, got: {brief(error)}. Copy it "
            f"again, or {other_way}."
        ) from error


@dataclass(frozen=True)
class LibraryFrames:
    """An array of a file that a library reads; see `ArrayOnDisk`.

    Attributes
    ----------
    path
        The file.
    reader
        Class of this module that opens it: it has ``frame(index) -> array`` and is closed after.
    """

    path: Path
    reader: Any
    part: Any = None

    def __str__(self) -> str:
        return str(self.path)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open the array for the time of one read."""
        with self.reader(self.path, self.part) as array:
            yield array


def _store(frames: LibraryFrames, layout: Layout, dtype: np.dtype[Any]) -> FrameStore:
    return ArrayFrames(frames, layout, dtype, 1)


def recording_of(  # noqa: PLR0917
    frames: LibraryFrames,
    shape: tuple[int, ...],
    axes: str,
    dtype: np.dtype[Any],
    channels: Sequence[str],
    request: Request,
    label: str,
) -> Recording:
    """Make the recording of an array with named axes."""
    checked_dtype(dtype, str(frames.path))
    n = shape[axes.index("C")] if "C" in axes else 1
    names = tuple(channels) if len(channels) == n else tuple(f"channel {k}" for k in range(n))
    channel = chosen_channel(names, request.channel, frames.path, label)
    layout = layout_of(
        shape,
        axes=request.axes,
        file_axes=axes,
        channel=channel if n > 1 or request.axes else None,
        name=str(frames.path),
    )
    return Recording(
        _store(frames, layout, dtype),
        format=label,
        facts={"channels": fact_of_channels(names, channel, label)},
        pieces=(Piece(frames.path, layout.shape[0]),),
    )


def with_facts(
    recording: Recording, rate: float | None, source: str, spacing: dict[str, Any]
) -> Recording:
    """The recording with frame rate in Hz, its source, and pixel size in micrometres."""
    sizes = {axis: size for axis, value in spacing.items() if (size := positive_or_none(value))}
    notes = {} if rate is None else {"frame_rate_from": source}
    return replace(
        recording, frame_rate_hz=rate, spacing_um=sizes, metadata=recording.metadata | notes
    )
