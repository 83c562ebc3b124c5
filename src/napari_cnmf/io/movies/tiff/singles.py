"""Reads TIFF files of one image each, as many as there may be, in the order of their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._damage import COPY_AGAIN, OFFER, told_as_lost
from napari_cnmf.io.movies._names import (
    FROM_NAMES,
    NamedOrder,
    numbers_of_frames,
    order_of_names,
)
from napari_cnmf.io.movies._recording import Recording, checked_dtype
from napari_cnmf.io.movies._request import ChoiceNeededError, Request
from napari_cnmf.io.movies._stores import FrameStore, RawFrames, file_size
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts
from napari_cnmf.io.movies.tiff.arranging import pick_table
from napari_cnmf.io.movies.tiff.headers import Header, read_header
from napari_cnmf.io.movies.tiff.pages import has_one_image, native, open_tiff
from napari_cnmf.model.description import Piece

_N_CHECKED = 300
_FEW = 8


@dataclass(frozen=True)
class SingleImage:
    """The one image of a file.

    Attributes
    ----------
    shape, axes
        Of the image, as ``tifffile`` names them.
    stored
        Type of the pixels, with byte order.
    offset
        Byte where its uncompressed pixels begin; ``None`` when they must be decoded.
    header
        What the file says.
    """

    shape: tuple[int, ...]
    axes: str
    stored: np.dtype[Any]
    offset: int | None
    header: Header


@dataclass
class Singles:
    """Files of one image each; used like `Pages`.

    Attributes
    ----------
    paths
        The files.
    first
        The image of the first one.
    is_alike
        All files are of one size, and the pixels of those that were looked into begin at the same
        place and have one byte order.
    """

    paths: tuple[Path, ...]
    first: SingleImage
    is_alike: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.first.shape

    @property
    def axes(self) -> str:
        """Letters of the axes of one image."""
        return self.first.axes

    @property
    def stored(self) -> np.dtype[Any]:
        """Type of the pixels, as the files store them."""
        return self.first.stored

    def __len__(self) -> int:
        return len(self.paths)

    def store(self, within: str, sample: int) -> FrameStore:
        """Store of all images as frames ``(n_images, Y, X)``; parameters as for ``Pages.store``."""
        if self.first.offset is None or not self.is_alike or within not in ("YX", "XY"):
            return SingleFrames(self.paths, self.shape, native(self.stored), within, sample)
        index = np.arange(len(self.paths), dtype=np.int64)[:, None]
        starts = np.full_like(index, self.first.offset)
        order = None if within == "YX" else (1, 0)
        return RawFrames(self.paths, starts, self.shape, self.stored, order, index)


def open_singles(paths: Sequence[Path], request: Request) -> Singles | None:
    """Open files of one image each.

    Up to 300 files are all looked into, of more an even sample: opening 90,000
    files one by one would take a minute, and each is checked again when it is read,
    where its size differs from the first one's.

    Returns
    -------
    Singles or None
        ``None`` when the files hold several images each.

    Raises
    ------
    MovieError
        Files are empty, or differ in shape or type.
    """
    first = _single_image(paths[0])
    if first is None:
        return None
    sizes = np.array([file_size(path) for path in paths])
    checked = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), _N_CHECKED)).astype(int))
    ways = {(first.offset, first.stored)}
    for index in checked.tolist():
        image = _single_image(paths[index])
        if image is None:
            return None
        _check_alike(image, first, paths[index], paths[0])
        ways.add((image.offset, image.stored))
    return Singles(tuple(paths), first, bool(np.all(sizes == sizes[0])) and len(ways) == 1)


def read_singles(
    singles: Singles,
    names: Sequence[str],
    request: Request,
    notes: SidecarFacts | None,
    *,
    is_folder: bool,
) -> Recording:
    """Read files of one image each, in the order of their names.

    Parameters
    ----------
    names
        Names of the files, or what a sidecar knows them to mean.
    """
    order = order_of_names(names)
    if not is_folder and order.table.shape[1:] == (1, 1):
        # A list without channels or planes is in the order that the user gave.
        n = len(singles)
        numbers, remarks = numbers_of_frames(names)
        table = np.arange(n, dtype=np.int64).reshape(n, 1, 1)
        order = replace(order, table=table, frame_numbers=numbers, remarks=tuple(remarks))
    folder = singles.paths[0].parent
    order = _asked_order(order, request, folder)
    header = replace(
        singles.first.header,
        format=f"{singles.first.header.format}, one image a file",
        channels=order.channels,
        remarks=(*singles.first.header.remarks, *order.remarks),
    )
    if notes is not None and len(notes.channels) == len(order.channels):
        header = replace(header, channels=notes.channels)
    pieces = [Piece(path, 1) for path in singles.paths]
    picked = pick_table(singles, order.table, header, request, str(folder), pieces)
    recording, numbers = picked.recording, order.frame_numbers
    if numbers is None or picked.is_overruled:
        return recording
    numbers = numbers[picked.kept]
    if np.all(np.diff(numbers) == 1):
        return recording
    return replace(recording, frame_numbers=numbers, numbers_from=FROM_NAMES)


def _asked_order(order: NamedOrder, request: Request, folder: Path) -> NamedOrder:
    """Order of names that leave a question open, as the user answers it."""
    if order.n_inner:
        if request.has_cycle:
            return replace(order, n_inner=0, unsure="")
        n = order.n_inner
        raise ChoiceNeededError(
            f"It must be said what the files of {folder} are. {order.unsure}: frames one after the "
            f"other, planes of a volume or channels. Say n_planes=1 for frames, n_planes={n} for "
            f"planes, n_channels={n} with channel= for channels.",
            "n_planes",
            [(n, f"{n} planes of a volume"), (1, "frames one after the other")],
        )
    n = len(order.channels)
    if not order.unsure or request.n_channels == n:
        return order
    if request.n_channels == 1:
        table = order.table.transpose(2, 0, 1).reshape(-1, order.table.shape[1], 1)
        return NamedOrder(table[(table >= 0).all(axis=(1, 2))], ())
    raise ChoiceNeededError(
        f"It must be said what the files of {folder} are. {order.unsure}. Say n_channels={n} with "
        "channel= for channels, or n_channels=1 for one after the other.",
        "n_channels",
        [(n, "the words name channels"), (1, "one recording after the other")],
    )


def without_empty(paths: Sequence[Path], request: Request) -> tuple[list[Path], list[str]]:
    """The files that hold a whole image, where the user allows to leave others out.

    Raises
    ------
    MovieError
        Files are empty, and that is not allowed.
    """
    sizes = np.array([file_size(path) for path in paths])
    empty = sizes == 0
    if empty.any() and (not request.allow_missing or empty.all()):
        more = f" and {int(empty.sum()) - 1} more" if empty.sum() > 1 else ""
        offer = "" if empty.all() else f", {OFFER}"
        raise MovieError(
            f"Every file of a recording must be a whole TIFF file, got an empty one: "
            f"{paths[int(np.argmax(empty))]}{more}. {COPY_AGAIN}{offer}."
        )
    if not request.allow_missing or len(paths) < 2:
        return list(paths), []
    # A file that lost its end is smaller than most.
    small = np.flatnonzero(~empty & (sizes < np.median(sizes)))[:_N_CHECKED]
    is_cut = np.zeros(len(paths), bool)
    is_cut[[k for k in small.tolist() if _has_no_whole_image(paths[k])]] = True
    remarks = [
        f"{int(which.sum())} {what} left out, the first is {paths[int(np.argmax(which))].name}."
        for which, what in ((empty, "empty file(s)"), (is_cut, "file(s) that are cut short"))
        if which.any()
    ]
    left_out = empty | is_cut
    return [path for path, out in zip(paths, left_out.tolist(), strict=True) if not out], remarks


def without_pictures(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files of a folder without pictures that lie beside the recording.

    Programs leave averages and previews there, under names of their own: a single image among
    files of many, or the only name without a number among numbered frames.
    """
    if len(paths) > _N_CHECKED:
        return list(paths), []
    words = [_words_of(path) for path in paths]
    is_single = [_holds_one_image(path) for path in paths]
    if all(is_single):
        is_numbered = [re.search(r"\d", path.stem) is not None for path in paths]
        numbered = {word for word, is_one in zip(words, is_numbered, strict=True) if is_one}
        is_picture = [
            word not in numbered and not is_one and sum(is_numbered) > _FEW
            for word, is_one in zip(words, is_numbered, strict=True)
        ]
    else:
        of_movies = {word for word, is_one in zip(words, is_single, strict=True) if not is_one}
        is_picture = [
            word not in of_movies and is_one for word, is_one in zip(words, is_single, strict=True)
        ]
    if not any(is_picture):
        return list(paths), []
    pictures = [path.name for path, is_one in zip(paths, is_picture, strict=True) if is_one]
    told = f"{', '.join(pictures[:3])}{', ...' if len(pictures) > 3 else ''}"
    remark = f"Left out, because a picture beside the recording is no frame of it: {told}."
    return [p for p, is_one in zip(paths, is_picture, strict=True) if not is_one], [remark]


def _words_of(path: Path) -> str:
    """The letters of a name, which the files of one recording share."""
    return re.sub(r"[\W\d_]+", "", path.name.lower())


def _holds_one_image(path: Path) -> bool:
    try:
        return _single_image(path) is not None
    except (MovieError, ValueError):
        return False  # what is wrong with it is said when it is read


def _has_no_whole_image(path: Path) -> bool:
    """Whether not even the first image of a file is all there."""
    try:
        with open_tiff(path) as tiff:
            page = tiff.pages.first
            ends = np.add(page.dataoffsets, page.databytecounts)
            return bool(np.max(ends, initial=0) > tiff.filehandle.size)
    except (MovieError, ValueError):
        return True


def _single_image(path: Path) -> SingleImage | None:
    """Read the one image of ``path``, or ``None`` when there are more."""
    with open_tiff(path) as tiff:
        page = tiff.pages.first
        header = read_header(tiff)
        if not has_one_image(tiff) or (header.n_images or 1) > 1:
            return None
        dtype = checked_dtype(np.dtype(page.dtype), str(path))
        offset = page.dataoffsets[0] if page.is_final and page.is_contiguous else None
        if offset is not None and offset + page.nbytes > tiff.filehandle.size:
            raise MovieError(
                f"{path} must hold {offset + page.nbytes} bytes for its frame, got "
                f"{tiff.filehandle.size}: it is cut short. {COPY_AGAIN}, {OFFER}."
            )
        return SingleImage(
            tuple(page.shape),
            str(page.axes),
            dtype.newbyteorder(tiff.byteorder),
            offset,
            replace(header, lead="", lead_shape=(), n_images=1),
        )


def _check_alike(image: SingleImage, first: SingleImage, path: Path, first_path: Path) -> None:
    if image.shape != first.shape or native(image.stored) != native(first.stored):
        raise MovieError(
            f"All frames of a movie must be {first.shape} {first.stored.name} as in "
            f"{first_path.name}, got {image.shape} {image.stored.name} in {path}. "
            "Take that file out, or give the files of one recording as a list."
        )


@dataclass
class SingleFrames(FrameStore):
    """One file a frame, each opened and checked when it is asked for."""

    frames_apart = True
    paths: tuple[Path, ...]
    image_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    within: str
    sample: int

    def __post_init__(self) -> None:
        size = dict(zip(self.within, self.image_shape, strict=True))
        self.shape = (len(self.paths), size["Y"], size["X"])

    def _fill(self, start: int, out: NDArray[Any]) -> None:
        where = {"S": self.sample, "-": 0}
        index = tuple(where.get(axis, slice(None)) for axis in self.within)
        is_turned = self.within.replace("S", "").replace("-", "") == "XY"
        for frame in range(len(out)):
            path = self.paths[start + frame]
            with told_as_lost(path), open_tiff(path) as tiff:
                image = tiff.pages.first.asarray()
            if image.shape != self.image_shape or native(image.dtype) != self.dtype:
                raise MovieError(
                    f"All files of a movie must hold one frame {self.image_shape} {self.dtype}, "
                    f"got one of {image.shape} {image.dtype} in {path}. Take that file out."
                )
            out[frame] = image[index].T if is_turned else image[index]
