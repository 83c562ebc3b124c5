"""nwbinspector and suite2p's own window."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import napari_cnmf as nc
from napari_cnmf.io.curation import open_curation

pytestmark = pytest.mark.interop

DATA = Path(__file__).parents[1] / "data"
KINDS = ("2d", "1p", "3d")

_INSPECT = """
import json, sys
from nwbinspector import Importance, inspect_nwbfile
found = inspect_nwbfile(nwbfile_path=sys.argv[1], importance_threshold=Importance.CRITICAL)
print(json.dumps([f"{message.check_function_name}: {message.message}" for message in found]))
"""

_SUITE2P = """
import json, sys
from qtpy.QtWidgets import QApplication
app = QApplication([])
from suite2p.gui.gui2p import MainWindow
window = MainWindow(statfile=sys.argv[1])
print(json.dumps([window.loaded, len(window.stat), window.iscell.astype(bool).tolist()]))
"""


def ask(python: str, code: str, path: Path, home: Path) -> list:
    """The last line that ``code`` prints, run there on ``path``."""
    done = subprocess.run(
        [python, "-c", code, str(path)], capture_output=True, text=True, check=False, timeout=280,
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen", "HOME": str(home)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_nwbinspector_finds_nothing_critical(
    kind: str, tmp_path: Path, interop_python: str
) -> None:
    shutil.copy(DATA / f"result-{kind}.hdf5", tmp_path / "result.hdf5")
    path = nc.write_nwb(open_curation(tmp_path / "result.hdf5"), tmp_path / "result.nwb")
    assert ask(interop_python, _INSPECT, path, tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_suite2p_opens_the_folder(kind: str, tmp_path: Path, interop_python: str) -> None:
    shutil.copy(DATA / f"result-{kind}.hdf5", tmp_path / "result.hdf5")
    cur = open_curation(tmp_path / "result.hdf5")
    folder = nc.write_suite2p(cur, tmp_path / "suite2p")
    loaded, n, iscell = ask(interop_python, _SUITE2P, folder / "plane0" / "stat.npy", tmp_path)
    assert loaded
    assert n == cur.accepted.size
    assert iscell == cur.accepted.tolist()
