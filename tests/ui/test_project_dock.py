"""A project by hand: made, filled, filtered, changed, shared, opened, emptied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit, QMessageBox

from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.projects import Project
from napari_cnmf.model.components import Components
from napari_cnmf.ui._loading import finish, load_file
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.exporting._dock import ResultButtons


@pytest.fixture
def dock(viewer: Any, qtbot: Any, tmp_path: Path, components: Components, movie: Any) -> Any:
    """The project dock, opened from the curation's button, with a result on screen."""
    path = write_caiman(components, tmp_path / "result.hdf5")
    buttons = ResultButtons(viewer)
    viewer.window.add_dock_widget(buttons, area="right")
    session_of(viewer).show(finish(load_file(path, movie)))
    dock = buttons.open_project()
    assert "Make a new project" in dock.status.text()
    assert not dock.add_button.isEnabled()
    dock.open(tmp_path / "Prøject")
    qtbot.waitUntil(dock.add_button.isEnabled)
    return dock


def fill(dock: Any, **values: str) -> None:
    for name, value in values.items():
        field = dock.form.fields[name]
        assert isinstance(field, QLineEdit)
        field.clear()
        QTest.keyClicks(field, value)


def write(dock: Any, qtbot: Any, button: Any) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(dock.add_button.isEnabled)


def test_from_the_first_sample_to_the_last(
    dock: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.open(tmp_path / "Prøject")
    stimuli = tmp_path / "stimuli.csv"
    stimuli.write_text("start_time,stop_time,odour\n1,2,a\n")
    fill(dock, AnimalID="m1", TrialID="1", genotype="wt", date="2026-03-01")
    dock.form.stimuli.setText(str(stimuli))
    write(dock, qtbot, dock.add_button)
    fill(dock, TrialID="2", genotype="ko")
    write(dock, qtbot, dock.add_button)
    assert project.ids == ["m1-_-1", "m1-_-2"]
    assert dock.table.n_rows == 2
    completer = dock.form.fields["genotype"].completer()
    assert completer is not None
    assert [completer.model().index(i, 0).data() for i in range(2)] == ["ko", "wt"]

    dock.filter.setText("genotype=ko")
    assert dock.table.n_rows == 1
    dock.filter.setText("nothing=3")
    assert "no column" in dock.filter.toolTip()
    dock.filter.clear()
    dock.kind.setCurrentText("ROIs")
    assert dock.table.n_rows == 10
    dock.kind.setCurrentText("samples")

    dock.table.select_rows([1])
    assert dock.form.value()["TrialID"] == "2"
    fill(dock, genotype="het")
    write(dock, qtbot, dock.change_button)
    assert project.df["genotype"].tolist() == ["wt", "het"]

    # somebody else adds a sample: it appears by itself
    from napari_cnmf.io.caiman import read_caiman

    project.add(read_caiman(tmp_path / "result.hdf5"), {"AnimalID": "m2", "TrialID": "1"})
    qtbot.waitUntil(lambda: dock.table.n_rows == 3)

    dock.table.select_rows([2])
    monkeypatch.setattr(QMessageBox, "question", lambda *_a, **_k: QMessageBox.StandardButton.Yes)
    QTest.mouseClick(dock.remove_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.table.n_rows == 2)
    assert project.ids == ["m1-_-1", "m1-_-2"]


@pytest.mark.long
def test_a_sample_opens_with_its_decisions_and_is_replaced(dock: Any, qtbot: Any) -> None:
    fill(dock, AnimalID="m1", TrialID="1")
    session = dock._session
    session.result.curation.reject(0)
    write(dock, qtbot, dock.add_button)
    session.close_result()
    dock.table.select_rows([0])
    QTest.mouseClick(dock.view_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.result is not None)
    assert session.result.name == "m1-_-1"
    cur = session.result.curation
    assert cur.accepted.tolist() == [False, False, True, False, True]
    cur.accept([0, 1])
    dock.table.select_rows([0])
    write(dock, qtbot, dock.replace_button)
    assert dock.project["m1-_-1"].row["n_accepted"] == 4


def test_what_does_not_fit_is_said(dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_cnmf.ui._background.show_error", said.append)
    fill(dock, AnimalID="m1")
    write(dock, qtbot, dock.add_button)
    assert "TrialID must be given" in dock.status.text()
    fill(dock, TrialID="1")
    write(dock, qtbot, dock.add_button)
    write(dock, qtbot, dock.add_button)
    assert "must be unique" in dock.status.text()
    assert len(said) == 2


def test_what_was_typed_is_not_overwritten_by_a_selection(dock: Any, qtbot: Any) -> None:
    fill(dock, AnimalID="m1", TrialID="1", genotype="wt")
    write(dock, qtbot, dock.add_button)
    fill(dock, AnimalID="m2", TrialID="7")
    dock.table.select_rows([0])
    assert dock.form.value()["AnimalID"] == "m2"
    QTest.mouseClick(dock.fill_button, Qt.MouseButton.LeftButton)
    assert dock.form.value()["AnimalID"] == "m1"
    assert dock.form.value()["genotype"] == "wt"


@pytest.mark.long
def test_stimuli_belong_to_one_sample(dock: Any, qtbot: Any, tmp_path: Path) -> None:
    stimuli = tmp_path / "german.csv"
    stimuli.write_text("start_time;stop_time\n1,0;2,5\n")
    fill(dock, AnimalID="m1", TrialID="1")
    dock.form.stimuli.setText(str(stimuli))
    write(dock, qtbot, dock.add_button)
    assert dock.form.stimuli.text() == ""
    fill(dock, TrialID="2")
    write(dock, qtbot, dock.add_button)
    assert dock.project["m1-_-1"].stimuli["stop_time"].tolist() == [2.5]
    assert dock.project["m1-_-2"].stimuli is None


@pytest.mark.long
def test_a_row_of_a_roi_opens_the_sample_and_selects_the_cell(dock: Any, qtbot: Any) -> None:
    fill(dock, AnimalID="m1", TrialID="1")
    write(dock, qtbot, dock.add_button)
    session = dock._session
    dock.kind.setCurrentText("ROIs")
    for row in (3, 1):  # first opened, then selected in what is on screen
        dock.table.select_rows([row])
        QTest.mouseClick(dock.view_button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda row=row: session.selection == (row,))
        assert session.result.name == "m1-_-1"


@pytest.mark.long
def test_a_sample_on_screen_is_replaced_and_removed(
    dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(dock, AnimalID="m1", TrialID="1")
    write(dock, qtbot, dock.add_button)
    session = dock._session
    dock.table.select_rows([0])
    dock.open_sample()
    qtbot.waitUntil(lambda: session.result.name == "m1-_-1")
    session.result.curation.reject(2)
    old = session.result
    write(dock, qtbot, dock.replace_button)
    qtbot.waitUntil(lambda: session.result is not None and session.result is not old)
    cur = session.result.curation
    assert not cur.accepted[2]
    cur.accept(2)  # goes into the folder that is there now
    assert dock.project["m1-_-1"].curation().accepted[2]
    qtbot.waitUntil(lambda: dock._content.samples["n_accepted"].tolist() == [3])
    monkeypatch.setattr(QMessageBox, "question", lambda *_a, **_k: QMessageBox.StandardButton.Yes)
    dock.table.select_rows([0])
    QTest.mouseClick(dock.remove_button, Qt.MouseButton.LeftButton)
    assert session.result is None
    qtbot.waitUntil(lambda: dock.table.n_rows == 0)


@pytest.mark.long
def test_a_share_that_is_away_for_a_moment_comes_back(
    dock: Any, qtbot: Any, tmp_path: Path
) -> None:
    fill(dock, AnimalID="m1", TrialID="1")
    write(dock, qtbot, dock.add_button)
    place, away = tmp_path / "Prøject", tmp_path / "away"
    place.rename(away)
    qtbot.waitUntil(lambda: "cannot be read at the moment" in dock.status.text())
    assert dock.table.n_rows == 1
    away.rename(place)
    qtbot.waitUntil(lambda: dock.status.text() == "")
    dock.project.add(dock._session.result.curation, {"AnimalID": "m2", "TrialID": "1"})
    qtbot.waitUntil(lambda: dock.table.n_rows == 2)


def test_labels_and_buttons_are_in_sight_in_a_low_and_narrow_dock(dock: Any, qtbot: Any) -> None:
    from napari_cnmf.ui._docks import dock_of

    frame = dock_of(dock)
    frame.setFloating(True)
    frame.resize(760, 320)
    qtbot.waitUntil(lambda: frame.height() < 400)
    for widget in (dock.add_button, dock.replace_button, dock.change_button, dock.fill_button):
        assert widget.visibleRegion().boundingRect().size() == widget.size()
    field = dock.form.fields["AnimalID"]
    assert field.visibleRegion().boundingRect().width() == field.width()
