"""The disk of a batch may be slow: the GUI thread never waits for it."""

from __future__ import annotations

import builtins
import io
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_cnmf.batch import Batch, State
from napari_cnmf.ui._docks import show_docks
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.batch._rows import read_row
from napari_cnmf.ui.grid import GridDialog

PARAMS = {"data": {"fr": 10}, "motion": {"max_shifts": (2, 2)}}


@pytest.fixture
def touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where our GUI code reached for a file below ``tmp_path`` on the GUI thread."""
    found: list[str] = []
    gui_thread, folder = threading.current_thread(), str(tmp_path)

    def note(path: object) -> None:
        if threading.current_thread() is not gui_thread or not isinstance(path, str | os.PathLike):
            return
        if not os.fspath(path).startswith(folder):
            return
        frame: Any = sys._getframe(2)
        names = []
        while frame is not None:
            names.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
            frame = frame.f_back
        if any("napari_cnmf/ui/" in name.replace(os.sep, "/") for name in names):
            ours = [name for name in names if "napari_cnmf" in name]
            found.append(f"{os.fspath(path)} in {' < '.join(ours[:6])}")

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".", *args: Any, **options: Any) -> Any:
            note(path)
            return function(path, *args, **options)

        return call

    for module, names in (
        (os, ("stat", "scandir", "listdir", "open", "mkdir", "rename", "replace", "unlink")),
        (io, ("open",)),
        (builtins, ("open",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, watched(getattr(module, name)))
    return found


@pytest.mark.long
def test_nothing_of_a_batch_is_touched_on_the_gui_thread(
    viewer: Any, tmp_path: Path, touched: list[str], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = tmp_path / "movie.tif"
    frames = np.random.default_rng(0).integers(0, 200, (40, 32, 44), dtype=np.uint16)
    tifffile.imwrite(movie, frames, photometric="minisblack")
    batch = Batch.create(tmp_path / "my batch")
    motion = batch.add("mcorr", movie, params=PARAMS, engine="builtin", name="motion")
    cells = batch.add("cnmf", motion, params=PARAMS, engine="builtin", name="cells")
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    dock = show_docks(viewer)["Batch manager"]
    actions = dock.menus.actions

    def state_of(item: Any) -> State | None:
        row = dock.model.row_of(item.uuid)
        return None if row is None else row.state

    def do(name: str, item: Any) -> None:
        dock.table.choose(item.uuid)
        dock._update()
        actions[name].trigger()

    dock.open_recent(batch.path)
    qtbot.waitUntil(lambda: state_of(cells) is State.WAITING)
    do("cancel", cells)
    qtbot.waitUntil(lambda: state_of(cells) is State.CANCELLED)
    do("start_all", motion)
    qtbot.waitUntil(lambda: state_of(motion) is State.COMPLETED)
    do("view_input", motion)
    qtbot.waitUntil(lambda: "input · motion" in viewer.layers)
    for tab in range(dock.details.count()):
        dock.details.setCurrentIndex(tab)
    do("load", motion)
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    dock.commands.change_text(cells.uuid, "comment", "mine")
    qtbot.waitUntil(lambda: dock.model.row_of(cells.uuid).comment == "mine")
    do("retry", cells)
    qtbot.waitUntil(lambda: state_of(cells) in (State.RUNNING, State.COMPLETED))
    do("cancel_all", cells)
    qtbot.waitUntil(lambda: state_of(cells) in (State.CANCELLED, State.COMPLETED))
    do("duplicate", cells)
    do("variants", cells)
    opened = lambda: [w for w in QApplication.topLevelWidgets() if isinstance(w, GridDialog)]  # noqa: E731
    qtbot.waitUntil(lambda: bool(opened()))
    editor = opened()[0]
    editor.rows[0].values.setText("2, 2; 3, 3")
    qtbot.waitUntil(editor.add_button.isEnabled)
    editor.add_button.click()
    qtbot.waitUntil(lambda: len(dock.model.rows) == 4)
    dock.missing.look()
    do("delete", dock.model.rows[-1])
    qtbot.waitUntil(lambda: len(dock.model.rows) == 3)
    session_of(viewer).set_batch(None)
    assert touched == []
    read_row(motion)  # the watch itself sees what it is to see
    assert any("status.json" in where for where in touched)
