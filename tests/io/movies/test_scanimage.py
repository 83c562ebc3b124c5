"""ScanImage 3.8 to 2023: channels, volumes, flyback, scan fields, files split anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.errors import MovieError
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.movies import ChannelUnknownError, ChoiceNeededError, describe_recording

RATE = 30.0


def read_all(movie) -> np.ndarray:
    return frame_source(movie).read(0, movie.n_frames)


def write(
    path: Path,
    pages: np.ndarray,
    settings: Mapping[str, str],
    *,
    n_channels: int = 1,
    first_frame: int = 1,
    start_s: float = 0.0,
    rois: object = None,
    epoch: str = "2026 1 2 3 4 5.000",
    bigtiff: bool = True,
) -> Path:
    """Pages with the headers of ScanImage 2020: settings once, frame number and time in each."""
    lines = ["SI.VERSION_MAJOR = 2020", *(f"SI.{key} = {value}" for key, value in settings.items())]
    artist = json.dumps({"RoiGroups": {"imagingRoiGroup": {"rois": rois}}} if rois else {})
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as writer:
        for page, image in enumerate(pages):
            frame = page // n_channels
            description = (
                f"frameNumbers = {first_frame + frame:8d}\n"
                f"frameTimestamps_sec = {start_s + frame / RATE:16.9f}\nepoch = [{epoch}]\n"
            )
            writer.write(
                image,
                contiguous=False,
                metadata=None,
                software="\n".join(lines),
                description=description,
                photometric="minisblack",
                extratags=[(315, "s", 0, artist, True)],
            )
    return path


def numbered(n_volumes: int, n_planes: int, n_channels: int, n_flyback: int = 0) -> np.ndarray:
    """Pages ``(n, 6, 9)`` whose value tells volume, plane and channel; flyback pages are 0."""
    t, z, c = np.indices((n_volumes, n_planes + n_flyback, n_channels))
    values = np.where(z < n_planes, 1 + t + 100 * z + 1000 * c, 0)
    return np.broadcast_to(values.reshape(-1, 1, 1), (values.size, 6, 9)).astype(np.int16)


def volume_settings(n_planes: int, n_channels: int, n_flyback: int = 0) -> dict[str, str]:
    return {
        "hChannels.channelSave": f"[{';'.join(str(k + 1) for k in range(n_channels))}]",
        "hFastZ.enable": "true",
        "hFastZ.numDiscardFlybackFrames": str(n_flyback),
        "hFastZ.discardFlybackFrames": "true" if n_flyback else "false",
        "hStackManager.enable": "true",
        "hStackManager.numSlices": str(n_planes),
        "hStackManager.framesPerSlice": "1",
        "hStackManager.numFramesPerVolume": str(n_planes),
        "hStackManager.numFramesPerVolumeWithFlyback": str(n_planes + n_flyback),
        "hStackManager.stackZStepSize": "20",
        "hRoiManager.scanFrameRate": str(RATE),
        "hRoiManager.scanVolumeRate": str(RATE / (n_planes + n_flyback)),
    }


def split(tmp_path: Path, pages: np.ndarray, cuts: Sequence[int], **options: object) -> list[Path]:
    """Files that are cut at these pages."""
    n_channels = int(options.get("n_channels", 1))  # type: ignore[call-overload]
    ends = [0, *cuts, len(pages)]
    return [
        write(
            tmp_path / f"a_00001_{k + 1:05d}.tif",
            pages[a:b],
            first_frame=a // n_channels + 1,
            start_s=a // n_channels / RATE,
            **options,  # type: ignore[arg-type]
        )
        for k, (a, b) in enumerate(pairwise(ends))
    ]


@pytest.mark.parametrize("n_planes", [2, 5])
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("n_flyback", [0, 1, 3])
@pytest.mark.parametrize("cuts", [(), (9,), (14, 21)], ids=["one file", "two", "three"])
def test_volumes_channels_and_flyback_split_anywhere(
    tmp_path: Path, n_planes: int, n_channels: int, n_flyback: int, cuts: tuple[int, ...]
) -> None:
    pages = numbered(12, n_planes, n_channels, n_flyback)
    settings = volume_settings(n_planes, n_channels, n_flyback)
    files = split(tmp_path, pages, cuts, settings=settings, n_channels=n_channels)
    channel = n_channels - 1
    movie = open_movie(files, channel=channel)
    want = pages.reshape(12, n_planes + n_flyback, n_channels, 6, 9)[:, :n_planes, channel]
    np.testing.assert_array_equal(read_all(movie), want)
    assert movie.frame_rate_hz == pytest.approx(RATE / (n_planes + n_flyback))
    assert movie.time_s is None
    assert any("flyback" in remark for remark in movie.description.remarks) == bool(n_flyback)
    begins = np.arange(12) * (n_planes + n_flyback) * n_channels + channel
    of_files = np.bincount(np.searchsorted(cuts, begins, side="right"))
    if np.count_nonzero(of_files) > 1:
        assert movie.metadata["frames_per_file"] == of_files[of_files > 0].tolist()
    else:
        assert "frames_per_file" not in movie.metadata
    again = open_movie(list(movie.paths), **movie.opened_with)
    np.testing.assert_array_equal(again.data[7].compute(), want[7])


def test_a_frame_that_lost_a_channel_between_two_files(tmp_path: Path) -> None:
    """A file that ends in the middle of a frame, and another that does not go on there."""
    pages = numbered(20, 1, 2)
    settings = {"hChannels.channelSave": "[1;2]", "hRoiManager.scanFrameRate": str(RATE)}
    first = write(tmp_path / "a_1.tif", pages[:9], settings, n_channels=2)
    then = write(
        tmp_path / "a_2.tif", pages[10:], settings, n_channels=2, first_frame=6, start_s=5 / RATE
    )
    movie = open_movie([first, then], channel=1)
    want = np.delete(pages[1::2], 4, axis=0)
    np.testing.assert_array_equal(read_all(movie), want)
    assert any("1 of its 2 channels" in remark for remark in movie.description.remarks)
    assert movie.time_s is not None
    np.testing.assert_allclose(np.diff(movie.time_s)[[0, 3, 4]], np.array([1, 2, 1]) / RATE)


def test_flyback_images_that_are_not_stored(tmp_path: Path) -> None:
    """The number of images shows what the header does not."""
    settings = volume_settings(3, 1, 2) | {"hStackManager.numVolumes": "8"}
    path = write(tmp_path / "a.tif", numbered(8, 3, 1), settings)
    movie = open_movie(path)
    assert movie.shape == (8, 3, 6, 9)
    assert "not stored" in movie.description.remarks[0]
    overruled = open_movie(path, n_planes=4, n_flyback=0)
    assert overruled.shape == (6, 4, 6, 9)


def test_every_line_can_be_overruled(tmp_path: Path) -> None:
    pages = numbered(6, 3, 2)
    path = write(tmp_path / "a.tif", pages, volume_settings(3, 2), n_channels=2)
    one = open_movie(path, n_channels=1, n_planes=6, frame_rate_hz=4, pixel_size_um=(5, 2, 1))
    assert one.shape == (6, 6, 6, 9)
    assert one.frame_rate_hz == 4
    assert one.pixel_size_um == (5, 2, 1)
    assert one.description.facts["frame_rate_hz"].source == "you"
    plane = open_movie(path, channel=1, plane=2)
    np.testing.assert_array_equal(read_all(plane), pages.reshape(6, 3, 2, 6, 9)[:, 2, 1])
    with pytest.raises(MovieError, match="plane must be between 0 and 2, got 3"):
        open_movie(path, channel=1, plane=3)


def test_two_channels_are_asked_for_by_name(tmp_path: Path) -> None:
    settings = {"hChannels.channelSave": "[1;4]", "hRoiManager.scanFrameRate": "30"}
    path = write(tmp_path / "a.tif", numbered(9, 1, 2), settings, n_channels=2)
    with pytest.raises(ChannelUnknownError, match="0: channel 1, 1: channel 4"):
        open_movie(path)
    found = describe_recording(path)
    assert [(q.option, q.choices) for q in found.questions] == [
        ("channel", ((0, "channel 1"), (1, "channel 4")))
    ]
    assert found.facts["channels"].certainty == "asked"
    assert found.facts["frames"].value == 9


def test_a_missing_file_leaves_a_gap_in_time(tmp_path: Path) -> None:
    pages = numbered(40, 1, 1)
    settings = {"hChannels.channelSave": "1", "hRoiManager.scanFrameRate": str(RATE)}
    files = split(tmp_path, pages, (10, 20, 30), settings=settings)
    movie = open_movie([files[0], files[1], files[3]])
    assert movie.n_frames == 30
    assert "Frames 21-30 are missing" in " ".join(movie.description.remarks)
    assert movie.time_s[20] - movie.time_s[19] == pytest.approx(11 / RATE, rel=1e-3)
    assert movie.frame_rate_hz == pytest.approx(RATE)


def test_missing_file_in_the_middle_of_a_volume_turns_no_planes(tmp_path: Path) -> None:
    pages = numbered(20, 3, 2)
    options = {"settings": volume_settings(3, 2), "n_channels": 2}
    files = split(tmp_path, pages, (50, 70), **options)
    movie = open_movie([files[0], files[2]], channel=1)
    volumes = read_all(movie)
    assert set((volumes[:, :, 0, 0] // 100 % 10).ravel(order="F")[: len(volumes)]) == {0}
    np.testing.assert_array_equal(volumes[:, 1] - volumes[:, 0], 100)
    assert any("not whole" in remark for remark in movie.description.remarks)


def test_acquisitions_one_after_the_other(tmp_path: Path) -> None:
    """Frame numbers begin again: the pause between two acquisitions is known from their epochs."""
    settings = {"hChannels.channelSave": "1", "hRoiManager.scanFrameRate": str(RATE)}
    pages = numbered(10, 1, 1)
    files = [
        write(tmp_path / "a_1.tif", pages, settings),
        write(tmp_path / "a_2.tif", pages + 50, settings, epoch="2026 1 2 3 4 35.000"),
    ]
    movie = open_movie(files)
    np.testing.assert_array_equal(read_all(movie), np.concatenate([pages, pages + 50]))
    assert movie.time_s[10] == pytest.approx(30.0)
    assert "a pause of 29.7 s between a_1.tif and a_2.tif (ScanImage epoch)" in " ".join(
        movie.description.remarks
    )


def field(x: float, rows: int, **more: object) -> dict[str, object]:
    one = {"centerXY": [x, 0], "sizeXY": [2, 4], "pixelResolutionXY": [9, rows]}
    return {"zs": 0, "scanfields": one, **more}


@pytest.mark.parametrize("heights", [(4, 4), (3, 5), (2, 3, 2)])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_scan_fields_are_movies_of_their_own(
    tmp_path: Path, heights: tuple[int, ...], compression: str | None
) -> None:
    between = 3
    rows = sum(heights) + between * (len(heights) - 1)
    pages = np.random.default_rng(0).integers(0, 999, (11, rows, 9)).astype(np.int16)
    settings = {
        "hChannels.channelSave": "1",
        "hRoiManager.mroiEnable": "1",
        "hRoiManager.scanFrameRate": "11",
        "objectiveResolution": "15",
    }
    rois = [field(10.0 * k, n) for k, n in enumerate(heights)]
    path = write(tmp_path / "a.tif", pages, settings, rois=rois)
    if compression:
        with tifffile.TiffFile(path) as tiff:
            head = tiff.pages.first
            tags = {"software": head.software, "description": head.description}
            artist = head.tags.valueof("Artist")
        tifffile.imwrite(
            path, pages, compression=compression, metadata=None, photometric="minisblack",
            extratags=[(315, "s", 0, artist, True)], **tags,
        )  # fmt: skip
    with pytest.raises(ChoiceNeededError, match="each is a movie of its own") as caught:
        open_movie(path)
    assert caught.value.option == "field"
    assert len(caught.value.choices) == len(heights)
    first = 0
    for k, height in enumerate(heights):
        movie = open_movie(path, field=k)
        np.testing.assert_array_equal(read_all(movie), pages[:, first : first + height])
        np.testing.assert_array_equal(movie.data[4, 1, 2:5].compute(), pages[4, first + 1, 2:5])
        assert movie.pixel_size_um == pytest.approx((4 * 15 / height, 2 * 15 / 9))
        first += height + between


def test_planes_recorded_one_after_the_other(tmp_path: Path) -> None:
    settings = volume_settings(3, 1) | {
        "hStackManager.framesPerSlice": "20",
        "hStackManager.numFramesPerVolume": "60",
        "hStackManager.numFramesPerVolumeWithFlyback": "60",
        "hFastZ.enable": "false",
    }
    pages = np.repeat(numbered(1, 3, 1), 20, axis=0)
    path = write(tmp_path / "a.tif", pages, settings)
    with pytest.raises(ChoiceNeededError, match="One plane must be chosen") as caught:
        open_movie(path)
    assert caught.value.option == "plane"
    np.testing.assert_array_equal(read_all(open_movie(path, plane=1)), pages[20:40])


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("n_planes", [1, 3])
def test_version_3_8(tmp_path: Path, n_channels: int, n_planes: int) -> None:
    """A plain TIFF (not BigTIFF) whose settings stand in the description of every page."""
    per_plane = 1 if n_planes > 1 else 24
    text = (
        "state.configPath='C:\\\\cfg'\rstate.software.version=3.8\r"
        f"state.acq.numberOfChannelsSave={n_channels}\rstate.acq.savingChannel1=1\r"
        f"state.acq.savingChannel2={n_channels - 1}\rstate.acq.numberOfFrames={per_plane}\r"
        f"state.acq.numberOfZSlices={n_planes}\rstate.acq.frameRate=15.63\r"
    )
    pages = numbered(24, n_planes, n_channels)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            writer.write(page, contiguous=False, metadata=None, description=text)
    movie = open_movie(tmp_path / "a.tif", channel=n_channels - 1)
    want = pages.reshape(24, n_planes, n_channels, 6, 9)[:, :, -1]
    np.testing.assert_array_equal(read_all(movie), want if n_planes > 1 else want[:, 0])
    assert movie.frame_rate_hz == pytest.approx(15.63 / n_planes)


@pytest.mark.parametrize("prefix", ["scanimage.SI4", "scanimage.SI"])
def test_versions_4_and_5(tmp_path: Path, prefix: str) -> None:
    names = {
        "scanimage.SI4": ("channelsSave", "scanFrameRate"),
        "scanimage.SI": ("hChannels.channelSave", "hRoiManager.scanFrameRate"),
    }[prefix]
    pages = numbered(10, 1, 2)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for k, page in enumerate(pages):
            text = f"Frame Number = {k // 2 + 1}\n{prefix}.{names[0]} = [1 2]\n"
            text += f"{prefix}.{names[1]} = 29.5\n"
            writer.write(page, contiguous=False, metadata=None, description=text)
    movie = open_movie(tmp_path / "a.tif", channel=0)
    np.testing.assert_array_equal(read_all(movie), pages[::2])
    assert movie.frame_rate_hz == pytest.approx(29.5)


def test_a_recording_that_was_interrupted(tmp_path: Path) -> None:
    """The end of the file is lost: it is refused, and what is whole is offered."""
    settings = {"hChannels.channelSave": "1", "hRoiManager.scanFrameRate": "30"}
    path = write(tmp_path / "a.tif", numbered(20, 1, 1), settings)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    with pytest.raises(MovieError, match="allow_missing=True"):
        open_movie(path)
    movie = open_movie(path, allow_missing=True)
    assert 8 < movie.n_frames < 20
    np.testing.assert_array_equal(read_all(movie), numbered(20, 1, 1)[: movie.n_frames])
    assert "cut short" in " ".join(movie.description.remarks)


def test_values_below_zero_and_the_offset_are_told(tmp_path: Path) -> None:
    settings = {
        "hChannels.channelSave": "1",
        "hChannels.channelSubtractOffset": "[true]",
        "hRoiManager.scanFrameRate": "30",
    }
    pages = (numbered(9, 1, 1) - 40).astype(np.int16)
    movie = open_movie(write(tmp_path / "a.tif", pages, settings))
    np.testing.assert_array_equal(read_all(movie), pages)
    assert "offset subtracted" in movie.description.facts["values"].text
    np.testing.assert_array_equal(read_all(open_movie(tmp_path / "a.tif", offset=100)), pages + 100)


def averaged_settings(**more: str) -> dict[str, str]:
    return {
        "hChannels.channelSave": "1",
        "hScan2D.logAverageFactor": "8",
        "hRoiManager.scanFrameRate": str(RATE),
    } | {key.replace("_", "."): value for key, value in more.items()}


def write_averaged(
    path: Path,
    pages: np.ndarray,
    settings: Mapping[str, str],
    numbers: Sequence[int],
    step_s: float = 1 / RATE,
) -> Path:
    """Pages whose headers number the frames that were recorded before averaging."""
    lines = ["SI.VERSION_MAJOR = 2020", *(f"SI.{key} = {value}" for key, value in settings.items())]
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for image, number in zip(pages, numbers, strict=True):
            writer.write(
                image, contiguous=False, metadata=None, software="\n".join(lines),
                description=f"frameNumbers = {number}\nframeTimestamps_sec = {number * step_s}\n",
                photometric="minisblack", extratags=[(315, "s", 0, "{}", True)],
            )  # fmt: skip
    return path


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("counts_recorded", [True, False])
def test_averaged_frames_go_on_over_files(
    tmp_path: Path, n_channels: int, counts_recorded: bool
) -> None:
    pages = numbered(40, 1, n_channels)
    settings = averaged_settings() | {"hChannels.channelSave": "[1;2]" if n_channels == 2 else "1"}
    step = 8 if counts_recorded else 1
    numbers = np.repeat(step * np.arange(1, 41), n_channels).tolist()
    step_s = 8 / RATE / step
    cut = 24 * n_channels
    files = [
        write_averaged(tmp_path / "a_00001.tif", pages[:cut], settings, numbers[:cut], step_s),
        write_averaged(tmp_path / "a_00002.tif", pages[cut:], settings, numbers[cut:], step_s),
    ]
    movie = open_movie(files, channel=n_channels - 1)
    np.testing.assert_array_equal(read_all(movie), pages[n_channels - 1 :: n_channels])
    assert movie.frame_rate_hz == pytest.approx(RATE / 8)
    assert movie.description.remarks == ()
    second = open_movie(files[1], channel=0)
    assert "begins with frame 25" in " ".join(second.description.remarks)


@pytest.mark.parametrize("stored", [0, 1])
@pytest.mark.parametrize("n_flyback", [0, 1])
def test_averaged_volumes(tmp_path: Path, stored: int, n_flyback: int) -> None:
    """Flyback frames are not averaged: they are stored alone, or not at all."""
    per_volume = 28 + n_flyback
    stored *= n_flyback
    settings = averaged_settings() | {
        "hScan2D.logAverageFactor": "7", "hFastZ.enable": "true", "hStackManager.enable": "true",
        "hStackManager.numSlices": "4", "hStackManager.framesPerSlice": "7",
        "hStackManager.numFramesPerVolumeWithFlyback": str(per_volume),
        "hRoiManager.scanVolumeRate": str(RATE / per_volume),
    }  # fmt: skip
    within = [7, 14, 21, 28, *([29] if stored else [])]
    numbers = [per_volume * volume + frame for volume in range(9) for frame in within]
    pages = numbered(9, 4, 1, stored)
    path = write_averaged(tmp_path / "a.tif", pages, settings, numbers)
    movie = open_movie(path)
    want = pages.reshape(9, 4 + stored, 6, 9)[:, :4]
    np.testing.assert_array_equal(read_all(movie), want)
    assert movie.frame_rate_hz == pytest.approx(RATE / per_volume, rel=1e-3)
    assert any("flyback" in remark for remark in movie.description.remarks) == bool(stored)


def test_flyback_of_averaged_frames_is_asked_about_where_nothing_tells(tmp_path: Path) -> None:
    settings = averaged_settings() | {
        "hFastZ.enable": "true", "hStackManager.enable": "true", "hStackManager.numSlices": "4",
        "hStackManager.framesPerSlice": "8", "hStackManager.numFramesPerVolumeWithFlyback": "40",
    }  # fmt: skip
    path = write(tmp_path / "a.tif", numbered(10, 4, 1, 1), settings)
    with pytest.raises(ChoiceNeededError, match="n_flyback=0 or n_flyback=1") as caught:
        open_movie(path)
    assert caught.value.option == "n_flyback"
    want = numbered(10, 4, 1, 1).reshape(10, 5, 6, 9)[:, :4]
    np.testing.assert_array_equal(read_all(open_movie(path, n_flyback=1)), want)
    assert describe_recording(path).questions[0].option == "n_flyback"


def test_a_header_of_other_channels_than_the_frames_is_asked_about(tmp_path: Path) -> None:
    """As of a file whose second channel another program removed."""
    settings = {"hChannels.channelSave": "[1;2]", "hRoiManager.scanFrameRate": str(RATE)}
    pages = numbered(30, 1, 1)
    path = write(tmp_path / "a.tif", pages, settings)
    with pytest.raises(ChoiceNeededError, match="names 2 and the numbers of the frames show 1"):
        open_movie(path)
    np.testing.assert_array_equal(read_all(open_movie(path, n_channels=1)), pages)


def test_a_rate_that_contradicts_the_time_stamps_is_told(tmp_path: Path) -> None:
    settings = {"hChannels.channelSave": "1", "hRoiManager.scanFrameRate": str(3 * RATE)}
    movie = open_movie(write(tmp_path / "a.tif", numbered(30, 1, 1), settings))
    assert movie.frame_rate_hz == pytest.approx(RATE)
    assert "tells 90 Hz and the ScanImage time stamps 30 Hz" in movie.description.remarks[0]


def test_a_loop_whose_frame_numbers_go_on_keeps_the_pauses_between_its_files(
    tmp_path: Path,
) -> None:
    pages = numbered(15, 1, 1)
    settings = {"hChannels.channelSave": "1", "hRoiManager.scanFrameRate": str(RATE)}
    files = [
        write(
            tmp_path / f"a_0000{k + 1}.tif", pages[5 * k : 5 * k + 5], settings,
            first_frame=5 * k + 1, start_s=60.0 * k,
        )
        for k in range(3)
    ]  # fmt: skip
    movie = open_movie(files)
    want = np.concatenate([60.0 * k + np.arange(5) / RATE for k in range(3)])
    np.testing.assert_allclose(movie.time_s, want, atol=1e-6)
    assert "2 gaps" in " ".join(movie.description.remarks)
    assert movie.frame_rate_hz == pytest.approx(RATE)
