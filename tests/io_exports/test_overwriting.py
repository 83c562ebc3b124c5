"""Nothing is replaced but an earlier export of the same kind, and that only when asked to."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

import napari_cnmf as nc
from napari_cnmf._overwriting import ExportKind, new_file
from napari_cnmf.cli import main
from napari_cnmf.errors import CancelledByUser, EarlierExportError, ExportError
from napari_cnmf.io.curation import open_curation
from napari_cnmf.io.exports import EXPORTERS, Context, Session, export, selection
from napari_cnmf.io.matching import match_sessions, write_matches, write_matches_csv
from napari_cnmf.params import CNMFParams, write_params

DATA = Path(__file__).parents[1] / "data"
SESSION = Session(
    subject_id="m1", species="Mus musculus", sex="F", age="P90D", session_id="1",
    start=datetime(2026, 3, 1),
)  # fmt: skip
FORMATS = [
    pytest.param(name, marks=pytest.mark.long) if name == "mp4" else name
    for name in EXPORTERS
    if name != "dandi"
]


@pytest.fixture
def cur(tmp_path: Path) -> Any:
    folder = tmp_path / "result"
    folder.mkdir()
    return open_curation(Path(shutil.copy(DATA / "result-2d.hdf5", folder)))


@pytest.fixture
def context() -> Context:
    return Context(movie=nc.open_movie(DATA / "movie-2d.tif", frame_rate_hz=10), session=SESSION)


def picture(path: Path) -> dict[str, bytes]:
    """Every file below a path, with its bytes."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(file): file.read_bytes() for file in files}


@pytest.mark.parametrize("to", FORMATS)
def test_an_earlier_export_of_the_same_kind_is_replaced_when_asked(
    cur: Any, context: Context, tmp_path: Path, to: str
) -> None:
    out = tmp_path / f"out{EXPORTERS[to].suffix}"
    export(cur, to, out, context=context)
    before = picture(out)
    with pytest.raises(EarlierExportError, match="overwrite=True in Python, --overwrite") as caught:
        export(cur, to, out, context=context)
    assert caught.value.path == out
    assert picture(out) == before
    export(cur, to, out, overwrite=True, context=context)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([out.name, "result"])


@pytest.mark.parametrize("to", FORMATS)
def test_what_is_no_export_is_never_replaced(
    cur: Any, context: Context, tmp_path: Path, to: str
) -> None:
    """A movie, a result and a text under the name of the export, found in many ways."""
    exporter = EXPORTERS[to]
    out = tmp_path / f"precious{exporter.suffix}"
    foreign = {
        ".hdf5": lambda: shutil.copy(DATA / "result-2d.hdf5", out),
        ".tif": lambda: shutil.copy(DATA / "movie-2d.tif", out),
        ".npz": lambda: np.savez(out, a=np.arange(3)),
        "": lambda: (out.mkdir(), (out / "notes.txt").write_text("mine")),
    }
    foreign.get(exporter.suffix, lambda: out.write_bytes(b"mine " * 100))()
    before = picture(out)
    spellings = [out, Path(os.path.relpath(out)), out.parent / "result" / ".." / out.name]
    for name in spellings:
        with pytest.raises(ExportError) as caught:
            export(cur, to, name, overwrite=True, context=context)
        assert not isinstance(caught.value, EarlierExportError)
    link = tmp_path / f"link{exporter.suffix}"
    link.symlink_to(out)
    with pytest.raises(ExportError, match="is a link"):
        export(cur, to, link, overwrite=True, context=context)
    assert link.is_symlink()
    if exporter.suffix:
        hard = tmp_path / f"hard{exporter.suffix}"
        os.link(out, hard)
        with pytest.raises(ExportError, match="is no earlier"):
            export(cur, to, hard, overwrite=True, context=context)
    assert picture(out) == before


@pytest.mark.parametrize("one", [name for name in EXPORTERS if not EXPORTERS[name].is_folder])
def test_another_kind_is_not_replaced(cur: Any, context: Context, tmp_path: Path, one: str) -> None:
    suffix = EXPORTERS[one].suffix
    for other, exporter in EXPORTERS.items():
        if other != one and exporter.suffix == suffix:
            out = tmp_path / f"{one}-{other}{suffix}"
            export(cur, one, out, context=context)
            with pytest.raises(ExportError, match="is no earlier"):
                export(cur, other, out, overwrite=True, context=context)


def test_folders_of_another_kind_or_with_more_in_them(cur: Any, tmp_path: Path) -> None:
    out = nc.write_suite2p(cur, tmp_path / "s2p")
    with pytest.raises(ExportError, match="must be new, empty or an earlier CSV export"):
        nc.write_csv(cur, out, overwrite=True)
    (out / "plane0" / "data.bin").write_bytes(b"registered movie")
    with pytest.raises(ExportError, match=r"plane0/data\.bin"):
        nc.write_suite2p(cur, out, overwrite=True)
    (out / "plane0" / "data.bin").unlink()
    (out / "more").symlink_to(tmp_path / "result")
    with pytest.raises(ExportError, match="'more'"):
        nc.write_suite2p(cur, out, overwrite=True)
    (out / "more").unlink()
    nc.write_suite2p(cur, out, overwrite=True)
    (tmp_path / "empty").mkdir()
    nc.write_csv(cur, tmp_path / "empty")


def test_rooms_of_a_batch_and_of_a_project_are_left_alone(cur: Any, tmp_path: Path) -> None:
    batch = nc.Batch.create(tmp_path / "batch")
    project = nc.Project.create(tmp_path / "project")
    sample = project.add(cur, {"AnimalID": "a", "TrialID": "1"})
    places = [
        batch.path / "items" / "result.hdf5",
        batch.path / "inputs" / "movie.h5",
        sample.folder / "mine.hdf5",
        sample.folder.parent / "b-_-2.hdf5",
    ]
    (tmp_path / "alias").symlink_to(batch.path / "items")
    for place in [*places, tmp_path / "alias" / "result.hdf5"]:
        with pytest.raises(ExportError, match="keeps for itself"):
            nc.write_caiman(cur, place)
        assert not place.exists()
    with pytest.raises(ExportError, match="keeps for itself"):
        nc.write_nwb(cur, sample.path, overwrite=True)
    nc.write_caiman(cur, batch.path / "mine.hdf5")


def test_the_source_and_a_curated_export_are_kept(cur: Any, tmp_path: Path) -> None:
    saved = nc.write_caiman(cur, tmp_path / "saved.hdf5")
    again = open_curation(saved)
    with pytest.raises(ExportError, match="what the export is made of"):
        nc.write_caiman(again, saved, overwrite=True)
    again.reject(int(again.ids[0]))
    with pytest.raises(ExportError, match="was curated after"):
        nc.write_caiman(cur, saved, overwrite=True)
    folder = nc.write_suite2p(cur, tmp_path / "s2p")
    with pytest.raises(ExportError, match="what the export is made of"):
        nc.write_suite2p(nc.open_import(folder), folder, overwrite=True)


def test_one_folder_is_made_and_taken_back(
    cur: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nc.write_npz(cur, tmp_path / "new" / "r.npz").is_file()
    with pytest.raises(ExportError, match="Check the spelling"):
        nc.write_npz(cur, tmp_path / "tpyo" / "new" / "r.npz")
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path)
    with pytest.raises(ExportError, match="at the root of a disk"):
        nc.write_npz(cur, tmp_path / "other" / "r.npz")
    monkeypatch.undo()

    monkeypatch.setattr(selection, "_BLOCK_BYTES", 1)

    def stop(done: int, total: int) -> None:
        if 2 * done >= total:
            assert done < total, "all was written before it could be stopped"
            raise CancelledByUser("enough")

    for name in ("csv", "parquet", "npz", "nwb", "mat", "suite2p", "caiman"):
        out = tmp_path / "half" / f"r{EXPORTERS[name].suffix}"
        with pytest.raises(CancelledByUser):
            export(cur, name, out, on_progress=stop)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "result"]


def test_something_that_appears_while_writing_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "r.txt"

    def write() -> None:
        with new_file(target, ExportKind("test", lambda path: False)) as beside:
            beside.write_text("ours")
            target.write_text("theirs")

    with pytest.raises(ExportError, match="is there already"):
        write()
    assert target.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["r.txt"]


def test_home_and_odd_targets(cur: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    nc.write_npz(cur, "~/r.npz")
    assert (tmp_path / "r.npz").is_file()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.npz")
        with pytest.raises(ExportError, match="is none"):
            nc.write_npz(cur, tmp_path / "pipe.npz", overwrite=True)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ExportError, match="is none"):
        nc.write_npz(cur, tmp_path / "folder.npz", overwrite=True)


def _save_params(path: Path, overwrite: bool) -> None:
    write_params(CNMFParams(), path, overwrite=overwrite)


def _save_matches(path: Path, overwrite: bool) -> None:
    days = [DATA / "result-2d.hdf5"] * 2
    write_matches(match_sessions(days), path, overwrite=overwrite)


def _save_table(path: Path, overwrite: bool) -> None:
    days = [DATA / "result-2d.hdf5"] * 2
    write_matches_csv(match_sessions(days).matches, path, overwrite=overwrite)


@pytest.mark.parametrize(
    ("save", "name"),
    [
        (_save_params, "p.toml"),
        (_save_params, "p.json"),
        (_save_matches, "m.json"),
        (_save_table, "m.csv"),
    ],
)
def test_other_writers(save: Callable[[Path, bool], None], name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    save(path, False)
    with pytest.raises(EarlierExportError):
        save(path, False)
    save(path, True)
    for content in (b"", b"{}", b"[1, 2]", b"animal,day\nm1,2\n", b'{"format": "other"}', b"\xff"):
        path.write_bytes(content)
        with pytest.raises(ExportError, match="is no earlier"):
            save(path, True)
        assert path.read_bytes() == content


def test_scripts_do_not_replace_others(tmp_path: Path) -> None:
    batch = nc.Batch.create(tmp_path / "batch")
    batch.add("cnmf", DATA / "movie-2d.tif", params={"data": {"fr": 10}}, name="one")
    folder = tmp_path / "scripts"
    for kind, names in (("shell", ["run.sh"]), ("slurm", ["items-0.txt", "submit.sh", "task.sh"])):
        command = ["batch", str(batch.path), "scripts", "--to", str(folder), "--kind", kind]
        assert main(command) == 0
        assert main(command) == 2
        assert main([*command, "--overwrite"]) == 0
        for name in names:
            kept = (folder / name).read_bytes()
            (folder / name).write_text("#!/bin/sh\necho mine\n")
            others = picture(folder)
            assert main([*command, "--overwrite"]) == 2
            assert picture(folder) == others
            (folder / name).write_bytes(kept)


def test_the_demo_leaves_a_folder_of_others_alone(tmp_path: Path) -> None:
    (tmp_path / "demo.tif").write_bytes(b"my movie")
    assert main(["demo", "--headless", "--out", str(tmp_path)]) == 2
    assert (tmp_path / "demo.tif").read_bytes() == b"my movie"


def test_the_commands_ask_too(cur: Any, tmp_path: Path, capsys: Any) -> None:
    path = str(cur.path)
    out = tmp_path / "o.npz"
    assert main(["export", path, "--to", "npz", str(out)]) == 0
    assert main(["export", path, "--to", "npz", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["export", path, "--to", "npz", str(out), "--overwrite"]) == 0
    movie = tmp_path / "movie.h5"
    with h5py.File(movie, "w") as file:
        file["mov"] = np.zeros((5, 4, 4))
    before = movie.read_bytes()
    for command in (
        ["export", path, "--to", "caiman", str(movie), "--overwrite"],
        ["curate", path, "--save", str(movie), "--overwrite"],
        ["import", str(nc.write_suite2p(cur, tmp_path / "s")), str(movie), "--overwrite"],
    ):
        assert main(command) == 2
        assert movie.read_bytes() == before
    labels = tmp_path / "l.tif"
    nc.write_labels(cur, labels)
    tifffile.imwrite(labels, tifffile.imread(labels))  # edited, and saved by another program
    assert main(["export", path, "--to", "labels", str(labels), "--overwrite"]) == 2
    manifest = json.loads((tmp_path / "s" / "napari-cnmf-export.json").read_text())
    assert manifest["kind"] == "suite2p"


@pytest.mark.parametrize(
    ("given", "out"), [(None, "a.npz"), (3, "a.npz"), ("cur", None), ("cur", 7)]
)
def test_what_is_no_result_or_no_path_is_said(curated, tmp_path: Path, given, out) -> None:
    source = curated("2d") if given == "cur" else given
    with pytest.raises(ExportError, match=r"The (source|place) of an export must be"):
        nc.export(source, "npz", tmp_path / out if isinstance(out, str) else out)
