"""``napari-cnmf curate`` does what the dock does, in the order it is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.cli import main
from napari_cnmf.io.caiman import read_caiman, write_caiman
from napari_cnmf.io.curation import open_curation
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Decision


@pytest.fixture
def result(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    C = np.abs(rng.normal(size=(5, 200))).astype(np.float32)
    components = Components(
        A=sp.csc_matrix(np.kron(np.eye(5), np.full((6, 1), 0.4)), dtype=np.float32),
        C=C,
        S=C,
        YrA=C * 0,
        dims=(5, 6),
        snr=np.arange(5.0),
        r_values=np.zeros(5),
        frame_rate_hz=10.0,
        params={"quality": {"min_SNR": 2.5}},
    )
    return write_caiman(components, tmp_path / "result.hdf5")


def test_edits_in_the_order_given(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = result.read_bytes()
    edits = ["--accept", "0-1", "--reject", "4", "--merge", "2,3", "--undo", "--tag", "1=red"]
    assert main(["curate", str(result), *edits, "--set", "quality.min_SNR=3.5"]) == 0
    assert capsys.readouterr().out.splitlines() == ["merged into 5", "2 of 5 accepted"]
    cur = open_curation(result)
    assert cur.decisions.tolist() == [Decision.ACCEPTED, Decision.ACCEPTED, 0, 0, Decision.REJECTED]
    assert cur.tags(1) == {"red"}
    assert result.read_bytes() == before


def test_the_log_and_a_saved_file(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["curate", str(result), "--reject", "3", "--accept", "0", "--undo"])
    capsys.readouterr()
    saved = tmp_path / "saved.hdf5"
    assert main(["curate", str(result), "--log", "--save", str(saved)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "reject 3" in lines[0]
    assert lines[0].startswith(">")
    assert lines[1].startswith("-")
    assert read_caiman(saved).accepted.tolist() == [False, False, False, False, True]


def test_words_points_of_the_history_and_the_list(
    result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edits = ["--tag", "1,2=red", "--untag", "2=red", "--note", "1=twice?", "--accept", "0"]
    assert main(["curate", str(result), *edits]) == 0
    assert main(["curate", str(result), "--go-to", "3"]) == 0
    capsys.readouterr()
    assert main(["curate", str(result), "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["accepted"] for row in rows] == [False] * 3 + [True] * 2
    table = open_curation(result).df
    assert [row["decision"] for row in rows] == table["decision"].tolist() == ["auto"] * 5
    assert set(rows[0]) == set(table.columns)
    assert (rows[1]["tags"], rows[1]["note"], rows[1]["snr"]) == (["red"], "twice?", 1.0)
    assert rows[1]["p_soma"] is None
    assert main(["curate", str(result), "--go-to", "0", "--list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "1", "rejected", "snr", "1.00", "r_value", "0.00", "p_soma", "-"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (["--accept", "x"], "must be numbers"),
        (["--accept", "77"], "no component 77"),
        (["--undo"], "nothing to undo"),
        (["--go-to", "x"], "number of --log"),
        (["--go-to", "9"], "no edit 9"),
        (["--compare", "nobody"], "nobody"),
        (["--set", "quality.min_snr=3"], "must be one of"),
        (["--split", "1"], "movie"),
    ],
)
def test_what_cannot_be_done_is_said(
    result: Path, capsys: pytest.CaptureFixture[str], edit: list[str], message: str
) -> None:
    assert main(["curate", str(result), *edit]) == 2
    assert message in capsys.readouterr().err
