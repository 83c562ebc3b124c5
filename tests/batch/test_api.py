"""The public names, and a script as users of Mesmerize write it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_cnmf as nc
from napari_cnmf.batch import set_current_batch
from napari_cnmf.errors import CnmfError


def test_every_public_name_is_there() -> None:
    for name in nc.__all__:
        assert getattr(nc, name) is not None
    assert set(nc.__all__) <= set(dir(nc))
    with pytest.raises(AttributeError, match=r"has no 'Batsch'\. Did you mean Batch"):
        nc.Batsch  # noqa: B018


def test_testing_is_there_without_an_import() -> None:
    code = "import napari_cnmf as nc; print(nc.testing.score.__name__, 'testing' in dir(nc))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["score", "True"]


def test_names_for_type_checkers_are_the_names_there_are() -> None:
    from typing import get_args

    from napari_cnmf._names import AlgorithmName, EngineName, FormatName, PresetName
    from napari_cnmf.engines.base import Algorithm
    from napari_cnmf.io.exports import EXPORTERS
    from napari_cnmf.params import PRESETS

    assert get_args(AlgorithmName) == tuple(Algorithm)
    assert get_args(FormatName) == tuple(EXPORTERS)
    assert get_args(PresetName) == tuple(PRESETS)
    assert get_args(EngineName) == ("auto", "builtin", "caiman")


@pytest.mark.parametrize(
    ("params", "argument", "expected"),
    [
        ({"main": {"K": 3}, "refit": True}, None, True),
        ({"main": {"K": 3}, "refit": False}, None, False),
        ({"main": {"K": 3}, "refit": True}, False, False),
        ({"main": {"K": 3}}, True, True),
        ({"K": 3}, None, False),
        (None, None, False),
    ],
)
def test_refit_as_mesmerize_core_says_it(
    batch: nc.Batch, movie_path: Path, params: Any, argument: bool | None, expected: bool
) -> None:
    item = batch.add("cnmf", movie_path, params=params, refit=argument, engine="toy")
    assert item.spec.refit is expected
    options = {"params": params, "refit": argument, "engine": "toy"}
    assert batch.find_same("cnmf", movie_path, **options) == item
    grid = {"merging.merge_thr": [0.7, 0.75]}
    variants = batch.add_grid("cnmf", movie_path, grid=grid, **options)
    assert [variant.spec.refit for variant in variants] == [expected] * 2


@pytest.mark.parametrize("refit", ["yes", 2, [True]])
def test_refit_must_be_a_switch(batch: nc.Batch, movie_path: Path, refit: Any) -> None:
    for options in ({"refit": refit}, {"params": {"main": {}, "refit": refit}}):
        with pytest.raises(nc.CnmfError, match="refit must be True or False, got"):
            batch.add("cnmf", movie_path, **options)
    assert len(batch) == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"movie": None}, "A movie must be a path"),
        ({"movie": 5}, "A movie must be a path"),
        ({"movie": [1, 2]}, "A movie must be a path"),
        ({"algorithm": "cmnf"}, "must be one of mcorr, cnmf, cnmfe, evaluate, got 'cmnf'"),
        ({"algorithm": None}, "must be one of mcorr, cnmf, cnmfe, evaluate, got None"),
        ({"engine": "tyo"}, "engine must be one of"),
        ({"name": 5}, "name of an item must be text, got 5"),
        ({"comment": ["a"]}, "comment of an item must be text"),
        ({"open_with": ["TYX"]}, "open_with must be a table"),
        ({"open_with": {"axs": "TYX"}}, "no option of open_movie 'axs'. Did you mean axes"),
        ({"run": "fast"}, "run must be a table"),
        ({"run": {"n_process": 2}}, "run takes n_processes"),
        ({"params": 5}, "must be a table of names and values"),
        ({"params": {"gSgi": 3}}, "Did you mean gSi"),
    ],
)
def test_what_cannot_be_added_is_one_sentence(
    batch: nc.Batch, movie_path: Path, wrong: dict[str, Any], message: str
) -> None:
    asked: dict[str, Any] = {"algorithm": "cnmf", "movie": movie_path, "engine": "toy"} | wrong
    with pytest.raises(nc.CnmfError, match=message):
        batch.add(**asked)
    grid = {"merging.merge_thr": [0.7]}
    with pytest.raises(nc.CnmfError, match=message):
        batch.add_grid(**asked, grid=grid)
    assert len(batch) == 0


@pytest.mark.parametrize(
    "grid", [5, ["a"], {"K": 5}, {"K": []}, {"K": "5,6"}, {"K": np.arange(0)}, {"K": {"a": 1}}]
)
def test_a_grid_must_name_lists(batch: nc.Batch, movie_path: Path, grid: Any) -> None:
    with pytest.raises(nc.CnmfError, match=r"must be a table such as|needs a list of values"):
        batch.add_grid("cnmf", movie_path, grid=grid)
    assert len(batch) == 0
    assert len(batch.add_grid("cnmf", movie_path, grid={"K": np.arange(3, 5)})) == 2


@pytest.mark.parametrize(("source", "out"), [(5, "x"), ([1], "x"), (None, "x"), ("a", None)])
def test_an_export_needs_a_result_and_a_path(source: Any, out: Any) -> None:
    with pytest.raises(nc.CnmfError, match=r"must be an item|must be a path"):
        nc.export(source, "npz", out)


def test_results_print_as_one_line(batch: nc.Batch, movie_path: Path) -> None:
    batch.add("cnmf", movie_path, engine="toy")
    batch.run(progress=False)
    cur = batch[0].result()
    cur.reject([0])
    assert repr(cur.components) == (
        "<Components: 2 components, 20 frames, field (24, 32), 0 accepted>"
    )
    assert repr(cur).endswith("result.hdf5': 0 of 2 accepted, 1 edits>")
    matched = nc.match_sessions([cur, cur.components], names=["a", "b"])
    assert repr(matched).startswith("<MatchedSessions: ")
    assert "\n" not in repr(matched)


def test_below_the_user_interface_nothing_imports_napari_qt_or_caiman() -> None:
    code = (
        "import sys, napari_cnmf as nc\n"
        "from napari_cnmf.batch import worker, batch, queue, running, scripts, remote, cluster\n"
        "from napari_cnmf import cli\n"
        "cli.build_parser()\n"
        "[getattr(nc, name) for name in nc.__all__ if name != 'view']\n"
        "heavy = {'napari', 'qtpy', 'PyQt6', 'vispy', 'magicgui', 'caiman', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_batch_without_items_is_as_good_as_an_empty_folder(
    tmp_path: Path, movie_path: Path
) -> None:
    place = tmp_path / "new"
    nc.Batch.create(place)  # and then the movie cannot be opened
    batch = nc.Batch.create(place)
    assert nc.Batch.open(place, create=True).path == nc.Batch.open_or_create(place).path
    batch.add("mcorr", movie_path)
    with pytest.raises(CnmfError, match="Open it instead: it is a batch"):
        nc.Batch.create(place)
    assert len(nc.Batch.open(place, create=True)) == 1
    assert len(nc.Batch.open(tmp_path / "other", create=True)) == 0
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").touch()
    with pytest.raises(CnmfError, match="empty"):
        nc.Batch.open(tmp_path / "thesis", create=True)
    project = tmp_path / "project"
    for _ in range(2):
        assert len(nc.Project.open(project, create=True).df) == 0


def test_the_script_of_the_mesmerize_documentation(batch: nc.Batch, movie_path: Path) -> None:
    """Motion-corrected items get three variants of CNMF each, with rate and border of each."""
    for shift in (2, 3):
        batch.add("mcorr", movie_path, params={"motion": {"max_shifts": (shift, shift)}},
                  name=f"shift {shift}", engine="toy")  # fmt: skip
    batch.run(progress=False)

    new = []
    for motion in [item for item in batch if item.algorithm == "mcorr"]:
        rate, border = motion.frame_rate_hz, motion.border_px
        for thr in (0.7, 0.8, 0.9):
            params = {"data": {"fr": rate}, "patch": {"border_pix": border},
                      "merging": {"merge_thr": thr}}  # fmt: skip
            name = f"{motion.name} {thr}"
            new.append(batch.add("cnmf", motion, params=params, name=name, engine="toy"))
    batch.run(start=new[0], progress=False)

    assert len(new) == 6
    assert all(item.state is nc.State.COMPLETED for item in new)
    table = batch.df.query("algorithm == 'cnmf' and state == 'completed'")
    assert table["n_accepted"].tolist() == [1] * 6
    assert new[-1].params.patch.border_pix == 3


def test_a_result_is_a_curation_that_remembers(batch: nc.Batch, movie_path: Path) -> None:
    item = batch.add("cnmf", movie_path, engine="toy")
    batch.run(progress=False)
    curation = item.result()
    assert isinstance(curation.components, nc.Components)
    np.testing.assert_array_equal(curation.accepted, [True, False])
    assert len(item.history_trace) == 1
    curation.accept([1])
    assert item.result().accepted.all()
    last = item.history_trace[-1]
    assert (last["step"], last["params"], last["input"]) == ("curation", {"edits": 1}, item.uuid)
    assert last["time"]
    assert item.result(curator="anna").accepted.tolist() == [True, False]
    curation.undo()
    assert item.result().accepted.tolist() == [True, False]


def test_start_leaves_earlier_items_alone(batch: nc.Batch, movie_path: Path) -> None:
    items = [
        batch.add("mcorr", movie_path, engine="toy", params={"motion": {"max_shifts": (k, k)}})
        for k in (1, 2, 3)
    ]
    needed = batch.add("cnmf", items[0], engine="toy")
    assert batch.run(start=needed, progress=False) == [items[0], needed]
    assert [item.state.value for item in items] == ["completed", "queued", "queued"]
    assert batch.run([items[2]], progress=False) == [items[2]]
    assert items[1].state is nc.State.QUEUED


def test_the_open_batch(batch: nc.Batch) -> None:
    with pytest.raises(nc.CnmfError, match="No batch is open"):
        nc.current_batch()
    set_current_batch(batch)
    try:
        assert nc.current_batch() is batch
    finally:
        set_current_batch(None)


@pytest.mark.parametrize("wrong", [None, 3, b"x", ["x"], object()])
def test_a_folder_that_is_no_path_is_said_in_one_sentence(wrong: Any) -> None:
    from napari_cnmf.io.projects import Project

    for kind, name in ((nc.Batch, "batch"), (Project, "project")):
        for make in (kind.create, kind.open, lambda path, kind=kind: kind.open(path, create=True)):
            with pytest.raises(CnmfError, match=f"The folder of a {name} must be a path"):
                make(wrong)
