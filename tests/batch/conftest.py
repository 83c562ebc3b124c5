"""Real batches with real child processes; the toy engine is found by its entry point."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from napari_cnmf.batch import Batch
from napari_cnmf.engines import look_again

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(autouse=True)
def toy_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the toy engine, here and in every child process."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    paths = [str(PLUGIN), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    importlib.invalidate_caches()
    look_again()
    sys.modules.pop("toy_engine", None)


@pytest.fixture(autouse=True)
def no_surviving_children() -> Iterator[None]:
    """No test leaves a process behind."""
    before = set(psutil.Process().children(recursive=True))
    yield
    after = set(psutil.Process().children(recursive=True)) - before
    _, alive = psutil.wait_procs(after, timeout=5)
    living = [process for process in alive if not _belongs_to_python(process)]
    for process in living:
        process.kill()
    assert not living, f"left behind: {living}"


def _belongs_to_python(process: psutil.Process) -> bool:
    """The helper that Python keeps for its own multiprocessing, and what is dead already."""
    if process.status() == psutil.STATUS_ZOMBIE:
        return True
    return any("resource_tracker" in word for word in process.cmdline())


@pytest.fixture
def movie_path(tmp_path: Path) -> Path:
    """20 frames of 24 x 32 uint16 at 10 Hz."""
    path = tmp_path / "movie with ümlaut.tif"
    frames = np.random.default_rng(0).integers(100, 200, (20, 24, 32), dtype=np.uint16)
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    return path


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    return Batch.create(tmp_path / "my bätch")


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Wait for a condition, and fail when it does not come."""

    def wait(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come"
            time.sleep(0.01)

    return wait
