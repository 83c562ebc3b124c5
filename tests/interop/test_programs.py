"""Exports opened by nwbinspector, suite2p's own window and CaImAn; suite2p's own run, imported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_cnmf as nc
from napari_cnmf.io.curation import open_curation
from napari_cnmf.io.exports import Context
from napari_cnmf.io.imports import read_import
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.dff import compute_dff
from napari_cnmf.testing import score, simulate

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
CASES = [(kind, rejected) for kind in ("2d", "1p", "3d") for rejected in (True, False)]
WINDOW = 100
"""Of the baseline, in frames: shorter than the recordings, so that it runs."""

_INSPECT = """
import json, sys
from nwbinspector import Importance, inspect_nwbfile
print(json.dumps({path: [
    f"{message.check_function_name}: {message.message}"
    for message in inspect_nwbfile(
        nwbfile_path=path, importance_threshold=Importance.BEST_PRACTICE_SUGGESTION
    )
] for path in sys.argv[1:]}))
"""

_SUITE2P = """
import json, sys
from qtpy.QtWidgets import QApplication
app = QApplication([])
from suite2p.gui.gui2p import MainWindow
seen = {}
for path in sys.argv[1:]:
    window = MainWindow(statfile=path)
    seen[path] = [
        window.loaded, len(window.stat), window.iscell.astype(bool).tolist(),
        [[int(s["ypix"][s["lam"].argmax()]), int(s["xpix"][s["lam"].argmax()])]
         for s in window.stat],
    ]
    window.close()
print(json.dumps(seen))
"""


def run(python: str, *arguments: str, home: Path) -> str:
    """What a program prints last; its messages where it fails."""
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, check=False, timeout=600,
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen", "HOME": str(home)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return (done.stdout.strip().splitlines() or [""])[-1]


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Curation]:
    """A result of each kind with one component rejected by hand, on fields that are not square."""
    folder = tmp_path_factory.mktemp("results")
    found = {}
    for kind in {kind for kind, _ in CASES}:
        path = Path(shutil.copy(DATA / f"result-{kind}.hdf5", folder))
        found[kind] = open_curation(path)
        found[kind].reject(0)
        found[kind].tag(1, "a tag")
    return found


def kept(cur: Curation, rejected: bool) -> list[int]:
    return list(range(len(cur.ids))) if rejected else np.flatnonzero(cur.accepted).tolist()


SESSION = nc.Session(
    start=datetime(2026, 3, 1, 14, 30), subject_id="m1", session_id="1", species="Mus musculus",
    sex="F", age="P90D", indicator="GCaMP6f", location="CA1", excitation_nm=920, emission_nm=525,
    experimenter=("Doe, Jane",), lab="A lab", institution="A university",
)  # fmt: skip


def test_nwbinspector_has_no_remark(
    curated: dict[str, Curation], tmp_path: Path, interop_python: str
) -> None:
    paths = []
    for kind, rejected in CASES:
        out = tmp_path / f"{kind}-{rejected}.nwb"
        context = Context(session=SESSION)
        written = nc.write_nwb(curated[kind], out, include_rejected=rejected, context=context)
        paths.append(str(written))
    names = ("AnimalID", "TrialID", "date", "species", "sex", "age", "experimenter", "institution")
    project = nc.Project.create(tmp_path / "project", {"columns": [{"name": n} for n in names]})
    values = ("m1", "1", "2026-03-01", "Mus musculus", "F", "P90D", "Doe, Jane", "A university")
    sample = project.add(curated["2d"], dict(zip(names, values, strict=True)))
    paths.append(str(sample.path))
    movie = nc.open_movie(DATA / "movie-2d.tif", frame_rate_hz=10)
    for how in ("linked", "copied"):
        out = tmp_path / f"{how}.nwb"
        written = nc.export(
            curated["2d"], "nwb", out, movie=movie, movie_in_nwb=how, session=SESSION
        )
        paths.append(str(written))
    paths.append(str(nc.export(curated["2d"], "dandi", tmp_path / "dandiset", session=SESSION)))
    said = json.loads(run(interop_python, "-c", _INSPECT, *paths, home=tmp_path))
    assert said == {path: [] for path in paths}


def test_suite2p_opens_every_folder(
    curated: dict[str, Curation], tmp_path: Path, interop_python: str
) -> None:
    paths = {}
    for kind, rejected in CASES:
        folder = nc.write_suite2p(
            curated[kind], tmp_path / f"{kind}-{rejected}", include_rejected=rejected
        )
        paths[kind, rejected] = str(folder / "plane0" / "stat.npy")
    said = json.loads(run(interop_python, "-c", _SUITE2P, *paths.values(), home=tmp_path))
    for (kind, rejected), path in paths.items():
        cur = curated[kind]
        loaded, n, iscell, peaks = said[path]
        rows = kept(cur, rejected)
        assert loaded
        assert n == len(rows)
        assert iscell == cur.accepted[rows].tolist()
        if kind != "3d":  # planes of a volume are laid out side by side
            A = cur.components.A[:, rows].toarray()
            at = np.stack(np.unravel_index(A.argmax(axis=0), cur.components.dims), axis=1)
            assert peaks == at.tolist()


@pytest.mark.caiman
def test_caiman_opens_every_file_and_finds_the_same_dff(
    curated: dict[str, Curation], tmp_path: Path
) -> None:
    paths = {}
    for kind, rejected in CASES:
        out = tmp_path / f"{kind}-{rejected}.hdf5"
        paths[kind, rejected] = str(nc.write_caiman(curated[kind], out, include_rejected=rejected))
    python = os.environ["NAPARI_CNMF_CAIMAN_PYTHON"]
    script = str(HERE / "_read_with_caiman.py")
    said: dict[str, Any] = json.loads(
        run(python, script, str(WINDOW), *paths.values(), home=tmp_path)
    )
    for (kind, rejected), path in paths.items():
        cur, seen = curated[kind], said[path]
        components = cur.components
        rows = kept(cur, rejected)
        assert tuple(seen["dims"]) == components.dims
        assert seen["accepted"] == np.flatnonzero(cur.accepted[rows]).tolist()
        A = components.A[:, rows].toarray()
        at = np.stack(np.unravel_index(A.argmax(axis=0), components.dims), axis=1)
        assert seen["peaks"] == at.tolist()
        dff = compute_dff(components, rows, window=WINDOW)
        np.testing.assert_allclose(dff, seen["dff"], rtol=1e-3, atol=1e-4 * np.abs(dff).max())


def test_a_run_of_suite2p_is_imported(tmp_path: Path, interop_python: str) -> None:
    recording = simulate(n_frames=800, size=(96, 128), n_cells=30, seed=2)
    tifffile.imwrite(tmp_path / "simulated.tif", np.asarray(recording.movie, np.int16))
    folder = tmp_path / "run"
    folder.mkdir()
    script = str(HERE / "_run_suite2p.py")
    run(interop_python, script, str(tmp_path / "simulated.tif"), str(folder), home=tmp_path)
    imported = read_import(folder)
    components = imported.components
    assert components.dims == (96, 128)
    assert components.attributes["history_trace"][0]["params"]["neuropil_coefficient"] == 0.7
    found = score(components, recording.truth)
    assert found.recall > 0.6
    assert found.trace_correlation > 0.85
    path = nc.import_result(folder, tmp_path / "result.hdf5")
    assert open_curation(path).accepted.tolist() == components.accepted.tolist()
