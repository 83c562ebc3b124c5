"""Opens HDF5 files safely and reads their frames lazily."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import Layout
from napari_cnmf.io.movies._npy import MappedArray, plain_store
from napari_cnmf.io.movies._recording import checked_dtype
from napari_cnmf.io.movies._stores import ArrayFrames, FrameStore, file_size, frames_that_fit


@dataclass(frozen=True)
class Hdf5Array:
    """A dataset, opened for the time of one read."""

    path: Path
    name: str

    def __str__(self) -> str:
        return f"{self.name} in {self.path}"

    @contextmanager
    def open(self) -> Iterator[h5py.Dataset]:
        """Open the dataset for the time of one read."""
        with h5py.File(self.path, "r") as file:
            yield file[self.name]


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file, or raise an error that says what is wrong with it."""
    try:
        file = h5py.File(path, "r")
    except PermissionError:
        raise
    except OSError as error:
        raise MovieError(
            f"{path} must be a whole HDF5 file, got: {error}. Copy it again from where it was "
            "made, and check that no program is still writing it."
        ) from error
    with file:
        yield file


def member(group: h5py.Group, name: str, path: Path) -> h5py.Group | h5py.Dataset | None:
    """Member of the file by its name; ``None`` where there is nothing.

    Raises
    ------
    MovieError
        The name leads into another file: a file that is opened as a movie never makes others be
        read.
    """
    node: h5py.Group | h5py.Dataset = group
    for part in name.strip("/").split("/"):
        if not isinstance(node, h5py.Group):
            return None
        link = node.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise MovieError(
                f"Frames must lie in the file that is opened, and {name} of {path} is a link to "
                f"{link.filename!r}. Open that file."
            )
        node = node.get(part)
        if node is None:
            return None
    if node.file.filename != group.file.filename:
        raise MovieError(
            f"Frames must lie in the file that is opened, and {name} of {path} leads to "
            f"{node.file.filename!r}. Open that file."
        )
    return node


def check_is_inside(dataset: h5py.Dataset, path: Path) -> None:
    """Refuse a dataset whose values lie in other files.

    Raises
    ------
    MovieError
        It is stored externally, or put together from other files.
    """
    outside = [str(entry[0]) for entry in dataset.external or ()]
    if dataset.is_virtual:
        outside += [s.file_name for s in dataset.virtual_sources() if s.file_name != "."]
    if outside:
        raise MovieError(
            f"Frames must lie in the file that is opened, and {dataset.name} of {path} takes them "
            f"from {outside[0]!r}. Open that file, or save the movie in one file."
        )


def dataset_store(dataset: h5py.Dataset, path: Path, layout: Layout) -> FrameStore:
    """Store of a dataset: plain file reads where it lies in one piece, else through HDF5."""
    check_is_inside(dataset, path)
    dtype = checked_dtype(dataset.dtype, f"{dataset.name} in {path}")
    offset = dataset.id.get_offset()
    array = Hdf5Array(path, dataset.name)
    if dataset.chunks is None and offset is not None and not dataset.is_virtual:
        if (size := file_size(path)) < offset + dataset.nbytes:
            raise MovieError(
                f"{path} must hold {offset + dataset.nbytes} bytes for {dataset.name}, got {size}: "
                "it is cut short. Copy it again."
            )
        if layout.frame_order is not None:
            return plain_store(MappedArray(path, dtype, dataset.shape, offset), layout)
    frame_bytes = int(np.prod(layout.shape[1:])) * dtype.itemsize
    together = dataset.chunks[layout.axes.index("T")] if dataset.chunks else 1
    return ArrayFrames(array, layout, dtype, frames_that_fit(together, frame_bytes))
