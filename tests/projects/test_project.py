"""A project from making to removing, by two users at once, on real files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pynwb
import pytest

import napari_cnmf as nc
from napari_cnmf.errors import ExportError, ProjectError
from napari_cnmf.io.curation import open_curation
from napari_cnmf.io.exports import Context
from napari_cnmf.io.projects import Column, ColumnKind, Project, ProjectConfig, matching_rows
from napari_cnmf.io.projects.stimuli import read_stimuli
from napari_cnmf.model.curation import Curation, Decision

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def result(tmp_path: Path) -> Callable[[str], Curation]:
    def build(kind: str = "2d") -> Curation:
        path = tmp_path / f"{kind}.hdf5"
        shutil.copy(DATA / f"result-{kind}.hdf5", path)
        cur = open_curation(path, curator="A")
        if cur.decisions[0] != Decision.REJECTED:
            cur.reject(0)
            cur.tag([1], "bright")
        return cur

    return build


def test_a_sample_from_adding_to_removing(result, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "Studie Ä 1")
    project.add_column("brain area")
    project.add_column(Column(name="weight_g", kind=ColumnKind.NUMBER))
    stimuli = pd.DataFrame(
        {"start_time": [1.0, 5.5], "stop_time": [2.0, 6.0], "odour": ["a", "b"], "ppm": [1, 2]}
    )
    cur = result()
    history = [{"step": "cnmf", "engine": "caiman", "version": "1.12.1"}]
    sample = project.add(
        cur,
        {"AnimalID": "m1", "TrialID": "day 1", "date": "2026-03-01", "genotype": "wt",
         "brain area": "CA1", "weight_g": "21.5"},
        stimuli=stimuli,
        context=Context(history=history),
    )  # fmt: skip
    assert sample.id == "m1-_-day 1"
    again = Project.open(tmp_path / "Studie Ä 1")
    df = again.df
    assert df.loc[0, ["SampleID", "genotype", "weight_g", "tags"]].tolist() == [
        "m1-_-day 1", "wt", 21.5, "bright",
    ]  # fmt: skip
    assert df.loc[0, "n_accepted"] == cur.accepted.sum()
    rois = again.rois
    assert rois["id"].tolist() == cur.ids.tolist()
    assert rois["accepted"].tolist() == cur.accepted.tolist()
    assert rois["tags"][1] == "bright"
    assert set(rois["AnimalID"]) == {"m1"}
    with pynwb.NWBHDF5IO(tmp_path / "Studie Ä 1" / df.loc[0, "file"], "r") as io:
        nwb = io.read()
        assert (nwb.subject.subject_id, nwb.session_id, nwb.subject.genotype) == (
            "m1", "day 1", "wt",
        )  # fmt: skip
        assert nwb.session_start_time.date() == datetime(2026, 3, 1).date()
        table = nwb.intervals["stimuli"].to_dataframe()
        assert table["odour"].tolist() == ["a", "b"]
        assert table["start_time"].tolist() == [1.0, 5.5]
    assert [step["step"] for step in sample.history_trace] == ["cnmf", "curation"]
    opened = sample.curation()
    assert opened.decisions[0] == Decision.REJECTED
    assert opened.tags(1) == {"bright"}

    again.update("m1-_-day 1", genotype="ko")
    assert project.df.loc[0, "genotype"] == "ko"
    assert again.known_values("genotype") == ["ko"]
    opened.accept(0)
    values = {name: df.loc[0, name] for name in ("AnimalID", "TrialID", "date")}
    replaced = again.add(opened, values | {"genotype": "ko"}, update=True)
    assert replaced.row["n_accepted"] == sample.row["n_accepted"] + 1
    assert replaced.row["added"] == sample.row["added"]
    again.remove("m1-_-day 1")
    assert project.df.empty
    assert project.rois.empty
    assert list((project.path / "samples").iterdir()) == []


@pytest.mark.parametrize("kind", ["1p", "3d"])
def test_other_kinds_of_results(result, tmp_path: Path, kind: str) -> None:
    project = Project.create(tmp_path / "p")
    sample = project.add(result(kind), {"AnimalID": "a", "TrialID": "b"})
    assert sample.curation().components.dims == result(kind).components.dims


def test_ids_are_unique_and_names_of_folders(result, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    project.add(result(), {"AnimalID": "M1", "TrialID": "1"})
    for animal in ("M1", "m1"):
        with pytest.raises(ProjectError, match="must be unique"):
            project.add(result(), {"AnimalID": animal, "TrialID": "1"})
    for animal in ("a/b", "..", "a-_-b", "x?"):
        with pytest.raises(ProjectError, match="name of a folder"):
            project.add(result(), {"AnimalID": animal, "TrialID": "1"})
    with pytest.raises(ProjectError, match="TrialID must be given"):
        project.add(result(), {"AnimalID": "a"})
    with pytest.raises(ProjectError, match="no column 'colour'"):
        project.add(result(), {"AnimalID": "a", "TrialID": "1", "colour": "red"})
    with pytest.raises(ProjectError, match=r"date must be a date, got 'yesterday'"):
        project.add(result(), {"AnimalID": "a", "TrialID": "1", "date": "yesterday"})
    with pytest.raises(ProjectError, match="to update"):
        project.add(result(), {"AnimalID": "a", "TrialID": "1"}, update=True)
    with pytest.raises(ExportError, match="start_time and stop_time"):
        project.add(
            result(), {"AnimalID": "a", "TrialID": "1"}, stimuli=pd.DataFrame({"on": [1.0]})
        )
    with pytest.raises(ProjectError, match="cannot be changed"):
        project.update("M1-_-1", TrialID="2")
    for wrong in ("nobody", "../p", ""):
        with pytest.raises(ProjectError, match="no sample"):
            project.remove(wrong)
    assert project.ids == ["M1-_-1"]
    assert [p.name for p in (project.path / "samples").iterdir()] == ["M1-_-1"]


_ADD = """
import sys
from napari_cnmf.errors import ProjectError
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.io.projects import Project
project, components = Project.open(sys.argv[1]), read_caiman(sys.argv[2])
for trial in sys.argv[4].split(","):
    try:
        project.add(components, {"AnimalID": "m", "TrialID": trial, "genotype": sys.argv[3]})
        print("added", trial)
    except ProjectError as error:
        assert "must be unique" in str(error)
"""


@pytest.mark.long
def test_two_users_add_the_same_samples_at_once(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    users = [
        subprocess.Popen(
            [sys.executable, "-c", _ADD, str(project.path), str(DATA / "result-2d.hdf5"), user,
             trials],
            stdout=subprocess.PIPE, text=True,
        )
        for user, trials in (("one", "1,2,3"), ("two", "3,2,1"))
    ]  # fmt: skip
    said = [user.communicate(timeout=200)[0] for user in users]
    assert [user.returncode for user in users] == [0, 0]
    added = [line for text in said for line in text.splitlines()]
    assert sorted(added) == ["added 1", "added 2", "added 3"], "each once, by one of them"
    for sample in project.samples:
        author = ["one", "two"][f"added {sample.row['TrialID']}" in said[1].splitlines()]
        assert sample.row["genotype"] == author
        with pynwb.NWBHDF5IO(sample.path, "r") as io:
            assert io.read().subject.genotype == author


def test_a_failed_write_leaves_nothing(
    result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.create(tmp_path / "p")
    first = project.add(result(), {"AnimalID": "a", "TrialID": "1"})
    before = {p.name: p.read_bytes() for p in first.folder.iterdir()}

    def fails(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_cnmf.io.projects.project.write_json", fails)
    for trial, update in (("2", False), ("1", True)):
        with pytest.raises(ExportError, match="No space left"):
            project.add(result(), {"AnimalID": "a", "TrialID": trial}, update=update)
    assert project.ids == ["a-_-1"]
    assert {p.name: p.read_bytes() for p in first.folder.iterdir()} == before
    assert [p.name for p in (project.path / "samples").iterdir()] == ["a-_-1"]


def test_what_is_no_project_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="must have a readable"):
        Project.open(tmp_path)
    (tmp_path / "project.json").write_text(json.dumps({"format": "else"}))
    with pytest.raises(ProjectError, match="must be a project"):
        Project.open(tmp_path)
    with pytest.raises(ProjectError, match="already"):
        Project.create(tmp_path)
    for columns in (
        [{"name": "AnimalID"}],
        [{"name": "AnimalID"}, {"name": "TrialID"}, {"name": "TrialID"}],
        [{"name": "AnimalID"}, {"name": "TrialID"}, {"name": "n_accepted"}],
    ):
        with pytest.raises(ProjectError, match="columns of a project"):
            ProjectConfig.of({"columns": columns})


def test_filters_are_words() -> None:
    table = pd.DataFrame(
        {"SampleID": ["a-_-1", "b-_-1", "b-_-2"], "genotype": ["wt", "KO", None],
         "n": [1, 20, 30], "date": ["2026-01-01", "2026-03-01", None]}
    )  # fmt: skip

    def rows(text: str) -> list[int]:
        return np.flatnonzero(matching_rows(table, text)).tolist()

    assert rows("") == [0, 1, 2]
    assert rows("genotype=ko") == [1]
    assert rows("genotype!=ko") == [0, 2]
    assert rows("n>5 b-_-") == [1, 2]
    assert rows("n=20.0") == [1]
    assert rows("date>=2026-02-01") == [1]
    assert rows("'wt'") == [0]
    for wrong in ("age>3", "n>many", "'open"):
        with pytest.raises(ProjectError):
            rows(wrong)


def test_the_public_name() -> None:
    assert nc.Project is Project


@pytest.mark.parametrize(
    ("animal", "why"),
    [
        ("con", "device"),
        ("NUL", "device"),
        ("com1.x", "device"),
        ("=1+1", "formula"),
        ("@home", "formula"),
        ("m" * 300, "at most 150 bytes"),
        ("鼠" * 60, "at most 150 bytes"),
        ("a\u202eb", "can be seen"),
        ("a\u200bb", "can be seen"),
    ],
)
def test_ids_that_no_folder_or_spreadsheet_bears(result, tmp_path: Path, animal, why) -> None:
    project = Project.create(tmp_path / "p")
    for values in ({"AnimalID": animal, "TrialID": "1"}, {"AnimalID": "1", "TrialID": animal}):
        with pytest.raises(ProjectError, match=why):
            project.add(result(), values)
    assert list((project.path / "samples").iterdir()) == []
    for fine in ("conrad", "müller-1", "鼠1", "1=1"):
        project.add(result(), {"AnimalID": fine, "TrialID": "1"})
    assert len(project.ids) == 4


def test_accents_in_two_forms_are_one_id(result, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    project.add(result(), {"AnimalID": "caf\u00e9", "TrialID": "1"})
    with pytest.raises(ProjectError, match="must be unique"):
        project.add(result(), {"AnimalID": "cafe\u0301", "TrialID": "1"})


@pytest.mark.parametrize("name", ["Genotype", "GENOTYPE", "animalid", "sampleid", "Tags"])
def test_columns_differ_in_more_than_their_case(tmp_path: Path, name: str) -> None:
    project = Project.create(tmp_path / "p")
    before = project.config
    with pytest.raises(ProjectError, match="more than their case"):
        project.add_column(name)
    assert project.config == before
    project.add_column("genotype")
    assert project.config == before
    with pytest.raises(ProjectError, match="more than their case"):
        Project.create(
            tmp_path / "q", ProjectConfig.of({"columns": [*before.columns, Column(name="Date")]})
        )
    assert not (tmp_path / "q").exists()


def test_a_project_that_has_such_columns_opens(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    file = project.path / "project.json"
    content = json.loads(file.read_text())
    content["config"]["columns"].append({"name": "Genotype"})
    file.write_text(json.dumps(content))
    assert [c.name for c in Project.open(project.path).config.columns][-1] == "Genotype"


@pytest.mark.parametrize(
    ("text", "times", "ppm"),
    [
        ("start_time,stop_time,ppm\n1.0,2.5,0.5\n", (1.0, 2.5), 0.5),
        ("start_time;stop_time;ppm\n1,0;2,5;0,5\n", (1.0, 2.5), 0.5),
        ("start_time;stop_time;ppm\r\n1,000;2,500;0,125\r\n", (1.0, 2.5), 0.125),
        ("\ufeffstart_time\tstop_time\tppm\n1,5\t2,5\t3\n", (1.5, 2.5), 3),
        ('start_time,stop_time,ppm\n"1,5","2,5",3\n', (1.5, 2.5), 3),
        (" start_time ; stop_time ;ppm\n 1 ; 1 ;3\n", (1.0, 1.0), 3),
    ],
)
def test_stimuli_as_spreadsheets_of_several_countries_write_them(
    tmp_path: Path, text: str, times: tuple[float, float], ppm: float
) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text, encoding="utf-8", newline="")
    table = read_stimuli(path)
    assert (table["start_time"][0], table["stop_time"][0]) == times
    assert table["ppm"][0] == ppm


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2,1", "number 2 runs from 2 s to 1 s"),
        ("2,", "number 2 has none"),
        ("two,3", "start_time of stimulus 2 must be a number, got 'two'"),
        ('"1,000",3', "two ways"),
        ("inf,3", "start_time of stimulus 2"),
    ],
)
def test_stimuli_that_cannot_be_are_refused_with_their_row(
    result, tmp_path: Path, row: str, why: str
) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f"start_time,stop_time\n0,1\n{row}\n")
    with pytest.raises(ProjectError, match=why):
        read_stimuli(path)


def test_stimuli_of_scripts_are_checked_too(result, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    stimuli = pd.DataFrame({"start_time": [1.0, 5.0], "stop_time": [2.0, 4.0]})
    with pytest.raises(ProjectError, match="number 2 runs from 5 s to 4 s"):
        project.add(result(), {"AnimalID": "a", "TrialID": "1"}, stimuli=stimuli)
    assert project.ids == []


def test_the_table_follows_what_is_decided_in_a_sample(result, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    sample = project.add(result(), {"AnimalID": "a", "TrialID": "1"})
    other = project.add(result(), {"AnimalID": "a", "TrialID": "2"})
    before, stamp = project.df, project.stamp()
    cur = project["a-_-1"].curation()
    assert project.stamp() == stamp
    cur.accept(0)
    cur.tag([0], "kept")
    assert project.stamp() != stamp
    df, rois = project.df, project.rois
    assert df["n_accepted"].tolist() == [before["n_accepted"][0] + 1, before["n_accepted"][1]]
    assert df["tags"].tolist() == ["bright; kept", "bright"]
    mine = rois[rois["SampleID"] == sample.id]
    assert mine["accepted"].tolist() == cur.accepted.tolist()
    assert mine["tags"].tolist()[0] == "kept"
    assert rois[rois["SampleID"] == other.id]["tags"].tolist()[0] == ""
    cur.undo()
    cur.undo()
    assert project.df["n_accepted"].tolist() == before["n_accepted"].tolist()
    # Values are changed in what was written, never mixed with what follows from decisions.
    project.update("a-_-1", genotype="ko")
    assert project.df["genotype"].fillna("").tolist() == ["ko", ""]


def test_numbers_have_a_decimal_comma_or_a_point(result, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    project.add_column(Column(name="weight_g", kind=ColumnKind.NUMBER))
    for trial, text in (("1", "21,5"), ("2", "22.5"), ("3", "1 000")):
        project.add(result(), {"AnimalID": "a", "TrialID": trial, "weight_g": text})
    df = project.df
    assert df["weight_g"].tolist() == [21.5, 22.5, 1000.0]
    assert matching_rows(df, "weight_g>21,7").tolist() == [False, True, True]
    assert matching_rows(df, "weight_g=21,5").tolist() == [True, False, False]
    with pytest.raises(ProjectError, match="two ways"):
        project.update("a-_-1", weight_g="1,000")
    assert project.df["weight_g"][0] == 21.5


def test_a_script_may_run_twice_and_a_notebook_shows_the_table(result, tmp_path: Path) -> None:
    for _ in range(2):
        project = Project.open(tmp_path / "p", create=True)
    assert "0 samples" in project._repr_html_()
    project.add(result(), {"AnimalID": "m1", "TrialID": "1", "genotype": "<i>wt"})
    html = project._repr_html_()
    assert "1 sample " in html
    assert "&lt;i&gt;wt" in html
