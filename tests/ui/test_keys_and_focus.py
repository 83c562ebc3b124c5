"""Each shortcut in each place that can have the keyboard, with the events that Qt sends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pyqtgraph import PlotWidget
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractItemView, QApplication, QLineEdit, QSlider, QWidget

from napari_cnmf.batch import Batch
from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui._canvas import camera_of, canvas_widget
from napari_cnmf.ui._docks import dock_of
from napari_cnmf.ui._loading import finish, load_components
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.curation._actions import Action, actions
from napari_cnmf.ui.curation._dock import CurationWidget

ACTIONS = actions({})


class Window:
    """A viewer with our docks, as napari's plugin menu opens them, and a keyboard."""

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.session = session_of(viewer)
        self.pressed: list[str] = []
        window = viewer.window._qt_window
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)

    def open(self, title: str) -> Any:
        _, widget = self.viewer.window.add_plugin_dock_widget("napari-cnmf", title)
        QApplication.processEvents()
        return widget

    def show(self, components: Components, movie: Movie | None = None) -> None:
        self.session.show(finish(load_components(components, movie=movie)))
        self.session.select((1,))
        QApplication.processEvents()

    @property
    def canvas(self) -> QWidget:
        return canvas_widget(self.viewer)

    def focus(self, widget: QWidget) -> QWidget:
        self.qtbot.waitUntil(widget.isVisible)
        widget.setFocus()
        self.qtbot.waitUntil(lambda: QApplication.focusWidget() is not None)
        focus = QApplication.focusWidget()
        assert focus is widget or focus is widget.focusProxy() or widget.isAncestorOf(focus)
        return focus


@pytest.fixture
def window(viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Window:
    there = Window(viewer, qtbot)

    def note(_dock: CurationWidget, action: Action) -> None:
        there.pressed.append(action.name)

    monkeypatch.setattr(CurationWidget, "run", note)
    return there


def press(widget: QWidget, key: str) -> None:
    """Press a key as the window system would deliver it: shortcuts first."""
    sequence = QKeySequence(key)
    combination = sequence[0]
    if hasattr(combination, "key"):
        QTest.keyClick(widget, combination.key(), combination.keyboardModifiers())
    else:  # Qt 5
        every = int(Qt.KeyboardModifier.KeyboardModifierMask)
        QTest.keyClick(
            widget, Qt.Key(combination & ~every), Qt.KeyboardModifier(combination & every)
        )


def press_all(window: Window, widget: QWidget) -> list[str]:
    """The actions that ran, of all keys of the curation."""
    window.pressed.clear()
    for action in ACTIONS:
        press(widget, action.key)
        if QApplication.focusWidget() is not widget:
            widget.setFocus()
    return list(window.pressed)


EVERYTHING = [action.name for action in ACTIONS]


# -- where the keys act


def _table(window: Window) -> QWidget:
    return window.dock.panel.table


def _slider(window: Window) -> QWidget:
    return window.dock.panel.thresholds.rows["min_SNR"].slider


def _traces(window: Window) -> QWidget:
    return window.traces.plot.findChild(PlotWidget)


def _scatter(window: Window) -> QWidget:
    return window.plots.scatter.findChild(PlotWidget)


def _canvas_components(window: Window) -> QWidget:
    window.viewer.layers.selection.active = window.session.result.layers.labels
    return window.canvas


def _canvas_selection(window: Window) -> QWidget:
    window.viewer.layers.selection.active = window.session.result.layers.selection
    return window.canvas


def _canvas_raw(window: Window) -> QWidget:
    window.viewer.layers.selection.active = window.session.result.layers.layers["raw"]
    return window.canvas


@pytest.mark.parametrize(
    "place",
    [
        _table, _slider, _canvas_components,
        *(pytest.param(place, marks=pytest.mark.long) for place in (
            _traces, _scatter, _canvas_selection, _canvas_raw,
        )),
    ],
)  # fmt: skip
def test_every_key_acts_where_the_result_is_looked_at(
    window: Window, components: Components, movie: Movie, place: Callable[[Window], QWidget]
) -> None:
    window.dock = window.open("Curation")
    if place is _traces:
        window.traces = window.open("Traces")
    if place is _scatter:
        window.plots = window.open("Plots")
    window.show(components, movie)
    _raise(window, window.dock)
    widget = window.focus(place(window))
    assert press_all(window, widget) == EVERYTHING


def _raise(window: Window, widget: QWidget) -> None:
    """Both docks are seen: the second is moved to the bottom edge."""
    docks = window.viewer.window._qt_window
    for other in window.viewer.window.dock_widgets.values():
        if other is not widget:
            docks.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock_of(other))
            dock_of(other).show()
            dock_of(other).raise_()
    dock_of(widget).raise_()
    window.qtbot.waitUntil(widget.isVisible)


# -- where they keep another meaning


def _layer_list(window: Window) -> QWidget:
    return window.viewer.window._qt_viewer.layers


def _layer_controls(window: Window) -> QWidget:
    controls = window.viewer.window._qt_viewer.controls
    return next(slider for slider in controls.findChildren(QSlider) if slider.isVisible())


def _dims(window: Window) -> QWidget:
    dims = window.viewer.window._qt_viewer.dims
    return next(line for line in dims.findChildren(QLineEdit) if line.isVisible())


def _user_labels(window: Window) -> QWidget:
    layer = window.viewer.add_labels(np.zeros((40, 52), np.uint8), name="mine")
    layer.mode = "paint"
    return window.canvas


def _user_labels_pan(window: Window) -> QWidget:
    window.viewer.add_labels(np.zeros((40, 52), np.uint8), name="mine")
    return window.canvas


def _user_points(window: Window) -> QWidget:
    window.viewer.add_points(np.ones((3, 2)), name="mine")
    return window.canvas


def _user_shapes(window: Window) -> QWidget:
    window.viewer.add_shapes([np.array([[1, 1], [9, 9]])], name="mine")
    return window.canvas


def _ours_and_the_users(window: Window) -> QWidget:
    mine = window.viewer.add_points(np.ones((3, 2)), name="mine")
    window.viewer.layers.selection = {mine, window.session.result.layers.labels}
    return window.canvas


def _nothing_active(window: Window) -> QWidget:
    window.viewer.layers.selection.clear()
    return window.canvas


def _hidden_components(window: Window) -> QWidget:
    layers = window.session.result.layers
    layers.labels.visible = layers.selection.visible = False
    return window.canvas


def _batch_table(window: Window) -> QWidget:
    return window.batch.table


def _batch_filter(window: Window) -> QWidget:
    return window.batch.filter


def _curation_filter(window: Window) -> QWidget:
    return window.dock.panel.filter


def _form(window: Window) -> QWidget:
    return next(line for line in window.form.findChildren(QLineEdit) if line.isVisible())


def _name_of_an_item(window: Window) -> QWidget:
    window.batch.table.choose(window.batch.model.rows[0].uuid)
    window.batch.rename()
    return next(e for e in window.batch.table.findChildren(QLineEdit) if e.isVisible())


@pytest.mark.parametrize(
    "place",
    [
        _layer_list, _user_labels, _batch_table, _form,
        *(pytest.param(place, marks=pytest.mark.long) for place in (
            _layer_controls, _dims, _user_labels_pan, _user_points, _user_shapes,
            _ours_and_the_users, _nothing_active, _hidden_components, _batch_filter,
            _name_of_an_item,
        )),
    ],
)  # fmt: skip
def test_no_key_acts_elsewhere(
    window: Window,
    components: Components,
    movie: Movie,
    tmp_path: Path,
    place: Callable[[Window], QWidget],
) -> None:
    window.dock = window.open("Curation")
    if place in (_batch_table, _batch_filter, _name_of_an_item):
        window.batch = _open_batch(window, tmp_path)
    if place is _form:
        window.form = window.open("CNMF parameters")
    window.show(components, movie)
    _raise(window, window.dock)
    if place is _form:
        _raise(window, window.form)
    widget = window.focus(place(window))
    assert press_all(window, widget) == []


def _open_batch(window: Window, folder: Path) -> Any:
    frames = np.random.default_rng(0).integers(0, 200, (40, 32, 44), dtype=np.uint16)
    metadata = {"axes": "TYX", "finterval": 0.1}
    tifffile.imwrite(folder / "movie.tif", frames, imagej=True, metadata=metadata)
    batch = Batch.create(folder / "batch")
    batch.add("cnmf", folder / "movie.tif", name="first")
    dock = window.open("Batch manager")
    window.session.set_batch(batch)
    window.qtbot.waitUntil(lambda: len(dock.model.rows) == 1)
    return dock


def test_letters_typed_into_the_filter_of_the_table_decide_nothing(
    window: Window, components: Components
) -> None:
    window.dock = window.open("Curation")
    window.show(components)
    line = window.focus(_curation_filter(window))
    QTest.keyClicks(line, "snr>3")
    assert (line.text(), window.pressed) == ("snr>3", [])
    press(line, "Ctrl+Z")
    assert window.pressed == [], "undo takes back what was typed"


# -- what the keys do there instead


def test_undo_after_painting_takes_the_paint_back(viewer: Any, qtbot: Any, components: Any) -> None:
    window = Window(viewer, qtbot)
    dock = window.open("Curation")
    window.show(components)
    dock.curation.reject(1)
    mine = viewer.add_labels(np.zeros((40, 52), np.uint8), name="mine")
    mine.paint((5, 5), 3)
    assert mine.data.any()
    press(window.focus(window.canvas), "Ctrl+Z")
    assert not mine.data.any()
    assert dock.curation.accepted.tolist()[1] is False
    assert dock.curation.can_undo


def test_delete_in_the_layer_list_takes_the_layer_not_a_cell(
    viewer: Any, qtbot: Any, components: Any
) -> None:
    window = Window(viewer, qtbot)
    dock = window.open("Curation")
    window.show(components)
    mine = viewer.add_points(np.ones((1, 2)), name="mine")
    press(window.focus(_layer_list(window)), "Del")
    assert mine not in viewer.layers
    assert len(dock.curation.ids) == 5


def test_a_click_on_a_component_gives_it_the_keyboard(
    viewer: Any, qtbot: Any, components: Any, movie: Movie
) -> None:
    window = Window(viewer, qtbot)
    dock = window.open("Curation")
    window.show(components)
    viewer.add_image(np.zeros((40, 52)), name="my own image")
    viewer.reset_view()
    layers, canvas, camera = window.session.result.layers, window.canvas, camera_of(viewer)
    centre = (8.0, 30.0)
    y = canvas.height() / 2 + (centre[0] - camera.center[-2]) * camera.zoom
    x = canvas.width() / 2 + (centre[1] - camera.center[-1]) * camera.zoom
    window.session.select(())
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(round(x), round(y)))
    assert window.session.selection == (1,)
    assert viewer.layers.selection.active is layers.labels
    press(window.focus(canvas), "R")
    assert dock.curation.accepted.tolist()[1] is False
    assert dock.curation.decisions[1] != 0


# -- keys of the batch


def test_a_new_name_opens_nothing(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    window = Window(viewer, qtbot)
    dock = _open_batch(window, tmp_path)
    opened: list[Any] = []
    dock.table.opened.connect(opened.append)
    loaded: list[str] = []
    dock.menus.actions["load"].triggered.connect(lambda: loaded.append("load"))
    dock.menus.actions["load"].setEnabled(True)
    dock.table.choose(dock.model.rows[0].uuid)
    qtbot.waitUntil(dock.menus.actions["rename"].isEnabled)
    press(window.focus(dock.table), "F2")
    dock.menus.actions["load"].setEnabled(True)
    editor = next(e for e in dock.table.findChildren(QLineEdit) if e.isVisible())
    QTest.keyClicks(editor, "another name")
    press(editor, "Return")
    qtbot.waitUntil(lambda: dock.model.rows[0].name == "another name")
    assert dock.table.state() != QAbstractItemView.State.EditingState
    assert (opened, loaded) == ([], [])


def test_selecting_all_is_not_looking_at_all(viewer: Any, qtbot: Any, components: Any) -> None:
    window = Window(viewer, qtbot)
    dock = window.open("Curation")
    window.show(components)
    press(window.focus(dock.panel.table), "Ctrl+A")
    assert len(window.session.selection) == 5
    assert dock.curation.seen.tolist() == [False, True, False, False, False]


def test_escape_ends_drawing_and_its_hint(viewer: Any, qtbot: Any, components: Any) -> None:
    window = Window(viewer, qtbot)
    dock = window.open("Curation")
    window.show(components)
    for end in ("canvas", "dock", "layer list"):
        press(window.focus(dock.panel.table), "D")
        assert dock.edits.tool.is_drawing
        assert "Escape" in dock.panel.status.text()
        if end == "layer list":
            viewer.layers.remove(dock.edits.tool.layer)
        else:
            press(window.focus(window.canvas if end == "canvas" else dock.panel.table), "Escape")
        assert not dock.edits.tool.is_drawing, end
        assert dock.panel.status.text() == "", end
        assert not dock.panel.status.isVisible(), end
