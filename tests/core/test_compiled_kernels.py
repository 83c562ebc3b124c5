"""Compiled kernels belong to the code that they were compiled from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import napari_cnmf

ASK = """
from napari_cnmf.core.base import compiling
from napari_cnmf.core.outer import outer
print(outer(2.0), compiling.cache_folder().name)
"""
INNER = """
from napari_cnmf.core.base.compiling import kernel
@kernel("float64(float64)")
def inner(x):
    return {factor} * x
"""
OUTER = """
from napari_cnmf.core.base.compiling import kernel
from napari_cnmf.core.inner import inner
@kernel("float64(float64)")
def outer(x):
    return inner(x) + 1.0
"""


def answer_of(source: Path, cache: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(source), "NUMBA_CACHE_DIR": str(cache)},
    )
    return done.stdout.split()


@pytest.mark.long
def test_a_kernel_follows_changes_in_kernels_of_other_files(tmp_path: Path) -> None:
    source, cache = tmp_path / "src", tmp_path / "cache"
    package = source / "napari_cnmf"
    shutil.copytree(
        Path(napari_cnmf.__file__).parent,
        package,
        ignore=shutil.ignore_patterns("__pycache__", "ui", "engines", "io", "batch", "cli"),
    )
    (package / "core" / "inner.py").write_text(INNER.format(factor=10.0))
    (package / "core" / "outer.py").write_text(OUTER)
    cache.mkdir()
    old = cache / "kernels-of-long-ago"
    recent = cache / "kernels-of-yesterday"
    for folder, days in ((old, 40), (recent, 1)):
        folder.mkdir()
        os.utime(folder, (time.time() - days * 86400,) * 2)
    first = answer_of(source, cache)
    assert first[0] == "21.0"
    assert not old.exists(), "nobody has used it for a month"
    assert recent.exists(), "another version may be using it"
    assert answer_of(source, cache) == first
    stored = {path: path.stat().st_mtime_ns for path in (cache / first[1]).rglob("*.nbc")}
    assert stored, "kernels are kept"
    assert answer_of(source, cache) == first
    assert {path: path.stat().st_mtime_ns for path in (cache / first[1]).rglob("*.nbc")} == stored
    (package / "core" / "inner.py").write_text(INNER.format(factor=20.0))
    second = answer_of(source, cache)
    assert second[0] == "41.0"
    assert second[1] != first[1]
