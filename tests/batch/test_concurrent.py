"""Several processes on one batch: no item twice, no addition lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from napari_cnmf.batch import Batch, EventKind, State
from napari_cnmf.batch.claims import claim
from napari_cnmf.batch.processes import worker_command

RUN = """
import sys
from napari_cnmf.batch import Batch
Batch.open(sys.argv[1]).run(progress=False, n_workers=2)
"""
ADD = """
import sys
from napari_cnmf.batch import Batch
batch = Batch.open(sys.argv[1])
for k in range(8):
    batch.add("cnmf", sys.argv[2], engine="toy", name=f"{sys.argv[3]}{k}",
              params={"init": {"K": k + int(sys.argv[4])}})
"""


def test_two_queues_run_every_item_once(batch: Batch, movie_path: Path) -> None:
    for k in range(4):
        batch.add("cnmf", movie_path, engine="toy", params={"init": {"K": k + 1}})
    command = [sys.executable, "-c", RUN, str(batch.path)]
    queues = [subprocess.Popen(command) for _ in range(2)]
    assert [queue.wait(120) for queue in queues] == [0, 0]
    for item in batch:
        assert item.state is State.COMPLETED
        assert item.status.attempts == 1
        assert [event.event for event in item.events()].count(EventKind.RESULT) == 1


def test_two_processes_add_and_nothing_is_lost(batch: Batch, movie_path: Path) -> None:
    adders = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, str(batch.path), str(movie_path), name, str(first)]
        )
        for name, first in (("a", 1), ("b", 101))
    ]
    assert [adder.wait(120) for adder in adders] == [0, 0]
    assert sorted(item.name for item in batch) == sorted(f"{n}{k}" for n in "ab" for k in range(8))
    assert all(item.problem is None for item in batch)
    for name in "ab":
        own = [item.name for item in batch if item.name.startswith(name)]
        assert own == [f"{name}{k}" for k in range(8)]


def test_a_worker_leaves_an_item_alone_that_another_holds(batch: Batch, movie_path: Path) -> None:
    item = batch.add("cnmf", movie_path, engine="toy")
    with claim(item.folder):
        done = subprocess.run(
            worker_command(item.folder), capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 3
    assert "held by another process" in done.stderr
    assert item.state is State.QUEUED
    subprocess.run(worker_command(item.folder), check=True, timeout=60)
    assert item.state is State.COMPLETED
    again = subprocess.run(worker_command(item.folder), check=False, timeout=60)
    assert again.returncode == 3
    assert item.status.attempts == 1
