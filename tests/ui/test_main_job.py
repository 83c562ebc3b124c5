"""The main job by hand: a form filled and clicked, a child process, a result on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_cnmf.batch import State
from napari_cnmf.testing import demo_recording, score
from napari_cnmf.ui._docks import show_docks
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.forms._input import FileInput
from napari_cnmf.ui.workspace._steps import Step


@pytest.fixture
def batch_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gui_thread_accesses: Callable[[Path], AbstractContextManager[list[str]]],
) -> Iterator[Path]:
    """What the user answers when asked for a new batch; the GUI thread must leave it alone."""
    folder = tmp_path / "my batch"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(folder), ""))
    with gui_thread_accesses(folder) as accesses:
        yield folder
    assert not accesses, accesses[:10]


@pytest.mark.timeout(600)
def test_a_movie_becomes_layers_with_clicks_alone(
    viewer: Any, tmp_path: Path, batch_folder: Path, qtbot: Any
) -> None:
    recording = demo_recording().write(tmp_path / "demo.tif")
    docks = show_docks(viewer)
    form, table, traces = docks["CNMF parameters"], docks["Batch manager"], docks["Traces"]
    session = session_of(viewer)

    form.header.input.set_value(FileInput((tmp_path / "demo.tif",)))
    form.header.engine_combo.value = "builtin"
    form.form.row("init.gSig").editor.value = ", ".join(
        str(round(radius)) for radius in recording.gSig
    )
    form.form.row("data.decay_time").editor.value = f"{recording.decay_time_s:.2f}"
    qtbot.waitUntil(form.run_button.isEnabled, timeout=20_000)
    docks["Workspace"].go_to(Step.CELLS)
    QTest.mouseClick(form.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(table.model.rows), timeout=20_000)
    qtbot.waitUntil(lambda: table.model.rows[0].state.ended, timeout=400_000)
    assert session.batch is not None
    # A folder beside the movie is proposed, and taken without a question.
    batch_folder = session.batch.path
    assert batch_folder.parent == tmp_path
    row = table.model.rows[0]
    assert row.state is State.COMPLETED, row.error
    assert row.n_components

    # Who has waited for a result sees it.
    qtbot.waitUntil(lambda: session.result is not None, timeout=60_000)

    n_frames, *dims = recording.shape
    for kind in ("raw",):  # the others are added when they are asked for
        layer = viewer.layers[f"{kind} · demo"]
        assert layer.data.shape == (n_frames, *dims)
        assert layer.metadata["history_trace"][0]["step"] == "cnmf"
    assert session.result is not None
    components = session.result.components
    labels = viewer.layers["components · demo"]
    extent = np.array(labels.data.shape) * labels.scale
    np.testing.assert_allclose(extent, dims)
    found = score(components, recording.truth, subset=components.accepted)
    assert found.recall >= 0.9
    assert found.precision >= 0.9

    session.select([int(np.argmax(components.snr))])
    qtbot.waitUntil(lambda: len(traces.plot.curves) == 3)
    assert len(viewer.layers["selection · demo"].data) >= 1
