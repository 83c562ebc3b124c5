"""Shared by all files that libraries of the extra ``formats`` read: Nikon, Leica, Zeiss, ...

Each library lists frames and reads one without the rest; a file is open for the time of one read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError, brief, why_no_package
from napari_cnmf.io.movies._axes import layout_of
from napari_cnmf.io.movies._recording import (
    Recording,
    checked_dtype,
    fact_of_channels,
    positive_or_none,
)
from napari_cnmf.io.movies._request import Request, chosen_channel
from napari_cnmf.io.movies._stores import ArrayFrames, ArrayOnDisk
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
        missing = why_no_package(f"{path} is in {maker}'s format, and", name, "formats", error)
        raise MovieError(f"{missing}. Or {other_way}.") from error
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
    """Images of a file that a library reads one by one; see `ArrayOnDisk`.

    Attributes
    ----------
    path
        The file.
    module, opener
        The library, and its function or class that opens the file.
    read_image
        Function of the open file and the number of an image; it can be pickled.
    lead
        Sizes of the axes along which images are counted, the slowest first.
    """

    path: Path
    module: str
    opener: str
    read_image: Callable[[Any, int], Any]
    lead: tuple[int, ...]

    def __str__(self) -> str:
        return str(self.path)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open the array for the time of one read."""
        file = attrgetter(self.opener)(import_module(self.module))(str(self.path))
        try:
            yield _OpenImages(file, self)
        finally:
            if hasattr(file, "close"):
                file.close()


@dataclass(frozen=True)
class _OpenImages:
    """Images of an open file, sliced like an array ``(*lead, ...)``."""

    file: Any
    images: LibraryFrames

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        lead = self.images.lead
        numbers = np.arange(int(np.prod(lead))).reshape(lead)[index[: len(lead)]]
        read, rest = self.images.read_image, index[len(lead) :]
        found = [np.asarray(read(self.file, number))[rest] for number in numbers.ravel().tolist()]
        return np.stack(found).reshape(*numbers.shape, *found[0].shape)


def recording_of(  # noqa: PLR0917
    frames: ArrayOnDisk,
    path: Path,
    shape: tuple[int, ...],
    axes: str,
    dtype: np.dtype[Any],
    channels: Sequence[str],
    request: Request,
    label: str,
) -> Recording:
    """Make the recording of an array with named axes."""
    checked_dtype(dtype, str(path))
    n = shape[axes.index("C")] if "C" in axes else 1
    names = tuple(channels) if len(channels) == n else tuple(f"channel {k}" for k in range(n))
    channel = chosen_channel(names, request.channel, path, label)
    layout = layout_of(
        shape,
        axes=request.axes,
        file_axes=axes,
        channel=channel if n > 1 or request.axes else None,
        name=str(path),
    )
    return Recording(
        ArrayFrames(frames, layout, dtype, 1),
        format=label,
        facts={"channels": fact_of_channels(names, channel, label)},
        pieces=(Piece(path, layout.shape[0]),),
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
