"""The pages of a TIFF: where their pixels lie, and how they are decoded."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import Layout
from napari_cnmf.io.movies._damage import told_as_lost
from napari_cnmf.io.movies._stores import FrameStore, file_size

# Files of these kinds say how many frames there are; of others, the chain of pages does.
_SHAPE_IN_HEADER = frozenset({"imagej", "ome", "shaped"})
COPY_AGAIN = "Copy it again from where it was recorded"


def _is_told_otherwise(record: logging.LogRecord) -> bool:
    return "invalid page offset" not in record.getMessage()


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """A TIFF file, or an error that says what is wrong with it."""
    # What it would print of a damaged file comes as an error of ours, in a sentence.
    logging.getLogger("tifffile").addFilter(_is_told_otherwise)
    try:
        with tifffile.TiffFile(path) as tiff:
            yield tiff
    except (tifffile.TiffFileError, struct.error, IndexError, EOFError) as error:
        raise MovieError(
            f"{path} must be a whole TIFF file, got: {error}. {COPY_AGAIN}, or check that it is "
            "a TIFF at all."
        ) from error


@dataclass
class PageTable:
    """Where the segments of each page lie.

    Attributes
    ----------
    paths
        Files; more than one for OME sets.
    file_index
        ``(n_pages,)``.
    offsets, byte_counts
        ``(n_pages, n_segments)``.
    contiguous
        Each page's pixels lie in one uncompressed run.
    """

    paths: list[Path]
    file_index: NDArray[np.int64]
    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]
    contiguous: bool

    @classmethod
    def of(cls, series: tifffile.TiffPageSeries, path: Path, *, interleaved: bool) -> PageTable:
        """Without a walk over the pages where the file promises that they follow each other."""
        page_bytes = int(series.keyframe.nbytes)
        if series.dataoffset is not None and not interleaved:
            n_pages = int(np.prod(series.shape)) * np.dtype(series.dtype).itemsize // page_bytes
            offsets = series.dataoffset + page_bytes * np.arange(n_pages, dtype=np.int64)[:, None]
            table = cls(
                [path],
                np.zeros(n_pages, np.int64),
                offsets,
                np.full_like(offsets, page_bytes),
                True,
            )
        else:
            table = cls._walk(series, path)
        table._check_bytes_are_there()
        return table

    @classmethod
    def _walk(cls, series: tifffile.TiffPageSeries, path: Path) -> PageTable:
        pages = [page for page in series.pages if page is not None]
        if len(pages) < len(series.pages):
            raise MovieError(
                f"{path} must hold all {len(series.pages)} frames that its header names, got "
                f"{len(pages)}. Put the other files of the set beside it."
            )
        first = series.keyframe
        n_segments = len(first.dataoffsets)
        if any(len(page.dataoffsets) != n_segments for page in pages):
            raise MovieError(
                f"All frames of {path} must be stored alike, got different numbers of strips. "
                "Save it again as a plain TIFF, for example from ImageJ."
            )
        files: dict[str, int] = {}
        index = [files.setdefault(page.parent.filehandle.path, len(files)) for page in pages]
        offsets = np.array([page.dataoffsets for page in pages], np.int64)
        byte_counts = np.array([page.databytecounts for page in pages], np.int64)
        joined = bool(np.all(offsets[:, 1:] == offsets[:, :-1] + byte_counts[:, :-1]))
        raw = (
            joined
            and first.compression == 1
            and not first.is_tiled
            and first.predictor == 1
            and first.fillorder == 1
            and int(byte_counts[0].sum()) == first.nbytes
        )
        paths = [Path(name) for name in files]
        return cls(paths, np.array(index, np.int64), offsets, byte_counts, raw)

    def _check_bytes_are_there(self) -> None:
        ends = (self.offsets + self.byte_counts).max(axis=1)
        for index, path in enumerate(self.paths):
            mine = self.file_index == index
            size = file_size(path)
            if np.any(ends[mine] > size):
                whole = int(np.count_nonzero(ends[mine] <= size))
                raise MovieError(
                    f"{path} must hold {int(ends[mine].max())} bytes for its "
                    f"{int(mine.sum())} frames, got {size}: it is cut short after frame {whole}. "
                    f"{COPY_AGAIN}, or save the {whole} whole frames as a new file."
                )


def check_chain_is_whole(
    tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path
) -> None:
    """Refuse a file whose last page points to a next one that cannot be read: it lost its end.

    ``tifffile`` only logs that, and gives the pages there are.
    """
    if series.kind in _SHAPE_IN_HEADER and series.dataoffset is not None:
        return
    last = tiff.pages[len(tiff.pages) - 1]
    layout = tiff.tiff
    handle = tiff.filehandle
    handle.seek(last.offset)
    n_tags = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))[0]
    handle.seek(last.offset + layout.tagnosize + n_tags * layout.tagsize)
    raw = handle.read(layout.offsetsize)
    following = struct.unpack(layout.offsetformat, raw)[0] if len(raw) == layout.offsetsize else -1
    if following != 0:
        raise MovieError(
            f"{path} must go on after page {len(tiff.pages)}, but the next one cannot be read: "
            f"it is cut short. {COPY_AGAIN}, or save the whole frames as a new file."
        )


@dataclass
class DecodedPages(FrameStore):
    """Pages that are compressed, tiled or interleaved: decoded one by one as asked for.

    Attributes
    ----------
    pages
        Where their segments lie.
    per_frame
        ``(T, n_planes)``, number of the page of each plane.
    layout, within
        Axes of the file, and of one page.
    dtype
        Of the decoded frames.
    """

    frames_apart = True
    pages: PageTable
    per_frame: NDArray[np.int64]
    layout: Layout
    within: str
    dtype: np.dtype[Any]
    _decoder: Callable[..., Any] | None = field(default=None, init=False, repr=False)
    _page: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.shape = self.layout.shape

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_decoder": None, "_page": None}

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        planes = np.empty((self.per_frame.shape[1], *out.shape[-2:]), self.dtype)
        for frame, numbers in enumerate(self.per_frame[start : start + len(out)].tolist()):
            for plane, number in enumerate(numbers):
                path = self.pages.paths[int(self.pages.file_index[number])]
                with told_as_lost(path):
                    planes[plane] = self._plane(self._decode(number, path))
            out[frame] = planes.reshape(out.shape[1:])

    def _plane(self, page: NDArray[Any]) -> NDArray[Any]:
        """``(Y, X)`` of the chosen channel of a page."""
        where = {"S": self.layout.channel or 0, "-": 0}
        image = page[tuple(where.get(axis, slice(None)) for axis in self.within)]
        left = self.within.replace("S", "").replace("-", "")
        return image if left == "YX" else image.T

    def _decode(self, number: int, path: Path) -> NDArray[Any]:
        """One page as it is stored."""
        if self._decoder is None:
            self._load_decoder()
        page = self._page
        result = np.zeros(page.shaped, self.dtype)
        with path.open("rb") as stream:
            for segment, (offset, count) in enumerate(
                zip(self.pages.offsets[number], self.pages.byte_counts[number], strict=True)
            ):
                stream.seek(int(offset))
                data = stream.read(int(count))
                self._place(data, segment, result)
        return result.reshape(page.shape)

    def _place(self, data: bytes, segment: int, result: NDArray[Any]) -> None:
        """Decode one strip or tile into its place."""
        decode = self._decoder
        if decode is None:
            raise RuntimeError("decoder asked for before it was loaded")
        page = self._page
        pixels, (s, d, h, w, _), size = decode(
            data, segment, jpegtables=page.jpegtables, jpegheader=page.jpegheader
        )
        if pixels is None:
            return
        depth = min(size[0], result.shape[1] - d)
        height = min(size[1], result.shape[2] - h)
        width = min(size[2], result.shape[3] - w)
        result[s, d : d + depth, h : h + height, w : w + width] = pixels[:depth, :height, :width]

    def _load_decoder(self) -> None:
        """The first page knows how all are decoded; it needs no open file for that."""
        with open_tiff(self.pages.paths[0]) as tiff:
            page = tiff.pages.first.keyframe
            self._page, self._decoder = page, page.decode
