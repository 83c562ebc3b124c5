"""Whole files or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf._atomic import replacing, write_json, write_text
from napari_cnmf.errors import CnmfError, MovieError, ResultError
from napari_cnmf.io import (
    TiffMovieWriter,
    frame_source,
    open_movie,
    read_images,
    scratch_factory,
    write_images,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestReplacing:
    def test_moves_into_place(self, tmp_path: Path) -> None:
        target = tmp_path / "café.json"
        write_json(target, {"a": "ü"})
        write_json(target, {"a": 2})
        assert json.loads(target.read_text("utf-8")) == {"a": 2}
        assert names(tmp_path) == ["café.json"]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_error_keeps_what_was_there(self, tmp_path: Path, error: type[BaseException]) -> None:
        target = tmp_path / "a.txt"
        write_text(target, "old\n")

        def write_half() -> None:
            with replacing(target) as beside:
                beside.write_text("half")
                raise error

        with pytest.raises(error):
            write_half()
        assert target.read_bytes() == b"old\n"
        assert names(tmp_path) == ["a.txt"]

    def test_suffix_is_kept_on_request(self, tmp_path: Path) -> None:
        with replacing(tmp_path / "a.hdf5", keep_suffix=True) as beside:
            assert beside.suffix == ".hdf5"
            assert beside.parent == tmp_path
            beside.touch()

    def test_values_that_json_lacks(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="JSON"):
            write_json(tmp_path / "a.json", float("nan"))
        assert names(tmp_path) == []

    def test_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            write_text(tmp_path / "gone" / "a.txt", "x")


class TestTiffMovieWriter:
    @pytest.mark.parametrize("dtype", ["uint16", "float32", "int64", "float16"])
    def test_metadata_come_back(self, tmp_path: Path, dtype: str) -> None:
        frames = np.arange(4 * 3 * 5 * 7).reshape(4, 3, 5, 7).astype(dtype)
        path = tmp_path / "Mäuse movie.tif"
        with TiffMovieWriter(
            path, frames.shape, dtype, frame_rate_hz=7.5, pixel_size_um=(5, 2, 1.5)
        ) as writer:
            for start in (2, 0):
                writer.write(start, frames[start : start + 2])
            assert not path.exists()
        movie = open_movie(path)
        assert movie.frame_rate_hz == pytest.approx(7.5)
        assert movie.pixel_size_um == (5, 2, 1.5)
        assert movie.dtype == dtype
        np.testing.assert_array_equal(frame_source(movie).read(0, 4), frames)
        assert names(tmp_path) == [path.name]

    @pytest.mark.parametrize("shape", [(6, 5, 7), (3, 2, 5, 7)])
    def test_opens_without_a_look_at_every_page(
        self, tmp_path: Path, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        frames = np.arange(210, dtype=np.uint16).reshape(shape)
        with TiffMovieWriter(tmp_path / "a.tif", shape, "u2", frame_rate_hz=10) as writer:
            writer.write(0, frames)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), frames)

        def refuse(*_: object) -> None:
            raise AssertionError("all pages were read")

        monkeypatch.setattr("napari_cnmf.io.movies.tiff.chain._walk", refuse)
        movie = open_movie(tmp_path / "a.tif")
        assert movie.frame_rate_hz == pytest.approx(10)
        np.testing.assert_array_equal(frame_source(movie).read(0, shape[0]), frames)

    def test_saved_again_by_another_program(self, tmp_path: Path) -> None:
        frames = np.arange(210, dtype=np.uint16).reshape(6, 5, 7)
        with TiffMovieWriter(tmp_path / "a.tif", frames.shape, "u2") as writer:
            writer.write(0, frames)
        with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
            software = tiff.pages.first.software
        tifffile.imwrite(
            tmp_path / "b.ome.tif",
            frames,
            compression="zlib",
            software=software,
            photometric="minisblack",
            metadata={"axes": "TYX"},
        )
        movie = open_movie(tmp_path / "b.ome.tif")
        np.testing.assert_array_equal(frame_source(movie).read(0, 6), frames)

    def test_cut_short(self, tmp_path: Path) -> None:
        with TiffMovieWriter(tmp_path / "a.tif", (6, 50, 70), "u2") as writer:
            writer.write(0, np.ones((6, 50, 70)))
        os.truncate(tmp_path / "a.tif", 4 * 50 * 70 * 2)
        with pytest.raises(MovieError, match="cut short"):
            open_movie(tmp_path / "a.tif")

    @pytest.mark.skipif(sys.platform == "win32", reason="the limit is one of POSIX")
    def test_disk_that_fills_up_leaves_nothing(self, tmp_path: Path) -> None:
        """A limit on the size of files stands for the end of the disk."""
        code = (
            "import numpy as np, resource, signal, sys\n"
            "from napari_cnmf.io import TiffMovieWriter\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
            "try:\n"
            "    with TiffMovieWriter(sys.argv[1], (50, 64, 64), 'u2') as writer:\n"
            "        writer.write(0, np.ones((50, 64, 64)))\n"
            "except OSError as error:\n    print(error.strerror)\n"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "a.tif")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "large" in done.stdout
        assert names(tmp_path) == []

    def test_error_leaves_nothing(self, tmp_path: Path) -> None:
        def write_and_stop() -> None:
            with TiffMovieWriter(tmp_path / "a.tif", (3, 4, 5), "u2") as writer:
                writer.write(0, np.zeros((3, 4, 5), "u2"))
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            write_and_stop()
        assert names(tmp_path) == []

    def test_missing_frames_leave_nothing(self, tmp_path: Path) -> None:
        with (
            pytest.raises(MovieError, match="1 are missing, the first is 2"),
            TiffMovieWriter(tmp_path / "a.tif", (3, 4, 5), "u2") as writer,
        ):
            writer.write(0, np.zeros((2, 4, 5), "u2"))
        assert names(tmp_path) == []

    @pytest.mark.parametrize(
        ("start", "shape"), [(2, (2, 4, 5)), (-1, (1, 4, 5)), (0, (1, 5, 4)), (0, (4, 5))]
    )
    def test_frames_that_do_not_fit(
        self, tmp_path: Path, start: int, shape: tuple[int, ...]
    ) -> None:
        with (
            pytest.raises(MovieError, match=r"must fit into \(3, 4, 5\)"),
            TiffMovieWriter(tmp_path / "a.tif", (3, 4, 5), "u2") as writer,
        ):
            writer.write(start, np.zeros(shape, "u2"))
        assert names(tmp_path) == []

    @pytest.mark.parametrize(
        ("shape", "dtype"), [((4, 5), "u2"), ((0, 4, 5), "u2"), ((3, 4, 5), "complex64")]
    )
    def test_no_movie(self, tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
        with pytest.raises(MovieError):
            TiffMovieWriter(tmp_path / "a.tif", shape, dtype)

    def test_write_outside_the_block(self, tmp_path: Path) -> None:
        with TiffMovieWriter(tmp_path / "a.tif", (1, 2, 3), "u1") as writer:
            writer.write(0, np.ones((1, 2, 3)))
        with pytest.raises(MovieError, match="with block"):
            writer.write(0, np.ones((1, 2, 3)))


class TestScratch:
    def test_in_memory(self) -> None:
        with scratch_factory()((3, 4), "f4") as array:
            assert array.shape == (3, 4)
            assert not array.any()

    @pytest.mark.parametrize("shape", [(30, 40), (0, 5), ()])
    def test_on_disk_leaves_nothing(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        folder = tmp_path / "deep" / "scratch"

        def use_and_stop() -> None:
            with scratch_factory(folder)(shape, np.float64) as array:
                assert array.shape == shape
                assert array.dtype == np.float64
                array[...] = 3
                np.testing.assert_array_equal(array, np.full(shape, 3.0))
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            use_and_stop()
        assert not folder.exists() or names(folder) == []

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows removes it with the last handle")
    def test_killed_process_leaves_nothing(self, tmp_path: Path) -> None:
        code = (
            "import os, sys, signal; from napari_cnmf.io import scratch_factory\n"
            "with scratch_factory(sys.argv[1])((1000, 1000), 'f8') as array:\n"
            "    array[:] = 1; os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
        assert done.returncode == -9
        assert names(tmp_path) == []

    def test_more_than_the_disk_holds(self, tmp_path: Path) -> None:
        with (
            pytest.raises(CnmfError, match=r"room for .* GB .* GB free"),
            scratch_factory(tmp_path)((10**6, 10**9), "f8"),
        ):
            pass
        assert names(tmp_path) == []

    def test_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with (
            pytest.raises(CnmfError, match="must have room"),
            scratch_factory(tmp_path / "file")((2,), "f4"),
        ):
            pass


class TestImages:
    def test_round_trip(self, tmp_path: Path) -> None:
        mean = np.arange(12.0).reshape(3, 4)
        write_images(tmp_path / "images.npz", {"mean": mean, "max": mean + 0.5})
        images = read_images(tmp_path / "images.npz")
        assert list(images) == ["mean", "max"]
        np.testing.assert_array_equal(images["max"], mean + 0.5)
        assert images["mean"].dtype == np.float32

    def test_images_that_differ(self, tmp_path: Path) -> None:
        with pytest.raises(ResultError, match="alike"):
            write_images(tmp_path / "a.npz", {"a": np.zeros((2, 3)), "b": np.zeros((3, 2))})

    def test_pickle_is_not_opened(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", evil=np.array([print], object))
        with pytest.raises(ResultError, match="readable"):
            read_images(tmp_path / "a.npz")

    @pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut", b"text"])
    def test_damaged(self, tmp_path: Path, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(ResultError, match="readable"):
            read_images(tmp_path / "a.npz")
