"""``napari-cnmf info``: the description of a recording, as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve time points in two channels, one image a file; image 7 is missing in both."""
    for t in range(12):
        for word in ("green", "red"):
            if t != 7:
                image = np.full((6, 8), t, np.uint16)
                tifffile.imwrite(tmp_path / f"m_{word}_{t:03d}.tif", image, metadata=None)
    return tmp_path


def test_the_table_names_sources_and_questions(folder: Path, capsys) -> None:
    assert main(["info", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "2: green, red" in said
    assert "choose one (asked)" in said
    assert "Frame 7 of the numbering in the file names is missing" in said
    assert "? One channel must be chosen" in said


def test_every_line_can_be_overruled(folder: Path, capsys) -> None:
    options = ["--channel", "1", "--frame-rate", "12", "--pixel-size", "1.5", "1.5", "--json"]
    assert main(["info", str(folder), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["questions"] == []
    assert found["facts"]["frame_rate_hz"] == {
        "value": 12.0, "text": "12 Hz", "source": "you", "certainty": "stated",
    }  # fmt: skip
    assert found["facts"]["pixel_size_um"]["value"] == [1.5, 1.5]
    assert found["facts"]["frames"]["value"] == 11
    assert found["facts"]["channels"]["text"] == "2 (green, red): red is analysed"


def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.oir").write_bytes(bytes(99))
    assert main(["info", str(tmp_path / "a.oir")]) == 2
    assert "Olympus FluoView" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--channel", "abc"], "channel must be a whole number, got 'abc'"),
        (["--plane", "1.5"], "plane must be a whole number, got 1.5"),
        (["--n-planes", "0"], "n_planes must be at least 1, got 0"),
        (["--field", "-1"], "field must be at least 0, got -1"),
        (["--offset", "x"], "offset must be a finite number, got 'x'"),
        (["--pixel-size", "1", "b"], "in micrometres above 0, got [1, 'b']"),
        (["--frame-rate", "abc"], "Frame rate must be a number of Hz, got 'abc'"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    folder: Path, capsys, options: list[str], said: str
) -> None:
    assert main(["info", str(folder), *options]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert " Give " in shown.err
    assert shown.out == ""
