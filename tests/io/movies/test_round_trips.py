"""Whatever is stored comes back: every format, any type, fields that are not square."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_cnmf.io import TiffMovieWriter, frame_source, open_movie

DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")


SMALL = ("u1", "i1", "u2", "i2", "u4", "i4")


@st.composite
def recordings(draw: st.DrawFn, dtypes: tuple[str, ...] = DTYPES) -> np.ndarray:
    """``(T, Y, X)`` or ``(T, Z, Y, X)`` of any type, mostly not square."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    lead = draw(st.sampled_from([(2,), (5,), (2, 2), (3, 4)]))
    field = (draw(st.integers(2, 9)), draw(st.integers(5, 9)))
    elements = {"allow_nan": False} if dtype.kind == "f" else None
    return draw(hnp.arrays(dtype, (*lead, *field), elements=elements))


def axes_of(movie: np.ndarray) -> str:
    return "TYX" if movie.ndim == 3 else "TZYX"


def write_npy(folder: Path, movie: np.ndarray) -> Path:
    np.save(folder / "movie.npy", movie)
    return folder / "movie.npy"


def write_fortran_npy(folder: Path, movie: np.ndarray) -> Path:
    np.save(folder / "movie.npy", np.asfortranarray(movie))
    return folder / "movie.npy"


def write_ours(folder: Path, movie: np.ndarray) -> Path:
    path = folder / "movie.tif"
    with TiffMovieWriter(path, movie.shape, movie.dtype) as writer:
        writer.write(1, movie[1:])
        writer.write(0, movie[:1])
    return path


def write_tiff(folder: Path, movie: np.ndarray, **options: object) -> Path:
    path = folder / "movie.tif"
    metadata = {"axes": axes_of(movie)}
    tifffile.imwrite(path, movie, metadata=metadata, photometric="minisblack", **options)
    return path


def write_ome(folder: Path, movie: np.ndarray) -> Path:
    path = folder / "movie.ome.tif"
    tifffile.imwrite(path, movie, metadata={"axes": axes_of(movie)}, photometric="minisblack")
    return path


def write_pages(folder: Path, movie: np.ndarray) -> Path:
    path = folder / "movie.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in movie.reshape(-1, *movie.shape[-2:]):
            writer.write(page, contiguous=False, metadata=None, photometric="minisblack")
    return path


def write_hdf5(folder: Path, movie: np.ndarray, **options: object) -> Path:
    with h5py.File(folder / "movie.h5", "w", userblock_size=512) as file:
        file.create_dataset("mov", data=movie, **options)
        file["other"] = np.zeros((2, 2, 2))
    return folder / "movie.h5"


def write_zarr(folder: Path, movie: np.ndarray, version: int) -> Path:
    path = folder / f"movie{version}.zarr"
    chunks = (2, *movie.shape[1:-1], 3)
    array = zarr.create_array(
        str(path), shape=movie.shape, dtype=movie.dtype, chunks=chunks, zarr_format=version
    )
    array[...] = movie
    return path


def write_caiman(folder: Path, movie: np.ndarray, order: str) -> Path:
    """By the definition: pixels of each frame in Fortran order are the rows of ``(d, T)``."""
    d1, d2, d3 = (*movie.shape[1:], 1)[:3]
    name = f"a_d1_{d1}_d2_{d2}_d3_{d3}_order_{order}_frames_{len(movie)}.mmap"
    table = np.stack([frame.ravel(order="F") for frame in movie], axis=1).astype("f4")
    (folder / name).write_bytes(table.tobytes(order=order))
    return folder / name


WRITERS: dict[str, Callable[[Path, np.ndarray], Path]] = {
    "npy": write_npy,
    "npy fortran": write_fortran_npy,
    "our writer": write_ours,
    "tiff": write_tiff,
    "tiff big": lambda folder, movie: write_tiff(folder, movie, bigtiff=True),
    "tiff big-endian": lambda folder, movie: write_tiff(folder, movie, byteorder=">"),
    "tiff zlib": lambda folder, movie: write_tiff(folder, movie, compression="zlib"),
    "tiff lzw": lambda folder, movie: write_tiff(
        folder, movie, compression="lzw", predictor=True, rowsperstrip=2
    ),
    "tiff tiled": lambda folder, movie: write_tiff(folder, movie, tile=(16, 16)),
    "tiff ome": write_ome,
    "hdf5": write_hdf5,
    "hdf5 chunked": lambda folder, movie: write_hdf5(
        folder, movie, chunks=(2, *movie.shape[1:]), compression="gzip"
    ),
    "zarr 2": lambda folder, movie: write_zarr(folder, movie, 2),
    "zarr 3": lambda folder, movie: write_zarr(folder, movie, 3),
}


WRITABLE = {"tiff lzw": SMALL, "tiff ome": (*SMALL, "f4", "f8")}


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_comes_back_as_it_was_stored(form: str, data: st.DataObject) -> None:
    movie = data.draw(recordings(WRITABLE.get(form, DTYPES)))
    with tempfile.TemporaryDirectory() as folder:
        path = WRITERS[form](Path(folder), movie)
        opened = open_movie(path)
        assert opened.shape == movie.shape
        assert opened.dtype == movie.dtype
        np.testing.assert_array_equal(opened.data.compute(scheduler="synchronous"), movie)
        source = frame_source(opened)
        buffer = np.empty((len(movie) - 1, *movie.shape[1:]), source.dtype)
        assert source.read(1, len(movie), buffer) is buffer
        np.testing.assert_array_equal(buffer, movie[1:])


@pytest.mark.parametrize("order", ["C", "F"])
@settings(max_examples=12, deadline=None)
@given(movie=recordings())
def test_caiman_memory_maps(order: str, movie: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder, np.errstate(over="ignore", invalid="ignore"):
        stored = movie.astype("f4")
        opened = open_movie(write_caiman(Path(folder), stored, order))
        assert opened.dtype == np.float32
        np.testing.assert_array_equal(frame_source(opened).read(0, len(movie)), stored)
        np.testing.assert_array_equal(opened.data[1].compute(), stored[1])


@settings(max_examples=12, deadline=None)
@given(movie=recordings())
def test_pages_written_one_by_one_are_frames(movie: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        opened = open_movie(write_pages(Path(folder), movie))
        flat = movie.reshape(-1, *movie.shape[-2:])
        np.testing.assert_array_equal(frame_source(opened).read(0, len(flat)), flat)


@settings(max_examples=12, deadline=None)
@given(movie=recordings(), order=st.permutations(range(4)))
def test_any_order_of_axes_is_put_right(movie: np.ndarray, order: list[int]) -> None:
    kept = [axis for axis in order if axis < movie.ndim]
    letters = "".join(axes_of(movie)[axis] for axis in kept)
    with tempfile.TemporaryDirectory() as folder:
        path = write_npy(Path(folder), np.ascontiguousarray(movie.transpose(kept)))
        from_file = open_movie(path, axes=letters)
        np.testing.assert_array_equal(frame_source(from_file).read(0, len(movie)), movie)
    in_memory = open_movie(movie.transpose(kept), axes=letters.lower())
    np.testing.assert_array_equal(in_memory.data.compute(), movie)
