"""A whole curation of the demo from the keyboard: analysed, decided, saved, reopened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

import napari_cnmf as nc
from napari_cnmf.model.curation import Decision
from napari_cnmf.testing import Simulation, demo_config, simulate
from napari_cnmf.ui._docks import show_docks
from napari_cnmf.ui._loading import finish, load_item
from napari_cnmf.ui._session import session_of


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_whole_curation_of_the_demo_from_the_keyboard(
    viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    knobs = {name: getattr(demo_config(), name) for name in Simulation.model_fields}
    recording = simulate(Simulation.build(**{**knobs, "n_frames": 300}))
    recording.write(tmp_path / "demo.tif")
    batch = nc.Batch.create(tmp_path / "batch")
    params = nc.CNMFParams.preset("two-photon somata").replace(
        init={"gSig": tuple(round(radius) for radius in recording.gSig)},
        data={"decay_time": recording.decay_time_s},
    )
    item = batch.add("cnmf", tmp_path / "demo.tif", params=params, engine="builtin")
    batch.run(progress=False)

    docks, session = show_docks(viewer), session_of(viewer)
    dock = docks["Curation"]
    panel = dock.panel
    session.show(finish(load_item(batch, item.uuid)))
    cur = dock.curation
    n = len(cur.ids)
    assert n > 20
    qtbot.waitUntil(lambda: len(panel.model.figures) == n)
    # keys go to the window that is active, and to a dock that is seen
    window = viewer.window._qt_window
    window.activateWindow()
    qtbot.waitUntil(lambda: window.isActiveWindow() and panel.table.isVisible())

    def press(key: Qt.Key, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
        panel.table.setFocus()
        QTest.keyClick(panel.table, key, modifiers)

    # the weakest first; every one is looked at and decided
    panel.table.sortByColumn(3, Qt.SortOrder.AscendingOrder)
    order = panel.model.order.tolist()
    press(Qt.Key.Key_J)
    for position, row in enumerate(order):
        assert session.selection == (row,)
        keys = (Qt.Key.Key_R, Qt.Key.Key_U, Qt.Key.Key_A)
        press(keys[min(position // 3, 2)])
    assert cur.seen.all()
    decided = cur.decisions
    assert (decided[order[:3]] == Decision.REJECTED).all()
    assert (decided[order[3:6]] == Decision.UNSURE).all()
    assert (decided[order[6:]] == Decision.ACCEPTED).all()
    qtbot.waitUntil(lambda: panel.progress.value() == n)
    press(Qt.Key.Key_1)
    press(Qt.Key.Key_G)
    result = session.result
    assert session.timeline.frame == int(np.argmax(result.components.C[session.selection[0]]))
    press(Qt.Key.Key_K)
    press(Qt.Key.Key_C)
    assert cur.decisions[order[-2]] == Decision.AUTO

    # two are merged, taken back, and made one again; one is deleted
    session.select(order[-2:])
    press(Qt.Key.Key_M)
    qtbot.waitUntil(lambda: session.result.components.n_components == n - 1)
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    press(Qt.Key.Key_Z, control)
    qtbot.waitUntil(lambda: session.result.components.n_components == n)
    press(Qt.Key.Key_Z, control | shift)
    qtbot.waitUntil(lambda: session.result.components.n_components == n - 1)
    session.select([0])
    press(Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: session.result.components.n_components == n - 2)

    saved = tmp_path / "saved.hdf5"
    dock.save(saved)
    qtbot.waitUntil(saved.exists)
    with h5py.File(saved) as file:
        accepted = file["estimates/idx_components"][()].tolist()
    assert accepted == np.flatnonzero(cur.accepted).tolist()
    before = (cur.ids.tolist(), cur.decisions.tolist(), cur.seen.tolist(), len(cur.history))
    session.close_result()
    session.show(finish(load_item(batch, item.uuid)))
    again = dock.curation
    assert again is not cur
    assert before == (
        again.ids.tolist(), again.decisions.tolist(), again.seen.tolist(), len(again.history)
    )  # fmt: skip
    assert again.undo(), "also after reopening"
