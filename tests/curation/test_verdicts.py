"""What is accepted: by the engine, by thresholds, by hand, and after a merge."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import napari_cnmf as nc
from napari_cnmf.errors import CnmfError, ParameterError, ResultError
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.curation import open_curation, save_curated
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Decision, EditedComponent
from napari_cnmf.model.curation.stored import MemoryJournal

N, N_FRAMES = 6, 40


def components(**changes: object) -> Components:
    rng = np.random.default_rng(0)
    C = rng.random((N, N_FRAMES), dtype=np.float32)
    return Components(
        A=sp.csc_matrix(np.kron(np.eye(N), np.full((4, 1), 0.5)).astype(np.float32)),
        C=C, S=C, YrA=C * 0, dims=(4, 6),
        snr=np.arange(1.0, N + 1), r_values=np.full(N, 0.5),
        accepted=np.arange(N) % 2 == 0,
        params={"quality": {"min_SNR": 2.5}},
    ).replace(**changes)  # fmt: skip


class Good:
    """An estimator whose components pass any threshold."""

    def merge(self, components, rows):
        return EditedComponent(
            np.arange(8), np.ones(8, np.float32), components.C[0], snr=99.0, r_value=0.99
        )


DECISIONS = {
    Decision.AUTO: lambda cur, i: None,
    Decision.ACCEPTED: lambda cur, i: cur.accept(i),
    Decision.REJECTED: lambda cur, i: cur.reject(i),
    Decision.UNSURE: lambda cur, i: cur.unsure(i),
}


@pytest.mark.parametrize("made", list(itertools.product(Decision, repeat=3)))
def test_a_merge_keeps_what_was_decided_by_hand(made: tuple[Decision, ...]) -> None:
    journal = MemoryJournal()
    cur = Curation(components(), estimator=Good(), journal=journal)
    for i, decision in enumerate(made):
        DECISIONS[decision](cur, i)
    new = cur.merge([0, 1, 2])
    row = cur.row_of(new)
    decision = Decision(int(cur.decisions[row]))
    if Decision.REJECTED in made:
        assert decision is Decision.REJECTED
        assert not cur.accepted[row]
    elif Decision.UNSURE in made:
        assert decision is Decision.UNSURE
    elif Decision.ACCEPTED in made:
        assert decision is Decision.ACCEPTED
    else:
        assert decision is Decision.AUTO
    cur.undo()
    assert cur.decisions[:3].tolist() == list(made)
    cur.redo()
    assert Decision(int(cur.decisions[row])) is decision
    cur.accept(new)
    assert cur.accepted[row], "a decision made after the merge stands"


def test_a_merge_in_a_journal_of_an_earlier_version_means_what_it_meant() -> None:
    journal = MemoryJournal()
    cur = Curation(components(), estimator=Good(), journal=journal)
    cur.reject(0)
    cur.merge([0, 1])
    arrays = cur._log._arrays
    lines = journal.lines()
    del lines[1]["value"]
    old = MemoryJournal()
    old.rewrite(lines)
    again = Curation(components(), journal=old, arrays=arrays)
    assert again.decisions[-1] == Decision.AUTO


def test_thresholds_without_scores_leave_the_verdict_and_say_so() -> None:
    nan = np.full(N, np.nan)
    for none in ({"snr": None, "r_values": None}, {"snr": nan, "r_values": nan}):
        cur = Curation(components(**none), estimator=Good())
        before = cur.accepted
        with pytest.warns(UserWarning, match="no scores"):
            cur.set_thresholds(min_SNR=0.1, rval_thr=-1)
        assert cur.accepted.tolist() == before.tolist() == components().accepted.tolist()
        assert cur.history == []
        assert cur.preview_thresholds(min_SNR=50).tolist() == before.tolist()
        new = cur.merge([0, 1])
        assert cur.accepted[cur.ids < N].tolist() == before[2:].tolist()
        assert cur.accepted[cur.row_of(new)]


def test_thresholds_judge_by_the_scores_that_are_there() -> None:
    cur = Curation(components(r_values=None))
    cur.set_thresholds(min_SNR=4.5)
    assert cur.accepted.tolist() == [False] * 4 + [True] * 2
    cur = Curation(components(snr=None, r_values=np.linspace(0, 1, N)))
    cur.set_thresholds(rval_thr=0.7)
    assert cur.accepted.tolist() == [False] * 4 + [True] * 2
    cur = Curation(components(snr=None, r_values=None, cnn_preds=np.linspace(0, 1, N)))
    cur.set_thresholds(min_cnn_thr=0.7)
    assert cur.accepted.tolist() == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_SNR": float("nan")}, {"min_SNR": np.inf}, {"SNR_lowest": -np.inf}, {"min_SNR": None},
        {"min_SNR": "many"}, {"rval_thr": 7}, {"rval_thr": np.nan}, {"min_cnn_thr": -0.1},
        {"max_ecc": 0}, {"use_ecc": None}, {"min_snr": 3}, {"min_SNR": [1, 2]}, {"min_SNR": 3 + 1j},
        {"min_SNR": 1, "rval_thr": 2}, {"min_SNR": object()}, {"min_SNR": np.float32("nan")},
        {"min_SNR": True}, {"rval_thr": False}, {"cnn_lowest": np.True_}, {"gSig_range": (True, 4)},
        {"min_SNR": -3}, {"min_SNR": np.int8(-1)}, {"min_SNR": "3"}, {"max_ecc": "2,5"},
        {"min_SNR": b"3"}, {"cnn_lowest": "none"}, {"SNR_lowest": np.array(True)},
    ],
)  # fmt: skip
def test_absurd_thresholds_are_refused_and_change_nothing(wrong: dict[str, object]) -> None:
    cur = Curation(components())
    before = cur.accepted.tolist()
    with pytest.raises(ParameterError):
        cur.set_thresholds(**wrong)
    with pytest.raises(ParameterError):
        cur.preview_thresholds(**wrong)
    assert cur.history == []
    assert cur.accepted.tolist() == before


def test_the_same_decision_again_is_no_edit() -> None:
    cur = Curation(components())
    told: list[int] = []

    def twice() -> None:
        cur.accept([0, 1])
        cur.reject(cur.ids == 2)
        cur.unsure(3)
        cur.tag([4, 5], "red")
        cur.note(4, "look")
        cur.set_thresholds(min_SNR=3)
        cur.set_thresholds(min_SNR=3.0)
        cur.accept([])
        cur.auto(5)
        cur.untag(0, "blue")
        cur.note(0, "")

    twice()
    assert len(cur.history) == 6
    lines = cur.journal_lines()
    cur.on_change(lambda: told.append(1))
    twice()
    assert cur.journal_lines() == lines
    assert told == []
    cur.accept([1, 2])
    assert cur.history[-1].ids == (2,), "what was accepted before is left out"


def test_the_verdict_of_the_engine_has_a_name_of_its_own(tmp_path: Path) -> None:
    path = write_caiman(components(), tmp_path / "result.hdf5")
    first = open_curation(path)
    engine = first.engine_accepted.tolist()
    first.reject([0, 2])
    first.accept(1)
    assert first.components.accepted.tolist() == first.accepted.tolist()
    assert first.accepted.tolist() != engine
    again = open_curation(path)
    assert again.engine_accepted.tolist() == engine == components().accepted.tolist()
    again.undo(), again.undo()
    assert again.components.accepted.tolist() == engine
    saved = open_curation(save_curated(first, tmp_path / "saved.hdf5"))
    assert saved.engine_accepted.tolist() == engine
    assert saved.accepted.tolist() == first.accepted.tolist()


def test_decisions_alone_do_not_copy_the_components() -> None:
    cur = Curation(components())
    assert cur.components is cur.original
    cur.reject(0)
    assert cur.components.A is cur.original.A
    assert cur.components.C is cur.original.C
    assert cur.components is cur.components
    assert not cur.has_shape_edits


def test_arrays_of_components_are_read_only_and_those_of_the_caller_are_not() -> None:
    C = np.ones((2, 3), np.float32)
    A = sp.csc_matrix(np.eye(4, 2, dtype=np.float32))
    image = np.zeros((2, 2), np.float32)
    made = Components(A=A, C=C, S=C.copy(), dims=(2, 2), snr=np.ones(2), images={"mean": image})
    for array in (made.C, made.S, made.snr, made.A.data, made.A.indices, made.images["mean"]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    C[:] = 2
    A.data[:] = 3
    image[:] = 1
    cur = Curation(components())
    cur.reject(0)
    with pytest.raises(ValueError, match="read-only"):
        cur.components.accepted[0] = True
    with pytest.raises(ValueError, match="read-only"):
        cur.take([1]).C[0] = 0


def test_the_table_has_one_row_a_component_and_one_name_a_score() -> None:
    cur = Curation(components(classes=np.array(["soma"] * N), cnn_preds=np.linspace(0, 1, N)))
    cur.delete(1)
    cur.reject(3)
    cur.tag([0, 2], "red")
    cur.tag(0, "blue")
    cur.note(5, "läuft")
    table = cur.df
    assert list(table.columns) == [
        "id", "accepted", "engine_accepted", "decision", "class", "p_soma", "snr", "r_value",
        "area_px", "n_events", "tags", "note",
    ]  # fmt: skip
    assert table.id.tolist() == table.index.tolist() == [0, 2, 3, 4, 5]
    assert table.loc[3, "decision"] == "rejected"
    assert table.tags.tolist() == ["blue; red", "red", "", "", ""]
    assert table.loc[5, "note"] == "läuft"
    assert table.accepted.tolist() == cur.accepted.tolist()
    empty = Curation(Components(A=sp.csc_matrix((4, 0), dtype=np.float32), C=np.zeros((0, 3)),
                                dims=(2, 2))).df  # fmt: skip
    assert isinstance(empty, pd.DataFrame)
    assert empty.empty


@pytest.mark.parametrize("n_axes", [2, 3])
def test_notebooks_show_a_picture(n_axes: int) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    dims = (4, 6) if n_axes == 2 else (2, 2, 6)
    cur = Curation(components(dims=dims), who="anna", path=Path("<b>.hdf5"))
    cur.reject(0)
    for html in (cur._repr_html_(), cur.components._repr_html_(), components()._repr_html_()):
        assert "data:image/png;base64," in html
        assert "<b>.hdf5" not in html
    assert "<td>rejected</td>" in cur._repr_html_()
    place = (0,) * n_axes
    assert "component 0" in nc.explain_place(cur, place)._repr_html_()
    ax = cur.plot_contours()
    assert sum(len(c.get_paths()) for c in ax.collections) >= N
    assert len(cur.plot_traces([4, 2]).lines) == 2
    for kind in ("raw", "denoised", "dff", "spikes"):
        assert len(cur.plot_raster(kind=kind).images) == 1
    with pytest.raises(ParameterError, match="kind"):
        cur.plot_traces(kind="loud")
    with pytest.raises(ParameterError, match="image"):
        cur.plot_contours(image="nothing")
    pyplot.close("all")
    nothing = Curation(Components(A=sp.csc_matrix((4, 0), dtype=np.float32), C=np.zeros((0, 3)),
                                  dims=(2, 2)))  # fmt: skip
    assert "img" in nothing._repr_html_()
    nothing.plot_contours(), nothing.plot_traces(), nothing.plot_raster()
    pyplot.close("all")


def test_background_and_residual_are_there_as_names() -> None:
    made = components(b=np.ones((24, 1), np.float32), f=np.full((1, N_FRAMES), 2, np.float32))
    movie = np.full((N_FRAMES, 4, 6), 5, np.float32)
    assert made.background[3].compute() == pytest.approx(2)
    left = made.residual(movie)[3].compute()
    np.testing.assert_allclose(left, movie[3] - 2 - made.denoised[3].compute(), atol=1e-5)
    with pytest.raises(ResultError, match="no background"):
        _ = components().background


def test_one_door_opens_every_result(tmp_path: Path) -> None:
    path = write_caiman(components(), tmp_path / "result.hdf5")
    cur = nc.open_result(str(path))
    cur.reject(0)
    assert nc.open_result(path).decisions[0] == Decision.REJECTED
    assert open_curation(str(path)).decisions[0] == Decision.REJECTED
    assert nc.open_result(cur) is cur
    assert nc.open_result(components()).history == []
    other = nc.open_result(path, curator="ann")
    assert not other.decisions.any()
    for nothing in (tmp_path / "none.hdf5", tmp_path, str(tmp_path / "x")):
        with pytest.raises(CnmfError):
            nc.open_result(nothing)
    with pytest.raises(ResultError, match="list"):
        nc.open_result([path])
    for name in ("Curation", "MatchedSessions", "Sample", "Column", "open_result"):
        assert name in nc.__all__
        assert getattr(nc, name).__name__ == name
