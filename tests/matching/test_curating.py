"""Edits of matches, their file, the table, the command."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from napari_cnmf.cli import main
from napari_cnmf.errors import CnmfError, CurationError, ExportError, ResultError
from napari_cnmf.io.matching import match_sessions, read_matches, write_matches
from napari_cnmf.model.components import Components
from napari_cnmf.model.matching import Match, SessionMatches


def some() -> SessionMatches:
    return SessionMatches(
        ["a", "b", "c"],
        [
            Match({0: 0, 1: 5, 2: 7}, {1: 0.9, 2: 0.6}),
            Match({0: 1, 1: 6}, {1: 0.8}),
            Match({2: 8}),
        ],
    )


def layout(matches: SessionMatches) -> dict[int, dict[int, int]]:
    return {number: cell.components for number, cell in matches.cells.items()}


def test_accept_unlink_link_and_undo() -> None:
    matches = some()
    calls: list[int] = []
    matches.on_change(lambda: calls.append(1))
    matches.accept([0])
    assert matches.cells[0].state == "accepted"
    assert matches.cells[0].probability == 0.6
    assert matches.unlink(0, 2) == 3
    assert layout(matches) == {0: {0: 0, 1: 5}, 1: {0: 1, 1: 6}, 2: {2: 8}, 3: {2: 7}}
    assert matches.cells[0].probability == 0.9
    assert math.isnan(matches.cells[3].probability)
    assert matches.link({0: 1, 2: 7}) == 1
    assert layout(matches) == {0: {0: 0, 1: 5}, 1: {0: 1, 1: 6, 2: 7}, 2: {2: 8}}
    assert matches.cells[1].state == "by hand"
    # what stood in the place becomes a cell of its own
    assert matches.link({0: 0, 1: 6, 2: 8}) == 0
    assert layout(matches) == {0: {0: 0, 1: 6, 2: 8}, 1: {0: 1, 2: 7}, 4: {1: 5}}
    assert len(calls) == 4
    while matches.undo():
        pass
    assert layout(matches) == layout(some())
    assert not matches.can_undo


def test_matches_say_what_they_are() -> None:
    matches = some()
    matches.accept([1])
    assert repr(matches) == "<SessionMatches: 3 cells over a, b, c, 1 edits>"


def test_what_cannot_be_edited_is_said() -> None:
    matches = some()
    for edit in (
        lambda: matches.unlink(2, 2),
        lambda: matches.unlink(1, 2),
        lambda: matches.accept([99]),
        lambda: matches.link({0: 0}),
        lambda: matches.link({0: 0, 1: 99}),
        lambda: SessionMatches(["a"], [], [{"edit": "explode"}]),
        lambda: SessionMatches(["a"], [], [{}]),
    ):
        with pytest.raises(CurationError):
            edit()
    assert matches.edits == []


def test_saved_and_read_again(results: list[Path], tmp_path: Path) -> None:
    matched = match_sessions(results)
    number = next(n for n, cell in matched.matches.cells.items() if len(cell.components) == 3)
    matched.matches.unlink(number, 1)
    path = write_matches(matched, results[0].parent / "matches.json")
    said = json.loads(path.read_text(encoding="utf-8"))
    assert said["sessions"][0]["path"] == "day 1.hdf5", "moves with the results"
    again = read_matches(path)
    assert layout(again.matches) == layout(matched.matches)
    assert again.df.equals(matched.df)
    assert (again.labels(2) == matched.labels(2)).all()
    assert again.matches.undo()
    assert len(again.matches.cells[number].components) == 3


def test_the_command(
    results: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "m.json", tmp_path / "m.csv"
    assert main(["match", *map(str, results), "--out", str(out), "--csv", str(table)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(table), str(out)]
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0])[:7] == [
        "cell",
        "n_sessions",
        "probability",
        "state",
        "day 1",
        "day 2",
        "day 3",
    ]
    assert len(rows) == len(read_matches(out).df)
    assert main(["match", *map(str, results[:2])]) == 0
    assert capsys.readouterr().out.startswith("cell,n_sessions,probability,state,day 1,day 2,")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sources": "day1.hdf5"}, "in a list, got 'day1.hdf5'"),
        ({"sources": None}, "in a list, got None"),
        ({"names": ["a"]}, "a name of its own for each of the 2"),
        ({"names": ["a", "a"]}, "a name of its own for each of the 2"),
        ({"names": "ab"}, "a name of its own for each of the 2"),
        ({"names": [1, 2]}, "a name of its own for each of the 2"),
        ({"min_probability": 50}, "a number from 0 to 1, got 50"),
        ({"min_probability": float("nan")}, "a number from 0 to 1, got nan"),
        ({"max_distance_px": 0}, "above 0, got 0"),
    ],
)
def test_wrong_options_are_told(results: list[Path], wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ResultError, match=message):
        match_sessions(**({"sources": results[:2]} | wrong))


def test_wrong_sources_are_told(results: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="Two or more"):
        match_sessions(results[:1])
    data = Path(__file__).parents[1] / "data"
    with pytest.raises(ResultError, match="same size"):
        match_sessions([results[0], data / "result-2d.hdf5"])
    with pytest.raises(CnmfError):
        match_sessions([results[0], tmp_path / "gone.hdf5"])
    with pytest.raises(ResultError, match="must be a file of matches"):
        read_matches(data / "params-1.12.1.json")
    from napari_cnmf.io.caiman import read_caiman

    memory: list[Components] = [read_caiman(path) for path in results]
    matched = match_sessions(memory)
    assert matched.matches.sessions == ("session 1", "session 2", "session 3")
    with pytest.raises(ExportError, match="must lie in files"):
        write_matches(matched, tmp_path / "m.json")
