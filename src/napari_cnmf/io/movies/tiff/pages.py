"""Images of TIFF files: where their pixels lie, and how they are decoded."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._damage import COPY_AGAIN, told_as_lost
from napari_cnmf.io.movies._formats import hint_for
from napari_cnmf.io.movies._recording import checked_dtype
from napari_cnmf.io.movies._stores import FrameStore, RawFrames, file_size
from napari_cnmf.io.movies.tiff.chain import Chain


def _is_told_otherwise(record: logging.LogRecord) -> bool:
    return "invalid page offset" not in record.getMessage()


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF file, or raise an error that says what is wrong with it."""
    # What it would print of a damaged file comes as an error of ours, in a sentence.
    logging.getLogger("tifffile").addFilter(_is_told_otherwise)
    if file_size(path) == 0:
        raise MovieError(f"{path} must be a whole TIFF file, got an empty file. {COPY_AGAIN}.")
    try:
        with tifffile.TiffFile(path) as tiff:
            yield tiff
    except (tifffile.TiffFileError, struct.error, IndexError, EOFError) as error:
        raise MovieError(
            f"{path} must be a whole TIFF file, got: {error}. {COPY_AGAIN}, or check that it is "
            f"a TIFF at all. {hint_for(path)}".rstrip()
        ) from error


def has_one_image(tiff: tifffile.TiffFile) -> bool:
    """Whether a file has one image header, without following a chain of many."""
    try:
        tiff.pages[1]
    except IndexError:
        return True
    return False


@dataclass
class Pages:
    """Images of one or several TIFF files, all of one shape and type.

    Attributes
    ----------
    paths
        The files.
    file_index
        ``(n_images,)``, the file of each image.
    offsets, byte_counts
        ``(n_images, n_segments)``, place and length of each strip or tile.
    shape, axes
        Shape of one image and its axes as ``tifffile`` names them: ``"YX"``, ``"YXS"``.
    stored
        Type of the pixels, with byte order.
    is_raw
        Whether the pixels of each image lie in one uncompressed run.
    keyframe
        Number in the first file of the image that shows how all are decoded.
    swapped
        Numbers of the files whose bytes lie in the other order than ``stored`` says.
    """

    paths: list[Path]
    file_index: NDArray[np.int64]
    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]
    shape: tuple[int, ...]
    axes: str
    stored: np.dtype[Any]
    is_raw: bool
    keyframe: int = 0
    swapped: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.offsets)

    @classmethod
    def of_chain(cls, page: tifffile.TiffPage, chain: Chain, path: Path) -> Pages:
        """Make pages from a chain of headers; ``page`` is the first image."""
        pages = cls.of_segments(page, chain.offsets, chain.byte_counts, path)
        return replace(pages, keyframe=chain.first)

    @classmethod
    def in_one_run(cls, page: tifffile.TiffPage, n_images: int, path: Path) -> Pages:
        """Make pages of uncompressed images that follow the first one without own headers."""
        n_bytes = int(page.nbytes)
        starts = int(page.dataoffsets[0]) + n_bytes * np.arange(n_images, dtype=np.int64)[:, None]
        return cls.of_segments(page, starts, np.full_like(starts, n_bytes), path)

    @classmethod
    def of_segments(
        cls,
        page: tifffile.TiffPage,
        offsets: NDArray[np.int64],
        byte_counts: NDArray[np.int64],
        path: Path,
    ) -> Pages:
        """Make pages whose strips or tiles lie at these places; ``page`` is one of them."""
        if page.dtype is None:
            raise MovieError(f"{path} must hold images of numbers, got none. {COPY_AGAIN}.")
        dtype = checked_dtype(np.dtype(page.dtype), str(path))
        joined = bool(np.all(offsets[:, 1:] == offsets[:, :-1] + byte_counts[:, :-1]))
        is_raw = (
            joined
            and page.compression == 1
            and not page.is_tiled
            and page.predictor == 1
            and page.fillorder == 1
            and page.bitspersample == dtype.itemsize * 8
            and bool(np.all(byte_counts.sum(axis=1) == page.nbytes))
        )
        stored = dtype.newbyteorder(page.parent.byteorder)
        index = np.zeros(len(offsets), np.int64)
        return cls(
            [path], index, offsets, byte_counts, tuple(page.shape), str(page.axes), stored, is_raw
        )

    def count_whole(self) -> int:
        """Count the images at the beginning whose pixels are all there."""
        if not len(self):
            return 0
        sizes = np.array([file_size(path) for path in self.paths], np.int64)
        whole = (self.offsets + self.byte_counts).max(axis=1) <= sizes[self.file_index]
        return len(self) if whole.all() else int(np.argmin(whole))

    def take(self, n_images: int) -> Pages:
        """Take the first images."""
        return replace(
            self,
            file_index=self.file_index[:n_images],
            offsets=self.offsets[:n_images],
            byte_counts=self.byte_counts[:n_images],
        )

    def store(self, within: str, sample: int) -> FrameStore:
        """Store of all images as frames ``(n_images, Y, X)``.

        Parameters
        ----------
        within
            Axes of an image, as the user or the file names them: ``"YX"``, ``"XY"``, ``"YXS"``.
        sample
            Which of the samples of a pixel, where there are several.
        """
        if not self.is_raw or within not in ("YX", "XY"):
            return DecodedPages(self, within, sample)
        files = self.file_index[:, None] if len(self.paths) > 1 else None
        order = None if within == "YX" else (1, 0)
        return RawFrames(
            self.paths, self.offsets[:, :1], self.shape, self.stored, order, files, self.swapped
        )


def join_pages(parts: Sequence[Pages]) -> Pages:
    """Join the images of several files, one after the other.

    Raises
    ------
    MovieError
        They differ in shape, type or way of storing.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts:
        if part.shape != first.shape or native(part.stored) != native(first.stored):
            raise MovieError(
                f"All files of a recording must hold images {first.shape} {first.stored.name} as "
                f"{first.paths[0].name} does, got {part.shape} {part.stored.name} in "
                f"{part.paths[0]}. Leave that file out, or crop and convert it."
            )
        if part.offsets.shape[1] != first.offsets.shape[1]:
            raise MovieError(
                f"All files of a recording must be stored alike, got other strips in "
                f"{part.paths[0]} than in {first.paths[0].name}. Save them again as plain TIFF."
            )
    starts = np.cumsum([0, *(len(part.paths) for part in parts)]).tolist()
    # Files of one recording that were saved on different computers differ in the order of bytes.
    swapped = {
        start + number
        for part, start in zip(parts, starts[:-1], strict=True)
        for number in range(len(part.paths))
        if (number in part.swapped) != (part.stored != first.stored)
    }
    return replace(
        first,
        paths=[path for part in parts for path in part.paths],
        file_index=np.concatenate(
            [part.file_index + start for part, start in zip(parts, starts[:-1], strict=True)]
        ),
        offsets=np.concatenate([part.offsets for part in parts]),
        byte_counts=np.concatenate([part.byte_counts for part in parts]),
        is_raw=all(part.is_raw for part in parts),
        swapped=frozenset(swapped),
    )


@dataclass
class DecodedPages(FrameStore):
    """Images that are compressed, tiled or in colour: decoded one by one as asked for.

    Attributes
    ----------
    pages
        Where their segments lie.
    within
        Axes of an image.
    sample
        Which of the samples of a pixel.
    """

    frames_apart = True
    pages: Pages
    within: str
    sample: int
    _decoders: dict[bool, tuple[Any, Callable[..., Any]]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        self.dtype = native(self.pages.stored)
        size = dict(zip(self.within, self.pages.shape, strict=True))
        self.shape = (len(self.pages), size["Y"], size["X"])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_decoders": {}}

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        files = self.pages.file_index[start : start + len(out)].tolist()
        for index, run in groupby(range(len(out)), key=files.__getitem__):
            path = self.pages.paths[index]
            # opened once for all its frames: on a network share that costs more than to read one
            with told_as_lost(path), path.open("rb") as stream:
                for frame in run:
                    out[frame] = self._plane(self._decode(start + frame, stream))

    def _plane(self, page: NDArray[Any]) -> NDArray[Any]:
        """Read the chosen sample ``(Y, X)`` of an image."""
        where = {"S": self.sample, "-": 0}
        image = page[tuple(where.get(axis, slice(None)) for axis in self.within)]
        left = self.within.replace("S", "").replace("-", "")
        return image if left == "YX" else image.T

    def _decode(self, number: int, stream: BinaryIO) -> NDArray[Any]:
        """Decode one page as it is stored."""
        page, decode = self._decoder_of(int(self.pages.file_index[number]))
        result = np.zeros(page.shaped, self.dtype)
        for segment, (offset, count) in enumerate(
            zip(self.pages.offsets[number], self.pages.byte_counts[number], strict=True)
        ):
            stream.seek(int(offset))
            _place(page, decode, stream.read(int(count)), segment, result)
        return result.reshape(page.shape)

    def _decoder_of(self, file: int) -> tuple[Any, Callable[..., Any]]:
        """First page of a file of the same byte order, which decodes all without an open file."""
        is_swapped = file in self.pages.swapped
        if is_swapped not in self._decoders:
            first = min(self.pages.swapped) if is_swapped else 0
            with open_tiff(self.pages.paths[first]) as tiff:
                page = tiff.pages[self.pages.keyframe].aspage()
                self._decoders[is_swapped] = page, page.decode
        return self._decoders[is_swapped]


def _place(
    page: Any, decode: Callable[..., Any], data: bytes, segment: int, result: NDArray[Any]
) -> None:
    """Decode one strip or tile into its place."""
    pixels, (s, d, h, w, _), size = decode(
        data, segment, jpegtables=page.jpegtables, jpegheader=page.jpegheader
    )
    if pixels is None:
        return
    depth = min(size[0], result.shape[1] - d)
    height = min(size[1], result.shape[2] - h)
    width = min(size[2], result.shape[3] - w)
    result[s, d : d + depth, h : h + height, w : w + width] = pixels[:depth, :height, :width]


def native(stored: np.dtype[Any]) -> np.dtype[Any]:
    """Type of stored pixels in the byte order of this computer."""
    return stored.newbyteorder("=")
