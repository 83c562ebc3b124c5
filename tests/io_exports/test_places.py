"""Whole or not at all, never over what is somebody else's, and errors that say the next step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import napari_cnmf as nc
from napari_cnmf import _overwriting
from napari_cnmf.errors import ExportError
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.io.curation import open_curation
from napari_cnmf.io.exports import EXPORTERS, export


def test_an_earlier_export_is_replaced_and_other_folders_are_not_touched(
    curated, tmp_path: Path
) -> None:
    cur = curated("2d")
    out = tmp_path / "tables"
    nc.write_csv(cur, out)
    (out / "components.csv").write_text("x")
    nc.write_csv(cur, out, overwrite=True)
    assert (out / "components.csv").read_text() != "x"
    (out / "my thesis.docx").write_text("precious")
    with pytest.raises(ExportError, match="my thesis"):
        nc.write_csv(cur, out, overwrite=True)
    assert (out / "my thesis.docx").read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["resülts", "tables"]


def test_what_was_there_stays_when_writing_fails(
    curated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cur = curated("2d")
    out = nc.write_csv(cur, tmp_path / "tables")
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    real, calls = _overwriting.replace_file, []

    def full_disk(source: Path, target: Path) -> None:
        calls.append(target.name)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(_overwriting, "replace_file", full_disk)
    with pytest.raises(ExportError, match="No space left"):
        nc.write_csv(cur, out, overwrite=True)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["resülts", "tables"]


def test_wrong_names_are_told(curated, tmp_path: Path) -> None:
    cur = curated("2d")
    with pytest.raises(ExportError, match=r"must end in \.nwb, got 'r\.hdf5'"):
        nc.write_nwb(cur, tmp_path / "r.hdf5")
    with pytest.raises(ExportError, match=r"must end in \.hdf5 or \.h5"):
        export(cur, "caiman", tmp_path / "r.txt")
    with pytest.raises(ExportError, match="must be one of caiman, nwb"):
        export(cur, "excel", tmp_path / "r.xlsx")
    with pytest.raises(ExportError, match="Check the spelling"):
        nc.write_npz(cur, tmp_path / "missing" / "too" / "r.npz")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExportError, match="A folder is needed"):
        nc.write_csv(cur, tmp_path / "file")
    with pytest.raises(ExportError, match="MP4 shows the recording"):
        nc.write_mp4(cur, tmp_path / "r.mp4")


@pytest.mark.parametrize(("package", "to"), [("pynwb", "nwb"), ("av", "mp4")])
def test_a_missing_package_is_named_with_its_extra(
    curated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, to: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    extra = {"nwb": "nwb", "mp4": "video"}[to]
    with pytest.raises(ExportError, match=rf'pip install "napari-cnmf\[{extra}\]"'):
        export(curated("2d"), to, tmp_path / f"r.{to}")


def test_the_registry_imports_no_format() -> None:
    code = (
        "import sys, napari_cnmf.io.exports as e\n"
        "heavy = {'pynwb', 'hdmf', 'pyarrow', 'orjson', 'av', 'roifile', 'pandas', 'scipy.io',\n"
        "         'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)), len(e.EXPORTERS))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 15"


def test_every_exporter_is_there_and_says_what_it_makes() -> None:
    for exporter in EXPORTERS.values():
        assert callable(exporter.write)
        assert exporter.is_folder == (exporter.suffix == "")


@pytest.mark.parametrize("kind", ["2d", "1p", "3d"])
def test_caiman_with_the_journal_or_the_accepted_ones_alone(
    curated, tmp_path: Path, kind: str
) -> None:
    cur = curated(kind)
    whole = open_curation(export(cur, "caiman", tmp_path / "whole.hdf5"))
    assert whole.accepted.tolist() == cur.accepted.tolist()
    assert whole.undo()
    assert whole.note_of(2) == ""
    few = read_caiman(export(cur, "caiman", tmp_path / "few.hdf5", include_rejected=False))
    assert few.n_components == cur.accepted.sum()
    assert few.accepted is not None
    assert few.accepted.all()
    kept = cur.components.A[:, cur.accepted]
    assert abs(few.A - kept).max() == 0
