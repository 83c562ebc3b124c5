"""A short run of ``make fuzz``: damaged files end in a sentence, never in a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz.py"


@pytest.mark.timeout(900)
def test_damaged_files_end_in_a_sentence() -> None:
    """Forty of each kind that is quick to read; `make fuzz` has all kinds, and many more."""
    kinds = ("results", "footprints", "rois", "suite2p", "pickles", "outputs")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kinds", *kinds, "--files", "40"],
        capture_output=True, text=True, timeout=850, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list(kinds)
