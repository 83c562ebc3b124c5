"""A motion correction that ran, on screen: beside the recording, with its curves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_cnmf.batch import Batch
from napari_cnmf.io.motion import MotionRecord
from napari_cnmf.testing import simulate
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.batch._dock import BatchWidget
from napari_cnmf.ui.batch._motion_view import MotionView, summary_of
from regimes import base_regime


@pytest.mark.long
def test_correction_lies_beside_the_recording_with_its_curves(
    viewer: Any, tmp_path: Path, qtbot: Any
) -> None:
    recording = simulate(
        base_regime(n_frames=80, size=64, n_cells=12, seed=3),
        rigid_motion_rms_px=2.0, n_black_frames=2,
    )  # fmt: skip
    frames = recording.array()
    tifffile.imwrite(tmp_path / "moving.tif", frames, photometric="minisblack")
    batch = Batch.create(tmp_path / "batch")
    item = batch.add("mcorr", tmp_path / "moving.tif", params={"data": {"fr": 10}}, name="steady")
    batch.run(progress=False)
    assert item.state == "completed", item.error

    session_of(viewer).set_batch(batch)
    dock = BatchWidget(viewer)
    viewer.window.add_dock_widget(dock, area="bottom")
    qtbot.waitUntil(lambda: dock.model.row_of(item.uuid) is not None)
    dock.table.choose(item.uuid)
    view = dock.details.motion
    qtbot.waitUntil(lambda: view.record is not None)
    dock.details.setCurrentWidget(view)
    dock.table.opened.emit(dock.table.chosen_rows()[0])
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)

    recorded, corrected = viewer.layers
    assert (recorded.name, corrected.name) == ("recorded · steady", "corrected · steady")
    np.testing.assert_array_equal(np.asarray(recorded.data[7]), frames[7])
    np.testing.assert_array_equal(
        np.asarray(corrected.data[7]), tifffile.imread(item.result_path)[7]
    )
    assert recorded.extent.world[0][-1] > corrected.extent.world[1][-1]
    assert recorded.contrast_limits == corrected.contrast_limits

    truth = recording.truth
    curves, seen = view.curves, truth.frame_fault != "black"
    for axis, name in enumerate("yx"):
        error = curves[name][seen] - truth.shifts[seen, axis]
        assert error.std() < 0.25
    view.kinds.setCurrentText("Correlation with the template")
    curves = view.curves
    assert np.nanmean(curves["after"]) > np.nanmean(curves["before"])
    assert curves["not measured"].size == 2
    assert "2 frames without a field" in view.summary.text()
    if folder := os.environ.get("SCREENSHOT_FOLDER"):
        viewer.window.resize(1500, 950)
        qtbot.wait(800)
        viewer.window._qt_window.grab().save(f"{folder}/motion.png")
    view.kinds.setCurrentText("Figures")
    assert view.summary.isVisible()


def test_an_engine_that_measures_less_shows_less(qtbot: Any) -> None:
    view = MotionView()
    qtbot.addWidget(view)
    shifts = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    record = MotionRecord(shifts, border_px=3)
    view.show_record(record)
    assert set(view.curves) == {"z", "y", "x"}
    assert summary_of(record).endswith("rim without data: 3 px")
    assert "■</font> z" in view.legend.text()
    view.show_record(None)
    assert not view.curves


def test_a_recording_that_stands_still_is_drawn_so(qtbot: Any) -> None:
    view = MotionView()
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.show()
    view.show_record(MotionRecord(np.full((30, 2), 1e-4, np.float32), border_px=1))
    low, high = view._plot.viewRange()[1]
    assert low < 0 < high
    assert high - low >= 1.0  # px
