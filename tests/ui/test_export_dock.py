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
from napari_cnmf.settings import read_settings, update_settings
from napari_cnmf.ui._loading import finish, load_file
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.curation._dock import CurationWidget
from napari_cnmf.ui.exporting import _dock
from napari_cnmf.ui.exporting._buttons import ResultButtons


@pytest.fixture
def shown(viewer: Any, tmp_path: Path, components: Components, movie: Any) -> Any:
    path = write_caiman(components, tmp_path / "two words.hdf5")
    dock = CurationWidget(viewer)
    viewer.window.add_dock_widget(dock, area="right")
    session_of(viewer).show(finish(load_file(path, movie)))
    return dock


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
    for name, exporter in EXPORTERS.items():
        widget.choose(name)
        assert widget.rejected.isChecked() == exporter.include_rejected
        out = Path(widget.path.text())
        assert out.parent == tmp_path
        if name == "dandi":
            continue  # it asks for the animal first
        QTest.mouseClick(widget.write, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(widget.write.isEnabled)
        assert widget.status.text() == f"Written: {out}"
        assert out.is_dir() if exporter.is_folder else out.is_file()
    assert len(told) == len(EXPORTERS) - 1
    qtbot.waitUntil(lambda: read_settings().export_folder == str(tmp_path))
    assert not widget.picture.pixmap().isNull(), "the last one is a picture, and shown"


def test_the_session_goes_into_nwb_and_rejected_ones_can_be_left_out(
    shown: Any, qtbot: Any, tmp_path: Path
) -> None:
    pynwb = pytest.importorskip("pynwb")
    widget = shown.findChild(ResultButtons).open_export()
    widget.choose("nwb")
    widget.session_form.fields["subject_id"].setText("m1")
    widget.session_form.fields["experimenter"].setText("Doe, Jane; Roe, Ann")
    widget.rejected.setChecked(False)
    widget.export()
    qtbot.waitUntil(widget.write.isEnabled)
    with pynwb.NWBHDF5IO(Path(widget.path.text()), "r") as io:
        nwb = io.read()
        assert nwb.subject.subject_id == "m1"
        assert list(nwb.experimenter) == ["Doe, Jane", "Roe, Ann"]
        table = nwb.processing["ophys"]["ImageSegmentation"]["PlaneSegmentation"]
        assert table.id[:].tolist() == [0, 2, 4]


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
    quick = [name for name in EXPORTERS if name not in ("mp4", "dandi")]
    for rejected, names in ((True, ("csv", "labels")), (False, quick)):
        for name in names:
            exporter = EXPORTERS[name]
            dock.choose(name)
            dock.rejected.setChecked(rejected)
            out = tmp_path / f"{name} {rejected}{exporter.suffix}"
            dock.path.setText(str(out))
            QTest.mouseClick(dock.write, Qt.MouseButton.LeftButton)
            qtbot.waitUntil(dock.write.isEnabled)
            assert dock.status.text() == f"Written: {out}"
            assert out.is_dir() if exporter.is_folder else out.stat().st_size > 0
        ids = cur.ids if rejected else cur.ids[cur.accepted]
        table = pd.read_csv(tmp_path / f"csv {rejected}" / "components.csv")
        assert table["id"].tolist() == ids.tolist()
        labels = tifffile.imread(tmp_path / f"labels {rejected}.tif")
        assert labels.shape == cur.components.dims
        assert set(np.unique(labels)) - {0} == set(ids + 1)


def test_what_cannot_be_written_is_said(
    shown: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_cnmf.ui._background.show_error", said.append)
    widget = shown.findChild(ResultButtons).open_export()
    widget.choose("npz")
    widget.path.setText(str(tmp_path / "missing" / "too" / "r.npz"))
    widget.export()
    qtbot.waitUntil(widget.write.isEnabled)
    assert "cannot be written" in said[0]
    assert "Not written" in widget.status.text()


def test_an_earlier_export_is_replaced_after_asking(
    shown: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widget = shown.findChild(ResultButtons).open_export()
    widget.choose("npz")
    out = tmp_path / "mine.npz"
    widget.path.setText(str(out))
    QTest.mouseClick(widget.write, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(widget.write.isEnabled)
    before = out.stat().st_mtime_ns
    asked: list[str] = []
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]

    def question(_parent: Any, _title: str, text: str) -> Any:
        asked.append(text)
        return answers[len(asked) - 1]

    monkeypatch.setattr(QMessageBox, "question", question)
    QTest.mouseClick(widget.write, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(asked) == 1 and widget.write.isEnabled())
    assert "Not written" in widget.status.text()
    assert out.stat().st_mtime_ns == before
    QTest.mouseClick(widget.write, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(asked) == 2 and widget.write.isEnabled())
    qtbot.waitUntil(lambda: widget.status.text() == f"Written: {out}")
    assert out.stat().st_mtime_ns > before


def test_a_typed_name_is_kept_and_the_folder_comes_back(
    shown: Any, qtbot: Any, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    update_settings(export_folder=str(tmp_path / "elsewhere"))
    widget = shown.findChild(ResultButtons).open_export()
    assert Path(widget.path.text()).parent == tmp_path / "elsewhere"
    widget.choose("nwb")
    widget.path.selectAll()
    QTest.keyClicks(widget.path, str(tmp_path / "mouse 1.5 day.nwb"))
    for name, expected in (("csv", "mouse 1.5 day"), ("mat", "mouse 1.5 day.mat")):
        widget.choose(name)
        assert Path(widget.path.text()) == tmp_path / expected


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
    widget.choose("csv")
    widget.path.setText(str(tmp_path / "tables"))
    widget.export()
    qtbot.waitUntil(started.is_set)
    assert widget.stop.isVisibleTo(widget)
    QTest.mouseClick(widget.stop, Qt.MouseButton.LeftButton)
    go_on.set()
    qtbot.waitUntil(widget.write.isEnabled)
    assert "cancelled" in widget.status.text()
    assert not widget.stop.isVisibleTo(widget)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["two words.hdf5"]


def test_without_a_result(viewer: Any, result_of: Callable[..., Components]) -> None:
    widget = _dock.ExportWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right")
    assert not widget.write.isEnabled()
    widget.export()
    assert "Open a result" in widget.status.text()
