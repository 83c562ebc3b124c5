"""TIFF: multi-page, BigTIFF, ImageJ, OME, ScanImage, compressed."""

from __future__ import annotations

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
from napari_cnmf.io.movies._axes import Layout, layout_of
from napari_cnmf.io.movies._recording import Recording, Request, checked_dtype
from napari_cnmf.io.movies._stores import FrameStore, RawFrames, file_size
from napari_cnmf.io.movies._tiff_metadata import TiffFacts, read_tiff_facts

# Files of these kinds say how many frames there are; of others, the chain of pages does.
_SHAPE_IN_HEADER = frozenset({"imagej", "ome", "shaped"})
_COPY_AGAIN = "Copy it again from where it was recorded"


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """A TIFF file, or an error that says what is wrong with it."""
    try:
        with tifffile.TiffFile(path) as tiff:
            yield tiff
    except (tifffile.TiffFileError, struct.error, IndexError, EOFError) as error:
        raise MovieError(
            f"{path} must be a whole TIFF file, got: {error}. {_COPY_AGAIN}, or check that it is "
            "a TIFF at all."
        ) from error


def open_tiff_movie(path: Path, request: Request) -> Recording:
    """Open one TIFF file of many frames.

    Raises
    ------
    MovieError
        It is a single image, cut short, broken, or needs ``axes`` or ``channel``.
    """
    with open_tiff(path) as tiff:
        facts = read_tiff_facts(tiff)
        series = _movie_series(tiff, path)
        shape, axes = _shape_and_axes(series, facts)
        layout = layout_of(
            shape, axes=request.axes, file_axes=axes, channel=request.channel, name=str(path)
        )
        checked_dtype(np.dtype(series.dtype), str(path))
        store = _store(tiff, series, layout, path)
    return Recording(
        store,
        facts.frame_rate_hz,
        facts.spacing_um,
        facts.metadata | {"axes_in_file": axes, "channel": layout.channel},
    )


def _movie_series(tiff: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    """The one series of images, or the one with several frames beside thumbnails."""
    if not tiff.series:
        raise MovieError(f"{path} must hold images, got none. {_COPY_AGAIN}.")
    stacks = [series for series in tiff.series if len(series.shape) > 2]
    if len(tiff.series) == 1 or len(stacks) == 1:
        return stacks[0] if stacks else tiff.series[0]
    shapes = ", ".join(str(series.shape) for series in tiff.series[:4])
    raise MovieError(
        f"All frames of a movie must have one shape, got {len(tiff.series)} image series in "
        f"{path}: {shapes}{', ...' * (len(tiff.series) > 4)}. Save the movie to a file of its own."
    )


def _shape_and_axes(
    series: tifffile.TiffPageSeries, facts: TiffFacts
) -> tuple[tuple[int, ...], str]:
    """Shape and axes of the file; what ScanImage says about them is better than a guess."""
    if facts.page_axes is None:
        return tuple(series.shape), str(series.axes)
    lead = tuple(size for size in facts.page_shape if size > 1)
    axes = "".join(a for a, n in zip(facts.page_axes, facts.page_shape, strict=True) if n > 1)
    return (*lead, *series.keyframe.shape), axes + str(series.keyframe.axes)


@dataclass
class _PageTable:
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
    def of(
        cls,
        tiff: tifffile.TiffFile,
        series: tifffile.TiffPageSeries,
        path: Path,
        *,
        interleaved: bool,
    ) -> _PageTable:
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
        if series.kind not in _SHAPE_IN_HEADER or series.dataoffset is None:
            _check_chain_is_whole(tiff, path)
        table._check_bytes_are_there()
        return table

    @classmethod
    def _walk(cls, series: tifffile.TiffPageSeries, path: Path) -> _PageTable:
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
                    f"{_COPY_AGAIN}, or save the {whole} whole frames as a new file."
                )


def _check_chain_is_whole(tiff: tifffile.TiffFile, path: Path) -> None:
    """A page that points to a next one that cannot be read: the file lost its end."""
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
            f"{path} must go on after frame {len(tiff.pages)}, but its next frame cannot be read: "
            f"it is cut short. {_COPY_AGAIN}, or save the whole frames as a new file."
        )


def _store(
    tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, layout: Layout, path: Path
) -> FrameStore:
    """Raw reads where the pixels lie as they are; decoding page by page elsewhere."""
    n_lead = len(layout.stored_shape) - len(series.keyframe.shape)
    within = layout.axes[n_lead:]
    if "T" in within or set("YX") - set(within):
        raise MovieError(
            f"In {path}, Y and X must be the axes of a page {tuple(series.keyframe.shape)}, got "
            f"axes {layout.axes!r} for shape {layout.stored_shape}. Correct axes=."
        )
    pages = _PageTable.of(tiff, series, path, interleaved=within not in ("YX", "XY"))
    named = int(np.prod(layout.stored_shape[:n_lead]))
    if named != len(pages.offsets):
        raise MovieError(
            f"{path} must hold {named} images as its header says, got {len(pages.offsets)}: frames "
            f"are missing at its end. {_COPY_AGAIN}, or save the frames there are as a new file."
        )
    per_frame = _pages_of_frames(layout, n_lead, named)
    stored = np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder)
    plain = (
        pages.contiguous
        and within in ("YX", "XY")
        and series.keyframe.bitspersample == stored.itemsize * 8
    )
    if not plain or (within == "XY" and per_frame.shape[1] > 1):
        return DecodedPages(pages, per_frame, layout, within, stored.newbyteorder("="))
    page = tuple(int(n) for n in series.keyframe.shape[-2:])
    return RawFrames(
        pages.paths,
        pages.offsets[per_frame, 0],
        (per_frame.shape[1], *page) if "Z" in layout.axes else page,
        stored,
        None if within == "YX" else (1, 0),
        pages.file_index[per_frame] if len(pages.paths) > 1 else None,
    )


def _pages_of_frames(layout: Layout, n_lead: int, n_pages: int) -> NDArray[np.int64]:
    """``(T, n_planes)``, the number of the page of each plane of the chosen channel."""
    lead_shape = layout.stored_shape[:n_lead]
    lead = Layout(layout.axes[:n_lead] + "YX", (*lead_shape, 1, 1), layout.channel)
    numbers = np.arange(n_pages, dtype=np.int64).reshape(*lead_shape, 1, 1)
    chosen = lead.arrange(numbers[lead.select(0, lead.shape[0])])
    return chosen.reshape(len(chosen), -1)


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

    pages: _PageTable
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
        planes = out.reshape(len(out), self.per_frame.shape[1], *out.shape[-2:])
        numbers = self.per_frame[start : start + len(out)]
        order = self.within.replace("S", "").replace("-", "")
        for frame, plane in np.ndindex(*numbers.shape):
            image = self._decode(int(numbers[frame, plane]))
            index = tuple(
                {"S": self.layout.channel or 0, "-": 0}.get(axis, slice(None))
                for axis in self.within
            )
            image = image[index]
            planes[frame, plane] = image if order == "YX" else image.T
        if planes.base is not out and not np.shares_memory(planes, out):
            out[...] = planes.reshape(out.shape)

    def _decode(self, number: int) -> NDArray[Any]:
        """One page as it is stored."""
        path = self.pages.paths[int(self.pages.file_index[number])]
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
                self._place(data, segment, result, path)
        return result.reshape(page.shape)

    def _place(self, data: bytes, segment: int, result: NDArray[Any], path: Path) -> None:
        """Decode one strip or tile into its place."""
        decode = self._decoder
        if decode is None:
            raise RuntimeError("decoder asked for before it was loaded")
        try:
            pixels, (s, d, h, w, _), size = decode(data, segment)
        except (ValueError, RuntimeError, tifffile.TiffFileError) as error:
            raise MovieError(
                f"{path} must decompress, got: {error}. {_COPY_AGAIN}; the file is damaged."
            ) from error
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
