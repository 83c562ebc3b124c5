"""Docks notice what others do: one listing, one stat an item."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from napari_cnmf.batch import Batch, BatchWatcher, State
from napari_cnmf.batch.processes import start_worker
from napari_cnmf.batch.spec import ItemSpec
from napari_cnmf.batch.status import Status
from napari_cnmf.batch.store import add_item_folder


def test_what_another_process_does_is_seen(batch: Batch, movie_path: Path) -> None:
    other = Batch.open(batch.path)
    watcher = BatchWatcher(batch)
    assert not watcher.poll()
    added = other.add("cnmf", movie_path, engine="toy")
    assert [item.uuid for item in watcher.poll().added] == [added.uuid]
    assert not watcher.poll()
    added.rename("renamed")
    assert [item.name for item in watcher.poll().changed] == ["renamed"]
    other.run(progress=False)
    changed = watcher.poll().changed
    assert [item.state for item in changed] == [State.COMPLETED]
    other.remove(added)
    changes = watcher.poll()
    assert changes.removed == (added.uuid,)
    assert not watcher.poll()


def test_a_death_and_a_parents_end_are_seen_without_a_write(
    batch: Batch, movie_path: Path, wait_until
) -> None:
    motion = batch.add("mcorr", movie_path, engine="toy", comment="polite")
    cells = batch.add("cnmf", motion, engine="toy")
    worker = start_worker(motion.folder, motion.uuid)
    wait_until(lambda: any(event.stage == "polite" for event in motion.events()))
    watcher = BatchWatcher(batch)
    watcher.poll()
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(10)
    assert [(item, item.state) for item in watcher.poll().changed] == [(motion, State.INTERRUPTED)]
    assert not watcher.poll()
    motion.set_comment("")
    motion.retry()
    batch.run([motion], progress=False)
    assert cells in watcher.poll().changed
    assert cells.state is State.QUEUED


@pytest.mark.long
def test_a_long_batch_opens_and_polls_quickly(batch: Batch, movie_path: Path) -> None:
    """1,000 items, on a machine that may be busy; the benchmark has the figures."""
    spec = batch.add("cnmf", movie_path).spec
    for k in range(1000):
        copy = ItemSpec.model_validate(
            spec.model_dump()
            | {"uuid": f"{k:06x}00-0000-4000-8000-000000000000", "name": f"n{k}", "hash": str(k)}
        )
        add_item_folder(batch.path, copy, Status())
    opened = Batch.open(batch.path)
    watcher = BatchWatcher(opened)
    began = time.perf_counter()
    assert len(watcher.poll().added) == 1001
    assert len(opened.df) == 1001
    first = time.perf_counter() - began
    began = time.process_time()
    assert not watcher.poll()
    assert time.process_time() - began < 0.2
    assert first < 20
    began = time.process_time()
    found = opened["00003e00-0000-4000-8000-000000000000"]
    assert found.name == "n62"
    assert time.process_time() - began < 0.1
