"""Scatter and heat map in step with the table, the canvas and the slider; real mouse events."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyqtgraph as pg
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_cnmf.model.components import Components
from napari_cnmf.ui._loading import finish, load_components
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.curation._columns import Column
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.plots._dock import PlotsWidget
from napari_cnmf.ui.plots._pooling import column_starts, picture_of_traces, pooled

pytestmark = pytest.mark.long


def picture(heat_map: Any) -> np.ndarray:
    image = heat_map.image.image
    return np.zeros((0, 0)) if image is None else image


def ringed(scatter: Any) -> np.ndarray:
    return np.column_stack(scatter.rings.getData())


class Plots:
    """A viewer with the table and the plots."""

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.session = session_of(viewer)
        self.curation = CurationWidget(viewer)
        self.dock = PlotsWidget(viewer)
        viewer.window.add_dock_widget(self.curation, area="right")
        viewer.window.add_dock_widget(self.dock, area="bottom")

    def show(self, components: Components) -> None:
        self.session.show(finish(load_components(components)))
        n = components.n_components
        self.qtbot.waitUntil(lambda: len(self.session.overview.figures) == n)
        QApplication.processEvents()

    def show_heat_map(self) -> None:
        self.dock.tabs.setCurrentIndex(1)
        n = self.session.result.components.n_components
        self.qtbot.waitUntil(lambda: picture(self.dock.heat_map).shape[0] == n)


@pytest.fixture
def plots(viewer: Any, qtbot: Any) -> Iterator[Plots]:
    # pyqtgraph drops moves that come faster than a hand can make them.
    limit = pg.getConfigOption("mouseRateLimit")
    pg.setConfigOption("mouseRateLimit", -1)
    yield Plots(viewer, qtbot)
    pg.setConfigOption("mouseRateLimit", limit)


def drag(canvas: Any, points: list[QPoint], modifiers: Any = None) -> None:
    """Press at the first point, move through the others, let go at the last."""
    held = Qt.KeyboardModifier.NoModifier if modifiers is None else modifiers
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    kinds = [QEvent.Type.MouseButtonPress, *[QEvent.Type.MouseMove] * len(points)]
    kinds.append(QEvent.Type.MouseButtonRelease)
    for kind, at in zip(kinds, [points[0], *points, points[-1]], strict=True):
        button = none if kind == QEvent.Type.MouseMove else left
        buttons = none if kind == QEvent.Type.MouseButtonRelease else left
        where = QPointF(canvas.mapToGlobal(at))
        event = QMouseEvent(kind, QPointF(at), where, button, buttons, held)
        QApplication.sendEvent(canvas, event)


def around(points: list[QPoint], margin: int = 8) -> list[QPoint]:
    """A box around points, as a path of many small steps."""
    left, right = min(p.x() for p in points) - margin, max(p.x() for p in points) + margin
    top, bottom = min(p.y() for p in points) - margin, max(p.y() for p in points) + margin
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    path = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        path += [QPoint(round(x), round(y)) for x, y in zip(
            np.linspace(x0, x1, 6), np.linspace(y0, y1, 6), strict=True)]  # fmt: skip
    return path


def test_plots_that_open_after_the_table_show_its_figures(
    viewer: Any, qtbot: Any, components: Components
) -> None:
    session = session_of(viewer)
    curation = CurationWidget(viewer)
    viewer.window.add_dock_widget(curation, area="right")
    session.show(finish(load_components(components)))
    qtbot.waitUntil(lambda: len(session.overview.figures) == components.n_components)
    dock = PlotsWidget(viewer)
    viewer.window.add_dock_widget(dock, area="bottom")
    assert [dock.x_axis.currentText(), dock.y_axis.currentText()] == ["SNR", "r"]


def test_a_lasso_selects_everywhere_and_shift_adds(plots: Plots, components: Components) -> None:
    plots.show(components)
    scatter = plots.dock.scatter
    assert (plots.dock.x_axis.currentText(), plots.dock.y_axis.currentText()) == ("SNR", "r")
    drag(scatter.canvas, around([scatter.place_of(1), scatter.place_of(2)]))
    assert plots.session.selection == (1, 2)
    rows = {i.row() for i in plots.curation.panel.table.selectionModel().selectedRows()}
    assert rows == {1, 2}
    assert len(ringed(scatter)) == 2
    shift = Qt.KeyboardModifier.ShiftModifier
    drag(scatter.canvas, around([scatter.place_of(3)]), shift)
    assert plots.session.selection == (1, 2, 3)
    drag(scatter.canvas, around([scatter.place_of(3)]))
    assert plots.session.selection == (3,)


def test_a_click_selects_the_nearest_point(plots: Plots, components: Components) -> None:
    plots.show(components)
    scatter = plots.dock.scatter
    at = scatter.place_of(3)
    QTest.mouseClick(scatter.canvas, Qt.MouseButton.LeftButton, pos=at + QPoint(2, 2))
    assert plots.session.selection == (3,)
    plots.session.select((0, 2))
    np.testing.assert_allclose(ringed(scatter)[:, 0], components.snr[[0, 2]])


def test_points_have_the_colours_of_the_decisions(plots: Plots, components: Components) -> None:
    plots.show(components.replace(snr=np.array([np.nan, 3.0, 4.0, 5.0, 6.0])))
    scatter, cur = plots.dock.scatter, plots.session.result.curation
    accepted, rejected = scatter.color_of(2), scatter.color_of(1)
    assert accepted == scatter.color_of(4) != rejected == scatter.color_of(3)
    cur.reject(2)
    plots.qtbot.waitUntil(lambda: scatter.color_of(2) not in (accepted, rejected))
    assert scatter.color_of(4) == accepted
    cur.undo()
    plots.qtbot.waitUntil(lambda: scatter.color_of(2) == accepted)


def test_any_two_metrics(plots: Plots, components: Components) -> None:
    plots.show(components)
    dock = plots.dock
    titles = [dock.x_axis.itemText(i) for i in range(dock.x_axis.count())]
    assert {"SNR", "r", "area", "events", "id"} <= set(titles)
    assert "p(cell)" not in titles, "a metric that the result lacks is not offered"
    dock.x_axis.setCurrentText("area")
    plots.session.select((1,))
    area = plots.session.overview.figures.numbers[Column.AREA][1]
    np.testing.assert_allclose(ringed(dock.scatter), [[area, components.r_values[1]]])


@pytest.mark.long
def test_scores_that_are_no_numbers_are_left_out(plots: Plots, components: Components) -> None:
    odd = components.replace(snr=np.array([np.inf, np.nan, 3.0, 4.0, 5.0]))
    plots.show(odd)
    assert plots.dock.scatter.is_shown.tolist() == [False, False, True, True, True]
    plots.session.select((0, 2))
    assert len(ringed(plots.dock.scatter)) == 1
    plots.show(components.replace(snr=None, r_values=None, accepted=None))
    assert plots.dock.x_axis.currentText() != "SNR"


def test_the_heat_map_stands_as_the_table_does(plots: Plots, components: Components) -> None:
    plots.show(components)
    plots.show_heat_map()
    heat, panel = plots.dock.heat_map, plots.curation.panel
    whole = picture_of_traces(components.C)
    np.testing.assert_array_equal(picture(heat), whole)
    panel.table.sortByColumn(Column.SNR, Qt.SortOrder.DescendingOrder)
    plots.qtbot.waitUntil(lambda: np.array_equal(picture(heat), whole[::-1]))
    canvas = heat.canvas
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=heat.place_of(1, 2.0))
    assert plots.session.selection == (3,)
    assert len(heat.marks) == 1
    panel.filter.setText("snr>5")
    plots.qtbot.waitUntil(lambda: picture(heat).shape[0] == 2)
    plots.session.select((0,))
    assert len(heat.marks) == 0, "what the filter hides has no row to mark"


@pytest.mark.long
def test_plots_of_nothing_and_of_one_frame(plots: Plots, result_of: Any) -> None:
    nothing = result_of((40, 52), [], 1).replace(snr=None, r_values=None, b=None, f=None, images={})
    plots.session.show(finish(load_components(nothing)))
    plots.dock.tabs.setCurrentIndex(1)
    QApplication.processEvents()
    one = result_of((40, 52), [(8.0, 10.0), (20.0, 30.0)], 1).replace(images={})
    plots.show(one)
    plots.show_heat_map()
    QTest.mouseClick(
        plots.dock.heat_map.canvas, Qt.MouseButton.LeftButton,
        pos=plots.dock.heat_map.place_of(1, 0.05),
    )  # fmt: skip
    assert plots.session.selection == (1,)


def test_pooling_keeps_every_event() -> None:
    C = np.zeros((3, 1000), np.float32)
    C[0, 437] = C[1, 3] = 1
    C[2] = np.nan
    picture = picture_of_traces(C, most_columns=100)
    assert picture.shape == (3, 100)
    column = np.searchsorted(column_starts(1000, 100), 437, side="right") - 1
    assert picture[0, column] == 255
    assert picture.sum(axis=1).tolist() == [255, 255, 0]
    small, (tall, wide) = pooled(picture, np.array([2, 1, 0]), (2, 10))
    assert small.shape == (2, 10)
    assert (tall, wide) == (2, 10)
    assert small[0, 0] == 255, "the event of row 1 at its place"
    assert small[1, column // wide] == 255
    whole, blocks = pooled(picture, np.array([1]), (2, 100))
    np.testing.assert_array_equal(whole, picture[[1]])
    assert blocks == (1, 1)
