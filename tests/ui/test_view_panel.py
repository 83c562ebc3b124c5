"""How a result looks: each control of the View tab, on a real canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui import _background
from napari_cnmf.ui._canvas import camera_of
from napari_cnmf.ui._loading import LoadedResult, finish, load_components
from napari_cnmf.ui._session import Session, session_of
from napari_cnmf.ui.curation._coloring import ColorBy
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.curation._view_panel import ViewPanel
from napari_cnmf.ui.layers._convert import Arrangement


def load(components: Components, movie: Movie, name: str = "cells") -> LoadedResult:
    return finish(load_components(components, name=name, movie=movie))


def click(viewer: Any, world: tuple[float, float]) -> None:
    native = viewer.window._qt_viewer.canvas.native
    zoom, centre = camera_of(viewer).zoom, camera_of(viewer).center[-2:]
    y = native.height() / 2 + (world[0] - centre[0]) * zoom
    x = native.width() / 2 + (world[1] - centre[1]) * zoom
    position = QPoint(round(x), round(y))
    QTest.mouseMove(native, position)
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, position)


@pytest.fixture
def session(viewer: Any, components: Components, movie: Movie, qtbot: Any) -> Session:
    session = session_of(viewer)
    session.show(load(components, movie))
    native = viewer.window._qt_viewer.canvas.native
    qtbot.waitUntil(lambda: native.isVisible() and native.width() > 200)
    return session


@pytest.fixture
def view(viewer: Any, session: Session, qtbot: Any) -> ViewPanel:
    dock = CurationWidget(viewer)
    viewer.window.add_dock_widget(dock, area="right")
    dock.panel.tabs.setCurrentWidget(dock.view)
    qtbot.waitUntil(lambda: not _background.is_busy())
    return dock.view


def label_color(session: Session, row: int) -> np.ndarray:
    assert session.result is not None
    return session.result.layers.labels.colormap.map(np.array([row + 1], np.uint16))[0]


@pytest.mark.long
def test_side_by_side_has_contours_and_selection_on_each(
    view: ViewPanel, session: Session, viewer: Any
) -> None:
    assert session.result is not None
    layers = session.result.layers
    rim = int((layers.labels.data == 1).sum())
    for kind in ("denoised", "residual"):
        view.stacks[kind].setChecked(True)
    view.arrangement_box.setCurrentText(Arrangement.BESIDE)
    assert layers.tiles.count == 3
    assert int((layers.labels.data == 1).sum()) == 3 * rim
    lefts = [layers.layers[kind].translate[-1] for kind in ("raw", "denoised", "residual")]
    assert lefts == [0, 53, 106]
    assert layers.visible_kinds() == ["raw", "denoised", "residual"]
    viewer.reset_view()
    click(viewer, (8, 10 + 53))
    assert session.selection == (0,)
    assert len(layers.selection.data) == 3
    view.arrangement_box.setCurrentText(Arrangement.ABOVE)
    assert layers.layers["residual"].translate[-1] == 0
    assert len(layers.selection.data) == 1
    assert int((layers.labels.data == 1).sum()) == rim


def test_accepted_stand_beside_rejected_and_change_sides(
    view: ViewPanel, session: Session, viewer: Any
) -> None:
    assert session.result is not None
    layers, curation = session.result.layers, session.result.curation
    view.arrangement_box.setCurrentText(Arrangement.VERDICTS)
    raw, twin = (la for la in viewer.layers if la.name.startswith("raw"))
    assert twin.data is raw.data
    assert twin.translate[-1] == 53

    def sides() -> list[set[int]]:
        picture = layers.labels.data
        middle = picture.shape[-1] // 2
        halves = (picture[..., :middle], picture[..., middle:])
        return [set(np.unique(half).tolist()) - {0} for half in halves]

    accepted = set((np.flatnonzero(curation.accepted) + 1).tolist())
    assert sides() == [accepted, {1, 2, 3, 4, 5} - accepted]
    curation.reject(0)
    assert sides() == [accepted - {1}, {1, 2, 3, 4, 5} - accepted | {1}]
    # Where two overlap, a click means the one that is seen on that side.
    viewer.reset_view()
    overlap = (20, 14.5)
    click(viewer, overlap)
    assert curation.accepted[session.selection[0]]
    click(viewer, (overlap[0], overlap[1] + 53))
    assert not curation.accepted[session.selection[0]]
    view.arrangement_box.setCurrentText(Arrangement.ABOVE)
    assert twin not in viewer.layers
    assert sides() != [accepted, set()]


def test_blended_stacks_are_added_up(view: ViewPanel, session: Session) -> None:
    assert session.result is not None
    layers = session.result.layers
    view.stacks["denoised"].setChecked(True)
    view.arrangement_box.setCurrentText(Arrangement.BLENDED)
    assert layers.layers["denoised"].blending == "additive"
    assert layers.layers["denoised"].colormap.name == "green"
    view.arrangement_box.setCurrentText(Arrangement.ABOVE)
    assert layers.layers["denoised"].blending == "translucent_no_depth"
    assert layers.layers["denoised"].colormap.name == "gray"


def test_colours_follow_a_figure_tags_and_clusters(
    view: ViewPanel, session: Session, qtbot: Any
) -> None:
    assert session.result is not None
    accepted = label_color(session, 0)
    view.color_box.setCurrentText(ColorBy.SNR)
    qtbot.waitUntil(lambda: "bright" in view.legend())
    brightness = [label_color(session, row)[:3].sum() for row in range(5)]
    assert brightness == sorted(brightness)
    session.result.curation.tag([1, 3], "border")
    view.color_box.setCurrentText(ColorBy.TAG)
    qtbot.waitUntil(lambda: "border" in view.legend())
    np.testing.assert_allclose(label_color(session, 1), label_color(session, 3))
    assert not np.allclose(label_color(session, 1), label_color(session, 0))
    session.result.curation.tag([0], "border")
    qtbot.waitUntil(lambda: np.allclose(label_color(session, 1), label_color(session, 0)))
    view.color_box.setCurrentText(ColorBy.CLUSTER)
    qtbot.waitUntil(lambda: "1" in view.legend())
    view.color_box.setCurrentText(ColorBy.DECISION)
    np.testing.assert_allclose(label_color(session, 0), accepted)


def test_a_lower_level_draws_larger_components(
    view: ViewPanel, session: Session, qtbot: Any
) -> None:
    assert session.result is not None
    layers = session.result.layers
    session.select([0])
    view.style_box.setCurrentText("filled")
    size, width = (layers.labels.data == 1).sum(), np.ptp(layers.selection.data[0], axis=0)
    view.level_slider.setValue(10)
    qtbot.waitUntil(lambda: layers.drawing.level == 0.1)
    assert (layers.labels.data == 1).sum() > 1.5 * size
    assert (np.ptp(layers.selection.data[0], axis=0) > width).all()


@pytest.mark.long
def test_numbers_and_contours_of_all_come_and_go(
    view: ViewPanel, session: Session, viewer: Any, qtbot: Any
) -> None:
    view.numbers.setChecked(True)
    numbers = viewer.layers["numbers · cells"]
    assert numbers.text.values.tolist() == ["0", "1", "2", "3", "4"]
    np.testing.assert_allclose(numbers.data[0], (8, 10), atol=0.5)
    view.contours.setChecked(True)
    qtbot.waitUntil(lambda: "contours · cells" in viewer.layers)
    assert len(viewer.layers["contours · cells"].data) == 5
    assert session.result is not None
    # A decision recolours them too.
    before = viewer.layers["contours · cells"].edge_color[0].copy()
    session.result.curation.reject([0])
    assert not np.allclose(viewer.layers["contours · cells"].edge_color[0], before)
    # After an edit they show what is there.
    session.result.curation.delete([2])
    qtbot.waitUntil(
        lambda: (
            "contours · cells" in viewer.layers and len(viewer.layers["contours · cells"].data) == 4
        )
    )
    assert viewer.layers["numbers · cells"].text.values.tolist() == ["0", "1", "3", "4"]
    view.numbers.setChecked(False)
    view.contours.setChecked(False)
    assert {"numbers · cells", "contours · cells"}.isdisjoint(la.name for la in viewer.layers)
    assert session.result.layers.labels.visible


@pytest.mark.long
def test_a_missed_cell_is_bright_in_the_residual(
    view: ViewPanel, viewer: Any, components: Components, movie: Movie, qtbot: Any
) -> None:
    session = session_of(viewer)
    session.show(load(components.take([0, 1, 2, 3]), movie, name="less"))
    view.find_button.click()
    qtbot.waitUntil(lambda: "max residual · less" in viewer.layers)
    image = viewer.layers["max residual · less"].data
    peak = np.unravel_index(image.argmax(), image.shape)
    assert np.hypot(peak[0] - 30, peak[1] - 40) < 3.5
    correlation = viewer.layers["residual correlation · less"].data
    assert correlation[30, 40] > 5 * abs(np.median(correlation))
    session.close_result()
    assert not [layer for layer in viewer.layers if "less" in layer.name]


def test_what_was_decided_by_hand_is_switched_apart(
    viewer: Any, session: Session, qtbot: Any
) -> None:
    dock = CurationWidget(viewer)
    viewer.window.add_dock_widget(dock, area="right")
    qtbot.waitUntil(lambda: not _background.is_busy())
    assert session.result is not None
    session.result.curation.accept([1])
    dock.panel.switches["auto"].setChecked(False)
    assert session.result.layers.is_shown.tolist() == [False, True, False, False, False]
    dock.panel.switches["auto"].setChecked(True)
    dock.panel.switches["by hand"].setChecked(False)
    assert session.result.layers.is_shown.tolist() == [True, False, True, True, True]
