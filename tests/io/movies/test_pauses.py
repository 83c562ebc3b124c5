"""Pauses between the files of one session, by the moment at which each says that it began."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import quoteattr

import av
import h5py
import numpy as np
import pytest
import tifffile

from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.movies import remarks_on
from napari_cnmf.io.movies._clock import start_of_text
from napari_cnmf.model.movie import Movie

RATE = 20.0
N_FRAMES = 12
BEGAN = datetime(2026, 3, 1, 23, 59, 58, 250_000)
OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
Writer = Callable[[Path, datetime, np.ndarray], list[Path]]


def remarks(movie: Movie) -> str:
    return " ".join(movie.description.remarks)


def write_ome(
    folder: Path, began: datetime, movie: np.ndarray, *, first_s: float = 0.0, is_timed: bool = True
) -> list[Path]:
    planes = "".join(
        f'<Plane TheZ="0" TheC="0" TheT="{t}" DeltaT="{first_s + t / RATE}"/>'
        for t in range(len(movie))
    )
    date = (began - timedelta(seconds=first_s)).isoformat()
    xml = (
        f'<?xml version="1.0"?><OME xmlns="{OME}"><Image ID="Image:0">'
        f'<AcquisitionDate>{date}</AcquisitionDate><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        f'Type="uint16" SizeX="{movie.shape[2]}" SizeY="{movie.shape[1]}" SizeZ="1" SizeC="1" '
        f'SizeT="{len(movie)}" TimeIncrement="{1 / RATE}"><TiffData/>'
        f"{planes if is_timed else ''}</Pixels></Image></OME>"
    )
    path = folder / f"{folder.name}.ome.tif"
    tifffile.imwrite(path, movie, metadata=None, description=xml.encode(), photometric="minisblack")
    return [path]


def write_ome_by_rate(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    return write_ome(folder, began, movie, is_timed=False)


def write_ome_late(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    return write_ome(folder, began, movie, first_s=1.5)


def write_nwb(
    folder: Path, began: datetime, movie: np.ndarray, *, zero: datetime | None = None, how="rate"
) -> list[Path]:
    path = folder / f"{folder.name}.nwb"
    zero = began - timedelta(seconds=3) if zero is None else zero
    first = (began - zero).total_seconds()
    with h5py.File(path, "w") as file:
        file["session_start_time"] = "2001-01-01T00:00:00"
        file["timestamps_reference_time"] = f"{zero.isoformat()}+01:00"
        series = file.create_group("acquisition/Field")
        series.attrs["neurodata_type"] = "TwoPhotonSeries"
        series["data"] = movie.transpose(0, 2, 1)
        if how == "rate":
            series["starting_time"] = first
            series["starting_time"].attrs["rate"] = RATE
        else:
            series["timestamps"] = first + np.arange(len(movie)) / RATE
    return [path]


def write_nwb_stamps(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    return write_nwb(folder, began, movie, how="timestamps")


def write_nwb_shared(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    """All files count from one moment, which is noted in whole seconds."""
    return write_nwb(folder, began, movie, zero=BEGAN.replace(microsecond=0))


def write_images(folder: Path, movie: np.ndarray) -> list[Path]:
    paths = [folder / f"img_{t:09d}_x_000.tif" for t in range(len(movie))]
    for path, image in zip(paths, movie, strict=True):
        tifffile.imwrite(path, image, metadata=None)
    return paths


def write_micromanager(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    zero = began - timedelta(seconds=0.75)
    stamp = zero.isoformat(" ", "milliseconds") + " -0800"
    notes: dict[str, object] = {"Summary": {"StartTime": stamp, "Interval_ms": 0}}
    for t in range(len(movie)):
        notes[f"FrameKey-{t}-0-0"] = {"ElapsedTime-ms": 750 + 1000 * t / RATE}
    (folder / "metadata.txt").write_text(json.dumps(notes))
    return write_images(folder, movie)


def write_bruker(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    """The date is of the moment when the file was made, in whole seconds."""
    paths = write_images(folder, movie)
    date = (began - timedelta(seconds=2)).strftime("%m/%d/%Y %I:%M:%S %p")
    frames = "".join(
        f'<Frame relativeTime="{t / RATE}" absoluteTime="{2 + t / RATE}"><File channel="1" '
        f"channelName={quoteattr('A')} filename={quoteattr(path.name)}/></Frame>"
        for t, path in enumerate(paths)
    )
    (folder / f"{folder.name}.xml").write_text(
        f'<?xml version="1.0"?><PVScan date="{date}"><Sequence type="TSeries Timed Element" '
        f'cycle="1" time="{began.strftime("%H:%M:%S.%f")}0">{frames}</Sequence></PVScan>'
    )
    return paths


def write_miniscope(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    zero = (began - datetime(1970, 1, 1)).total_seconds() - 0.03
    notes = {"frameRate": "20FPS", "recordingStartTime": {"msecSinceEpoch": round(1000 * zero)}}
    (folder / "metaData.json").write_text(json.dumps(notes))
    rows = [f"{t},{round(30 + 1000 * t / RATE)},9" for t in range(len(movie))]
    (folder / "timeStamps.csv").write_text("Frame,Time (ms),Buffer\n" + "\n".join(rows))
    with av.open(str(folder / "0.avi"), "w") as container:
        stream = container.add_stream("ffv1", rate=60)
        stream.height, stream.width = movie.shape[1:]
        stream.pix_fmt = "gray"
        for image in movie.astype(np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode())
    return [folder / "0.avi"]


def write_mesc(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    path = folder / f"{folder.name}.mesc"
    whole, share = divmod((began - datetime(1970, 1, 1)).total_seconds(), 1)
    with h5py.File(path, "w") as file:
        group = file.create_group("MSession_0/MUnit_0")
        group.attrs["ZAxisConversionConversionLinearScale"] = 1000 / RATE
        group.attrs["MeasurementDatePosix"] = [int(whole)]
        group.attrs["MeasurementDateNanoSecs"] = [round(1e9 * share)]
        group["Channel_0"] = movie
    return [path]


def write_isxd(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    isx = pytest.importorskip("isx")
    since = isx.Duration.from_msecs(round(1000 * (began - datetime(1970, 1, 1)).total_seconds()))
    timing = isx.Timing(
        start=isx.Time._from_secs_since_epoch(since),
        num_samples=len(movie), period=isx.Duration.from_msecs(round(1000 / RATE)),
    )  # fmt: skip
    path = folder / f"{folder.name}.isxd"
    spacing = isx.Spacing(num_pixels=movie.shape[1:])
    out = isx.Movie.write(str(path), timing, spacing, np.uint16)
    for k, frame in enumerate(movie):
        out.set_frame_data(k, frame)
    out.flush()
    return [path]


EXACT: dict[str, Writer] = {
    "OME with DeltaT": write_ome,
    "OME with a late first frame": write_ome_late,
    "OME with TimeIncrement": write_ome_by_rate,
    "NWB with a rate": write_nwb,
    "NWB with timestamps": write_nwb_stamps,
    "NWB on one clock": write_nwb_shared,
    "Micro-Manager": write_micromanager,
    "Bruker": write_bruker,
    "miniscope": write_miniscope,
    "MESc": write_mesc,
    "ISXD": write_isxd,
}


def write_session(
    tmp_path: Path, write: Writer, begins_s: list[float], *, began: datetime = BEGAN
) -> tuple[list[Path], np.ndarray]:
    """Files that begin so many seconds after ``began``, and all their frames."""
    rng = np.random.default_rng(0)
    paths, movies = [], []
    for k, begin in enumerate(begins_s):
        movie = rng.integers(0, 250, (N_FRAMES, 16, 22)).astype(np.uint16)
        (folder := tmp_path / "abcdef"[k]).mkdir()
        paths += write(folder, began + timedelta(seconds=begin), movie)
        movies.append(movie)
    return paths, np.concatenate(movies)


def times_of(begins_s: list[float]) -> np.ndarray:
    return np.concatenate([begin + np.arange(N_FRAMES) / RATE for begin in begins_s])


@pytest.mark.parametrize("name", EXACT)
def test_a_pause_between_files_is_in_the_times(tmp_path: Path, name: str) -> None:
    """Over midnight, too."""
    begins = [0.0, 31.5, 33.0]
    paths, frames = write_session(tmp_path, EXACT[name], begins)
    movie = open_movie(paths)
    np.testing.assert_array_equal(frame_source(movie).read(0, movie.n_frames), frames)
    assert movie.time_s is not None
    np.testing.assert_allclose(movie.time_s, times_of(begins), atol=2e-3)
    assert movie.frame_rate_hz == pytest.approx(RATE, rel=1e-3)
    assert "2 pauses between files, the longest of 30.9 s" in remarks(movie)
    assert movie.metadata["frames_per_file"] == [N_FRAMES] * 3
    assert len(set(movie.metadata["file_names"])) == 3
    assert "begin" not in remarks(movie)
    assert any("2 gaps longer" in one for one in remarks_on(movie, decay_time_s=0.4))


@pytest.mark.parametrize("name", EXACT)
def test_files_without_a_pause_have_even_times(tmp_path: Path, name: str) -> None:
    begins = [0.0, N_FRAMES / RATE, 2 * N_FRAMES / RATE + 0.02]
    movie = open_movie(write_session(tmp_path, EXACT[name], begins)[0])
    assert movie.time_s is None
    assert movie.n_frames == 3 * N_FRAMES
    assert not [one for one in movie.description.remarks if "pause" in one or "began" in one]


@pytest.mark.parametrize("name", ["OME with DeltaT", "NWB on one clock", "MESc"])
def test_a_file_that_began_before_the_last_one_ended_is_told(tmp_path: Path, name: str) -> None:
    paths, _ = write_session(tmp_path, EXACT[name], [10.0, 0.0, 12.0])
    movie = open_movie(paths)
    assert f"{paths[1].name} began 10.6 s before {paths[0].name} ended" in remarks(movie)
    pause = 12.0 - (N_FRAMES - 1) / RATE
    step = 1 / RATE
    assert movie.time_s[N_FRAMES] - movie.time_s[N_FRAMES - 1] == pytest.approx(step)
    assert movie.time_s[2 * N_FRAMES] - movie.time_s[2 * N_FRAMES - 1] == pytest.approx(pause)


def write_thor(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    seconds = int((began - datetime(1970, 1, 1)).total_seconds())
    (folder / "Experiment.xml").write_text(
        f'<?xml version="1.0"?><ThorImageExperiment><Date uTime="{seconds}"/><Wavelengths>'
        '<Wavelength name="ChanA"/></Wavelengths>'
        f'<LSM pixelX="22" pixelY="16" frameRate="{RATE}"/></ThorImageExperiment>'
    )
    paths = [folder / f"ChanA_0001_0001_0001_{t + 1:04d}.tif" for t in range(len(movie))]
    for path, image in zip(paths, movie, strict=True):
        tifffile.imwrite(path, image, metadata=None)
    return paths


def write_ome_whole(folder: Path, began: datetime, movie: np.ndarray) -> list[Path]:
    return write_ome(folder, began.replace(microsecond=0), movie)


@pytest.mark.parametrize("write", [write_thor, write_ome_whole])
def test_starts_in_whole_seconds(tmp_path: Path, write: Writer) -> None:
    """A pause is right to a second; one that is shorter than that is not made up."""
    begins = [0.0, 1.2, 31.5]
    movie = open_movie(write_session(tmp_path, write, begins)[0])
    assert movie.time_s[N_FRAMES] == pytest.approx(N_FRAMES / RATE)
    assert movie.time_s[2 * N_FRAMES] - movie.time_s[2 * N_FRAMES - 1] == pytest.approx(
        31.5 - 1.2 - (N_FRAMES - 1) / RATE, abs=1
    )
    assert "There is a pause of" in remarks(movie)
    assert "noted in steps of 1 s" in remarks(movie)


@pytest.mark.parametrize("rate", [RATE, RATE / 2])
def test_a_rate_that_the_user_says_keeps_the_pause(tmp_path: Path, rate: float) -> None:
    """With another rate each file lasts longer; when the next one began stays."""
    paths, _ = write_session(tmp_path, write_ome, [0.0, 40.0])
    movie = open_movie(paths, frame_rate_hz=rate)
    np.testing.assert_allclose(movie.time_s[[N_FRAMES - 1, N_FRAMES]], [(N_FRAMES - 1) / rate, 40])


def test_a_rate_that_is_rounded_does_not_make_a_pause(tmp_path: Path) -> None:
    """An hour at .1 % less than the rate in the header."""
    for name, seconds in (("a", 0.0), ("b", 100.1)):
        (folder := tmp_path / name).mkdir()
        frames = np.zeros((int(100 * RATE), 2, 3), np.uint16)
        write_ome_by_rate(folder, BEGAN + timedelta(seconds=seconds), frames)
    movie = open_movie([tmp_path / "a" / "a.ome.tif", tmp_path / "b" / "b.ome.tif"])
    assert movie.time_s is None
    assert "pause" not in remarks(movie)


@pytest.mark.parametrize(
    ("counts", "is_told"), [([9, 9], True), ([9, 7], True), ([9, 9, 7], False), ([9, 8, 9], True)]
)
def test_files_without_a_clock(tmp_path: Path, counts: list[int], is_told: bool) -> None:
    """Said once; not where a program began a new file whenever one was full."""
    paths = []
    for k, n_frames in enumerate(counts):
        paths.append(tmp_path / f"trial_{k}.tif")
        frames = np.zeros((n_frames, 6, 9), np.uint16)
        tifffile.imwrite(paths[-1], frames, metadata={"axes": "TYX", "fps": RATE})
    movie = open_movie(paths)
    assert movie.time_s is None
    said = [one for one in movie.description.remarks if "Nothing tells when" in one]
    assert len(said) == is_told


def test_local_and_world_time_are_not_compared() -> None:
    local, world = (
        start_of_text("2026-03-01 12:00:00.5", ""),
        start_of_text("2026-03-01T12:00Z", ""),
    )
    assert local is not None
    assert world is not None
    assert local.until(world) is None


@pytest.mark.parametrize(
    ("text", "seconds", "resolution"),
    [
        ("2000-01-01T00:00:01.5", 1.5, 0.1),
        ("2000-01-01 00:00:01.2500000", 1.25, 1e-7),
        ("2000-01-01T02:30:01+02:30", 1.0, 1.0),
        ("1999-12-31 16:00:01.000 -0800", 1.0, 1.0),
        ("2000-01-01T01:00", 3600.0, 60.0),
        ("2000-01-02T00:00:00", 86400.0, 86400.0),
    ],
)
def test_dates_as_programs_write_them(text: str, seconds: float, resolution: float) -> None:
    start = start_of_text(text, "a file")
    assert start is not None
    assert (start.zero_s, start.resolution_s) == (seconds, pytest.approx(resolution))


@pytest.mark.parametrize("text", ["", None, "2000-13-01T00:00:00", "yesterday", "12:00:00", 5])
def test_texts_that_are_no_date(text: object) -> None:
    assert start_of_text(text, "a file") is None


@pytest.mark.parametrize(
    ("form", "is_known"),
    [("%d.%m.%Y %H:%M:%S", True), ("%d/%m/%Y %H:%M:%S", False), ("%m/%d/%Y %I:%M:%S %p", True)],
)
def test_days_and_months_that_can_be_swapped_are_not_compared(
    tmp_path: Path, form: str, is_known: bool
) -> None:
    """PrairieView writes the date as the country does: 3/4 is a day in March or in April."""
    began = datetime(2026, 4, 3, 10, 0, 0, 500_000)
    paths, day = [], 0
    for name in "ab":
        (folder := tmp_path / name).mkdir()
        moment = began + timedelta(days=day)
        paths += write_bruker(folder, moment, np.zeros((N_FRAMES, 16, 22), np.uint16))
        xml = folder / f"{name}.xml"
        head, _, rest = xml.read_text().partition('date="')
        rest = rest.partition('"')[2]
        xml.write_text(f'{head}date="{moment.strftime(form)}"{rest}')
        day = 1
    movie = open_movie(paths)
    if is_known:
        assert movie.time_s[N_FRAMES] == pytest.approx(86400, abs=2e-3)
    else:
        assert movie.time_s is None
        assert "Nothing tells when" in remarks(movie)


@pytest.mark.parametrize("goes_on", [False, True])
def test_acquisitions_of_scanimage_without_a_clock(tmp_path: Path, goes_on: bool) -> None:
    """Frame numbers begin again with each file, and no epoch is noted; time stamps may go on."""
    for name, begin in (("a", 0.0), ("b", 30.0 * goes_on)):
        with tifffile.TiffWriter(tmp_path / f"{name}.tif", bigtiff=True) as writer:
            for k in range(N_FRAMES):
                writer.write(
                    np.zeros((6, 9), np.int16), contiguous=False, metadata=None,
                    software=f"SI.VERSION_MAJOR = 2020\nSI.hChannels.channelSave = 1\n"
                    f"SI.hRoiManager.scanFrameRate = {RATE}",
                    description=f"frameNumbers = {k + 1}\n"
                    f"frameTimestamps_sec = {begin + k / RATE}\n",
                )  # fmt: skip
    movie = open_movie([tmp_path / "a.tif", tmp_path / "b.tif"])
    if goes_on:
        np.testing.assert_allclose(movie.time_s, times_of([0.0, 30.0]))
    else:
        assert movie.time_s is None
        assert "Nothing tells when b.tif began" in remarks(movie)
