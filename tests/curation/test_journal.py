"""A journal opens whatever happened to its file, and nothing written later is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cnmf.errors import CurationError, ResultError
from napari_cnmf.io.caiman import read_caiman, write_caiman
from napari_cnmf.io.curation import (
    FileArrayStore,
    FileJournal,
    FileSeenIds,
    open_curation,
    save_curated,
)
from napari_cnmf.io.curation.lines import decode_lines, encode_line
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Decision, EditedComponent, EditKind
from napari_cnmf.model.curation.stored import MemoryJournal

N, N_FRAMES, N_PIXELS = 6, 12, 24


def components() -> Components:
    return Components(
        A=sp.csc_matrix(np.kron(np.eye(N), np.ones((4, 1))).astype(np.float32)),
        C=np.ones((N, N_FRAMES), np.float32),
        dims=(4, 6),
        snr=np.linspace(1, 6, N),
        r_values=np.full(N, 0.5),
    )


class Halves:
    """An estimator whose components are easy to tell apart."""

    def merge(self, components, rows):
        return EditedComponent(
            np.arange(4), np.ones(4, np.float32), np.full(N_FRAMES, rows.size, np.float32)
        )

    def redraw(self, components, row, pixels):
        return EditedComponent(
            pixels, np.ones(pixels.size, np.float32), np.zeros(N_FRAMES, np.float32)
        )


def open_in(folder: Path, who: str = "anna") -> Curation:
    return Curation(
        components(),
        journal=FileJournal(folder / "c.jsonl"),
        arrays=FileArrayStore(folder / "c.h5"),
        seen=FileSeenIds(folder / "c.seen"),
        estimator=Halves(),
        who=who,
    )


def curate(cur: Curation) -> None:
    """Edits of most kinds, with an undo and text that needs more than ASCII."""
    cur.accept([0, 2])
    cur.note(1, 'läuft "gut" {und} \\ mehr\n☃')
    cur.set_thresholds(min_SNR=3.5)
    cur.reject(3)
    cur.undo()
    cur.tag([4, 5], "red")
    cur.unsure(5)


class Given(MemoryJournal):
    """A journal of some bytes, without a file."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._lines, self.n_damaged = decode_lines(data)


def journal_of_many_edits() -> list[bytes]:
    cur = Curation(components(), who="anna")
    curate(cur)
    return [encode_line(line) for line in cur.journal_lines()]


def told(cur: Curation) -> list[tuple]:
    """What every edit says, but for the place in the history, which may have to change."""
    return [
        (str(e.kind), e.ids, json.dumps(e.value), e.time)
        for e in cur.history
        if e.kind is not EditKind.LOST
    ]


def told_by(lines: list[bytes]) -> list[tuple]:
    parsed = [json.loads(line) for line in lines]
    return [
        (e["edit"], tuple(e.get("ids", ())), json.dumps(e.get("value")), e["time"])
        for e in parsed
        if "edit" in e
    ]


def require_sound(cur: Curation) -> None:
    """Every point of the history can be gone to, and the way back is there."""
    numbers = [edit.number for edit in cur.history]
    assert len(set(numbers)) == len(numbers)
    for edit in cur.history:
        assert edit.parent < edit.number
    here = cur.here
    for number in [0, *numbers, here]:
        cur.go_to(number)
        assert cur.accepted.shape == cur.ids.shape == cur.components.accepted.shape


DAMAGE = (b"\0", b"\xff", b"0", b'"', b"\n", b"}", b" ", b"")


@pytest.mark.parametrize("shift", [0, 3])
def test_one_byte_damaged_anywhere_loses_the_edit_of_its_line_alone(shift: int) -> None:
    """Every place is damaged, each in another way than its neighbours."""
    lines = journal_of_many_edits()
    whole = b"".join(lines)
    ends = np.cumsum([len(line) for line in lines])
    all_told = told_by(lines)
    for place in range(len(whole)):
        byte = DAMAGE[(place + shift) % len(DAMAGE)]
        data = whole[:place] + byte + whole[place + 1 :]
        if data == whole:
            continue
        hit = int(np.searchsorted(ends, place, side="right"))
        is_end_of_line = place + 1 == ends[hit]
        cur = Curation(components(), journal=Given(data))
        intact = lines if is_end_of_line else [*lines[:hit], *lines[hit + 1 :]]
        missing = [edit for edit in told_by(intact) if edit not in told(cur)]
        invented = [edit for edit in told(cur) if edit not in all_told]
        assert not missing, (place, byte)
        assert not invented, (place, byte)
        if place % 37 == 0:
            require_sound(cur)


def test_a_file_cut_anywhere_keeps_every_whole_line() -> None:
    lines = journal_of_many_edits()
    whole = b"".join(lines)
    ends = np.cumsum([len(line) for line in lines])
    for cut in range(len(whole)):
        cur = Curation(components(), journal=Given(whole[:cut]))
        # the last byte of a line is its end, without which it is whole, too
        n_whole = int(np.searchsorted(ends - 1, cut, side="right"))
        assert told(cur) == told_by(lines[:n_whole]), cut


damages = st.lists(
    st.tuples(
        st.sampled_from(["flip", "zero", "drop", "insert", "line lost", "line twice", "swap"]),
        st.floats(0, 1),
        st.integers(1, 700),
        st.binary(min_size=1, max_size=30),
    ),
    min_size=1,
    max_size=4,
)


def damaged(lines: list[bytes], what: list[tuple]) -> bytes:
    for kind, share, _, _ in what:
        if kind in ("line lost", "line twice", "swap"):
            i = min(int(share * len(lines)), len(lines) - 1)
            if kind == "line lost" and len(lines) > 1:
                lines = [*lines[:i], *lines[i + 1 :]]
            elif kind == "line twice":
                lines = [*lines[: i + 1], *lines[i:]]
            elif kind == "swap" and i + 1 < len(lines):
                lines = [*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]]
    data = b"".join(lines)
    for kind, share, size, extra in what:
        at = int(share * len(data))
        if kind == "flip":
            data = data[:at] + extra[:1] + data[at + 1 :]
        elif kind == "zero":
            n = len(data[at : at + size])
            data = data[:at] + bytes(n) + data[at + n :]
        elif kind == "drop":
            data = data[:at] + data[at + size :]
        elif kind == "insert":
            data = data[:at] + extra + data[at:]
    return data


@settings(max_examples=30, deadline=None)
@given(what=damages)
def test_random_damage_keeps_whole_lines_and_what_is_written_after_it(what: list[tuple]) -> None:
    lines = journal_of_many_edits()
    data = damaged(lines, what)
    whole = [
        line for line in lines if line.rstrip(b"\n") in data.replace(b"\0", b"\n").split(b"\n")
    ]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "c.jsonl"
        path.write_bytes(data)
        cur = open_in(Path(name))
        assert set(told_by(whole)) <= set(told(cur)) <= set(told_by(lines))
        assert path.read_bytes() == data, "reading changes nothing"
        before = told(cur)
        cur.tag([0], "after the damage")
        again = open_in(Path(name))
        assert told(again)[:-1] == before
        assert "after the damage" in again.tags(0)
        assert again.journal_problem == "", "the first edit makes the journal whole"
        assert again.decisions.tolist() == cur.decisions.tolist()
        require_sound(Curation(components(), journal=Given(path.read_bytes())))
        if cur.journal_problem:
            copies = [p.read_bytes() for p in path.parent.glob("c.jsonl.damaged-*")]
            assert copies == [data]


def test_damage_is_said_in_a_sentence_and_set_aside(tmp_path: Path) -> None:
    curate(open_in(tmp_path))
    path = tmp_path / "c.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1][:30] + b"\xfe" + lines[1][31:]
    path.write_bytes(b"".join(lines))
    cur = open_in(tmp_path)
    assert "1 place cannot be read, 1 edit is missing. 5 edits are intact" in cur.journal_problem
    (copy,) = tmp_path.glob("c.jsonl.damaged-*")
    assert copy.name in cur.journal_problem
    assert open_in(tmp_path).journal_problem == cur.journal_problem
    assert len(list(tmp_path.glob("c.jsonl.damaged-*"))) == 1


def test_an_edit_whose_parent_is_lost_stands_where_the_history_stood(tmp_path: Path) -> None:
    cur = open_in(tmp_path)
    cur.accept(0)
    cur.accept(1)
    cur.undo()
    cur.reject(2)  # lost
    cur.reject(3)
    path = tmp_path / "c.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    again = open_in(tmp_path)
    assert [e.number for e in again.applied] == [1, 3, 4]
    assert again.applied[1].kind is EditKind.LOST
    assert "lost" in again.applied[1].describe()
    # what was undone before the lost edit stays undone
    decisions = [Decision.ACCEPTED, 0, 0, Decision.REJECTED, 0, 0]
    assert again.decisions.tolist() == decisions
    again.undo()
    again.undo()
    assert again.here == 1
    again.redo()
    again.redo()
    assert open_in(tmp_path).decisions.tolist() == decisions


def test_edits_of_a_component_whose_merge_is_lost_change_what_is_there(tmp_path: Path) -> None:
    cur = open_in(tmp_path)
    new = cur.merge([0, 1])
    cur.accept([2, new])
    path = tmp_path / "c.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
    again = open_in(tmp_path)
    assert again.ids.tolist() == list(range(N))
    assert again.decisions.tolist() == [0, 0, Decision.ACCEPTED, 0, 0, 0]
    assert again.merge([3, 4]) == N, "the id is free where nothing says that it was used"
    assert open_in(tmp_path).ids.tolist() == [0, 1, 2, 5, N]


def test_arrays_that_are_missing_leave_the_components_as_they_were(tmp_path: Path) -> None:
    cur = open_in(tmp_path)
    cur.merge([0, 1])
    cur.accept(2)
    (tmp_path / "c.h5").rename(tmp_path / "elsewhere")
    again = open_in(tmp_path)
    assert "1 merged, split or drawn shape has no arrays" in again.journal_problem
    assert again.ids.tolist() == list(range(N))
    again.reject(3)
    (tmp_path / "elsewhere").rename(tmp_path / "c.h5")
    whole = open_in(tmp_path)
    assert whole.journal_problem == ""
    assert whole.ids.tolist() == [2, 3, 4, 5, N]
    assert whole.decisions.tolist() == [Decision.ACCEPTED, Decision.REJECTED, 0, 0, 0]


def test_damaged_arrays_never_reach_the_components(tmp_path: Path) -> None:
    open_in(tmp_path).redraw(1, np.array([3, 9, 20]))
    path = tmp_path / "c.h5"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 8):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        found = open_in(tmp_path).components
        assert found.A.shape == (N_PIXELS, N)
        assert not found.A.nnz or found.A.indices.max() < N_PIXELS


def test_what_a_newer_version_adds_to_arrays_is_passed_over(tmp_path: Path) -> None:
    merged = open_in(tmp_path).merge([1, 2])
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        file["1/0"].attrs["p_apical"] = 0.5
        file["1/0/spike_times"] = np.arange(3)
    cur = open_in(tmp_path)
    assert cur.journal_problem == ""
    assert merged in cur.ids


@pytest.mark.parametrize("damage", ["no group", "too large", "elsewhere", "text"])
def test_arrays_of_any_other_kind_count_as_lost(tmp_path: Path, damage: str) -> None:
    cur = open_in(tmp_path)
    cur.reject(0)
    cur.merge([1, 2])
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        name = "2/0" if damage == "no group" else "2/0/C"
        del file[name]
        if damage == "no group":
            file[name] = np.arange(3)
        elif damage == "too large":
            file.create_dataset(name, (2**20, 2**14), "f8", chunks=(64, 64))
        elif damage == "elsewhere":
            file.create_dataset(name, (N_FRAMES,), "u1", external=[("/etc/passwd", 0, N_FRAMES)])
        else:
            file[name] = "NoneType"
    again = open_in(tmp_path)
    assert "1 merged, split or drawn shape has no arrays" in again.journal_problem
    assert not again.accepted[0]
    again.note(3, "goes on")
    assert open_in(tmp_path).note_of(3) == "goes on"


def test_a_damaged_file_of_arrays_hides_no_other_and_takes_no_new_ones(tmp_path: Path) -> None:
    cur = open_in(tmp_path)
    cur.merge([0, 1])
    arrays = tmp_path / "c.h5"
    whole = arrays.read_bytes()
    arrays.write_bytes(whole[:700])
    cur = open_in(tmp_path)
    assert "has no arrays" in cur.journal_problem
    merged = cur.merge([2, 3])
    assert arrays.read_bytes() == whole[:700], "what is damaged may be mended by a copy"
    again = open_in(tmp_path)
    assert again.ids.tolist() == [0, 1, 4, 5, merged]
    arrays.write_bytes(whole)
    assert open_in(tmp_path).ids.tolist() == [4, 5, 6, merged]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"edit": "accept", "number": 2, "parent": 1, "ids": [4], "mood": "good"}, ""),
        ({"edit": "rotate", "number": 2, "parent": 1, "ids": [4], "angle": 3.0}, "rotate"),
        ({"bookmark": "here", "number": 2}, ""),
        ({"edit": "set_thresholds", "number": 2, "parent": 1, "value": {"max_area": 3}}, ""),
    ],
)
def test_what_a_newer_version_wrote_is_kept(tmp_path: Path, line: dict, problem: str) -> None:
    open_in(tmp_path).accept(0)
    path = tmp_path / "c.jsonl"
    with path.open("a") as file:
        file.write(json.dumps(line | {"time": "2031-01-01T08:00:00.000+00:00"}) + "\n")
    cur = open_in(tmp_path)
    assert problem in cur.journal_problem
    assert bool(problem) == bool(cur.journal_problem)
    cur.accept(1)
    again = open_in(tmp_path)
    assert line | {"time": "2031-01-01T08:00:00.000+00:00"} in again.journal_lines()
    assert again.decisions[:2].tolist() == [Decision.ACCEPTED] * 2
    assert again.quality == cur.quality
    assert not list(tmp_path.glob("*.damaged-*"))
    while again.undo():
        pass
    assert not again.decisions.any()


@pytest.mark.parametrize(
    "line",
    [
        {"edit": "accept", "number": 2, "parent": 7, "ids": [3]},
        {"edit": "accept", "number": 2, "parent": 2, "ids": [3]},
        {"edit": "accept", "number": 0, "parent": 0, "ids": [3]},
        {"edit": "accept", "number": "2", "parent": 1, "ids": [3]},
        {"edit": "accept", "number": 2.0, "parent": 1, "ids": [3]},
        {"edit": "accept", "number": 2, "parent": 1, "ids": [-1]},
        {"edit": "accept", "number": 2, "parent": 1, "ids": "12"},
        {"edit": "accept", "number": 2, "parent": 1, "ids": [1.9]},
        {"edit": "accept", "number": 2, "parent": 1, "ids": [True]},
        {"edit": "accept", "number": 2, "parent": 1, "ids": 3},
        {"edit": "merge", "number": 2, "parent": 1, "ids": [1, 2], "new_ids": [10**12]},
        {"edit": "merge", "number": 2, "parent": 1, "ids": [1, 2], "new_ids": [0]},
        {"edit": "merge", "number": 10**30, "parent": 1, "ids": [1, 2], "new_ids": [6]},
        {"edit": "tag", "number": 2, "parent": 1, "ids": [1], "value": 7},
        {"edit": "set_thresholds", "number": 2, "parent": 1, "value": "min_SNR"},
        {"edit": ["accept"], "number": 2, "parent": 1},
        {"edit": None, "number": 2, "parent": 1},
        {"move": -3},
        {"move": "1"},
        {"move": True},
    ],
)
def test_lines_that_make_no_sense_are_left_out(tmp_path: Path, line: dict) -> None:
    open_in(tmp_path).accept(0)
    path = tmp_path / "c.jsonl"
    with path.open("a") as file:
        file.write(json.dumps(line | {"time": "2031-01-01T08:00:00.000+00:00"}) + "\n")
    cur = open_in(tmp_path)
    assert "1 place cannot be read" in cur.journal_problem
    cur.accept(1)
    again = open_in(tmp_path)
    assert again.decisions.tolist() == [1, 1, 0, 0, 0, 0]
    assert again.journal_problem == ""
    require_sound(again)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, "9" * 10_000, "NaN", "[]", "{}"])
def test_lines_that_are_hard_to_read_are_left_out(tmp_path: Path, text: str) -> None:
    open_in(tmp_path).accept(0)
    with (tmp_path / "c.jsonl").open("a") as file:
        file.write(text + "\n")
    assert open_in(tmp_path).decisions[0] == Decision.ACCEPTED


def test_edits_of_two_programs_under_one_number_both_stand(tmp_path: Path) -> None:
    one, two = open_in(tmp_path / "1", "anna"), open_in(tmp_path / "2", "bert")
    for folder in ("1", "2"):
        (tmp_path / folder).mkdir()
    one.accept(0), two.reject(1), one.accept(2), two.reject(3)
    first, second = ((tmp_path / f / "c.jsonl").read_bytes().splitlines(True) for f in "12")
    (tmp_path / "c.jsonl").write_bytes(b"".join([first[0], second[0], first[1], second[1]]))
    both = open_in(tmp_path)
    assert both.decisions.tolist() == [1, 2, 1, 2, 0, 0]
    assert "lines are there twice or out of order" in both.journal_problem
    both.undo()
    assert both.decisions.tolist() == [1, 2, 1, 0, 0, 0]
    again = open_in(tmp_path)
    assert again.decisions.tolist() == [1, 2, 1, 0, 0, 0]
    assert again.journal_problem == ""
    require_sound(again)


def a_walk(seed: int) -> list[dict]:
    """Lines of a curation that goes back and forth, each with a time of its own."""
    rng = np.random.default_rng(seed)
    cur = Curation(components(), who="anna")
    for step in range(14):
        match rng.integers(5):
            case 0 | 1:
                cur.note(int(rng.integers(6)), f"step {step}")
            case 2:
                cur.undo()
            case 3:
                cur.redo()
            case 4 if cur.history:
                cur.go_to(int(rng.integers(len(cur.history) + 1)))
    lines = cur.journal_lines()
    return [line | {"time": f"2026-01-01T00:00:{k:02}"} for k, line in enumerate(lines)]


def stands(lines: list[dict]) -> tuple:
    cur = Curation(components(), journal=Given(b"".join(map(encode_line, lines))))
    assert cur.journal_problem == "" or "twice" in cur.journal_problem
    return cur.here, [cur.note_of(i) for i in range(6)], told(cur)


@pytest.mark.parametrize("has_numbers", [True, False], ids=["this version", "earlier version"])
@pytest.mark.parametrize("seed", range(3))
def test_lines_that_are_doubled_leave_the_history_where_it_stood(
    seed: int, has_numbers: bool
) -> None:
    lines = a_walk(seed)
    assert any("move" in line for line in lines)
    if not has_numbers:
        lines = [{k: v for k, v in line.items() if "edit" in line or k != "number"}
                 for line in lines]  # fmt: skip
    before = stands(lines)
    assert stands([line for line in lines for _ in range(2)]) == before
    assert stands(lines * 2) == stands(lines * 3) == before
    for k, line in enumerate(lines):
        for at in range(k + 1, len(lines) + 1):
            assert stands([*lines[:at], line, *lines[at:]]) == before, (k, at)
        assert stands([*lines, *lines[: k + 1]]) == before
        assert stands([*lines[:k], *lines]) == before


def test_moves_of_one_millisecond_are_moves(tmp_path: Path) -> None:
    """A script that undoes, redoes and undoes within the time stamp's resolution."""
    cur = open_in(tmp_path)
    cur.accept(0), cur.undo(), cur.redo(), cur.undo()
    path = tmp_path / "c.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [{k: v for k, v in line.items() if "edit" in line or k != "number"} for line in lines]
    path.write_bytes(b"".join(encode_line(line | {"time": "2026-01-01"}) for line in lines))
    assert open_in(tmp_path).here == 0


def test_moves_of_two_programs_under_one_number_are_both_made(tmp_path: Path) -> None:
    cur = open_in(tmp_path)
    cur.accept(0), cur.accept(1), cur.undo()
    path = tmp_path / "c.jsonl"
    other = {"move": 0, "number": 1, "who": "ben", "time": "2031"}
    with path.open("ab") as file:
        file.write(encode_line(other) * 2)
    cur = open_in(tmp_path)
    assert cur.here == 0
    assert "2 lines are there twice" in cur.journal_problem
    cur.redo()
    again = open_in(tmp_path)
    assert again.journal_problem == ""
    assert again.here == 1
    moves = [line["number"] for line in again.journal_lines() if "move" in line]
    assert moves == [1, 2, 3]


def test_a_journal_that_was_saved_as_utf_16_is_read_and_goes_on_in_utf_8(tmp_path: Path) -> None:
    curate(open_in(tmp_path))
    path = tmp_path / "c.jsonl"
    before = told(open_in(tmp_path))
    path.write_text(path.read_text("utf-8"), encoding="utf-16")
    cur = open_in(tmp_path)
    assert told(cur) == before
    cur.note(2, "more")
    assert open_in(tmp_path).note_of(2) == "more"
    assert told(open_in(tmp_path))[: len(before)] == before
    assert not path.read_bytes().startswith((b"\xff\xfe", b"\xfe\xff"))


def test_a_damaged_mark_of_the_result_hides_no_curation(tmp_path: Path) -> None:
    result = tmp_path / "result.hdf5"
    write_caiman(components(), result)
    curate(open_curation(result))
    path = tmp_path / "result.hdf5.curation.jsonl"
    whole, before = path.read_bytes(), told(open_curation(result))
    start = whole.rindex(b'"of": "') + len(b'"of": "')
    for at in range(start, start + 8):
        path.write_bytes(whole[:at] + b"x" + whole[at + 1 :])
        cur = open_curation(result)
        assert told(cur) == before
        assert "another result" not in cur.journal_problem


def test_a_zero_tail_does_not_lock_in_what_is_written_after_it(tmp_path: Path) -> None:
    open_in(tmp_path).accept(0)
    path = tmp_path / "c.jsonl"
    path.write_bytes(path.read_bytes() + bytes(4096))
    cur = open_in(tmp_path)
    assert "1 place cannot be read" in cur.journal_problem
    cur.reject(1)
    assert open_in(tmp_path).decisions[:2].tolist() == [Decision.ACCEPTED, Decision.REJECTED]
    assert b"\0" not in path.read_bytes()


def test_what_an_editor_does_to_the_file_is_no_damage(tmp_path: Path) -> None:
    curate(open_in(tmp_path))
    path = tmp_path / "c.jsonl"
    data = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n").rstrip(b"\r\n"))
    cur = open_in(tmp_path)
    assert cur.journal_problem == ""
    assert len(cur.history) == 6
    cur.accept(0), cur.accept(1)
    assert len(open_in(tmp_path).history) == len(cur.history)


_FILLER = """
import resource, sys
from pathlib import Path
from napari_cnmf.errors import CurationError
from napari_cnmf.io.curation import open_curation

path, limit = Path(sys.argv[1]), int(sys.argv[2])
cur = open_curation(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    cur.merge([1, 2])
except CurationError as error:
    print(error)
print(cur.ids.tolist(), [p.name for p in path.parent.iterdir() if p.suffix in (".tmp", ".h5")])
made = 0
for i in range(100):
    try:
        cur.note(0, f"note {i} " + "x" * 40)
    except CurationError as error:
        print("refused", "must be writable" in str(error), cur.note_of(0)[:7], len(cur.history))
        break
    made += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
cur.note(0, "after")  # somebody made room
cur.merge([1, 2])
print(made, len(cur.history))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
@pytest.mark.parametrize("limit", [900, 1001, 1500])
def test_a_full_disk_refuses_an_edit_and_keeps_the_others(tmp_path: Path, limit: int) -> None:
    path = write_caiman(components(), tmp_path / "result.hdf5")
    ran = subprocess.run(
        [sys.executable, "-c", _FILLER, str(path), str(limit)],
        capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    assert ran.stderr == "", "nothing of HDF5 is left open"
    no_merge, left, refused, summary = ran.stdout.splitlines()
    assert no_merge.startswith(f"{path}.curation.h5 must be writable: File too large. The edit was")
    assert left == "[0, 1, 2, 3, 4, 5] []"
    made, n_edits = map(int, summary.split())
    assert refused.split() == ["refused", "True", "note", str(made - 1), str(made)]
    cur = open_curation(path)
    assert cur.journal_problem == ""
    assert len(cur.history) == n_edits == made + 2
    assert cur.ids.tolist() == [0, 3, 4, 5, 6]
    assert cur.note_of(0) == "after"


_RACER = """
import sys
from pathlib import Path
from napari_cnmf.errors import CurationError
from napari_cnmf.io.curation import open_curation

path, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
cur = open_curation(path)
sys.stdin.readline()
for i in range(rounds):
    while True:
        try:
            cur.tag([0], f"{name} {i}")
            break
        except CurationError as error:
            assert "changed by another window" in str(error), error
            cur = open_curation(path)
"""


def test_two_processes_on_one_journal_lose_and_double_nothing(tmp_path: Path) -> None:
    path = write_caiman(components(), tmp_path / "result.hdf5")
    rounds = 40
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(path), name, str(rounds)],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in ("anna", "bert")
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        _, said = racer.communicate(timeout=280)
        assert racer.returncode == 0, said
    cur = open_curation(path)
    assert cur.journal_problem == ""
    assert [edit.number for edit in cur.history] == list(range(1, 2 * rounds + 1))
    assert cur.tags(0) == {f"{name} {i}" for name in ("anna", "bert") for i in range(rounds)}


def test_looking_is_no_edit_and_hinders_no_other_window(tmp_path: Path) -> None:
    one, two = open_in(tmp_path), open_in(tmp_path)
    one.mark_seen([0, 1])
    two.accept(2)
    one_again = open_in(tmp_path)
    two.mark_seen(np.array([False, False, True, False, False, True]))
    one.mark_seen(4)
    assert open_in(tmp_path).seen.tolist() == [True, True, True, False, True, True]
    one_again.accept(3)
    assert len((tmp_path / "c.jsonl").read_text().splitlines()) == 2
    (tmp_path / "c.seen").write_bytes(b"3\n\0\0\xff\nx\n-1\n99999999999999\n1")
    assert np.flatnonzero(open_in(tmp_path).seen).tolist() == [1, 3]


def test_ids_looked_at_in_a_journal_of_an_earlier_version_are_remembered(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"seen": [1, 4], "who": "anna"}\n')
    cur = open_in(tmp_path)
    assert np.flatnonzero(cur.seen).tolist() == [1, 4]
    assert cur.journal_problem == ""


def test_a_place_that_cannot_be_written_forgets_only_what_was_looked_at(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cur = open_in(tmp_path)
    (tmp_path / "c.seen").mkdir()
    cur.mark_seen([0])
    cur.mark_seen([1])
    assert cur.seen[:2].all()
    assert len(caplog.records) == 1
    cur.accept(0)


def test_a_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "item").mkdir()
    cur = open_in(tmp_path / "item")
    (tmp_path / "item").rmdir()
    with pytest.raises(CurationError, match="writable"):
        cur.accept(0)
    assert not (tmp_path / "item").exists()
    assert not cur.decisions.any()


def test_text_that_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    cur = open_in(tmp_path)
    with pytest.raises(CurationError, match="not made"):
        cur.note(0, "\ud800")
    assert cur.history == []
    assert not (tmp_path / "c.jsonl").exists()


@pytest.mark.parametrize("id_", [N, -1, 2**70])
def test_tags_and_notes_of_an_id_that_never_was_there_are_refused(tmp_path: Path, id_: int) -> None:
    cur = open_in(tmp_path)
    cur.tag(0, "red")
    cur.delete(0)
    assert cur.tags(0) == {"red"}, "one that was deleted keeps its own"
    for read in (cur.tags, cur.note_of):
        with pytest.raises(CurationError, match="component"):
            read(id_)


@pytest.mark.parametrize("n_letters", [245, 250])
def test_a_result_whose_name_leaves_no_room_for_its_journal(tmp_path: Path, n_letters: int) -> None:
    """The name does for the result alone: permissions and room on the disk are not at fault."""
    path = tmp_path / f"{'r' * (n_letters - 5)}.hdf5"
    shutil.copy(Path(__file__).parents[1] / "data" / "result-2d.hdf5", path)
    with pytest.raises(CurationError, match="a name of at most 200 letters") as caught:
        open_curation(path)
    assert "permissions" not in str(caught.value)
    components = read_caiman(path)
    with pytest.raises(ResultError, match="a name of at most 200 letters"):
        write_caiman(components, path.with_name(f"{'s' * (n_letters - 5)}.hdf5"))


@pytest.mark.parametrize("takes_folder", [False, True])
def test_a_curation_whose_result_was_removed_can_be_saved(
    tmp_path: Path, takes_folder: bool
) -> None:
    (folder := tmp_path / "item").mkdir()
    path = folder / "r.hdf5"
    shutil.copy(Path(__file__).parents[1] / "data" / "result-2d.hdf5", path)
    cur = open_curation(path)
    chosen = int(cur.ids[cur.accepted][0])
    cur.reject([chosen])
    if takes_folder:
        shutil.rmtree(folder)
        with pytest.raises(CurationError, match="Put the folder back, or export or save"):
            cur.accept([chosen])
    else:
        path.unlink()
    again = open_curation(save_curated(cur, tmp_path / "saved.hdf5"))
    assert again.accepted.tolist() == cur.accepted.tolist()
    assert chosen not in again.ids[again.accepted]
