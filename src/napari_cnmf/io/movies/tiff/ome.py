"""Reads OME-TIFF: one recording in one or many files, described by XML in one of them.

The XML names for every plane the file and the image in it. Any file of a set leads to the whole
set: each repeats the XML, or names the file that has it (``BinaryOnly``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._clock import Start, start_of_text
from napari_cnmf.io.movies._damage import OFFER
from napari_cnmf.io.movies._recording import number_or_none, positive_or_none, usual_step
from napari_cnmf.io.movies._request import Request, chosen_dataset
from napari_cnmf.io.movies._units import micrometres, seconds
from napari_cnmf.io.movies.tiff.headers import Header
from napari_cnmf.io.movies.tiff.pages import open_tiff

_MAX_XML_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Block:
    """Images of one file that follow each other, and the planes that they show.

    Attributes
    ----------
    file
        Name of the file; empty for the file that has the XML.
    first_image
        Number of the first image in the file.
    planes
        Numbers of the planes in the order of the XML; ``None`` for all from ``first_plane`` on.
    """

    file: str
    first_image: int
    first_plane: int
    n_planes: int | None


@dataclass(frozen=True)
class OmeSet:
    """One image series of an OME-TIFF set.

    Attributes
    ----------
    where
        The file that has the XML.
    order, sizes
        Axes ``"ZCT"`` in the order in which planes are counted (the first fastest), and sizes.
    blocks
        Which images show which planes.
    header
        Rate, pixel size and names of channels.
    times
        Seconds of time points, by their number.
    series
        Name of the series, where the set has several.
    of_others
        Files that show other series alone.
    start
        Moment that ``times`` count from, where the XML has the date of the acquisition.
    """

    where: Path
    order: str
    sizes: Mapping[str, int]
    blocks: tuple[Block, ...]
    header: Header
    times: Mapping[int, float] = field(default_factory=dict)
    series: str = ""
    of_others: frozenset[Path] = frozenset()
    start: Start | None = None

    @property
    def files(self) -> list[Path]:
        """The files of the set in the order in which they are named."""
        names = dict.fromkeys(block.file for block in self.blocks)
        return [self.where if not name else self.where.parent / name for name in names]

    @property
    def is_single_images(self) -> bool:
        """Whether every file gives one image alone."""
        names = [block.file for block in self.blocks]
        return (
            len(names) > 1
            and len(set(names)) == len(names)
            and all(block.n_planes == 1 and block.first_image == 0 for block in self.blocks)
        )

    def numbers(self, starts: Mapping[Path, tuple[int, int]]) -> NDArray[np.int64]:
        """``(T, Z, C)`` number of the image of each plane among all images; -1 where missing.

        Parameters
        ----------
        starts
            For each file that is there: number of its first image, and how many it has.
        """
        n_planes = int(np.prod(list(self.sizes.values())))
        flat = np.full(n_planes, -1, np.int64)
        for block in self.blocks:
            path = self.where if not block.file else self.where.parent / block.file
            start, n_images = starts.get(path, (0, 0))
            count = n_images - block.first_image
            if block.n_planes is not None:
                count = min(count, block.n_planes)
            count = min(count, n_planes - block.first_plane)
            if count > 0:
                images = start + block.first_image + np.arange(count)
                flat[block.first_plane : block.first_plane + count] = images
        slowest_first = self.order[::-1]
        table = flat.reshape([self.sizes[axis] for axis in slowest_first])
        return table.transpose([slowest_first.index(axis) for axis in "TZC"])


def read_ome_set(path: Path, request: Request) -> OmeSet | None:
    """Read the set that a TIFF belongs to; ``None`` where the file is no OME-TIFF.

    Raises
    ------
    MovieError
        The file that has the XML is missing, or one of several series must be chosen.
    """
    with open_tiff(path) as tiff:
        text = tiff.ome_metadata if tiff.is_ome else None
        samples = int(tiff.pages.first.samplesperpixel)
    root = _parsed(text)
    if root is None:
        return None
    where = path
    only = next((e for e in root if _local(e) == "BinaryOnly"), None)
    if only is not None:
        name = only.get("MetadataFile", "")
        where = path.parent / name
        root = _metadata_of(where, name)
        if root is None:
            if request.allow_missing:
                return None
            raise MovieError(
                f"{path} is a part of an OME-TIFF set that {name!r} describes, and that file is "
                f"not there or not whole. Put it back beside it, {OFFER}."
            )
    images = [e for e in root if _local(e) == "Image"]
    image = _chosen_image(images, request, path)
    if image is None:
        return None
    found = _set_of(image, where, samples)
    if found is None or len(images) < 2:
        return found
    named = {_file_of(e) for one in images for e in one.iter() if _local(e) == "TiffData"} - {""}
    others = {where.parent / name for name in named} - set(found.files)
    return replace(
        found, series=str(image.get("Name") or image.get("ID")), of_others=frozenset(others)
    )


def _parsed(text: str | bytes | None) -> ElementTree.Element | None:
    if not text or len(text) > _MAX_XML_BYTES:
        return None
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None
    return root if _local(root) == "OME" else None


def _metadata_of(path: Path, name: str) -> ElementTree.Element | None:
    """Read the XML of the file beside it that a ``BinaryOnly`` part names."""
    if not name or Path(name).name != name or not path.is_file():
        return None
    if path.name.lower().endswith((".ome", ".xml")):
        return _parsed(path.read_bytes())
    with open_tiff(path) as tiff:
        return _parsed(tiff.ome_metadata if tiff.is_ome else None)


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _children(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [child for child in element if _local(child) == name]


def _chosen_image(
    images: list[ElementTree.Element], request: Request, path: Path
) -> ElementTree.Element | None:
    """Choose the series to open: that named by ``dataset``, or the only one with several images."""
    found = {}
    for image in images:
        pixels = next(iter(_children(image, "Pixels")), None)
        if pixels is None:
            continue
        n_planes = int(np.prod([_size(pixels, axis) for axis in "ZCT"]))
        found[str(image.get("Name") or image.get("ID"))] = (image, n_planes)
    if len(found) < 2:
        return next((image for image, _ in found.values()), None)
    movies = [name for name, (_, n_planes) in found.items() if n_planes > 1]
    if request.dataset is None and len(movies) == 1:
        return found[movies[0]][0]
    labels = {name: name for name in found}
    return found[chosen_dataset("series", labels, request.dataset, path, " (OME-XML)")][0]


def _size(pixels: ElementTree.Element, axis: str) -> int:
    return int(positive_or_none(pixels.get(f"Size{axis}")) or 1)


def _set_of(image: ElementTree.Element, where: Path, samples: int) -> OmeSet | None:
    pixels = _children(image, "Pixels")[0]
    order = "".join(a for a in pixels.get("DimensionOrder", "XYCZT") if a in "ZCT")
    if len(order) != 3:
        return None
    sizes = {axis: _size(pixels, axis) for axis in order}
    channels = _children(pixels, "Channel")
    per_pixel = int(positive_or_none(channels[0].get("SamplesPerPixel")) or 1) if channels else 1
    if samples > 1 and sizes["C"] % samples == 0:
        per_pixel = samples
    sizes["C"] = max(1, sizes["C"] // per_pixel)
    n_planes = int(np.prod(list(sizes.values())))
    blocks = [_block(e, order, sizes) for e in _children(pixels, "TiffData")]
    if not blocks:
        blocks = [Block("", 0, 0, None)]
    named = {block.file for block in blocks}
    if len(named) == 1 and not (where.parent / next(iter(named))).is_file():
        # The only file of the set was renamed: the images are its own.
        blocks = [Block("", b.first_image, b.first_plane, b.n_planes) for b in blocks]
    elif "" in named and where.name in named:
        blocks = [
            Block("" if b.file == where.name else b.file, b.first_image, b.first_plane, b.n_planes)
            for b in blocks
        ]
    if all(block.n_planes is None for block in blocks) and len(blocks) == 1:
        blocks = [Block(blocks[0].file, blocks[0].first_image, 0, n_planes)]
    names = tuple(
        str(c.get("Name") or f"channel {k}") for k, c in enumerate(channels[: sizes["C"]])
    )
    times = _times(pixels)
    rate, source = _rate(pixels, times)
    header = Header(
        "OME-TIFF",
        channels=names if len(set(names)) == len(names) else (),
        n_images=n_planes,
        frame_rate_hz=rate,
        rate_from=source,
        spacing_um=_spacing(pixels),
    )
    date = next(iter(_children(image, "AcquisitionDate")), None)
    began = None if date is None else start_of_text(date.text, "OME-XML, AcquisitionDate")
    return OmeSet(where, order, sizes, tuple(blocks), header, times, start=began)


def _block(element: ElementTree.Element, order: str, sizes: Mapping[str, int]) -> Block:
    """Read one ``TiffData``, whose planes are counted in the order of the XML."""
    place, step = 0, 1
    for axis in order:
        place += step * int(element.get(f"First{axis}", "0"))
        step *= sizes[axis]
    count = element.get("PlaneCount")
    n_planes = int(count) if count is not None else (1 if element.get("IFD") is not None else None)
    return Block(_file_of(element), int(element.get("IFD", "0")), place, n_planes)


def _file_of(element: ElementTree.Element) -> str:
    """Name of the file that a ``TiffData`` points to; empty for the file that has the XML."""
    uuid = next(iter(_children(element, "UUID")), None)
    name = "" if uuid is None else str(uuid.get("FileName") or "")
    return Path(name.replace("\\", "/")).name


def _spacing(pixels: ElementTree.Element) -> dict[str, float]:
    spacing = {}
    for axis in "ZYX":
        size = positive_or_none(pixels.get(f"PhysicalSize{axis}"))
        unit = micrometres(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        if size is not None and unit is not None:
            spacing[axis] = size * unit
    return spacing


def _times(pixels: ElementTree.Element) -> dict[int, float]:
    """Times in seconds of the first plane of each time point, as far as they are known."""
    times: dict[int, float] = {}
    for plane in _children(pixels, "Plane"):
        if plane.get("TheZ", "0") != "0" or plane.get("TheC", "0") != "0":
            continue
        unit = seconds(plane.get("DeltaTUnit", "s"))
        delta = number_or_none(plane.get("DeltaT"))
        if unit is not None and delta is not None:
            times[int(plane.get("TheT", "0"))] = delta * unit
    return times


def _rate(pixels: ElementTree.Element, times: Mapping[int, float]) -> tuple[float | None, str]:
    increment = positive_or_none(pixels.get("TimeIncrement"))
    unit = seconds(pixels.get("TimeIncrementUnit", "s"))
    if increment is not None and unit is not None:
        return 1 / (increment * unit), "OME-XML, TimeIncrement"
    if len(times) < 2:
        return None, ""
    frames = sorted(times)
    step = usual_step([times[t] for t in frames], frames)
    return (None, "") if step is None else (1 / step, "OME-XML, Plane DeltaT")


def is_ome(tiff: tifffile.TiffFile) -> bool:
    """Whether a file has OME-XML."""
    return bool(tiff.is_ome and tiff.ome_metadata)
