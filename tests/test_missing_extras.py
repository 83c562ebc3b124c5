"""A package of an extra that is missing or broken is one sentence with the command that helps."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import napari_cnmf as nc
from napari_cnmf.batch.cluster import connect
from napari_cnmf.cli import main
from napari_cnmf.errors import CnmfError, why_no_package
from napari_cnmf.io.imports.nwb import opened_nwb

RESULT = Path(__file__).parent / "data" / "result-2d.hdf5"


def _connect(_path: Path) -> None:
    with connect("tcp://127.0.0.1:1"):
        pass


def _open_nwb(path: Path) -> None:
    with opened_nwb(path / "a.nwb"):
        pass


def _export(form: str) -> Callable[[Path], Any]:
    return lambda path: nc.export(nc.open_result(RESULT), form, path / "out")


def _open(name: str) -> Callable[[Path], Any]:
    def opening(path: Path) -> None:
        (path / name).write_bytes(b"x")
        nc.open_movie(path / name)

    return opening


DOORS: list[tuple[str, str, Callable[[Path], Any]]] = [
    ("pynwb", "nwb", _export("nwb")),
    ("pyarrow", "parquet", _export("parquet")),
    ("av", "video", _export("mp4")),
    ("pynwb", "nwb", _open_nwb),
    ("av", "video", _open("a.avi")),
    ("nd2", "formats", _open("a.nd2")),
    ("liffile", "formats", _open("a.lif")),
    ("pylibCZIrw", "formats", _open("a.czi")),
    ("oiffile", "formats", _open("a.oib")),
    ("isx", "formats", _open("a.isxd")),
    ("distributed", "cluster", _connect),
]


@pytest.mark.parametrize(("package", "extra", "door"), DOORS)
def test_a_missing_package_is_named_with_its_extra(
    package: str,
    extra: str,
    door: Callable[[Path], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = [name for name in sys.modules if name.partition(".")[0] == package]
    for name in {package, *loaded}:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CnmfError) as told:
        door(tmp_path)
    assert f"needs the package {package}, which is not installed" in str(told.value)
    assert f'pip install "napari-cnmf[{extra}]"' in str(told.value)
    assert not (tmp_path / "out").exists()


def test_the_command_line_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["export", str(RESULT), str(tmp_path / "out"), "--to", "parquet"]) == 2
    said = capsys.readouterr().err
    assert 'pip install "napari-cnmf[parquet]"' in said
    assert "Traceback" not in said


def test_a_broken_package_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_here").mkdir()
    (tmp_path / "broken_here" / "__init__.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError) as raised:
        importlib.import_module("broken_here")
    said = why_no_package("A table", "broken_here", "parquet", raised.value)
    assert "cannot be imported here (No module named 'not_there_at_all')" in said
    assert said.endswith("pip install --force-reinstall broken-here")
