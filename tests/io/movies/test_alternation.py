"""Channels that alternate frame by frame in files that do not say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.errors import MovieError
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.movies import ChannelUnknownError, MovieWindow, remarks_on, store_of
from napari_cnmf.io.movies._remarks import find_alternation
from napari_cnmf.io.movies._stores import RawFrames
from napari_cnmf.testing import simulate, simulate_one_photon, simulate_volume


def read_all(movie) -> np.ndarray:
    return frame_source(movie).read(0, movie.n_frames)


@pytest.fixture
def pages() -> np.ndarray:
    """Twelve pages, two or three channels."""
    return np.random.default_rng(0).integers(0, 999, (12, 20, 31), dtype=np.uint16)


def write(path: Path, pages: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, pages)
    elif path.suffix == ".h5":
        import h5py

        with h5py.File(path, "w") as file:
            file.create_dataset("mov", data=pages, chunks=(5, 20, 31), compression="gzip")
    else:
        how = {"compression": "zlib"} if "zip" in path.name else {}
        # No description: pages and nothing else, as many acquisition programs write them.
        tifffile.imwrite(path, pages, photometric="minisblack", metadata=None, **how)
    return path


@pytest.mark.parametrize("name", ["a.tif", "zip.tif", "a.npy", "a.h5"])
@pytest.mark.parametrize(("n", "channel"), [(2, 0), (2, 1), (3, 2)])
def test_every_nth_frame(tmp_path: Path, pages: np.ndarray, name: str, n: int, channel: int):
    movie = open_movie(write(tmp_path / name, pages), n_channels=n, channel=channel)
    np.testing.assert_array_equal(read_all(movie), pages[channel::n])
    np.testing.assert_array_equal(movie.data[1:3, 4:9].compute(), pages[channel::n][1:3, 4:9])
    box = (slice(2, 9), slice(5, 30))
    np.testing.assert_array_equal(
        MovieWindow(movie).read_window(1, 4, box), pages[channel::n][1:4, 2:9, 5:30]
    )
    assert movie.opened_with == {"channel": channel, "n_channels": n}
    again = open_movie(list(movie.paths), **movie.opened_with)
    np.testing.assert_array_equal(read_all(again), pages[channel::n])


def test_raw_pages_are_still_read_straight(tmp_path: Path, pages: np.ndarray) -> None:
    movie = open_movie(write(tmp_path / "a.tif", pages), n_channels=2, channel=1)
    assert isinstance(store_of(movie), RawFrames)


def test_files_of_a_session_and_single_frames(tmp_path: Path, pages: np.ndarray) -> None:
    parts = [write(tmp_path / f"{i}.tif", pages[i * 6 : i * 6 + 6]) for i in range(2)]
    movie = open_movie(parts, n_channels=3, channel=1)
    np.testing.assert_array_equal(read_all(movie), pages[1::3])
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, page in enumerate(pages):
        write(folder / f"f{i}.tif", page)
    np.testing.assert_array_equal(
        read_all(open_movie(folder, n_channels=2, channel=1)), pages[1::2]
    )


def test_files_of_one_volume_each(tmp_path: Path, pages: np.ndarray) -> None:
    parts = [write(tmp_path / f"{i}.tif", pages[i * 6 : i * 6 + 6]) for i in range(2)]
    movie = open_movie(parts, axes="ZYX", n_channels=2, channel=1)
    np.testing.assert_array_equal(read_all(movie), pages[1::2].reshape(2, 3, 20, 31))


def test_an_incomplete_set_at_the_end_is_left_out_and_told(
    tmp_path: Path, pages: np.ndarray
) -> None:
    movie = open_movie(write(tmp_path / "a.tif", pages[:11]), n_channels=3, channel=0)
    np.testing.assert_array_equal(read_all(movie), pages[:9:3])
    (remark,) = movie.metadata["remarks"]
    assert "11 frames, no multiple of 3" in remark
    assert "(2 of 3 channels) is left out" in remark
    assert remark in remarks_on(movie)
    parts = [tmp_path / "a.tif", write(tmp_path / "b.tif", pages[:6])]
    with pytest.raises(MovieError, match=r"multiple of 3 frames .* got 11"):
        open_movie(parts, n_channels=3, channel=0)
    last = open_movie(parts[::-1], n_channels=3, channel=0)
    assert last.n_frames == 5
    assert last.metadata["remarks"]


def test_what_cannot_be(tmp_path: Path, pages: np.ndarray) -> None:
    path = write(tmp_path / "a.tif", pages)
    with pytest.raises(ChannelUnknownError, match="channel=0 to channel=1") as caught:
        open_movie(path, n_channels=2)
    assert caught.value.n_channels == 2
    with pytest.raises(MovieError, match="between 0 and 1, got 2: n_channels is 2"):
        open_movie(path, n_channels=2, channel=2)
    with pytest.raises(MovieError, match="at least 1, got 0"):
        open_movie(path, n_channels=0, channel=0)
    with pytest.raises(MovieError, match="multiple of 13 frames"):
        open_movie(path, n_channels=13, channel=0)
    stack = tmp_path / "imagej.tif"
    tifffile.imwrite(stack, pages.reshape(6, 2, 20, 31), imagej=True, metadata={"axes": "TCYX"})
    same = open_movie(stack, n_channels=2, channel=1)
    np.testing.assert_array_equal(read_all(same), read_all(open_movie(stack, channel=1)))
    # Where the user contradicts the file, the user wins.
    np.testing.assert_array_equal(read_all(open_movie(stack, n_channels=3, channel=1)), pages[1::3])
    with pytest.raises(MovieError, match=r"array\[channel::2\]"):
        open_movie(pages, n_channels=2, channel=0)


def test_the_rate_of_a_file_does_not_say_whose_it_is(tmp_path: Path, pages: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pages, imagej=True, metadata={"axes": "TYX", "finterval": 0.05})
    assert open_movie(path).frame_rate_hz == pytest.approx(20)
    assert open_movie(path, n_channels=2, channel=0).frame_rate_hz is None
    known = open_movie(path, n_channels=2, channel=0, frame_rate_hz=10)
    assert known.frame_rate_hz == 10


def interleaved(*channels: np.ndarray) -> np.ndarray:
    return np.stack(channels, axis=1).reshape(-1, *channels[0].shape[1:])


@pytest.mark.parametrize("noise", [1.0, 3.0])
def test_alternation_is_seen(noise: float) -> None:
    green = simulate(n_frames=100, size=(64, 80), n_cells=14, noise=noise, seed=1).array()
    red = simulate(n_frames=100, size=(64, 80), n_cells=14, noise=noise, seed=2).array()
    assert find_alternation(ArraySource(interleaved(green, red))) == 2
    dim = (0.5 * red).astype(red.dtype)
    assert find_alternation(ArraySource(interleaved(green, red, dim))) == 3


def test_planes_that_alternate_are_seen() -> None:
    volume = simulate_volume(n_frames=60, size=(5, 64, 72), n_cells=20, seed=1)
    planes = volume.array().reshape(-1, 64, 72)
    assert find_alternation(ArraySource(planes)) == 5


@pytest.mark.parametrize("seed", range(3))
def test_one_channel_never_looks_like_two(seed: int) -> None:
    for movie in (
        simulate(n_frames=120, size=(64, 80), n_cells=14, noise=0.5, seed=seed).array(),
        simulate(
            n_frames=120, size=(64, 80), n_cells=14, rigid_motion_rms_px=2.0, seed=seed
        ).array(),
        simulate_one_photon(n_frames=120, size=(64, 80), n_cells=12, seed=seed).array(),
        simulate_volume(n_frames=60, size=(4, 48, 48), n_cells=8, seed=seed).array(),
        np.random.default_rng(seed).poisson(50, (200, 40, 40)),
        np.zeros((50, 8, 8), np.uint8),
    ):
        assert find_alternation(ArraySource(movie)) is None


def test_the_user_is_told_of_alternation(tmp_path: Path) -> None:
    green = simulate(n_frames=60, size=(48, 48), n_cells=6, seed=1).array()
    red = simulate(n_frames=60, size=(48, 48), n_cells=6, seed=2).array()
    path = write(tmp_path / "a.tif", interleaved(green, red))
    (remark,) = remarks_on(open_movie(path))
    assert "2 channels or planes may be interleaved" in remark
    assert "n_channels=2 and channel=0 to 1" in remark
    assert remarks_on(open_movie(path, n_channels=2, channel=1)) == []
