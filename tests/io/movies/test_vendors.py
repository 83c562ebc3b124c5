"""Formats of microscope makers other than TIFF, written from their descriptions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from napari_cnmf.errors import MovieError
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.movies import ChannelUnknownError, ChoiceNeededError

RNG = np.random.default_rng(0)


def read_all(movie) -> np.ndarray:
    return frame_source(movie).read(0, movie.n_frames)


class TestScanbox:
    @pytest.mark.parametrize("channels", [1, 2, 3])
    @pytest.mark.parametrize("scanmode", [0, 1])
    @pytest.mark.parametrize("n_planes", [1, 3])
    def test_frames(self, tmp_path: Path, channels: int, scanmode: int, n_planes: int) -> None:
        n_channels = 2 if channels == 1 else 1
        movie = RNG.integers(0, 65536, (12, 6, 9, n_channels)).astype("<u2")
        (tmp_path / "m_000_001.sbx").write_bytes((65535 - movie).astype("<u2").tobytes())
        info = {
            "channels": channels, "scanmode": scanmode, "sz": [6, 9], "resfreq": 7930,
            "recordsPerBuffer": 6 if scanmode else 3, "config": {"lines": 6},
            "volscan": int(n_planes > 1), "otwave": np.arange(n_planes if n_planes > 1 else 0),
        }  # fmt: skip
        savemat(tmp_path / "m_000_001.mat", {"info": info})
        if n_channels > 1:
            with pytest.raises(ChannelUnknownError, match="0: green, 1: red"):
                open_movie(tmp_path / "m_000_001.sbx")
        found = open_movie(tmp_path / "m_000_001.sbx", channel=n_channels - 1)
        want = movie[..., -1]
        want = want.reshape(4, 3, 6, 9) if n_planes > 1 else want
        np.testing.assert_array_equal(read_all(found), want)
        assert found.dtype == np.uint16
        assert found.frame_rate_hz == pytest.approx(7930 * (2 - scanmode) / 6 / n_planes)

    @pytest.mark.parametrize("scanmode", [0, 1])
    @pytest.mark.parametrize("saved", [(1, 0), (0, 1), (1, 1)])
    def test_version_3(self, tmp_path: Path, scanmode: int, saved: tuple[int, int]) -> None:
        n_channels = sum(saved)
        movie = RNG.integers(0, 65536, (6, 8, 9, n_channels)).astype("<u2")
        (tmp_path / "m.sbx").write_bytes((65535 - movie).astype("<u2").tobytes())
        info = {
            "scanbox_version": 3, "channels": -1, "chan": {"nchan": n_channels, "save": saved},
            "sz": [8, 9], "scanmode": scanmode, "recordsPerBuffer": 512, "volscan": 1,
            "otwave": [], "etl_table": [[0.0, 1], [10, 1]], "resfreq": 7930, "config": {"lines": 8},
        }  # fmt: skip
        savemat(tmp_path / "m.mat", {"info": info})
        found = open_movie(tmp_path / "m.sbx", channel=n_channels - 1)
        np.testing.assert_array_equal(read_all(found), movie[..., -1].reshape(3, 2, 8, 9))
        names = [name for name, is_saved in zip(("green", "red"), saved, strict=True) if is_saved]
        assert found.description.facts["channels"].value == names

    def test_sidecar_of_another_recording(self, tmp_path: Path) -> None:
        (tmp_path / "m.sbx").write_bytes(bytes(1001))
        savemat(tmp_path / "m.mat", {"info": {"channels": 2, "sz": [6, 9], "recordsPerBuffer": 6}})
        with pytest.raises(MovieError, match="belongs to another recording"):
            open_movie(tmp_path / "m.sbx")


class TestFemtonics:
    def write(self, path: Path, *, units: int = 1, channels: int = 1) -> np.ndarray:
        movie = RNG.integers(0, 999, (units, channels, 8, 6, 9)).astype(np.uint16)
        with h5py.File(path, "w") as file:
            for u in range(units):
                group = file.create_group(f"MSession_0/MUnit_{u}")
                group.attrs["ZAxisConversionConversionLinearScale"] = 32.5
                group.attrs["ZAxisConversionUnitName"] = np.frombuffer(b"ms", np.uint8)
                for axis in "XY":
                    group.attrs[f"{axis}AxisConversionConversionLinearScale"] = 1.25
                for c in range(channels):
                    group.attrs[f"Channel_{c}_Name"] = np.frombuffer(b"UG" if c else b"UR", "u1")
                    group[f"Channel_{c}"] = movie[u, c]
            file.create_dataset("MSession_0/MUnit_9/Channel_0", data=np.zeros((1, 6, 9), "u2"))
        return movie

    @pytest.mark.parametrize("channels", [1, 2])
    def test_frames_rate_and_size(self, tmp_path: Path, channels: int) -> None:
        movie = self.write(tmp_path / "a.mesc", channels=channels)
        found = open_movie(tmp_path / "a.mesc", channel=channels - 1)
        np.testing.assert_array_equal(read_all(found), movie[0, -1])
        assert found.frame_rate_hz == pytest.approx(1000 / 32.5)
        assert found.pixel_size_um == (1.25, 1.25)
        if channels > 1:
            with pytest.raises(ChannelUnknownError, match="0: UR, 1: UG"):
                open_movie(tmp_path / "a.mesc")

    def test_several_units(self, tmp_path: Path) -> None:
        movie = self.write(tmp_path / "a.mesc", units=2)
        with pytest.raises(ChoiceNeededError) as caught:
            open_movie(tmp_path / "a.mesc")
        assert caught.value.option == "dataset"
        name = caught.value.choices[1][0]
        found = open_movie(tmp_path / "a.mesc", dataset=name)
        np.testing.assert_array_equal(read_all(found), movie[1, 0])


def test_registered_movie_of_suite2p(tmp_path: Path) -> None:
    movie = RNG.integers(-99, 999, (12, 6, 9)).astype("<i2")
    (tmp_path / "data.bin").write_bytes(movie.tobytes())
    with pytest.raises(MovieError, match=r"needs ops\.npy"):
        open_movie(tmp_path / "data.bin")
    np.save(tmp_path / "ops.npy", np.array({"Ly": 6, "Lx": 9, "fs": 12.5}, object))
    found = open_movie(tmp_path / "data.bin")
    np.testing.assert_array_equal(read_all(found), movie)
    assert found.frame_rate_hz == 12.5
    np.save(tmp_path / "ops.npy", np.array({"Ly": 7, "Lx": 9}, object))
    with pytest.raises(MovieError, match="got 10 and 36 bytes more"):
        open_movie(tmp_path / "data.bin")


def test_matlab_file_of_version_7_3(tmp_path: Path) -> None:
    movie = RNG.integers(0, 999, (12, 6, 9)).astype(np.uint16)
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["Y"] = movie
    np.testing.assert_array_equal(read_all(open_movie(tmp_path / "a.mat")), movie)
    (tmp_path / "b.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(MovieError, match=r"-v7\.3"):
        open_movie(tmp_path / "b.mat")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.nd2", ("Nikon", "formats")),
        ("a.lif", ("Leica", "formats")),
        ("a.oib", ("Olympus", "formats")),
        ("a.isxd", ("Inscopix", "formats")),
        ("a.czi", ("Zeiss", "ZEN")),
        ("a.oir", ("Olympus", "Bio-Formats")),
        ("a.raw", ("ThorImage", "Experiment.xml")),
        ("a.sbx", ("Scanbox", "a.mat")),
        ("a.gif", ("256 colours",)),
        ("a.zip", ("unpack",)),
    ],
)
def test_what_helps_is_named(tmp_path: Path, name: str, words: tuple[str, ...]) -> None:
    (tmp_path / name).write_bytes(bytes(2000))
    code = (
        "import sys\nfor m in ('nd2', 'liffile', 'oiffile', 'isx'): sys.modules[m] = None\n"
        "from napari_cnmf.io import open_movie\n"
        "from napari_cnmf.errors import MovieError\n"
        "try:\n    open_movie(sys.argv[1])\n"
        "except MovieError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / name)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(word in said for word in words), said


def test_axes_and_a_cut_end_of_raw_files(tmp_path: Path) -> None:
    movie = RNG.integers(0, 999, (6, 6, 9)).astype("<u2")
    (tmp_path / "m.sbx").write_bytes((65535 - movie).astype("<u2").tobytes() + bytes(7))
    savemat(tmp_path / "m.mat", {"info": {"channels": 2, "sz": [6, 9], "recordsPerBuffer": 6}})
    with pytest.raises(
        MovieError, match=r"axes must be left out for .*m\.mat tells how its frames"
    ):
        open_movie(tmp_path / "m.sbx", axes="TYX")
    found = open_movie(tmp_path / "m.sbx", allow_missing=True)
    np.testing.assert_array_equal(read_all(found), movie)
    assert found.description.remarks == ("m.sbx is cut short: its 6 whole images are opened.",)
