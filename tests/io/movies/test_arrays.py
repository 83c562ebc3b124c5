"""HDF5, NWB, zarr and arrays in memory."""

from __future__ import annotations

import json
import os
import pickle
from datetime import UTC, datetime
from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pytest
import tifffile
import zarr

from napari_cnmf.errors import MovieError
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.movies import ChoiceNeededError, MovieWindow, store_of
from napari_cnmf.io.movies._stores import RawFrames


def n_samples(n_frames: int) -> dict[str, int]:
    """Argument of a series whose frames lie elsewhere: pynwb before 4 does not take it."""
    from hdmf.utils import get_docval
    from pynwb.image import ImageSeries

    known = {arg["name"] for arg in get_docval(ImageSeries.__init__)}
    return {"num_samples": n_frames} if "num_samples" in known else {}


def read_all(movie) -> np.ndarray:
    return frame_source(movie).read(0, movie.n_frames)


class TestHdf5:
    def test_caiman_name_wins_and_attributes_are_read(
        self, tmp_path: Path, frames: np.ndarray
    ) -> None:
        with h5py.File(tmp_path / "a.hdf5", "w") as file:
            file["mov"] = frames
            file["mov"].attrs["fr"] = 20.0
            file["mov"].attrs["pixel_size_um"] = [2.0, 1.5]
            file["other"] = frames
        movie = open_movie(tmp_path / "a.hdf5")
        assert movie.frame_rate_hz == 20
        assert movie.pixel_size_um == (2.0, 1.5)
        assert isinstance(store_of(movie), RawFrames)
        np.testing.assert_array_equal(read_all(movie), frames)

    def test_only_array_with_frames(self, tmp_path: Path, volumes: np.ndarray) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["deep/inside"] = volumes
            file["mean"] = volumes[0, 0]
        np.testing.assert_array_equal(read_all(open_movie(tmp_path / "a.h5")), volumes)

    def test_several_arrays_need_a_name(self, tmp_path: Path, frames: np.ndarray) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["one"], file["two"] = frames, frames + 1
        with pytest.raises(MovieError, match=r"/one \(7, 5, 11\), /two.*dataset="):
            open_movie(tmp_path / "a.h5")
        movie = open_movie(tmp_path / "a.h5", dataset="two")
        np.testing.assert_array_equal(read_all(movie), frames + 1)
        with pytest.raises(MovieError, match="'three'"):
            open_movie(tmp_path / "a.h5", dataset="three")

    def test_time_last_and_chunks_over_time(self, tmp_path: Path, frames: np.ndarray) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset(
                "mov", data=frames.transpose(1, 2, 0), chunks=(5, 11, 4), compression="gzip"
            )
        movie = open_movie(tmp_path / "a.h5", axes="YXT")
        np.testing.assert_array_equal(read_all(movie), frames)
        np.testing.assert_array_equal(frame_source(movie).read(3, 5), frames[3:5])

    def test_result_is_no_movie(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "a.hdf5", "w") as file:
            file["estimates/A/data"] = np.ones(3)
            file["estimates/R"] = np.ones((2, 3, 4))
        with pytest.raises(MovieError, match="got a result of CNMF"):
            open_movie(tmp_path / "a.hdf5")

    def test_damaged(self, tmp_path: Path, frames: np.ndarray) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["mov"] = frames
        os.truncate(tmp_path / "a.h5", 700)
        with pytest.raises(MovieError, match="whole HDF5 file"):
            open_movie(tmp_path / "a.h5")

    def test_text_is_no_movie(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["mov"] = np.zeros((2, 3, 4), complex)
        with pytest.raises(MovieError, match="integers or real numbers, got complex128"):
            open_movie(tmp_path / "a.h5")


def write_nwb(
    path: Path,
    data: np.ndarray,
    *,
    names: tuple[str, ...] = ("movie",),
    kind: str = "TwoPhotonSeries",
    **timing,
):
    """``data`` is ``(T, X, Y[, Z])`` as NWB has it; written by pynwb."""
    from pynwb import NWBHDF5IO, NWBFile, ophys
    from pynwb.ophys import OpticalChannel

    file = NWBFile(
        session_description="session",
        identifier="id",
        session_start_time=datetime(2020, 1, 1, tzinfo=UTC),
    )
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=OpticalChannel(name="green", description="GCaMP", emission_lambda=510.0),
        imaging_rate=timing.get("rate", 12.0),
        description="plane",
        device=file.create_device("microscope"),
        excitation_lambda=920.0,
        indicator="GCaMP",
        location="V1",
        grid_spacing=[1.5, 2.0, 5.0][: data.ndim - 1],
        grid_spacing_unit="micrometers",
    )
    for name in names:
        file.add_acquisition(
            getattr(ophys, kind)(name=name, data=data, unit="n.a.", imaging_plane=plane, **timing)
        )
    with NWBHDF5IO(path, "w") as io:
        io.write(file)


class TestNwb:
    def test_axes_rate_and_pixel_size(self, tmp_path: Path, frames: np.ndarray) -> None:
        write_nwb(tmp_path / "a.nwb", frames.transpose(0, 2, 1), rate=30.0)
        movie = open_movie(tmp_path / "a.nwb")
        assert movie.frame_rate_hz == 30
        assert movie.pixel_size_um == (2.0, 1.5)
        np.testing.assert_array_equal(read_all(movie), frames)

    def test_volumes_with_timestamps(self, tmp_path: Path, volumes: np.ndarray) -> None:
        times = np.array([0.0, 0.5, 1.0, 7.0])
        write_nwb(tmp_path / "a.nwb", volumes.transpose(0, 3, 2, 1), timestamps=times)
        movie = open_movie(tmp_path / "a.nwb")
        assert movie.frame_rate_hz == 2
        np.testing.assert_allclose(movie.time_s, times)
        assert "longest is 6 s after frame 2" in " ".join(movie.description.remarks)
        assert movie.pixel_size_um == (5.0, 2.0, 1.5)
        np.testing.assert_array_equal(read_all(movie), volumes)

    def test_several_series(self, tmp_path: Path, frames: np.ndarray) -> None:
        write_nwb(tmp_path / "a.nwb", frames, names=("green", "red"), rate=30.0)
        with pytest.raises(MovieError, match=r"/acquisition/green, /acquisition/red.*dataset="):
            open_movie(tmp_path / "a.nwb")
        movie = open_movie(tmp_path / "a.nwb", dataset="red", axes="TYX")
        np.testing.assert_array_equal(read_all(movie), frames)

    def test_frames_in_another_file(self, tmp_path: Path, frames: np.ndarray) -> None:
        tifffile.imwrite(tmp_path / "raw.tif", frames)
        write_nwb(
            tmp_path / "a.nwb",
            np.zeros((0, 0, 0), np.uint16),
            external_file=["raw.tif"],
            format="external",
            starting_frame=[0],
            **n_samples(7),
            rate=30.0,
        )
        movie = open_movie(tmp_path / "a.nwb")
        assert movie.frame_rate_hz == 30
        np.testing.assert_array_equal(read_all(movie), frames)
        (tmp_path / "raw.tif").unlink()
        with pytest.raises(MovieError, match=r"raw\.tif"):
            open_movie(tmp_path / "a.nwb")

    @pytest.mark.parametrize("kind", ["TwoPhotonSeries", "OnePhotonSeries"])
    def test_dimension_tells_frames_that_are_stored_turned(
        self, tmp_path: Path, frames: np.ndarray, kind: str
    ) -> None:
        """A writer that stored ``(T, Y, X)`` and noted ``(x, y)`` rightly."""
        write_nwb(tmp_path / "a.nwb", frames, kind=kind, rate=30.0, dimension=[11, 5])
        movie = open_movie(tmp_path / "a.nwb")
        np.testing.assert_array_equal(read_all(movie), frames)
        assert "stores frames as (y, x)" in movie.description.remarks[0]
        right = frames.transpose(0, 2, 1)
        write_nwb(tmp_path / "b.nwb", right, kind=kind, rate=30.0, dimension=[11, 5])
        found = open_movie(tmp_path / "b.nwb")
        np.testing.assert_array_equal(read_all(found), frames)
        assert found.description.remarks == ()

    def test_planes_in_series_of_their_own_are_asked_about(
        self, tmp_path: Path, frames: np.ndarray
    ) -> None:
        write_nwb(tmp_path / "a.nwb", frames, names=("Plane0", "Plane1"), rate=30.0)
        with pytest.raises(ChoiceNeededError) as caught:
            open_movie(tmp_path / "a.nwb")
        assert caught.value.option == "dataset"
        name, label = caught.value.choices[1]
        assert (name, label) == ("/acquisition/Plane1", "/acquisition/Plane1 (7, 5, 11)")
        assert open_movie(tmp_path / "a.nwb", dataset=name, axes="TYX").shape == frames.shape

    def test_suite2p_names_the_movies_that_it_was_given(
        self, tmp_path: Path, frames: np.ndarray
    ) -> None:
        """Absolute paths of another computer; the files lie beside the NWB file by now."""
        for k in range(2):
            tifffile.imwrite(tmp_path / f"part{k}.tif", frames + k)
        write_nwb(
            tmp_path / "a.nwb",
            np.zeros((0, 0, 0), np.uint16),
            external_file=[r"D:\data\part0.tif", r"D:\data\part1.tif"],
            format="external",
            dimension=[5, 11],
            starting_frame=[0, 7],
            starting_time=0.0,
            **n_samples(14),
            rate=30.0,
        )
        movie = open_movie(tmp_path / "a.nwb")
        np.testing.assert_array_equal(read_all(movie), np.concatenate([frames, frames + 1]))
        assert movie.frame_rate_hz == 30

    def test_no_series(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "a.nwb", "w") as file:
            file["mov"] = np.zeros((2, 3, 4))
        with pytest.raises(MovieError, match=r"must hold one TwoPhotonSeries.*got: none"):
            open_movie(tmp_path / "a.nwb")


class TestZarr:
    @pytest.mark.parametrize("version", [2, 3])
    def test_level_0_of_ome_zarr(self, tmp_path: Path, version: int) -> None:
        data = np.arange(4 * 2 * 1 * 5 * 6, dtype=np.uint16).reshape(4, 2, 1, 5, 6)
        root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=version)
        for level, stored in (("0", data), ("1", data[..., ::2, ::2])):
            array = root.create_array(level, shape=stored.shape, dtype=stored.dtype)
            array[...] = stored
        space = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
        time = {"name": "t", "type": "time", "unit": "millisecond"}
        multiscales = [
            {
                "axes": [time, {"name": "c", "type": "channel"}, *space],
                "datasets": [
                    {
                        "path": level,
                        "coordinateTransformations": [
                            {"type": "scale", "scale": [100.0, 1.0, 5.0, 0.5, 0.25]}
                        ],
                    }
                    for level in "01"
                ],
            }
        ]
        root.attrs.update(
            {"multiscales": multiscales} if version == 2 else {"ome": {"multiscales": multiscales}}
        )
        movie = open_movie(tmp_path / "a.zarr", channel=1)
        assert movie.frame_rate_hz == pytest.approx(10)
        assert movie.pixel_size_um == (0.5, 0.25)
        np.testing.assert_array_equal(read_all(movie), data[:, 1, 0])

    def test_several_arrays_need_a_name(self, tmp_path: Path, frames: np.ndarray) -> None:
        root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
        for name in ("one", "two"):
            root.create_array(name, shape=frames.shape, dtype=frames.dtype)[...] = frames
        with pytest.raises(MovieError, match="dataset="):
            open_movie(tmp_path / "a.zarr")
        np.testing.assert_array_equal(
            read_all(open_movie(tmp_path / "a.zarr", dataset="two")), frames
        )

    def test_damaged(self, tmp_path: Path) -> None:
        (tmp_path / "a.zarr").mkdir()
        (tmp_path / "a.zarr" / ".zarray").write_text(json.dumps({"shape": "no"}))
        with pytest.raises(MovieError, match="zarr"):
            open_movie(tmp_path / "a.zarr")


class TestInMemory:
    def test_numpy_is_not_copied(self, frames: np.ndarray) -> None:
        movie = open_movie(frames, frame_rate_hz=30)
        frames[3, 2, 1] = 999
        assert movie.data[3, 2, 1].compute() == 999
        assert movie.paths == ()
        assert movie.fingerprint is None

    def test_dask_stays_lazy(self, frames: np.ndarray) -> None:
        asked: list[int] = []

        def block(block_info=None) -> np.ndarray:
            asked.append(block_info[None]["chunk-location"][0])
            return frames[asked[-1] : asked[-1] + 1]

        lazy = da.map_blocks(
            block, chunks=((1,) * 7, (5,), (11,)), dtype=frames.dtype, meta=frames[:0]
        )
        movie = open_movie(lazy)
        assert asked == []
        np.testing.assert_array_equal(frame_source(movie).read(2, 3), frames[2:3])
        assert asked == [2]

    @pytest.mark.parametrize(
        ("array", "found"),
        [
            (np.zeros((4, 5)), "single image"),
            (np.zeros((3, 4, 5, 3)), "axes="),
            (np.zeros((2, 2, 2, 5, 5)), "axes="),
            (np.zeros((3, 4, 5), object), "integers or real"),
            (np.zeros((0, 4, 5)), "at least one frame"),
            (42, "got int"),
        ],
    )
    def test_not_a_movie(self, array: object, found: str) -> None:
        with pytest.raises(MovieError, match=found):
            open_movie(array)


def test_nwb_with_frames_in_another_file_is_known_by_those_frames(tmp_path: Path) -> None:
    """Frames that are mended in place make another movie of the same NWB file."""
    frames = np.zeros((9, 6, 8), np.uint16)
    tifffile.imwrite(tmp_path / "frames.tif", frames)
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        series = file.create_group("acquisition/TwoPhotonSeries")
        series.attrs["neurodata_type"] = "TwoPhotonSeries"
        series["external_file"] = np.array(["frames.tif"], h5py.string_dtype())
        series["imaging_plane/grid_spacing"] = [1.0, 1.0]  # metres, if nothing else is said
    before = open_movie(tmp_path / "a.nwb")
    assert before.pixel_size_um is None
    frames[4] = 7
    tifffile.imwrite(tmp_path / "frames.tif", frames)
    after = open_movie(tmp_path / "a.nwb")
    assert after.paths == before.paths == (tmp_path / "a.nwb",)
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("n_planes", [1, 3])
def test_matlab_stores_axes_in_reverse_order(tmp_path: Path, n_planes: int) -> None:
    """An array ``(Y, X, [Z], T)`` of MATLAB is ``(T, [Z], X, Y)`` in its file."""
    movie = np.arange(9 * n_planes * 6 * 8, dtype=np.uint16).reshape(9, n_planes, 6, 8)
    movie = movie if n_planes > 1 else movie[:, 0]
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["Y"] = np.swapaxes(movie, -1, -2)
        file["Y"].attrs["MATLAB_class"] = np.bytes_("uint16")
    found = open_movie(tmp_path / "a.mat")
    np.testing.assert_array_equal(found.data.compute(), movie)
    assert "MATLAB" in found.description.format


def test_five_named_axes_in_hdf5(tmp_path: Path) -> None:
    """As SIMA writes recordings: time, planes, rows, columns, channels."""
    stored = np.random.default_rng(0).integers(0, 99, (5, 3, 8, 6, 2)).astype(np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("imaging", data=stored)
        for axis, name in enumerate("tzyxc"):
            data.dims[axis].label = name
        data.attrs["element_size_um"] = [5.0, 0.5, 0.25]
    movie = open_movie(tmp_path / "a.h5", channel=1)
    np.testing.assert_array_equal(movie.data.compute(), stored[..., 1])
    assert movie.pixel_size_um == (5.0, 0.5, 0.25)


SHAPES = [
    ((64, 80, 9), True), ((20, 24, 480), True), ((480, 20, 24), False), ((9, 64, 80), False),
    ((300, 16, 200), False),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["h5", "npy", "zarr", "array"])
@pytest.mark.parametrize(("shape", "is_asked"), SHAPES)
def test_a_last_axis_that_may_be_time_is_asked(
    tmp_path: Path, kind: str, shape: tuple[int, ...], is_asked: bool
) -> None:
    stored = np.random.default_rng(0).integers(0, 99, shape).astype(np.int16)
    source = stored if kind == "array" else tmp_path / f"a.{kind}"
    if kind == "npy":
        np.save(source, stored)
    elif kind == "zarr":
        zarr.save_array(source, stored)
    elif kind == "h5":
        with h5py.File(source, "w") as file:
            file["imaging"] = stored
    turned = open_movie(source, axes="YXT")
    np.testing.assert_array_equal(turned.data[1].compute(), stored[..., 1])
    if is_asked:
        with pytest.raises(ChoiceNeededError, match="axes='TYX' or axes='YXT'") as asked:
            open_movie(source)
        assert asked.value.option == "axes"
        shapes = [open_movie(source, axes=axes).shape for axes, _ in asked.value.choices]
        assert shapes == [shape, (shape[2], *shape[:2])]
    else:
        assert open_movie(source).shape == shape


def test_five_axes_that_the_user_names(tmp_path: Path) -> None:
    """Sima writes (T, Z, Y, X, C) and names nothing."""
    stored = np.arange(6 * 1 * 8 * 9 * 2, dtype=np.int16).reshape(6, 1, 8, 9, 2)
    with h5py.File(tmp_path / "sima.h5", "w") as file:
        file["imaging"] = stored
    with pytest.raises(MovieError, match="five axes with axes="):
        open_movie(tmp_path / "sima.h5")
    movie = open_movie(tmp_path / "sima.h5", axes="TZYXC", channel=1)
    np.testing.assert_array_equal(frame_source(movie).read(0, 6), stored[:, 0, :, :, 1])


def test_nwb_that_tells_two_rates_or_times_of_another_length(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        series = file.create_group("acquisition/S")
        series.attrs["neurodata_type"] = "TwoPhotonSeries"
        series["data"] = np.zeros((12, 5, 7), np.uint16)
        series["timestamps"] = np.arange(10) / 10
        series.create_group("imaging_plane")["imaging_rate"] = 30.0
    movie = open_movie(tmp_path / "a.nwb")
    told = " ".join(movie.description.remarks)
    assert movie.frame_rate_hz == pytest.approx(10)
    assert "By its NWB timestamps the series has 10 Hz, by its imaging plane 30 Hz" in told
    assert "tells the times of 10 frames and the movie has 12" in told


@pytest.mark.parametrize("plane", [None, 1])
@pytest.mark.parametrize("offset", [None, -7])
def test_parts_of_volumes_in_one_piece(
    tmp_path: Path, plane: int | None, offset: int | None
) -> None:
    stored = np.random.default_rng(0).integers(-99, 99, (9, 4, 12, 15)).astype(">i2")
    np.save(tmp_path / "v.npy", stored)
    movie = open_movie(tmp_path / "v.npy", plane=plane, offset=offset)
    want = stored.astype(int) + (offset or 0)
    box: tuple[slice, ...] = (slice(1, 3), slice(2, 9), slice(3, 11))
    if plane is not None:
        want, box = want[:, plane], box[1:]
    again = pickle.loads(pickle.dumps(store_of(movie)))  # noqa: S301
    np.testing.assert_array_equal(again.read(2, 7), want[2:7])
    window = MovieWindow(movie).read_window(3, 8, box)
    np.testing.assert_array_equal(window, want[3:8][(slice(None), *box)])
