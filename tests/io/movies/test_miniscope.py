"""Miniscope videos with the files beside them: rate, times, cameras, palettes."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from napari_cnmf.errors import MovieError
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


def remarks_of(folder: Path) -> str:
    return " ".join(open_movie(folder).description.remarks)


def test_settings_of_images_of_another_size(tmp_path: Path) -> None:
    write_version_4(tmp_path, 50.0 * np.arange(40))
    settings = {"frameRate": "20FPS", "ROI": {"height": 608, "width": 600}}
    (tmp_path / "metaData.json").write_text(json.dumps(settings))
    movie = open_movie(tmp_path)
    assert movie.frame_rate_hz == pytest.approx(20), "as many times as frames: they belong together"
    assert "608 x 600 pixels and the videos have 24 x 30" in movie.description.remarks[0]
    (tmp_path / "timeStamps.csv").unlink()
    movie = open_movie(tmp_path)
    assert movie.frame_rate_hz == 60
    assert "belongs to another recording" in movie.description.remarks[0]


@pytest.mark.parametrize(
    ("told", "rate"),
    [("20FPS", 20), (20, 20), ("12.5 Hz", 12.5), ("12,5FPS", 12.5), ("auto", None), ("0FPS", None),
     ("20.5.1", None), (None, None)],
)  # fmt: skip
def test_frame_rates_in_the_settings(tmp_path: Path, told: object, rate: float | None) -> None:
    write_video(tmp_path / "0.avi", FRAMES)
    (tmp_path / "metaData.json").write_text(json.dumps({"frameRate": told}))
    movie = open_movie(tmp_path)
    assert movie.frame_rate_hz == (60 if rate is None else rate)
    assert ("no number of Hz" in remarks_of(tmp_path)) == (rate is None and told is not None)


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_settings_that_cannot_be_understood(tmp_path: Path, content: str) -> None:
    write_video(tmp_path / "0.avi", FRAMES)
    (tmp_path / "metaData.json").write_text(content)
    assert "metaData.json cannot be understood" in remarks_of(tmp_path)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "holds no times"),
        ([(k, "late") for k in range(40)], "holds no times"),
        ([(k, float("nan")) for k in range(40)], "do not increase"),
        ([(k, 50 * (k // 2)) for k in range(40)], "do not increase"),
        ([(k, 50 * (k % 20)) for k in range(40)], "do not increase"),
    ],
)
def test_times_that_cannot_be_used(
    tmp_path: Path, rows: list[tuple[int, object]], words: str
) -> None:
    write_version_4(tmp_path, 50.0 * np.arange(40), rate="15FPS")
    table = ["Frame Number,Time Stamp (ms),Buffer Index", *(f"{k},{t},0" for k, t in rows)]
    (tmp_path / "timeStamps.csv").write_text("\n".join(table))
    movie = open_movie(tmp_path)
    assert movie.frame_rate_hz == 15, "that of the settings"
    assert movie.time_s is None
    assert words in remarks_of(tmp_path)


def test_a_table_with_semicolons(tmp_path: Path) -> None:
    write_version_4(tmp_path, 40.0 * np.arange(40), rate="25FPS")
    path = tmp_path / "timeStamps.csv"
    path.write_text(path.read_text().replace(",", ";"))
    assert open_movie(tmp_path).frame_rate_hz == pytest.approx(25)
    assert remarks_of(tmp_path) == ""


def test_one_video_of_version_3_has_the_times_of_its_own_camera(tmp_path: Path) -> None:
    """The table of the behaviour camera is nearer to its number of frames."""
    for number, part in enumerate(np.split(FRAMES, 4)):
        write_video(tmp_path / f"msCam{number + 1}.avi", part)
    lines = ["camNum\tframeNum\tsysClock\tbuffer"]
    lines += [f"0\t{k + 1}\t{50 * k}\t1" for k in range(40)]
    lines += [f"1\t{k + 1}\t{100 * k}\t1" for k in range(20)]
    (tmp_path / "timestamp.dat").write_text("\n".join(lines))
    assert open_movie(tmp_path / "msCam1.avi").frame_rate_hz == pytest.approx(20)


def test_videos_that_are_missing_or_empty(tmp_path: Path) -> None:
    for number, part in enumerate(np.split(FRAMES, 4)):
        write_video(tmp_path / f"{number}.avi", part)
    (tmp_path / "1.avi").unlink()
    movie = open_movie(tmp_path)
    assert movie.n_frames == 30
    assert "By the numbers in the file names 1 is missing" in remarks_of(tmp_path)
    (tmp_path / "2.avi").write_bytes(b"")
    with pytest.raises(MovieError, match=r"2\.avi must be .*The other files can be read"):
        open_movie(tmp_path)
    movie = open_movie(tmp_path, allow_missing=True)
    np.testing.assert_array_equal(
        frame_source(movie).read(0, 20), FRAMES[[*range(10), *range(30, 40)]]
    )
    assert "Left out, because" in " ".join(movie.description.remarks)
