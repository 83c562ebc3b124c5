"""NDTiff of Micro-Manager 2 and Pycro-Manager: stacks whose images ``NDTiff.index`` lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._damage import OFFER
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._request import Request, chosen_of
from napari_cnmf.io.movies._stores import file_size
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts, with_sidecar
from napari_cnmf.io.movies.sidecars.micromanager import facts_of_summary
from napari_cnmf.io.movies.tiff.arranging import pick_table
from napari_cnmf.io.movies.tiff.headers import Header
from napari_cnmf.io.movies.tiff.pages import Pages, open_tiff
from napari_cnmf.model.description import Piece

INDEX = "NDTiff.index"
_LABEL = "NDTiff of Micro-Manager"
_AXES = ("time", "z", "channel")
_COLOUR = 2
_ELAPSED = re.compile(rb'"ElapsedTime-?[mM]s"\s*:\s*"?([-+0-9.eE]+)')


@dataclass(frozen=True)
class _Image:
    """One image of the index: its place along each axis, and where its pixels and notes lie."""

    place: Mapping[str, int | str]
    file: str
    offset: int
    shape: tuple[int, int]
    kind: int
    notes: tuple[int, int]


def read_ndtiff(folder: Path, given: Sequence[Path], request: Request) -> Recording | None:
    """Read the set in a folder; ``None`` where no index names the files that were given.

    Raises
    ------
    MovieError
        Files of the set are missing, or a position or channel must be chosen.
    """
    images = _read_index(folder / INDEX)
    names = list(dict.fromkeys(image.file for image in images))
    if not {path.name for path in given} & set(names):
        return None
    images = _one_position(images, request, folder)
    labels = [_labels(images, axis) for axis in _AXES]
    lost = [name for name in names if not (folder / name).is_file()]
    if lost and not request.allow_missing:
        raise MovieError(
            f"The NDTiff set in {folder} must have all its {len(names)} files, got no {lost[0]}. "
            f"Put it back beside the others, {OFFER}."
        )
    images = [image for image in images if _is_there(image, folder)]
    if not images:
        raise MovieError(f"The NDTiff set in {folder} must hold images, got none.")
    pages, paths = _pages(images, folder)
    table = np.full([len(one) for one in labels], -1, np.int64)
    for k, image in enumerate(images):
        at = tuple(
            one.index(image.place.get(axis, 0)) for axis, one in zip(_AXES, labels, strict=True)
        )
        table[at] = k
    header = Header(_LABEL, channels=tuple(str(name) for name in labels[2]))
    counts = np.bincount(pages.file_index, minlength=len(paths))
    pieces = [Piece(path, int(n)) for path, n in zip(paths, counts, strict=True)]
    picked = pick_table(pages, table, header, request, str(folder), pieces)
    if any(set(image.place) - set(_AXES) for image in images):
        picked.recording.metadata["field"] = request.field or 0
    if picked.is_overruled:  # the times are those of the index's own time points
        return picked.recording
    facts = _facts(paths[0], images, picked.kept, table)
    return picked.recording if facts is None else with_sidecar(picked.recording, facts)


def _read_index(path: Path) -> list[_Image]:
    images = []
    for place, file, offset, width, height, kind, packed, notes, n_notes, _ in (
        tifffile.read_ndtiff_index(path)
    ):  # fmt: skip
        if packed or kind == _COLOUR or Path(file).name != file:
            raise MovieError(
                f"{path} must list uncompressed gray images, got others. Save the recording as a "
                "TIFF stack from Micro-Manager."
            )
        images.append(_Image(place, file, offset, (height, width), kind, (notes, n_notes)))
    return images


def _labels(images: Sequence[_Image], axis: str) -> list[int | str]:
    """Places along an axis: numbers in their order, names as they first appear."""
    found = list(dict.fromkeys(image.place.get(axis, 0) for image in images))
    return sorted(found, key=int) if all(isinstance(one, int) for one in found) else found


def _one_position(images: list[_Image], request: Request, folder: Path) -> list[_Image]:
    """Images of one position of the stage, which is a movie of its own."""
    others = {axis for image in images for axis in image.place} - set(_AXES)
    for axis in sorted(others):
        labels = _labels(images, axis)
        names = [f"{axis} {label}" for label in labels]
        place = chosen_of("field", names, request.field, folder, "each is a movie of its own")
        images = [image for image in images if image.place.get(axis, 0) == labels[place or 0]]
    return images


def _is_there(image: _Image, folder: Path) -> bool:
    path = folder / image.file
    n_bytes = image.shape[0] * image.shape[1] * (1 if image.kind == 0 else 2)
    return path.is_file() and image.offset + n_bytes <= file_size(path)


def _pages(images: Sequence[_Image], folder: Path) -> tuple[Pages, list[Path]]:
    names = list(dict.fromkeys(image.file for image in images))
    paths = [folder / name for name in names]
    shape, kind = images[0].shape, images[0].kind
    if any((image.shape, image.kind) != (shape, kind) for image in images):
        raise MovieError(f"All images of {folder} must have one size and type, got several.")
    with open_tiff(paths[0]) as tiff:
        stored = np.dtype(np.uint8 if kind == 0 else np.uint16).newbyteorder(tiff.byteorder)
    number = {name: k for k, name in enumerate(names)}
    offsets = np.array([[image.offset] for image in images], np.int64)
    pages = Pages(
        paths,
        np.array([number[image.file] for image in images], np.int64),
        offsets,
        np.full_like(offsets, shape[0] * shape[1] * stored.itemsize),
        shape,
        "YX",
        stored,
        is_raw=True,
    )
    return pages, paths


def _facts(
    path: Path, images: Sequence[_Image], kept: NDArray[np.int64], table: NDArray[np.int64]
) -> SidecarFacts | None:
    """Rate, pixel size and times, from the summary and the notes of each time point's image."""
    with open_tiff(path) as tiff:
        summary: Any = (tiff.micromanager_metadata or {}).get("Summary")
    first = [int(k) for k in table[kept][:, 0, 0]]
    elapsed = _elapsed([images[k] for k in first], path.parent)
    times = dict(enumerate(elapsed)) if elapsed is not None else {}
    facts = facts_of_summary(summary if isinstance(summary, dict) else {}, times, _LABEL)
    if facts is None or elapsed is None:
        return facts
    return replace(facts, time_s=np.array(elapsed) - elapsed[0])


def _elapsed(images: Sequence[_Image], folder: Path) -> list[float] | None:
    """Seconds of each image; ``None`` where one of them has none."""
    found = []
    with ExitStack() as stack:
        streams = {
            name: stack.enter_context((folder / name).open("rb"))
            for name in {image.file for image in images}
        }
        for image in images:
            stream = streams[image.file]
            stream.seek(image.notes[0])
            noted = _ELAPSED.search(stream.read(image.notes[1]))
            if noted is None:
                return None
            found.append(float(noted.group(1)) / 1000)
    return found
