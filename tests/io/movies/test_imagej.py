"""What ImageJ and tifffile write: calibration, virtual stacks, hyperstacks, loops of frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.errors import MovieError
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.movies import store_of
from napari_cnmf.io.movies._stores import RawFrames

RNG = np.random.default_rng(0)


def read_all(movie) -> np.ndarray:
    return frame_source(movie).read(0, movie.n_frames)


def write_described(path: Path, frames: np.ndarray, text: str, byteorder: str = ">") -> Path:
    with tifffile.TiffWriter(path, byteorder=byteorder) as writer:
        writer.write(frames, metadata=None, description=text, photometric="minisblack")
    return path


@pytest.mark.parametrize("byteorder", [">", "<"])
def test_signed_values_that_imagej_stored_unsigned(tmp_path: Path, byteorder: str) -> None:
    frames = RNG.integers(-300, 300, (9, 6, 8)).astype(np.int16)
    stored = (frames.astype(np.int32) + 32768).astype(np.uint16)
    text = "ImageJ=1.54f\nimages=9\nframes=9\nfinterval=0.1\ncf=0\nc0=-32768.0\nc1=1.0\n"
    path = write_described(tmp_path / "a.tif", stored, text, byteorder)
    movie = open_movie(path)
    assert movie.dtype == np.int16
    np.testing.assert_array_equal(read_all(movie), frames)
    np.testing.assert_array_equal(movie.data[3:5, 2].compute(), frames[3:5, 2])
    assert "offset=0" in movie.description.remarks[0]
    np.testing.assert_array_equal(read_all(open_movie(path, offset=0)), stored)


def test_a_calibration_that_scales(tmp_path: Path) -> None:
    frames = RNG.integers(0, 300, (9, 6, 8)).astype(np.uint16)
    text = "ImageJ=1.54f\nimages=9\nframes=9\ncf=0\nc0=-10.0\nc1=0.5\nvunit=counts\n"
    movie = open_movie(write_described(tmp_path / "a.tif", frames, text))
    assert movie.dtype == np.float32
    np.testing.assert_allclose(read_all(movie), frames * 0.5 - 10)


def test_a_calibration_that_is_a_curve_is_told(tmp_path: Path) -> None:
    frames = RNG.integers(0, 300, (9, 6, 8)).astype(np.uint16)
    text = "ImageJ=1.54f\nimages=9\nframes=9\ncf=4\nc0=1\nc1=2\n"
    movie = open_movie(write_described(tmp_path / "a.tif", frames, text))
    np.testing.assert_array_equal(read_all(movie), frames)
    assert "curve" in movie.description.remarks[0]


def test_a_virtual_stack_with_one_header(tmp_path: Path) -> None:
    """ImageJ writes stacks above 4 GB so: one image header, all pixels behind it."""
    frames = RNG.integers(0, 999, (12, 6, 8)).astype(">u2")
    text = "ImageJ=1.54f\nimages=12\nslices=12\nfinterval=0.2\n"
    path = write_described(tmp_path / "a.tif", frames[:1], text)
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages.first.dataoffsets[0]
    path.write_bytes(path.read_bytes()[:at] + frames.tobytes())
    movie = open_movie(path)
    assert isinstance(store_of(movie), RawFrames)
    np.testing.assert_array_equal(read_all(movie), frames)
    path.write_bytes(path.read_bytes()[: at + frames[:7].nbytes + 3])
    with pytest.raises(MovieError, match=r"after image 7.*allow_missing"):
        open_movie(path)
    assert open_movie(path, allow_missing=True).n_frames == 7


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("block", [1, 4])
def test_frames_written_in_a_loop(
    tmp_path: Path, bigtiff: bool, compression: str | None, block: int
) -> None:
    frames = RNG.integers(-99, 999, (24, 6, 8)).astype(np.int16)
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=bigtiff) as writer:
        for first in range(0, 24, block):
            part = frames[first] if block == 1 else frames[first : first + block]
            writer.write(part, compression=compression, photometric="minisblack")
    movie = open_movie(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_all(movie), frames)


def test_a_thumbnail_is_left_out(tmp_path: Path) -> None:
    frames = RNG.integers(0, 999, (24, 6, 8)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for frame in frames:
            writer.write(frame, contiguous=False, metadata=None)
        writer.write(np.zeros((3, 4), np.uint8), contiguous=False, metadata=None)
    movie = open_movie(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_all(movie), frames)
    assert "1 image of another size" in movie.description.remarks[0]


def test_images_of_two_shapes_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for k in range(12):
            shape = (6, 8) if k % 2 else (5, 8)
            writer.write(np.zeros(shape, np.uint8), contiguous=False, metadata=None)
    with pytest.raises(MovieError, match=r"6 of \(5, 8\), 6 of \(6, 8\)"):
        open_movie(tmp_path / "a.tif")


def test_a_classic_tiff_whose_headers_are_evenly_spaced_is_not_walked(tmp_path: Path) -> None:
    """The sample of headers gives the same places as ``tifffile`` finds page by page."""
    from napari_cnmf.io.movies.tiff.chain import read_chain

    frames = RNG.integers(0, 999, (300, 6, 8)).astype(np.uint16)
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for k, frame in enumerate(frames):
            writer.write(frame, contiguous=False, metadata=None, description=f"number {k:05d}")
    chain = read_chain(path)
    with tifffile.TiffFile(path) as tiff:
        places = [page.dataoffsets[0] for page in tiff.pages]
    assert chain.offsets[:, 0].tolist() == places
    np.testing.assert_array_equal(read_all(open_movie(path)), frames)
