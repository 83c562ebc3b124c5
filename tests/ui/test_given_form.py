"""Cells and regions chosen in the form become ain and mask of the item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_cnmf.batch import Batch
from napari_cnmf.ui._docks import open_dock
from napari_cnmf.ui._loading import finish, movie_steps
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.forms._dock import ParametersWidget
from napari_cnmf.ui.forms._input import LayerInput


@pytest.fixture
def movie_file(tmp_path: Path) -> Path:
    frames = np.random.default_rng(1).integers(100, 200, (40, 30, 44), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "m.tif", frames, imagej=True, metadata={"finterval": 0.1})
    return tmp_path / "m.tif"


@pytest.fixture
def form(viewer: Any, movie_file: Path, tmp_path: Path, qtbot: Any) -> ParametersWidget:
    session = session_of(viewer)
    session.set_batch(Batch.create(tmp_path / "batch"))
    dock = open_dock(viewer, ParametersWidget, "CNMF parameters")
    session.show_movie(finish(movie_steps(movie_file)))
    dock.form.row("data.fr").set_value(10.0)
    qtbot.waitUntil(dock.add_button.isEnabled)
    return dock


def added(form: ParametersWidget, qtbot: Any) -> Any:
    batch = session_batch(form)
    before = len(batch)
    form.add(run=False)
    qtbot.waitUntil(lambda: len(batch) > before)
    return batch[len(batch) - 1]


def session_batch(form: ParametersWidget) -> Batch:
    batch = form.session.batch
    assert batch is not None
    return batch


SQUARE = np.array([[5, 6], [5, 20], [15, 20], [15, 6]], float)


def test_a_drawn_region_is_the_mask_of_the_item(
    form: ParametersWidget, viewer: Any, qtbot: Any
) -> None:
    form.given.draw_button.click()
    layer = viewer.layers["region"]
    assert layer.mode == "add_polygon"
    assert form.given.region.value == LayerInput(layer)
    qtbot.waitUntil(lambda: "must hold a shape" in form.status.text())
    assert not form.add_button.isEnabled()
    layer.add([SQUARE], shape_type="polygon")
    qtbot.waitUntil(form.add_button.isEnabled)  # the form hears of what is drawn
    item = added(form, qtbot)
    mask = np.load(item.folder / item.spec.mask)
    assert mask.shape == (30, 44)
    assert mask[10, 10]
    assert not mask[20, 30]
    form.given.leave_out.value = True
    qtbot.waitUntil(form.add_button.isEnabled)
    other = added(form, qtbot)
    np.testing.assert_array_equal(np.load(other.folder / other.spec.mask), ~mask)


@pytest.mark.long
def test_cells_from_labels_shapes_and_files(
    form: ParametersWidget, viewer: Any, tmp_path: Path, qtbot: Any
) -> None:
    labels = np.zeros((30, 44), int)
    labels[3:8, 3:8], labels[20:26, 30:37] = 1, 2
    layer = viewer.add_labels(labels, name="painted")
    form.given.cells.value = LayerInput(layer)
    item = added(form, qtbot)
    first = form_footprints(item)
    np.testing.assert_array_equal(first.sum(1).reshape(30, 44) > 0, labels > 0)
    # shapes as napari's own button adds them: in all axes of the movie
    at = np.column_stack([np.full(4, 7.0), SQUARE])
    shapes = viewer.add_shapes([at], shape_type="polygon", ndim=3, name="drawn")
    shapes.add([np.column_stack([np.full(4, 7.0), SQUARE + 14])], shape_type="ellipse")
    form.given.cells.value = LayerInput(shapes)
    qtbot.waitUntil(form.add_button.isEnabled)
    drawn = form_footprints(added(form, qtbot))
    assert drawn.shape == (30 * 44, 2)
    assert drawn[:, 0].reshape(30, 44)[10, 10] == 1
    assert 0.6 < drawn[:, 1].sum() / drawn[:, 0].sum() < 0.85  # an ellipse in its box
    np.save(tmp_path / "masks.npy", labels)
    form.given.choose_file("cells", tmp_path / "masks.npy")
    qtbot.waitUntil(form.add_button.isEnabled)
    from_file = form_footprints(added(form, qtbot))
    np.testing.assert_array_equal(from_file, first)
    # a layer that goes is no choice any more
    form.given.cells.value = LayerInput(layer)
    viewer.layers.remove(layer)
    assert form.given.cells.value is None


def form_footprints(item: Any) -> np.ndarray:
    import scipy.sparse as sp

    return sp.load_npz(item.folder / item.spec.ain).toarray()


def test_labels_of_another_field_are_refused_and_nothing_is_added(
    form: ParametersWidget, viewer: Any, qtbot: Any
) -> None:
    from napari.utils.notifications import notification_manager

    layer = viewer.add_labels(np.ones((10, 10), int), name="other")
    form.given.cells.value = LayerInput(layer)
    qtbot.waitUntil(form.add_button.isEnabled)
    said = len(notification_manager.records)
    form.add(run=False)
    qtbot.waitUntil(lambda: len(notification_manager.records) > said)
    assert "(30, 44) of the field, got (10, 10)" in notification_manager.records[-1].message
    assert len(session_batch(form)) == 0
    # for a motion correction they play no part
    form.header.algorithm_combo.value = "mcorr"
    assert form.given_box.isHidden()


@pytest.mark.long
def test_what_is_painted_into_the_chosen_layer_counts(
    form: ParametersWidget, viewer: Any, qtbot: Any
) -> None:
    layer = viewer.add_labels(np.zeros((30, 44), int), name="painted")
    listeners = layer.events.paint.callbacks
    form.given.cells.value = LayerInput(layer)
    qtbot.waitUntil(form.add_button.isEnabled)
    layer.selected_label = 2
    layer.paint((10, 12), 2)
    qtbot.waitUntil(lambda: form.request() is not None and np.any(form.request().ain == 2))
    other = viewer.add_labels(np.ones((30, 44), int), name="other")
    form.given.cells.value = LayerInput(other)
    assert (
        layer.events.paint.callbacks == listeners
    )  # what is not chosen any more is not listened to
