"""What an item needs is said before it starts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import psutil
import pytest

from napari_cnmf.batch import Batch
from napari_cnmf.batch.jobs import prepare_job
from napari_cnmf.batch.preflight import check_space, estimate_needs
from napari_cnmf.core.motion.correct import correct_motion
from napari_cnmf.core.plan.plan import foresee, make_plan
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import BatchError, ParameterError
from napari_cnmf.io import frame_source
from napari_cnmf.params import CNMFParams


def test_needs_grow_with_the_movie(tmp_path: Path) -> None:
    small = estimate_needs((1000, 128, 128), 2, Algorithm.MCORR, tmp_path)
    large = estimate_needs((4000, 512, 512), 2, Algorithm.MCORR, tmp_path)
    assert small.disk_gb < 0.1
    assert large.disk_gb == pytest.approx(4000 * 512 * 512 * 2 / 1e9, rel=0.1)
    assert large.memory_gb > small.memory_gb
    assert small.memory_free_gb > 0
    assert large.disk_free_gb == pytest.approx(small.disk_free_gb, rel=0.2)


def test_what_cells_need_is_what_the_engines_plan_asks_for(tmp_path: Path) -> None:
    params = CNMFParams()
    shape, dtype = (20_000, 1024, 1024), np.dtype(np.uint16)
    wanted = foresee(shape, dtype, params, 30.0)
    needs = estimate_needs(shape, 2, Algorithm.CNMF, tmp_path, wanted)
    assert needs.memory_gb == wanted.least_memory_gb < wanted.memory_gb
    assert wanted.scratch_gb == pytest.approx(wanted.memory_gb - wanted.least_memory_gb, rel=0.3)
    movie = cast("Any", SimpleNamespace(shape=shape, dtype=dtype))
    with pytest.raises(ParameterError, match="memory_gb must be at least") as error:
        make_plan(movie, params, 30.0, 0.5)
    said = re.search(r"at least ([.\d]+)", str(error.value))
    assert said is not None
    assert float(said[1]) == pytest.approx(wanted.least_memory_gb, abs=0.01)
    assert not make_plan(movie, params, 30.0, float(said[1])).in_memory


def test_what_motion_correction_needs_is_the_budget_that_it_asks_for(
    batch: Batch, movie_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = prepare_job(batch.add("mcorr", movie_path))
    movie = job.open_movie()
    with pytest.raises(ParameterError, match="memory_gb must be at least") as error:
        correct_motion(
            frame_source(movie), job.params, write=lambda start, frames: None, memory_gb=0.01
        )
    said = re.search(r"at least ([.\d]+)", str(error.value))
    assert said is not None
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=0.1e9))
    assert check_space(job) == [
        f"At least {float(said[1]):.1f} GB of memory are needed; 0.1 GB are free. Close other "
        "programs if this fails."
    ]


def test_a_job_answers_every_question(batch: Batch, movie_path: Path) -> None:
    item = batch.add(
        "cnmf", movie_path, refit=True, run={"n_processes": 3}, params={"data": {"fr": 8}}
    )
    job = prepare_job(item, n_threads=1, memory_gb=2.0)
    assert job.movie_paths == (movie_path,)
    assert job.frame_rate_hz == 8
    assert (job.run.n_processes, job.run.memory_gb) == (3, 2.0)
    assert job.refit
    assert check_space(job) == []


def test_a_disk_without_room_is_noticed_before_the_work(tmp_path: Path, movie_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("this process may not mount a file system")
    try:
        batch = Batch.create(disk / "b")
        item = batch.add("mcorr", movie_path)
        with pytest.raises(BatchError, match=r"free\. Free some space"):
            check_space(prepare_job(item))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
