"""Several processes on one batch: no item twice, no addition lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.long
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


ADD_THE_SAME = """
import sys
import numpy as np
from napari_cnmf.batch import Batch
path, movie, own = sys.argv[1:]
params = {"data": {"fr": 5.0}}
print("ready", flush=True)
for k, _ in enumerate(sys.stdin):
    batch = Batch.open_or_create(path)
    batch.add("cnmf", movie, engine="toy", params={"init": {"K": k + 1}})
    frames = np.full((9, 24, 32), k, np.uint16)
    batch.add("cnmf", frames, engine="toy", name="same", params=params)
    batch.add("cnmf", frames + 100 * (1 + int(own)), engine="toy", name="own", params=params)
    print("done", flush=True)
"""


@pytest.mark.long
def test_processes_that_add_the_same_at_one_moment_make_one_item(
    tmp_path: Path, movie_path: Path
) -> None:
    """The same movie, or an array of the same frames; arrays of one name stay what they are."""
    rounds, n = 6, 3
    path = tmp_path / "batch"
    adders = [
        subprocess.Popen(
            [sys.executable, "-c", ADD_THE_SAME, str(path), str(movie_path), str(k)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for k in range(n)
    ]  # fmt: skip
    for adder in adders:
        assert adder.stdout.readline() == "ready\n"
    for _ in range(rounds):
        for adder in adders:
            adder.stdin.write("go\n")
            adder.stdin.flush()
        for adder in adders:
            assert adder.stdout.readline() == "done\n", adder.communicate()[1]
    for adder in adders:
        adder.communicate(timeout=60)
        assert adder.returncode == 0
    batch = Batch.open(path)
    names = [item.name for item in batch]
    assert names.count("same") == rounds
    assert names.count("own") == rounds * n
    assert len(names) == rounds * (n + 2)
    found = sorted(int(item.movie().data[4, 5, 6]) for item in batch if item.name == "own")
    assert found == sorted(k + 100 * (1 + own) for k in range(rounds) for own in range(n))
    assert len(list((path / "inputs").iterdir())) == rounds * (n + 1)
