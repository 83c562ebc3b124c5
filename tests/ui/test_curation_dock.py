"""A whole curation from keyboard and mouse, in a real viewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QKeySequence, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLineEdit

from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.curation import open_curation
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Decision
from napari_cnmf.model.movie import Movie
from napari_cnmf.settings import read_settings
from napari_cnmf.ui._canvas import camera_of
from napari_cnmf.ui._loading import LoadedResult, finish, load_components, load_file
from napari_cnmf.ui._session import Session, session_of
from napari_cnmf.ui.curation._coloring import ColorBy
from napari_cnmf.ui.curation._columns import Column
from napari_cnmf.ui.curation._dock import CurationWidget


@pytest.fixture
def curable(components: Components) -> Components:
    """A result whose light background lets the movie be explained."""
    return components.replace(images={}, params={"quality": {"min_SNR": 2.5, "rval_thr": 0.8}})


class Desk:
    """A viewer with the dock, and the hands of a curator."""

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.session: Session = session_of(viewer)
        self.dock = CurationWidget(viewer)
        self.panel = self.dock.panel
        viewer.window.add_dock_widget(self.dock, area="right")
        window = viewer.window._qt_window
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow, timeout=10_000)

    @property
    def cur(self) -> Curation:
        assert self.dock.curation is not None
        return self.dock.curation

    @property
    def components(self) -> Components:
        assert self.session.result is not None
        return self.session.result.components

    def show(self, loaded: LoadedResult) -> None:
        self.session.show(loaded)
        n = len(loaded.curation.ids)
        self.qtbot.waitUntil(lambda: len(self.panel.model.figures) == n, timeout=20_000)

    def press(self, key: str, *, ctrl: bool = False, shift: bool = False) -> None:
        modifiers = Qt.KeyboardModifier.NoModifier
        if ctrl:
            modifiers |= Qt.KeyboardModifier.ControlModifier
        if shift:
            modifiers |= Qt.KeyboardModifier.ShiftModifier
        # The keys act where the keyboard is: in the dock, on the page that is seen.
        place = self.panel.table if self.panel.table.isVisible() else self.panel.tabs
        place.setFocus()
        QTest.keyClick(place, getattr(Qt.Key, f"Key_{key}"), modifiers)

    def wait_for_ids(self, ids: list[int]) -> None:
        def is_there() -> bool:
            result = self.session.result
            return result is not None and result.ids.tolist() == ids

        self.qtbot.waitUntil(is_there, timeout=60_000)

    def canvas(self) -> Any:
        native = self.viewer.window._qt_viewer.canvas.native
        self.qtbot.waitUntil(lambda: native.isVisible() and native.width() > 200)
        return native

    def at(self, world: tuple[float, float]) -> QPoint:
        """Where a point of the field is on the canvas."""
        native, camera = self.canvas(), camera_of(self.viewer)
        y = native.height() / 2 + (world[0] - camera.center[-2]) * camera.zoom
        x = native.width() / 2 + (world[1] - camera.center[-1]) * camera.zoom
        return QPoint(round(x), round(y))


@pytest.fixture
def desk(viewer: Any, qtbot: Any) -> Iterator[Desk]:
    there = Desk(viewer, qtbot)
    yield there
    qtbot.waitUntil(lambda: not there.dock.edits.editor.is_busy, timeout=30_000)


def test_a_whole_curation_from_the_keyboard(
    desk: Desk, curable: Components, movie: Movie, tmp_path: Path
) -> None:
    path = write_caiman(curable, tmp_path / "result.hdf5")
    engine_file = path.read_bytes()
    desk.show(finish(load_file(path, movie)))
    cur = desk.cur

    desk.press("J")
    assert desk.session.selection == (0,)
    desk.press("R")
    assert cur.decisions[0] == Decision.REJECTED
    assert desk.session.selection == (1,), "after a decision the next one is selected"
    desk.press("A")
    desk.press("U")
    assert cur.decisions.tolist() == [Decision.REJECTED, Decision.ACCEPTED, Decision.UNSURE, 0, 0]
    assert desk.session.selection == (3,)
    desk.press("K")
    desk.press("C")
    assert cur.decisions[2] == Decision.AUTO
    desk.press("1")
    assert cur.tags(3) == {"tag 1"}
    desk.press("1")
    assert cur.tags(3) == frozenset()

    desk.session.select((2, 3))
    desk.press("M")
    desk.wait_for_ids([0, 1, 4, 5])
    assert desk.session.selection == (3,), "what was made is selected"
    desk.qtbot.waitUntil(lambda: len(desk.panel.model.figures) == 4)
    assert desk.session.result.layers.labels.data.max() == 4
    desk.press("Delete")
    desk.wait_for_ids([0, 1, 4])
    desk.press("Z", ctrl=True)
    desk.wait_for_ids([0, 1, 4, 5])
    desk.press("Z", ctrl=True)
    desk.wait_for_ids([0, 1, 2, 3, 4])
    desk.press("Z", ctrl=True, shift=True)
    desk.wait_for_ids([0, 1, 4, 5])
    picture = (cur.ids.tolist(), cur.decisions.tolist(), cur.seen.tolist())
    desk.qtbot.waitUntil(lambda: "by hand" in desk.panel.counts.text())

    desk.dock.save(tmp_path / "saved.hdf5")
    desk.qtbot.waitUntil((tmp_path / "saved.hdf5").exists, timeout=20_000)
    desk.session.close_result()
    assert path.read_bytes() == engine_file
    for file in (path, tmp_path / "saved.hdf5"):
        again = open_curation(file)
        assert (again.ids.tolist(), again.decisions.tolist(), again.seen.tolist()) == picture
    with h5py.File(tmp_path / "saved.hdf5") as saved:
        assert saved["estimates/rejected_list"][()].tolist() == [0]
        assert saved["estimates/C"].shape[0] == 4

    desk.show(finish(load_file(path, movie)))
    assert desk.panel.progress.value() == sum(picture[2])
    desk.press("Z", ctrl=True)
    desk.wait_for_ids([0, 1, 2, 3, 4])


def test_drawing_a_missed_cell_with_the_mouse(
    desk: Desk, curable: Components, movie: Movie
) -> None:
    desk.show(finish(load_components(curable.take([0, 1, 2, 3]), movie=movie)))
    native = desk.canvas()
    desk.viewer.reset_view()
    desk.press("D")
    assert desk.dock.edits.tool.is_drawing
    # The hint in the dock may take some room from the canvas.
    QApplication.processEvents()
    angles = np.linspace(0, 2 * np.pi, 13)
    outline = [desk.at((30 + 5 * np.sin(a), 40 + 5 * np.cos(a))) for a in angles]
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mouseMove(native, outline[0])
    QTest.mouseClick(native, left, none, outline[0])
    for position in outline[1:]:
        hover(native, position)
    QTest.mouseClick(native, left, none, outline[-1])
    desk.wait_for_ids([0, 1, 2, 3, 4])
    assert not desk.dock.edits.tool.is_drawing
    found = desk.components.A[:, [4]].toarray().ravel()
    truth = curable.A[:, [4]].toarray().ravel()
    assert found @ truth / np.linalg.norm(found) / np.linalg.norm(truth) > 0.9
    assert desk.session.selection == (4,)


def hover(native: Any, position: QPoint) -> None:
    """A move without a button, delivered now."""
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(position),
        QPointF(native.mapToGlobal(position)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(native, event)
    QApplication.processEvents()


@pytest.mark.long
def test_a_line_cuts_the_selected_component(desk: Desk, curable: Components, movie: Movie) -> None:
    desk.show(finish(load_components(curable, movie=movie)))
    desk.session.select((1,))
    desk.press("L")
    assert desk.dock.edits.tool.layer is not None
    desk.dock.edits.tool.layer.add(np.array([[0.0, 30.0], [20.0, 30.0]]), shape_type="line")
    desk.wait_for_ids([0, 2, 3, 4, 5, 6])
    columns = [desk.components.A[:, [row]].indices % 52 for row in (4, 5)]
    assert {bool((c <= 30).all()) for c in columns} == {True, False}
    assert desk.session.selection == (4, 5)
    desk.press("Escape")


def test_escape_stops_drawing(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    n_layers = len(desk.viewer.layers)
    desk.press("D")
    assert len(desk.viewer.layers) == n_layers + 1
    desk.press("Escape")
    assert len(desk.viewer.layers) == n_layers


def test_sliders_move_what_is_auto_and_nothing_else(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    cur = desk.cur
    cur.accept(0)
    cur.reject(4)
    row = desk.panel.thresholds.rows["min_SNR"]
    row.slider.setSliderDown(True)
    row.slider.setValue(0)
    assert "+" in desk.panel.counts.text(), "counts while it moves say what changes"
    assert cur.quality.min_SNR == 2.5, "nothing is decided before it is let go"
    row.slider.setSliderDown(False)
    assert cur.quality.min_SNR == 0
    assert cur.accepted.tolist() == [True, True, True, True, False]
    row.box.setValue(9.0)
    assert cur.accepted.tolist() == [True, False, False, False, False]
    desk.press("Z", ctrl=True)
    desk.press("Z", ctrl=True)
    assert cur.quality.min_SNR == 2.5
    desk.qtbot.waitUntil(lambda: row.box.value() == 2.5)


def test_next_follows_filter_and_order(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    desk.panel.table.sortByColumn(Column.SNR, Qt.SortOrder.DescendingOrder)
    desk.panel.filter.setFocus()
    QTest.keyClicks(desk.panel.filter, "snr>3")
    assert desk.panel.model.order.tolist() == [4, 3, 2, 1]
    assert not desk.cur.decisions.any(), "letters typed into the filter decide nothing"
    desk.panel.table.setFocus()
    walked = []
    for _ in range(5):
        desk.press("J")
        walked.append(desk.session.selection)
    assert walked == [(4,), (3,), (2,), (1,), (1,)]
    assert desk.panel.progress.format() == "%v of %m seen"
    desk.qtbot.waitUntil(lambda: desk.panel.progress.value() == 4)
    desk.panel.filter.setText("unseen")
    assert desk.panel.model.order.tolist() == [0]
    desk.panel.filter.setText("size>3")
    assert "size" in desk.panel.status.text()


def test_table_and_canvas_select_each_other(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    desk.session.select((3, 1))
    selected = {i.row() for i in desk.panel.table.selectionModel().selectedRows()}
    assert selected == {1, 3}
    table = desk.panel.table
    cell = table.visualRect(desk.panel.model.index(2, Column.SNR)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert desk.session.selection == (2,)


def test_the_history_goes_back_to_any_point(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    for key in ("J", "A", "R", "A"):
        desk.press(key)
    desk.panel.tabs.setCurrentWidget(desk.panel.history)
    history = desk.panel.history
    desk.qtbot.waitUntil(lambda: len(history.texts()) == 4)
    assert f"{desk.cur.who}:  reject 1" in history.texts()[1]
    history.list.itemActivated.emit(history.list.item(2))
    assert desk.cur.decisions.tolist() == [Decision.ACCEPTED, 0, 0, 0, 0]
    desk.qtbot.waitUntil(lambda: history.list.item(0).font().italic())
    assert history.texts()[2].startswith("▸"), "where one stands is marked"


def test_keys_are_changed_in_the_dock_and_stay(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    keys = desk.panel.preferences.keys
    keys["accept"].setKeySequence(QKeySequence("Y"))
    keys["accept"].editingFinished.emit()
    desk.press("J")
    desk.press("A")
    assert desk.cur.decisions[0] == Decision.AUTO
    desk.press("Y")
    assert desk.cur.decisions[0] == Decision.ACCEPTED
    desk.qtbot.waitUntil(lambda: read_settings().keys == {"accept": "Y"})
    keys["reject"].setKeySequence(QKeySequence("Y"))
    keys["reject"].editingFinished.emit()
    assert "Accept" in desk.panel.preferences.problem.text()
    assert keys["reject"].keySequence().toString() == "R"
    desk.panel.preferences.reset.click()
    desk.qtbot.waitUntil(lambda: read_settings().keys == {})
    desk.press("A")
    assert desk.cur.decisions[1] == Decision.ACCEPTED


def test_tags_have_names_and_colours_that_stay(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    preferences = desk.panel.preferences
    preferences.names[1].setText("doublet")
    preferences.names[1].editingFinished.emit()
    preferences.set_color(1, "#123456")
    desk.press("J")
    desk.press("2")
    assert desk.cur.tags(0) == {"doublet"}
    swatch = desk.panel.model.index(0, Column.TAGS).data(Qt.ItemDataRole.DecorationRole)
    assert swatch.name() == "#123456"
    desk.qtbot.waitUntil(lambda: read_settings().tags.get("doublet") == "#123456")
    assert list(read_settings().tags)[1] == "doublet"
    desk.dock.view.color_box.setCurrentText(ColorBy.TAG)
    desk.qtbot.waitUntil(lambda: "doublet" in desk.dock.view.legend())
    labels = desk.session.result.layers.labels
    chosen = np.array([0x12, 0x34, 0x56, 0xFF]) / 255
    np.testing.assert_allclose(labels.colormap.map(np.array([1], np.uint16))[0], chosen, atol=1e-6)
    preferences.set_color(1, "#654321")
    desk.qtbot.waitUntil(lambda: "#654321" in desk.dock.view.legend())
    desk.panel.tags[1].click()
    assert desk.cur.tags(0) == frozenset()


def test_a_note_is_written_from_the_keyboard(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    desk.press("J")
    desk.press("W")
    desk.qtbot.waitUntil(lambda: isinstance(desk.panel.table.focusWidget(), QLineEdit))
    editor = desk.panel.table.focusWidget()
    QTest.keyClicks(editor, "a doublet?")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    desk.qtbot.waitUntil(lambda: desk.cur.note_of(0) == "a doublet?")
    assert not desk.cur.decisions.any(), "letters typed into a note decide nothing"


def test_staying_after_a_decision_is_remembered(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    desk.panel.advance.click()
    desk.press("J")
    desk.press("A")
    assert desk.session.selection == (0,)
    desk.qtbot.waitUntil(lambda: not read_settings().advance)


def test_elongated_components_are_switched_off(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable.replace(ecc=np.array([1.0, 2.0, 3.5, 5.0, 9.0])))))
    desk.cur.set_thresholds(min_SNR=0.0)
    thresholds = desk.panel.thresholds
    assert thresholds.rows["max_ecc"].slider.isHidden()
    assert thresholds.switches["use_cnn"].isHidden()
    thresholds.switches["use_ecc"].click()
    desk.qtbot.waitUntil(lambda: not thresholds.rows["max_ecc"].slider.isHidden())
    assert desk.cur.accepted.tolist() == [True, True, False, False, False]
    thresholds.rows["max_ecc"].box.setValue(6)
    assert desk.cur.accepted.sum() == 4
    desk.press("Z", ctrl=True)
    desk.press("Z", ctrl=True)
    assert desk.cur.accepted.all()
    desk.qtbot.waitUntil(lambda: not thresholds.switches["use_ecc"].isChecked())


@pytest.mark.long
def test_another_curator_has_a_journal_of_their_own(
    desk: Desk, curable: Components, tmp_path: Path
) -> None:
    path = write_caiman(curable, tmp_path / "result.hdf5")
    desk.show(finish(load_file(path)))
    curator = desk.panel.preferences.curator
    curator.setText("ben")
    curator.editingFinished.emit()
    desk.qtbot.waitUntil(lambda: read_settings().curator == "ben")
    desk.show(finish(load_file(path)))
    desk.cur.reject(2)
    assert (tmp_path / "result.hdf5.curation-ben.jsonl").exists()


@pytest.mark.long
def test_what_another_window_did_is_read_again(
    desk: Desk, curable: Components, tmp_path: Path
) -> None:
    path = write_caiman(curable, tmp_path / "result.hdf5")
    desk.show(finish(load_file(path)))
    desk.press("J")
    desk.press("A")
    other = open_curation(path)
    other.reject(3)
    desk.press("R")
    assert "changed by another window" in desk.panel.conflict.text()
    assert not desk.panel.read_again.isHidden()
    before = desk.session.result
    desk.panel.read_again.click()
    desk.qtbot.waitUntil(lambda: desk.session.result not in (None, before))
    assert desk.cur.decisions.tolist() == [Decision.ACCEPTED, 0, 0, Decision.REJECTED, 0]
    desk.qtbot.waitUntil(lambda: len(desk.panel.model.figures) == 5)
    desk.press("J")
    desk.press("U")
    assert desk.panel.conflict.text() == ""


@pytest.mark.long
def test_a_result_without_cells_or_scores_is_curated_without_complaint(
    desk: Desk, result_of: Callable[..., Components]
) -> None:
    nothing = result_of((40, 52), [], 1).replace(snr=None, r_values=None, b=None, f=None, images={})
    desk.session.show(finish(load_components(nothing)))
    for key in ("J", "K", "A", "Delete"):
        desk.press(key)
    assert desk.panel.thresholds.rows["min_SNR"].slider.isHidden()
    odd = result_of((40, 52), [(8.0, 10.0), (20.0, 30.0)], 30)
    odd = odd.replace(snr=np.array([np.inf, np.nan]), r_values=np.array([np.nan, 0.5]), images={})
    desk.show(finish(load_components(odd)))
    desk.panel.table.sortByColumn(Column.SNR, Qt.SortOrder.DescendingOrder)
    assert desk.panel.model.order.tolist() == [0, 1]
    desk.press("J")
    desk.press("A")
    assert desk.cur.accepted[0]


def test_keys_of_tags_are_changed_like_any_other(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    keys = desk.panel.preferences.keys
    keys["tag_3"].setKeySequence(QKeySequence("Y"))
    keys["tag_3"].editingFinished.emit()
    desk.press("J")
    desk.press("3")
    assert desk.cur.tags(0) == frozenset()
    desk.press("Y")
    assert desk.cur.tags(0) == {"tag 3"}
    assert desk.panel.tags[2].toolTip() == "tag 3 (Y)"
    desk.panel.preferences.reset.click()
    desk.press("3")
    assert desk.cur.tags(0) == frozenset()


def test_the_view_moves_to_what_is_out_of_sight(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    desk.viewer.reset_view()
    camera = camera_of(desk.viewer)
    overview = camera.center
    desk.session.select((4,))
    assert camera.center == overview, "what is in view moves nothing"
    camera.center, camera.zoom = (0, 8, 10), 40.0
    desk.session.select((0,))
    assert camera.center == (0, 8, 10)
    desk.session.select((4,))
    np.testing.assert_allclose(camera.center[-2:], (30, 40), atol=0.6)
    assert camera.zoom == 40.0
    desk.dock.view.follow.click()
    desk.session.select((1,))
    np.testing.assert_allclose(camera.center[-2:], (30, 40), atol=0.6)
    desk.qtbot.waitUntil(lambda: not read_settings().follow)


def test_the_plane_moves_to_what_is_selected(
    desk: Desk, result_of: Callable[..., Components]
) -> None:
    deep = result_of((16, 28, 40), [(1.0, 8.0, 10.0), (14.0, 20.0, 22.0), (4.0, 9.0, 30.0)])
    desk.show(finish(load_components(deep.replace(images={}))))
    dims = desk.viewer.dims
    planes = []
    for row in (0, 2, 1):
        desk.session.select((row,))
        planes.append(dims.current_step[1])
    assert planes == [1, 1, 14], "a plane that the cell reaches is left alone"
    desk.session.select((0, 1))
    assert dims.current_step[1] == 14


@pytest.mark.long
def test_columns_without_scores_make_room(desk: Desk, curable: Components) -> None:
    desk.show(finish(load_components(curable)))
    assert desk.panel.table.isColumnHidden(Column.P_CELL)
    assert desk.panel.table.isColumnHidden(Column.CLASS)
    classes = np.array(["soma", "process", "soma", "soma", "fragment"])
    scored = curable.replace(classes=classes, cnn_preds=np.linspace(0, 1, 5), ecc=np.arange(5.0))
    desk.show(finish(load_components(scored)))
    assert not desk.panel.table.isColumnHidden(Column.P_CELL)
    assert not desk.panel.table.isColumnHidden(Column.CLASS)
    desk.panel.filter.setText("elongation>=2 soma")
    assert desk.panel.model.order.tolist() == [2, 3]
    desk.panel.filter.setText("snr>3..5")
    assert "number" in desk.panel.status.text()


@pytest.mark.long
@pytest.mark.parametrize(
    "odd",
    [
        {"snr": None, "r_values": None, "accepted": None},
        {"b": None, "f": None, "S": None, "YrA": None},
        {"snr": np.array([np.inf, np.nan, -np.inf, 3, 4]), "r_values": np.full(5, np.nan)},
    ],
    ids=["no metrics", "no background and raw traces", "no numbers"],
)
def test_odd_results_are_decided_merged_and_saved(
    desk: Desk, components: Components, odd: dict[str, Any], tmp_path: Path
) -> None:
    desk.show(finish(load_components(components.replace(images={}, **odd))))
    for key in ("J", "A", "R", "G", "C", "1", "N", "Q"):
        desk.press(key)
    desk.panel.filter.setText("snr>3")
    desk.panel.filter.clear()
    desk.session.select((2, 3))
    desk.press("M")
    desk.wait_for_ids([0, 1, 4, 5])
    desk.press("Delete")
    desk.wait_for_ids([0, 1, 4])
    desk.press("Delete", shift=True)
    desk.wait_for_ids([0, 1, 4, 5])
    desk.dock.save(tmp_path / "saved.hdf5")
    desk.qtbot.waitUntil((tmp_path / "saved.hdf5").exists)
    again = open_curation(tmp_path / "saved.hdf5")
    assert again.ids.tolist() == [0, 1, 4, 5]
    assert again.accepted.tolist() == desk.cur.accepted.tolist()


def test_a_damaged_journal_is_said_when_the_result_is_opened(
    desk: Desk, curable: Components, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_caiman(curable, tmp_path / "r.hdf5")
    open_curation(path).reject(0)
    with (tmp_path / "r.hdf5.curation.jsonl").open("ab") as file:
        file.write(b"\0" * 64)
    said: list[str] = []
    monkeypatch.setattr("napari_cnmf.ui._session.show_warning", said.append)
    desk.show(finish(load_file(path)))
    assert said == [desk.cur.journal_problem]
    assert "cannot be read" in said[0]
