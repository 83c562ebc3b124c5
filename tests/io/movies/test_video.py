"""AVI and MP4."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from napari_cnmf.errors import MovieError
from napari_cnmf.io import frame_source, open_movie


def write_video(path: Path, movie: np.ndarray, codec: str, form: str, **options: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(20), options=options)
        stream.height, stream.width = movie.shape[1:3]
        stream.pix_fmt = form
        for image in movie:
            frame = av.VideoFrame.from_ndarray(
                image,
                format={2: "gray" if image.dtype == np.uint8 else "gray16le"}.get(
                    image.ndim, "rgb24"
                ),
            )
            container.mux(stream.encode(frame.reformat(format=form)))
        container.mux(stream.encode())


@pytest.fixture
def moving() -> np.ndarray:
    """A soft spot that moves, (40, 48, 64): what video codecs are made for."""
    t, y, x = np.ogrid[:40, :48, :64]
    return (30 + 180 * np.exp(-((y - 24) ** 2 + (x - 10 - t) ** 2) / 50)).astype(np.uint8)


@pytest.mark.parametrize(
    ("codec", "form"), [("ffv1", "gray"), ("rawvideo", "gray"), ("rawvideo", "bgr24")]
)
def test_lossless_video_comes_back(
    tmp_path: Path, moving: np.ndarray, codec: str, form: str
) -> None:
    write_video(tmp_path / "a.avi", moving, codec, form)
    movie = open_movie(tmp_path / "a.avi")
    assert movie.dtype == np.uint8
    assert movie.frame_rate_hz == 20
    assert "playing" in movie.metadata["frame_rate_from"]
    np.testing.assert_array_equal(frame_source(movie).read(0, 40), moving)
    for frame in (33, 2, 39, 0):
        np.testing.assert_array_equal(movie.data[frame].compute(), moving[frame])
    assert movie.description.facts["channels"].text.startswith("1")
    assert "speed at which the video is played" in " ".join(movie.description.remarks)
    assert not open_movie(tmp_path / "a.avi", frame_rate_hz=30).description.remarks


def test_16_bit_video(tmp_path: Path, moving: np.ndarray) -> None:
    deep = moving.astype(np.uint16) * 257
    write_video(tmp_path / "a.mkv", deep, "ffv1", "gray16le")
    movie = open_movie(tmp_path / "a.mkv")
    np.testing.assert_array_equal(frame_source(movie).read(5, 9), deep[5:9])


def test_frames_between_key_frames(tmp_path: Path, moving: np.ndarray) -> None:
    """The sequence is what matters: a lossy frame is closest to its own truth."""
    write_video(tmp_path / "a.mp4", moving, "mpeg4", "yuv420p", g="12", bf="2")
    movie = open_movie(tmp_path / "a.mp4")
    assert movie.shape == moving.shape
    whole = frame_source(movie).read(0, 40)
    for frame in (39, 13, 0, 12, 25):
        one = movie.data[frame].compute().astype(float)
        np.testing.assert_array_equal(one, whole[frame])
        distance = np.abs(one - moving.astype(float)).mean(axis=(1, 2))
        assert int(distance.argmin()) == frame


def test_colour_needs_a_channel(tmp_path: Path, moving: np.ndarray) -> None:
    colours = np.stack([moving, moving // 2, 255 - moving], axis=-1)
    write_video(tmp_path / "a.avi", colours, "rawvideo", "bgr24")
    with pytest.raises(MovieError, match="red, green or blue"):
        open_movie(tmp_path / "a.avi")
    green = open_movie(tmp_path / "a.avi", channel=1)
    np.testing.assert_array_equal(frame_source(green).read(3, 5), colours[3:5, ..., 1])
    with pytest.raises(MovieError, match="between 0 and 2, got 3"):
        open_movie(tmp_path / "a.avi", channel=3)


def test_session_of_videos(tmp_path: Path, moving: np.ndarray) -> None:
    for number, part in enumerate((moving[:30], moving[30:])):
        write_video(tmp_path / f"{number}.avi", part, "ffv1", "gray")
    np.testing.assert_array_equal(frame_source(open_movie(tmp_path)).read(28, 32), moving[28:32])


def test_not_a_video(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(b"no video at all" * 100)
    with pytest.raises(MovieError, match="whole video file"):
        open_movie(tmp_path / "a.avi")


def test_missing_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from napari_cnmf.io import open_movie\n"
        "from napari_cnmf.errors import MovieError\n"
        "try:\n    open_movie(sys.argv[1])\n"
        "except MovieError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'pip install "napari-cnmf[video]"' in done.stdout


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
@pytest.mark.parametrize("n_ahead", ["0", "1", "3"])
@pytest.mark.parametrize("gop", ["12", "250"])
def test_frames_that_refer_to_later_ones_stay_in_order(
    tmp_path: Path, moving: np.ndarray, suffix: str, n_ahead: str, gop: str
) -> None:
    """AVI stamps packets in the order of decoding, which is not the order of time."""
    path = tmp_path / f"a{suffix}"
    write_video(path, moving, "libx264", "yuv420p", bf=n_ahead, g=gop)
    movie = open_movie(path)
    assert movie.n_frames == 40
    peak = moving.reshape(40, -1).argmax(axis=1) % 64
    found = [movie.data[k].compute()[24].argmax() for k in (17, 3, 30, 18)]
    np.testing.assert_allclose(found, peak[[17, 3, 30, 18]], atol=1)
    block = movie.data[17:23, 24].compute().argmax(axis=1)
    np.testing.assert_allclose(block, peak[17:23], atol=1)


def test_a_pause_is_kept_in_the_times_at_the_rate_of_the_recording(
    tmp_path: Path, moving: np.ndarray
) -> None:
    path = tmp_path / "a.mkv"
    stamps = 50 * (np.arange(40) + 30 * (np.arange(40) > 25))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "gray"
        for image, stamp in zip(moving, stamps.tolist(), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="gray")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    movie = open_movie(path)
    np.testing.assert_allclose(movie.time_s, stamps / 1000, atol=2e-3)
    assert any("30 frames were dropped" in remark for remark in movie.description.remarks)
    slower = open_movie(path, frame_rate_hz=10)
    np.testing.assert_allclose(slower.time_s, stamps / 500, atol=4e-3)


def test_a_video_that_lost_its_end(tmp_path: Path, moving: np.ndarray) -> None:
    path = tmp_path / "a.avi"
    write_video(path, moving, "ffv1", "gray")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    movie = open_movie(path)
    assert 10 < movie.n_frames < 30
    np.testing.assert_array_equal(movie.data.compute(), moving[: movie.n_frames])
    assert any("cut short" in remark for remark in movie.description.remarks)


def test_mpeg_4_in_an_avi_reads_right_from_anywhere(tmp_path: Path) -> None:
    """AVI stamps frames in the order of decoding: seeking to one that is shown earlier misses."""
    rng = np.random.default_rng(0)
    scenes = np.repeat(rng.integers(0, 255, (9, 6, 8), np.uint8), 10, axis=0)
    frames = (
        np.kron(scenes, np.ones((1, 8, 8), np.uint8)) // 2
        + np.arange(90, dtype=np.uint8)[:, None, None]
    )
    path = tmp_path / "a.avi"
    write_video(path, frames, "mpeg4", "yuv420p", g="12", bf="2")
    source = frame_source(open_movie(path))
    want = source.read(0, 90)
    for first in (89, 60, 41, 12, 0, 83):
        fresh = frame_source(open_movie(path))
        np.testing.assert_array_equal(fresh.read(first, first + 1), want[first : first + 1])
    assert np.abs(want.astype(int) - frames).mean() < 20


def test_a_matroska_file_that_lost_its_end_is_told(tmp_path: Path, moving: np.ndarray) -> None:
    path = tmp_path / "a.mkv"
    write_video(path, moving, "ffv1", "gray")
    assert not any("names" in remark for remark in open_movie(path).description.remarks)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    movie = open_movie(path)
    np.testing.assert_array_equal(movie.data.compute(), moving[: movie.n_frames])
    assert any("names 40 frames" in remark for remark in movie.description.remarks)
