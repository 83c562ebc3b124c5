"""Every file says which components are rejected, which frames belong to which file, and when."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pynwb
import pytest
import roifile
import scipy.io
import tifffile

import napari_cnmf as nc
from napari_cnmf.errors import ExportError
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.io.exports import EXPORTERS, Context, MovieIn, Session, export, methods_text
from napari_cnmf.io.exports.plots import correlation_figure
from napari_cnmf.io.exports.selection import select
from napari_cnmf.io.exports.timeline import Timeline
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation

COUNTS = (120, 80, 100)
ANIMAL = Session(
    start=datetime(2026, 3, 1, 14, 30), subject_id="m_1.b", species="Mus musculus", sex="F",
    age="P90D",
)  # fmt: skip


def several_files(tmp_path: Path, *, time_s: Any = None) -> Context:
    """A movie of three files with, or without, time stamps."""
    files = [tmp_path / f"trial {i}.tif" for i in range(3)]
    for file, n in zip(files, COUNTS, strict=True):
        tifffile.imwrite(file, np.zeros((n, 48, 64), np.uint8), metadata={"axes": "TYX"})
    movie = nc.open_movie(files, frame_rate_hz=10)
    assert movie.metadata["frames_per_file"] == list(COUNTS)
    if time_s is not None:
        movie = dataclasses.replace(movie, data=movie.deferred, time_s=np.array(time_s, float))
    return Context(movie=movie)


@pytest.mark.parametrize("to", [n for n in EXPORTERS if n not in ("caiman", "params", "methods")])
def test_rejected_components_are_left_out_by_default(to: str) -> None:
    assert not EXPORTERS[to].include_rejected


def test_rejected_components_are_marked_in_every_file(curated: Any, tmp_path: Path) -> None:
    cur = curated("2d")
    bad = cur.ids[~cur.accepted].tolist()
    assert 0 in bad

    def write(to: str) -> Path:
        out = tmp_path / f"all{to}{EXPORTERS[to].suffix}"
        return export(cur, to, out, include_rejected=True)

    folder = write("csv")
    for file in folder.glob("traces_*.csv"):
        header = file.read_text().splitlines()[0].split(",")[1:]
        assert [int(name.split()[0]) for name in header if "(rejected)" in name] == bad
        assert [int(name.split()[0]) for name in header] == cur.ids.tolist()
    with np.load(write("npz")) as archive:
        assert archive["ids"][~archive["accepted"]].tolist() == bad
    mat = scipy.io.loadmat(write("mat"), simplify_cells=True)
    assert mat["ids"][mat["accepted"] == 0].tolist() == bad
    rois = roifile.roiread(write("imagej"))
    assert sorted({int(r.name[:4]) for r in rois if r.name.endswith("-rejected")}) == bad
    with tifffile.TiffFile(write("labels")) as file:
        said = file.imagej_metadata["rejected_labels"]
    assert [int(n) - 1 for n in str(said).split(", ")] == bad
    drawn = correlation_figure(select(cur, include_rejected=True)).axes[0]
    labels = {label.get_text() for label in drawn.get_xticklabels()}
    assert "0 r" in labels
    assert "r: rejected" in drawn.get_xlabel()


def test_parquet_has_the_tables_of_csv(curated: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    context = several_files(tmp_path)
    cur = curated("2d")
    csv = nc.write_csv(cur, tmp_path / "csv", include_rejected=True, context=context)
    folder = nc.write_parquet(cur, tmp_path / "parquet", include_rejected=True, context=context)
    assert {p.stem for p in folder.glob("*.parquet")} == {p.stem for p in csv.glob("*.csv")}
    for file in folder.glob("*.parquet"):
        table = pd.read_parquet(file)
        other = pd.read_csv(csv / f"{file.stem}.csv", keep_default_na=False)
        assert table.columns.tolist() == other.columns.tolist()
        for name in table:
            if table[name].dtype.kind == "f":
                expected = pd.to_numeric(other[name])
                np.testing.assert_allclose(table[name], expected, rtol=2e-6, atol=1e-6)
    none = nc.write_parquet(cur.components.take([]), tmp_path / "none")
    assert pd.read_parquet(none / "traces_raw.parquet").shape == (300, 1)


def test_csv_keeps_every_digit_and_leaves_holes_empty(tmp_path: Path) -> None:
    import scipy.sparse as sp

    values = np.array([[1e-12, -3.4e38, 0.1, np.nan], [np.inf, 123456.79, -0.0, 1 / 3]], np.float32)
    components = Components(A=sp.csc_matrix(np.eye(12, 2, dtype=np.float32)), C=values, dims=(3, 4))
    folder = nc.write_csv(components, tmp_path / "csv")
    table = pd.read_csv(folder / "traces_denoised.csv", index_col="frame")
    found = table.to_numpy(np.float32).T
    finite = np.isfinite(values)
    np.testing.assert_array_equal(found[finite], values[finite])
    assert np.isnan(found[~finite]).all()


def test_frames_per_file_are_in_every_format(curated: Any, tmp_path: Path) -> None:
    context, cur = several_files(tmp_path), curated("2d")
    folder = nc.write_csv(cur, tmp_path / "csv", context=context)
    files = pd.read_csv(folder / "files.csv")
    assert files["file"].tolist() == [f"trial {i}.tif" for i in range(3)]
    assert files["n_frames"].tolist() == list(COUNTS)
    assert files["first_frame"].tolist() == [0, 120, 200]
    assert files["start_s"].tolist() == [0.0, 12.0, 20.0]
    manifest = json.loads((folder / "napari-cnmf-export.json").read_text())
    assert manifest["frames_per_file"] == list(COUNTS)
    assert "components.csv" in manifest["files"], "what belongs to the export"
    assert manifest["movie_files"] == [f"trial {i}.tif" for i in range(3)]
    nc.write_csv(cur, tmp_path / "csv", context=context, overwrite=True)
    with np.load(nc.write_npz(cur, tmp_path / "r.npz", context=context)) as archive:
        assert archive["frames_per_file"].tolist() == list(COUNTS)
        assert archive["file_names"].tolist()[2] == "trial 2.tif"
    mat = scipy.io.loadmat(nc.write_mat(cur, tmp_path / "r.mat", context=context))
    assert mat["frames_per_file"].ravel().tolist() == list(COUNTS)
    s2p = nc.write_suite2p(cur, tmp_path / "s2p", context=context)
    ops = np.load(s2p / "plane0" / "ops.npy", allow_pickle=True).item()
    assert ops["frames_per_file"].tolist() == list(COUNTS)
    assert ops["frames_per_folder"].tolist() == [300]
    with pynwb.NWBHDF5IO(nc.write_nwb(cur, tmp_path / "r.nwb", context=context), "r") as io:
        table = io.read().intervals["movie_files"].to_dataframe()
    assert table["frames_per_file"].tolist() == list(COUNTS)
    assert table["stop_time"].tolist() == pytest.approx([12.0, 20.0, 30.0])
    for rejected in (True, False):
        path = tmp_path / f"r{rejected}.hdf5"
        nc.write_caiman(cur, path, include_rejected=rejected, context=context)
        with h5py.File(path) as file:
            said = json.loads(file["napari_cnmf/session.json"][()].tobytes())
        assert said["frames_per_file"] == list(COUNTS)
        assert read_caiman(path).n_frames == 300
    assert "(3 files of 120, 80 and 100 frames)" in methods_text(cur, context)
    plain = nc.write_csv(cur, tmp_path / "plain")
    assert not (plain / "files.csv").exists()


def test_time_stamps_and_gaps_go_along(curated: Any, tmp_path: Path) -> None:
    times = np.arange(300) / 10.0
    times[120:] += 60.0
    context, cur = several_files(tmp_path, time_s=times.tolist()), curated("2d")
    folder = nc.write_csv(cur, tmp_path / "csv", context=context)
    table = pd.read_csv(folder / "traces_dff.csv")
    np.testing.assert_allclose(table["time_s"], times)
    manifest = json.loads((folder / "napari-cnmf-export.json").read_text())
    assert [gap["frame"] for gap in manifest["gaps"]] == [120]
    assert manifest["gaps"][0]["seconds"] == pytest.approx(60.1)
    with np.load(nc.write_npz(cur, tmp_path / "r.npz", context=context)) as archive:
        np.testing.assert_allclose(archive["time_s"], times)
        assert archive["gap_frames"].tolist() == [120]
        assert archive["gap_s"].tolist() == pytest.approx([60.1])
    mat = scipy.io.loadmat(nc.write_mat(cur, tmp_path / "r.mat", context=context))
    np.testing.assert_allclose(mat["time_s"].ravel(), times)
    assert mat["gap_frames"].ravel().tolist() == [120]
    assert mat["gap_s"].ravel().tolist() == pytest.approx([60.1])
    s2p = nc.write_suite2p(cur, tmp_path / "s2p", context=context)
    ops = np.load(s2p / "plane0" / "ops.npy", allow_pickle=True).item()
    np.testing.assert_allclose(ops["time_s"], times)
    assert (ops["gap_frames"].tolist(), ops["gap_s"].tolist()) == ([120], pytest.approx([60.1]))
    path = nc.write_nwb(cur, tmp_path / "r.nwb", context=context)
    with pynwb.NWBHDF5IO(path, "r") as io:
        nwb = io.read()
        raw = nwb.processing["ophys"]["Fluorescence"]["raw"]
        np.testing.assert_allclose(raw.timestamps[:], times)
        files = nwb.intervals["movie_files"].to_dataframe()
        gaps = nwb.intervals["recording_gaps"].to_dataframe()
    assert files["start_time"].tolist() == pytest.approx([0.0, 72.0, 80.0])
    assert files["stop_time"].tolist() == pytest.approx([12.0, 80.0, 90.0])
    assert gaps["start_time"].tolist() == pytest.approx([12.0])
    assert gaps["stop_time"].tolist() == pytest.approx([72.0])
    assert gaps["next_frame"].tolist() == [120]
    files = pd.read_csv(folder / "files.csv")
    assert files["gap_before_s"].tolist() == pytest.approx([0.0, 60.1, 0.0])
    with h5py.File(nc.write_caiman(cur, tmp_path / "r.hdf5", context=context)) as file:
        np.testing.assert_allclose(file["napari_cnmf/time_s"], times)
        said = json.loads(file["napari_cnmf/session.json"][()].tobytes())
    assert [gap["frame"] for gap in said["gaps"]] == [120]
    with pytest.warns(UserWarning, match=r"uneven: steps of 0\.1 to 60\.1 s"):
        again = nc.open_import(path)
    assert again.components.n_frames == 300
    for wrong in ([0, 1], times[::-1].tolist(), [np.nan] * 300):
        assert Timeline.of(300, 10.0, several_files(tmp_path, time_s=wrong).movie).gaps == []


def test_many_components_are_drawn_without_their_matrix() -> None:
    """Of more components than pixels a pixel shows the mean over pairs of similar ones."""
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    n = 2300
    kinds = rng.standard_normal((4, 200))
    C = (kinds[rng.integers(0, 4, n)] + 0.3 * rng.standard_normal((n, 200))).astype(np.float32)
    A = sp.csc_matrix((np.ones(n, np.float32), (np.arange(n), np.arange(n))), shape=(2400, n))
    chosen = select(Components(A=A, C=C, dims=(40, 60)), include_rejected=True)
    picture = np.asarray(correlation_figure(chosen).axes[0].images[0].get_array())
    assert picture.shape == (1000, 1000)
    whole = np.corrcoef(C)
    assert picture.mean() == pytest.approx(whole.mean(), abs=0.01)
    # similar ones lie side by side: neighbours in the picture are alike
    assert np.mean(np.diagonal(picture, 1)) > 0.85


def test_what_dandi_asks_for_is_named(curated: Any, tmp_path: Path) -> None:
    cur = curated("2d")
    with pytest.raises(ExportError, match="the animal's id, the species in Latin") as caught:
        nc.write_dandi(cur, tmp_path / "dandiset")
    assert "the start of the session" in str(caught.value)
    wrong = Session(**{**ANIMAL.__dict__, "species": "mouse", "sex": "female", "age": "3 months"})
    with pytest.raises(ExportError, match=r"'mouse'.*'female'.*'3 months'"):
        nc.write_dandi(cur, tmp_path / "dandiset", context=Context(session=wrong))
    linked = Context(session=ANIMAL, movie_in_nwb=MovieIn.LINKED)
    with pytest.raises(ExportError, match="no links"):
        nc.write_dandi(cur, tmp_path / "dandiset", context=linked)
    assert not (tmp_path / "dandiset").exists()


def test_files_are_named_as_dandi_names_them(curated: Any, tmp_path: Path) -> None:
    cur: Curation = curated("2d")
    folder = tmp_path / "dandiset"
    path = nc.export(cur, "dandi", folder, session=ANIMAL)
    name = "sub-m-1-b_ses-20260301T143000_ophys.nwb"
    assert path == folder / "sub-m-1-b" / name
    (folder / "dandiset.yaml").write_text("identifier: DANDI:000000\n")
    with pytest.raises(ExportError, match="earlier"):
        nc.export(cur, "dandi", folder, session=ANIMAL)
    nc.export(cur, "dandi", folder, session=ANIMAL, overwrite=True)
    assert (folder / "dandiset.yaml").is_file()
    with pynwb.NWBHDF5IO(path, "r") as io:
        subject = io.read().subject
        assert (subject.subject_id, subject.species, subject.age) == (
            "m_1.b", "Mus musculus", "P90D",
        )  # fmt: skip


def test_samples_bring_their_session_from_the_projects_columns(
    curated: Any, tmp_path: Path
) -> None:
    columns = ("AnimalID", "TrialID", "Species", "sex", "AGE", "Excitation nm", "experimenter")
    config = {"columns": [{"name": n} for n in columns] + [{"name": "date", "kind": "date"}]}
    project = nc.Project.create(tmp_path / "project", config)
    sample = project.add(
        curated("2d"),
        {"AnimalID": "m1", "TrialID": "day 1", "Species": "Mus musculus", "sex": "M",
         "AGE": "P60D", "Excitation nm": "920", "experimenter": "Doe, J.; Roe, A.",
         "date": "2026-03-01"},
    )  # fmt: skip
    with pynwb.NWBHDF5IO(sample.path, "r") as io:
        nwb = io.read()
        assert (nwb.subject.species, nwb.subject.sex) == ("Mus musculus", "M")
        assert list(nwb.experimenter) == ["Doe, J.", "Roe, A."]
        assert nwb.imaging_planes["ImagingPlane"].excitation_lambda == 920
    path = nc.export(sample, "dandi", tmp_path / "dandiset")
    assert path.name == "sub-m1_ses-day-1_ophys.nwb"
