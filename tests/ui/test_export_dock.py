"""Exports by hand: the button, the dock, the file; errors as notifications."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QMessageBox

from napari_cnmf.io import open_movie
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.exports import EXPORTERS
from napari_cnmf.model.components import Components
from napari_cnmf.ui._loading import finish, load_file
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.exporting import _dock
from napari_cnmf.ui.exporting._dock import ResultButtons

_MANY_FORMATS_MS = 200_000
"""A dozen formats are written one after the other, beside whatever else the machine does."""


@pytest.fixture
def shown(viewer: Any, tmp_path: Path, components: Components, movie: Any) -> Any:
    path = write_caiman(components, tmp_path / "two words.hdf5")
    dock = CurationWidget(viewer)
    viewer.window.add_dock_widget(dock, area="right")
    session_of(viewer).show(finish(load_file(path, movie)))
    return dock


def tick(widget: Any, *names: str) -> None:
    for name, box in widget.ticked.boxes.items():
        box.setChecked(name in names)


def test_the_button_leads_to_files_of_every_format(
    shown: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(_dock, "show_info", told.append)
    buttons = shown.findChild(ResultButtons)
    assert buttons.isEnabled()
    QTest.mouseClick(buttons.export, Qt.MouseButton.LeftButton)
    widget = buttons.open_export()
    assert widget is buttons.open_export(), "the dock that is there is shown again"
    assert list(widget.ticked.boxes) == list(EXPORTERS)
    folder = tmp_path / "two words export"
    assert widget.ticked.folder() == folder
    names = [name for name in EXPORTERS if name != "dandi"]  # it asks for the animal first
    tick(widget, *names)
    QTest.mouseClick(widget.ticked.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(widget.ticked.button.isEnabled, timeout=_MANY_FORMATS_MS)
    assert widget.status.text() == f"Written: {folder}"
    for name in names:
        out = folder / f"two words-{name}{EXPORTERS[name].suffix}"
        assert out.is_dir() if EXPORTERS[name].is_folder else out.is_file()
    assert told == [f"Exported to {folder}"]


def test_a_picture_is_shown(shown: Any, qtbot: Any) -> None:
    widget = shown.findChild(ResultButtons).open_export()
    tick(widget, "raster")
    widget.export()
    qtbot.waitUntil(widget.ticked.button.isEnabled)
    assert not widget.picture.pixmap().isNull()


@pytest.mark.parametrize("with_rejected", [False, True])
def test_the_session_goes_into_nwb(
    shown: Any, qtbot: Any, tmp_path: Path, with_rejected: bool
) -> None:
    pynwb = pytest.importorskip("pynwb")
    widget = shown.findChild(ResultButtons).open_export()
    assert widget.session_form.isHidden()
    tick(widget, "nwb")
    assert not widget.session_form.isHidden()
    widget.session_form.fields["subject_id"].setText("m1")
    widget.session_form.fields["experimenter"].setText("Doe, Jane; Roe, Ann")
    widget.rejected.setChecked(with_rejected)
    widget.export()
    qtbot.waitUntil(widget.ticked.button.isEnabled)
    out = tmp_path / "two words export" / "two words-nwb.nwb"
    with pynwb.NWBHDF5IO(out, "r") as io:
        nwb = io.read()
        assert nwb.subject.subject_id == "m1"
        assert list(nwb.experimenter) == ["Doe, Jane", "Roe, Ann"]
        table = nwb.processing["ophys"]["ImageSegmentation"]["PlaneSegmentation"]
        assert table.id[:].tolist() == ([0, 1, 2, 3, 4] if with_rejected else [0, 2, 4])


@pytest.mark.long
@pytest.mark.parametrize("kind", ["1p", "3d"])
def test_volumes_and_one_photon_with_and_without_rejected_ones(
    viewer: Any, qtbot: Any, tmp_path: Path, kind: str
) -> None:
    data = Path(__file__).parents[1] / "data" / f"result-{kind}.hdf5"
    path = Path(shutil.copy(data, tmp_path / "r.hdf5"))
    session = session_of(viewer)
    movie = open_movie(data.with_name("movie-3d.tif" if kind == "3d" else "movie-2d.tif"))
    session.show(finish(load_file(path, movie)))
    cur = session.result.curation
    cur.reject([int(cur.ids[cur.accepted][0])])
    dock = _dock.ExportWidget(viewer)
    viewer.window.add_dock_widget(dock, area="right")
    # The movie is drawn frame by frame, the same for all kinds: once is long enough.
    # One format with and without what was rejected shows the rule, the others that all are written.
    every = [name for name in EXPORTERS if name not in ("mp4", "dandi")]
    for rejected, names in ((True, ["csv", "labels"]), (False, every)):
        tick(dock, *names)
        dock.rejected.setChecked(rejected)
        folder = tmp_path / str(rejected)
        dock.ticked.path.setText(str(folder))
        QTest.mouseClick(dock.ticked.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(dock.ticked.button.isEnabled, timeout=_MANY_FORMATS_MS)
        assert dock.status.text() == f"Written: {folder}"
        for name in names:
            out = folder / f"r-{name}{EXPORTERS[name].suffix}"
            assert out.is_dir() if EXPORTERS[name].is_folder else out.stat().st_size > 0
        ids = cur.ids if rejected else cur.ids[cur.accepted]
        table = pd.read_csv(folder / "r-csv" / "components.csv")
        assert table["id"].tolist() == ids.tolist()
        labels = tifffile.imread(folder / "r-labels.tif")
        assert labels.shape == cur.components.dims
        assert set(np.unique(labels)) - {0} == set(ids + 1)


def test_what_cannot_be_written_is_said(
    shown: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_cnmf.ui._background.show_error", said.append)
    widget = shown.findChild(ResultButtons).open_export()
    tick(widget, "npz")
    (tmp_path / "taken").write_text("a file")
    widget.ticked.path.setText(str(tmp_path / "taken" / "below"))
    widget.export()
    qtbot.waitUntil(widget.ticked.button.isEnabled)
    assert "cannot be made" in said[0]
    assert "Not written" in widget.status.text()


@pytest.mark.long
def test_an_earlier_export_is_replaced_after_asking(
    shown: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widget = shown.findChild(ResultButtons).open_export()
    tick(widget, "npz")
    button, out = widget.ticked.button, tmp_path / "two words export" / "two words-npz.npz"
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(button.isEnabled)
    before = out.stat().st_mtime_ns
    asked: list[str] = []
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]

    def question(_parent: Any, _title: str, text: str) -> Any:
        asked.append(text)
        return answers[len(asked) - 1]

    monkeypatch.setattr(QMessageBox, "question", question)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(asked) == 1 and button.isEnabled())
    assert "Not written" in widget.status.text()
    assert out.stat().st_mtime_ns == before
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(asked) == 2 and button.isEnabled())
    qtbot.waitUntil(lambda: widget.status.text() == f"Written: {out.parent}")
    assert out.stat().st_mtime_ns > before


def test_an_export_is_cancelled(
    shown: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = threading.Event(), threading.Event()
    real = _dock.export

    def slow(*args: Any, on_progress: Any, **kwargs: Any) -> Path:
        def watched(done: int, total: int) -> None:
            started.set()
            go_on.wait(20)
            on_progress(done, total)

        return real(*args, on_progress=watched, **kwargs)

    monkeypatch.setattr(_dock, "export", slow)
    widget = shown.findChild(ResultButtons).open_export()
    tick(widget, "csv")
    widget.ticked.path.setText(str(tmp_path / "tables"))
    widget.export()
    qtbot.waitUntil(started.is_set)
    assert widget.stop.isVisibleTo(widget)
    QTest.mouseClick(widget.stop, Qt.MouseButton.LeftButton)
    go_on.set()
    qtbot.waitUntil(widget.ticked.button.isEnabled)
    assert "cancelled" in widget.status.text()
    assert not widget.stop.isVisibleTo(widget)
    assert list((tmp_path / "tables").iterdir()) == []


def test_without_a_result(viewer: Any, result_of: Callable[..., Components]) -> None:
    widget = _dock.ExportWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right")
    assert not widget.ticked.button.isEnabled()
    widget.export()
    assert "Open a result" in widget.status.text()
