"""The parameters dock, filled and clicked, with a real batch behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QLineEdit

from napari_cnmf.batch import Batch
from napari_cnmf.params import PRESETS
from napari_cnmf.testing import simulate
from napari_cnmf.ui._docks import dock_of
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui._theme import WholeLabel
from napari_cnmf.ui.forms._dock import ParametersWidget
from napari_cnmf.ui.forms._input import FileInput, ItemInput, LayerInput


@pytest.fixture
def movie_file(tmp_path: Path) -> Path:
    """A TIFF that does not say its frame rate."""
    frames = np.random.default_rng(0).integers(0, 200, (40, 32, 44), dtype=np.uint16)
    path = tmp_path / "früh und spät.tif"
    tifffile.imwrite(path, frames, photometric="minisblack")
    return path


@pytest.fixture
def batch(tmp_path: Path, viewer: Any) -> Batch:
    batch = Batch.create(tmp_path / "my batch")
    session_of(viewer).set_batch(batch)
    return batch


@pytest.fixture
def dock(viewer: Any) -> Iterator[ParametersWidget]:
    dock = ParametersWidget(viewer)
    viewer.window.add_dock_widget(dock)
    return dock


def enter_frame_rate(dock: ParametersWidget, text: str) -> None:
    row = dock.form.row("data.fr")
    row._tick.setChecked(True)
    line = row.editor.native
    line.selectAll()
    QTest.keyClicks(line, text)


def facts_of(dock: ParametersWidget) -> str:
    return dock.facts.text if dock.facts is not None else ""


def type_into(line: QLineEdit, text: str) -> None:
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, text)
    QTest.keyClick(line, Qt.Key.Key_Return)


def test_without_a_movie_nothing_can_be_added(dock: ParametersWidget, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: "Choose a movie" in dock.status.text())
    assert not dock.add_button.isEnabled()
    assert not dock.run_button.isEnabled()


def test_a_low_dock_shows_all_of_what_is_said_of_the_engine(
    dock: ParametersWidget, qtbot: Any
) -> None:
    frame = dock_of(dock)
    frame.setFloating(True)
    note = dock.header.engine_choice.note
    qtbot.waitUntil(lambda: "looking" not in note.text())
    note.setText("CaImAn was not found, and what is to be done about it takes more than a line.")
    frame.resize(360, 300)
    one_line = note.fontMetrics().height()
    qtbot.waitUntil(lambda: note.height() >= note.heightForWidth(note.width()) > one_line)


def test_an_unknown_frame_rate_is_asked_for(
    dock: ParametersWidget, batch: Batch, movie_file: Path, qtbot: Any
) -> None:
    dock.header.input.set_value(FileInput((movie_file,)))
    qtbot.waitUntil(lambda: "frame rate" in dock.status.text())
    assert not dock.add_button.isEnabled()
    assert "frame rate is needed" in dock.form.row("data.fr").editor.native.toolTip()
    enter_frame_rate(dock, "12.5")
    qtbot.waitUntil(dock.add_button.isEnabled)

    dock.header.name_edit.value = "first try"
    dock.cnmf_kwargs.set_text("gSig=(3, 4)")
    qtbot.waitUntil(dock.add_button.isEnabled)
    QTest.mouseClick(dock.add_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(batch) == 1)
    item = batch[0]
    assert item.name == "first try"
    assert item.params.data.fr == 12.5
    assert item.params.init.gSig == (3, 4)
    assert item.params.quality.min_SNR == 1  # of the preset
    assert item.spec.refit
    assert item.state.value == "queued"
    assert item.input_movie().shape == (40, 32, 44)


def test_parameters_are_checked_against_the_movie(
    dock: ParametersWidget, movie_file: Path, qtbot: Any
) -> None:
    dock.header.input.set_value(FileInput((movie_file,)))
    enter_frame_rate(dock, "10")
    qtbot.waitUntil(dock.add_button.isEnabled)
    dock.form.row("init.gSig").editor.value = "60, 60"
    qtbot.waitUntil(lambda: not dock.add_button.isEnabled())
    assert "init.gSig" in dock.status.text()
    assert "border" in dock.form.row("init.gSig").editor.native.styleSheet()
    dock.form.row("init.gSig").editor.value = "4, 4"
    qtbot.waitUntil(dock.add_button.isEnabled)
    assert dock.form.row("init.gSig").editor.native.styleSheet() == ""


def test_wrong_keyword_arguments_disable_the_buttons(
    dock: ParametersWidget, movie_file: Path, qtbot: Any
) -> None:
    dock.header.input.set_value(FileInput((movie_file,)))
    enter_frame_rate(dock, "10")
    qtbot.waitUntil(dock.add_button.isEnabled)
    dock.eval_kwargs.set_text("min_SNR=__import__('os').getcwd()")
    qtbot.waitUntil(lambda: not dock.add_button.isEnabled())
    dock.eval_kwargs.set_text("min_SNR=4")
    qtbot.waitUntil(dock.add_button.isEnabled)
    assert dock.value().quality.min_SNR == 4


def test_a_picture_chooses_preset_and_method(
    dock: ParametersWidget, movie_file: Path, qtbot: Any
) -> None:
    pictures = dock.header.pictures
    assert pictures.buttons["two-photon somata"].isChecked()
    assert set(pictures.buttons) == set(PRESETS)
    dock.header.set_motion_first(True)
    QTest.mouseClick(pictures.buttons["one-photon"], Qt.MouseButton.LeftButton)
    assert (dock.header.preset, dock.header.algorithm) == ("one-photon", "cnmfe")
    assert dock.header.motion_first
    assert dock.form.value().init.center_psf
    QTest.mouseClick(pictures.buttons["dendrites/axons"], Qt.MouseButton.LeftButton)
    assert (dock.header.preset, dock.header.algorithm) == ("dendrites/axons", "cnmf")
    assert [n for n, b in pictures.buttons.items() if b.isChecked()] == ["dendrites/axons"]
    dock.header.preset_combo.value = ""  # CaImAn's defaults have no picture
    assert not any(b.isChecked() for b in pictures.buttons.values())


def test_what_is_no_movie_is_said(dock: ParametersWidget, tmp_path: Path, qtbot: Any) -> None:
    wrong = tmp_path / "broken.tif"
    wrong.write_bytes(b"II*\0 and nothing more")
    with qtbot.captureExceptions() as raised:
        dock.header.input.set_value(FileInput((wrong,)))
        qtbot.waitUntil(lambda: "broken" in dock.header._facts.text())
    assert not raised
    assert not dock.add_button.isEnabled()


def test_layers_are_offered_and_written_when_they_have_no_file(
    dock: ParametersWidget, batch: Batch, viewer: Any, qtbot: Any
) -> None:
    viewer.add_image(np.zeros((20, 20)), name="flat")
    frames = np.random.default_rng(1).integers(0, 99, (30, 24, 28), dtype=np.uint16)
    layer = viewer.add_image(frames, name="crop")
    assert [name for name, _ in dock.header.input._choices()] == ["crop"]
    qtbot.waitUntil(lambda: dock.header.input.value() == LayerInput(layer))
    enter_frame_rate(dock, "10")
    qtbot.waitUntil(dock.add_button.isEnabled)
    assert "writes" in dock.header._facts.text()
    dock.add(run=False)
    qtbot.waitUntil(lambda: len(batch) == 1)
    np.testing.assert_array_equal(np.asarray(batch[0].input_movie().data), frames)
    assert list((batch.path / "inputs").iterdir())


@pytest.mark.long
def test_items_whose_movie_can_be_taken(
    dock: ParametersWidget, batch: Batch, movie_file: Path, viewer: Any, qtbot: Any
) -> None:
    parent = batch.add("mcorr", movie_file, params={"data": {"fr": 10}}, name="steady")
    chosen = ItemInput(parent.uuid, "steady")
    qtbot.waitUntil(lambda: chosen in [c for _, c in dock.header.input._choices()])
    dock.header.input.set_value(chosen)
    qtbot.waitUntil(dock.add_button.isEnabled)
    dock.add(run=False)
    qtbot.waitUntil(lambda: len(batch) == 2)
    assert batch[1].spec.parent == parent.uuid
    assert batch[1].state.value == "waiting"
    assert "when the item runs" in dock.header._facts.text()
    # once it has run, the form knows its movie without being asked again
    session_of(viewer).bridge.start([parent.uuid])
    qtbot.waitUntil(lambda: "40 frames" in facts_of(dock))


def test_the_chosen_movie_stays_chosen_when_it_becomes_a_layer(
    dock: ParametersWidget, viewer: Any, batch: Batch, movie_file: Path, qtbot: Any
) -> None:
    batch.add("mcorr", movie_file, params={"data": {"fr": 10}}, name="steady")
    chooser = dock.header.input
    qtbot.waitUntil(lambda: "steady  (item)" in [title for title, _ in chooser._choices()])
    chosen = FileInput((movie_file,))
    chooser.set_value(chosen)
    heard: list[Any] = []
    chooser.changed.connect(lambda: heard.append(chooser.value()))
    metadata = {"paths": [str(movie_file)]}
    viewer.add_image(np.zeros((5, 8, 8)), name="recorded", metadata=metadata)
    assert chooser.value() == chosen
    assert heard == []
    viewer.add_image(np.zeros((5, 8, 8)), name="another")
    another = LayerInput(viewer.layers["another"])
    assert chooser.combo.choices[1:3] == (another, chosen)
    assert heard == [another]


@pytest.mark.long
def test_movies_of_one_name_are_told_apart(
    dock: ParametersWidget, batch: Batch, movie_file: Path, tmp_path: Path, qtbot: Any
) -> None:
    files = []
    for day in ("day 1", "day 2"):
        (tmp_path / day).mkdir()
        files.append(FileInput((tmp_path / day / "movie.tif",)))
        files[-1].paths[0].write_bytes(movie_file.read_bytes())
    steady = [
        batch.add("mcorr", f.paths[0], params={"data": {"fr": 10}}, reuse=False) for f in files
    ]
    items = [ItemInput(item.uuid, item.name) for item in steady]
    chooser = dock.header.input
    qtbot.waitUntil(lambda: set(items) <= {c for _, c in chooser._choices()})
    for chosen in (*files, *items):
        chooser.set_value(chosen)
        assert chooser.value() == chosen
    titles = [title for title, _ in chooser._choices()]
    assert titles == [
        "movie.tif · day 1", "movie.tif · day 2", "movie  (item)", "movie  (item) · 2",
    ]  # fmt: skip
    steady[1].rename("later")
    qtbot.waitUntil(lambda: "later  (item)" in [title for title, _ in chooser._choices()])
    assert chooser.value() == items[1]


def test_methods_show_their_parameters(dock: ParametersWidget) -> None:
    dock.header.algorithm_combo.value = "mcorr"
    assert not dock.form.section("motion").isHidden()
    assert dock.form.section("init").isHidden()
    assert dock.header.refit_box.native.isHidden()
    dock.header.algorithm_combo.value = "cnmf"
    assert dock.form.row("init.min_pnr").isHidden()
    dock.header.algorithm_combo.value = "cnmfe"
    assert not dock.form.row("init.min_pnr").isHidden()
    assert dock.form.section("motion").isHidden()


def test_a_preset_fills_the_form(dock: ParametersWidget) -> None:
    dock.header.preset_combo.value = ""
    assert dock.value().quality.min_SNR == 2.5
    dock.header.preset_combo.value = "two-photon somata"
    assert dock.value().quality.min_SNR == 1


@pytest.mark.long
def test_a_channel_of_frames_that_alternate_is_chosen_in_the_form(
    dock: ParametersWidget, batch: Batch, tmp_path: Path, viewer: Any, qtbot: Any
) -> None:
    channels = [
        simulate(n_frames=80, size=(48, 52), n_cells=6, seed=seed).array() for seed in (1, 2)
    ]
    both = np.stack(channels, axis=1).reshape(-1, 48, 52)
    path = tmp_path / "both.tif"
    tifffile.imwrite(path, both, photometric="minisblack", metadata=None)
    dock.header.input.set_value(FileInput((path,)))
    enter_frame_rate(dock, "15")
    qtbot.waitUntil(lambda: "may be interleaved" in dock.status.text())
    row = dock.header.input.recording
    row.boxes["n_channels"].setFocus()
    row.boxes["n_channels"].selectAll()
    QTest.keyClicks(row.boxes["n_channels"], "2")
    QTest.keyClick(row.boxes["n_channels"], Qt.Key.Key_Return)
    assert row.boxes["channel"].value() == 0  # one of them is always chosen
    QTest.keyClick(row.boxes["channel"], Qt.Key.Key_Up)
    qtbot.waitUntil(lambda: "80 frames" in facts_of(dock))
    qtbot.waitUntil(lambda: "interleaved" not in dock.status.text())
    QTest.mouseClick(row.show_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    assert viewer.layers[0].name == "both · channel 1"
    np.testing.assert_array_equal(np.asarray(viewer.layers[0].data[3]), channels[1][3])
    assert dict(dock.request().input.open_with) == {"channel": 1, "n_channels": 2}
    QTest.mouseClick(dock.add_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(batch) == 1)
    np.testing.assert_array_equal(batch[0].movie().data[5].compute(), channels[1][5])
    assert not any("interleaved" in sentence for sentence in batch[0].warnings)


def test_a_channel_of_a_file_that_has_several_is_chosen_in_the_form(
    dock: ParametersWidget, tmp_path: Path, qtbot: Any
) -> None:
    stack = np.random.default_rng(1).integers(0, 99, (40, 2, 24, 32), dtype=np.uint16)
    path = tmp_path / "two.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TCYX", "finterval": 0.1})
    dock.header.input.set_value(FileInput((path,)))
    qtbot.waitUntil(lambda: "One channel must be chosen" in dock.header._facts.text())
    QTest.keyClick(dock.header.input.recording.boxes["channel"], Qt.Key.Key_Up)
    qtbot.waitUntil(dock.add_button.isEnabled)
    assert "40 frames" in facts_of(dock)
    assert dict(dock.request().input.open_with) == {"channel": 0}


def test_axes_that_a_file_does_not_name_are_typed_into_the_form(
    dock: ParametersWidget, batch: Batch, tmp_path: Path, viewer: Any, qtbot: Any
) -> None:
    stack = np.random.default_rng(1).integers(0, 99, (3, 40, 24, 32), dtype=np.uint16)
    path = tmp_path / "volumes.tif"
    tifffile.imwrite(path, stack, photometric="minisblack")
    dock.header.input.set_value(FileInput((path,)))
    facts, row = dock.header._facts, dock.header.input.recording
    qtbot.waitUntil(lambda: "Say which axis is which" in facts.text())
    assert not row.edits["dataset"].isVisibleTo(row)
    type_into(row.edits["axes"], "zzyx")
    qtbot.waitUntil(lambda: "axes must hold T, Y and X" in facts.text())
    assert not dock.add_button.isEnabled()
    type_into(row.edits["axes"], "ztyx")
    qtbot.waitUntil(lambda: "40 frames" in facts_of(dock))
    QTest.mouseClick(row.show_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    assert viewer.layers[0].data.shape == (40, 3, 24, 32)
    enter_frame_rate(dock, "5")
    # The preset's shifts are of a plane, and of motion correction: they do not matter here.
    dock.form.row("init.gSig").editor.value = "1, 3, 3"
    qtbot.waitUntil(dock.add_button.isEnabled)
    QTest.mouseClick(dock.add_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(batch) == 1)
    np.testing.assert_array_equal(batch[0].movie().data[7].compute(), stack[:, 7])


def test_the_array_of_a_file_that_holds_several_is_typed_into_the_form(
    dock: ParametersWidget, tmp_path: Path, qtbot: Any
) -> None:
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        for name, n_frames in (("raw", 40), ("denoised", 50)):
            file[name] = np.random.default_rng(1).integers(0, 99, (n_frames, 24, 32), np.uint16)
    dock.header.input.set_value(FileInput((path,)))
    qtbot.waitUntil(lambda: "Name the movie with dataset=" in dock.header._facts.text())
    row = dock.header.input.recording
    assert row.edits["dataset"].isVisibleTo(row)
    type_into(row.edits["dataset"], "denoised")
    qtbot.waitUntil(lambda: "50 frames" in facts_of(dock))
    assert dict(dock.header.input.value().open_with) == {"dataset": "denoised"}


def test_a_movie_that_cannot_be_opened_is_said_to_be_so(
    dock: ParametersWidget, movie_file: Path, qtbot: Any
) -> None:
    cut = movie_file.with_name("cut.tif")
    cut.write_bytes(movie_file.read_bytes()[:-50_000])
    dock.header.input.set_value(FileInput((cut,)))
    qtbot.waitUntil(lambda: "cannot be opened" in dock.status.text())
    assert "cut short" in dock.header._facts.text()
    assert not dock.run_button.isEnabled()
    dock.header.input.set_value(FileInput((movie_file,)))
    qtbot.waitUntil(lambda: "frame rate is needed" in dock.status.text())


def test_a_note_takes_the_height_of_its_lines(qtbot: Any) -> None:
    note = WholeLabel()
    qtbot.addWidget(note)
    note.show()
    note.setText("which engine it will be, and why " * 8)
    note.resize(200, 10)
    narrow = note.height()
    note.resize(600, 10)
    wide = note.height()
    note.setText("one line")
    line = note.fontMetrics().height()
    assert narrow > wide > note.height()
    assert note.height() < 2 * line


@pytest.fixture
def plugin_dock(viewer: Any) -> ParametersWidget:
    """The form as the plugin menu makes it: napari hands it a proxy of the viewer."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-cnmf", "CNMF parameters")
    return dock


def write_movie(path: Path, rate: float | None = None) -> Path:
    frames = np.random.default_rng(0).integers(0, 200, (40, 32, 44), dtype=np.uint16)
    if rate is None:
        tifffile.imwrite(path, frames, photometric="minisblack")
    else:
        notes = {"axes": "TYX", "finterval": 1 / rate, "fps": rate}
        tifffile.imwrite(path, frames, imagej=True, metadata=notes)
    return path


def test_the_form_follows_the_movie_that_is_opened_or_clicked(
    plugin_dock: ParametersWidget, viewer: Any, tmp_path: Path, qtbot: Any
) -> None:
    dock = plugin_dock
    chooser = dock.header.input
    first, second = (write_movie(tmp_path / f"{name}.tif", 10) for name in ("first", "second"))
    viewer.open(first, plugin="napari-cnmf")
    assert chooser.value() == FileInput((first,))
    qtbot.waitUntil(lambda: dock.what.text().endswith("of first"))
    dock.header.name_edit.value = "mouse 1"
    viewer.open(second, plugin="napari-cnmf")
    assert chooser.value() == FileInput((second,))
    assert dock.header.item_name == "", "the name was the other movie's"
    qtbot.waitUntil(lambda: dock.what.text().endswith("of second"))
    viewer.layers.selection.active = viewer.layers["first"]
    assert chooser.value() == FileInput((first,))
    # What is no movie changes nothing; what was chosen and is no layer stays until one is opened.
    viewer.add_shapes()
    assert chooser.value() == FileInput((first,))
    other = FileInput((write_movie(tmp_path / "other.tif", 10),))
    chooser.set_value(other)
    viewer.layers.selection.active = viewer.layers["second"]
    assert chooser.value() == other
    viewer.add_image(np.zeros((5, 8, 8)), name="third")
    assert chooser.value() == LayerInput(viewer.layers["third"])


def test_a_rate_typed_for_one_movie_does_not_silently_count_for_the_next(
    plugin_dock: ParametersWidget, viewer: Any, tmp_path: Path, qtbot: Any
) -> None:
    dock, row = plugin_dock, plugin_dock.form.row("data.fr")
    viewer.open(write_movie(tmp_path / "silent.tif"), plugin="napari-cnmf")
    qtbot.waitUntil(lambda: "frame rate" in dock.status.text())
    line = row.editor.native
    assert line.isVisibleTo(row), "what is needed is asked for, without a click at a tick"
    assert line.text() == ""
    assert not dock.run_button.isEnabled()
    QTest.keyClicks(line, "30")
    qtbot.waitUntil(dock.run_button.isEnabled)
    assert dock.value().data.fr == 30
    # another one that says nothing either
    viewer.open(write_movie(tmp_path / "mute.tif"), plugin="napari-cnmf")
    qtbot.waitUntil(lambda: "30 Hz was typed for silent" in dock.status.toolTip())
    # one that says another rate
    viewer.open(write_movie(tmp_path / "telling.tif", 15), plugin="napari-cnmf")
    qtbot.waitUntil(lambda: "telling says 15 Hz, and 30 Hz is used" in dock.status.toolTip())
    assert "15 Hz (ImageJ header, finterval)" in row._remark.label.text()
    QTest.mouseClick(row._remark.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "telling says" not in dock.status.toolTip())
    assert dock.value().data.fr is None
    assert "15 Hz" in row._remark.label.text()
    # and back: nothing was typed for it any more
    viewer.layers.selection.active = viewer.layers["silent"]
    qtbot.waitUntil(lambda: "frame rate" in dock.status.text())
    assert not dock.run_button.isEnabled()


def test_a_preset_leaves_what_belongs_to_the_recording(dock: ParametersWidget) -> None:
    enter_frame_rate(dock, "12,5")
    dock.header.preset_combo.value = "one-photon"
    assert dock.value().data.fr == 12.5
    assert dock.value().init.method_init == "corr_pnr"


def test_drawing_a_region_chooses_it_in_the_dock_of_the_menu(
    plugin_dock: ParametersWidget, viewer: Any, tmp_path: Path, qtbot: Any
) -> None:
    dock = plugin_dock
    viewer.open(write_movie(tmp_path / "movie.tif", 10), plugin="napari-cnmf")
    dock.given_box.button.click()
    QTest.mouseClick(dock.given.draw_button, Qt.MouseButton.LeftButton)
    layer = viewer.layers["region"]
    assert dock.given.region.value.layer is layer
    qtbot.waitUntil(lambda: "must hold a shape" in dock.status.text())
    layer.add_polygons(np.array([[0, 0], [0, 20], [20, 20]]))
    qtbot.waitUntil(dock.add_button.isEnabled)
    assert len(dock.request().mask) == 1


def test_motion_and_cells_is_one_choice(
    plugin_dock: ParametersWidget, viewer: Any, tmp_path: Path, qtbot: Any
) -> None:
    """Without a batch: one is made beside the movie, with two items that depend on each other."""
    dock = plugin_dock
    viewer.open(write_movie(tmp_path / "movie.tif", 10), plugin="napari-cnmf")
    dock.header.algorithm_combo.value = "mcorr+cnmf"
    assert not dock.form.section("motion").isHidden()
    assert dock.batch_row.label.text() == str(tmp_path / "cnmf batch")
    qtbot.waitUntil(dock.add_button.isEnabled)
    QTest.mouseClick(dock.add_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session_of(viewer).batch is not None)
    batch = session_of(viewer).batch
    assert batch.path == tmp_path / "cnmf batch"
    qtbot.waitUntil(lambda: len(batch) == 2)
    motion, cells = batch[0], batch[1]
    assert (motion.spec.algorithm.value, cells.spec.algorithm.value) == ("mcorr", "cnmf")
    assert cells.spec.parent == motion.uuid
    # Once more with another size: the correction is not asked for twice.
    dock.form.row("init.gSig").set_value((4, 4))
    qtbot.waitUntil(dock.add_button.isEnabled)
    QTest.mouseClick(dock.add_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(batch) == 3)
    assert batch[2].spec.parent == motion.uuid


def test_a_folder_that_cannot_be_written_to_is_asked_for(
    plugin_dock: ParametersWidget,
    viewer: Any,
    tmp_path: Path,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dock = plugin_dock
    viewer.open(write_movie(tmp_path / "movie.tif", 10), plugin="napari-cnmf")
    (tmp_path / "cnmf batch").write_text("a file stands in the way")
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(elsewhere), ""))
    qtbot.waitUntil(dock.add_button.isEnabled)
    QTest.mouseClick(dock.add_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session_of(viewer).batch is not None)
    batch = session_of(viewer).batch
    assert batch.path == elsewhere
    qtbot.waitUntil(lambda: len(batch) == 1)


def test_tab_passes_over_what_is_folded_away(dock: ParametersWidget) -> None:
    """Qt gives the keyboard to visible widgets alone."""
    section = dock.form.section("init")
    editors = [row.editor.native for row in section.rows if not row.isHidden()]
    assert editors
    assert not any(editor.isVisibleTo(dock) for editor in editors)
    assert dock.form.row("init.gSig").editor.native.isVisibleTo(dock)
    section.button.click()
    assert any(editor.isVisibleTo(dock) for editor in editors)


def test_arguments_that_mean_nothing_here_are_said(
    dock: ParametersWidget, movie_file: Path, qtbot: Any
) -> None:
    dock.header.input.set_value(FileInput((movie_file,)))
    enter_frame_rate(dock, "10")
    dock.cnmf_kwargs.set_text("gSig=(4, 4), n_processes=8, stride_cnmf=20, rf=40")
    qtbot.waitUntil(lambda: "patch.n_processes is left out" in dock.status.toolTip())
    assert dock.value().patch.stride == 20
