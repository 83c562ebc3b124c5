"""Learning from decisions: what is learnt, what it is worth, and files that are none."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.cli import main
from napari_cnmf.core.verdict.cell_model import shipped_model
from napari_cnmf.core.verdict.evaluate import with_verdict
from napari_cnmf.core.verdict.evidence import FIGURES
from napari_cnmf.core.verdict.learning import Learned, learn, read_learned
from napari_cnmf.errors import EarlierExportError, ExportError, ResultError
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.curation import open_curation
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.evaluation import worth_asking
from napari_cnmf.params import CNMFParams

N = 80


def scored(seed: int = 0, params: CNMFParams | None = None) -> Components:
    """Components that differ from typical somata at random; a user wants the wide ones alone."""
    rng = np.random.default_rng(seed)
    figures = shipped_model().typical + rng.normal(0, 0.3, (N, len(FIGURES))).astype(np.float32)
    plain = Components(
        A=sp.csc_matrix(np.eye(100, N, dtype=np.float32)), C=np.ones((N, 20), np.float32),
        dims=(10, 10), snr=np.full(N, 6.0), r_values=np.full(N, 0.9),
    )  # fmt: skip
    params = params or CNMFParams()
    return with_verdict(plain, figures.astype(np.float32), params)


def is_wanted(components: Components) -> np.ndarray:
    rows = components.attributes["evidence"]["values"]
    return np.array([row[FIGURES.index("told_width")] for row in rows]) > 0


def curated(n: int = 60, seed: int = 0) -> Curation:
    cur = Curation(scored(seed))
    wanted = is_wanted(cur.original)[:n]
    cur.accept(np.flatnonzero(wanted).tolist())
    cur.reject(np.flatnonzero(~wanted).tolist())
    return cur


def test_what_a_user_wants_is_learnt_and_holds_for_another_recording(tmp_path) -> None:
    learned = learn([curated(), curated(seed=1)])
    assert learned.n_decisions == 120
    assert learned.agreement > 0.85
    assert learned.agreement > learned.shipped_agreement + 0.1
    assert f"yours agrees with you in {round(learned.agreement * 120)} of 120" in str(learned)
    path = learned.save(tmp_path / "ours.json")
    assert read_learned(path) == learned
    with pytest.raises(EarlierExportError):
        learned.save(path)
    assert learned.save(path, overwrite=True) == path
    notes = tmp_path / "notes.json"
    notes.write_text('{"mine": 1}')
    with pytest.raises(ExportError):
        learned.save(notes, overwrite=True)
    assert notes.read_text() == '{"mine": 1}'
    params = CNMFParams().replace(quality={"learned": str(path)})
    other = scored(2, params)
    assert other.cnn_preds is not None
    agrees = (other.cnn_preds > 0.5) == is_wanted(other)
    shipped = (scored(2).cnn_preds > 0.5) == is_wanted(other)
    assert agrees.mean() > max(0.8, shipped.mean() + 0.1)
    # a result says what judged it
    assert other.attributes["learned"]["n_decisions"] == 120
    assert "learned" not in scored(2).attributes


def test_learning_again_starts_from_the_shipped_verdict(tmp_path) -> None:
    path = learn(curated()).save(tmp_path / "ours.json")
    params = CNMFParams().replace(quality={"learned": str(path)})
    again = Curation(scored(0, params))
    wanted = is_wanted(again.original)[:60]
    again.accept(np.flatnonzero(wanted).tolist())
    again.reject(np.flatnonzero(~wanted).tolist())
    assert learn(again).weights == pytest.approx(learn(curated()).weights, rel=1e-3)


@pytest.mark.parametrize("n", [0, 19])
def test_too_few_decisions_are_said(n: int) -> None:
    with pytest.raises(ResultError, match="at least 20 decisions"):
        learn(curated(n))


def test_decisions_of_one_kind_teach_nothing() -> None:
    cur = Curation(scored())
    cur.accept(list(range(40)))
    with pytest.raises(ResultError, match="40 accepted and 0 rejected"):
        learn(cur)


def test_a_result_without_evidence_is_refused() -> None:
    cur = Curation(scored().replace(attributes={}))
    with pytest.raises(ResultError, match="evidence"):
        learn(cur)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "not json",
        '{"format": "napari-cnmf-learned-1"}',
        json.dumps({"format": "other"}),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, tmp_path) -> None:
    path = tmp_path / "learned.json"
    path.write_text(text)
    with pytest.raises(ResultError, match=r"learn"):
        read_learned(path)
    with pytest.raises(ResultError, match="cannot be read"):
        read_learned(tmp_path / "none.json")


def test_numbers_that_do_not_fit_are_refused() -> None:
    good = json.loads(json.dumps({"format": "napari-cnmf-learned-1"} | vars(learn(curated()))))
    assert Learned.from_dict(good).n_decisions == 60
    for change in ({"weights": [1.0]}, {"offset": float("nan")}, {"figures": ["shoe size"]}):
        with pytest.raises(ResultError):
            Learned.from_dict(good | change)


def test_the_command_line_learns_from_several_results(tmp_path, capsys) -> None:
    paths = []
    for seed in range(2):
        cur = curated(30, seed)
        paths.append(write_caiman(cur.original, tmp_path / f"{seed}.hdf5"))
        with_journal = open_curation(paths[-1])
        wanted = is_wanted(cur.original)[:30]
        with_journal.accept(np.flatnonzero(wanted).tolist())
        with_journal.reject(np.flatnonzero(~wanted).tolist())
    out = tmp_path / "ours.json"
    assert main(["curate", str(paths[0]), "--and", str(paths[1]), "--learn", str(out)]) == 0
    assert "Learnt from 60 decisions" in capsys.readouterr().out
    assert read_learned(out).n_decisions == 60


def test_what_is_undecided_is_most_worth_asking() -> None:
    components = scored().replace(cnn_preds=np.tile([0.5, 0.99, np.nan, 0.2], N // 4))
    worth = worth_asking(components)
    assert worth[:4].tolist() == pytest.approx([1, 4 * 0.99 * 0.01, 0, 0.64])
    assert not worth_asking(components.replace(cnn_preds=np.zeros(0))).any()
