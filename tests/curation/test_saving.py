"""A curated result as a file: what others see in it, and what is still there to undo."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

import napari_cnmf as nc
from napari_cnmf.errors import CurationError
from napari_cnmf.io.caiman import read_caiman, write_caiman
from napari_cnmf.io.curation import (
    MAIN,
    journal_paths,
    journals_of,
    open_curation,
    save_curated,
)
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Decision

DIMS, N, T = (9, 14), 6, 60


def components() -> Components:
    rng = np.random.default_rng(0)
    A = np.zeros((*DIMS, N), np.float32)
    for k in range(N):
        A[1 + k // 3 * 4 : 4 + k // 3 * 4, 1 + k % 3 * 4 : 4 + k % 3 * 4, k] = 1 / 3
    C = np.abs(rng.normal(size=(N, T))).cumsum(axis=1).astype(np.float32) % 9
    return Components(
        A=sp.csc_matrix(A.reshape(-1, N)),
        C=C,
        S=np.maximum(np.diff(C, axis=1, prepend=0), 0),
        YrA=rng.normal(size=(N, T)).astype(np.float32),
        b=np.ones((int(np.prod(DIMS)), 1), np.float32),
        f=np.ones((1, T), np.float32),
        dims=DIMS,
        snr=np.linspace(1, 6, N),
        r_values=np.full(N, 0.5),
        classes=np.array(["soma"] * 5 + ["process"]),
        accepted=np.linspace(1, 6, N) > 2.5,
        frame_rate_hz=10.0,
        params={"quality": {"min_SNR": 2.5, "rval_thr": 0.8}},
    )


@pytest.fixture
def curated(tmp_path: Path) -> Curation:
    path = write_caiman(components(), tmp_path / "engine.hdf5")
    cur = open_curation(path, curator=None)
    cur.accept(0)
    cur.reject([2, 3])
    cur.unsure(1)
    cur.tag(4, "red")
    cur.note(4, "läuft")
    cur.merge([3, 4])
    cur.set_thresholds(min_SNR=4.0)
    return cur


def picture(cur: Curation) -> tuple:
    return (
        cur.ids.tolist(),
        cur.decisions.tolist(),
        cur.accepted.tolist(),
        [(sorted(cur.tags(i)), cur.note_of(i)) for i in cur.ids.tolist()],
        cur.quality,
        cur.components.A.toarray().tolist(),
        cur.components.C.tolist(),
        np.asarray(cur.components.snr).tolist(),
        cur.components.classes.tolist(),
    )


def test_others_see_the_curated_state(curated: Curation, tmp_path: Path) -> None:
    path = save_curated(curated, tmp_path / "curated.hdf5")
    with h5py.File(path) as file:
        estimates = file["estimates"]
        n = len(curated.ids)
        assert estimates["idx_components"][()].tolist() == np.flatnonzero(curated.accepted).tolist()
        both = [*estimates["idx_components"][()], *estimates["idx_components_bad"][()]]
        assert sorted(both) == list(range(n))
        assert estimates["accepted_list"][()].tolist() == [0]
        # 3 was rejected by hand, and so is what it was merged into
        assert estimates["rejected_list"][()].tolist() == [2, 4]
        for name in ("C", "S", "YrA", "SNR_comp", "r_values"):
            assert len(estimates[name]) == n, name
        assert file["params/quality/min_SNR"][()] == 4.0


def test_opened_again_it_is_the_same_and_is_not_replayed_twice(
    curated: Curation, tmp_path: Path
) -> None:
    path = save_curated(curated, tmp_path / "curated.hdf5")
    again = open_curation(path)
    assert picture(again) == picture(curated)
    assert [e.describe() for e in again.applied] == [e.describe() for e in curated.applied]


def test_every_edit_can_be_undone_after_saving(curated: Curation, tmp_path: Path) -> None:
    again = open_curation(save_curated(curated, tmp_path / "curated.hdf5"))
    while again.undo():
        assert curated.undo()
        assert picture(again) == picture(curated)
    assert not curated.can_undo
    np.testing.assert_array_equal(again.components.A.toarray(), components().A.toarray())
    assert again.accepted.tolist() == components().accepted.tolist()
    while again.redo():
        curated.redo()
    assert picture(again) == picture(curated)


def test_edits_after_saving_go_on_beside_the_file(curated: Curation, tmp_path: Path) -> None:
    path = save_curated(curated, tmp_path / "curated.hdf5")
    first = open_curation(path)
    first.accept(5)
    before = path.read_bytes()
    second = open_curation(path)
    assert picture(second) == picture(first)
    assert path.read_bytes() == before
    # Saved once more under the same name by the one it came from: what lay beside is not replayed.
    curated.reject(5)
    save_curated(curated, path)
    assert open_curation(path).decisions[-2] == Decision.REJECTED


def test_a_file_that_another_program_decided_on_since_is_a_new_result(
    curated: Curation, tmp_path: Path
) -> None:
    path = save_curated(curated, tmp_path / "curated.hdf5")
    with h5py.File(path, "a") as file:
        del file["estimates/idx_components"], file["estimates/idx_components_bad"]
        file["estimates/idx_components"] = np.arange(2)
        file["estimates/idx_components_bad"] = np.arange(2, len(curated.ids))
    again = open_curation(path)
    assert again.history == []
    assert again.accepted.tolist() == [True, True] + [False] * (len(curated.ids) - 2)


def test_the_file_it_came_from_is_never_overwritten(curated: Curation, tmp_path: Path) -> None:
    before = (tmp_path / "engine.hdf5").read_bytes()
    with pytest.raises(CurationError, match="name of its own"):
        save_curated(curated, tmp_path / "engine.hdf5")
    assert (tmp_path / "engine.hdf5").read_bytes() == before


def test_the_public_name_takes_a_curation(curated: Curation, tmp_path: Path) -> None:
    nc.write_caiman(curated, tmp_path / "curated.hdf5")
    assert read_caiman(tmp_path / "curated.hdf5").n_components == len(curated.ids)


def test_nothing_curated_is_saved_as_it_was(tmp_path: Path) -> None:
    cur = open_curation(write_caiman(components(), tmp_path / "engine.hdf5"))
    saved = read_caiman(save_curated(cur, tmp_path / "saved.hdf5"))
    assert saved.accepted.tolist() == components().accepted.tolist()
    assert saved.attributes["accepted_list"] == []


def test_the_size_that_other_programs_ask_for_is_written(curated: Curation, tmp_path: Path) -> None:
    sized = curated.components.params | {"init": {"gSig": (3, 4), "gSiz": None}}
    path = write_caiman(curated.components.replace(params=sized), tmp_path / "sized.hdf5")
    with h5py.File(path) as file:
        assert np.asarray(file["params/init/gSiz"]).tolist() == [7, 9]
    assert read_caiman(path).params["init"] == {"gSig": (3, 4), "gSiz": None}


def test_a_result_made_again_under_its_name_takes_no_edit_of_the_earlier_one(
    tmp_path: Path,
) -> None:
    path = write_caiman(components(), tmp_path / "r.hdf5")
    first = open_curation(path)
    first.reject(0)
    first.note(1, "of the first")
    earlier = path.read_bytes()
    path.unlink()
    write_caiman(components().take(list(range(N))[::-1]), path)
    second = open_curation(path)
    assert second.decisions.tolist() == [Decision.AUTO] * N
    assert "about another result" in second.journal_problem
    second.reject(3)
    again = open_curation(path)
    assert np.flatnonzero(again.decisions == Decision.REJECTED).tolist() == [3]
    path.write_bytes(earlier)
    back = open_curation(path)
    assert np.flatnonzero(back.decisions == Decision.REJECTED).tolist() == [0]
    assert back.note_of(1) == "of the first"
    assert back.journal_problem == ""
    assert set(journals_of(back)) == {MAIN}


def test_verdicts_and_scores_that_are_computed_again_keep_the_journal(tmp_path: Path) -> None:
    path = write_caiman(components(), tmp_path / "r.hdf5")
    open_curation(path).reject(0)
    path.unlink()
    write_caiman(components().replace(snr=np.full(N, 9.0), accepted=np.ones(N, bool)), path)
    again = open_curation(path)
    assert again.decisions[0] == Decision.REJECTED
    assert again.journal_problem == ""


@pytest.mark.parametrize(
    "name", ["../away", "a/b", "a\\b", "a\0b", "a\nb", " ", "x" * 300, "of-0123abcd", "C:x"]
)
def test_a_curator_whose_name_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    path = write_caiman(components(), tmp_path / "r.hdf5")
    with pytest.raises(CurationError, match="A curator's name"):
        open_curation(path, curator=name)


def test_read_only_results_in_folders_of_one_name_have_journals_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_args: False)
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_args, **_kwargs: tmp_path)
    one, other = tmp_path / "a/out/r.hdf5", tmp_path / "b/out/r.hdf5"
    assert journal_paths(one) != journal_paths(other)
    assert journal_paths(one) == journal_paths(one)
