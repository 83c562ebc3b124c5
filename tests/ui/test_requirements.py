"""Without napari, with one that is too old, without Qt, screen or OpenGL: one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from qtpy.QtGui import QOpenGLContext

from napari_cnmf.cli import _view
from napari_cnmf.errors import ViewerError
from napari_cnmf.ui import _requirements
from napari_cnmf.ui._session import session_of

_HIDE = """
import os, sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ["HIDDEN"].split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
import importlib.metadata
found = importlib.metadata.version
def version(name):
    if name in os.environ["HIDDEN"].split():
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)
importlib.metadata.version = version
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, None),
        ({"HIDDEN": "napari"}, 'not installed here. Install it with: pip install "napari-cnmf'),
        ({"HIDDEN": "PyQt6 PySide6 PyQt5"}, 'Install one with: pip install "napari[pyqt6]"'),
        ({"QT_QPA_PLATFORM": "minimal"}, "Unset QT_QPA_PLATFORM"),
        ({"QT_QPA_PLATFORM": "no such thing"}, "Qt cannot open a window on this screen"),
    ],
)
def test_what_is_missing_is_one_sentence_for_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str | None
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_HIDE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("HIDDEN", "")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    reason = _view.why_no_viewer()
    assert (said is None) == (reason is None)
    if said is not None:
        assert reason is not None
        assert said in reason
        with pytest.raises(ViewerError):
            _view.require_viewer("--view")


@pytest.mark.long
def test_a_viewer_that_ends_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "no such thing")
    with pytest.raises(ViewerError, match="sudo apt install libxcb-cursor0"):
        _view.open_viewer(tmp_path)


def test_the_viewer_prints_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(_HIDE)
    done = subprocess.run(
        [sys.executable, "-m", "napari_cnmf.ui", str(tmp_path)],
        env=os.environ
        | {"HIDDEN": "napari", "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: A window needs napari")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("found", "fits"), [("0.6.5", False), ("0.6.6", True), ("0.10.0a1", True)])
def test_a_napari_that_is_too_old_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, found: str, fits: bool
) -> None:
    monkeypatch.setattr(_requirements, "version", lambda _name: found)
    if fits:
        _requirements.require_napari()
        return
    with pytest.raises(ViewerError, match=f"needs napari 0.6.6 or newer, this is napari {found}"):
        _requirements.require_napari()


def test_a_library_of_the_system_that_qt_misses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_name: str) -> None:
        raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(_requirements, "import_module", load)
    with pytest.raises(ViewerError, match=r"library libGL\.so\.1, .*sudo apt install .*libgl1"):
        _requirements.require_napari()


def test_a_screen_without_opengl_is_remarked_on_once(
    viewer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _requirements.without_opengl() is None
    monkeypatch.setattr(QOpenGLContext, "create", lambda _self: False)
    monkeypatch.setattr("napari_cnmf.ui._session._sessions", WeakKeyDictionary())  # a new viewer
    said: list[str] = []
    monkeypatch.setattr("napari_cnmf.ui._session.show_warning", said.append)
    assert session_of(viewer) is session_of(viewer)
    assert len(said) == 1
    assert "needs OpenGL" in said[0]
    with pytest.raises(ViewerError, match="needs OpenGL"):
        _requirements.require_opengl()
