"""Drawing, suggesting, restoring and locating, with mouse and keys in a real viewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui import _background
from napari_cnmf.ui._canvas import camera_of
from napari_cnmf.ui._loading import finish, load_components, load_file
from napari_cnmf.ui._session import Session, session_of
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.curation._drawing_tool import Tool
from napari_cnmf.ui.layers._convert import Arrangement

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Desk:
    """A viewer with the dock, and the hands of a curator."""

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.session: Session = session_of(viewer)
        self.dock = CurationWidget(viewer)
        self.panel = self.dock.edit_panel
        viewer.window.add_dock_widget(self.dock, area="right")

    @property
    def tool(self) -> Any:
        return self.dock.edits.tool

    @property
    def components(self) -> Components:
        assert self.session.result is not None
        return self.session.result.components

    def show(self, components: Components, movie: Movie | None) -> None:
        self.session.show(finish(load_components(components, movie=movie)))
        native = self.viewer.window._qt_viewer.canvas.native
        self.qtbot.waitUntil(lambda: native.isVisible() and native.width() > 200)
        self.rest()
        self.viewer.reset_view()

    def do(self, name: str) -> None:
        self.dock.run(next(a for a in self.dock.bindings if a.name == name))
        # The hint in the dock may take some room from the canvas.
        QApplication.processEvents()

    def rest(self) -> None:
        self.qtbot.waitUntil(
            lambda: not _background.is_busy() and not self.dock.edits.editor.is_busy
        )

    def wait_for_ids(self, ids: list[int]) -> None:
        def is_there() -> bool:
            result = self.session.result
            return result is not None and result.ids.tolist() == ids

        self.qtbot.waitUntil(is_there, timeout=60_000)

    def at(self, world: tuple[float, float]) -> QPoint:
        """Where a point of the field is on the canvas."""
        native, camera = self.viewer.window._qt_viewer.canvas.native, camera_of(self.viewer)
        y = native.height() / 2 + (world[0] - camera.center[-2]) * camera.zoom
        x = native.width() / 2 + (world[1] - camera.center[-1]) * camera.zoom
        return QPoint(round(x), round(y))

    def mouse(self, kind: QEvent.Type, world: tuple[float, float], *, pressed: bool) -> None:
        native, position = self.viewer.window._qt_viewer.canvas.native, self.at(world)
        held = LEFT if pressed else Qt.MouseButton.NoButton
        button = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseMove else LEFT
        event = QMouseEvent(
            kind, QPointF(position), QPointF(native.mapToGlobal(position)), button, held, NONE
        )
        QApplication.sendEvent(native, event)
        QApplication.processEvents()

    def drag(self, *path: tuple[float, float]) -> None:
        self.mouse(QEvent.Type.MouseMove, path[0], pressed=False)
        self.mouse(QEvent.Type.MouseButtonPress, path[0], pressed=True)
        for world in path[1:]:
            self.mouse(QEvent.Type.MouseMove, world, pressed=True)
        self.mouse(QEvent.Type.MouseButtonRelease, path[-1], pressed=False)

    def click(self, world: tuple[float, float]) -> None:
        self.mouse(QEvent.Type.MouseMove, world, pressed=False)
        self.mouse(QEvent.Type.MouseButtonPress, world, pressed=True)
        self.mouse(QEvent.Type.MouseButtonRelease, world, pressed=False)

    def likeness(self, row: int, truth: Components, true_row: int) -> float:
        """Cosine of a footprint with the true one."""
        found = self.components.A[:, [row]].toarray().ravel()
        true = truth.A[:, [true_row]].toarray().ravel()
        return float(found @ true / np.linalg.norm(found) / np.linalg.norm(true))


@pytest.fixture
def desk(viewer: Any, qtbot: Any) -> Iterator[Desk]:
    there = Desk(viewer, qtbot)
    yield there
    there.tool.cancel()
    there.rest()


def test_an_ellipse_is_dragged(desk: Desk, components: Components, movie: Movie) -> None:
    desk.show(components.take([0, 1, 2, 3]), movie)
    desk.panel.tool_box.setCurrentText(Tool.ELLIPSE)
    desk.do("draw")
    desk.drag((25, 35), (30, 40), (35, 45))
    desk.wait_for_ids([0, 1, 2, 3, 4])
    assert desk.likeness(4, components, 4) > 0.9
    desk.rest()
    frames = np.asarray(movie.data)
    trace = desk.panel.raw_trace()
    assert trace is not None
    assert np.corrcoef(trace, frames[:, 27:34, 37:44].mean(axis=(1, 2)))[0, 1] > 0.98


def test_a_polygon_is_clicked_beside_the_movie(
    desk: Desk, components: Components, movie: Movie
) -> None:
    desk.show(components.take([0, 1, 2, 3]), movie)
    for kind in ("raw", "residual"):
        desk.dock.view.stacks[kind].setChecked(True)
    desk.dock.view.arrangement_box.setCurrentText(Arrangement.BESIDE)
    desk.panel.tool_box.setCurrentText(Tool.POLYGON)
    desk.do("draw")
    # On the second copy, 53 pixels to the right.
    corners = [(25.0, 35.0 + 53), (25.0, 45.0 + 53), (35.0, 45.0 + 53), (35.0, 35.0 + 53)]
    for corner in corners:
        desk.click(corner)
    native = desk.viewer.window._qt_viewer.canvas.native
    QTest.mouseDClick(native, LEFT, NONE, desk.at(corners[-1]))
    desk.wait_for_ids([0, 1, 2, 3, 4])
    assert desk.likeness(4, components, 4) > 0.9


@pytest.mark.long
def test_a_brush_paints_until_it_is_done(desk: Desk, components: Components, movie: Movie) -> None:
    desk.show(components.take([0, 1, 2, 3]), movie)
    desk.panel.tool_box.setCurrentText(Tool.BRUSH)
    desk.do("draw")
    desk.tool.layer.brush_size = 9
    desk.drag((29, 39), (30, 40), (31, 41))
    assert desk.panel.done_button.isVisibleTo(desk.panel)
    desk.panel.done_button.click()
    desk.wait_for_ids([0, 1, 2, 3, 4])
    assert desk.likeness(4, components, 4) > 0.9
    assert "drawing" not in desk.viewer.layers


@pytest.mark.long
def test_what_is_drawn_over_is_trimmed(desk: Desk, components: Components, movie: Movie) -> None:
    desk.show(components, movie)
    desk.session.select([1])
    desk.do("trim")
    desk.tool.layer.add(np.array([[0, 31], [0, 40], [20, 40], [20, 31.0]]), shape_type="polygon")
    desk.qtbot.waitUntil(lambda: (desk.components.A[:, [1]].indices % 52).max() <= 31)
    assert desk.session.selection == (1,)


@pytest.mark.long
def test_a_missed_cell_is_found_in_a_drawn_region(
    desk: Desk, result_of: Callable[..., Components], explained_movie: Callable[..., Movie]
) -> None:
    truth = result_of((40, 52), [(12.0, 12.0), (26.0, 36.0)], n_frames=400)
    desk.show(
        truth.take([0]).replace(params={"init": {"gSig": [3, 3]}}, images={}),
        explained_movie(truth),
    )
    desk.do("find")
    desk.tool.layer.add(np.array([[0, 20], [0, 51], [39, 51], [39, 20.0]]), shape_type="polygon")
    desk.wait_for_ids([0, 1])
    assert desk.likeness(1, truth, 1) > 0.9
    assert desk.session.selection == (1,)


@pytest.mark.long
def test_outlines_on_a_volume_span_the_planes_asked_for(
    desk: Desk, components_3d: Components, explained_movie: Callable[..., Movie]
) -> None:
    desk.show(components_3d.take([0, 2]), explained_movie(components_3d))
    assert desk.panel.below.isVisibleTo(desk.panel)
    desk.viewer.dims.set_current_step(1, 2)
    desk.panel.below.setValue(1)
    desk.panel.above.setValue(2)
    desk.panel.tool_box.setCurrentText(Tool.ELLIPSE)
    desk.do("draw")
    desk.drag((15, 17), (20, 22), (25, 27))
    desk.wait_for_ids([0, 1, 2])
    planes = np.unique(desk.components.A[:, [2]].indices // (28 * 40))
    assert planes.tolist() == [1, 2, 3, 4]
    assert desk.likeness(2, components_3d, 1) > 0.9
    desk.viewer.dims.ndisplay = 3
    desk.do("draw")
    assert not desk.tool.is_drawing


@pytest.mark.long
def test_suggested_pairs_are_merged_or_skipped(
    desk: Desk, components: Components, movie: Movie
) -> None:
    C = components.C.copy()
    C[3] = 0.8 * C[2]
    desk.show(components.replace(C=C), movie)
    desk.do("suggest")
    desk.rest()
    assert desk.session.selection == (2, 3)
    assert "2 and 3" in desk.panel.suggestion()
    desk.do("skip")
    desk.rest()
    assert "No pair" in desk.panel.suggestion()
    desk.session.close_result()
    desk.show(components.replace(C=C), movie)
    desk.do("suggest")
    desk.rest()
    desk.do("merge_pair")
    desk.wait_for_ids([0, 1, 4, 5])


@pytest.mark.long
def test_the_deleted_come_back_one_by_one(desk: Desk, components: Components) -> None:
    desk.show(components, None)
    for row in (1, 2):
        desk.session.select([row])
        desk.do("delete")
        desk.rest()
    desk.wait_for_ids([0, 2, 4])
    desk.do("restore")
    desk.wait_for_ids([0, 2, 3, 4])
    desk.do("restore")
    desk.wait_for_ids([0, 1, 2, 3, 4])
    desk.rest()
    assert desk.session.selection == (1,)
    box = desk.panel.deleted_box
    assert not box.isEnabled()
    desk.session.select([0, 3])
    desk.do("delete")
    desk.wait_for_ids([1, 2, 4])
    assert [box.itemText(i) for i in range(box.count())] == ["3", "0"]
    box.setCurrentText("0")
    desk.do("restore")
    desk.wait_for_ids([0, 1, 2, 4])


@pytest.mark.long
@pytest.mark.parametrize(
    "vertices",
    [[(60, 60), (60, 70), (70, 70)], [(5, 5), (25, 25), (5, 25), (25, 5)]],
    ids=["outside", "crosses itself"],
)
def test_bad_outlines_change_nothing(
    desk: Desk, components: Components, movie: Movie, vertices: list[tuple[float, float]]
) -> None:
    desk.show(components, movie)
    desk.do("draw")
    desk.tool.layer.add(np.array(vertices, float), shape_type="polygon")
    desk.qtbot.waitUntil(lambda: not desk.tool.is_drawing)
    desk.rest()
    assert desk.components.n_components == 5


@pytest.mark.long
def test_a_movie_that_moved_is_located(
    desk: Desk, components: Components, movie: Movie, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "moved.tif", np.asarray(movie.data), photometric="minisblack")
    tifffile.imwrite(tmp_path / "other.tif", np.zeros((50, 9, 9), np.uint8))
    path = write_caiman(components, tmp_path / "result.hdf5")
    desk.session.show(finish(load_file(path)))
    desk.rest()
    assert desk.panel.locate_button.isVisibleTo(desk.panel)
    assert desk.session.result is not None
    desk.session.result.curation.reject([0])
    desk.dock.edits.locate(tmp_path / "other.tif")
    desk.rest()
    assert desk.session.result.loaded.movie is None
    desk.dock.edits.locate(tmp_path / "moved.tif")
    desk.qtbot.waitUntil(
        lambda: desk.session.result is not None and desk.session.result.loaded.movie is not None
    )
    assert not desk.panel.locate_button.isVisibleTo(desk.panel)
    assert "raw · result" in desk.viewer.layers
    assert desk.session.result.curation.accepted[0] == np.False_
    pixels = np.flatnonzero(components.A[:, [0]].toarray().ravel())
    assert desk.session.result.curation.shape_edits.raw_trace(pixels) is not None
