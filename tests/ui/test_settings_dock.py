"""The settings dock: where CaImAn is, and its installation with a stand-in for the tool."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_cnmf.engines import look_again
from napari_cnmf.engines.caiman import discovery, environments, install
from napari_cnmf.settings import read_settings
from napari_cnmf.ui.forms._dock import ParametersWidget
from napari_cnmf.ui.settings._dock import SettingsWidget

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a POSIX script")

TOOL = """#!{python}
import sys, pathlib, time
prefix = pathlib.Path(sys.argv[sys.argv.index("--prefix") + 1])
prefix.mkdir(parents=True)
print("Downloading ümlauts", flush=True)
{end}
"""


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No CaImAn and no tool but what a test puts there."""
    monkeypatch.delenv(discovery.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(environments, "_roots", lambda: iter(()))
    monkeypatch.setattr(discovery, "environments", lambda: iter(()))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(install, "own_environment", lambda: tmp_path / "caiman env")
    look_again()
    yield
    look_again()


def put_tool(tmp_path: Path, end: str) -> None:
    path = tmp_path / "bin" / "conda"
    path.parent.mkdir()
    path.write_text(TOOL.format(python=sys.executable, end=end))
    path.chmod(0o755)


def open_dock(viewer: Any, qtbot: Any) -> SettingsWidget:
    dock = SettingsWidget(viewer)
    viewer.window.add_dock_widget(dock)
    qtbot.waitUntil(lambda: "Looking" not in dock.interpreter.state.text())
    qtbot.waitUntil(lambda: "Looking" not in dock.installation.note.text())
    return dock


def click(button: Any) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_nothing_found_says_why_and_what_next(viewer: Any, qtbot: Any) -> None:
    dock = open_dock(viewer, qtbot)
    assert "was not found" in dock.interpreter.state.text()
    assert "built-in engine" in dock.interpreter.details.text()
    assert not dock.installation.button.isEnabled()
    assert "Install Miniforge" in dock.installation.note.text()


def test_a_wrong_interpreter_is_not_kept(viewer: Any, qtbot: Any) -> None:
    dock = open_dock(viewer, qtbot)
    dock.interpreter.path_edit.setText("/bin/ls")
    click(dock.interpreter.check_button)
    qtbot.waitUntil(lambda: "cannot be CaImAn" in dock.interpreter.state.text())
    assert "no Python that works" in dock.interpreter.state.text()
    assert read_settings().caiman_python is None


def test_output_streams_and_cancel_removes(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    put_tool(tmp_path, "time.sleep(600)")
    panel = open_dock(viewer, qtbot).installation
    assert "create --yes" in panel.log.toPlainText()
    click(panel.button)
    qtbot.waitUntil(lambda: "Downloading ümlauts" in panel.log.toPlainText())
    assert panel.is_running
    click(panel.cancel_button)
    qtbot.waitUntil(lambda: not panel.is_running)
    assert "cancelled" in panel.log.toPlainText()
    assert not (tmp_path / "caiman env").exists()
    assert panel.button.isEnabled()


def test_a_failed_installation_is_readable(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    put_tool(tmp_path, "print('nothing provides caiman'); sys.exit(4)")
    panel = open_dock(viewer, qtbot).installation
    click(panel.button)
    qtbot.waitUntil(lambda: "Error: conda failed" in panel.log.toPlainText())
    assert "nothing provides caiman" in panel.log.toPlainText()


def test_the_form_says_which_engine_and_why(viewer: Any, qtbot: Any) -> None:
    form = ParametersWidget(viewer)
    viewer.window.add_dock_widget(form)
    note = form.header.engine_choice.note
    qtbot.waitUntil(lambda: note.text().startswith("Built-in"))
    assert "engine is auto, which means Built-in here: CaImAn was not found" in note.text()
    form.header.engine_combo.value = "caiman"
    qtbot.waitUntil(lambda: "cannot run this item" in note.text())
