"""A name that is wrong: one sentence with the closest valid one, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_cnmf as nc
from napari_cnmf._names import closest, not_one_of
from napari_cnmf.testing import score, simulate


@pytest.fixture
def item(batch: nc.Batch, movie_path: Path) -> nc.Item:
    made = batch.add("cnmf", movie_path, engine="toy", name="mouse 1")
    batch.add("mcorr", movie_path, engine="toy", name="motion of mouse 1")
    batch.run(progress=False)
    return made


@pytest.fixture
def project(item: nc.Item, tmp_path: Path) -> nc.Project:
    project = nc.Project.open(tmp_path / "study", create=True)
    project.add(item.result(), {"AnimalID": "m1", "TrialID": "day 1"})
    return project


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("gSgi", ["gSiz", "gSig", "ssub"], "gSig"),
        ("itin", ["motion", "init"], "init"),
        ("cnmf_kwarg", ["cnmf_kwargs", "eval_kwargs"], "cnmf_kwargs"),
        ("MIN_SNR", ["min_SNR", "min_pnr"], "min_SNR"),
        ("qwertz", ["gSiz", "gSig"], None),
        ("", ["a"], None),
        (7, ["seven"], None),
    ],
)
def test_the_closest_name(typed: Any, known: list[str], meant: str | None) -> None:
    assert closest(typed, known) == meant


def test_what_is_no_text_gets_no_guess() -> None:
    assert not_one_of("It", ["1", "2"], 1) == "It must be one of 1, 2, got 1."


WRONG: list[tuple[Callable[[nc.Item, nc.Project], Any], str]] = [
    (lambda i, p: i.batch["mouse 2"], "Did you mean 'mouse 1'?"),
    (lambda i, p: i.batch.run("muose 1"), "Did you mean 'mouse 1'?"),
    (lambda i, p: i.rename("  "), "The name of an item must not be empty, got '  '"),
    (lambda i, p: i.batch.run(1.5), "name, its uuid or its position, got 1.5"),
    (lambda i, p: i.batch.run(object()), "name, its uuid or its position, got <object"),
    (lambda i, p: i.batch.run([i, 99]), "has 2 items, got position 99"),
    (lambda i, p: i.batch.run(start=[0]), "name, its uuid or its position, got"),
    (lambda i, p: i.batch.add("cnfm", "x.tif"), "Did you mean cnmf?"),
    (lambda i, p: i.batch.add("cnmf", i.spec.movie.paths[0], engine="built-in"), "mean builtin?"),
    (lambda i, p: nc.CNMFParams.preset("one-foton"), "Did you mean one-photon?"),
    (lambda i, p: nc.CNMFParams.from_any({"gSgi": 3}), "Did you mean gSig?"),
    (lambda i, p: nc.CNMFParams.from_any({"cnmf_kwarg": "K=3"}), "Did you mean cnmf_kwargs?"),
    (lambda i, p: nc.CNMFParams.from_any({"main": {}, "Ain_path": "a.npy"}), "give ain=..."),
    (lambda i, p: nc.sample("two-foton"), "Did you mean two-photon?"),
    (lambda i, p: nc.export(i, "cvs", "out"), "Did you mean csv?"),
    (lambda i, p: nc.export(i, "nwb", "out", movie_in_nwb="linkd"), "Did you mean linked?"),
    (lambda i, p: i.images()["maen"], "Did you mean mean?"),
    (lambda i, p: i.result().components.images["maen"], r"must be one of|holds no summary"),
    (lambda i, p: i.result(curator=3), "curator must be the name of a curator as text, got 3"),
    (lambda i, p: i.result().set_thresholds(min_SRN=3), "Did you mean quality.min_SNR?"),
    (lambda i, p: i.result().plot_contours(image="maen"), "image must be one of"),
    (lambda i, p: i.result().plot_traces(kind="dnoised"), "Did you mean denoised?"),
    (
        lambda i, p: i.result().components.residual("movie.tif"),
        "must have the result's shape",
    ),
    (lambda i, p: p["m1-_-day 2"], "Did you mean m1-_-day 1?"),
    (lambda i, p: p[1], "has 1 samples, got position 1"),
    (lambda i, p: p[1.0], "named by its SampleID or its position, got 1.0"),
    (lambda i, p: p.add(i.result(), {"AnimlID": "m"}), "Did you mean AnimalID?"),
    (lambda i, p: p.update("m1-_-day 1", genotpye="wt"), "Did you mean genotype?"),
    (lambda i, p: p.update("m1-_-day 1", litter="a"), "first with project.add_column('litter')"),
    (lambda i, p: nc.open_result(i.batch), "a path, an item, a sample, a curation or components"),
    (lambda i, p: nc.open_result(i.batch["motion of mouse 1"]), "is a motion correction"),
    (lambda i, p: nc.match_sessions([i, i.batch["motion of mouse 1"]]), "is a motion correction"),
    (lambda i, p: nc.match_sessions([i, i.batch]), "must be items, samples, curations"),
    (lambda i, p: nc.explain_place("x.hdf5", (1, 1)), "A result file or the folder of an item"),
    (lambda i, p: nc.learn(3), "must be an item, a sample, a curation or components, got 3"),
    (lambda i, p: score(3, None), "must be an item, a sample, a curation or components, got 3"),
    (lambda i, p: score((1, 2, 3), None), r"must be a pair \(A, C\), got 3 things"),
    (lambda i, p: simulate(n_frmes=3), "Did you mean n_frames?"),
]


def test_writers_and_projects_take_an_item_and_run_twice(item: nc.Item, tmp_path: Path) -> None:
    for _ in range(2):
        study = nc.Project.open(tmp_path / "items", create=True)
        study.add_column("litter")
        values = {"AnimalID": "m1", "TrialID": "day 1", "litter": "a"}
        sample = study.add(item, values, update="m1-_-day 1" in study)
        assert (len(study), sample.id) == (1, "m1-_-day 1")
        table = nc.write_csv(item, tmp_path / "csv", overwrite=True) / "components.csv"
        assert len(nc.read_table(table)) == int(item.result().accepted.sum())
    with pytest.raises(nc.CnmfError, match="A result must be an item, a sample, a curation"):
        study.add(3, values)  # type: ignore[arg-type]


def test_a_misspelt_name_of_the_package_gets_the_closest_one() -> None:
    with pytest.raises(AttributeError, match=r"Did you mean open_result\?"):
        nc.open_results  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"napari_cnmf has no 'zzzz'\.$"):
        nc.zzzz  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(nc, "__wrapped__")
    assert "open_result" in dir(nc)


def test_one_sentence_with_the_closest_name_and_nothing_changed(
    item: nc.Item, project: nc.Project
) -> None:
    import re

    def state() -> tuple[Any, ...]:
        cur = item.result()
        return len(item.batch), len(cur.journal_lines()), project.df.to_dict(), cur.quality

    before = state()
    for number, (ask, expected) in enumerate(WRONG):
        with pytest.raises(nc.CnmfError) as caught:
            ask(item, project)
        said = str(caught.value)
        pattern = expected if "|" in expected or "\\" in expected else re.escape(expected)
        assert re.search(pattern, said), (number, said)
        assert "\n" not in said, (number, said)
        assert len(said) < 500, (number, said)
    assert state() == before


def test_items_and_samples_stand_wherever_a_result_is_taken(
    item: nc.Item, project: nc.Project
) -> None:
    sample, cur = project[0], item.result()
    assert nc.open_result(sample).ids.tolist() == nc.open_result(item).ids.tolist()
    expected = nc.explain_place(cur, (5, 5))
    assert nc.explain_place(item, (5, 5)) == expected
    assert (
        nc.explain_place(sample, (5, 5)).components
        == nc.explain_place(nc.open_result(sample), (5, 5)).components
    )
    matched = nc.match_sessions([item, sample], include_rejected=True)
    assert matched.matches.sessions == ("mouse 1", "m1-_-day 1")
    assert len(matched.df) == len(cur.ids)
    with pytest.raises(nc.CnmfError, match="learn from"):
        nc.learn([item])
    truth = simulate(n_frames=20, size=(24, 32), n_cells=2, seed=0).truth
    assert score(item, truth).n_components == len(cur.ids)
    assert repr(project).endswith("1 samples>")
    assert repr(sample) == "<Sample 'm1-_-day 1': 1 of 2 accepted>"
    assert [each.id for each in project] == project._ipython_key_completions_() == [sample.id]
    assert (len(project), project[-1].id) == (1, sample.id)


def test_scores_have_one_name_in_tables_and_in_code(item: nc.Item) -> None:
    cur = item.result()
    for name in ("snr", "r_value", "p_soma"):
        values = getattr(cur.components, name)
        in_table = cur.df[name].to_numpy(float)
        if values is None:
            assert np.isnan(in_table).all()
        else:
            np.testing.assert_allclose(in_table, values)
    assert cur.components.replace(cnn_preds=np.zeros(0, np.float32)).p_soma is None


@pytest.mark.long
def test_runs_are_named_in_every_way(batch: nc.Batch, movie_path: Path) -> None:
    items = [
        batch.add("mcorr", movie_path, engine="toy", name=f"run {k}",
                  params={"motion": {"max_shifts": (k, k)}}) for k in (1, 2, 3, 4, 5)
    ]  # fmt: skip
    ways: list[Any] = [items[0], "run 2", 2, np.int64(3), items[4].uuid]
    for way, item in zip(ways, items, strict=True):
        assert batch.run(way, progress=False) == [item]
    assert batch.run(iter(items), progress=False) == []
    assert batch[0:3] == items[:3]
    assert batch[np.int64(1)] == items[1]
