"""Sets of files that one file describes: OME-TIFF, Bruker, ThorImage, Micro-Manager."""

from __future__ import annotations

import json
import shutil
import struct
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.errors import MovieError
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.movies import ChannelUnknownError, ChoiceNeededError, describe_recording

RNG = np.random.default_rng(0)
OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def read_all(movie) -> np.ndarray:
    return frame_source(movie).read(0, movie.n_frames)


def remarks(movie) -> str:
    return " ".join(movie.description.remarks)


def write_ome_set(
    folder: Path, movie: np.ndarray, cuts: Sequence[int], *, binary_only: str = "", order="XYCZT"
) -> list[Path]:
    """A movie ``(T, Z, C, Y, X)`` in files that are cut anywhere, as Bio-Formats writes it.

    ``binary_only``: the XML stands in the first file alone, or in a companion file.
    """
    folder.mkdir()
    n_t, n_z, n_c, height, width = movie.shape
    axes = {"C": 2, "Z": 1, "T": 0}
    slowest_first = [axes[letter] for letter in order[2:][::-1]]
    planes = movie.transpose(*slowest_first, 3, 4).reshape(-1, height, width)
    ends = [0, *cuts, len(planes)]
    names = [f"rec_{k}.ome.tif" for k in range(len(ends) - 1)]
    ids = [f"urn:uuid:{uuid.UUID(int=k + 1)}" for k in range(len(names))]
    size = {"C": n_c, "Z": n_z, "T": n_t}
    blocks = []
    for name, mark, first, stop in zip(names, ids, ends, ends[1:], strict=False):
        for ifd, plane in enumerate(range(first, stop)):
            at, where = plane, {}
            for letter in order[2:]:
                at, where[letter] = divmod(at, size[letter])
            blocks.append(
                f'<TiffData FirstC="{where["C"]}" FirstZ="{where["Z"]}" FirstT="{where["T"]}" '
                f'IFD="{ifd}" PlaneCount="1"><UUID FileName="{name}">{mark}</UUID></TiffData>'
            )
    xml = (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}" UUID="{{}}"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="{order}" Type="uint16" SizeX="{width}" '
        f'SizeY="{height}" SizeZ="{n_z}" SizeC="{n_c}" SizeT="{n_t}" TimeIncrement="50" '
        f'TimeIncrementUnit="ms">{"".join(blocks)}</Pixels></Image></OME>'
    )
    where_xml = {"first": names[0], "companion": "rec.companion.ome", "": ""}[binary_only]
    stub = f'<?xml version="1.0"?><OME xmlns="{OME}"><BinaryOnly MetadataFile="{where_xml}"/></OME>'
    for k, (name, first, stop) in enumerate(zip(names, ends, ends[1:], strict=False)):
        own = not binary_only or (binary_only == "first" and k == 0)
        text = xml.replace("{}", ids[k]) if own else stub
        tifffile.imwrite(
            folder / name, planes[first:stop], metadata=None, description=text.encode(),
            photometric="minisblack",
        )  # fmt: skip
    if binary_only == "companion":
        (folder / where_xml).write_text(xml.replace("{}", "urn:uuid:0"))
    return [folder / name for name in names]


class TestOme:
    @pytest.mark.parametrize("binary_only", ["", "first", "companion"])
    @pytest.mark.parametrize("shape", [(30, 1, 1), (12, 1, 2), (10, 3, 1), (6, 3, 2)])
    @pytest.mark.parametrize("order", ["XYCZT", "XYZTC"])
    def test_any_file_stands_for_the_set(
        self, tmp_path: Path, binary_only: str, shape: tuple[int, int, int], order: str
    ) -> None:
        movie = RNG.integers(0, 999, (*shape, 6, 9)).astype(np.uint16)
        files = write_ome_set(
            tmp_path / "set", movie, (7, 16), binary_only=binary_only, order=order
        )
        channel = shape[2] - 1
        want = movie[:, :, channel]
        want = want if shape[1] > 1 else want[:, 0]
        for given in (files[0], files[2], tmp_path / "set", files, files[::-1]):
            found = open_movie(given, channel=channel)
            np.testing.assert_array_equal(read_all(found), want)
            assert found.frame_rate_hz == pytest.approx(20)
            if shape[1:] == (1, 1):
                assert found.metadata["frames_per_file"] == [7, 9, 14]
                assert found.metadata["file_names"] == [path.name for path in files]
        again = open_movie(list(found.paths), **found.opened_with)
        np.testing.assert_array_equal(read_all(again), want)
        if shape[2] > 1:
            with pytest.raises(ChannelUnknownError):
                open_movie(files[1])

    def test_a_missing_piece(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 999, (30, 1, 1, 6, 9)).astype(np.uint16)
        files = write_ome_set(tmp_path / "set", movie, (10, 20))
        files[1].unlink()
        with pytest.raises(MovieError, match=r"got no .*rec_1\.ome\.tif.*allow_missing=True"):
            open_movie(files[0])
        found = open_movie(tmp_path / "set", allow_missing=True)
        np.testing.assert_array_equal(read_all(found), movie[[*range(10), *range(20, 30)], 0, 0])
        assert "Frames 10-19 of 30 are missing" in remarks(found)
        assert found.time_s[10] - found.time_s[9] == pytest.approx(0.55)

    def test_the_file_with_the_description_is_missing(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 999, (30, 1, 1, 6, 9)).astype(np.uint16)
        files = write_ome_set(tmp_path / "set", movie, (10, 20), binary_only="companion")
        (tmp_path / "set" / "rec.companion.ome").unlink()
        with pytest.raises(MovieError, match=r"rec\.companion\.ome.*Put it back"):
            open_movie(files[1])

    def test_a_part_of_the_set_that_the_user_chose(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 999, (30, 1, 1, 6, 9)).astype(np.uint16)
        files = write_ome_set(tmp_path / "set", movie, (10, 20))
        found = open_movie(files[:2])
        np.testing.assert_array_equal(read_all(found), movie[:20, 0, 0])
        assert "2 of the 3 files" in remarks(found)

    def test_a_set_that_was_renamed(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 999, (9, 1, 1, 6, 9)).astype(np.uint16)
        (file,) = write_ome_set(tmp_path / "set", movie, ())
        file.rename(file.with_name("other.ome.tif"))
        found = open_movie(file.with_name("other.ome.tif"))
        np.testing.assert_array_equal(read_all(found), movie[:, 0, 0])

    def test_two_sets_are_one_session(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 999, (20, 1, 1, 6, 9)).astype(np.uint16)
        first = write_ome_set(tmp_path / "a", movie, (8,))
        second = write_ome_set(tmp_path / "b", movie + 1, (12,))
        found = open_movie([*first, *second])
        np.testing.assert_array_equal(read_all(found), np.concatenate([movie, movie + 1])[:, 0, 0])
        assert found.metadata["frames_per_file"] == [8, 12, 12, 8]

    def test_several_series_are_asked_about(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
            for k in range(2):
                writer.write(
                    np.full((5, 6, 9), k, np.uint16), metadata={"axes": "TYX", "Name": f"s{k}"},
                    photometric="minisblack",
                )  # fmt: skip
        with pytest.raises(ChoiceNeededError, match="s0, s1"):
            open_movie(tmp_path / "a.ome.tif")
        assert read_all(open_movie(tmp_path / "a.ome.tif", dataset="s1")).max() == 1

    def test_times_of_the_planes_are_kept(self, tmp_path: Path) -> None:
        times = [0.0, 0.1, 0.2, 0.3, 5.0, 5.1, 5.2]
        metadata = {"axes": "TYX", "Plane": {"DeltaT": times, "DeltaTUnit": ["s"] * 7}}
        frames = RNG.integers(0, 99, (7, 6, 9)).astype(np.uint16)
        path = tmp_path / "a.ome.tif"
        tifffile.imwrite(path, frames, metadata=metadata, photometric="minisblack")
        movie = open_movie(path)
        np.testing.assert_allclose(movie.time_s, times)
        assert "longest is 4.7 s after frame 3" in remarks(movie)


def write_bruker(
    folder: Path, movie: np.ndarray, *, multipage: bool = False, period: float = 0.1
) -> Path:
    """A PrairieView folder of a movie ``(T, Z, C, Y, X)``: one cycle, or one for each volume."""
    folder.mkdir()
    n_t, n_z, n_c = movie.shape[:3]
    kind = "TSeries Timed Element" if n_z == 1 else "TSeries ZSeries Element"
    lines = [
        '<?xml version="1.0"?><PVScan version="5.6"><PVStateShard>',
        f'<PVStateValue key="framePeriod" value="{period}" />',
        '<PVStateValue key="micronsPerPixel"><IndexedValue index="XAxis" value="1.5" />'
        '<IndexedValue index="YAxis" value="1.2" /><IndexedValue index="ZAxis" value="7" />'
        "</PVStateValue></PVStateShard>",
    ]
    time = 0.0
    for t in range(n_t):
        if n_z > 1 or t == 0:
            lines.append(f'<Sequence type="{kind}" cycle="{t + 1}">')
        for z in range(n_z):
            lines.append(f'<Frame relativeTime="{time:.6f}" absoluteTime="{time + 1:.6f}">')
            for c in range(n_c):
                frame = z if n_z > 1 else t
                if multipage:
                    name, page = f"r_Cycle00001_Ch{c + 1}_000001.ome.tif", t * n_z + z + 1
                else:
                    name = f"r_Cycle{t + 1 if n_z > 1 else 1:05d}_Ch{c + 1}_{frame + 1:06d}.ome.tif"
                    page = 1
                    tifffile.imwrite(folder / name, movie[t, z, c], metadata=None)
                lines.append(
                    f'<File channel="{c + 1}" channelName="Dye{c + 1}" filename="{name}" '
                    f'page="{page}" />'
                )
            lines.append("</Frame>")
            time += period
        if n_z > 1 or t == n_t - 1:
            lines.append("</Sequence>")
    if multipage:
        for c in range(n_c):
            pages = movie[:, :, c].reshape(-1, *movie.shape[-2:])
            name = f"r_Cycle00001_Ch{c + 1}_000001.ome.tif"
            tifffile.imwrite(folder / name, pages, metadata=None, photometric="minisblack")
    (folder / f"{folder.name}.xml").write_text("\n".join([*lines, "</PVScan>"]))
    (folder / "References").mkdir()
    tifffile.imwrite(folder / "References" / "r-8bit-Reference.tif", movie[0, 0, 0])
    return folder


class TestBruker:
    @pytest.mark.parametrize("multipage", [False, True])
    @pytest.mark.parametrize("shape", [(20, 1, 1), (15, 1, 2), (8, 4, 1), (6, 3, 2)])
    def test_channels_planes_and_rate(
        self, tmp_path: Path, multipage: bool, shape: tuple[int, int, int]
    ) -> None:
        movie = RNG.integers(0, 999, (*shape, 6, 9)).astype(np.uint16)
        folder = write_bruker(tmp_path / "TSeries-1", movie, multipage=multipage)
        if shape[2] > 1:
            with pytest.raises(ChannelUnknownError, match="0: Dye1, 1: Dye2"):
                open_movie(folder)
        channel = shape[2] - 1
        want = movie[:, :, channel]
        want = want if shape[1] > 1 else want[:, 0]
        first = sorted(folder.glob("*.tif"))[-1]
        for given in (folder, first):
            found = open_movie(given, channel=channel)
            np.testing.assert_array_equal(read_all(found), want)
            assert found.frame_rate_hz == pytest.approx(10 / shape[1])
            assert found.pixel_size_um == ((7.0,) if shape[1] > 1 else ()) + (1.2, 1.5)
        assert "Bruker XML" in found.description.facts["frame_rate_hz"].source
        again = open_movie(list(found.paths), **found.opened_with)
        np.testing.assert_array_equal(again.data[-1].compute(), want[-1])

    def test_files_of_one_channel_that_the_user_chose(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 999, (15, 1, 2, 6, 9)).astype(np.uint16)
        folder = write_bruker(tmp_path / "TSeries-1", movie)
        found = open_movie(sorted(folder.glob("*Ch2*.tif")))
        np.testing.assert_array_equal(read_all(found), movie[:, 0, 1])

    def test_a_missing_and_an_empty_file(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 999, (15, 1, 1, 6, 9)).astype(np.uint16)
        folder = write_bruker(tmp_path / "TSeries-1", movie)
        files = sorted(folder.glob("*.tif"))
        files[4].unlink()
        with pytest.raises(MovieError, match="missing are 4"):
            open_movie(folder)
        files[6].write_bytes(b"")
        with pytest.raises(MovieError, match="got an empty one"):
            open_movie(folder)
        found = open_movie(folder, allow_missing=True)
        kept = [k for k in range(15) if k not in (4, 6)]
        np.testing.assert_array_equal(read_all(found), movie[kept, 0, 0])
        np.testing.assert_allclose(np.diff(found.time_s)[3:5], [0.2, 0.2], atol=1e-6)

    def test_xml_of_another_recording_is_not_used(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 999, (9, 1, 1, 6, 9)).astype(np.uint16)
        folder = write_bruker(tmp_path / "TSeries-1", movie)
        for k, file in enumerate(sorted(folder.glob("*.tif"))):
            file.rename(file.with_name(f"own_{k:03d}.tif"))
        found = open_movie(folder)
        np.testing.assert_array_equal(read_all(found), movie[:, 0, 0])
        assert found.frame_rate_hz is None
        assert "names other files" in remarks(found)

    def test_xml_that_breaks_off(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 999, (9, 1, 1, 6, 9)).astype(np.uint16)
        folder = write_bruker(tmp_path / "TSeries-1", movie)
        xml = folder / "TSeries-1.xml"
        xml.write_text(xml.read_text()[:-40])
        found = open_movie(folder)
        np.testing.assert_array_equal(read_all(found)[:8], movie[:8, 0, 0])
        assert "breaks off" in remarks(found)


def write_thor_xml(folder: Path, *, n_planes: int = 1, n_flyback: int = 0, channels="A") -> None:
    waves = "".join(f'<Wavelength name="Chan{name}" exposuretimeMS="0" />' for name in channels)
    (folder / "Experiment.xml").write_text(
        '<?xml version="1.0"?><ThorImageExperiment><Wavelengths>'
        f'{waves}</Wavelengths><ZStage steps="{n_planes}" stepSizeUM="15" />'
        '<LSM pixelX="9" pixelY="6" frameRate="30.5" averageMode="0" averageNum="4" '
        'pixelSizeUM="0.8" widthUM="7.2" />'
        f'<Streaming enable="1" frames="100" zFastEnable="{int(n_planes > 1)}" '
        f'flybackFrames="{n_flyback}" /></ThorImageExperiment>'
    )


class TestThorImage:
    @pytest.mark.parametrize("channels", ["A", "AB"])
    def test_tiff_folder(self, tmp_path: Path, channels: str) -> None:
        movie = RNG.integers(0, 999, (12, len(channels), 6, 9)).astype(np.uint16)
        for t in range(12):
            for c, name in enumerate(channels):
                file = f"Chan{name}_0001_0001_0001_{t + 1:04d}.tif"
                tifffile.imwrite(tmp_path / file, movie[t, c], metadata=None)
        tifffile.imwrite(tmp_path / "ChanA_Preview.tif", movie[0, 0, :3])
        write_thor_xml(tmp_path, channels=channels)
        found = open_movie(tmp_path, channel=len(channels) - 1)
        np.testing.assert_array_equal(read_all(found), movie[:, -1])
        assert found.frame_rate_hz == pytest.approx(30.5)
        assert found.pixel_size_um == (0.8, 0.8)

    @pytest.mark.parametrize("channels", ["A", "AB"])
    @pytest.mark.parametrize(("n_planes", "n_flyback"), [(1, 0), (3, 0), (4, 1)])
    def test_raw(self, tmp_path: Path, channels: str, n_planes: int, n_flyback: int) -> None:
        shape = (10, n_planes + n_flyback, len(channels), 6, 9)
        movie = RNG.integers(0, 9999, shape).astype("<u2")
        (tmp_path / "Image_0001_0001.raw").write_bytes(movie.tobytes())
        tifffile.imwrite(tmp_path / "ChanA_Preview.tif", movie[0, 0, 0])
        write_thor_xml(tmp_path, n_planes=n_planes, n_flyback=n_flyback, channels=channels)
        found = open_movie(tmp_path, channel=len(channels) - 1)
        want = movie[:, :n_planes, -1]
        np.testing.assert_array_equal(read_all(found), want if n_planes > 1 else want[:, 0])
        per_volume = n_planes + n_flyback if n_planes > 1 else 1
        assert found.frame_rate_hz == pytest.approx(30.5 / per_volume)

    @pytest.mark.parametrize("n_stored", [2, 4])
    def test_raw_of_more_channels_than_are_named(self, tmp_path: Path, n_stored: int) -> None:
        movie = RNG.integers(0, 9999, (100, n_stored, 6, 9)).astype("<u2")
        (tmp_path / "Image_0001_0001.raw").write_bytes(movie.tobytes())
        write_thor_xml(tmp_path)
        with pytest.raises(ChoiceNeededError, match=f"as of {n_stored} channels") as caught:
            open_movie(tmp_path)
        assert [value for value, _ in caught.value.choices] == [n_stored, 1]
        found = open_movie(tmp_path, n_channels=n_stored, channel=1)
        np.testing.assert_array_equal(read_all(found), movie[:, 1])
        assert open_movie(tmp_path, n_channels=1).n_frames == 100 * n_stored

    def test_planes_and_flyback_of_raw_are_overruled(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 9999, (10, 4, 2, 6, 9)).astype("<u2")
        (tmp_path / "Image_0001_0001.raw").write_bytes(movie.tobytes())
        write_thor_xml(tmp_path, n_planes=3, n_flyback=1, channels="AB")
        found = open_movie(tmp_path, n_planes=4, n_flyback=0, channel=1)
        np.testing.assert_array_equal(read_all(found), movie[:, :, 1])
        assert found.frame_rate_hz == pytest.approx(30.5 / 4)
        flat = open_movie(tmp_path, n_planes=1, n_flyback=0, channel=0)
        np.testing.assert_array_equal(read_all(flat), movie[:, :, 0].reshape(40, 6, 9))
        assert flat.frame_rate_hz == pytest.approx(30.5)

    def test_a_recording_that_was_stopped_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "Image_0001_0001.raw").write_bytes(bytes(6 * 9 * 2 * 13))
        write_thor_xml(tmp_path)
        assert "tells of 100 frames and 13 are here" in remarks(open_movie(tmp_path))

    def test_raw_that_does_not_fit_its_xml(self, tmp_path: Path) -> None:
        path = tmp_path / "Image_0001_0001.raw"
        path.write_bytes(bytes(6 * 9 * 2 * 5 + 7))
        with pytest.raises(MovieError, match=r"Experiment\.xml is not there"):
            open_movie(path)
        write_thor_xml(tmp_path)
        with pytest.raises(MovieError, match="got 5 and 7 bytes more"):
            open_movie(path)
        assert open_movie(path, allow_missing=True).n_frames == 5


class TestMicroManager:
    def test_single_images_with_metadata(self, tmp_path: Path) -> None:
        movie = RNG.integers(0, 999, (12, 2, 6, 9)).astype(np.uint16)
        notes = {"Summary": {"ChNames": ["GFP", "RFP"], "PixelSize_um": 0.65, "Interval_ms": 0}}
        for t in range(12):
            for c in range(2):
                name = f"img_channel{c:03d}_position000_time{t:09d}_z000.tif"
                tifffile.imwrite(tmp_path / name, movie[t, c], metadata=None)
                notes[f"FrameKey-{t}-{c}-0"] = {"ElapsedTime-ms": 50.0 * t + c}
        (tmp_path / "metadata.txt").write_text(json.dumps(notes))
        with pytest.raises(ChannelUnknownError, match="0: GFP, 1: RFP"):
            open_movie(tmp_path)
        found = open_movie(tmp_path, channel=1)
        np.testing.assert_array_equal(read_all(found), movie[:, 1])
        assert found.frame_rate_hz == pytest.approx(20)
        assert found.pixel_size_um == (0.65, 0.65)


@pytest.mark.parametrize("size", [(6, 9), (9, 6), (12, 18), (6, 8)])
@pytest.mark.parametrize("program", ["bruker", "thor", "micro-manager"])
def test_a_sidecar_of_images_of_another_size_is_not_used(
    tmp_path: Path, program: str, size: tuple[int, int]
) -> None:
    movie = RNG.integers(0, 999, (5, 1, 1, 6, 9)).astype(np.uint16)
    folder = tmp_path / "r"
    rows, columns = size
    if program == "bruker":
        xml = write_bruker(folder, movie) / "r.xml"
        said = (
            f'<PVStateShard><PVStateValue key="linesPerFrame" value="{rows}" />'
            f'<PVStateValue key="pixelsPerLine" value="{columns}" />'
        )
        xml.write_text(xml.read_text().replace("<PVStateShard>", said))
    elif program == "thor":
        folder.mkdir()
        for t in range(5):
            name = f"ChanA_0001_0001_0001_{t + 1:04d}.tif"
            tifffile.imwrite(folder / name, movie[t, 0, 0], metadata=None)
        write_thor_xml(folder)
        xml = folder / "Experiment.xml"
        said = f'pixelX="{columns}" pixelY="{rows}"'
        xml.write_text(xml.read_text().replace('pixelX="9" pixelY="6"', said))
    else:
        folder.mkdir()
        summary = {"Interval_ms": 50, "PixelSize_um": 0.65, "Height": rows, "Width": columns}
        for t in range(5):
            name = f"img_channel000_position000_time{t:09d}_z000.tif"
            tifffile.imwrite(folder / name, movie[t, 0, 0], metadata=None)
        (folder / "metadata.txt").write_text(json.dumps({"Summary": summary}))
    found = open_movie(folder)
    np.testing.assert_array_equal(read_all(found), movie[:, 0, 0])
    is_same = sorted(size) == [6, 9]
    assert (found.frame_rate_hz is not None) == is_same
    assert (found.pixel_size_um is not None) == is_same
    assert (
        f"images of {rows} x {columns} pixels and these have 6 x 9" in remarks(found)
    ) != is_same


@pytest.mark.parametrize(
    ("n_channels", "n_planes", "said"),
    [
        (1, 1, ["names the channels ChanA, ChanB and the files are of ChanA", "files are of 1"]),
        (2, 1, ["volumes of 3 planes and the files are of 1"]),
        (1, 3, ["names the channels ChanA, ChanB and the files are of ChanA"]),
        (2, 3, []),
        (2, 4, []),
    ],
)
def test_thor_files_that_are_not_those_of_their_experiment(
    tmp_path: Path, n_channels: int, n_planes: int, said: list[str]
) -> None:
    for t, z, c in np.ndindex(4, n_planes, n_channels):
        name = f"Chan{'AB'[c]}_0001_0001_{z + 1:04d}_{t + 1:04d}.tif"
        tifffile.imwrite(tmp_path / name, np.zeros((6, 9), np.uint16), metadata=None)
    write_thor_xml(tmp_path, n_planes=3, n_flyback=1, channels="AB")
    found = remarks(open_movie(tmp_path, channel=0))
    assert all(words in found for words in said)
    assert ("Experiment.xml" in found) == bool(said)


@pytest.mark.parametrize("n_more", [0, 2])
@pytest.mark.parametrize("multipage", [False, True])
def test_bruker_images_that_the_xml_does_not_name(
    tmp_path: Path, multipage: bool, n_more: int
) -> None:
    movie = RNG.integers(0, 999, (8, 1, 1, 6, 9)).astype(np.uint16)
    folder = write_bruker(tmp_path / "r", movie[: 8 - n_more], multipage=multipage)
    if multipage:
        path = folder / "r_Cycle00001_Ch1_000001.ome.tif"
        tifffile.imwrite(path, movie[:, 0, 0], metadata=None, photometric="minisblack")
        said = "holds 8 images and r.xml names 6"
    else:
        for t in range(8):
            path = folder / f"r_Cycle00001_Ch1_{t + 1:06d}.ome.tif"
            tifffile.imwrite(path, movie[t, 0, 0], metadata=None)
        said = "2 TIFF files of the folder are left out, the first is r_Cycle00001_Ch1_000007"
    found = open_movie(folder)
    np.testing.assert_array_equal(read_all(found), movie[: 8 - n_more, 0, 0])
    assert (said in remarks(found)) == bool(n_more)


def test_bruker_without_the_images_of_a_channel(tmp_path: Path) -> None:
    folder = write_bruker(tmp_path / "r", np.zeros((4, 1, 2, 6, 9), np.uint16))
    for path in folder.glob("*Ch2*"):
        path.unlink()
    said = remarks(open_movie(folder))
    assert "names the channels Dye1, Dye2 and the folder holds images of Dye1 alone" in said


@pytest.mark.parametrize("n_frames", [4, 5, 100])
def test_micromanager_with_fewer_frames_than_were_asked_for(tmp_path: Path, n_frames: int) -> None:
    for t in range(5):
        name = f"img_channel000_position000_time{t:09d}_z000.tif"
        tifffile.imwrite(tmp_path / name, np.zeros((6, 9), np.uint16), metadata=None)
    (tmp_path / "metadata.txt").write_text(json.dumps({"Summary": {"Frames": n_frames}}))
    said = remarks(open_movie(tmp_path, frame_rate_hz=10))
    assert (f"tells of {n_frames} frames and 5 are here" in said) == (n_frames > 5)


def test_contradiction_between_header_and_sidecar(tmp_path: Path) -> None:
    """Micro-Manager's text tells 20 Hz and the header of the stack 10 Hz."""
    frames = RNG.integers(0, 999, (12, 6, 9)).astype(np.uint16)
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    (tmp_path / "metadata.txt").write_text(json.dumps({"Summary": {"Interval_ms": 50}}))
    found = open_movie(path)
    assert found.frame_rate_hz == pytest.approx(20)
    assert "The header tells 10 Hz" in remarks(found)
    assert open_movie(path, frame_rate_hz=12).frame_rate_hz == 12


def test_a_description_is_plain_values(tmp_path: Path) -> None:
    movie = RNG.integers(0, 999, (6, 3, 2, 6, 9)).astype(np.uint16)
    folder = write_bruker(tmp_path / "TSeries-1", movie)
    found = describe_recording(folder)
    values = json.loads(json.dumps(found.to_dict()))
    assert values["facts"]["channels"]["certainty"] == "asked"
    assert values["facts"]["planes"]["value"] == 3
    assert values["questions"][0]["option"] == "channel"
    assert len(values["files"]) == 36
    assert "Dye1, Dye2" in str(found)
    shutil.rmtree(folder)
    with pytest.raises(MovieError, match="must exist"):
        describe_recording(folder)


def write_ndtiff(folder: Path, movie: np.ndarray, cut: int, channels: tuple[str, ...]) -> None:
    """Micro-Manager 2's set ``(T, Z, C, Y, X)``: two stacks, and an index of all images."""
    index = b""
    places = list(np.ndindex(*movie.shape[:3]))
    for name, mine in (("a_NDTiffStack.tif", places[:cut]), ("a_NDTiffStack_1.tif", places[cut:])):
        images = np.stack([movie[at] for at in mine])
        tifffile.imwrite(folder / name, images, metadata=None, photometric="minisblack")
        with tifffile.TiffFile(folder / name) as tiff:
            starts = [page.dataoffsets[0] for page in tiff.pages]
        for at, start in zip(mine, starts, strict=True):
            notes = json.dumps({"ElapsedTime-ms": 50.0 * at[0] + (900 if at[0] > 3 else 0)})
            with (folder / name).open("ab") as file:
                noted = file.tell()
                file.write(notes.encode())
            axes = json.dumps({"time": at[0], "z": at[1], "channel": channels[at[2]]}).encode()
            index += struct.pack("<I", len(axes)) + axes + struct.pack("<I", len(name))
            index += name.encode() + struct.pack(
                "<IiiiiIii", start, movie.shape[-1], movie.shape[-2], 1, 0, noted, len(notes), 0
            )
    (folder / "NDTiff.index").write_bytes(index)


@pytest.mark.parametrize(("n_planes", "channels"), [(1, ("G",)), (3, ("G", "R")), (1, ("R", "G"))])
def test_ndtiff_of_several_files(tmp_path: Path, n_planes: int, channels: tuple[str, ...]) -> None:
    shape = (9, n_planes, len(channels), 6, 8)
    movie = np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)
    write_ndtiff(tmp_path, movie, 5, channels)
    channel = len(channels) - 1
    want = movie[:, :, channel] if n_planes > 1 else movie[:, 0, channel]
    for source in (tmp_path, tmp_path / "a_NDTiffStack_1.tif"):
        found = open_movie(source, channel=channel)
        np.testing.assert_array_equal(found.data.compute(), want)
        assert found.frame_rate_hz == pytest.approx(20)
        assert found.time_s[4] == pytest.approx(1.1)
    if len(channels) > 1:
        with pytest.raises(ChannelUnknownError, match=f"0: {channels[0]}, 1: {channels[1]}"):
            open_movie(tmp_path)
    (tmp_path / "a_NDTiffStack_1.tif").unlink()
    with pytest.raises(MovieError, match=r"a_NDTiffStack_1.*allow_missing"):
        open_movie(tmp_path, channel=channel)
    if n_planes == 1:
        left = open_movie(tmp_path, channel=channel, allow_missing=True)
        np.testing.assert_array_equal(left.data.compute(), want[: 5 // len(channels)])


@pytest.mark.parametrize("n_flyback", [0, 2])
@pytest.mark.parametrize("channels", ["A", "AB"])
def test_planes_of_single_images_of_thorimage(
    tmp_path: Path, n_flyback: int, channels: str
) -> None:
    """The third number of a name is the plane, the fourth the time."""
    shape = (4, 3 + n_flyback, len(channels), 6, 9)
    movie = RNG.integers(0, 999, shape).astype(np.uint16)
    write_thor_xml(tmp_path, n_planes=3, n_flyback=n_flyback, channels=channels)
    for t, z, c in np.ndindex(shape[:3]):
        name = f"Chan{channels[c]}_0001_0001_{z + 1:04d}_{t + 1:04d}.tif"
        tifffile.imwrite(tmp_path / name, movie[t, z, c])
    found = open_movie(tmp_path, channel=len(channels) - 1)
    np.testing.assert_array_equal(read_all(found), movie[:, :3, -1])
    assert found.frame_rate_hz == pytest.approx(30.5 / (3 + n_flyback))
    assert ("flyback images are left out" in remarks(found)) == bool(n_flyback)


@pytest.mark.parametrize("name", ["Experiment.xml", "metadata.txt", "own"])
@pytest.mark.parametrize("content", ["", "<broken", '{"Summary": '])
def test_a_sidecar_that_cannot_be_understood_is_told(
    tmp_path: Path, name: str, content: str
) -> None:
    name = f"{tmp_path.name}.xml" if name == "own" else name
    for k in range(6):
        tifffile.imwrite(tmp_path / f"a{k}.tif", np.full((6, 9), k, np.uint16))
    (tmp_path / name).write_text(content)
    found = open_movie(tmp_path)
    assert found.n_frames == 6
    assert f"{name} beside the files cannot be understood" in remarks(found)


@pytest.mark.parametrize("rate", [7.7, 29.97, 60.0])
@pytest.mark.parametrize("pause_ms", [0, 2000])
def test_the_rate_of_times_that_are_rounded(tmp_path: Path, rate: float, pause_ms: int) -> None:
    """The median step of times in whole milliseconds is up to 3 % off."""
    notes = {}
    for k in range(90):
        tifffile.imwrite(tmp_path / f"img_{k:09d}_x_000.tif", np.full((6, 9), k, np.uint16))
        elapsed = round(1000 * k / rate) + pause_ms * (k > 40)
        notes[f"FrameKey-{k}-0-0"] = {"ElapsedTime-ms": elapsed}
    (tmp_path / "metadata.txt").write_text(json.dumps({"Summary": {}, **notes}))
    assert open_movie(tmp_path).frame_rate_hz == pytest.approx(rate, rel=2e-3)


def test_uneven_times_of_micromanager_are_kept(tmp_path: Path) -> None:
    elapsed = [0, 250, 500, 750, 4000, 4250]
    notes = {f"FrameKey-{k}-0-0": {"ElapsedTime-ms": ms} for k, ms in enumerate(elapsed)}
    (tmp_path / "metadata.txt").write_text(json.dumps({"Summary": {"Interval_ms": 100}, **notes}))
    for k in range(6):
        tifffile.imwrite(tmp_path / f"img_{k:09d}_x_000.tif", np.full((6, 9), k, np.uint16))
    found = open_movie(tmp_path)
    assert found.frame_rate_hz == pytest.approx(4)
    np.testing.assert_allclose(found.time_s, np.array(elapsed) / 1000)
    assert "longest is 3.25 s after frame 3" in remarks(found)


def test_a_name_for_one_of_several_series_is_needed_only_there(tmp_path: Path) -> None:
    movie = RNG.integers(0, 999, (10, 1, 1, 6, 9)).astype(np.uint16)
    files = write_ome_set(tmp_path / "set", movie, (5,))
    with pytest.raises(MovieError, match="dataset must be left out for rec_0, got 'x'"):
        open_movie(files[0], dataset="x")


def write_positions(folder: Path, movies: np.ndarray) -> list[Path]:
    """A file for each position of the stage; the XML of each names all of them."""
    folder.mkdir()
    n_t, height, width = movies.shape[1:]
    images = "".join(
        f'<Image ID="Image:{k}" Name="Pos{k}"><Pixels ID="Pixels:{k}" DimensionOrder="XYCZT" '
        f'Type="uint16" SizeX="{width}" SizeY="{height}" SizeZ="1" SizeC="1" SizeT="{n_t}">'
        f'<TiffData PlaneCount="{n_t}" IFD="0"><UUID FileName="a_Pos{k}.ome.tif">x</UUID>'
        "</TiffData></Pixels></Image>"
        for k in range(len(movies))
    )
    xml = f'<?xml version="1.0"?><OME xmlns="{OME}">{images}</OME>'
    paths = [folder / f"a_Pos{k}.ome.tif" for k in range(len(movies))]
    for path, movie in zip(paths, movies, strict=True):
        tifffile.imwrite(path, movie, description=xml, metadata=None, photometric="minisblack")
    return paths


def test_a_position_of_a_set_comes_once(tmp_path: Path) -> None:
    movies = RNG.integers(0, 999, (3, 5, 6, 9)).astype(np.uint16)
    paths = write_positions(tmp_path / "set", movies)
    for source in (tmp_path / "set", paths, paths[::-1], paths[1]):
        with pytest.raises(ChoiceNeededError, match="Pos0, Pos1, Pos2"):
            open_movie(source)
        for k in (0, 2):
            found = open_movie(source, dataset=f"Pos{k}")
            np.testing.assert_array_equal(read_all(found), movies[k])
            assert found.paths == (paths[k],)


def test_bruker_images_of_a_broken_volume_are_named_by_the_xml(tmp_path: Path) -> None:
    movie = RNG.integers(0, 999, (4, 3, 1, 6, 9)).astype(np.uint16)
    folder = write_bruker(tmp_path / "rec", movie)
    xml = folder / f"{folder.name}.xml"
    head, _, last = xml.read_text().rpartition("<Frame ")
    xml.write_text(head + last[last.index("</Frame>") + len("</Frame>") :])
    found = open_movie(folder, allow_missing=True)
    np.testing.assert_array_equal(read_all(found), movie[:3, :, 0])
    assert "1 volume has less than 3 planes and is left out" in remarks(found)
    # of the images that are left out, the XML names all but the one that was taken out of it
    assert "r_Cycle00004_Ch1_000003.ome.tif is left out" in remarks(found)


@pytest.mark.parametrize("form", ["plain", "compressed", "tiled"])
@pytest.mark.parametrize("first", ["<", ">"])
def test_files_of_both_byte_orders_are_one_recording(tmp_path: Path, form: str, first: str) -> None:
    """A set that was saved on different computers, as an OME set and as single images."""
    movie = RNG.integers(-500, 3000, (12, 32, 48)).astype(np.int16)
    how = {"plain": {}, "compressed": {"compression": "zlib", "predictor": True},
           "tiled": {"tile": (16, 16)}}[form]  # fmt: skip
    orders = first + ("<" if first == ">" else ">")
    frames = tmp_path / "frames"
    frames.mkdir()
    for k, frame in enumerate(movie):
        tifffile.imwrite(frames / f"f{k:02d}.tif", frame, byteorder=orders[k % 2], **how)
    np.testing.assert_array_equal(read_all(open_movie(frames)), movie)
    several = "".join(
        f'<TiffData FirstT="{6 * k}" PlaneCount="6"><UUID FileName="s{k}.ome.tif">urn:uuid:{k}'
        "</UUID></TiffData>" for k in range(2)
    )  # fmt: skip
    xml = (
        f'<OME xmlns="{OME}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        f'Type="int16" SizeX="48" SizeY="32" SizeZ="1" SizeC="1" SizeT="12">{several}</Pixels>'
        "</Image></OME>"
    )
    for k in range(2):
        path = tmp_path / f"s{k}.ome.tif"
        with tifffile.TiffWriter(path, byteorder=orders[k], ome=False) as file:
            for frame in movie[6 * k : 6 * k + 6]:
                file.write(
                    frame, description=xml, metadata=None, contiguous=False,
                    photometric="minisblack", **how,
                )  # fmt: skip
    opened = open_movie(tmp_path / "s1.ome.tif")
    assert opened.dtype == np.int16
    np.testing.assert_array_equal(read_all(opened), movie)
    np.testing.assert_array_equal(frame_source(opened).read(4, 9), movie[4:9])


@pytest.mark.parametrize(
    "name", ["{:04d}-{}.tif", "mouse_{:04d}_{}_x.tif", "t{:05d}_{}.tif", "a1_{}_{}.tif"]
)
def test_two_numbers_of_which_no_word_tells_are_asked_about(tmp_path: Path, name: str) -> None:
    paths = []
    for frame in range(6):
        for part in range(2):
            paths.append(tmp_path / name.format(frame, part))
            tifffile.imwrite(paths[-1], np.full((8, 9), 2 * frame + part, np.uint16))
    for given in (paths, tmp_path):
        with pytest.raises(ChoiceNeededError, match="n_planes=1 for frames, n_planes=2") as asked:
            open_movie(given)
        assert [value for value, _ in asked.value.choices] == [2, 1]
        flat = open_movie(given, n_planes=1)
        np.testing.assert_array_equal(read_all(flat)[:, 0, 0], np.arange(12))
        volume = open_movie(given, n_planes=2)
        assert volume.shape == (6, 2, 8, 9)
        second = open_movie(given, n_channels=2, channel=1)
        np.testing.assert_array_equal(read_all(second)[:, 0, 0], np.arange(1, 12, 2))
