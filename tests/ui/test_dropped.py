"""Whatever of ours is dropped on the viewer is understood, or answered with a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager

from napari_cnmf.batch import Batch
from napari_cnmf.errors import CnmfError
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.exports import export
from napari_cnmf.io.projects import Project
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui._reader import get_reader
from napari_cnmf.ui._session import session_of


@pytest.fixture
def batch(tmp_path: Path, components: Components, movie: Movie) -> Batch:
    """One item that is done, with its movie on the disk."""
    frames = np.asarray(movie.data, np.float32)
    metadata = {"axes": "TYX", "finterval": 0.1}
    tifffile.imwrite(tmp_path / "movie.tif", frames, imagej=True, metadata=metadata)
    batch = Batch.create(tmp_path / "a batch")
    batch.add("cnmf", tmp_path / "movie.tif", name="first")
    return batch


def complete(batch: Batch, components: Components) -> Any:
    """Give the item the result that an engine would have written."""
    item = batch.items[0]
    write_caiman(components.replace(images={}), item.folder / "result.hdf5")
    np.savez(item.folder / "images.npz", mean=components.images["mean"])
    status = json.loads((item.folder / "status.json").read_text(encoding="utf-8"))
    status["state"] = "completed"
    (item.folder / "status.json").write_text(json.dumps(status), encoding="utf-8")
    return Batch.open(batch.path).items[0]


@pytest.mark.parametrize("what", ["folder", "batch.json"])
def test_a_batch_opens_in_its_dock(viewer: Any, batch: Batch, what: str, qtbot: Any) -> None:
    path = batch.path if what == "folder" else batch.path / what
    assert viewer.open(path, plugin="napari-cnmf") == []
    session = session_of(viewer)
    assert session.batch is not None
    assert session.batch.path == batch.path
    (dock,) = viewer.window.dock_widgets.values()
    qtbot.waitUntil(lambda: [row.name for row in dock.model.rows] == ["first"])


@pytest.mark.parametrize("what", ["", "item.json", "result.hdf5"])
def test_an_item_opens_its_result_with_its_movie(
    viewer: Any, batch: Batch, components: Components, what: str
) -> None:
    item = complete(batch, components)
    viewer.open(item.folder / what, plugin="napari-cnmf")
    result = session_of(viewer).result
    assert result is not None
    assert result.components.n_components == 5
    assert result.loaded.movie is not None
    assert "raw" in result.layers.layers


def test_a_result_without_its_summary_images_opens_and_says_so(
    viewer: Any, batch: Batch, components: Components
) -> None:
    item = complete(batch, components)
    (item.folder / "images.npz").unlink()
    with notification_manager:
        viewer.open(item.folder / "result.hdf5", plugin="napari-cnmf")
        said = [record.message for record in notification_manager.records]
    assert any("is shown without its summary images" in message for message in said)
    result = session_of(viewer).result
    assert result is not None
    assert result.loaded.movie is not None


def test_an_item_without_a_result_says_so(viewer: Any, batch: Batch) -> None:
    with pytest.raises(CnmfError, match="first"):
        viewer.open(batch.items[0].folder, plugin="napari-cnmf")
    assert not viewer.layers


@pytest.mark.parametrize("what", ["", "project.json"])
def test_a_project_opens_in_its_dock(viewer: Any, tmp_path: Path, what: str, qtbot: Any) -> None:
    project = Project.create(tmp_path / "a project")
    viewer.open(project.path / what, plugin="napari-cnmf")
    (dock,) = viewer.window.dock_widgets.values()
    qtbot.waitUntil(lambda: dock.project is not None)
    assert dock.project.path == project.path


def test_exports_are_opened_or_answered(
    viewer: Any, tmp_path: Path, components: Components
) -> None:
    cur = Curation(components)
    tables = export(cur, "csv", tmp_path / "tables")
    labels = export(cur, "labels", tmp_path / "labels.tif")
    suite2p = Path(export(cur, "suite2p", tmp_path / "suite2p"))
    (points,) = viewer.open(Path(tables) / "components.csv", plugin="napari-cnmf")
    np.testing.assert_allclose(points.data[0], (8, 10), atol=0.6)
    assert points.features["id"].tolist()[0] == 0
    with pytest.raises(CnmfError, match="no positions of cells"):
        viewer.open(next(Path(tables).glob("traces_*.csv")), plugin="napari-cnmf")
    (image,) = viewer.open(labels, plugin="napari-cnmf")
    assert type(image).__name__ == "Labels"
    for name in ("stat.npy", "F.npy", "iscell.npy"):
        (file,) = suite2p.rglob(name)
        viewer.open(file, plugin="napari-cnmf")
    result = session_of(viewer).result
    assert result is not None
    assert result.components.n_components >= 1


@pytest.mark.parametrize("name", ["batch.json", "item.json", "project.json", "sample.json"])
def test_files_of_these_names_that_are_not_ours_are_answered_with_a_sentence(
    viewer: Any, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("[1, 2", encoding="utf-8")
    reader = get_reader(str(tmp_path / name))
    assert reader is not None
    with pytest.raises(CnmfError):
        reader(str(tmp_path / name))


@pytest.mark.parametrize("name", ["my points.csv", "settings.json", "image.tif"])
def test_what_is_not_ours_is_left_to_others(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x", encoding="utf-8")
    assert get_reader(str(tmp_path / name)) is None
