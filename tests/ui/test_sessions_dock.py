"""Matches by hand: found, looked at, corrected, saved, opened again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.matching.unsaved import unsaved_path
from napari_cnmf.ui._canvas import camera_of
from napari_cnmf.ui.sessions._dock import SessionsWidget
from session_simulator import simulate_sessions


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three simulated days."""
    from napari_cnmf.model.components import Components

    days = simulate_sessions(n_frames=40, n_sessions=3, seed=3, size=(96, 128), n_cells=30)
    folder = tmp_path_factory.mktemp("days")
    paths = []
    for number, recording in enumerate(days.recordings):
        truth = recording.truth
        components = Components(
            A=truth.A, C=truth.C, dims=truth.dims, frame_rate_hz=10.0,
            images={"mean": truth.background.reshape(truth.dims)},
        )  # fmt: skip
        paths.append(write_caiman(components, folder / f"day {number + 1}.hdf5"))
    return paths


@pytest.fixture
def dock(viewer: Any, qtbot: Any, results: list[Path]) -> Any:
    widget = SessionsWidget(viewer)
    viewer.window.add_dock_widget(widget, area="bottom")
    assert not widget.buttons["match"].isEnabled()
    widget.add_results(results)
    assert [widget.results.item(i).text() for i in range(3)] == ["day 1", "day 2", "day 3"]
    click(widget, "match")
    qtbot.waitUntil(lambda: widget.matched is not None)
    return widget


def click(widget: Any, name: str) -> None:
    QTest.mouseClick(widget.buttons[name], Qt.MouseButton.LeftButton)


@pytest.mark.long
def test_layers_show_a_cell_in_one_colour(dock: Any, viewer: Any) -> None:
    layers = [layer for layer in viewer.layers if layer.name.endswith("matched")]
    assert [layer.name for layer in layers] == [f"day {i} · matched" for i in (1, 2, 3)]
    cell = next(n for n, c in dock.matched.matches.cells.items() if len(c.components) == 3)
    assert len({tuple(layer.get_color(cell + 1)) for layer in layers}) == 1
    places = [np.argwhere(layer.data == cell + 1).mean(axis=0) for layer in layers]
    assert np.ptp(places, axis=0).max() < 1.5, "aligned"
    row = list(dock.matched.matches.cells).index(cell)
    dock.only.setChecked(True)
    dock.table.select_rows([row])
    assert all(layer.show_selected_label for layer in layers)
    np.testing.assert_allclose(camera_of(viewer).center[-2:], places[0], atol=1.0)


@pytest.mark.long
def test_corrected_saved_and_opened_again(
    dock: Any, viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    matches = dock.matched.matches
    cell = next(n for n, c in matches.cells.items() if len(c.components) == 3)
    before = dict(matches.cells[cell].components)
    row = list(matches.cells).index(cell)
    dock.table.select_rows([row])
    click(dock, "accept")
    assert matches.cells[cell].state == "accepted"
    assert dock.selected_cells() == [cell], "what was selected stays"
    # a click on the id of the second day, then the button
    index = dock.table.model().index(row, 5)
    QTest.mouseClick(
        dock.table.viewport(), Qt.MouseButton.LeftButton, pos=dock.table.visualRect(index).center()
    )
    click(dock, "unlink")
    assert set(matches.cells[cell].components) == {0, 2}
    alone = max(matches.cells)
    layer = viewer.layers["day 2 · matched"]
    qtbot.waitUntil(lambda: bool((layer.data == alone + 1).any()))
    numbers = list(matches.cells)
    dock.table.select_rows([numbers.index(cell), numbers.index(alone)])
    click(dock, "link")
    assert matches.cells[cell].components == before
    click(dock, "undo")
    assert set(matches.cells[cell].components) == {0, 2}

    dock.save(tmp_path / "m.json")
    dock.save_csv(tmp_path / "m.csv")
    qtbot.waitUntil(lambda: (tmp_path / "m.json").exists() and (tmp_path / "m.csv").exists())
    dock.open(tmp_path / "m.json")
    qtbot.waitUntil(lambda: dock.matched.matches is not matches)
    assert set(dock.matched.matches.cells[cell].components) == {0, 2}
    click(dock, "undo")
    assert set(dock.matched.matches.cells[cell].components) == {0, 1, 2}
    assert dock.matched.matches.cells[cell].state == "accepted"


@pytest.mark.long
def test_unsaved_matches_come_back(dock: Any, viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    """The dock is closed, and opened again, before anything was saved."""
    matches = dock.matched.matches
    cell = next(n for n, c in matches.cells.items() if len(c.components) == 3)
    dock.table.select_rows([list(matches.cells).index(cell)])
    click(dock, "accept")
    qtbot.waitUntil(lambda: unsaved_path().is_file() and '"accept"' in unsaved_path().read_text())
    viewer.window.remove_dock_widget(dock)
    again = SessionsWidget(viewer)
    viewer.window.add_dock_widget(again, area="bottom")
    qtbot.waitUntil(lambda: again.matched is not None)
    assert again.matched.matches.cells[cell].state == "accepted"
    assert "not saved" in again.status.text()
    again.save(tmp_path / "m.json")
    qtbot.waitUntil(lambda: not unsaved_path().exists())
    third = SessionsWidget(viewer)
    viewer.window.add_dock_widget(third, area="bottom")
    qtbot.wait(300)
    assert third.matched is None


def test_a_click_on_a_cell_selects_its_row(dock: Any, viewer: Any) -> None:
    layer = next(one for one in viewer.layers if one.name.endswith("matched"))
    viewer.layers.selection.active = layer
    cell = int(layer.data[layer.data > 0].max()) - 1
    place = np.argwhere(layer.data == cell + 1)[0]

    class Event:
        type = "mouse_press"
        position = tuple(place)

    steps = dock._layers._on_click(viewer, Event)
    next(steps)
    Event.type = "mouse_release"
    assert next(steps, None) is None
    assert dock.selected_cells() == [cell]


def test_errors_are_notifications(
    dock: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_cnmf.ui._background.show_error", said.append)
    dock.table.select_rows([0])
    dock.table.setCurrentIndex(dock.table.model().index(0, 0))
    click(dock, "unlink")
    click(dock, "link")
    dock.open(tmp_path / "gone.json")
    qtbot.waitUntil(lambda: len(said) == 3)
    assert "Click the id" in said[0]
    assert "Select two or more rows" in said[1]
    assert "must be a file of matches" in said[2]
