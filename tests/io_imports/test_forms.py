"""Forms of other programs' files that our own exports do not have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

import napari_cnmf as nc
from napari_cnmf.errors import ParameterError, ResultError
from napari_cnmf.io.imports import open_import, read_import
from napari_cnmf.io.regions import read_footprints


@pytest.fixture
def folder(curated: Callable[[str], Any], tmp_path: Path) -> Path:
    """A suite2p folder of eight cells."""
    nc.export(curated("2d"), "suite2p", tmp_path / "suite2p", include_rejected=True)
    return next((tmp_path / "suite2p").rglob("ops.npy")).parent


@pytest.mark.parametrize(
    "form", ["pairs", "column", "flat", "bool", "transposed", "whole numbers", "more rows"]
)
def test_iscell_in_each_of_its_forms(folder: Path, form: str) -> None:
    verdict = np.array([1, 0, 1, 1, 0, 1, 0, 1.0])
    pairs = np.stack([verdict, verdict * 0.8], axis=1)
    np.save(folder / "iscell.npy", {
        "pairs": pairs, "column": verdict[:, np.newaxis], "flat": verdict,
        "bool": verdict > 0, "transposed": pairs.T, "whole numbers": verdict.astype(np.int8),
        "more rows": np.concatenate([pairs, pairs]),
    }[form])  # fmt: skip
    components = read_import(folder).components
    assert components.accepted is not None
    assert components.accepted.tolist() == (verdict > 0).tolist()
    has_probability = form in ("pairs", "transposed", "more rows")
    assert ("suite2p_probability" in components.attributes) == has_probability
    assert read_footprints(folder, (48, 64)).shape[1] == 5


def test_iscell_of_another_number_of_cells(folder: Path) -> None:
    np.save(folder / "iscell.npy", np.ones((3, 2)))
    with pytest.raises(ResultError, match="must have a row for each of 8 cells"):
        read_import(folder)
    np.save(folder / "iscell.npy", np.array([1, 0, np.nan, 1, 1, 0, 0, 1]))
    with pytest.raises(ResultError, match="got NaN in row 2"):
        read_import(folder)


@pytest.mark.parametrize("fs", [0, -1.0, float("nan"), None, "fast"])
def test_no_frame_rate(folder: Path, fs: Any) -> None:
    ops = np.load(folder / "ops.npy", allow_pickle=True).item()
    np.save(folder / "ops.npy", ops | {"fs": fs})
    components = read_import(folder).components
    assert components.frame_rate_hz is None
    assert np.isfinite(components.C).all()
    np.testing.assert_array_equal(components.YrA, 0)


def test_no_decay_time(folder: Path) -> None:
    ops = np.load(folder / "ops.npy", allow_pickle=True).item()
    np.save(folder / "ops.npy", ops | {"tau": 0})
    assert np.isfinite(read_import(folder).components.C).all()


def write_tables(path: Path, sizes: dict[str, int], *, by_suite2p: bool = False) -> Path:
    """A table of so many cells for each name; cell ``k`` lies at row ``3 k``, columns 10 to 14."""
    nwb = pynwb.NWBFile("a session", "id", datetime(2026, 1, 2, tzinfo=UTC))
    device = nwb.create_device("scope")
    ophys = nwb.create_processing_module("ophys", "of another program")
    seg, fluorescence = ImageSegmentation(), Fluorescence()
    ophys.add(seg)
    ophys.add(fluorescence)
    for name, n in sizes.items():
        channel = OpticalChannel(name="c", description="d", emission_lambda=520.0)
        plane = nwb.create_imaging_plane(
            name=f"plane of {name}", optical_channel=channel, description="d", device=device,
            excitation_lambda=920.0, indicator="GCaMP6f", location="V1", imaging_rate=10.0,
        )  # fmt: skip
        said = "suite2p output" if by_suite2p else "d"
        table = seg.create_plane_segmentation(name=name, description=said, imaging_plane=plane)
        for k in range(n):
            y, x = np.mgrid[3 * k : 3 * k + 2, 10:15]
            places = (y, x) if by_suite2p else (x, y)
            entries = zip(*(p.ravel().tolist() for p in places), [1.0] * y.size, strict=True)
            table.add_roi(pixel_mask=list(entries))
        rows = table.create_roi_table_region(region=list(range(n)), description="d")
        data = np.full((30, n), float(n), np.float32)
        fluorescence.add_roi_response_series(
            RoiResponseSeries(name=f"F{name}", data=data.T if by_suite2p else data, rois=rows,
                              unit="n.a.", rate=10.0)
        )  # fmt: skip
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


def test_every_table_of_an_nwb_file_is_offered(tmp_path: Path) -> None:
    path = write_tables(tmp_path / "two.nwb", {"upper": 4, "deep": 6})
    with pytest.warns(UserWarning, match=r"further tables of cells: upper \(4 cells\)"):
        largest = open_import(path)
    assert largest.components.n_components == 6
    for named, n in (("upper", 4), ("deep", 6), (1, 4), (0, 6)):
        cur = open_import(path, plane=named)
        assert cur.components.n_components == n
        assert cur.components.C.max() == n
    with pytest.raises(ResultError, match=r"must be one of 0: deep, 1: upper, got lower"):
        open_import(path, plane="lower")


def test_tables_of_one_file_have_journals_of_their_own(tmp_path: Path) -> None:
    path = write_tables(tmp_path / "two.nwb", {"upper": 4, "deep": 6})
    open_import(path, plane="upper").reject([0])
    assert open_import(path, plane="deep").accepted.all()
    assert not open_import(path, plane="upper").accepted[0]


@pytest.mark.filterwarnings("ignore:RoiResponseSeries 'F")
def test_nwb_of_suite2p_has_rows_before_columns(tmp_path: Path) -> None:
    """Its traces are transposed in old versions."""
    path = write_tables(tmp_path / "ophys.nwb", {"PlaneSegmentation": 5}, by_suite2p=True)
    components = read_import(path).components
    y, x = np.unravel_index(components.A[:, [4]].indices, components.dims)
    assert (y.min(), y.max(), x.min(), x.max()) == (12, 13, 10, 14)
    assert components.C.shape == (5, 30)


def write_series(
    path: Path, names: list[str], *, mask: str = "image_mask", script: str = "", **more: Any
) -> Path:
    """Four cells on a field of 9 rows and 12 columns, and a series for each name, of its number."""
    nwb = pynwb.NWBFile(
        "a session", "id", datetime(2026, 1, 2, tzinfo=UTC),
        source_script=script or None, source_script_file_name="a.py" if script else None,
    )  # fmt: skip
    device = nwb.create_device("scope")
    ophys = nwb.create_processing_module("ophys", "of another program")
    seg, fluorescence = ImageSegmentation(), Fluorescence()
    ophys.add(seg)
    ophys.add(fluorescence)
    channel = OpticalChannel(name="c", description="d", emission_lambda=520.0)
    plane = nwb.create_imaging_plane(
        name="p", optical_channel=channel, description="d", device=device,
        excitation_lambda=920.0, indicator="GCaMP6f", location="V1",
    )  # fmt: skip
    table = seg.create_plane_segmentation(name="Table", description="d", imaging_plane=plane)
    for k in range(4):
        image = np.zeros((12, 9), np.float32)
        image[3 * k : 3 * k + 3, k : k + 2] = 1
        if mask == "image_mask":
            table.add_roi(image_mask=image)
        else:
            x, y = np.nonzero(image)
            places = (y, x) if mask == "rows first" else (x, y)
            table.add_roi(pixel_mask=[(int(a), int(b), 1.0) for a, b in zip(*places, strict=True)])
    ophys.add(
        pynwb.base.Images(
            name="images", images=[pynwb.image.GrayscaleImage(name="mean", data=np.ones((12, 9)))]
        )
    )
    for name, values in more.get("columns", {}).items():
        table.add_column(name=name, description="d", data=values)
    rows = table.create_roi_table_region(region=[0, 1, 2, 3], description="d")
    clock = {"timestamps": more["timestamps"]} if "timestamps" in more else {"rate": 10.0}
    for number, name in enumerate(names):
        data = np.full((30, 4), 100.0 * (number + 1), np.float32)
        fluorescence.add_roi_response_series(
            RoiResponseSeries(name=name, data=data, rois=rows, unit="n.a.", **clock)
        )
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


@pytest.mark.parametrize(
    ("names", "raw", "denoised", "spikes"),
    [
        (["RoiResponseSeries", "Denoised", "Neuropil", "Deconvolved", "Baseline", "DfOverF"],
         100, 200, 400),
        (["DfOverF", "Baseline", "RoiResponseSeries"], 300, None, None),
        (["Baseline", "ZRoi", "dF_F"], 200, None, None),
        (["Fneu", "F", "spks"], 200, None, 300),
        (["F0", "dff", "a"], 300, None, None),
    ],
)  # fmt: skip
def test_traces_by_their_names(
    tmp_path: Path, names: list[str], raw: float, denoised: float | None, spikes: float | None
) -> None:
    components = read_import(write_series(tmp_path / "a.nwb", names)).components
    np.testing.assert_allclose(components.C + components.YrA, raw)
    np.testing.assert_allclose(components.C, denoised or raw)
    assert (components.S is None) == (spikes is None)
    if spikes is not None:
        np.testing.assert_allclose(components.S, spikes)


def test_traces_that_may_both_be_raw_are_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="corrected was read, other was not"):
        read_import(write_series(tmp_path / "a.nwb", ["other", "corrected"]))


@pytest.mark.parametrize("names", [["DfOverF"], ["Baseline", "dff"]])
def test_no_raw_trace(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ResultError, match="dF/F, which says nothing of the baseline"):
        read_import(write_series(tmp_path / "a.nwb", names))


@pytest.mark.parametrize(
    ("mask", "script"),
    [
        ("image_mask", ""),
        ("pixel_mask", ""),
        ("image_mask", "neuroconv_version: 0.10.2"),
        ("rows first", "neuroconv_version: 0.10.2"),
        ("rows first", "a script of the lab"),  # the masks leave the field otherwise
    ],
)
def test_masks_lie_where_the_images_have_them(tmp_path: Path, mask: str, script: str) -> None:
    path = write_series(tmp_path / "a.nwb", ["raw"], mask=mask, script=script)
    components = read_import(path).components
    assert components.dims == (9, 12)
    want = np.zeros((9, 12), bool)
    want[3:5, 9:12] = True
    np.testing.assert_array_equal(components.A[:, [3]].toarray().reshape(9, 12) > 0, want)


def test_uneven_time_stamps_of_traces_are_told(tmp_path: Path) -> None:
    times = np.arange(30) / 10 + 20.0 * (np.arange(30) > 14)
    path = write_series(tmp_path / "a.nwb", ["raw"], timestamps=times)
    with pytest.warns(UserWarning, match="uneven: steps of 0.1 to 20.1 s"):
        components = read_import(path).components
    assert components.frame_rate_hz == pytest.approx(10)


@pytest.mark.parametrize("name", ["Accepted", "Rejected"])
def test_the_verdict_in_a_column(tmp_path: Path, name: str) -> None:
    path = write_series(tmp_path / "a.nwb", ["raw"], columns={name: [1, 0, 0, 1]})
    accepted = read_import(path).components.accepted
    assert accepted is not None
    assert accepted.tolist() == [(value == 1) == (name == "Accepted") for value in (1, 0, 0, 1)]


def write_planes(path: Path, tables: list[dict[str, Any]]) -> Path:
    """Tables of planes of different fields, with cells at the last columns of their field.

    Each table: ``name``, ``field (Y, X)``, ``n``, ``rows`` with traces, ``seg``, ``has_image``.
    """
    nwb = pynwb.NWBFile("a session", "id", datetime(2026, 1, 2, tzinfo=UTC))
    device = nwb.create_device("scope")
    ophys = nwb.create_processing_module("ophys", "of another program")
    fluorescence = Fluorescence()
    images = []
    for number, table in enumerate(tables):
        seg = ophys.data_interfaces.get(table.get("seg", "Seg"))
        if seg is None:
            seg = ImageSegmentation(name=table.get("seg", "Seg"))
            ophys.add(seg)
        channel = OpticalChannel(name="c", description="d", emission_lambda=520.0)
        plane = nwb.create_imaging_plane(
            name=f"plane{number}", optical_channel=channel, description="d", device=device,
            excitation_lambda=920.0, indicator="GCaMP6f", location="V1", imaging_rate=10.0,
        )  # fmt: skip
        rois = seg.create_plane_segmentation(
            name=table["name"], description="d", imaging_plane=plane
        )
        height, width = table["field"]
        for k in range(table["n"]):
            y, x = np.mgrid[3 * k : 3 * k + 2, width - 4 : width]
            pixels = zip(x.ravel().tolist(), y.ravel().tolist(), [1.0] * y.size, strict=True)
            rois.add_roi(pixel_mask=list(pixels))
        if table.get("has_image", True):
            data = np.full((width, height), float(number), np.float32)
            images.append(pynwb.image.GrayscaleImage(name=f"mean_plane{number}", data=data))
        rows = table.get("rows", list(range(table["n"])))
        if rows:
            if fluorescence.parent is None:
                ophys.add(fluorescence)
            region = rois.create_roi_table_region(region=rows, description="d")
            data = np.tile(10.0 * (1 + np.array(rows, np.float32)), (30, 1))
            fluorescence.add_roi_response_series(
                RoiResponseSeries(
                    name=f"Raw plane {number}", data=data, rois=region, unit="n.a.", rate=10.0
                )
            )
    if images:
        ophys.add(pynwb.base.Images(name="images", images=images))
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


def test_tables_of_one_name_are_told_apart(tmp_path: Path) -> None:
    cells = [
        {"name": "Cells", "field": (40, 50), "n": n, "seg": seg} for n, seg in ((3, "a"), (5, "b"))
    ]
    path = write_planes(tmp_path / "a.nwb", cells)
    with pytest.warns(UserWarning, match=r"further tables of cells: a/Cells \(3 cells\)\. b/Cells"):
        assert read_import(path).components.n_components == 5
    for named, n in (("a/Cells", 3), ("b/Cells", 5), (0, 3), (1, 5)):
        assert open_import(path, plane=named).components.n_components == n
    open_import(path, plane="a/Cells").reject([0])
    assert not open_import(path, plane="a/Cells").accepted[0]
    assert open_import(path, plane="b/Cells").accepted.all()


def test_a_table_without_traces_is_not_taken_before_one_that_has_them(tmp_path: Path) -> None:
    path = write_planes(
        tmp_path / "a.nwb",
        [{"name": "all", "field": (40, 50), "n": 8, "rows": []},
         {"name": "good", "field": (40, 50), "n": 5}],
    )  # fmt: skip
    with pytest.warns(UserWarning, match=r"tables of cells: all \(8 cells\)\. good with 5"):
        assert read_import(path).components.n_components == 5
    with pytest.raises(ResultError, match=r"start an analysis from its masks \(ain\)"):
        read_import(path, plane="all")


@pytest.mark.parametrize("rows", [[0, 2, 4], [4, 1]])
def test_cells_without_traces_are_left_out(tmp_path: Path, rows: list[int]) -> None:
    cells = {"name": "cells", "field": (40, 50), "n": 5, "rows": rows}
    path = write_planes(tmp_path / "a.nwb", [cells])
    with pytest.warns(UserWarning, match=rf"{5 - len(rows)} of 5 cells of cells in a.nwb have no"):
        components = read_import(path).components
    kept = sorted(rows)
    np.testing.assert_allclose(components.C[:, 0], [10.0 * (1 + row) for row in kept])
    for k, row in enumerate(kept):
        y = np.unravel_index(components.A[:, [k]].indices, components.dims)[0]
        assert (y.min(), y.max()) == (3 * row, 3 * row + 1)


def test_planes_of_different_fields_have_their_own(tmp_path: Path) -> None:
    fields = [(40, 50), (70, 90)]
    path = write_planes(
        tmp_path / "a.nwb",
        [{"name": f"cells{k}", "field": field, "n": 5 + k} for k, field in enumerate(fields)],
    )
    for k, field in enumerate(fields):
        components = read_import(path, plane=f"cells{k}").components
        assert components.dims == field
        assert list(components.images) == [f"mean_plane{k}"]
        x = np.unravel_index(components.A.indices, components.dims)[1]
        assert x.max() == field[1] - 1
        A = read_footprints(path, field)
        assert A.shape == (field[0] * field[1], 5 + k)
    with pytest.raises(ParameterError, match=r"got tables of cells in a.nwb: cells0 \(40, 50\)"):
        read_footprints(path, (20, 20))


def test_cells_to_start_from_need_no_traces(tmp_path: Path) -> None:
    cells = {"name": "cells", "field": (40, 50), "n": 5, "rows": [], "has_image": False}
    path = write_planes(tmp_path / "a.nwb", [cells])
    assert read_footprints(path, (40, 50)).shape == (2000, 5)
    two = [cells, cells | {"name": "others"}]
    path = write_planes(tmp_path / "b.nwb", two)
    with pytest.raises(ParameterError, match=r"has 2 of the field .*: cells, others\. Import the"):
        read_footprints(path, (40, 50))
