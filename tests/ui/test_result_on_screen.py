"""A result in a real viewer: layers, clicks, traces, memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui._canvas import camera_of
from napari_cnmf.ui._loading import LoadedResult, finish, load_components
from napari_cnmf.ui._session import Session, session_of
from napari_cnmf.ui.traces._curves import Trace
from napari_cnmf.ui.traces._dock import TracesWidget


def load(components: Components, movie: Movie | None = None, name: str = "cells") -> LoadedResult:
    return finish(load_components(components, name=name, movie=movie))


def canvas_position(viewer: Any, world: tuple[float, ...]) -> QPoint:
    """Where a point of the world (y, x) is on the canvas, in widget pixels."""
    native = viewer.window._qt_viewer.canvas.native
    zoom, centre = camera_of(viewer).zoom, camera_of(viewer).center[-2:]
    y = native.height() / 2 + (world[0] - centre[0]) * zoom
    x = native.width() / 2 + (world[1] - centre[1]) * zoom
    return QPoint(round(x), round(y))


def click(viewer: Any, world: tuple[float, ...], key: Any = Qt.KeyboardModifier.NoModifier) -> None:
    native = viewer.window._qt_viewer.canvas.native
    position = canvas_position(viewer, world)
    QTest.mouseMove(native, position)
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, key, position)


def move_pressed(native: Any, position: QPoint) -> None:
    """A move with the left button down, which ``QTest.mouseMove`` does not make."""
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(position),
        QPointF(native.mapToGlobal(position)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(native, event)


@pytest.fixture
def session(viewer: Any, components: Components, qtbot: Any) -> Session:
    """A result on screen with the layers that cost least."""
    session = session_of(viewer)
    session.show(load(components.replace(b=None, f=None, images={})))
    native = viewer.window._qt_viewer.canvas.native
    qtbot.waitUntil(lambda: native.isVisible() and native.width() > 200)
    viewer.reset_view()
    return session


def test_layers_arrive(viewer: Any, components: Components, movie: Movie) -> None:
    session_of(viewer).show(load(components, movie))
    names = [layer.name for layer in viewer.layers]
    assert names == [f"{kind} · cells" for kind in ("raw", "components", "selection")]
    result = session_of(viewer).result
    assert result is not None
    assert result.layers.stack_kinds() == ["raw", "denoised", "background", "residual"]
    assert result.layers.image_kinds() == ["mean", "correlation"]
    assert viewer.dims.ndim == 3
    assert viewer.dims.nsteps[0] == 50


def test_a_click_selects_and_the_next_one_what_lies_below(session: Session, viewer: Any) -> None:
    click(viewer, (8, 10))
    assert session.selection == (0,)
    assert session.result is not None
    assert len(session.result.layers.selection.data) == 1
    click(viewer, (20, 14.4))
    first = session.selection
    click(viewer, (20, 14.4))
    assert {first, session.selection} == {(2,), (3,)}
    click(viewer, (20, 14.4))
    assert session.selection == first
    click(viewer, (35, 5))
    assert session.selection == ()
    assert len(session.result.layers.selection.data) == 0


def test_shift_adds_and_takes_out(session: Session, viewer: Any) -> None:
    click(viewer, (8, 10))
    click(viewer, (8, 30), Qt.KeyboardModifier.ShiftModifier)
    assert session.selection == (0, 1)
    click(viewer, (8, 10), Qt.KeyboardModifier.ShiftModifier)
    assert session.selection == (1,)


def test_dragging_pans_and_selects_nothing(session: Session, viewer: Any, qtbot: Any) -> None:
    native = viewer.window._qt_viewer.canvas.native
    start, end = canvas_position(viewer, (8, 10)), canvas_position(viewer, (12, 16))
    centre = camera_of(viewer).center
    QTest.mousePress(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    for step in range(1, 6):
        move_pressed(native, start + (end - start) * step / 5)
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)
    assert session.selection == ()
    qtbot.waitUntil(lambda: camera_of(viewer).center != centre)


def test_traces_follow_the_selection(session: Session, viewer: Any, qtbot: Any) -> None:
    dock = TracesWidget(viewer)
    viewer.window.add_dock_widget(dock, area="bottom")
    assert len(dock.plot.curves) == 0
    session.select([1])
    qtbot.waitUntil(lambda: len(dock.plot.curves) == 3)
    session.select([1, 0])
    qtbot.waitUntil(lambda: len(dock.plot.curves) == 6)
    dock.buttons[Trace.SPIKES].setChecked(False)
    qtbot.waitUntil(lambda: len(dock.plot.curves) == 4)
    session.close_result()
    qtbot.waitUntil(lambda: not dock.plot.isVisible())


def test_time_cursor_and_slider_move_each_other(session: Session, viewer: Any) -> None:
    dock = TracesWidget(viewer)
    viewer.window.add_dock_widget(dock, area="bottom")
    assert dock.plot.time == pytest.approx(viewer.dims.current_step[0] / 10)
    viewer.dims.set_current_step(0, 20)
    assert dock.plot.time == pytest.approx(2.0)
    dock.plot.time_chosen.emit(3.14)
    assert viewer.dims.current_step[0] == 31
    assert dock.plot.time == pytest.approx(3.1)


def test_verdicts_recolour_the_labels(session: Session) -> None:
    assert session.result is not None
    layers = session.result.layers
    before = layers.labels.colormap.map(np.array([1, 2], np.uint16))
    assert not np.allclose(before[0], before[1])
    layers.set_verdicts(np.array(["rejected"] * 5))
    after = layers.labels.colormap.map(np.array([1, 2], np.uint16))
    np.testing.assert_allclose(after[0], before[1])
    layers.set_shown(np.array([False, True, True, True, True]))
    assert layers.labels.colormap.map(np.array([1], np.uint16))[0, 3] == 0


def test_the_labels_have_a_row_of_features_each_for_other_plugins(session: Session) -> None:
    """Plugins that cluster cells look the selected label up there, whenever napari announces it."""
    assert session.result is not None
    layers = session.result.layers
    seen: list[int] = []

    def look_up() -> None:
        seen.append(int(layers.labels.features["index"].iloc[layers.labels.selected_label]))

    layers.labels.events.selected_label.connect(look_up)
    layers.labels.features = {}  # as a layer is that has just been read from a file
    layers.set_verdicts(np.array(["rejected"] * 5))
    assert seen == [1]
    assert layers.labels.features["index"].tolist() == [0, 1, 2, 3, 4, 5]


def test_areas_and_outlines(session: Session) -> None:
    assert session.result is not None
    layers = session.result.layers
    rim = (layers.labels.data == 1).sum()
    layers.set_filled(True)
    assert (layers.labels.data == 1).sum() > 2 * rim
    layers.set_filled(False)
    assert (layers.labels.data == 1).sum() == rim


def test_the_next_result_frees_the_first(
    session: Session, viewer: Any, components: Components
) -> None:
    session.select([1])
    assert session.result is not None
    first = weakref.ref(session.result.layers.drawing)
    session.show(load(components.take([0, 1]), name="other"))
    assert session.selection == ()
    assert all(layer.name.endswith("other") for layer in viewer.layers)
    gc.collect()
    assert first() is None


def test_removing_the_components_layer_closes_the_result(session: Session, viewer: Any) -> None:
    session.select([1])
    viewer.layers.remove("components · cells")
    assert session.result is None
    assert session.selection == ()


@pytest.mark.long
def test_the_next_volume_frees_the_first(
    viewer: Any,
    components_3d: Components,
    explained_movie: Callable[[Components], Movie],
) -> None:
    session = session_of(viewer)
    session.show(load(components_3d, explained_movie(components_3d)))
    session.select([0])
    assert session.result is not None
    layers = session.result.layers
    freed = [weakref.ref(layers.drawing), weakref.ref(layers.labels.data)]
    del layers
    session.show(load(components_3d.take([0, 1]), name="other"))
    gc.collect()
    assert [ref() is None for ref in freed] == [True, True]


@pytest.mark.long
def test_a_volume_is_picked_plane_by_plane(
    viewer: Any,
    components_3d: Components,
    explained_movie: Callable[[Components], Movie],
    qtbot: Any,
) -> None:
    session = session_of(viewer)
    session.show(load(components_3d, explained_movie(components_3d)))
    viewer.dims.set_current_step(1, 1)
    qtbot.waitUntil(lambda: viewer.window._qt_viewer.canvas.native.width() > 200)
    viewer.reset_view()
    click(viewer, (8, 10))
    assert session.selection == (0,)
    assert session.result is not None
    assert len(session.result.layers.selection.data) >= 3
    viewer.dims.ndisplay = 3


def test_layers_that_napari_added_are_taken_over(
    viewer: Any, components: Components, movie: Movie
) -> None:
    """As the reader does: layer data with the result inside, added one by one."""
    from napari_cnmf.ui._loading import result_layers

    session = session_of(viewer)
    loaded = load(components, movie, name="from a file")
    for data, keywords, kind in result_layers(loaded):
        getattr(viewer, f"add_{kind}")(data, **keywords)
    assert session.result is not None
    session.select([4])
    assert len(viewer.layers["selection · from a file"].data) == 1
