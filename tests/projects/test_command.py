"""``napari-cnmf project`` from the first sample to the last."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from napari_cnmf.cli import main
from napari_cnmf.io.projects import Project

DATA = Path(__file__).parents[1] / "data"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, result = str(tmp_path / "a project"), tmp_path / "r.hdf5"
    shutil.copy(DATA / "result-2d.hdf5", result)
    (tmp_path / "s.csv").write_text("start_time;stop_time;odour\n1.5;2;a\n")
    ids = ["AnimalID=m1", "TrialID=1"]
    assert main(["project", folder, "add", str(result), *ids, "--stimuli",
                 str(tmp_path / "s.csv")]) == 0  # fmt: skip
    assert capsys.readouterr().out.strip() == "m1-_-1"
    assert main(["project", folder, "add", str(result), *ids]) == 2
    assert "must be unique" in capsys.readouterr().err
    assert main(["curate", str(result), "--reject", "0"]) == 0
    assert main(["project", folder, "add", str(result), *ids, "--update"]) == 0
    assert main(["project", folder, "column", "brain area", "--choices", "CA1,V1"]) == 0
    assert main(["project", folder, "update", "m1-_-1", "brain area=LGN"]) == 2
    assert main(["project", folder, "update", "m1-_-1", "brain area=V1"]) == 0
    assert main(["project", folder, "add", str(result), "AnimalID=m2", "TrialID=1"]) == 0
    capsys.readouterr()
    assert main(["project", folder, "list", "--json", "--where", "AnimalID=m1"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["SampleID"], row["brain area"]) == ("m1-_-1", "V1")
    assert main(["project", folder, "list", "--rois", "--csv"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "rois.csv").write_text(text)
    rois = pd.read_csv(tmp_path / "rois.csv")
    assert len(rois) == 2 * Project.open(folder).df["n_components"][0]
    assert not rois["accepted"][0], "what was rejected before the update"
    # a sample is a result like any other
    sample = Project.open(folder)["m1-_-1"]
    stimuli = sample.stimuli
    assert stimuli is not None, "an update without others keeps them"
    assert stimuli[["start_time", "odour"]].to_numpy().tolist() == [[1.5, "a"]]
    assert main(["export", str(sample.path), "--to", "csv", str(tmp_path / "tables")]) == 0
    assert main(["project", folder, "remove", "m1-_-1", "m2-_-1"]) == 0
    capsys.readouterr()
    assert main(["project", folder, "list"]) == 0
    assert capsys.readouterr().out.strip() == "no samples"
    assert main(["project", str(tmp_path / "none"), "list"]) == 2
