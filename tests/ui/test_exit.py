"""A script ends while something runs in the background: nothing is torn down under it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import time
from napari_cnmf.ui._background import run_in_background
from qtpy.QtWidgets import QApplication

app = QApplication([])

def steps():
    yield "begun"
    time.sleep(0.5)
    yield "a step nobody waits for"
    raise AssertionError("it was to end before this step")

run_in_background(steps)
print("the last line")
"""

_WATCHING = """
import sys
from napari_cnmf.batch import Batch
from napari_cnmf.ui._bridge import BatchBridge
from qtpy.QtWidgets import QApplication

app = QApplication([])
bridges = [BatchBridge(Batch.create(f"{sys.argv[1]}/{n}")) for n in range(3)]
print("the last line")
"""


@pytest.mark.long
@pytest.mark.parametrize("script", [_SCRIPT, _WATCHING], ids=["work", "watching"])
def test_what_still_runs_ends_before_qt_does(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "the last line\n"
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
