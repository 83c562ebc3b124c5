"""HDF5: CaImAn's ``mov``, or the one array with frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._attributes import axes_among, rate_among, spacing_among
from napari_cnmf.io.movies._axes import Layout, layout_of
from napari_cnmf.io.movies._npy import MappedArray, plain_store
from napari_cnmf.io.movies._recording import Recording, checked_dtype
from napari_cnmf.io.movies._request import Request
from napari_cnmf.io.movies._stores import ArrayFrames, FrameStore, file_size, frames_that_fit

_CAIMAN_NAME = "mov"


@dataclass(frozen=True)
class Hdf5Array:
    """A dataset, opened for the time of one read."""

    path: Path
    name: str

    def __str__(self) -> str:
        return f"{self.name} in {self.path}"

    @contextmanager
    def open(self) -> Iterator[h5py.Dataset]:
        with h5py.File(self.path, "r") as file:
            yield file[self.name]


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file, or an error that says what is wrong with it."""
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


def open_hdf5_movie(path: Path, request: Request) -> Recording:
    """Open a movie in an HDF5 file.

    Taken is ``dataset`` where given, else ``mov`` as CaImAn writes it, else the
    only array with 3 or 4 axes.

    Raises
    ------
    MovieError
        There is no such array, or several; the file is a result.
    """
    with open_hdf5(path) as file:
        if "nwb_version" in file.attrs:
            from napari_cnmf.io.movies._nwb import nwb_movie

            return nwb_movie(file, path, request)
        dataset = _movie_dataset(file, path, request.dataset)
        attributes = [dict(dataset.attrs), dict(dataset.parent.attrs), dict(file.attrs)]
        layout = layout_of(
            dataset.shape,
            axes=request.axes,
            file_axes=axes_among(attributes, dataset.ndim),
            channel=request.channel,
            name=f"{dataset.name} in {path}",
        )
        rate, notes = rate_among(attributes)
        return Recording(
            dataset_store(dataset, path, layout),
            rate,
            spacing_among(attributes),
            notes | {"dataset": dataset.name},
        )


def dataset_store(dataset: h5py.Dataset, path: Path, layout: Layout) -> FrameStore:
    """Plain file reads where the dataset lies in one piece, else through HDF5."""
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


def _movie_dataset(file: h5py.File, path: Path, name: str | None) -> h5py.Dataset:
    candidates = _arrays_with_frames(file)
    listed = ", ".join(f"{d.name} {d.shape}" for d in candidates[:8]) or "none"
    if name is not None:
        found = file.get(name)
        if not isinstance(found, h5py.Dataset):
            raise MovieError(
                f"dataset must name an array of {path}, got {name!r}. Arrays with frames: {listed}."
            )
        return found
    if isinstance(file.get(_CAIMAN_NAME), h5py.Dataset):
        return file[_CAIMAN_NAME]
    if "estimates/A" in file:
        raise MovieError(
            f"A movie must hold frames, got a result of CNMF in {path}. Open it as a result; its "
            "movie is another file."
        )
    if len(candidates) != 1:
        raise MovieError(
            f"{path} must hold one array of 3 or 4 axes, got {len(candidates)}: {listed}. "
            "Name the movie with dataset=."
        )
    return candidates[0]


def _arrays_with_frames(file: h5py.File) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []

    def visit(_: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and node.ndim in (3, 4) and node.dtype.kind in "uif":
            found.append(node)

    file.visititems(visit)
    return found
