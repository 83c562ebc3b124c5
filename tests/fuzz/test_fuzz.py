"""A short run of ``make fuzz``: damaged files end in a sentence, never in a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz.py"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["results", "footprints", "rois", "suite2p", "pickles"])
def test_damaged_files_end_in_a_sentence(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kinds", kind, "--files", "80"],
        capture_output=True, text=True, timeout=850, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
