"""CSV, npz and MAT, read back with pandas, NumPy and SciPy."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import napari_cnmf as nc
from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports import Context
from napari_cnmf.io.spreadsheets import csv_text, guarded_text, plain_text, read_table
from napari_cnmf.model.curation import Curation

KINDS = ("2d", "1p", "3d")


def rows(cur: Curation, include_rejected: bool) -> np.ndarray:
    return np.arange(cur.accepted.size) if include_rejected else np.flatnonzero(cur.accepted)


@pytest.mark.parametrize("include_rejected", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_csv_has_a_row_a_component_and_a_column_a_trace(
    curated, tmp_path: Path, kind: str, include_rejected: bool
) -> None:
    cur = curated(kind)
    folder = nc.write_csv(cur, tmp_path / "csv", include_rejected=include_rejected)
    kept = rows(cur, include_rejected)
    table = pd.read_csv(folder / "components.csv", keep_default_na=False)
    assert table["id"].tolist() == kept.tolist()
    assert table["accepted"].tolist() == cur.accepted[kept].astype(int).tolist()
    at = table.set_index("id")
    assert at.loc[1, "decision"] == "unsure"
    assert at.loc[2, "tags"] == "pyramidal, Größe 2"
    assert at.loc[2, "note"] == 'a "note", with commas'
    # centre of mass against a sum over the dense footprint
    A = cur.components.A[:, [2]].toarray().reshape(cur.components.dims)
    where = [float((grid * A).sum() / A.sum()) for grid in np.indices(A.shape)]
    axes = ["z_px", "y_px", "x_px"][-A.ndim :]
    assert at.loc[2, axes].astype(float).tolist() == pytest.approx(where, rel=1e-4)

    names = {path.name for path in folder.iterdir()}
    third = "detrended" if kind == "1p" else "dff"
    assert names == {"components.csv", "events.csv", "napari-cnmf-export.json"} | {
        f"traces_{name}.csv" for name in ("raw", "denoised", "spikes", third)
    }
    raw = pd.read_csv(folder / "traces_raw.csv")
    headers = [f"{i}" if cur.accepted[i] else f"{i} (rejected)" for i in kept]
    assert raw.columns.tolist() == ["time_s", *headers]
    assert raw["time_s"].iloc[10] == 1.0
    expected = (cur.components.C + cur.components.YrA)[kept]
    np.testing.assert_allclose(raw.iloc[:, 1:].to_numpy().T, expected, rtol=1e-5, atol=1e-5)
    dff = pd.read_csv(folder / f"traces_{third}.csv").iloc[:, 1:].to_numpy().T
    np.testing.assert_allclose(dff, cur.dff(kept.tolist()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_npz_opens_without_pickle(curated, tmp_path: Path, kind: str) -> None:
    cur = curated(kind)
    components = cur.components
    with np.load(
        nc.write_npz(cur, tmp_path / "r.npz", include_rejected=True), allow_pickle=False
    ) as archive:
        stored = {name: archive[name] for name in archive.files}
    parts = tuple(stored[f"A_{name}"] for name in ("data", "indices", "indptr"))
    A = sp.csc_matrix(parts, shape=tuple(stored["A_shape"]))
    assert abs(A - components.A).max() == 0
    np.testing.assert_allclose(stored["traces_denoised"], components.C, rtol=1e-6)
    np.testing.assert_array_equal(stored["accepted"], cur.accepted)
    assert stored["component_decision"][:2].tolist() == ["rejected", "unsure"]
    assert float(stored["frame_rate_hz"]) == 10
    assert json.loads(str(stored["params_json"]))["data"]["fr"] == 10
    assert ("W_data" in stored) == (kind == "1p")


@pytest.mark.parametrize("kind", KINDS)
def test_mat_is_laid_out_as_matlab_thinks(curated, tmp_path: Path, kind: str) -> None:
    cur = curated(kind)
    path = nc.write_mat(cur, tmp_path / "r.mat", include_rejected=True)
    mat = scipy.io.loadmat(path, simplify_cells=True)
    dims = tuple(int(n) for n in mat["dims"])
    assert dims == (cur.components.dims if kind != "3d" else (32, 40, 6))
    for row in (0, 2):
        # MATLAB: reshape(full(A(:, k)), dims)
        image = mat["A"][:, [row]].toarray().reshape(dims, order="F")
        if kind == "3d":
            image = image.transpose(2, 0, 1)
        expected = cur.components.A[:, [row]].toarray().reshape(cur.components.dims)
        np.testing.assert_allclose(image, expected)
    np.testing.assert_allclose(mat["traces_denoised"], cur.components.C)
    assert mat["components"]["accepted"].astype(bool).tolist() == cur.accepted.tolist()
    assert list(mat["components"]["tags"])[1] == "pyramidal, Größe 2"
    image = mat["images"]["mean"]
    expected = cur.components.images["mean"]
    np.testing.assert_allclose(image if kind != "3d" else image.transpose(2, 0, 1), expected)


def test_zero_components_are_tables_with_headers(curated, tmp_path: Path) -> None:
    none = curated("2d").components.take([])
    nc.write_csv(none, tmp_path / "csv")
    table = pd.read_csv(tmp_path / "csv" / "components.csv")
    assert len(table) == 0
    assert {"id", "accepted", "tags"} <= set(table.columns)
    assert pd.read_csv(tmp_path / "csv" / "traces_raw.csv").shape == (300, 1)
    with np.load(nc.write_npz(none, tmp_path / "r.npz"), allow_pickle=False) as archive:
        assert archive["traces_raw"].shape == (0, 300)
    mat = scipy.io.loadmat(nc.write_mat(none, tmp_path / "r.mat"))
    assert mat["A"].shape == (48 * 64, 0)


def test_without_a_frame_rate_frames_are_counted(curated, tmp_path: Path) -> None:
    components = curated("2d").components.replace(frame_rate_hz=None)
    nc.write_csv(components, tmp_path / "csv")
    raw = pd.read_csv(tmp_path / "csv" / "traces_raw.csv")
    assert raw["frame"].tolist() == list(range(300))
    with pytest.raises(ExportError, match="frame rate in Hz"):
        nc.write_suite2p(components, tmp_path / "s2p")
    with pytest.raises(ExportError, match="frame rate in Hz"):
        nc.write_nwb(components, tmp_path / "r.nwb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["csv", "resülts"]


def test_positions_in_micrometres_where_the_pixel_size_is_known(curated, tmp_path: Path) -> None:
    components = curated("2d").components
    components = components.replace(params=components.params | {"data": {"dxy": (2.0, 3.0)}})
    nc.write_csv(components, tmp_path / "csv")
    table = pd.read_csv(tmp_path / "csv" / "components.csv")
    np.testing.assert_allclose(table["y_um"], 2 * table["y_px"], rtol=1e-5)
    np.testing.assert_allclose(table["x_um"], 3 * table["x_px"], rtol=1e-5)
    assert Context().pixel_size_um(components) == (2.0, 3.0)


TEXTS = [
    "=1+1", "+49 30", "-", "-5", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1+1", "'=1+1", "''-x",
    "'tis", "\uff1d1+1", '=HYPERLINK("http://x","y")', "=cmd|' /C calc'!A0", "a;=1", "NA", "nan",
    "None", "007", "1,5", 'say "hi", twice', "two\nlines", "car\rriage", "", "'",
    "\u00e9 \u4e2d", "True", "1e5", " x ",
]  # fmt: skip


def test_texts_of_tables_are_no_formulas_and_come_back_as_they_were(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": range(len(TEXTS)), "note": TEXTS, "=x": 0.5, "tags": TEXTS[::-1]})
    path = tmp_path / "table.csv"
    path.write_bytes(csv_text(table).encode())
    with path.open(newline="", encoding="utf-8") as stream:
        fields = [field for row in csv.reader(stream) for field in row]
    assert len(fields) == 4 * (1 + len(TEXTS)), "every row is one row"
    assert not [field for field in fields if field.lstrip()[:1] in tuple("=+-@\uff1d")]
    again = read_table(path)
    assert list(again) == list(table)
    assert again["note"].tolist() == TEXTS
    assert again["tags"].tolist() == TEXTS[::-1]
    assert again["=x"].tolist() == [0.5] * len(TEXTS)


@given(st.text(max_size=8) | st.text("'=+-@ \t\r\nx", max_size=6))
def test_a_guarded_text_is_never_a_formula_and_reads_back(text: str) -> None:
    guarded = guarded_text(text)
    assert plain_text(guarded) == text
    assert guarded.strip()[:1] not in tuple("=+-@") or not text.strip()
    assert guarded in (text, f"'{text}")


def test_notes_and_tags_of_an_export_and_missing_numbers(curated, tmp_path: Path) -> None:
    cur = curated("2d")
    for i, text in zip(cur.ids.tolist(), TEXTS, strict=False):
        cur.note(i, text)
    cur.tag(cur.ids, "=tag")
    nc.write_csv(cur, tmp_path / "out", include_rejected=True)
    table = nc.read_table(tmp_path / "out" / "components.csv")
    assert table["note"].tolist() == TEXTS[: len(table)]
    assert table["tags"].str.contains("=tag").all()
    assert table["snr"].to_numpy() == pytest.approx(cur.components.snr, rel=1e-6, nan_ok=True)
    assert b"'=1+1" in (tmp_path / "out" / "components.csv").read_bytes()
    nc.write_npz(cur, tmp_path / "out.npz", include_rejected=True)
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["component_note"].tolist() == table["note"].tolist(), "data stay data there"
