"""Files with wrong bytes open, or are refused with a message; nothing else gets out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from napari_cnmf.errors import MovieError
from napari_cnmf.io import TiffMovieWriter, frame_source, open_movie
from napari_cnmf.io.movies import movie_suffixes


def write_own(path: Path, movie: np.ndarray) -> None:
    with TiffMovieWriter(path, movie.shape, movie.dtype, frame_rate_hz=30) as writer:
        writer.write(0, movie)


def write_hdf5(path: Path, movie: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("mov", data=movie, chunks=(3, 20, 30), compression="gzip")


WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "plain.tif": tifffile.imwrite,
    "imagej.tif": lambda path, movie: tifffile.imwrite(
        path, movie, imagej=True, metadata={"axes": "TYX", "fps": 7.0}
    ),
    "zlib.tif": lambda path, movie: tifffile.imwrite(path, movie, compression="zlib"),
    "own.tif": write_own,
    "movie.npy": np.save,
    "movie.h5": write_hdf5,
}


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """A few wrong bytes, often in the header, sometimes the end cut off."""
    broken = bytearray(whole)
    within = len(broken) if rng.random() < 0.5 else min(len(broken), 600)
    for _ in range(rng.integers(1, 6)):
        broken[rng.integers(within)] = rng.integers(256)
    return bytes(broken[: rng.integers(1, len(broken))] if rng.random() < 0.1 else broken)


@pytest.mark.parametrize("name", WRITERS)
def test_wrong_bytes(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(len(name))
    movie = rng.integers(0, 4000, (12, 20, 30)).astype(np.uint16)
    WRITERS[name](tmp_path / name, movie)
    whole = (tmp_path / name).read_bytes()
    refusals: list[str] = []
    for _ in range(60):
        (tmp_path / name).write_bytes(damaged(whole, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                opened = open_movie(tmp_path / name)
                if opened.data.nbytes < 1e7:
                    frame_source(opened).read(0, opened.n_frames)
            except MovieError as error:
                refusals.append(str(error))
    assert refusals
    assert all(str(tmp_path) in message for message in refusals)
    (tmp_path / name).write_bytes(whole)
    np.testing.assert_array_equal(frame_source(open_movie(tmp_path / name)).read(0, 12), movie)


@pytest.mark.parametrize("axes", ["TYX", "TCYX", "TZYX"])
@pytest.mark.parametrize("is_imagej", [False, True])
def test_what_is_left_of_a_stack_keeps_its_channels_and_planes(
    tmp_path: Path, axes: str, is_imagej: bool
) -> None:
    """A file that lost its end names more images than it has."""
    shape = {"TYX": (12,), "TCYX": (12, 2), "TZYX": (12, 3)}[axes] + (20, 30)
    stack = np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, stack, imagej=is_imagej, metadata={"axes": axes}, photometric="minisblack"
    )
    per_time = int(np.prod(shape[1:-2]))
    with tifffile.TiffFile(path) as tiff:
        first = tiff.pages.first.dataoffsets[0]
    with path.open("r+b") as file:
        file.truncate(first + (7 * per_time + 1) * 1200 - 100)
    channel = 1 if "C" in axes else None
    with pytest.raises(MovieError, match="allow_missing"):
        open_movie(path, channel=channel)
    movie = open_movie(path, channel=channel, allow_missing=True)
    want = stack[:7] if channel is None else stack[:7, channel]
    np.testing.assert_array_equal(movie.data.compute(), want)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_single_frames_without_those_that_are_empty_cut_or_gone(
    tmp_path: Path, compression: str | None
) -> None:
    frames = np.random.default_rng(0).integers(0, 999, (14, 20, 30)).astype(np.uint16)
    paths = [tmp_path / f"a_{k:03d}.tif" for k in range(14)]
    for path, frame in zip(paths, frames, strict=True):
        tifffile.imwrite(path, frame, compression=compression)
    paths[3].write_bytes(b"")
    paths[6].write_bytes(paths[6].read_bytes()[:600])
    paths[9].unlink()
    with pytest.raises(MovieError, match=r"a_003.*allow_missing"):
        open_movie(tmp_path)
    movie = open_movie(tmp_path, allow_missing=True, frame_rate_hz=10)
    kept = np.delete(np.arange(14), [3, 6, 9])
    np.testing.assert_array_equal(movie.data.compute(), frames[kept])
    np.testing.assert_allclose(movie.time_s, kept / 10)
    remarks = " ".join(movie.description.remarks)
    assert all(word in remarks for word in ("3, 6, 9", "a_003", "a_006"))


@pytest.mark.parametrize("suffix", movie_suffixes())
def test_an_empty_file_is_one_sentence(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.touch()
    with pytest.raises(MovieError, match=r"got an empty (file|one).*Copy it again") as caught:
        open_movie(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 8, 9), (5, 0, 9)])
def test_a_movie_without_frames_or_pixels_is_refused(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint16))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["mov"] = np.zeros(shape, np.uint16)
    for name in ("a.npy", "a.h5"):
        with pytest.raises(
            MovieError, match=f"at least one frame and pixel, got shape \\({shape[0]}"
        ):
            open_movie(tmp_path / name)
