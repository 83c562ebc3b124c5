"""Several results in one window, layers removed by hand, files and viewers that go meanwhile."""

from __future__ import annotations

import itertools
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_cnmf.errors import CnmfError
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui import _background
from napari_cnmf.ui._loading import finish, load_components, load_file
from napari_cnmf.ui._session import Session, session_of


@pytest.fixture
def two_results(tmp_path: Path, components: Components) -> list[Path]:
    """Two results of one file name, of five and of two components."""
    paths = []
    for folder, found in (("mouse 1", components), ("mouse 2", components.take([0, 1]))):
        (tmp_path / folder).mkdir()
        paths.append(write_caiman(found, tmp_path / folder / "result.hdf5"))
    return paths


@pytest.fixture
def docks(viewer: Any, qtbot: Any) -> dict[str, Any]:
    """Curation, traces and plots, opened as napari's menu opens them."""
    titles = ("Curation", "Traces", "Plots")
    return {t: viewer.window.add_plugin_dock_widget("napari-cnmf", t)[1] for t in titles}


def open_results(viewer: Any, paths: list[Path]) -> Session:
    for path in paths:
        viewer.open(path, plugin="napari-cnmf")
    return session_of(viewer)


def test_docks_from_the_menu_work_on_the_viewer_itself(viewer: Any, docks: dict[str, Any]) -> None:
    session = session_of(viewer)
    assert session.viewer is viewer
    assert all(dock.shows_components_of is session for dock in docks.values())


def test_results_of_one_name_are_open_side_by_side(
    viewer: Any, docks: dict[str, Any], two_results: list[Path], qtbot: Any
) -> None:
    session = open_results(viewer, two_results)
    assert [r.components.n_components for r in session.results] == [5, 2]
    assert session.result is session.results[1]
    curation = docks["Curation"]
    qtbot.waitUntil(lambda: len(curation.panel.model.figures) == 2)
    # The active layer says which of them the docks show.
    first, second = session.results
    viewer.layers.selection.active = first.layers.labels
    assert session.result is first
    qtbot.waitUntil(lambda: len(curation.panel.model.figures) == 5)
    session.select((4,))
    curation.curation.reject(4)
    assert len(first.layers.selection.data) == 1
    assert len(second.layers.selection.data) == 0
    assert second.curation.decisions.tolist() == [0, 0]
    second.layers.close()
    assert session.result is first
    first.layers.close()
    assert session.result is None
    qtbot.waitUntil(lambda: not viewer.layers)


def test_a_file_that_is_opened_again_takes_the_place_of_the_first(
    viewer: Any, two_results: list[Path]
) -> None:
    session = open_results(viewer, [two_results[0], two_results[0]])
    assert len(session.results) == 1
    assert sum("components" in layer.name for layer in viewer.layers) == 1


def test_a_copy_of_the_components_layer_is_no_second_result(
    viewer: Any, two_results: list[Path]
) -> None:
    session = open_results(viewer, two_results[:1])
    assert session.result is not None
    data, state, kind = session.result.layers.labels.as_layer_data_tuple()
    viewer._add_layer_from_data(data, state | {"name": "copy"}, kind)
    assert len(session.results) == 1
    session.close_result()
    viewer.add_points(np.ones((1, 2)))
    assert session.result is None


_ORDERS = list(itertools.permutations(("raw", "components", "selection")))


@pytest.mark.parametrize(
    "order", [_ORDERS[0], *(pytest.param(o, marks=pytest.mark.long) for o in _ORDERS[1:])]
)
def test_layers_are_removed_by_hand_in_any_order(
    *,
    viewer: Any,
    docks: dict[str, Any],
    components: Components,
    movie: Movie,
    qtbot: Any,
    order: tuple[str, ...],
) -> None:
    session = session_of(viewer)
    session.show(finish(load_components(components, movie=movie)))
    curation = docks["Curation"]
    qtbot.waitUntil(lambda: len(curation.panel.model.figures) == 5)
    for kind in order:
        layer = next((la for la in viewer.layers if la.name.startswith(kind)), None)
        if layer is None:  # it went with the components
            assert "components" in order[: order.index(kind)]
            continue
        viewer.layers.remove(layer)
        QApplication.processEvents()
        if session.result is not None:
            session.select((1, 2))
            curation.curation.reject(1)
            curation.view.stacks["raw"].setChecked(True)
            session.select(())
    assert session.result is None
    qtbot.waitUntil(lambda: not viewer.layers)
    session.show(finish(load_components(components, movie=movie)))
    session.select((0,))
    qtbot.waitUntil(lambda: len(curation.panel.model.figures) == 5)


def test_all_layers_are_removed_at_once(viewer: Any, components: Components, movie: Movie) -> None:
    session = session_of(viewer)
    for clear in ("select all", "clear"):
        session.show(finish(load_components(components, movie=movie)))
        if clear == "clear":
            viewer.layers.clear()
        else:
            viewer.layers.select_all()
            viewer.layers.remove_selected()
        QApplication.processEvents()
        assert session.result is None
        assert not viewer.layers


def test_a_movie_that_was_removed_comes_back_with_its_tick(
    viewer: Any, docks: dict[str, Any], components: Components, movie: Movie
) -> None:
    session = session_of(viewer)
    shown = session.show(finish(load_components(components, movie=movie)))
    assert shown is not None
    view = docks["Curation"].view
    assert view.stacks["raw"].isChecked()
    viewer.layers.remove(shown.layers.layers["raw"])
    assert view.stacks["raw"].isEnabled()
    assert not view.stacks["raw"].isChecked()
    view.stacks["raw"].setChecked(True)
    assert [layer.name.split(" ")[0] for layer in viewer.layers] == [
        "raw", "components", "selection",
    ]  # fmt: skip
    assert viewer.layers.selection.active is shown.layers.labels


def test_images_are_added_when_they_are_asked_for(
    viewer: Any, docks: dict[str, Any], components: Components, movie: Movie
) -> None:
    session = session_of(viewer)
    session.show(finish(load_components(components, movie=movie)))
    view = docks["Curation"].view
    assert len(viewer.layers) == 3
    assert view.images["pnr"].isHidden(), "this result has none"
    view.images["correlation"].setChecked(True)
    names = [layer.name.split(" ")[0] for layer in viewer.layers]
    assert names == ["raw", "correlation", "components", "selection"]
    view.images["correlation"].setChecked(False)
    assert not viewer.layers[1].visible


def test_the_movie_after_an_edit_is_the_edited_one(
    viewer: Any, docks: dict[str, Any], components: Components, movie: Movie, qtbot: Any
) -> None:
    """Also where its layer was not in the viewer when the edit was made."""
    session = session_of(viewer)
    shown = session.show(finish(load_components(components, movie=movie)))
    assert shown is not None
    brightest = int(components.C[0].argmax())
    before = np.asarray(shown.layers.stack("denoised")[brightest])
    assert before[8, 10] > 1
    shown.curation.delete([0])
    qtbot.waitUntil(lambda: len(shown.ids) == 4)
    docks["Curation"].view.stacks["denoised"].setChecked(True)
    after = np.asarray(viewer.layers["denoised · result"].data[brightest])
    assert after[8, 10] == pytest.approx(0, abs=1e-6)


def test_a_plane_in_3d_can_be_selected_in(
    viewer: Any, components: Components, movie: Movie, qtbot: Any
) -> None:
    session = session_of(viewer)
    shown = session.show(finish(load_components(components, movie=movie)))
    assert shown is not None
    session.select((0,))
    viewer.dims.ndisplay = 3
    session.select((1,))
    session.select((1, 2))
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: len(shown.layers.selection.data) == 2)


# -- what happens meanwhile


def test_a_result_that_is_removed_from_the_disk_says_so_and_can_be_closed(
    viewer: Any, docks: dict[str, Any], tmp_path: Path, components: Components
) -> None:
    (tmp_path / "item").mkdir()
    path = write_caiman(components, tmp_path / "item" / "result.hdf5")
    session = session_of(viewer)
    session.show(finish(load_file(path)))
    session.select((1,))
    shutil.rmtree(path.parent)
    assert session.result is not None
    with pytest.raises(CnmfError):
        session.result.curation.reject(1)
    session.close_result()
    assert session.result is None


@pytest.mark.parametrize("by", ["script", "user"])
def test_a_viewer_is_closed_while_its_result_is_read(
    viewer: Any, two_results: list[Path], qtbot: Any, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    import napari

    told: list[str] = []
    monkeypatch.setattr(_background, "show_error", told.append)
    other = napari.Viewer(show=True)
    curation = other.window.add_plugin_dock_widget("napari-cnmf", "Curation")[1]
    session = session_of(other)
    go_on = threading.Event()

    def steps() -> Any:
        yield "waiting"
        go_on.wait(30)
        return (yield from load_file(two_results[0]))

    _background.run_in_background(steps, done=session.show)
    _background.run_in_background(steps, done=lambda _loaded: curation.panel.show_busy("read"))
    if by == "script":
        other.close()
    else:
        other.window._qt_window.close()
    QApplication.processEvents()
    n_layers = len(viewer.layers)
    go_on.set()
    qtbot.waitUntil(lambda: not _background.is_busy())
    assert told == []
    assert session.result is None
    assert len(viewer.layers) == n_layers
