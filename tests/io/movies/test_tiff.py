"""TIFF as microscopes and ImageJ write it."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from napari_cnmf.errors import FrameRateUnknownError, MovieError
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.movies import ChannelUnknownError, ChoiceNeededError, store_of
from napari_cnmf.io.movies._stores import RawFrames

RNG = np.random.default_rng(4)


def read_all(movie) -> np.ndarray:
    return frame_source(movie).read(0, movie.n_frames)


@pytest.mark.parametrize("name", ["movie-2d.tif", "movie-3d.tif"])
def test_compressed_file(data_folder: Path, name: str) -> None:
    movie = open_movie(data_folder / name)
    np.testing.assert_array_equal(read_all(movie), tifffile.imread(data_folder / name))
    assert movie.name == name[:-4]


def test_unknown_frame_rate_is_not_assumed(data_folder: Path) -> None:
    movie = open_movie(data_folder / "movie-2d.tif")
    assert movie.frame_rate_hz is None
    with pytest.raises(FrameRateUnknownError, match=r"data\.fr"):
        movie.require_frame_rate()
    assert open_movie(data_folder / "movie-2d.tif", frame_rate_hz=10).require_frame_rate() == 10


def test_contiguous_file_is_read_without_decoding(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames)
    movie = open_movie(tmp_path / "a.tif")
    assert isinstance(store_of(movie), RawFrames)
    np.testing.assert_array_equal(movie.data[:, 2, 3].compute(), frames[:, 2, 3])


def test_cropped_movie_is_read_through_dask(tmp_path: Path, frames: np.ndarray) -> None:
    from dataclasses import replace

    tifffile.imwrite(tmp_path / "a.tif", frames)
    movie = open_movie(tmp_path / "a.tif")
    cropped = replace(movie, data=movie.data[2:, 1:4])
    assert store_of(cropped) is None
    np.testing.assert_array_equal(read_all(cropped), frames[2:, 1:4])


@pytest.mark.parametrize("compression", ["jpeg", "zstd", "packbits", "lzma", "deflate"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_other_compressions(tmp_path: Path, compression: str, tile: tuple[int, int] | None) -> None:
    smooth = np.add.outer(np.arange(4) * 9, np.add.outer(np.arange(37), np.arange(41)))
    tifffile.imwrite(
        tmp_path / "a.tif",
        smooth.astype(np.uint8),
        compression=compression,
        tile=tile,
        photometric="minisblack",
        metadata={"axes": "TYX"},
    )
    movie = open_movie(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_all(movie), tifffile.imread(tmp_path / "a.tif"))


class TestImageJ:
    def test_interval_unit_and_pixel_size(self, tmp_path: Path, frames: np.ndarray) -> None:
        tifffile.imwrite(
            tmp_path / "a.tif",
            frames,
            imagej=True,
            resolution=(2.0, 4.0),
            metadata={"axes": "TYX", "finterval": 50, "tunit": "ms", "unit": "micron", "fps": 7},
        )
        movie = open_movie(tmp_path / "a.tif")
        assert movie.frame_rate_hz == pytest.approx(20)
        assert movie.pixel_size_um == pytest.approx((0.25, 0.5))
        np.testing.assert_array_equal(read_all(movie), frames)

    def test_playing_speed_is_not_taken_for_the_rate(
        self, tmp_path: Path, frames: np.ndarray
    ) -> None:
        metadata = {"axes": "TYX", "fps": 7.5}
        tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata=metadata)
        movie = open_movie(tmp_path / "a.tif")
        assert movie.frame_rate_hz is None
        assert "7.5 Hz (fps) is the speed at which ImageJ plays" in movie.metadata["remarks"][0]
        assert "playing speed" in str(movie)
        assert [question.option for question in movie.description.questions] == ["frame_rate_hz"]

    def test_hyperstack_of_volumes_and_channels(self, tmp_path: Path) -> None:
        stack = np.arange(3 * 2 * 2 * 4 * 5, dtype=np.uint16).reshape(3, 2, 2, 4, 5)
        metadata = {"axes": "TZCYX", "spacing": 4.0, "unit": "um"}
        tifffile.imwrite(
            tmp_path / "a.tif", stack, imagej=True, metadata=metadata, resolution=(1, 1)
        )
        with pytest.raises(MovieError, match=r"One channel must be chosen.*2"):
            open_movie(tmp_path / "a.tif")
        movie = open_movie(tmp_path / "a.tif", channel=1)
        assert movie.pixel_size_um == (4.0, 1.0, 1.0)
        np.testing.assert_array_equal(read_all(movie), stack[:, :, 1])
        with pytest.raises(MovieError, match="channel must be between 0 and 1, got 2"):
            open_movie(tmp_path / "a.tif", channel=2)

    def test_stack_saved_as_slices_is_time(self, tmp_path: Path, frames: np.ndarray) -> None:
        tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata={"axes": "ZYX"})
        movie = open_movie(tmp_path / "a.tif")
        assert movie.shape == frames.shape
        remarks = [remark for remark in movie.description.remarks if "slices" in remark]
        assert remarks == [
            f"ImageJ calls the {len(frames)} images slices. They are read as frames in time; if "
            "they are planes of one volume, this is no recording in time."
        ]
        tifffile.imwrite(tmp_path / "t.tif", frames, imagej=True, metadata={"axes": "TYX"})
        said = open_movie(tmp_path / "t.tif").description.remarks
        assert not any("slices" in remark for remark in said)

    def test_script_that_named_no_axes(self, tmp_path: Path, frames: np.ndarray) -> None:
        many = np.concatenate([frames, frames])
        tifffile.imwrite(tmp_path / "a.tif", many, imagej=True)
        np.testing.assert_array_equal(read_all(open_movie(tmp_path / "a.tif")), many)

    def test_pixels_without_unit_have_no_size(self, tmp_path: Path, frames: np.ndarray) -> None:
        metadata = {"axes": "TYX"}
        tifffile.imwrite(
            tmp_path / "a.tif", frames, imagej=True, resolution=(72, 72), metadata=metadata
        )
        assert open_movie(tmp_path / "a.tif").pixel_size_um is None


class TestOme:
    def test_time_increment_and_sizes(self, tmp_path: Path, volumes: np.ndarray) -> None:
        metadata = {
            "axes": "TZYX",
            "TimeIncrement": 250,
            "TimeIncrementUnit": "ms",
            "PhysicalSizeX": 500,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.7,
            "PhysicalSizeZ": 5,
        }
        tifffile.imwrite(
            tmp_path / "a.ome.tif", volumes, metadata=metadata, photometric="minisblack"
        )
        movie = open_movie(tmp_path / "a.ome.tif")
        assert movie.frame_rate_hz == pytest.approx(4)
        assert movie.pixel_size_um == pytest.approx((5, 0.7, 0.5))
        assert movie.name == "a"

    def test_rate_from_times_of_planes(self, tmp_path: Path, frames: np.ndarray) -> None:
        times = [0.0, 0.1, 0.2, 0.3, 5.0, 5.1, 5.2]
        metadata = {"axes": "TYX", "Plane": {"DeltaT": times, "DeltaTUnit": ["s"] * 7}}
        tifffile.imwrite(
            tmp_path / "a.ome.tif", frames, metadata=metadata, photometric="minisblack"
        )
        assert open_movie(tmp_path / "a.ome.tif").frame_rate_hz == pytest.approx(10)

    def test_missing_file_of_a_set(self, tmp_path: Path, frames: np.ndarray) -> None:
        path = tmp_path / "a.ome.tif"
        tifffile.imwrite(path, frames, metadata={"axes": "TYX"}, photometric="minisblack")
        path.write_bytes(path.read_bytes().replace(b'SizeT="7"', b'SizeT="9"'))
        with pytest.raises(MovieError, match="must hold all 9 frames"):
            open_movie(path)


def write_scanimage(path: Path, pages: np.ndarray, **settings: str) -> None:
    """Pages with the header of ScanImage 2020 in their ``Software`` tag."""
    lines = ["SI.VERSION_MAJOR = 2020", *(f"SI.{key} = {value}" for key, value in settings.items())]
    regions = (
        '{"RoiGroups": {"imagingRoiGroup": {"rois": {"scanfields": '
        '{"sizeXY": [20, 10], "pixelResolutionXY": [10, 5]}}}}}'
    )
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for page in pages:
            writer.write(
                page,
                contiguous=False,
                metadata=None,
                software="\n".join(lines),
                extratags=[(315, "s", 0, regions, True)],
            )


class TestScanImage:
    def test_channels_are_taken_apart(self, tmp_path: Path) -> None:
        pages = np.arange(12 * 5 * 10, dtype=np.int16).reshape(12, 5, 10)
        write_scanimage(
            tmp_path / "a.tif",
            pages,
            **{
                "hChannels.channelSave": "[1;2]",
                "hRoiManager.scanFrameRate": "30.03",
                "hScan2D.logAverageFactor": "2",
                "hStackManager.framesPerSlice": "100",
                "objectiveResolution": "15",
            },
        )
        with pytest.raises(MovieError, match="channel"):
            open_movie(tmp_path / "a.tif")
        movie = open_movie(tmp_path / "a.tif", channel=1)
        assert movie.frame_rate_hz == pytest.approx(15.015)
        assert movie.pixel_size_um == (30, 30)
        np.testing.assert_array_equal(read_all(movie), pages[1::2])

    def test_volumes_with_their_own_rate(self, tmp_path: Path) -> None:
        pages = np.arange(12 * 5 * 10, dtype=np.int16).reshape(12, 5, 10)
        write_scanimage(
            tmp_path / "a.tif",
            pages,
            **{
                "hChannels.channelSave": "1",
                "hFastZ.enable": "true",
                "hStackManager.enable": "true",
                "hStackManager.numSlices": "3",
                "hStackManager.framesPerSlice": "1",
                "hRoiManager.scanFrameRate": "30",
                "hRoiManager.scanVolumeRate": "10",
            },
        )
        movie = open_movie(tmp_path / "a.tif")
        assert movie.frame_rate_hz == 10
        np.testing.assert_array_equal(read_all(movie), pages.reshape(4, 3, 5, 10))


class TestSessions:
    def test_files_of_different_length(self, tmp_path: Path, frames: np.ndarray) -> None:
        for name, part in {"b.tif": frames[:2], "a.tif": frames[2:5], "c.tif": frames[5:]}.items():
            compression = "zlib" if name == "a.tif" else None
            tifffile.imwrite(
                tmp_path / name, part, compression=compression, photometric="minisblack"
            )
        movie = open_movie([tmp_path / name for name in ("b.tif", "a.tif", "c.tif")])
        assert movie.metadata["frames_per_file"] == [2, 3, 2]
        np.testing.assert_array_equal(read_all(movie), frames)
        np.testing.assert_array_equal(frame_source(movie).read(1, 6), frames[1:6])

    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_folder_of_single_frames_in_natural_order(
        self, tmp_path: Path, frames: np.ndarray, compression: str | None
    ) -> None:
        many = np.concatenate([frames, frames + 1000])
        for index, frame in enumerate(many):
            tifffile.imwrite(tmp_path / f"frame_{index}.tif", frame, compression=compression)
        (tmp_path / "._frame_0.tif").write_bytes(b"finder")
        (tmp_path / "notes.txt").write_text("not a frame")
        movie = open_movie(tmp_path)
        assert movie.name == tmp_path.name
        assert [path.name for path in movie.paths[9:11]] == ["frame_9.tif", "frame_10.tif"]
        np.testing.assert_array_equal(read_all(movie), many)

    def test_single_frames_with_notes_of_different_length(
        self, tmp_path: Path, frames: np.ndarray
    ) -> None:
        for index, frame in enumerate(frames):
            tifffile.imwrite(tmp_path / f"{index}.tif", frame, description="x" * index)
        np.testing.assert_array_equal(read_all(open_movie(tmp_path)), frames)

    def test_one_file_a_volume(self, tmp_path: Path, volumes: np.ndarray) -> None:
        for index, volume in enumerate(volumes):
            tifffile.imwrite(tmp_path / f"{index}.tif", volume, photometric="minisblack")
        movie = open_movie(tmp_path, axes="ZYX", frame_rate_hz=2)
        np.testing.assert_array_equal(read_all(movie), volumes)
        np.testing.assert_array_equal(movie.data[2, 1].compute(), volumes[2, 1])
        tifffile.imwrite(tmp_path / "4.tif", volumes[0, :2], photometric="minisblack")
        with pytest.raises(MovieError, match=r"must have 3 planes.*got 2"):
            open_movie(tmp_path, axes="ZYX")

    def test_different_fields(self, tmp_path: Path, frames: np.ndarray) -> None:
        tifffile.imwrite(tmp_path / "a.tif", frames)
        tifffile.imwrite(tmp_path / "b.tif", frames[:, :4])
        with pytest.raises(MovieError, match=r"\(5, 11\) uint16.*\(4, 11\)"):
            open_movie([tmp_path / "a.tif", tmp_path / "b.tif"])

    def test_different_single_frames_of_equal_size(
        self, tmp_path: Path, frames: np.ndarray
    ) -> None:
        tifffile.imwrite(tmp_path / "0.tif", frames[0])
        tifffile.imwrite(tmp_path / "1.tif", frames[1].T.copy())
        with pytest.raises(MovieError, match=r"must be \(5, 11\).*got \(11, 5\)"):
            open_movie(tmp_path)

    def test_different_frame_rates(self, tmp_path: Path, frames: np.ndarray) -> None:
        for name, interval in {"a.tif": 0.1, "b.tif": 0.05}.items():
            metadata = {"axes": "TYX", "finterval": interval}
            tifffile.imwrite(tmp_path / name, frames, imagej=True, metadata=metadata)
        files = [tmp_path / "a.tif", tmp_path / "b.tif"]
        with pytest.raises(MovieError, match="10 to 20 Hz"):
            open_movie(files)
        assert open_movie(files, frame_rate_hz=15).frame_rate_hz == 15


class TestBadInput:
    def test_single_image(self, tmp_path: Path, frames: np.ndarray) -> None:
        tifffile.imwrite(tmp_path / "a.tif", frames[0])
        with pytest.raises(MovieError, match="single image"):
            open_movie(tmp_path / "a.tif")

    def test_not_a_tiff(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(b"nothing of the kind, but long enough to look at")
        with pytest.raises(MovieError, match="whole TIFF"):
            open_movie(tmp_path / "a.tif")

    @pytest.mark.parametrize("keep", [0.0, 0.05, 0.4, 0.6, 0.95])
    @pytest.mark.parametrize("form", ["contiguous", "pages", "zlib", "imagej", "ome"])
    def test_cut_short(self, tmp_path: Path, form: str, keep: float) -> None:
        movie = np.random.default_rng(0).integers(0, 4000, (40, 32, 48), np.uint16)
        path = tmp_path / ("a.ome.tif" if form == "ome" else "a.tif")
        if form in ("pages", "zlib"):
            with tifffile.TiffWriter(path) as writer:
                for frame in movie:
                    writer.write(
                        frame,
                        contiguous=False,
                        metadata=None,
                        compression="zlib" if form == "zlib" else None,
                    )
        else:
            tifffile.imwrite(path, movie, imagej=form == "imagej")
        os.truncate(path, int(keep * path.stat().st_size))
        with pytest.raises(MovieError):
            open_movie(path)

    def test_last_pages_missing(self, tmp_path: Path, frames: np.ndarray) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX"})
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"=7", b"=9"))
        with pytest.raises(MovieError, match="9"):
            open_movie(path)

    @pytest.mark.parametrize(
        ("axes", "found"),
        [("TY", "T, Y and X"), ("TYQ", "'TYQ'"), ("TYXZ", "one letter for each"), ("TTX", "once")],
    )
    def test_wrong_axes(self, tmp_path: Path, frames: np.ndarray, axes: str, found: str) -> None:
        tifffile.imwrite(tmp_path / "a.tif", frames)
        with pytest.raises(MovieError, match=found):
            open_movie(tmp_path / "a.tif", axes=axes)

    def test_only_channels(self, tmp_path: Path, frames: np.ndarray) -> None:
        metadata = {"axes": "CYX"}
        tifffile.imwrite(tmp_path / "a.tif", frames[:2], imagej=True, metadata=metadata)
        with pytest.raises(MovieError, match="only channels"):
            open_movie(tmp_path / "a.tif")

    def test_colour(self, tmp_path: Path) -> None:
        colours = np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3)
        tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb")
        with pytest.raises(MovieError, match="channel"):
            open_movie(tmp_path / "a.tif")
        np.testing.assert_array_equal(
            read_all(open_movie(tmp_path / "a.tif", channel=2)), colours[..., 2]
        )

    def test_file_that_shrinks_after_opening(self, tmp_path: Path, frames: np.ndarray) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, frames)
        movie = open_movie(path)
        os.truncate(path, 600)
        with pytest.raises(MovieError, match="copy it again"):
            read_all(movie)
        path.unlink()
        with pytest.raises(MovieError, match="No such file"):
            movie.data[0].compute()


def test_options_that_a_plain_file_has_no_use_for(tmp_path: Path, frames: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, frames)
    np.save(tmp_path / "a.npy", frames)
    for one in (path, tmp_path / "a.npy"):
        with pytest.raises(MovieError, match="dataset must be left out for a, got 'mov'"):
            open_movie(one, dataset="mov")
        with pytest.raises(MovieError, match="field must be left out for a, got 2"):
            open_movie(one, field=2)
        assert open_movie(one, field=0).n_frames == len(frames)


def test_a_header_of_the_stack_that_an_image_was_saved_from(
    tmp_path: Path, frames: np.ndarray
) -> None:
    """As ImageJ left it in single images: it names all images of the stack."""
    height, width = frames.shape[1:]
    text = b"ImageJ=1.49i\nimages=3500\nslices=3500\nloop=false\n\0"
    for k, frame in enumerate(frames):
        pixels = frame.astype("<u2").tobytes()
        at = 8 + len(pixels) + len(text)
        at += at % 2
        entries = [
            (256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, 16), (259, 3, 1, 1),
            (262, 3, 1, 1), (270, 2, len(text), 8 + len(pixels)), (273, 4, 1, 8), (277, 3, 1, 1),
            (278, 3, 1, height), (279, 4, 1, len(pixels)),
        ]  # fmt: skip
        ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
        body = struct.pack("<2sHI", b"II", 42, at) + pixels + text
        (tmp_path / f"{k}.tif").write_bytes(body.ljust(at, b"\0") + ifd + bytes(4))
    movie = open_movie(tmp_path)
    np.testing.assert_array_equal(frame_source(movie).read(0, len(frames)), frames)
    assert "that of the stack from which the image was saved" in movie.description.remarks[0]


def test_a_long_file_is_described_without_following_its_images(tmp_path: Path) -> None:
    """Headers that lie evenly are looked at in a sample, not one by one."""
    n, side, text = 5000, 8, b"a text of every image\0\0"
    size = 8 + 11 * 20 + 8 + len(text) + 2 * side * side
    path = tmp_path / "a.tif"
    with path.open("wb") as stream:
        stream.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16))
        for k in range(n):
            at = 16 + k * size
            pixels = at + size - 2 * side * side
            entries = [
                (256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 16), (259, 3, 1, 1),
                (262, 3, 1, 1), (270, 2, len(text), pixels - len(text)), (273, 16, 1, pixels),
                (277, 3, 1, 1), (278, 4, 1, side), (279, 16, 1, 2 * side * side), (339, 3, 1, 1),
            ]  # fmt: skip
            stream.write(struct.pack("<Q", 11))
            stream.write(b"".join(struct.pack("<HHQQ", *entry) for entry in entries))
            stream.write(struct.pack("<Q", at + size if k < n - 1 else 0) + text)
            stream.write(np.full(side * side, k, "<u2").tobytes())
    counters = psutil.Process().io_counters if hasattr(psutil.Process(), "io_counters") else None
    before = counters().read_count if counters else 0
    movie = open_movie(path)
    if counters:
        assert counters().read_count - before < n
    assert movie.shape == (n, side, side)
    assert (frame_source(movie).read(n - 2, n - 1) == n - 2).all()


def test_files_of_a_session_that_are_missing_by_their_numbers(
    tmp_path: Path, frames: np.ndarray
) -> None:
    for k in (1, 2, 5):
        tifffile.imwrite(tmp_path / f"rec_{k}.tif", frames)
    movie = open_movie(tmp_path)
    assert movie.n_frames == 3 * len(frames)
    assert "By the numbers in the file names 3-4 are missing" in " ".join(movie.description.remarks)
    (tmp_path / "rec_5.tif").rename(tmp_path / "rec_3.tif")
    assert open_movie(tmp_path).description.remarks == ()


def test_channels_of_single_images_that_differ_in_length_are_told(tmp_path: Path) -> None:
    for channel, n in ((1, 8), (2, 6)):
        for k in range(n):
            tifffile.imwrite(tmp_path / f"a_ch{channel}_{k:03d}.tif", np.full((6, 9), k, np.uint16))
    movie = open_movie(tmp_path, channel=0)
    assert movie.n_frames == 8
    assert "channel 1 8, channel 2 6 images" in " ".join(movie.description.remarks)


@pytest.mark.parametrize(
    ("pattern", "words", "is_asked"),
    [
        ("img_{t:09d}_{c}_000", ("DAPI", "Cy5"), True),
        ("img_{t:03d}_{c}", ("470", "blank"), True),
        ("{c}_{t:04d}", ("gcamp6f", "tdTomato"), False),
        ("cell_{c}_{t:03d}", ("Cy3", "Cy5"), False),
        ("{t:04d}_{c}", ("488nm", "561nm"), False),
    ],
)
def test_channels_whose_names_hold_digits(
    tmp_path: Path, pattern: str, words: tuple[str, str], is_asked: bool
) -> None:
    movie = RNG.integers(0, 999, (9, 2, 6, 8)).astype(np.uint16)
    for t, c in np.ndindex(9, 2):
        tifffile.imwrite(tmp_path / f"{pattern.format(t=t, c=words[c])}.tif", movie[t, c])
    with pytest.raises(ChoiceNeededError) as caught:
        open_movie(tmp_path)
    assert caught.value.option == ("n_channels" if is_asked else "channel")
    in_order = sorted(range(2), key=lambda c: words[c].lower())
    for channel, c in enumerate(in_order):
        found = open_movie(tmp_path, n_channels=2, channel=channel)
        np.testing.assert_array_equal(read_all(found), movie[:, c])
    # Micro-Manager names the channels of its files: nothing is left to ask but which.
    notes = {"Summary": {"ChNames": list(words), "Interval_ms": 50}}
    (tmp_path / "metadata.txt").write_text(json.dumps(notes))
    for c, word in enumerate(words):
        found = open_movie(tmp_path, channel=c)
        np.testing.assert_array_equal(read_all(found), movie[:, c])
        assert word in found.description.facts["channels"].text


@pytest.mark.parametrize("kind", ["tif", "npy", "volumes"])
def test_files_of_one_time_point_keep_the_pauses_of_their_numbers(
    tmp_path: Path, kind: str
) -> None:
    movie = RNG.integers(0, 999, (8, 3, 6, 9)).astype(np.uint16)
    kept = [0, 1, 2, 5, 6, 7]
    ending = "npy" if kind == "npy" else "tif"
    files = [tmp_path / f"a_{t:03d}.{ending}" for t in kept]
    for path, t in zip(files, kept, strict=True):
        if kind == "npy":
            np.save(path, movie[t, :1])
        else:
            image = movie[t] if kind == "volumes" else movie[t, 0]
            tifffile.imwrite(path, image, photometric="minisblack")
    options = {"axes": "ZYX"} if kind == "volumes" else {}
    found = open_movie(files, frame_rate_hz=4, **options)
    np.testing.assert_array_equal(read_all(found), movie[kept] if options else movie[kept, 0])
    np.testing.assert_allclose(found.time_s - found.time_s[0], np.array(kept) / 4)
    assert "Frames 3-4 of the numbering" in " ".join(found.description.remarks)
    # In an order of the user's own the numbers tell no times.
    turned = open_movie(files[::-1], frame_rate_hz=4, **options)
    assert turned.time_s is None
    assert (read_all(turned)[0] == read_all(found)[-1]).all()


def test_planes_that_are_stored_as_samples_of_a_colour(tmp_path: Path) -> None:
    """``imwrite`` stores three planes as red, green and blue, unless it is told not to."""
    movie = RNG.integers(0, 999, (8, 3, 12, 9)).astype(np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, movie, photometric="rgb", planarconfig="separate")
    with pytest.raises(ChannelUnknownError):
        open_movie(path)
    np.testing.assert_array_equal(read_all(open_movie(path, axes="TZYX")), movie)
    np.testing.assert_array_equal(read_all(open_movie(path, axes="TZYX", plane=2)), movie[:, 2])
    for options in ({}, {"axes": "TCYX"}):
        np.testing.assert_array_equal(read_all(open_movie(path, channel=2, **options)), movie[:, 2])
    metadata = {"axes": "TZYX"}
    tifffile.imwrite(path, movie, photometric="rgb", planarconfig="separate", metadata=metadata)
    np.testing.assert_array_equal(read_all(open_movie(path)), movie)
    volume = {"axes": "ZYX"}
    files = [tmp_path / f"v{t}.tif" for t in range(8)]
    for t, file in enumerate(files):
        tifffile.imwrite(
            file, movie[t], photometric="rgb", planarconfig="separate", metadata=volume
        )
    np.testing.assert_array_equal(read_all(open_movie(files, axes="ZYX")), movie)
