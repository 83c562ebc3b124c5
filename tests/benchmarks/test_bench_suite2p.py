"""suite2p in the bench: a stand-in with its functions and files, run in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import bench_suite2p as suite2p
from bench import choose_engines
from bench_measure import Measured, as_json, kept
from bench_rows import rows_of
from napari_cnmf.errors import EngineError, ParameterError
from napari_cnmf.testing import simulate
from regimes import base_regime

STAND_IN = """
from pathlib import Path
import h5py
import numpy as np

def default_settings():
    return {"run": {}, "extraction": {"neuropil_coefficient": 0.7}}

def run_s2p(db, settings):
    assert settings["run"]["do_registration"] == 0 and settings["fs"] == 15.0
    with h5py.File(Path(db["data_path"][0]) / db["file_list"][0]) as file:
        n = file["data"].shape[0]
    plane = Path(db["save_path0"]) / "suite2p" / "plane0"
    plane.mkdir(parents=True)
    roi = lambda y, x: {"ypix": np.array([y, y]), "xpix": np.array([x, x + 1]), "lam": np.ones(2)}
    np.save(plane / "stat.npy", np.array([roi(3, 4), roi(10, 20)], dtype=object))
    np.save(plane / "F.npy", np.full((2, n), 10.0))
    np.save(plane / "Fneu.npy", np.full((2, n), 2.0))
    np.save(plane / "iscell.npy", np.array([[1, 0.9], [0, 0.1]]))
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "suite2p.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(suite2p.PYTHON_VARIABLE, sys.executable)


@pytest.mark.usefixtures("stand_in")
def test_rois_come_back_as_footprints_and_traces(tmp_path: Path) -> None:
    recording = simulate(base_regime(n_frames=20, size=(24, 32), n_cells=2))
    folder = tmp_path / "run"
    folder.mkdir()
    job = suite2p.write_job(recording, folder)
    assert suite2p.run_job(job) is None
    (A, C), is_cell = suite2p.read_outcome(job, (24, 32))
    assert A.shape == (24 * 32, 2)
    assert np.flatnonzero(A[:, 1].toarray().ravel()).tolist() == [10 * 32 + 20, 10 * 32 + 21]
    np.testing.assert_allclose(C, 10 - 0.7 * 2)
    assert is_cell.tolist() == [True, False]


def test_what_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(suite2p.PYTHON_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(EngineError, match="must name an interpreter"):
        choose_engines("suite2p")
    with pytest.raises(ParameterError, match="takes builtin, caiman, suite2p"):
        choose_engines("suite3p")


def test_figures_of_earlier_runs_are_read_back(tmp_path: Path) -> None:
    row = rows_of("smoke")[0]
    measured = Measured(1.0, 2.0, 0.3, 0.9, 0.95, 0.8, 1.0, 0.7)
    path = tmp_path / "runs.jsonl"
    path.write_text(f"{as_json(row, 'builtin', measured)}\n{as_json(row, 'caiman', 'failed')}\n")
    assert kept(path) == {
        (row.group, row.name, "builtin"): measured,
        (row.group, row.name, "caiman"): "failed",
    }
    assert kept(tmp_path / "none.jsonl") == {}
