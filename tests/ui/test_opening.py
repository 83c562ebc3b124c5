"""Whatever a path is: batch, result, movie, nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QDockWidget

import napari_cnmf as nc
from napari_cnmf.batch import Batch, State
from napari_cnmf.batch.status import Status, write_status
from napari_cnmf.errors import CnmfError, MovieError
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.model.components import Components
from napari_cnmf.ui import _sample_data
from napari_cnmf.ui._docks import dock_of, show_docks
from napari_cnmf.ui._loading import LoadedMovie, LoadedResult, finish, load_item
from napari_cnmf.ui._opening import is_result, open_path
from napari_cnmf.ui._session import session_of


@pytest.fixture
def result_file(components: Components, tmp_path: Path) -> Path:
    path = tmp_path / "cells of mouse 1.hdf5"
    write_caiman(components, path)
    return path


@pytest.fixture
def movie_file(tmp_path: Path) -> Path:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, np.ones((12, 20, 24), np.uint16), photometric="minisblack")
    return path


def test_a_result_is_told_from_a_movie(result_file: Path, movie_file: Path, tmp_path: Path) -> None:
    assert is_result(result_file)
    assert not is_result(movie_file)
    fake = tmp_path / "fake.h5"
    fake.write_bytes(b"no HDF5")
    assert not is_result(fake)


def test_a_result_file_opens(result_file: Path, components: Components) -> None:
    batch, loaded = finish(open_path(result_file))
    assert batch is None
    assert isinstance(loaded, LoadedResult)
    assert loaded.components.dims == components.dims
    assert loaded.components.n_components == components.n_components
    assert loaded.frame_rate_hz == 10


@pytest.mark.parametrize("pictures", [None, b"no pictures"])
def test_a_result_opens_without_its_pictures(
    components: Components, movie_file: Path, tmp_path: Path, pictures: bytes | None
) -> None:
    batch = Batch.create(tmp_path / "batch")
    item = batch.add("cnmf", movie_file, params={"data": {"fr": 10}})
    write_caiman(components, item.folder / "result.hdf5")
    if pictures is not None:
        (item.folder / "images.npz").write_bytes(pictures)
    write_status(item.folder, Status(state=State.COMPLETED))
    loaded = finish(load_item(batch, item.uuid))
    assert loaded.components.n_components == components.n_components
    assert any("shown without its summary images" in note for note in loaded.notes)


def test_a_movie_opens_lazily(movie_file: Path) -> None:
    batch, loaded = finish(open_path(movie_file))
    assert batch is None
    assert isinstance(loaded, LoadedMovie)
    data, keywords, kind = loaded.layer_data
    assert kind == "image"
    assert data.shape == (12, 20, 24)
    assert keywords["metadata"]["paths"] == [str(movie_file)]


def test_a_batch_without_results_opens(tmp_path: Path, movie_file: Path) -> None:
    made = Batch.create(tmp_path / "batch")
    made.add("cnmf", movie_file, params={"data": {"fr": 10}, "init": {"gSig": (3, 3)}})
    batch, loaded = finish(open_path(tmp_path / "batch"))
    assert batch is not None
    assert len(batch) == 1
    assert loaded is None


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MovieError, match="there is none"):
        finish(open_path(tmp_path / "gone.tif"))


def test_view_shows_a_result_and_leaves_no_window_behind_when_it_cannot(
    viewer: Any, components: Components, result_file: Path, tmp_path: Path
) -> None:
    shown = nc.view(result_file, viewer=viewer)
    assert shown is viewer
    session = session_of(viewer)
    assert session.result is not None
    assert session.result.name == "cells of mouse 1"
    assert "Batch manager (CNMF)" in viewer.window.dock_widgets
    with pytest.raises(CnmfError):
        nc.view(tmp_path / "gone.hdf5", viewer=viewer)
    assert session.result.name == "cells of mouse 1"
    nc.view(components.take([0, 1]), viewer=viewer)
    assert session.result.components.n_components == 2


@pytest.mark.parametrize(
    ("key", "name", "ndim"),
    [("demo", "demo", 3), ("one-photon", "one-photon demo", 3), ("volume", "volume demo", 4)],
)
def test_a_sample_is_simulated_once(
    *,
    viewer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
    key: str,
    name: str,
    ndim: int,
) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setattr(_sample_data, "sample_path", lambda sample: folder / sample.file)
    viewer.open_sample("napari-cnmf", key)
    assert [layer.name for layer in viewer.layers] == [f"{name} (is being simulated)"]
    qtbot.waitUntil(lambda: [layer.name for layer in viewer.layers] == [name], timeout=120_000)
    (path,) = folder.iterdir()
    stamp = path.stat().st_mtime_ns
    assert viewer.layers[0].ndim == ndim
    assert viewer.layers[0].metadata["frame_rate_hz"] > 0
    # From now on it is read from the file.
    viewer.layers.clear()
    viewer.open_sample("napari-cnmf", key)
    assert [layer.name for layer in viewer.layers] == [name]
    assert viewer.layers[0].metadata["paths"] == [str(path)]
    assert path.stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    "key",
    [
        "demo-result",
        pytest.param("one-photon-result", marks=pytest.mark.long),
        pytest.param("volume-result", marks=pytest.mark.long),
    ],
)
def test_a_sample_with_its_cells_opens_in_the_workspace(
    viewer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any, key: str
) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setattr(_sample_data, "sample_path", lambda sample: folder / sample.file)
    viewer.open_sample("napari-cnmf", key)
    session = session_of(viewer)
    qtbot.waitUntil(lambda: session.result is not None, timeout=240_000)
    result = session.result
    assert result.curation.accepted.sum() >= 10
    assert not any("being" in layer.name for layer in viewer.layers)
    assert session.batch is not None
    # The next time it is there at once: the batch has one item, which has run.
    (item,) = session.batch
    written = item.result_path.stat().st_mtime_ns
    viewer.open_sample("napari-cnmf", key)
    qtbot.waitUntil(lambda: session.result is not None and session.result is not result)
    assert [i.result_path.stat().st_mtime_ns for i in session.batch] == [written]


def test_docks_from_the_menu_share_one_stack_at_their_edge(viewer: Any, qtbot: Any) -> None:
    window = viewer.window._qt_window
    viewer.window.add_plugin_dock_widget("napari-cnmf", "CNMF parameters")
    viewer.window.add_plugin_dock_widget("napari-cnmf", "Curation")

    def stacked() -> list[str]:
        docks = {dock.objectName(): dock for dock in window.findChildren(QDockWidget)}
        return [d.objectName() for d in window.tabifiedDockWidgets(docks["Curation (napari-cnmf)"])]

    qtbot.waitUntil(lambda: stacked() == ["CNMF parameters (napari-cnmf)"])


def test_docks_that_are_there_are_shown_again(viewer: Any) -> None:
    first = show_docks(viewer)
    dock_of(first["Traces"]).close()
    assert show_docks(viewer) == first
    assert dock_of(first["Traces"]).isVisible()


def test_docks_below_the_canvas_are_tabs(viewer: Any, qtbot: Any) -> None:
    docks = {title: dock_of(widget) for title, widget in show_docks(viewer).items()}
    assert docks["Curation"] is docks["CNMF parameters"] is docks["Workspace"]
    window = viewer.window._qt_window
    qtbot.waitUntil(lambda: window.tabifiedDockWidgets(docks["Traces"]) == [docks["Batch manager"]])
