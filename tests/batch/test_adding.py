"""What is added is whole and checked; what is wrong leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import tifffile

from napari_cnmf.batch import Batch, DuplicateItemWarning, State
from napari_cnmf.batch.jobs import prepare_job
from napari_cnmf.errors import (
    BatchError,
    CnmfError,
    EngineError,
    FrameRateUnknownError,
    MovieError,
    ParameterError,
)
from napari_cnmf.io import open_movie
from napari_cnmf.params import CNMFParams


def folders(batch: Batch) -> list[str]:
    return sorted(path.name for path in (batch.path / "items").iterdir())


def test_an_item_folder_says_what_was_asked(batch: Batch, movie_path: Path) -> None:
    item = batch.add(
        "cnmf",
        movie_path,
        name="Zelle Nr. 1 / übung",
        comment="first try",
        refit=True,
        params={"init": {"gSig": (3, 3)}},
        run={"memory_gb": 2},
    )
    data = json.loads((item.folder / "item.json").read_text(encoding="utf-8"))
    assert data["name"] == "Zelle Nr. 1 / übung"
    assert data["algorithm"] == "cnmf"
    assert data["movie"]["shape"] == [20, 24, 32]
    assert data["params"]["init"]["gSig"] == [3, 3]
    assert data["run"]["memory_gb"] == 2
    assert item.folder.name.isascii()
    assert item.params.init.gSig == (3, 3)
    assert item.frame_rate_hz == pytest.approx(10)
    assert item.movie().shape == (20, 24, 32)


def test_items_are_found_by_position_name_and_uuid(batch: Batch, movie_path: Path) -> None:
    items = [
        batch.add("cnmf", movie_path, name=f"n{i}", params={"init": {"gSig": (i + 2, i + 2)}})
        for i in range(3)
    ]
    assert [item.name for item in batch] == ["n0", "n1", "n2"]
    assert batch[1] == batch["n1"] == batch[items[1].uuid] == items[1]
    assert batch[-1] == items[2]
    with pytest.raises(BatchError, match="3 items, got position 7"):
        batch[7]
    with pytest.raises(BatchError, match="no item 'nobody'"):
        batch["nobody"]
    items[0].rename("n1")
    with pytest.raises(BatchError, match="2 items have the name 'n1'"):
        batch["n1"]
    assert Batch.open(batch.path)[items[0].uuid].name == "n1"


def test_a_name_that_is_a_shell_command_is_only_a_name(batch: Batch, movie_path: Path) -> None:
    item = batch.add("cnmf", movie_path, name="'; rm -rf ~ '")
    assert item.name == "'; rm -rf ~ '"
    assert "'" not in item.folder.name
    assert " " not in item.folder.name


@pytest.mark.parametrize("name", ["..", "con", "../../x", "a" * 200, "日本", "."])
def test_every_name_gives_a_folder_inside_items(batch: Batch, movie_path: Path, name: str) -> None:
    item = batch.add("cnmf", movie_path, name=name)
    assert item.folder.parent == batch.path / "items"
    assert item.name == name
    assert len(item.folder.name) < 80


def test_what_the_batch_has_already_comes_back_and_says_so(
    batch: Batch, movie_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = batch.add("cnmf", movie_path, name="a")
    assert caplog.text == ""
    assert batch.add("cnmf", movie_path, name="b", run={"n_processes": 1}) == first
    assert "has this already: 'a' (queued)" in caplog.text
    frames = np.random.default_rng(2).integers(0, 99, (9, 24, 32), dtype=np.uint16)
    corrected = batch.add("mcorr", frames, name="from memory")
    assert batch.add("mcorr", frames.copy()) == corrected
    assert [path.name for path in (batch.path / "inputs").iterdir()] == ["from-memory.tif"]
    frames[4, 3, 2] += 1
    assert batch.add("mcorr", frames) != corrected
    first.cancel()
    assert batch.add("cnmf", movie_path).state is State.QUEUED, "it is queued again"
    grid = {"init.K": [3, 4]}
    assert batch.add_grid("cnmf", first.input_movie(), grid=grid) == batch.add_grid(
        "cnmf", movie_path, grid=grid
    )
    assert len(batch) == 5


def test_a_duplicate_is_pointed_out_and_added_when_asked(batch: Batch, movie_path: Path) -> None:
    first = batch.add("cnmf", movie_path, name="a")
    with pytest.warns(DuplicateItemWarning, match="the same as 'a'"):
        second = batch.add("cnmf", movie_path, name="b", run={"n_processes": 1}, reuse=False)
    assert second.duplicate_of == first
    assert batch.find_same("cnmf", movie_path) == first
    # Whatever changes the result makes another item.
    mask = np.ones((24, 32), bool)
    mask[0] = False
    ain = sp.csc_matrix(np.eye(24 * 32, 1))
    for different in (
        {"refit": True},
        {"engine": "builtin"},
        {"params": {"init": {"K": 3}}},
        {"mask": mask},
        {"ain": ain},
    ):
        assert batch.add("cnmf", movie_path, **different).duplicate_of is None
    assert batch.add("cnmfe", movie_path).duplicate_of is None


def test_a_copied_movie_is_a_duplicate_and_an_edited_one_is_not(
    batch: Batch, movie_path: Path, tmp_path: Path
) -> None:
    batch.add("cnmf", movie_path)
    copy = tmp_path / "copy.tif"
    copy.write_bytes(movie_path.read_bytes())
    assert batch.find_same("cnmf", copy) is not None
    frames = tifffile.imread(movie_path) + 1
    tifffile.imwrite(copy, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    assert batch.find_same("cnmf", copy) is None


def test_a_motion_correction_serves_every_choice_of_the_other_parameters(
    batch: Batch, movie_path: Path
) -> None:
    first = batch.add("mcorr", movie_path)
    assert batch.find_same("mcorr", movie_path, params={"init": {"gSig": (3, 3)}}) == first
    assert batch.find_same("mcorr", movie_path, params={"motion": {"max_shifts": (2, 2)}}) is None


def test_a_movie_without_a_file_is_written_to_the_batch(batch: Batch) -> None:
    frames = np.arange(5 * 20 * 30, dtype=np.uint16).reshape(5, 20, 30)
    movie = open_movie(frames, frame_rate_hz=7)
    item = batch.add("mcorr", movie, name="from memory")
    assert item.spec.movie is not None
    assert item.spec.movie.paths == ("inputs/from-memory.tif",)
    np.testing.assert_array_equal(item.input_movie().data.compute(), frames)
    assert item.frame_rate_hz == pytest.approx(7)
    with pytest.warns(DuplicateItemWarning):
        other = batch.add("mcorr", movie, name="from memory", reuse=False)
    assert other.spec.movie is not None
    assert other.spec.movie.paths == ("inputs/from-memory-2.tif",)


def test_a_grid_is_the_product_of_its_values(batch: Batch, movie_path: Path) -> None:
    grid = {"init.gSig": [(3, 3), (4, 4)], "merging.merge_thr": [0.7, 0.85]}
    items = batch.add_grid("cnmf", movie_path, grid=grid, name="m")
    found = [(item.params.init.gSig, item.params.merging.merge_thr) for item in items]
    assert found == [((3, 3), 0.7), ((3, 3), 0.85), ((4, 4), 0.7), ((4, 4), 0.85)]
    assert len({item.name for item in items}) == 4
    assert [item.uuid for item in Batch.open(batch.path)] == [item.uuid for item in items]
    again = batch.add_grid("cnmf", movie_path, grid=grid, name="m", skip_duplicates=True)
    assert again == []
    with pytest.raises(ParameterError, match=r"init\.gSigg"):
        batch.add_grid("cnmf", movie_path, grid={"init.gSigg": [1]})
    with pytest.raises(ParameterError, match="list of values"):
        batch.add_grid("cnmf", movie_path, grid={"init.gSig": []})
    assert len(batch) == 4


def test_a_grid_in_the_words_of_mesmerize(batch: Batch, movie_path: Path) -> None:
    grid = {"max_shifts_x": [3, 4], "motion.max_shifts_y": [5], "iters_rigid": "1"}
    with pytest.raises(ParameterError, match="list of values"):
        batch.add_grid("mcorr", movie_path, grid=grid)
    items = batch.add_grid("mcorr", movie_path, grid=grid | {"iters_rigid": (n for n in (1, 2))})
    motion = [(item.params.motion.max_shifts, item.params.motion.niter_rig) for item in items]
    assert motion == [((5, 3), 1), ((5, 3), 2), ((5, 4), 1), ((5, 4), 2)]
    for name, value in {"refit": True, "n_processes": 2, "main": {"K": 3, "refit": True}}.items():
        with pytest.raises(ParameterError, match="A grid takes what changes a result"):
            batch.add_grid("cnmf", movie_path, grid={name: [value]})
    text = batch.add("cnmf", movie_path, params="cnn_thr=0.7, gSig=(4, 4), refit=True")
    assert (text.params.quality.min_cnn_thr, text.spec.refit) == (0.7, True)


def test_a_grid_over_several_items(batch: Batch, movie_path: Path) -> None:
    parents = [
        batch.add("mcorr", movie_path, name=f"p{i}", params={"motion": {"max_shifts": (i, i)}})
        for i in (2, 3)
    ]
    items = batch.add_grid("cnmf", parents, grid={"init.gSig": [(3, 3), (4, 4)]})
    assert [item.parent for item in items] == [parents[0]] * 2 + [parents[1]] * 2
    assert all(item.state is State.WAITING for item in items)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"algorithm": "cnmg"}, BatchError, "must be one of mcorr, cnmf"),
        ({"engine": "suite3p"}, EngineError, "must be one of auto, builtin"),
        ({"params": {"init": {"gSig": (40, 40)}}}, ParameterError, "gSig"),
        ({"params": {"init": {"gsig": (4, 4)}}}, ParameterError, "gSig"),
        ({"params": {"data": {"fr": 0}}}, ParameterError, "fr"),
        ({"ain": np.zeros((3, 3))}, ParameterError, r"shape \(24, 32\) of the field"),
        ({"mask": np.zeros((24, 32), bool)}, ParameterError, "true somewhere"),
        ({"mask": np.ones((3, 3), bool)}, ParameterError, "shape"),
        ({"run": {"memory": 3}}, ParameterError, "memory"),
        ({"algorithm": "evaluate"}, BatchError, "needs a result to score"),
        ({"name": ""}, None, ""),
    ],
)
def test_what_can_never_run_is_refused_and_leaves_nothing(
    batch: Batch, movie_path: Path, options: dict, error: type | None, message: str
) -> None:
    arguments = {"algorithm": "cnmf", "movie": movie_path} | options
    if error is None:
        batch.add(**arguments)
        return
    with pytest.raises(error, match=message):
        batch.add(**arguments)
    assert folders(batch) == []
    assert list((batch.path / "inputs").iterdir()) == []


def test_movies_that_are_none(batch: Batch, tmp_path: Path, movie_path: Path) -> None:
    text = tmp_path / "text.tif"
    text.write_text("not a movie")
    plane = tmp_path / "plane.tif"
    tifffile.imwrite(plane, np.zeros((24, 32), np.uint16))
    one = tmp_path / "one.npy"
    np.save(one, np.zeros((1, 24, 32), np.uint16))
    torn = tmp_path / "torn.tif"
    torn.write_bytes(movie_path.read_bytes()[:4000])
    for path in (text, plane, one, torn, tmp_path / "nothing.tif", tmp_path):
        with pytest.raises(MovieError):
            batch.add("cnmf", path, params={"data": {"fr": 10}})
    assert folders(batch) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take text alone as a name")
def test_a_movie_whose_name_is_no_text(batch: Batch, tmp_path: Path, movie_path: Path) -> None:
    """As archives of older systems leave it: an item could not name it."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/M\xe4use.tif")
    shutil.copy(movie_path, path)
    with pytest.raises(MovieError, match=r"must be text in UTF-8, got .*/M\\udce4use\.tif"):
        batch.add("cnmf", path)
    assert folders(batch) == []


def test_an_unknown_frame_rate_is_asked_for(batch: Batch, tmp_path: Path) -> None:
    path = tmp_path / "no rate.npy"
    np.save(path, np.zeros((9, 24, 32), np.uint16))
    with pytest.raises(FrameRateUnknownError, match=r"data\.fr"):
        batch.add("cnmf", path)
    assert folders(batch) == []
    motion = batch.add("mcorr", path)
    with pytest.raises(FrameRateUnknownError):
        batch.add("cnmf", motion)
    assert batch.add("cnmf", motion, params=CNMFParams(data={"fr": 12})).frame_rate_hz == 12


def test_what_an_item_may_take_as_its_input(batch: Batch, movie_path: Path, tmp_path: Path) -> None:
    cells = batch.add("cnmf", movie_path)
    with pytest.raises(BatchError, match="makes none"):
        batch.add("cnmf", cells)
    motion = batch.add("mcorr", movie_path)
    with pytest.raises(BatchError, match="makes a movie"):
        batch.add("evaluate", motion)
    assert batch.add("evaluate", cells).parent == cells
    other = Batch.create(tmp_path / "other")
    with pytest.raises(BatchError, match="another batch"):
        other.add("cnmf", motion)


def test_removing(batch: Batch, movie_path: Path) -> None:
    motion = batch.add("mcorr", movie_path, name="motion")
    cells = batch.add("cnmf", motion, name="cells")
    with pytest.raises(BatchError, match=r"1 items take their input.*'cells'"):
        batch.remove(motion)
    assert len(batch) == 2
    batch.remove("motion", with_children=True)
    assert len(batch) == 0
    assert folders(batch) == []
    assert not cells.folder.exists()
    assert movie_path.exists()


def test_the_table(batch: Batch, movie_path: Path) -> None:
    assert list(batch.df.columns)[:5] == ["uuid", "name", "algorithm", "engine", "state"]
    assert len(batch.df) == 0
    motion = batch.add("mcorr", movie_path, name="motion", comment="why")
    batch.add("cnmf", motion, name="cells")
    table = batch.df
    assert table["state"].tolist() == ["queued", "waiting"]
    assert table["parent"].isna().tolist() == [True, False]
    assert table["parent"][1] == motion.uuid
    assert table["comment"].tolist() == ["why", ""]
    assert table["inputs"][0] == motion.spec.movie.paths
    assert table["params"][1]["init"]["gSig"] == list(CNMFParams().init.gSig)


def test_what_a_file_needs_to_be_opened_stays_with_the_item(batch: Batch, tmp_path: Path) -> None:
    stack = np.random.default_rng(1).integers(0, 99, (6, 2, 24, 32), dtype=np.uint16)
    path = tmp_path / "two channels.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TCYX", "finterval": 0.1})
    params = {"init": {"gSig": (3, 3)}}
    given = batch.add("cnmf", path, params=params, open_with={"channel": 1})
    opened = batch.add("cnmf", open_movie(path, channel=0), params=params)
    reopened = Batch.open(batch.path)
    for item, channel in ((reopened[given.uuid], 1), (reopened[opened.uuid], 0)):
        np.testing.assert_array_equal(item.movie().data.compute(), stack[:, channel])
        np.testing.assert_array_equal(
            prepare_job(item).open_movie().data.compute(), stack[:, channel]
        )
    assert opened.duplicate_of is None


def test_a_grid_is_added_whole_or_not_at_all(batch: Batch, movie_path: Path) -> None:
    with pytest.raises(ParameterError):
        batch.add_grid("cnmf", movie_path, grid={"init.K": [3, -1]}, engine="toy")
    assert len(batch) == 0
    with pytest.warns(DuplicateItemWarning, match="which is queued"):
        first, twin, other = batch.add_grid(
            "cnmf", movie_path, grid={"init.K": [3, 3, 4]}, engine="toy", reuse=False
        )
    assert (first.duplicate_of, twin.duplicate_of, other.duplicate_of) == (None, first, None)
    assert list((batch.path / "items").glob(".*")) == []


def test_a_grid_over_an_array_writes_it_once(batch: Batch) -> None:
    frames = np.random.default_rng(0).integers(0, 99, (9, 24, 32), dtype=np.uint16)
    movie = open_movie(frames, frame_rate_hz=10)
    items = batch.add_grid("cnmf", movie, grid={"init.K": [3, 4, 5]}, engine="toy", name="m")
    (stored,) = (batch.path / "inputs").iterdir()
    assert {item.input_movie().paths for item in items} == {(stored,)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": 3}, "name of an item must be text, got 3"),
        ({"name": ["a"]}, "name of an item must be text"),
        ({"comment": None}, "comment of an item must be text, got None"),
        ({"refit": "maybe"}, "refit must be True or False, got 'maybe'"),
        ({"refit": 1}, "refit must be True or False, got 1"),
        ({"run": {"n_processes": True}}, "n_processes"),
        ({"run": {"memory_gb": True}}, "memory_gb"),
    ],
)
def test_what_is_no_text_and_no_switch_is_refused(
    batch: Batch, movie_path: Path, given: dict, said: str
) -> None:
    with pytest.raises(CnmfError, match=said):
        batch.add("cnmf", movie_path, **given)
    assert len(batch) == 0


def test_names_that_no_file_can_hold_are_shown_so(batch: Batch, movie_path: Path) -> None:
    item = batch.add("cnmf", movie_path, name="a\ud800 ", comment="b\udfff", refit=np.True_)
    assert (item.name, item.comment, item.spec.refit) == ("a?", "b?", True)
    assert batch.add("cnmf", movie_path, name=" ", reuse=False).name == movie_path.stem
    with pytest.raises(BatchError, match="name of an item must be text"):
        item.rename(7)


def test_an_item_that_is_named_twice_is_removed_once(batch: Batch, movie_path: Path) -> None:
    item = batch.add("cnmf", movie_path, name="one")
    batch.remove("one", item, item.uuid, 0)
    assert len(batch) == 0


@pytest.mark.parametrize(
    ("option", "meant"), [("engin", "engine"), ("Comments", "comment"), ("paramz", "params")]
)
def test_an_option_that_is_unknown_is_named_with_the_closest(
    batch: Batch, movie_path: Path, option: str, meant: str
) -> None:
    with pytest.raises(BatchError, match=rf"add_grid has no option '{option}'\. .* mean {meant}"):
        batch.add_grid("cnmf", movie_path, grid={"init.K": [1]}, **{option: "x"})
    with pytest.raises(BatchError, match=rf"find_same has no option '{option}'\. .* mean {meant}"):
        batch.find_same("cnmf", movie_path, **{option: "x"})
    with pytest.raises(BatchError, match=r"no option 'xyz'\. It takes grid, .*open_with"):
        batch.add_grid("cnmf", movie_path, grid={"init.K": [1]}, xyz=1)
    assert folders(batch) == []
