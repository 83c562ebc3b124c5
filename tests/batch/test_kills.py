"""Hard kills at random moments: the batch opens, states are true, everything can be finished."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil

from napari_cnmf.batch import Batch, State
from napari_cnmf.batch.status import RETRIABLE
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.io.motion import read_motion

N_KILLS = int(os.environ.get("NAPARI_CNMF_KILLS", "8"))
QUEUE = """
import sys
from napari_cnmf.batch import Batch
Batch.open(sys.argv[1]).run(progress=False, n_workers=2)
"""


def test_kills_at_random_moments(batch: Batch, movie_path: Path, wait_until) -> None:
    generator = random.Random(N_KILLS)
    names = fill(batch, movie_path, "first")
    killed = 0
    while killed < N_KILLS:
        queue = subprocess.Popen([sys.executable, "-c", QUEUE, str(batch.path)])
        # A moment that nobody chose is the point here; half of them before the first worker.
        threading.Event().wait(generator.uniform(0.2, 4.0))
        tree = psutil.Process(queue.pid).children(recursive=True)
        victims = generator.sample(tree, generator.randint(0, len(tree)))
        for process in generator.sample([psutil.Process(queue.pid), *victims], 1 + len(victims)):
            process.kill()
            killed += 1
        queue.wait()
        survivors = [process for process in tree if process not in victims]
        check(batch, alive={process.pid for process in survivors if process.is_running()})
        # The survivors work on alone, and the next queue finds what they left.
        psutil.wait_procs(survivors, timeout=60)
        for item in Batch.open(batch.path):
            if item.state in RETRIABLE:
                item.retry()
        if all(item.state is State.COMPLETED for item in batch):
            names += fill(batch, movie_path, f"after {killed}")
    batch.run(progress=False, n_workers=2)
    for item in batch:
        if item.state in RETRIABLE:
            item.retry()
    batch.run(progress=False, n_workers=2)
    check(batch, alive=set())
    assert [item.name for item in batch] == names
    assert {item.state for item in batch} == {State.COMPLETED}
    leftovers = [path for path in batch.path.rglob(".*") if path.suffix == ".tmp"]
    assert leftovers == []


def fill(batch: Batch, movie_path: Path, prefix: str) -> list[str]:
    """A chain and two single items."""
    comment = "slow"
    options = {"engine": "toy", "comment": comment}
    k = 1 + len(batch)
    params = {
        "init": {"K": k},
        "motion": {"max_shifts": (2, 2)},
        "data": {"decay_time": 0.1 + k / 1000},
    }
    motion = batch.add("mcorr", movie_path, name=f"{prefix} motion", params=params, **options)
    batch.add("cnmf", motion, name=f"{prefix} cells", params=params, **options)
    batch.add("cnmf", movie_path, name=f"{prefix} a", params=params, **options)
    batch.add("cnmf", movie_path, name=f"{prefix} b", params=params, refit=True, **options)
    return [f"{prefix} {end}" for end in ("motion", "cells", "a", "b")]


def check(batch: Batch, alive: set[int]) -> None:
    """Every file is whole, every state is true."""
    for item in Batch.open(batch.path):
        assert item.problem is None, item.problem
        status = item.status
        if status.state is State.RUNNING:
            assert status.process is not None
            assert status.process.pid in alive or psutil.pid_exists(status.process.pid)
        if status.state is State.COMPLETED:
            if item.algorithm.value == "mcorr":
                read_motion(item.folder / "motion.h5")
                assert item.movie().data[-1].compute().shape == (24, 32)
            else:
                assert read_caiman(item.result_path).n_components == 2
            assert np.isfinite(item.images()["mean"]).all()
        for event in item.folder.glob("events.jsonl"):
            whole = event.read_text().split("\n")[:-1]
            torn = sum(not _is_json(line) for line in whole if line)
            assert torn <= status.attempts
        for path in item.folder.glob("result.hdf5"):
            read_caiman(path)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
