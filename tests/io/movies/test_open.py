"""What is common to all formats: order, names, lazy reading, threads, clear refusals."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.errors import MovieError
from napari_cnmf.io import check_movie, fingerprint, frame_source, open_movie
from napari_cnmf.io.movies import LazyFrames, natural_key, remarks_on, store_of


class TestRefusals:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(MovieError, match=r"must exist, got .*gone\.tif"):
            open_movie(tmp_path / "gone.tif")

    def test_unknown_suffix(self, tmp_path: Path) -> None:
        (tmp_path / "a.docx").write_bytes(b"x")
        with pytest.raises(MovieError, match=r"\.tif .*got .*a\.docx"):
            open_movie(tmp_path / "a.docx")

    def test_empty_folder(self, tmp_path: Path) -> None:
        (tmp_path / "readme.txt").write_text("x")
        with pytest.raises(MovieError, match="got 1 other files"):
            open_movie(tmp_path)

    def test_folder_of_several_kinds(self, tmp_path: Path, frames: np.ndarray) -> None:
        tifffile.imwrite(tmp_path / "a.tif", frames)
        np.save(tmp_path / "b.npy", frames)
        with pytest.raises(MovieError, match=r"1 \.\w+, 1 \.\w+"):
            open_movie(tmp_path)

    def test_empty_list(self) -> None:
        with pytest.raises(MovieError, match="empty list"):
            open_movie([])

    @pytest.mark.parametrize("rate", [0, -3, float("nan"), float("inf")])
    def test_frame_rate(self, frames: np.ndarray, rate: float) -> None:
        with pytest.raises(MovieError, match=f"above 0 Hz, got {rate}"):
            open_movie(frames, frame_rate_hz=rate)

    @pytest.mark.parametrize("name", ["a.tif", "a.h5", "a.npy", "a.nwb", "a.zarr", "a.avi"])
    def test_empty_file(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).touch()
        with pytest.raises(MovieError, match="must be"):
            open_movie(tmp_path / name)

    @pytest.mark.skipif(
        sys.platform == "win32", reason="folder permissions of POSIX; see the next test"
    )
    @pytest.mark.parametrize("name", ["a.tif", "a.npy"])
    def test_file_without_permission(self, tmp_path: Path, name: str) -> None:
        """A user who is not root cannot read it; root reads everything, so another user tries."""
        (tmp_path / name).write_bytes(b"x")
        (tmp_path / name).chmod(0)
        code = (
            "import os, sys\n"
            "from napari_cnmf.errors import MovieError\n"
            "from napari_cnmf.io import open_movie\n"
            "from napari_cnmf.io.movies import tiff, _npy\n"
            "os.getuid() or os.setuid(65534)\n"
            "try:\n    open_movie(sys.argv[1])\n"
            "except MovieError as error:\n    print(error)\n"
        )
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_uid == os.getuid() and "pytest" in str(folder):
                folder.chmod(0o755)
        command = [sys.executable, "-c", code, str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "Permission denied. Check its permissions" in done.stdout

    def test_npy_with_objects_is_not_unpickled(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.array([[[print]]], object), allow_pickle=True)
        with pytest.raises(MovieError, match="got object"):
            open_movie(tmp_path / "a.npy")

    def test_npy_cut_short(self, tmp_path: Path, frames: np.ndarray) -> None:
        np.save(tmp_path / "a.npy", frames)
        os.truncate(tmp_path / "a.npy", 300)
        with pytest.raises(MovieError, match="got 300: it is cut short"):
            open_movie(tmp_path / "a.npy")

    def test_a_tiff_cut_short_is_told_once(
        self, tmp_path: Path, frames: np.ndarray, caplog: pytest.LogCaptureFixture
    ) -> None:
        tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack")
        os.truncate(tmp_path / "a.tif", (tmp_path / "a.tif").stat().st_size // 2)
        with pytest.raises(MovieError, match="cut short"):
            open_movie(tmp_path / "a.tif")
        assert not caplog.records

    def test_renamed_caiman_map(self, tmp_path: Path) -> None:
        (tmp_path / "renamed.mmap").write_bytes(b"\0" * 400)
        with pytest.raises(MovieError, match="original name"):
            open_movie(tmp_path / "renamed.mmap")
        short = tmp_path / "a_d1_5_d2_5_d3_1_order_F_frames_9.mmap"
        short.write_bytes(b"\0" * 400)
        with pytest.raises(MovieError, match="must hold 900 bytes"):
            open_movie(short)

    def test_one_frame_opens_and_is_told_on_request(self) -> None:
        movie = open_movie(np.zeros((1, 4, 5)))
        with pytest.raises(MovieError, match="at least 2 frames to be analysed, got 1"):
            check_movie(movie)
        check_movie(open_movie(np.zeros((2, 4, 5))))

    @pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 8)])
    def test_frames_that_are_not_there(self, frames: np.ndarray, start: int, stop: int) -> None:
        with pytest.raises(MovieError, match="between 0 and 7"):
            frame_source(open_movie(frames)).read(start, stop)

    def test_buffer_that_does_not_fit(self, frames: np.ndarray) -> None:
        with pytest.raises(MovieError, match=r"must be \(2, 5, 11\) uint16"):
            frame_source(open_movie(frames)).read(0, 2, np.empty((2, 5, 11), np.float32))


def test_caiman_files_hold_the_movie(data_folder: Path) -> None:
    truth = tifffile.imread(data_folder / "movie-2d.tif")
    by_pixel = open_movie(next(data_folder.glob("result-2d_*_order_C_*.mmap")))
    np.testing.assert_allclose(frame_source(by_pixel).read(0, 300), truth, atol=1e-3)
    moving = tifffile.imread(data_folder / "movie-2d-moving.tif").astype(float)
    corrected = frame_source(open_movie(next(data_folder.glob("mm_rig_*.mmap")))).read(0, 300)
    assert corrected.shape == moving.shape
    for frame in range(0, 300, 30):
        assert best_correlation(corrected[frame], moving[frame]) > 0.6


def best_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two images at the shift that fits best: motion correction keeps the noise."""
    a, b = ((image - image.mean()) / image.std() for image in (a, b))
    circular = np.fft.ifft2(np.fft.fft2(a) * np.conj(np.fft.fft2(b))).real
    return float(circular.max() / a.size)


def test_natural_order() -> None:
    names = ["f10.tif", "f2.tif", "F1.tif", "a.tif", "f02b.tif"]
    assert sorted(names, key=natural_key) == ["a.tif", "F1.tif", "f2.tif", "f02b.tif", "f10.tif"]


class TestFingerprint:
    def test_follows_the_content_not_the_name(self, tmp_path: Path) -> None:
        content = np.random.default_rng(0).bytes(300_000)
        for name in ("a", "b", "sub"):
            (tmp_path / name).write_bytes(content)
        changed = bytearray(content)
        changed[-1] ^= 1
        (tmp_path / "c").write_bytes(changed)
        assert fingerprint(tmp_path / "a") == fingerprint([tmp_path / "b"])
        assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "c")
        assert len(fingerprint(tmp_path / "a")) == 32

    def test_order_of_a_session_matters(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"a" * 100)
        (tmp_path / "b").write_bytes(b"b" * 100)
        files = [tmp_path / "a", tmp_path / "b"]
        assert fingerprint(files) != fingerprint(files[::-1])


class TestLazyReading:
    @pytest.mark.parametrize(
        "index",
        [
            3,
            -1,
            slice(2, 5),
            slice(None, None, 3),
            slice(6, None, -2),
            slice(4, 4),
            (slice(None), 2, 3),
            (2, slice(1, 3)),
            (..., 4),
            (1, ...),
            ([0, 5, 2], slice(None), 1),
            np.array([True, False, True, False, False, False, True]),
        ],
    )
    def test_index_means_what_it_means_to_numpy(
        self, tmp_path: Path, frames: np.ndarray, index: object
    ) -> None:
        np.save(tmp_path / "a.npy", frames)
        lazy = LazyFrames(store_of(open_movie(tmp_path / "a.npy")))
        np.testing.assert_array_equal(lazy[index], frames[index])

    def test_opening_reads_no_frames(self, tmp_path: Path) -> None:
        """A sparse file of 40 GB opens at once."""
        header = b"\x93NUMPY\x01\x00v\x00" + (
            b"{'descr': '<u2', 'fortran_order': False, 'shape': (80000, 500, 500), }".ljust(117)
            + b"\n"
        )
        path = tmp_path / "huge.npy"
        path.write_bytes(header)
        try:
            os.truncate(path, len(header) + 80000 * 500 * 500 * 2)
        except OSError:
            pytest.skip("this file system has no sparse files")
        movie = open_movie(path)
        assert movie.data[79_999].compute().shape == (500, 500)

    def test_many_threads_read_one_source(self, tmp_path: Path) -> None:
        movie = np.random.default_rng(0).integers(0, 4000, (64, 20, 30), np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", movie, compression="zlib")
        tifffile.imwrite(tmp_path / "b.tif", movie)
        for name in ("a.tif", "b.tif"):
            source = frame_source(open_movie(tmp_path / name))
            with ThreadPoolExecutor(8) as pool:
                starts = [3 * i % 60 for i in range(200)]
                blocks = list(pool.map(lambda s, f=source: f.read(s, s + 4), starts))
            for start, block in zip(starts, blocks, strict=True):
                np.testing.assert_array_equal(block, movie[start : start + 4])

    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_source_can_go_to_another_process(
        self, tmp_path: Path, frames: np.ndarray, compression: str | None
    ) -> None:
        tifffile.imwrite(tmp_path / "a.tif", frames, compression=compression)
        source = frame_source(open_movie(tmp_path / "a.tif"))
        source.read(0, 1)
        travelled = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own bytes
        np.testing.assert_array_equal(travelled.read(0, 7), frames)


def test_gaps_longer_than_a_decay_are_told(tmp_path: Path, frames: np.ndarray) -> None:
    times = [0.0, 0.1, 0.2, 0.3, 5.0, 5.1, 5.2]
    metadata = {"axes": "TYX", "Plane": {"DeltaT": times, "DeltaTUnit": ["s"] * 7}}
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, frames, metadata=metadata, photometric="minisblack")
    movie = open_movie(path)
    told = remarks_on(movie, decay_time_s=0.4)
    assert "1 gap longer than the decay time of 0.4 s" in told[-1]
    assert remarks_on(movie, decay_time_s=6) == remarks_on(movie)


def test_importing_io_loads_no_format() -> None:
    code = (
        "import sys, napari_cnmf.io as io; io.__dir__()\n"
        "heavy = {'tifffile', 'h5py', 'zarr', 'dask', 'av', 'numpy', 'napari', 'qtpy'}\n"
        "print(*sorted(heavy & set(sys.modules)))\n"
        "io.open_movie\n"
        "print(*sorted(heavy & set(sys.modules)))\n"
    )
    at_import, when_used = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split("\n")[:2]
    assert at_import == ""
    assert set(when_used.split()) <= {"tifffile", "numpy"}


def test_an_engine_reads_frames_without_dask(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(60, dtype=np.uint16).reshape(5, 3, 4))
    code = (
        "import sys, napari_cnmf.io as io\n"
        f"movie = io.open_movie({str(tmp_path / 'a.npy')!r}).with_frame_rate(30)\n"
        "source = io.frame_source(movie)\n"
        "print(movie.shape, movie.dtype, source.read(4, 5).max(), 'dask' in sys.modules)\n"
        "print(movie.data[4].max().compute(), io.frame_source(movie) is source)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split("\n")[:2] == ["(5, 3, 4) uint16 59 False", "59 True"]


@pytest.mark.parametrize(
    "name", ["channel", "n_channels", "plane", "n_planes", "n_flyback", "field"]
)
def test_what_counts_must_be_a_whole_number(frames: np.ndarray, name: str) -> None:
    least = 1 if name in ("n_channels", "n_planes") else 0
    for value in ("abc", "1", 1.5, 1.0, True, np.True_, [1], {}, b"x", float("nan"), object()):
        with pytest.raises(MovieError, match=f"^{name} must be a whole number, got .*Give"):
            open_movie(frames, **{name: value})
    for value in (least - 1, -7):
        with pytest.raises(
            MovieError, match=f"^{name} must be at least {least}, got {value}.*Give"
        ):
            open_movie(frames, **{name: value})
    with pytest.raises(MovieError, match=f"^{name} must be at most 1000000, got 1{'0' * 30}"):
        open_movie(frames, **{name: 10**30})


@pytest.mark.parametrize(
    ("name", "values", "needed"),
    [
        (
            "offset",
            ("abc", True, [1], float("nan"), float("inf")),
            "offset must be a finite number",
        ),
        (
            "pixel_size_um",
            ("abc", True, -1, 0.0, [1.0], (1, "b"), (1, 1, 1, 1), {}, float("nan"), object()),
            r"pixel_size_um must be \(dy, dx\) or \(dz, dy, dx\) in micrometres above 0",
        ),
        ("axes", (1, 1.5, True, ["T"], b"TYX"), "axes must be a text"),
        ("dataset", (1, 1.5, True, ["mov"], b"mov"), "dataset must be a text"),
        ("frame_rate_hz", ("abc", "", True, [1], {}, 1j), "Frame rate must be a number of Hz"),
        ("frame_rate_hz", (0, -1, "0", float("nan")), "Frame rate must be above 0 Hz"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    frames: np.ndarray, name: str, values: tuple[object, ...], needed: str
) -> None:
    for value in values:
        with pytest.raises(MovieError, match=f"^{needed}, got .*Give"):
            open_movie(frames, **{name: value})


def test_a_pixel_size_of_one_number_stands_for_both(frames: np.ndarray) -> None:
    for value in (2, 2.0, np.float32(2), [2, 2], np.array([2.0, 2.0])):
        assert open_movie(frames, pixel_size_um=value).pixel_size_um == (2.0, 2.0)
