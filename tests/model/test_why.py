"""What is said about a pixel: the component there, the site that was tried, or that nothing was."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.cli import main
from napari_cnmf.errors import ResultError
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.why import explain_place

DIMS = (30, 40)


@pytest.fixture
def result() -> Components:
    """A cell (8, 8), a process (8, 30), weak (22, 8), given up (22, 30), busy (2, 35)."""
    A = np.zeros((*DIMS, 3), np.float32)
    for k, (y, x) in enumerate([(8, 8), (8, 30), (22, 8)]):
        A[y - 2 : y + 3, x - 2 : x + 3, k] = 1
    energy = np.zeros(DIMS, np.float32)
    energy[22, 30] = 19.0
    energy[14, 8] = 300.0
    correlation = np.zeros(DIMS, np.float32)
    correlation[2, 35] = 0.98
    figures = [
        "width",
        "eccentricity",
        "solidity",
        "rest_contrast",
        "event_shape",
        "n_events",
        "snr",
        "r",
    ]
    return Components(
        A=sp.csc_matrix(A.reshape(-1, 3)),
        C=np.ones((3, 50), np.float32),
        dims=DIMS,
        snr=np.array([5.0, 6.0, 0.9]),
        r_values=np.array([0.9, 0.9, 0.3]),
        classes=np.array(["soma", "process", "soma"]),
        accepted=np.array([True, False, False]),
        images={"energy": energy, "correlation": correlation},
        cnn_preds=np.array([0.97, 0.04, 0.8]),
        params={"init": {"gSig": (4, 4)}, "quality": {"min_SNR": 2.5, "rval_thr": 0.8}},
        attributes={
            "evidence": {
                "figures": figures,
                "values": [
                    [0.0, 0.3, 0.93, 1.2, 0.97, 2.6, 1.6, 0.9],
                    [-0.9, 0.97, 0.7, -0.2, 0.95, 2.6, 1.8, 0.9],
                    [None] * 8,
                ],
                "spoke": [
                    {"size": 0.6, "rest": 0.3, "events": 0.2, "outline": 0.1},
                    {"outline": -4.0, "size": -1.5, "rest": -0.2, "events": 0.4},
                    {"size": 0.0},
                ],
            },
            "candidates": {
                "least_energy": 16.5,
                "least_area": 8,
                "at": [[22, 30]],
                "score": [19.0],
                "energy": [3.2],
                "area": [30],
                "verdict": ["too little energy of its own"],
            },
        },
    )


def test_each_place_has_its_answer(result: Components) -> None:
    assert explain_place(result, (8, 8)).summary == "There is a cell: component 0 is accepted."
    process = explain_place(result, (9, 30)).components[0]
    assert process.rules == ("probability of a cell 0.04 <= cnn_lowest 0.5",)
    assert process.spoke == (
        "outline: elongated, ragged (solidity 0.70) (against)",
        "size: 0.41 times the movie's cells (against)",
        "event shape: yes, 12 events (for)",
    )
    weak = explain_place(result, (22, 8)).components[0]
    assert weak.rules == (
        "SNR 0.90 <= min_SNR 2.5 and r 0.30 < rval_thr 0.8 and probability 0.80 < min_cnn_thr 0.9",
    )
    assert weak.spoke == ()
    dropped = explain_place(result, (23, 31))
    assert dropped.components == ()
    assert dropped.candidates[0].at == (22, 30)
    assert "has 3.2 and needs 16.5" in dropped.summary
    nothing = explain_place(result, (2, 20))
    assert nothing.candidates == ()
    assert "spills over" in explain_place(result, (14, 8)).summary
    assert "has 0.0, a cell needs 16.5" in nothing.summary
    busy = explain_place(result, (2, 35)).summary
    assert "light up together (local correlation 0.98)" in busy
    assert "ilent" not in busy


def test_decisions_and_thresholds_of_the_curator_count(result: Components) -> None:
    cur = Curation(result)
    cur.reject([0])
    assert explain_place(cur, (8, 8)).components[0].rules == ("by hand",)
    cur.set_thresholds(min_SNR=0.5)
    assert explain_place(cur, (22, 8)).summary == "There is a cell: component 2 is accepted."


@pytest.mark.parametrize("place", [(30, 0), (0, -1), (1, 2, 3)])
def test_a_place_outside_is_said(result: Components, place: tuple[int, ...]) -> None:
    with pytest.raises(ResultError, match=r"field \(30, 40\)"):
        explain_place(result, place)


def test_the_command_line_answers_too(result: Components, tmp_path, capsys) -> None:
    path = write_caiman(result, tmp_path / "result.hdf5")
    assert main(["curate", str(path), "--why", "22,30", "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["candidates"][0]["verdict"] == "too little energy of its own"
    assert main(["curate", str(path), "--why", "9,30"]) == 0
    assert "outline: elongated" in capsys.readouterr().out
    assert main(["curate", str(path), "--why", "here"]) == 2
