"""A walk over random edits, undos and reopenings against a plain model; the journal's safety."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from napari_cnmf.errors import CurationError, ParameterError
from napari_cnmf.io.curation import FileArrayStore, FileJournal, FileSeenIds
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Decision, EditedComponent

DIMS = (6, 9)
N = 7


def make_components() -> Components:
    rng = np.random.default_rng(0)
    A = sp.random(54, N, 0.2, "csc", np.float32, random_state=rng)
    C = rng.random((N, 20), dtype=np.float32)
    return Components(
        A=A,
        C=C,
        S=C * 0.5,
        YrA=C * 0.1,
        dims=DIMS,
        snr=np.linspace(0.6, 6, N),
        r_values=np.full(N, 0.5),
        g=np.full((N, 1), 0.9),
        params={"quality": {"min_SNR": 2.5, "use_cnn": False}},
    )


class SumEstimator:
    """A merge is the sum, a split halves the pixels: enough to see that arrays stay in step."""

    def merge(self, components, rows):
        footprint = np.asarray(components.A[:, rows].sum(axis=1)).ravel()
        pixels = np.flatnonzero(footprint)
        return EditedComponent(
            pixels, footprint[pixels].astype(np.float32), components.C[rows].sum(axis=0), snr=9.0
        )

    def split(self, components, row, parts):
        pixels = components.A[:, [row]].indices
        halves = parts if parts is not None else np.array_split(pixels, 2)
        return [self.add(components, half) for half in halves]

    def add(self, components, pixels):
        return EditedComponent(
            np.asarray(pixels),
            np.ones(len(pixels), np.float32),
            np.zeros(components.n_frames, np.float32),
            snr=1.0,
        )

    def redraw(self, components, row, pixels):
        return self.add(components, pixels)

    def find(self, components, pixels):
        return [self.add(components, half) for half in np.array_split(pixels, 2)]


def open_in(folder: Path) -> Curation:
    return Curation(
        make_components(),
        journal=FileJournal(folder / "c.jsonl"),
        arrays=FileArrayStore(folder / "c.h5"),
        seen=FileSeenIds(folder / "c.seen"),
        estimator=SumEstimator(),
        who="anna",
    )


def picture(cur: Curation) -> tuple:
    """Everything that an edit can change, as one comparable value."""
    components = cur.components
    return (
        cur.ids.tolist(),
        cur.decisions.tolist(),
        cur.accepted.tolist(),
        [(sorted(cur.tags(i)), cur.note_of(i)) for i in cur.ids.tolist()],
        cur.quality.min_SNR,
        components.A.sum(axis=0).round(4).tolist(),
        components.C.sum(axis=1).round(4).tolist(),
        np.round(components.snr, 4).tolist(),
    )


class CurationWalk(RuleBasedStateMachine):
    """The plain model is a list of pictures: undo must show the one before, redo the one after.

    Every picture is also kept by the number of its edit, which any other place must lead back to.
    """

    @initialize(folder=st.just(None))
    def start(self, folder):
        import tempfile

        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.cur = open_in(self.folder)
        self.pictures = [picture(self.cur)]
        self.numbers, self.at = [0], 0
        self.left_last = {}
        self.by_number = {0: self.pictures[0]}
        self.used = set(range(N))
        self.looked_at = set()

    def teardown(self):
        self.temporary.cleanup()

    def _edited(self):
        """Note what stands now; what stood already was no edit."""
        if self.cur.here == self.numbers[self.at]:
            assert picture(self.cur) == self.pictures[self.at]
            return
        self.left_last[self.numbers[self.at]] = self.cur.here
        del self.pictures[self.at + 1 :], self.numbers[self.at + 1 :]
        self.pictures.append(picture(self.cur))
        self.numbers.append(self.cur.here)
        self.by_number[self.cur.here] = self.pictures[-1]
        self.used.update(self.cur.ids.tolist())
        self.at += 1

    def _some(self, data, n=1):
        ids = self.cur.ids.tolist()
        return data.draw(st.lists(st.sampled_from(ids), min_size=n, max_size=3, unique=True))

    @rule(data=st.data(), kind=st.sampled_from(["accept", "reject", "unsure", "auto", "delete"]))
    def decide(self, data, kind):
        if len(self.cur.ids) > 3:
            getattr(self.cur, kind)(self._some(data))
            self._edited()

    @rule(value=st.floats(0, 10))
    def threshold(self, value):
        by_hand = self.cur.decisions != Decision.AUTO
        before = self.cur.accepted[by_hand & (self.cur.decisions != Decision.UNSURE)]
        self.cur.set_thresholds(min_SNR=value)
        after = self.cur.accepted[by_hand & (self.cur.decisions != Decision.UNSURE)]
        assert before.tolist() == after.tolist()
        self._edited()

    @rule(data=st.data(), tag=st.sampled_from(["red", "pyramidal"]))
    def tag(self, data, tag):
        self.cur.tag(self._some(data), tag)
        self._edited()

    @rule(data=st.data(), text=st.text(max_size=5))
    def note(self, data, text):
        self.cur.note(self._some(data), text)
        self._edited()

    @rule(data=st.data())
    def merge(self, data):
        if len(self.cur.ids) > 3:
            ids = self._some(data, 2)
            total = self.cur.components.C[[self.cur.row_of(i) for i in ids]].sum()
            new = self.cur.merge(ids)
            assert self.cur.components.C[self.cur.row_of(new)].sum() == pytest.approx(
                total, rel=1e-4
            )
            assert not set(ids) & set(self.cur.ids.tolist())
            self._edited()

    @rule(data=st.data())
    def split(self, data):
        self.cur.split(self._some(data)[0])
        self._edited()

    @rule(data=st.data())
    def redraw(self, data):
        self.cur.redraw(self._some(data)[0], np.array([1, 2, 3]))
        self._edited()

    @rule(data=st.data(), pixels=st.sets(st.integers(0, 53), min_size=1, max_size=6))
    def add(self, data, pixels):
        new = self.cur.add(np.array(sorted(pixels)))
        assert new == max(self.used) + 1, "no id is used twice"
        self._edited()

    @rule()
    def find(self):
        assert len(self.cur.find(np.arange(20))) == 2
        self._edited()

    @rule(data=st.data())
    def trim(self, data):
        id_ = self._some(data)[0]
        mine = self.cur.components.A[:, [self.cur.row_of(id_)]].indices
        if mine.size > 1:
            self.cur.trim(id_, mine[:1])
            assert self.cur.components.A[:, [self.cur.row_of(id_)]].nnz == mine.size - 1
            self._edited()

    @rule(data=st.data())
    def restore(self, data):
        if self.cur.deleted:
            id_ = data.draw(st.sampled_from(self.cur.deleted))
            self.cur.restore(id_)
            assert id_ in self.cur.ids
            self._edited()

    @rule(data=st.data())
    def untag(self, data):
        self.cur.untag(self._some(data), "red")
        self._edited()

    @rule(data=st.data())
    def look(self, data):
        """No edit: it changes no picture, and neither undo nor reopening forgets it."""
        ids = self._some(data)
        self.cur.mark_seen(ids)
        self.looked_at.update(ids)

    @rule(data=st.data())
    def go_to(self, data):
        number = data.draw(st.sampled_from([0, *(e.number for e in self.cur.history)]))
        self.cur.go_to(number)
        assert self.cur.here == number
        assert picture(self.cur) == self.by_number[number]
        self.numbers = [0, *(e.number for e in self.cur.applied)]
        self.at = len(self.numbers) - 1
        self.left_last.update(pairwise(self.numbers))
        # redo leads on, at each edit, to the one after it that was left last
        while self.numbers[-1] in self.left_last:
            self.numbers.append(self.left_last[self.numbers[-1]])
        self.pictures = [self.by_number[n] for n in self.numbers]

    @rule()
    def undo(self):
        assert self.cur.undo() is (self.at > 0)
        self.at = max(0, self.at - 1)

    @rule()
    def redo(self):
        # a redo after an edit on an undone state leads nowhere: the edit started a branch
        assert self.cur.redo() is (self.at + 1 < len(self.pictures))
        self.at = min(len(self.pictures) - 1, self.at + 1)

    @rule()
    def reopen(self):
        self.cur = open_in(self.folder)

    @invariant()
    def shows_what_the_model_says(self):
        if hasattr(self, "pictures"):
            assert picture(self.cur) == self.pictures[self.at]
            seen = set(self.cur.ids[self.cur.seen].tolist())
            assert seen == self.looked_at & set(self.cur.ids.tolist())


CurationWalk.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestCurationWalk = CurationWalk.TestCase


def test_redo_leads_to_what_was_left_last_on_a_branch_gone_back_to():
    cur = Curation(make_components())
    cur.accept(0)
    cur.accept(1)
    for wrong in (True, 1.0, "1", None, -1, 99, np.float64(1)):
        with pytest.raises(CurationError, match=r"history"):
            cur.go_to(wrong)
    cur.go_to(0)
    cur.accept(2)  # a branch beside the first two
    cur.go_to(1)
    assert cur.redo()
    assert cur.here == 2
    assert not cur.redo()


def test_no_threshold_changes_a_decision_made_by_hand():
    cur = Curation(make_components())
    cur.accept(0)
    cur.reject([N - 1])
    cur.set_thresholds(min_SNR=100, SNR_lowest=50)
    assert cur.accepted.tolist() == [True] + [False] * (N - 1)
    cur.set_thresholds(min_SNR=0, SNR_lowest=0)
    assert cur.accepted.tolist() == [True] * (N - 1) + [False]


def test_unsure_keeps_the_side_of_the_thresholds():
    cur = Curation(make_components())
    cur.unsure([0, N - 1])
    assert not cur.accepted[0]
    assert cur.accepted[N - 1]


def test_an_id_is_never_used_twice_also_across_branches():
    cur = Curation(make_components(), estimator=SumEstimator())
    first = cur.merge([0, 1])
    cur.undo()
    second = cur.merge([2, 3])
    assert (first, second) == (N, N + 1)
    cur.go_to(1)
    assert N in cur.ids
    assert N + 1 not in cur.ids


def test_the_history_reads_as_sentences_and_every_point_can_be_gone_back_to():
    cur = Curation(make_components(), who="anna")
    cur.reject([3, 5])
    cur.set_thresholds(min_SNR=3)
    assert [e.describe() for e in cur.applied] == ["reject 3, 5", "set_thresholds min_SNR=3"]
    assert cur.applied[0].who == "anna"
    assert cur.applied[0].time
    cur.go_to(0)
    assert cur.applied == []
    assert len(cur.history) == 2


def test_a_torn_last_line_is_the_only_loss(tmp_path):
    cur = open_in(tmp_path)
    cur.accept(0)
    cur.reject(1)
    path = tmp_path / "c.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    cur = open_in(tmp_path)
    assert cur.decisions[:2].tolist() == [Decision.ACCEPTED, Decision.AUTO]
    cur.reject(2)
    again = open_in(tmp_path)
    assert again.decisions[:3].tolist() == [Decision.ACCEPTED, Decision.AUTO, Decision.REJECTED]


def test_two_windows_on_one_result_do_not_mix_their_histories(tmp_path):
    one, two = open_in(tmp_path), open_in(tmp_path)
    one.accept(0)
    with pytest.raises(CurationError, match="another window"):
        two.reject(0)
    assert len((tmp_path / "c.jsonl").read_text().splitlines()) == 1
    assert two.decisions[0] == Decision.AUTO


def test_a_window_that_is_behind_leaves_the_arrays_of_the_other_alone(tmp_path):
    one, two = open_in(tmp_path), open_in(tmp_path)
    one.merge([0, 1])
    drawn = picture(one)
    with pytest.raises(CurationError, match="another window"):
        two.redraw(3, np.array([1, 2]))
    assert picture(open_in(tmp_path)) == drawn


def test_arrays_go_on_in_another_file_where_one_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_cnmf.io.curation.arrays._FULL_BYTES", 10_000)
    cur = open_in(tmp_path)
    for i in range(12):
        cur.redraw(i % N, np.array([i, i + 1]))
    assert (tmp_path / "c.part2.h5").exists()
    again = open_in(tmp_path)
    assert picture(again) == picture(cur)
    while again.undo():
        pass
    assert picture(again) == picture(Curation(make_components()))


def test_every_line_is_plain_json_with_who_when_what(tmp_path):
    cur = open_in(tmp_path)
    cur.tag(np.array([1, 2]), "red")
    line = json.loads((tmp_path / "c.jsonl").read_text())
    assert line["edit"] == "tag"
    assert line["ids"] == [1, 2]
    assert line["who"] == "anna"
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.accept(99), "no component 99"),
        (lambda c: c.merge([1, 1]), "two components"),
        (lambda c: c.restore([1]), "Only deleted"),
        (lambda c: c.add(np.array([], dtype=int)), "at least one pixel"),
        (lambda c: c.tag(1, " "), "must have a name"),
    ],
)
def test_edits_that_make_no_sense_say_so_and_change_nothing(edit, message):
    cur = Curation(make_components(), estimator=SumEstimator())
    with pytest.raises(CurationError, match=message):
        edit(cur)
    assert cur.history == []


def test_an_unknown_threshold_is_refused():
    cur = Curation(make_components())
    with pytest.raises(ParameterError, match="min_SNR"):
        cur.set_thresholds(min_snr=3)
    assert cur.history == []


def test_a_decision_over_ten_thousand_touches_arrays_only_once():
    n = 10_000
    cur = Curation(
        Components(A=sp.csc_matrix((4, n), dtype=np.float32), C=np.zeros((n, 2)), dims=(2, 2))
    )
    calls = []
    cur.on_change(lambda: calls.append(1))
    cur.accept(range(n))
    assert cur.accepted.all()
    assert len(calls) == 1


@pytest.mark.parametrize("wrong", [None, 3, "x", [3], {}, np.zeros(2)])
def test_wrong_types_are_said_in_one_sentence(wrong: object) -> None:
    cur = Curation(make_components(), estimator=SumEstimator())
    with pytest.raises(CurationError, match=r"cur\.shape_edits estimated is needed"):
        cur.commit(wrong)  # type: ignore[arg-type]
    if isinstance(wrong, int):
        return  # a number is one
    with pytest.raises(CurationError, match="level must be a number"):
        cur.contours(level=wrong)  # type: ignore[arg-type]
    for name in ("min_overlap", "min_correlation"):
        with pytest.raises(CurationError, match=f"{name} must be a number"):
            cur.suggest_merges(**{name: wrong})  # type: ignore[arg-type]
    assert not cur.history
