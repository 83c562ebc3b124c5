"""Files dropped on napari become lazy layers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from npe2 import PluginManifest

import napari_cnmf
from napari_cnmf.errors import MovieError
from napari_cnmf.io import TiffMovieWriter
from napari_cnmf.io.movies import LazyFrames, movie_suffixes
from napari_cnmf.ui import _reader
from napari_cnmf.ui._reader import get_reader, read_layers

DATA = Path(__file__).parents[1] / "data"


class TestWhichFilesAreOurs:
    @pytest.mark.parametrize("name", ["a.mmap", "a.HDF5", "a.h5", "a.nwb", "a.avi"])
    def test_by_suffix_alone(self, name: str) -> None:
        assert get_reader(name) is read_layers

    def test_every_format_that_is_read(self) -> None:
        """The reader, the manifest and the list of formats name the same suffixes."""
        manifest = PluginManifest.from_file(Path(napari_cnmf.__file__).parent / "napari.yaml")
        readers = manifest.contributions.readers or []
        patterns = {p for reader in readers for p in reader.filename_patterns}
        suffixes = set(movie_suffixes())
        assert {f"*{suffix}" for suffix in suffixes} <= patterns
        by_content = _reader._TIFF | set(_reader._BESIDE) | {".npy", ".zarr"}
        assert by_content | _reader._ALWAYS == suffixes

    @pytest.mark.parametrize(
        ("name", "beside"), [("a.raw", "Experiment.xml"), ("a.bin", "ops.npy")]
    )
    def test_common_suffixes_need_the_file_that_describes_them(
        self, tmp_path: Path, name: str, beside: str
    ) -> None:
        (tmp_path / name).touch()
        assert get_reader(str(tmp_path / name)) is None
        (tmp_path / beside).touch()
        assert get_reader(str(tmp_path / name)) is read_layers

    @pytest.mark.parametrize(
        ("name", "beside"),
        [
            ("T-001_Cycle00001_Ch1_000001.ome.tif", None),
            ("img_000000000_GFP_000.tif", "metadata.txt"),
            ("ChanA_0001_0001_0001_0001.tif", "Experiment.xml"),
        ],
    )
    def test_one_image_of_a_microscope_stands_for_its_recording(
        self, tmp_path: Path, name: str, beside: str | None
    ) -> None:
        tifffile.imwrite(tmp_path / name, np.zeros((6, 8), np.uint16))
        if beside is not None:
            (tmp_path / beside).touch()
        assert get_reader(str(tmp_path / name)) is read_layers
        assert get_reader(str(tmp_path)) is read_layers

    @pytest.mark.parametrize("name", ["a.png", "a.txt", "gone.tif", "gone.npy"])
    def test_left_to_others(self, name: str) -> None:
        assert get_reader(name) is None

    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_tiff_movies_but_not_images(self, tmp_path: Path, compression: str | None) -> None:
        def write(name: str, *shape: int) -> str:
            frames = np.zeros(shape, np.uint16)
            tifffile.imwrite(
                tmp_path / name, frames, compression=compression, photometric="minisblack"
            )
            return str(tmp_path / name)

        movie = write("movie.tif", 20, 30, 40)
        assert get_reader(movie) is read_layers
        assert get_reader([movie] * 2) is read_layers
        assert get_reader(write("slide.tif", 300, 400)) is None
        assert get_reader(write("planes.tif", 3, 300, 400)) is None

    def test_imagej_movie_behind_one_page(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30, 40), np.uint16), imagej=True)
        assert get_reader(str(tmp_path / "a.tif")) is read_layers

    def test_arrays_of_frames(self, tmp_path: Path) -> None:
        np.save(tmp_path / "movie.npy", np.zeros((5, 6, 7)))
        np.save(tmp_path / "trace.npy", np.zeros(7))
        assert get_reader(str(tmp_path / "movie.npy")) is read_layers
        assert get_reader(str(tmp_path / "trace.npy")) is None

    @pytest.mark.parametrize("name", ["broken.tif", "broken.npy"])
    def test_damaged_files_are_left_to_others(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"?" * 2000)
        assert get_reader(str(tmp_path / name)) is None

    def test_folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert get_reader(str(tmp_path)) is None
        for index in range(3):
            (tmp_path / f"{index}.tif").touch()
        assert get_reader(str(tmp_path)) is None
        monkeypatch.setattr(_reader, "_MANY_FILES", 3)
        assert get_reader(str(tmp_path)) is read_layers

    def test_decides_without_heavy_imports(self) -> None:
        code = (
            "import sys; before = set(sys.modules)\n"
            "from napari_cnmf.ui._reader import get_reader\n"
            "answers = [bool(get_reader(name)) for name in ('a.mmap', 'a.h5', 'a.tif')]\n"
            "heavy = {'numpy', 'napari', 'dask', 'h5py', 'tifffile', 'zarr', 'qtpy', 'scipy'}\n"
            "print(answers, *sorted(heavy & (set(sys.modules) - before)))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        assert done.stdout == "[True, True, False]\n"


class TestMovieLayers:
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_caiman_memory_map(self, order: str) -> None:
        path = next(DATA.glob(f"*_order_{order}_*.mmap"))
        ((data, keywords, kind),) = read_layers(str(path))
        assert kind == "image"
        assert isinstance(data, da.Array)
        assert data.shape == (300, 48, 64)
        assert keywords["multiscale"] is False
        assert keywords["cache"] is False
        low, high = keywords["contrast_limits"]
        assert np.isfinite([low, high]).all()
        assert low < high
        assert keywords["metadata"]["paths"] == [str(path)]

    def test_limits_come_from_the_whole_recording(self, tmp_path: Path) -> None:
        movie = np.zeros((50, 30, 40), np.uint16)
        movie[5:] = 1000 + np.arange(40)
        with TiffMovieWriter(
            tmp_path / "a.tif", movie.shape, movie.dtype, frame_rate_hz=12, pixel_size_um=(2, 3)
        ) as writer:
            writer.write(0, movie)
        ((_, keywords, _),) = read_layers(str(tmp_path / "a.tif"))
        assert keywords["contrast_limits"][1] > 1000
        assert tuple(keywords["scale"]) == (1, 2, 3)
        assert keywords["metadata"]["frame_rate_hz"] == pytest.approx(12)

    def test_one_layer_for_each_channel(self, tmp_path: Path) -> None:
        stack = np.arange(5 * 2 * 6 * 7, dtype=np.uint16).reshape(5, 2, 6, 7)
        tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TCYX"})
        layers = read_layers(str(tmp_path / "a.tif"))
        assert [keywords["name"] for _, keywords, _ in layers] == [
            "a · channel 0",
            "a · channel 1",
        ]
        for channel, (data, keywords, _) in enumerate(layers):
            np.testing.assert_array_equal(np.asarray(data), stack[:, channel])
            assert keywords["metadata"]["opened_with"] == {"channel": channel}

    def test_one_layer_for_each_array(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            for k, name in enumerate(("green", "red")):
                file[name] = np.full((9, 6, 7), k, np.uint16)
        layers = read_layers(str(tmp_path / "a.h5"))
        assert [keywords["name"].split(" · ")[-1].strip("/") for _, keywords, _ in layers] == [
            "green",
            "red",
        ]
        assert [int(np.asarray(data).max()) for data, _, _ in layers] == [0, 1]
        assert [keywords.get("visible", True) for _, keywords, _ in layers] == [True, False]

    def test_long_movie_only_slices(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("napari_cnmf.io.movies._lazy._MANY_FRAMES", 10)
        movie = np.arange(11 * 5 * 7, dtype=np.uint16).reshape(11, 5, 7)
        np.save(tmp_path / "a.npy", movie)
        ((data, keywords, _),) = read_layers(str(tmp_path / "a.npy"))
        assert isinstance(data, LazyFrames)
        viewer = ViewerModel()
        layer = viewer.add_image(data, **keywords)
        viewer.dims.set_current_step(0, 4)
        np.testing.assert_array_equal(layer._slice.image.raw, movie[4])

    def test_sessions(self, tmp_path: Path) -> None:
        movie = np.arange(11 * 5 * 7, dtype=np.uint16).reshape(11, 5, 7)
        tifffile.imwrite(tmp_path / "b.tif", movie[:5])
        tifffile.imwrite(tmp_path / "a.tif", movie[5:])
        paths = [str(tmp_path / "b.tif"), str(tmp_path / "a.tif")]
        ((data, keywords, _),) = read_layers(paths)
        np.testing.assert_array_equal(data.compute(), movie)
        assert keywords["metadata"]["paths"] == paths

    def test_errors_reach_the_user(self, tmp_path: Path) -> None:
        (tmp_path / "a.mmap").write_bytes(b"x")
        with pytest.raises(MovieError, match="original name"):
            read_layers(str(tmp_path / "a.mmap"))


@pytest.mark.parametrize("name", ["result-2d.hdf5", "result-1p.hdf5", "result-3d.hdf5"])
def test_result_becomes_images_and_labels(name: str) -> None:
    reader = get_reader(str(DATA / name))
    assert reader is not None
    layers = reader(str(DATA / name))
    kinds = [kind for _, _, kind in layers]
    assert "labels" in kinds
    labels = next(data for data, _, kind in layers if kind == "labels")
    assert np.asarray(labels).max() > 0


def test_napari_finds_the_reader() -> None:
    """Through the manifest, as the viewer does it."""
    from npe2 import PluginManager

    manager = PluginManager.instance()
    manager.discover()
    for pattern in ("x.mmap", "x.hdf5", "x.h5", "x.tif", "x.tiff"):
        names = [reader.plugin_name for reader in manager.iter_compatible_readers([pattern])]
        assert "napari-cnmf" in names
