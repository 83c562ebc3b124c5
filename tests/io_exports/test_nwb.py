"""NWB read back with pynwb."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest

import napari_cnmf as nc
from napari_cnmf.io.exports import Context, MovieIn, Session
from napari_cnmf.io.motion import MotionRecord
from napari_cnmf.model.components import Components

DATA = Path(__file__).parents[1] / "data"
MOVIE = {"2d": "movie-2d.tif", "1p": "movie-2d.tif", "3d": "movie-3d.tif"}


def footprint(masks: Any, components: Components) -> np.ndarray:
    """A mask drawn pixel by pixel, as NWB says: x first."""
    image = np.zeros(components.dims, np.float32)
    for entry in masks:
        *at, weight = entry.tolist()
        image[tuple(at[::-1])] = weight
    return image


@pytest.mark.parametrize("include_rejected", [True, False])
@pytest.mark.parametrize("kind", MOVIE)
def test_components_traces_and_images(
    curated, tmp_path: Path, kind: str, include_rejected: bool
) -> None:
    cur = curated(kind)
    components = cur.components
    kept = np.arange(cur.accepted.size) if include_rejected else np.flatnonzero(cur.accepted)
    path = nc.write_nwb(cur, tmp_path / "r.nwb", include_rejected=include_rejected)
    with pynwb.NWBHDF5IO(path, "r") as io:
        ophys = io.read().processing["ophys"]
        table = ophys["ImageSegmentation"]["PlaneSegmentation"]
        assert table.id[:].tolist() == kept.tolist()
        assert table["accepted"][:].tolist() == cur.accepted[kept].tolist()
        masks = table["voxel_mask" if kind == "3d" else "pixel_mask"]
        for row, component in enumerate(kept):
            expected = components.A[:, [component]].toarray().reshape(components.dims)
            np.testing.assert_allclose(footprint(masks[row], components), expected, rtol=1e-6)
        row = kept.tolist().index(2)
        assert table["tags"][row] == "pyramidal, Größe 2"
        assert table["note"][row] == 'a "note", with commas'
        np.testing.assert_allclose(table["snr"][:], components.snr[kept])

        traces = dict(ophys["Fluorescence"].roi_response_series)
        kinds = {"raw", "denoised", "spikes"}
        kinds |= {"detrended"} if kind == "1p" else set()
        kinds |= {"background"} if kind == "2d" else set()
        assert set(traces) == kinds
        raw = traces["raw"]
        np.testing.assert_allclose(raw.data[:].T, (components.C + components.YrA)[kept], rtol=1e-6)
        assert (raw.rate, raw.unit, raw.starting_time) == (10.0, "a.u.", 0.0)
        assert raw.rois.table.name == "PlaneSegmentation"
        assert raw.rois.data[:].tolist() == list(range(len(kept)))
        np.testing.assert_allclose(traces["spikes"].data[:].T, components.S[kept], rtol=1e-6)
        if kind != "1p":
            dff = ophys["DfOverF"]["dff"]
            assert dff.unit == "ratio"
            np.testing.assert_allclose(dff.data[:].T, cur.dff(kept.tolist()), rtol=1e-5)
            expected = np.asarray(components.b[:, 0].reshape(components.dims)).T
            if kind == "2d":
                masks = ophys["ImageSegmentation"]["Background"]["image_mask"]
                np.testing.assert_allclose(masks[0], expected, rtol=1e-6)
            else:  # a single one: a table of one row is against the format's habits
                plane = ophys["BackgroundImages"]["background_z003"].data[:]
                np.testing.assert_allclose(plane, expected[..., 3], rtol=1e-6)
                course = ophys["background"].data[:]
                np.testing.assert_allclose(course, components.f[0], rtol=1e-6)
        mean = components.images["mean"]
        name, plane = ("mean", mean) if mean.ndim == 2 else ("mean_z003", mean[3])
        np.testing.assert_array_equal(ophys["SummaryImages"][name].data[:], plane.T)


def test_session_plane_and_provenance(curated, tmp_path: Path) -> None:
    session = Session(
        start=datetime(2026, 3, 1, 14, 30, tzinfo=UTC), subject_id="m1", species="Mus musculus",
        sex="F", age="P90D", indicator="GCaMP6f", location="CA1", excitation_nm=920,
        emission_nm=525.0, experimenter=("Müller, A.",),
    )  # fmt: skip
    movie = nc.open_movie(np.zeros((300, 48, 64), np.uint16), frame_rate_hz=10)
    context = Context(
        movie=type(movie)(movie.data, frame_rate_hz=10, pixel_size_um=(1.5, 2.5)),
        session=session,
        history=[{"step": "cnmf", "engine": "caiman", "version": "1.12.1"}],
    )
    path = nc.write_nwb(curated("2d"), tmp_path / "r.nwb", context=context)
    with pynwb.NWBHDF5IO(path, "r") as io:
        nwb = io.read()
        assert nwb.session_start_time == session.start
        assert (nwb.subject.subject_id, nwb.subject.sex) == ("m1", "F")
        plane = nwb.imaging_planes["ImagingPlane"]
        assert plane.grid_spacing[:].tolist() == [2.5, 1.5]
        assert plane.grid_spacing_unit == "micrometers"
        assert (plane.indicator, plane.imaging_rate, plane.excitation_lambda) == (
            "GCaMP6f", 10.0, 920.0,
        )  # fmt: skip
        history = json.loads(str(nwb.get_scratch("history_trace")))
        assert history[0]["engine"] == "caiman"
        assert [edit["edit"] for edit in history[-1]["edits"]] == [
            "reject",
            "unsure",
            "tag",
            "note",
        ]
        assert json.loads(str(nwb.get_scratch("params_json")))["data"]["fr"] == 10
        assert not pynwb.validate(path=str(path))


def test_an_unknown_start_is_the_files_date_and_said(curated, tmp_path: Path) -> None:
    cur = curated("2d")
    path = nc.write_nwb(cur, tmp_path / "r.nwb")
    with pynwb.NWBHDF5IO(path, "r") as io:
        nwb = io.read()
        assert nwb.session_start_time.timestamp() == pytest.approx(cur.path.stat().st_mtime)
        assert "date of the result's file" in nwb.notes


@pytest.mark.parametrize("kind", ["2d", "3d"])
def test_zero_components(curated, tmp_path: Path, kind: str) -> None:
    path = nc.write_nwb(curated(kind).components.take([]), tmp_path / "r.nwb")
    with pynwb.NWBHDF5IO(path, "r") as io:
        ophys = io.read().processing["ophys"]
        assert len(ophys["ImageSegmentation"]["PlaneSegmentation"]) == 0
        has_table = "background" in ophys["Fluorescence"].roi_response_series
        assert has_table or ophys["background"].data.shape[0] > 0
    assert not pynwb.validate(path=str(path))


def test_a_copied_movie_opens_as_it_was(curated, tmp_path: Path) -> None:
    movie = nc.open_movie(DATA / MOVIE["3d"], frame_rate_hz=10)
    context = Context(movie=movie, movie_in_nwb=MovieIn.COPIED)
    path = nc.write_nwb(curated("3d"), tmp_path / "r.nwb", context=context)
    again = nc.open_movie(path)
    assert again.frame_rate_hz == 10
    np.testing.assert_array_equal(np.asarray(again.data), np.asarray(movie.data))


def test_links_and_motion_correction(curated, tmp_path: Path) -> None:
    movie = nc.open_movie(DATA / MOVIE["2d"], frame_rate_hz=10)
    shifts = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    motion = MotionRecord(shifts=shifts, border_px=3)
    before = DATA / "movie-2d-moving.tif"
    context = Context(movie=movie, motion=motion, uncorrected_paths=(before,))
    plain = nc.write_nwb(curated("2d"), tmp_path / "plain.nwb", context=context)
    linked = Context(
        movie=movie, motion=motion, uncorrected_paths=(before,), movie_in_nwb=MovieIn.LINKED
    )
    path = nc.write_nwb(curated("2d"), tmp_path / "r.nwb", context=linked)
    with pynwb.NWBHDF5IO(plain, "r") as io:
        series = io.read().processing["ophys"]["motion_correction"]
        np.testing.assert_array_equal(series.data[:], -shifts[:, ::-1])
    with pynwb.NWBHDF5IO(path, "r") as io:
        nwb = io.read()
        stack = nwb.processing["ophys"]["MotionCorrection"]["CorrectedImageStack"]
        np.testing.assert_array_equal(stack.xy_translation.data[:], -shifts[:, ::-1])
        assert stack.original is nwb.acquisition["TwoPhotonSeries"]
        name = stack.corrected.external_file[0]
        assert (tmp_path / name).samefile(DATA / MOVIE["2d"])
        assert not Path(name).is_absolute()
        assert stack.corrected.dimension[:].tolist() == [64, 48]
