"""The command line as a user types it: a process of its own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.engines import look_again

PLUGIN = Path(__file__).parents[1] / "batch" / "plugin"
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def toy_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the toy engine of the batch tests, here and in every child process."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    paths = [str(PLUGIN), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    importlib.invalidate_caches()
    look_again()


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run ``napari-cnmf`` with these arguments in a folder with an umlaut and a space."""
    folder = tmp_path / "wörk place"
    folder.mkdir()

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "napari_cnmf.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            timeout=240,
            env=os.environ | {"PYTHONUTF8": "1"} | environment,
        )

    return run


@pytest.fixture
def movie_path(tmp_path: Path) -> Path:
    """20 frames of 24 x 32 uint16 at 10 Hz."""
    path = tmp_path / "a movie.tif"
    frames = np.random.default_rng(0).integers(100, 200, (20, 24, 32), dtype=np.uint16)
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    return path
