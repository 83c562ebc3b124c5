"""The command line as a user types it."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_cnmf.cli import main
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
def cli(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run ``napari-cnmf`` with these arguments in a folder with an umlaut and a space.

    In this process, where it need not be imported again; the items it runs have children as ever,
    and all that any of them writes is caught.
    """
    folder = tmp_path / "wörk place"
    folder.mkdir()

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        capfd.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            for name, value in environment.items():
                patch.setenv(name, value)
            # A fresh process has no handlers yet: the command line sets up its own.
            patch.setattr(logging.root, "handlers", [])
            # Warnings go to stderr as in a shell: pytest makes errors of them, and records them.
            with warnings.catch_warnings():
                warnings.simplefilter("default")
                warnings.showwarning = _to_stderr
                code = main(words)
        return subprocess.CompletedProcess(words, code, *capfd.readouterr())

    return run


def _to_stderr(message: Any, category: Any, name: str, line: int, *_: Any) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, name, line))


@pytest.fixture
def movie_path(tmp_path: Path) -> Path:
    """20 frames of 24 x 32 uint16 at 10 Hz."""
    path = tmp_path / "a movie.tif"
    frames = np.random.default_rng(0).integers(100, 200, (20, 24, 32), dtype=np.uint16)
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    return path
