"""Paths that no file system takes end in one sentence, whichever door they come in by."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_cnmf as nc
from napari_cnmf.cli import main
from napari_cnmf.core.verdict.learning import read_learned
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.curation import save_curated
from napari_cnmf.io.matching.files import read_matches
from napari_cnmf.io.regions.reading import read_footprints, read_mask
from napari_cnmf.params.files import read_params, write_params
from napari_cnmf.settings import read_settings

RESULT = Path(__file__).parent / "data" / "result-2d.hdf5"
IMPOSSIBLE = {
    "long": "a" * 5000,
    "deep": "/".join(["folder" * 20] * 60),
    "component": f"{'c' * 256}.tif",
    "folder": f"{'f' * 300}/result.hdf5",
    "letters of several bytes": "ü" * 130 + ".hdf5",
    "zero byte": "a\0b.hdf5",
    "half a letter": "a\ud800.hdf5",
    "bytes": b"movie.tif",
}
READ = {
    "open_result": nc.open_result,
    "read_caiman": nc.read_caiman,
    "open_movie": nc.open_movie,
    "open_import": nc.open_import,
    "Batch.open": nc.Batch.open,
    "Batch.create": nc.Batch.create,
    "Batch.open_or_create": nc.Batch.open_or_create,
    "Project.open": nc.Project.open,
    "Project.create": nc.Project.create,
    "read_table": nc.read_table,
    "suggest": nc.suggest,
    "match_sessions": lambda path: nc.match_sessions([RESULT, path]),
    "parameters": read_params,
    "settings": read_settings,
    "learnt verdict": read_learned,
    "matches": read_matches,
    "footprints": lambda path: read_footprints(path, (5, 4)),
    "mask": lambda path: read_mask(path, (5, 4)),
}


@pytest.mark.parametrize("path", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_nothing_is_read_from_a_path_that_cannot_be(read, path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nc.CnmfError) as raised:
        read(path)
    assert len(str(raised.value)) < 500
    assert "path" in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_nothing_is_written_to_a_path_that_cannot_be(path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    components = nc.read_caiman(RESULT)
    cur = nc.Curation(components, who="")
    for write in (
        lambda: nc.export(cur, "csv", path),
        lambda: nc.export(cur, "nwb", path),
        lambda: nc.write_mat(cur, path),
        lambda: write_caiman(components, path),
        lambda: save_curated(cur, path),
        lambda: write_params(nc.CNMFParams(), path),
    ):
        with pytest.raises(nc.CnmfError, match="must be a path"):
            write()
    assert not list(tmp_path.iterdir())


def test_an_item_is_refused_with_such_paths(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    batch = nc.Batch.create(tmp_path / "batch")
    movie = np.random.default_rng(1).random((30, 8, 9), dtype=np.float32)
    given = {"params": {"data.fr": 30}}
    for path in IMPOSSIBLE.values():
        for options in ({"ain": path}, {"mask": path}, {"leave_out": path}):
            with pytest.raises(nc.CnmfError):
                batch.add("cnmf", movie, **given, **options)
        with pytest.raises(nc.CnmfError, match="must be a path"):
            batch.add("evaluate", movie, **given, result=path)
        with pytest.raises(nc.CnmfError):
            batch.add("cnmf", path, **given)
    with pytest.raises(nc.CnmfError) as raised:
        batch.find("x" * 5000)
    assert len(str(raised.value)) < 500
    assert batch.items == []


@pytest.mark.parametrize(
    "command",
    [
        ["info", "@"],
        ["run", "@", "--batch", "b"],
        ["run", "movie.tif", "--batch", "@"],
        ["batch", "@", "list"],
        ["batch", "b", "add", "movie.tif", "--mask", "@"],
        ["curate", "@"],
        ["curate", str(RESULT), "--save", "@"],
        ["export", "@", "--to", "csv", "out"],
        ["export", str(RESULT), "--to", "csv", "@"],
        ["import", "@", "out.hdf5"],
        ["project", "@", "list"],
        ["match", "@", str(RESULT)],
        ["params", "--params", "@"],
        ["suggest", "@"],
        ["view", "@"],
    ],
    ids=" ".join,
)
def test_a_command_says_what_is_wrong_with_a_path(command, capsys) -> None:
    for kind in ("component", "zero byte"):
        typed = [str(IMPOSSIBLE[kind]) if word == "@" else word for word in command]
        with pytest.raises(SystemExit) as raised:
            main(typed)
        said = capsys.readouterr().err
        assert raised.value.code == 2
        assert "a path is needed" in said
        assert "Traceback" not in said
        assert len(said.splitlines()[-1]) < 300


def test_cells_that_are_named_too_long_are_no_traceback(tmp_path, capsys) -> None:
    path = tmp_path / "movie.npy"
    np.save(path, np.random.default_rng(2).random((60, 40, 42), dtype=np.float32))
    words = ["batch", str(tmp_path / "b"), "add", str(path), "--set", "data.fr=30"]
    assert main([*words, "--ain", "a" * 5000]) == 2
    assert "must be a path" in capsys.readouterr().err


@pytest.mark.parametrize("read", READ.values(), ids=READ)
@pytest.mark.parametrize("name", ["closed", "closed/a.tif"])
def test_a_folder_that_keeps_the_user_out_is_said(read, name, tmp_path, monkeypatch) -> None:
    """Tests may run as the one user whom no folder keeps out, so the system's answer is given."""
    (tmp_path / "closed").mkdir()
    look = os.lstat

    def refuse(path, **options):
        if f"closed{os.sep}" in os.fspath(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return look(path, **options)

    monkeypatch.setattr(os, "lstat", refuse)
    with pytest.raises(nc.CnmfError, match="must be where you may look") as raised:
        read(tmp_path / name)
    assert "Ask for access" in str(raised.value)


def test_a_result_that_may_not_be_read_is_not_said_to_be_damaged(tmp_path, monkeypatch) -> None:
    path = tmp_path / "r.hdf5"
    path.write_bytes(RESULT.read_bytes())

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("napari_cnmf.io.caiman._file.require_sound_heaps", refuse)
    with pytest.raises(nc.CnmfError, match=r"you may read.*permission denied.*Ask its owner"):
        nc.read_caiman(path)


def test_a_description_that_may_not_be_read_is_not_passed_over(tmp_path, monkeypatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 6, 9), np.uint16), metadata=None)
    (tmp_path / f"{tmp_path.name}.xml").write_text("<PVScan></PVScan>")
    look = Path.open

    def refuse(self, *args, **options):
        if self.suffix == ".xml":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return look(self, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(nc.CnmfError, match="xml must be a readable file, got: Permission denied"):
        nc.open_movie(tmp_path)
