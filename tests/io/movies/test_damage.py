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
