"""What the batch manager does to items, by its keys and menus, with real child processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QItemSelectionModel, QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox

from napari_cnmf.batch import Batch, State
from napari_cnmf.settings import read_settings
from napari_cnmf.ui import _bridge
from napari_cnmf.ui._docks import show_docks
from napari_cnmf.ui._loading import finish
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.batch._details import DetailsPanel
from napari_cnmf.ui.batch._dock import dropped_paths
from napari_cnmf.ui.batch._read_details import Details, read_details, read_pictures
from napari_cnmf.ui.batch._rows import ItemRow
from napari_cnmf.ui.forms._input import FileInput
from napari_cnmf.ui.grid import GridDialog

PARAMS = {"data": {"fr": 10}, "motion": {"max_shifts": (2, 2)}}


@pytest.fixture
def movie_file(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).integers(0, 200, (40, 32, 44), dtype=np.uint16)
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, frames, photometric="minisblack")
    return path


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    return Batch.create(tmp_path / "my batch")


@pytest.fixture
def docks(viewer: Any, batch: Batch) -> Any:
    """All docks, with the batch open."""
    shown = show_docks(viewer)
    session_of(viewer).set_batch(batch)
    return shown


def choose(dock: Any, qtbot: Any, *items: Any) -> None:
    """Select items, as clicks with the control key held do, once the table has settled."""
    wanted = {item.uuid for item in items}
    flag = QItemSelectionModel.SelectionFlag

    def chosen() -> bool:
        if not all(dock.model.row_of(item.uuid) for item in items):
            return False
        dock.table.choose(items[0].uuid)
        for item in items[1:]:
            index = dock.table.index_of(item.uuid)
            dock.table.selectionModel().select(index, flag.Select | flag.Rows)
        dock._update()
        return {row.uuid for row in dock.table.chosen_rows()} == wanted

    qtbot.waitUntil(chosen)


def open_editor(dock: Any, action: str) -> QLineEdit:
    """Where the table lets the user type."""
    dock.menus.actions[action].trigger()
    (editor,) = dock.table.viewport().findChildren(QLineEdit)
    return editor


def windows(kind: type) -> list[Any]:
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()]


def test_an_item_runs_is_retried_and_deleted(
    docks: Any, batch: Batch, movie_file: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = docks["Batch manager"]
    item = batch.add("mcorr", movie_file, params=PARAMS, engine="builtin", name="first")
    child = batch.add("cnmf", item, params=PARAMS, engine="builtin", name="second")
    choose(dock, qtbot, child)
    dock.menus.actions["cancel"].trigger()
    qtbot.waitUntil(lambda: dock.model.row_of(child.uuid).state is State.CANCELLED)

    choose(dock, qtbot, item)
    assert dock.menus.start_button.defaultAction() is dock.menus.actions["start"]
    QTest.mouseClick(dock.menus.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.model.row_of(item.uuid).state.ended, timeout=120_000)
    assert dock.model.row_of(item.uuid).state is State.COMPLETED

    # What is done is not run again; asked for, it is a new item.
    choose(dock, qtbot, item)
    assert not dock.menus.actions["retry"].isEnabled()
    dock.menus.actions["run_again"].trigger()
    qtbot.waitUntil(lambda: len(dock.model.rows) == 3)
    again = dock.model.rows[2]
    qtbot.waitUntil(lambda: dock.model.row_of(again.uuid).state.ended, timeout=120_000)
    assert dock.model.row_of(again.uuid).state is State.COMPLETED

    asked = []

    def answer(_parent: Any, _title: str, text: str) -> Any:
        asked.append(text)
        return QMessageBox.StandardButton.Yes

    monkeypatch.setattr(QMessageBox, "question", answer)
    choose(dock, qtbot, item)
    dock.menus.actions["delete"].trigger()
    qtbot.waitUntil(lambda: [r.uuid for r in dock.model.rows] == [again.uuid])
    assert "1 more" in asked[0]
    assert not item.folder.exists()
    assert not child.folder.exists()


def test_names_and_comments_are_typed_into_the_table(
    docks: Any, batch: Batch, movie_file: Path, qtbot: Any
) -> None:
    dock = docks["Batch manager"]
    item = batch.add("cnmf", movie_file, params=PARAMS, name="old")
    choose(dock, qtbot, item)
    for action, typed in (("rename", "new name"), ("comment", "for figure 2")):
        editor = open_editor(dock, action)
        editor.selectAll()
        QTest.keyClicks(editor, typed)
        QTest.keyClick(editor, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: not dock.table.viewport().findChildren(QLineEdit))
    qtbot.waitUntil(lambda: dock.model.rows[0].comment == "for figure 2")
    qtbot.waitUntil(lambda: dock.model.rows[0].name == "new name")


def test_what_is_being_typed_survives_news_of_the_item(
    docks: Any, batch: Batch, movie_file: Path, qtbot: Any
) -> None:
    dock = docks["Batch manager"]
    item = batch.add("cnmf", movie_file, params=PARAMS, name="old")
    choose(dock, qtbot, item)
    editor, (row,) = open_editor(dock, "rename"), dock.model.rows
    dock.model.update_rows([replace(row, stage="reading", fraction=0.5)])
    assert editor.selectedText() == "old", "the text to replace stays selected"

    QTest.keyClicks(editor, "new")
    dock.model.update_rows([replace(row, comment="from elsewhere")])
    QTest.keyClicks(editor, " name")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dock.model.rows[0].name == "new name")


def test_every_key_of_the_table_reaches_its_action(
    docks: Any, batch: Batch, movie_file: Path, qtbot: Any
) -> None:
    dock = docks["Batch manager"]
    keys = [a.shortcut().toString() for a in dock.menus.actions.values()]
    assert len(set(keys)) == len(keys)
    item = batch.add("cnmf", movie_file, params=PARAMS, name="one")
    choose(dock, qtbot, item)
    window = dock.window()
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window)
    pressed = []
    for name, action in dock.menus.actions.items():
        action.triggered.disconnect()
        action.triggered.connect(lambda _=False, name=name: pressed.append(name))
        action.setEnabled(True)
    for name, action in dock.menus.actions.items():
        dock.table.setFocus()
        QTest.keySequence(dock.table, action.shortcut())
        assert pressed[-1:] == [name], (name, action.shortcut().toString())
        assert action.shortcut().toString() in action.toolTip()


def test_the_form_opens_with_an_item(
    docks: Any, batch: Batch, movie_file: Path, qtbot: Any
) -> None:
    dock, form = docks["Batch manager"], docks["CNMF parameters"]
    params = {"data": {"fr": 10}, "init": {"gSig": (3, 4)}, "quality": {"min_SNR": 1.25}}
    seeds = np.eye(32 * 44, 2, dtype=np.float32)
    item = batch.add(
        "cnmf", movie_file, params=params, engine="builtin", name="mine", refit=True, ain=seeds,
        run={"n_processes": 1},
    )  # fmt: skip
    choose(dock, qtbot, item)
    dock.menus.actions["duplicate"].trigger()
    qtbot.waitUntil(lambda: form.header.item_name == "mine")
    assert form.value() == item.params
    assert form.header.input.value() == FileInput((movie_file,))
    form.header.name_edit.value = "changed"
    form.form.row("quality.min_SNR").editor.value = "2"
    qtbot.waitUntil(form.add_button.isEnabled)
    QTest.mouseClick(form.add_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(batch) == 2)
    added = batch["changed"]
    assert added.spec.run == item.spec.run
    assert set(added.params.diff(item.params)) == {"quality.min_SNR"}
    assert added.spec.ain is not None
    assert added.spec.refit


def test_a_log_of_one_line_is_broken_into_lines_that_qt_lays_out(
    batch: Batch, movie_file: Path
) -> None:
    item = batch.add("mcorr", movie_file, params=PARAMS)
    for text in ("0123456789" * 1234, "short\n" + "y" * 2000 + "\n" + "z" * 2001):
        (item.folder / "worker.log").write_text(text)
        (details,) = finish(read_details(batch, [item.uuid]))
        assert max(map(len, details.log.split("\n"))) <= 2000
        assert details.log.replace("\n", "") == text.replace("\n", "")
    assert details.log == "short\n" + "y" * 2000 + "\n" + "z" * 2000 + "\nz"


def test_an_item_that_goes_while_its_details_are_read_is_left_out(
    batch: Batch, movie_file: Path
) -> None:
    kept = batch.add("mcorr", movie_file, params=PARAMS, name="kept")
    other = PARAMS | {"motion": {"max_shifts": (3, 3)}}
    gone = batch.add("mcorr", movie_file, params=other, name="gone")
    batch.remove(gone)
    details = finish(read_details(batch, [gone.uuid, kept.uuid]))
    assert [each.name for each in details] == ["kept"]
    assert finish(read_pictures(batch, gone.uuid)).by_name == {}


def test_details_say_what_the_engine_made_of_the_parameters(qtbot: Any) -> None:
    panel = DetailsPanel()
    qtbot.addWidget(panel)
    asked = {"init.gSiz": [12, 12], "init.K": None, "init.nb": 2}
    sentence = "CaImAn's own check changed init.gSiz from [12, 12] to [13, 13]."
    one = Details(
        "a", "a", parameters=asked, defaults=asked, warnings=(sentence,),
        used={"init.gSiz": [13, 13], "init.K": 9},
    )  # fmt: skip
    panel.show_details([one])
    assert sentence in panel.warnings.text()
    assert not panel.warnings.isHidden()
    init = panel.tree.topLevelItem(0)
    assert init is not None
    shown = {init.child(i).text(0): init.child(i).text(1) for i in range(3)}
    assert shown == {"gSiz": "12, 12 → 13, 13", "K": "automatic: 9", "nb": "2"}
    panel.show_details([Details("b", "b", parameters=asked, defaults=asked)])
    assert panel.warnings.isHidden()


def test_details_say_what_differs_and_what_went_wrong(
    docks: Any, batch: Batch, movie_file: Path, tmp_path: Path, qtbot: Any
) -> None:
    dock = docks["Batch manager"]
    first = batch.add("cnmf", movie_file, params=PARAMS, name="first")
    other = PARAMS | {"merging": {"merge_thr": 0.6}}
    second = batch.add("cnmf", movie_file, params=other, name="second")
    choose(dock, qtbot, first, second)
    qtbot.waitUntil(lambda: "merging.merge_thr" in dock.details.tree.texts())
    texts = dock.details.tree.texts()
    assert texts["merging.merge_thr"] == ("0.8", "0.6")
    assert "init.gSig" not in texts

    movie_file.rename(tmp_path / "moved.tif")
    choose(dock, qtbot, second)
    dock.menus.actions["start"].trigger()
    qtbot.waitUntil(lambda: dock.model.row_of(second.uuid).state.ended, timeout=120_000)
    qtbot.waitUntil(lambda: "is not there" in dock.details.problem.message.text())
    problem = dock.details.problem
    assert not problem.traceback.isVisible()
    QTest.mouseClick(problem.fold.button, Qt.MouseButton.LeftButton)
    assert problem.traceback.isVisible()
    assert "Traceback" in problem.traceback.toPlainText()


def test_a_damaged_item_says_so_and_moved_movies_are_found(
    docks: Any, movie_file: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock, session = docks["Batch manager"], docks["Traces"]._session
    batch, new_home = session.batch, movie_file.parent / "new home"
    item = batch.add("cnmf", movie_file, params=PARAMS, name="moved")
    other = PARAMS | {"merging": {"merge_thr": 0.6}}
    damaged = batch.add("cnmf", movie_file, params=other, name="damaged")
    (damaged.folder / "item.json").write_text("{ not json")
    new_home.mkdir()
    movie_file.rename(new_home / "movie.tif")
    session.set_batch(Batch.open(batch.path))
    qtbot.waitUntil(dock.missing.isVisible)
    assert "movie.tif" in dock.missing.label.text()
    qtbot.waitUntil(lambda: any(not row.algorithm for row in dock.model.rows))
    broken = next(row for row in dock.model.rows if not row.algorithm)
    assert broken.state is State.FAILED
    assert "item.json" in broken.error

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_a, **_k: str(new_home))
    QTest.mouseClick(dock.missing.locate_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.missing.isVisible())
    assert item.input_movie().paths == (new_home / "movie.tif",)


def test_recent_batches(docks: Any, tmp_path: Path, qtbot: Any) -> None:
    dock, session = docks["Batch manager"], docks["Traces"]._session
    batch = session.batch
    other = Batch.create(tmp_path / "other")
    session.set_batch(other)
    qtbot.waitUntil(lambda: len(dock.menus.recent_menu.actions()) == 2)
    assert read_settings().recent_batches == (str(other.path), str(batch.path))
    dock.menus.recent_menu.actions()[1].trigger()
    qtbot.waitUntil(lambda: session.batch.path == batch.path)


def drop(dock: Any, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    assert dropped_paths(data)
    dock.dropEvent(
        QDropEvent(
            QPointF(5, 5),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )


def test_batches_and_movies_are_dropped(
    docks: Any, viewer: Any, tmp_path: Path, movie_file: Path, qtbot: Any
) -> None:
    dock, form = docks["Batch manager"], docks["CNMF parameters"]
    other = Batch.create(tmp_path / "other")
    drop(dock, other.path)
    qtbot.waitUntil(lambda: session_of(viewer).batch.path == other.path)
    drop(dock, movie_file)
    qtbot.waitUntil(lambda: form.header.input.value() == FileInput((movie_file,)))

    names = [tmp_path / f"scan_{n}.tif" for n in (10, 2)]
    for path in names:
        path.write_bytes(movie_file.read_bytes())
    drop(dock, *names)
    qtbot.waitUntil(lambda: getattr(dock, "drop_menu", None) is not None)
    session, each = dock.drop_menu.actions()
    dock.drop_menu.close()
    session.trigger()
    in_order = tuple(sorted(names, key=lambda p: len(p.name)))
    qtbot.waitUntil(lambda: form.header.input.value() == FileInput(in_order))
    each.trigger()
    (dialog,) = windows(GridDialog)
    assert dialog.movies.ticked == tuple(FileInput((path,)) for path in in_order)
    dialog.close()


def test_counts_filter_by_state(docks: Any, batch: Batch, movie_file: Path, qtbot: Any) -> None:
    dock = docks["Batch manager"]
    first = batch.add("cnmf", movie_file, params=PARAMS, name="first")
    batch.add("mcorr", movie_file, params=PARAMS, name="second")
    first.cancel()
    button = dock.counts.buttons[State.CANCELLED]
    qtbot.waitUntil(button.isVisible)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert dock.table.n_shown == 1
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert dock.table.n_shown == 2


def test_many_that_end_at_once_are_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    monkeypatch.setattr(_bridge, "show_error", said.append)
    rows = [ItemRow(str(k), f"v{k}", State.FAILED, error="Its parent failed.") for k in range(9)]
    _bridge._announce(rows[:2])
    assert said == ["v0 failed. Its parent failed.", "v1 failed. Its parent failed."]
    said.clear()
    _bridge._announce(rows)
    assert said == ["9 items failed: v0, v1, v2 and 6 more. Its parent failed."]
