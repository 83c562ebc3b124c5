"""A movie that has to be decoded is decoded once, however many passes read it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from napari_cnmf.io import decoded_once, frame_source, open_movie
from napari_cnmf.io.movies import _decoded
from napari_cnmf.io.movies._stores import FrameStore

FRAMES = np.random.default_rng(0).integers(0, 900, (50, 12, 16), dtype=np.uint16)


def write_gzip(folder: Path) -> Path:
    with h5py.File(folder / "m.h5", "w") as file:
        file.create_dataset("mov", data=FRAMES, chunks=(7, 12, 16), compression="gzip")
    return folder / "m.h5"


def write_lzw(folder: Path) -> Path:
    tifffile.imwrite(folder / "m.tif", FRAMES, compression="lzw", photometric="minisblack")
    return folder / "m.tif"


def write_zarr(folder: Path) -> Path:
    zarr.create_array(str(folder / "m.zarr"), data=FRAMES, chunks=(7, 12, 16))
    return folder / "m.zarr"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Frames that were decoded, in the order of decoding."""
    numbers: list[int] = []
    read = FrameStore.read

    def note(self: FrameStore, start: int, stop: int, out: NDArray[Any] | None = None) -> Any:
        if not isinstance(self, _decoded.DecodedOnce):
            numbers.extend(range(start, stop))
        return read(self, start, stop, out)

    monkeypatch.setattr(FrameStore, "read", note)
    return numbers


def read_twice(source: Any) -> None:
    for _ in range(2):
        for start in range(0, 50, 9):
            stop = min(start + 9, 50)
            np.testing.assert_array_equal(source.read(start, stop), FRAMES[start:stop])


@pytest.mark.parametrize("write", [write_gzip, write_lzw, write_zarr])
def test_compressed_frames_are_decoded_once(
    write: Callable[[Path], Path], tmp_path: Path, decoded: list[int]
) -> None:
    movie = open_movie(write(tmp_path), frame_rate_hz=10)
    with decoded_once(movie, tmp_path) as source:
        assert source.frames_apart == frame_source(movie).frames_apart
        read_twice(source)
        np.testing.assert_array_equal(source.read(3, 30), FRAMES[3:30])
    assert sorted(decoded) == list(range(50))
    assert [path.suffix for path in tmp_path.iterdir()] in (
        ["." + s] for s in ("h5", "tif", "zarr")
    )


def test_frames_that_were_read_in_part_are_read_on(tmp_path: Path, decoded: list[int]) -> None:
    with decoded_once(open_movie(write_lzw(tmp_path), frame_rate_hz=10), tmp_path) as source:
        source.read(10, 20)
        source.read(30, 31)
        np.testing.assert_array_equal(source.read(5, 40), FRAMES[5:40])
    assert sorted(decoded) == list(range(5, 40))


def test_plain_frames_are_read_from_their_file(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", FRAMES, photometric="minisblack")
    movie = open_movie(tmp_path / "m.tif", frame_rate_hz=10)
    with decoded_once(movie, tmp_path) as source:
        assert source is frame_source(movie)


def test_without_room_frames_are_decoded_each_time(
    tmp_path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = open_movie(write_lzw(tmp_path), frame_rate_hz=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=FRAMES.nbytes))
    with decoded_once(movie, tmp_path) as source:
        read_twice(source)
    assert len(decoded) == 100


def test_a_disk_that_fills_costs_no_frame(tmp_path: Path, decoded: list[int]) -> None:
    movie = open_movie(write_lzw(tmp_path), frame_rate_hz=10)
    store = frame_source(movie)
    assert isinstance(store, FrameStore)
    with FileIO("/dev/full", "rb+") as full:
        read_twice(_decoded.DecodedOnce(store, full, tmp_path))
    assert len(decoded) == 100
