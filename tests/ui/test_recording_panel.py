"""The table of what is known about a recording in the form, and the questions below it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.batch import Batch
from napari_cnmf.io import TiffMovieWriter, open_movie
from napari_cnmf.io.movies import ChannelUnknownError
from napari_cnmf.ui.forms._input import FileInput
from napari_cnmf.ui.forms._recording import RecordingPanel
from napari_cnmf.ui.forms._request import request_of


@pytest.fixture
def panel(qtbot) -> RecordingPanel:
    panel = RecordingPanel()
    qtbot.addWidget(panel)
    panel.show()
    return panel


def test_statements_and_remarks(panel: RecordingPanel, tmp_path: Path) -> None:
    frames = np.zeros((9, 6, 8), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata={"axes": "TYX", "fps": 7.0})
    panel.show_description(open_movie(tmp_path / "a.tif").description)
    text = panel.table.text()
    assert panel.table.isVisible()
    assert "6 x 8 pixels, uint16" in text
    assert "playing speed" in text
    assert "<li>7 Hz (fps)" in text
    assert not panel.choice_combo.isVisible()


def test_an_answer_is_passed_on(panel: RecordingPanel, qtbot) -> None:
    panel.ask(ChannelUnknownError("One channel must be chosen.", 2, ("green", "red")))
    assert panel.choice_combo.isVisible()
    assert [panel.choice_combo.itemText(k) for k in range(3)] == ["choose…", "green", "red"]
    with qtbot.waitSignal(panel.changed):
        panel.choice_combo.activated.emit(2)
    assert panel.told() == {"channel": 1}
    assert panel.boxes["channel"].value() == 1


def test_of_alternating_channels_one_is_always_chosen(panel: RecordingPanel) -> None:
    channel = panel.boxes["channel"]
    assert channel.text() == "auto"
    panel.boxes["n_channels"].setValue(2)
    assert panel.told() == {"channel": 0, "n_channels": 2}
    assert (channel.text(), channel.maximum()) == ("0", 1)
    panel.boxes["n_channels"].setValue(1)
    assert panel.told() == {"channel": 0}


def test_what_is_there_can_be_opened(panel: RecordingPanel, tmp_path: Path, qtbot) -> None:
    for k in range(9):
        tifffile.imwrite(tmp_path / f"f{k}.tif", np.zeros((6, 8), np.uint16))
    (tmp_path / "f3.tif").write_bytes(b"")
    with pytest.raises(Exception, match="got an empty one") as caught:
        open_movie(tmp_path)
    panel.ask(caught.value)
    assert panel.missing_box.isVisible()
    with qtbot.waitSignal(panel.changed):
        panel.missing_box.setChecked(True)
    assert panel.told() == {"allow_missing": True}
    assert open_movie(tmp_path, **panel.told()).n_frames == 8
    panel.show_told([tmp_path], {"channel": 1, "field": 2})
    assert panel.told() == {"channel": 1, "field": 2}
    assert not panel.missing_box.isChecked()


@pytest.mark.parametrize(
    ("option", "typed", "value"),
    [
        ("offset", "-32768", -32768.0),
        ("offset", "0", 0.0),
        ("pixel_size_um", "1,5", (1.5, 1.5)),
        ("pixel_size_um", "5 1.2 1.3", (5.0, 1.2, 1.3)),
        ("n_planes", 4, 4),
        ("n_flyback", 0, 0),
        ("plane", 0, 0),
        ("field", 2, 2),
    ],
)
def test_every_line_can_be_overruled(
    panel: RecordingPanel, qtbot, option: str, typed: object, value: object
) -> None:
    def say(text: object) -> None:
        if option in panel.edits:
            panel.edits[option].setText("" if text is None else str(text))
            panel.edits[option].editingFinished.emit()
        else:
            box = panel.boxes[option]
            box.setValue(box.minimum() if text is None else text)

    with qtbot.waitSignal(panel.changed):
        say(typed)
    assert panel.told() == {option: value}
    with qtbot.waitSignal(panel.changed):
        say(None)
    assert panel.told() == {}


@pytest.mark.parametrize("typed", ["a", "1 2 3 4", "-1", "0", "1,000"])
def test_a_pixel_size_that_is_none_is_marked_and_not_passed_on(
    panel: RecordingPanel, qtbot, typed: str
) -> None:
    panel.show_told([Path("a.tif")], {"pixel_size_um": (1.0, 2.0)})
    edit = panel.edits["pixel_size_um"]
    assert edit.text() == "1 2"
    with qtbot.assertNotEmitted(panel.changed):
        edit.setText(typed)
        edit.editingFinished.emit()
    assert edit.styleSheet()
    assert panel.told() == {"pixel_size_um": (1.0, 2.0)}


def test_an_item_that_is_opened_again_keeps_what_the_user_said(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 999, (12, 20, 30)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "silent.tif", frames, photometric="minisblack")
    with TiffMovieWriter(
        tmp_path / "says.tif", frames.shape, np.uint16, frame_rate_hz=8.0, pixel_size_um=(1.5, 1.5)
    ) as writer:
        writer.write(0, frames)
    batch = Batch.create(tmp_path / "batch")
    for name, said in (
        ("silent.tif", {"frame_rate_hz": 7.0, "pixel_size_um": (2.0, 3.0)}),
        ("says.tif", {}),
        ("says.tif", {"frame_rate_hz": 7.0, "pixel_size_um": (2.0, 3.0)}),
    ):
        item = batch.add("mcorr", open_movie(tmp_path / name, **said))
        request = request_of(item)
        assert isinstance(request.input, FileInput)
        assert request.params.data.fr == said.get("frame_rate_hz")
        told = dict(request.input.open_with)
        assert told == {k: v for k, v in said.items() if k == "pixel_size_um"}
        assert request.input.open().pixel_size_um == item.spec.movie.pixel_size_um
        batch.remove(item)
