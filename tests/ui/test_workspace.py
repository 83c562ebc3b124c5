"""The workspace: its steps, its run, its place in the window, in a real viewer."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_cnmf.batch import Batch, State
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.model.components import Components
from napari_cnmf.settings import read_settings
from napari_cnmf.ui._canvas import canvas_widget
from napari_cnmf.ui._docks import Dock, dock_of, show_docks
from napari_cnmf.ui._loading import finish, load_components, load_file
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.batch._rows import ALGORITHM_TITLES, ItemRow
from napari_cnmf.ui.exporting._dock import TickedFormats
from napari_cnmf.ui.forms._input import FileInput
from napari_cnmf.ui.workspace._dock import WorkspaceWidget
from napari_cnmf.ui.workspace._run_bar import RunProgress
from napari_cnmf.ui.workspace._steps import Step, StepState

MOTION, CNMF = ALGORITHM_TITLES["mcorr"], ALGORITHM_TITLES["cnmf"]


def row(uuid: str, state: State, **values: Any) -> ItemRow:
    return ItemRow(uuid, "mouse 1", state, **({"algorithm": CNMF} | values))


@pytest.fixture
def space(viewer: Any) -> WorkspaceWidget:
    _, space = viewer.window.add_plugin_dock_widget("napari-cnmf", "Workspace")
    assert isinstance(space, WorkspaceWidget)
    return space


def click(widget: Any) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


# -- progress


@pytest.mark.parametrize("seed", range(5))
def test_the_bar_of_a_run_only_grows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ("reading", "finding components", "a stage of another engine", "scoring")
    run = RunProgress(["a", "b"])
    told = []
    for uuid, (stage, fraction) in itertools.product(
        "ab", itertools.product(names, sorted(rng.random(3)))
    ):
        waits = row("b", State.WAITING) if uuid == "a" else row("a", State.COMPLETED)
        now = row(uuid, State.RUNNING, stage=stage, fraction=float(fraction))
        told.append(run.follow({waits.uuid: waits, uuid: now}).fraction)
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] < 1
    done = {u: row(u, State.COMPLETED) for u in "ab"}
    assert run.follow(done).fraction == 1


def test_a_stage_is_named_with_what_it_counts() -> None:
    run = RunProgress(["a"])
    now = row("a", State.RUNNING, stage="deconvolving", done=12, total=1043, fraction=0.01)
    assert run.follow({"a": now}).stage == "deconvolving, 12 of 1,043 components"
    assert run.follow({}).stage == ""


# -- steps


def test_the_next_button_leads_through_the_form(
    viewer: Any, space: WorkspaceWidget, tmp_path: Path, qtbot: Any
) -> None:
    assert space.step is Step.MOVIE
    assert not space.next_button.isEnabled()
    frames = np.random.default_rng(0).integers(0, 99, (30, 40, 52), np.uint16)
    tifffile.imwrite(tmp_path / "m.tif", frames, photometric="minisblack")
    space.form.header.input.set_value(FileInput((tmp_path / "m.tif",)))
    qtbot.waitUntil(space.next_button.isEnabled)
    # The rate is asked for in this step, and nobody is kept in it.
    assert space.strip.state(Step.MOVIE) is StepState.ASKED
    assert space.form.form.row("data.fr").isVisible()
    assert not space.form.form.row("init.gSig").isVisible()
    assert not space.form.run_button.isVisible()
    space.form.form.row("data.fr").set_value(10.0)
    qtbot.waitUntil(lambda: space.strip.state(Step.MOVIE) is StepState.DONE)
    click(space.next_button)
    assert space.step is Step.MOTION
    click(space.form.motion_choice.tick)
    assert space.form.header.motion_first
    qtbot.waitUntil(lambda: space.strip.state(Step.MOTION) is StepState.ASKED)
    click(space.strip.buttons[Step.CELLS])
    assert space.form.run_button.isVisible()
    assert not space.next_button.isVisible()
    sections = [space.form.form.section("init"), space.form.method_box]
    assert not any(section.isExpanded() for section in sections)
    # Both are in one batch beside the movie, and the batch of the last time is left alone.
    assert space.form.batch_row.proposal == tmp_path / "cnmf batch"


def test_single_docks_open_where_the_workspace_has_them(
    viewer: Any, space: WorkspaceWidget, qtbot: Any
) -> None:
    viewer.window.add_plugin_dock_widget("napari-cnmf", "Curation")
    qtbot.waitUntil(lambda: space.step is Step.CURATE)
    docks = [w for w in viewer.window.dock_widgets.values() if isinstance(w, Dock)]
    names = sorted(type(dock).__name__ for dock in docks)
    assert names == ["BatchWidget", "TracesWidget", "WorkspaceWidget"]
    shown = show_docks(viewer)
    assert shown["Workspace"] is space
    assert shown["Curation"] is space.curation
    assert session_of(viewer).form is space.form


def test_a_dock_that_is_open_is_not_opened_twice(
    viewer: Any, space: WorkspaceWidget, qtbot: Any
) -> None:
    def batches() -> list[Any]:
        docks = viewer.window.dock_widgets.values()
        return [w for w in docks if type(w).__name__ == "BatchWidget"]

    qtbot.waitUntil(lambda: len(batches()) == 1)  # it opens soon after the workspace
    (first,) = batches()
    viewer.window.add_plugin_dock_widget("napari-cnmf", "Batch manager")
    qtbot.waitUntil(lambda: batches() == [first])


@pytest.mark.parametrize(
    "title", ["Batch manager", "Traces", "Plots", "Project", "Same cells over sessions"]
)
def test_a_wide_dock_opens_below_the_canvas_and_fits_a_laptop(
    viewer: Any, title: str, qtbot: Any
) -> None:
    window = viewer.window._qt_window
    before = window.size()
    window.resize(1366, 768)
    _, dock = viewer.window.add_plugin_dock_widget("napari-cnmf", title)
    try:
        below = Qt.DockWidgetArea.BottomDockWidgetArea
        qtbot.waitUntil(lambda: window.dockWidgetArea(dock_of(dock)) == below)
        qtbot.waitUntil(lambda: canvas_widget(viewer).height() >= 0.3 * 768)
        assert (window.width(), window.height()) == (1366, 768)
    finally:
        window.resize(before)


def test_docks_that_are_open_move_into_the_workspace(viewer: Any, qtbot: Any) -> None:
    _, form = viewer.window.add_plugin_dock_widget("napari-cnmf", "CNMF parameters")
    qtbot.waitUntil(lambda: form._has_place)
    form.header.name_edit.value = "typed before"
    space = show_docks(viewer)["Workspace"]
    assert space.form is form
    assert form.header.name_edit.value == "typed before"
    assert space.isAncestorOf(form)


@pytest.mark.long
def test_the_step_and_the_sizes_come_back(viewer: Any, space: WorkspaceWidget, qtbot: Any) -> None:
    viewer.add_image(np.zeros((30, 40, 52), np.uint16), name="movie")
    space.go_to(Step.CELLS)
    qtbot.waitUntil(lambda: read_settings().workspace.get("step") == int(Step.CELLS))
    assert read_settings().workspace["width"] == space.width()
    viewer.window.remove_dock_widget(viewer.window._wrapped_dock_widgets["Workspace (napari-cnmf)"])
    _, again = viewer.window.add_plugin_dock_widget("napari-cnmf", "Workspace")
    assert again.step is Step.CELLS


# -- runs


@pytest.fixture
def opened(space: WorkspaceWidget, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Uuids of the items that are opened."""
    opened: list[str] = []
    space.run_bar.open_wanted.disconnect()
    monkeypatch.setattr(space, "_open_row", lambda row: opened.append(row.uuid))
    return opened


def test_a_result_that_was_waited_for_opens_by_itself(
    space: WorkspaceWidget, opened: list[str]
) -> None:
    space.go_to(Step.CELLS)
    space.run_bar.follow(["a", "b"])
    space.run_bar.show_rows({"a": row("a", State.RUNNING), "b": row("b", State.WAITING)})
    assert space.run_bar.bar.isVisible()
    assert not opened
    space.run_bar.show_rows({u: row(u, State.COMPLETED, n_components=4) for u in "ab"})
    assert opened == ["b"]
    assert "4 components" in space.run_bar.words.text()
    assert space.run_bar.button.text() == "Open"


def test_steps_of_a_run_stay_done_when_its_result_is_open(
    space: WorkspaceWidget, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {
        "a": row("a", State.COMPLETED, algorithm=MOTION),
        "b": row("b", State.COMPLETED),
    }
    monkeypatch.setattr(space, "_rows", lambda: rows)
    space._on_run_started(("a", "b"))
    space.run_bar.forget()
    space._update()
    assert space.strip.state(Step.MOTION) is StepState.DONE
    assert space.strip.state(Step.CELLS) is StepState.DONE
    monkeypatch.setattr(type(space.form), "chosen", "another movie")
    space._update()
    assert space.strip.state(Step.MOTION) is not StepState.DONE


def test_a_user_who_does_something_else_gets_a_button(
    space: WorkspaceWidget, opened: list[str]
) -> None:
    space.go_to(Step.EXPORT)
    space.run_bar.follow(["a"])
    with notification_manager:
        space.run_bar.show_rows({"a": row("a", State.COMPLETED)})
        (said,) = (n for n in notification_manager.records if n.actions)
    assert opened == []
    text, act = said.actions[0]
    assert text == "Open"
    act(None)
    assert opened == ["a"]


@pytest.mark.parametrize("state", [State.FAILED, State.INTERRUPTED, State.CANCELLED])
def test_what_went_wrong_stands_there_with_what_to_do(
    space: WorkspaceWidget, opened: list[str], state: State
) -> None:
    space.run_bar.follow(["a", "b"])
    why = "" if state is State.CANCELLED else "The disk is full."
    rows = {"a": row("a", state, algorithm=MOTION, error=why), "b": row("b", State.WAITING)}
    asked: list[Any] = []
    space.run_bar.retry_wanted.disconnect()
    space.run_bar.retry_wanted.connect(asked.append)
    space.run_bar.show_rows(rows)
    assert opened == []
    assert (why or "cancelled") in space.run_bar.words.text()
    assert not space.run_bar.bar.isVisible()
    click(space.run_bar.button)
    assert asked == [("a", "b")]


def test_the_batch_of_the_last_time_is_open_and_takes_no_new_movie(
    viewer: Any, space: WorkspaceWidget, tmp_path: Path
) -> None:
    session = session_of(viewer)
    before = Batch.create(tmp_path / "before" / "cnmf batch")
    session.set_batch(before, is_restored=True)
    space.form.batch_row.set_input(FileInput((tmp_path / "now" / "m.tif",)))
    assert space.form.batch_row.label.text() == str(tmp_path / "now" / "cnmf batch")
    session.set_batch(before)
    assert space.form.batch_row.label.text() == str(before.path)


# -- curating and exporting


def test_formats_that_are_ticked_go_into_one_folder(
    viewer: Any, space: WorkspaceWidget, components: Components, tmp_path: Path, qtbot: Any
) -> None:
    path = write_caiman(components, tmp_path / "mouse 1.hdf5")
    session_of(viewer).show(finish(load_file(path)))
    assert space.step is Step.CURATE
    assert space.strip.state(Step.EXPORT) is StepState.TO_DO
    click(space.next_button)
    ticked = space.export.ticked
    assert ticked.names() == ("csv",)
    assert ticked.folder() == tmp_path / "mouse 1 export"
    click(ticked.boxes["npz"])
    click(ticked.button)
    qtbot.waitUntil(lambda: space.export.stands == "done")
    names = sorted(p.name for p in (tmp_path / "mouse 1 export").iterdir())
    assert names == ["mouse 1-csv", "mouse 1-npz.npz"]
    qtbot.waitUntil(lambda: space.strip.state(Step.EXPORT) is StepState.DONE)
    qtbot.waitUntil(lambda: read_settings().export_formats == ("csv", "npz"))


@pytest.mark.long
def test_a_folder_of_exports_that_was_chosen_by_hand_comes_back(
    viewer: Any, space: WorkspaceWidget, components: Components, tmp_path: Path, qtbot: Any
) -> None:
    results, mine = tmp_path / "results", tmp_path / "mine"
    results.mkdir()
    mine.mkdir()
    first = write_caiman(components, results / "mouse 1.hdf5")
    second = write_caiman(components, results / "mouse 2.hdf5")
    session_of(viewer).show(finish(load_file(first)))
    ticked = space.export.ticked
    space.go_to(Step.EXPORT)
    ticked.path.selectAll()
    QTest.keyClicks(ticked.path, str(mine / "one"))
    click(ticked.button)
    qtbot.waitUntil(lambda: space.export.stands == "done")
    qtbot.waitUntil(lambda: read_settings().exports_beside == str(mine))
    later = TickedFormats(read_settings().export_formats, read_settings().exports_beside)
    later.propose(results / "mouse 2 export")
    assert later.folder() == mine / "mouse 2 export"
    session_of(viewer).show(finish(load_file(second)))
    assert ticked.folder() == mine / "mouse 2 export"
    # Back to the proposed place: it is no choice of the user's any more.
    later.propose(results / "mouse 2 export")
    later.path.selectAll()
    QTest.keyClicks(later.path, str(results / "other"))
    assert later.beside is None


@pytest.mark.long
def test_what_is_worth_asking_stands_first_and_what_is_decided_last(
    viewer: Any, space: WorkspaceWidget, components: Components, qtbot: Any
) -> None:
    probable = components.replace(cnn_preds=np.array([0.85, 0.5, 0.1, 0.55, 0.99]))
    session_of(viewer).show(finish(load_components(probable)))
    curation = space.curation
    qtbot.waitUntil(lambda: len(curation.panel.model.figures) == 5)
    assert curation.curation is not None
    curation.curation.accept(1)
    curation.learning.ask_button.click()
    assert curation.panel.model.order.tolist() == [3, 0, 2, 4, 1]
    curation.learning.learn_button.click()
    qtbot.waitUntil(lambda: "evidence" in curation.learning.said.text())
    assert not curation.learning.save_button.isVisible()


def test_a_small_window_keeps_room_for_canvas_and_table(
    viewer: Any, space: WorkspaceWidget, result_of: Any, qtbot: Any
) -> None:
    window = viewer.window._qt_window
    before = window.size()
    centres = [(5.0 + 3 * i, 8.0 + 4 * i) for i in range(10)]
    session_of(viewer).show(finish(load_components(result_of((40, 52), centres))))
    try:
        window.resize(1366, 768)
        space.give_sizes()
        table = space.curation.panel.table
        canvas = canvas_widget(viewer)
        qtbot.waitUntil(lambda: table.viewport().height() >= 8 * 22)
        qtbot.waitUntil(lambda: canvas.width() >= 0.49 * 1366 and canvas.height() >= 0.5 * 768)
        assert (window.width(), window.height()) == (1366, 768)
    finally:
        window.resize(before)
