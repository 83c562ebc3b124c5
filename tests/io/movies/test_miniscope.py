"""Miniscope videos with the files beside them: rate, times, cameras, palettes."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from napari_cnmf.io import frame_source, open_movie

FRAMES = np.random.default_rng(0).integers(0, 256, (40, 24, 30), dtype=np.uint8)


def write_video(path: Path, frames: np.ndarray) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(60))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "gray"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode())


def write_dib(path: Path, frames: np.ndarray, palette: np.ndarray) -> None:
    """An uncompressed 8-bit AVI: the table of colours in the header, rows from below."""
    n, height, width = frames.shape
    stride = (width + 3) // 4 * 4

    def chunk(name: bytes, data: bytes) -> bytes:
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def group(name: bytes, data: bytes) -> bytes:
        return chunk(b"LIST", name + data)

    size = stride * height
    avih = struct.pack("<14I", 50000, size * 20, 0, 0x10, n, 0, 1, size, width, height, *[0] * 4)
    strh = b"vidsDIB " + struct.pack(
        "<IHHIIIIIIII4H", 0, 0, 0, 0, 1, 20, 0, n, size, 0xFFFFFFFF, 0, 0, 0, width, height
    )
    table = b"".join(bytes((v, v, v, 0)) for v in palette.tolist())
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 0, size, 0, 0, 256, 256)
    header = group(
        b"hdrl",
        chunk(b"avih", avih) + group(b"strl", chunk(b"strh", strh) + chunk(b"strf", head + table)),
    )
    data, index, at = b"", b"", 4
    for frame in frames:
        rows = np.zeros((height, stride), np.uint8)
        rows[:, :width] = frame[::-1]
        one = chunk(b"00db", rows.tobytes())
        index += b"00db" + struct.pack("<III", 0x10, at, size)
        at += len(one)
        data += one
    path.write_bytes(
        chunk(b"RIFF", b"AVI " + header + group(b"movi", data) + chunk(b"idx1", index))
    )


@pytest.mark.parametrize("turned", [False, True])
def test_a_palette_is_kept_wherever_reading_begins(tmp_path: Path, turned: bool) -> None:
    palette = np.arange(256)[::-1] if turned else np.arange(256)
    write_dib(tmp_path / "a.avi", FRAMES, palette)
    want = palette[FRAMES]
    movie = open_movie(tmp_path / "a.avi")
    for frame in (17, 3, 39, 0):
        np.testing.assert_array_equal(movie.data[frame].compute(), want[frame])
    np.testing.assert_array_equal(frame_source(movie).read(5, 40), want[5:])


def write_version_4(folder: Path, times_ms: np.ndarray, *, rate: str = "20FPS") -> None:
    for number, part in enumerate(np.split(FRAMES, (15, 30))):
        write_video(folder / f"{number}.avi", part)
    (folder / "metaData.json").write_text(json.dumps({"deviceName": "scope", "frameRate": rate}))
    rows = [f"{k},{time:.0f},0" for k, time in enumerate(times_ms)]
    (folder / "timeStamps.csv").write_text(
        "\n".join(["Frame Number,Time Stamp (ms),Buffer Index", *rows])
    )


def test_version_4_with_a_pause(tmp_path: Path) -> None:
    times = 50.0 * np.arange(40)
    times[25:] += 900
    write_version_4(tmp_path, times)
    movie = open_movie(tmp_path)
    np.testing.assert_array_equal(frame_source(movie).read(0, 40), FRAMES)
    assert movie.frame_rate_hz == pytest.approx(20)
    assert movie.metadata["frames_per_file"] == [15, 15, 10]
    np.testing.assert_allclose(movie.time_s, times / 1000)
    assert "longest is 0.95 s after frame 24" in " ".join(movie.description.remarks)


def test_version_4_at_an_even_rate(tmp_path: Path) -> None:
    write_version_4(tmp_path, 50.0 * np.arange(40))
    movie = open_movie(tmp_path)
    assert movie.time_s is None
    assert movie.frame_rate_hz == pytest.approx(20)
    assert movie.description.remarks == ()
    part = open_movie(tmp_path / "1.avi")
    assert part.frame_rate_hz == pytest.approx(20)
    assert "Give all videos of the folder" in " ".join(part.description.remarks)


def test_times_that_do_not_fit_the_videos(tmp_path: Path) -> None:
    write_version_4(tmp_path, 50.0 * np.arange(47))
    movie = open_movie(tmp_path)
    assert movie.time_s is None
    assert "47 frames and the videos hold 40" in " ".join(movie.description.remarks)


def test_settings_that_contradict_the_times(tmp_path: Path) -> None:
    write_version_4(tmp_path, 50.0 * np.arange(40), rate="30FPS")
    movie = open_movie(tmp_path)
    assert movie.frame_rate_hz == pytest.approx(20)
    assert "metaData.json tells 30 Hz" in " ".join(movie.description.remarks)


def test_version_3_with_a_behaviour_camera(tmp_path: Path) -> None:
    for number, part in enumerate(np.split(FRAMES, (30,))):
        write_video(tmp_path / f"msCam{number + 1}.avi", part)
    write_video(tmp_path / "behavCam1.avi", FRAMES[:, :12, :12])
    lines = ["camNum\tframeNum\tsysClock\tbuffer"]
    for k in range(60):
        if k < 40:
            lines.append(f"1\t{k + 1}\t{50 * k + 7}\t1")
        lines.append(f"0\t{k + 1}\t{33 * k}\t1")
    (tmp_path / "timestamp.dat").write_text("\n".join(lines))
    movie = open_movie(tmp_path)
    np.testing.assert_array_equal(frame_source(movie).read(0, 40), FRAMES)
    assert movie.frame_rate_hz == pytest.approx(20)
    assert "behavCam1.avi" in " ".join(movie.description.remarks)


def test_the_speed_of_playing_is_told(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", FRAMES)
    movie = open_movie(tmp_path / "a.avi")
    assert movie.description.facts["frame_rate_hz"].certainty == "assumed"
    assert "60 Hz is the speed at which the video is played" in movie.description.remarks[0]
    assert open_movie(tmp_path / "a.avi", frame_rate_hz=20).frame_rate_hz == 20
