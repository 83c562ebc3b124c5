"""Cancel really cancels, stalls end, and nothing of an item survives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from napari_cnmf.batch import Batch, Queue, QueueEventKind, State, settling, stopping
from napari_cnmf.batch.processes import LocalHandle, start_worker
from napari_cnmf.batch.running import cancel_and_wait
from napari_cnmf.batch.status import RETRIABLE


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "ASK_SECONDS", 0.3)
    monkeypatch.setattr(stopping, "TERMINATE_SECONDS", 0.3)


def stages(item) -> list[str]:
    return [event.stage for event in item.events()]


def test_a_polite_worker_stops_at_its_next_block(
    batch: Batch, movie_path: Path, wait_until
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="polite")
    queue = Queue(batch)
    queue.start()
    wait_until(lambda: "polite" in stages(item))
    queue.cancel(item)
    assert queue.wait(30)
    assert item.state is State.CANCELLED
    assert not (item.folder / "cancel").exists()
    assert "cancelled" in item.log_text()
    item.set_comment("")
    item.retry()
    batch.run(progress=False)
    assert item.state is State.COMPLETED


@pytest.mark.parametrize("end", ["polite", "deaf", "fail", "crash"])
def test_half_a_result_is_none(batch: Batch, movie_path: Path, wait_until, end: str) -> None:
    """However a run ends that has written an output already."""
    item = batch.add("mcorr", movie_path, engine="toy", comment=f"half {end}")
    queue = Queue(batch)
    queue.start()
    if end in ("polite", "deaf"):
        wait_until(lambda: stages(item)[-1:] and stages(item)[-1].startswith(end))
        assert (item.folder / "corrected.tif").exists()
        queue.cancel(item)
    assert queue.wait(30)
    assert item.state in RETRIABLE
    left = {path.name for path in item.folder.iterdir()}
    assert left - {"item.lock"} == {"item.json", "status.json", "events.jsonl", "worker.log"}


def test_a_deaf_worker_is_killed_with_its_whole_tree(
    batch: Batch, movie_path: Path, wait_until
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="deaf")
    queue = Queue(batch)
    queue.start()
    wait_until(lambda: stages(item)[-1:] and stages(item)[-1].startswith("deaf"))
    grandchild = int(stages(item)[-1].split()[1])
    assert psutil.pid_exists(grandchild)
    queue.cancel(item)
    assert queue.wait(30)
    assert item.state is State.CANCELLED
    wait_until(lambda: not psutil.pid_exists(grandchild))


def test_what_a_dead_worker_leaves_running_is_ended(
    batch: Batch, movie_path: Path, wait_until
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="orphan")
    batch.run(progress=False)
    assert item.state is State.INTERRUPTED
    grandchild = int(next(s for s in stages(item) if s.startswith("orphan")).split()[1])
    wait_until(lambda: not psutil.pid_exists(grandchild))


def test_queued_and_waiting_items_are_cancelled_at_once(batch: Batch, movie_path: Path) -> None:
    motion = batch.add("mcorr", movie_path, engine="toy")
    cells = batch.add("cnmf", motion, engine="toy")
    for item in (cells, motion):
        item.cancel()
        assert item.state is State.CANCELLED
        item.cancel()
    assert batch.run(progress=False) == []
    motion.retry()
    cells.retry()
    assert [item.state for item in batch] == [State.QUEUED, State.WAITING]


def test_cancel_all_stops_the_queue(batch: Batch, movie_path: Path, wait_until) -> None:
    items = [
        batch.add("cnmf", movie_path, engine="toy", comment="polite", params={"init": {"K": k}})
        for k in (1, 2, 3)
    ]
    queue = Queue(batch, n_workers=2)
    queue.start()
    wait_until(lambda: [item.state for item in items].count(State.RUNNING) == 2)
    queue.cancel_all()
    assert queue.wait(30)
    assert {item.state for item in items} == {State.CANCELLED}


@pytest.mark.long
def test_a_worker_that_stands_still_is_ended_and_says_so(batch: Batch, movie_path: Path) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="still")
    events = []
    # Long enough for the imports of a busy machine, which use the CPU all the time.
    queue = Queue(batch, stall_s=4.0, on_event=events.append)
    queue.start()
    assert queue.wait(60)
    assert item.state is State.FAILED
    assert "stood still" in str(item.error)
    assert [e.kind for e in events if e.kind is QueueEventKind.ENDED] == [QueueEventKind.ENDED]


def test_a_worker_told_to_end_by_the_system_is_interrupted(
    batch: Batch, movie_path: Path, wait_until
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="polite")
    worker = start_worker(item.folder, item.uuid)
    wait_until(lambda: "polite" in stages(item))
    os.kill(worker.pid, signal.SIGTERM)
    worker.wait(20)
    assert item.state is State.INTERRUPTED
    assert "told its process to end" in str(item.error)


def test_a_running_worker_is_found_again_and_can_be_cancelled(
    batch: Batch, movie_path: Path, tmp_path: Path, wait_until
) -> None:
    """The process that started it dies, as a viewer may."""
    running = batch.add("cnmf", movie_path, engine="toy", comment="polite", name="running")
    later = batch.add("cnmf", movie_path, engine="toy", name="later", refit=True)
    code = (
        "import os, sys; from napari_cnmf.batch import Batch, Queue\n"
        "batch = Batch.open(sys.argv[1]); Queue(batch).start()\n"
        "while batch['running'].progress == 0: pass\n"
        "os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(batch.path)], check=False, timeout=60)
    wait_until(lambda: "polite" in stages(running))
    assert running.state is State.RUNNING

    started = []
    queue = Queue(batch, on_event=lambda event: started.append((event.kind, event.message)))
    queue.start()
    wait_until(lambda: (QueueEventKind.STARTED, "found running") in started)
    assert later.state is State.QUEUED
    queue.cancel(running)
    assert queue.wait(30)
    assert (running.state, later.state) == (State.CANCELLED, State.COMPLETED)


def test_a_killed_worker_tells_its_starter_how_it_ended(
    batch: Batch, movie_path: Path, wait_until
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="deaf")
    worker = LocalHandle(start_worker(item.folder, item.uuid))
    wait_until(lambda: stages(item)[-1:] and stages(item)[-1].startswith("deaf"))
    worker.kill()
    assert worker.ended()
    assert worker.exit_code == -signal.SIGKILL
    assert stopping.has_ended(psutil.Process(os.getpid())) is False


def test_cancel_without_a_queue(batch: Batch, movie_path: Path, wait_until) -> None:
    deaf = batch.add("cnmf", movie_path, engine="toy", comment="deaf")
    queued = batch.add("cnmf", movie_path, engine="toy", refit=True)
    worker = start_worker(deaf.folder, deaf.uuid)
    wait_until(lambda: stages(deaf)[-1:] and stages(deaf)[-1].startswith("deaf"))
    cancel_and_wait(batch.items)
    assert (deaf.state, queued.state) == (State.CANCELLED, State.CANCELLED)
    worker.wait(5)
    assert not psutil.pid_exists(worker.pid)


def test_the_queue_ends_a_deaf_worker_that_somebody_else_started(
    batch: Batch, movie_path: Path, wait_until
) -> None:
    deaf = batch.add("cnmf", movie_path, engine="toy", comment="deaf")
    other = batch.add("cnmf", movie_path, engine="toy", refit=True)
    worker = start_worker(deaf.folder, deaf.uuid)
    wait_until(lambda: stages(deaf)[-1:] and stages(deaf)[-1].startswith("deaf"))
    queue = Queue(batch)
    queue.cancel(deaf)
    assert queue.wait(30)
    worker.wait(5)
    assert (deaf.state, other.state) == (State.CANCELLED, State.QUEUED)


def test_what_is_queued_again_before_the_queue_has_looked_stays_queued(
    batch: Batch, movie_path: Path
) -> None:
    """A retry may come between the end of a worker and the moment its starter sees it."""
    item = batch.add("cnmf", movie_path, engine="toy", comment="fail")
    worker = start_worker(item.folder, item.uuid)
    code = worker.wait(60)
    item.retry()
    for verdict in (settling.Verdict(), settling.Verdict(cancelled=True)):
        for before in (0, None):
            settling.settle(item, verdict, code, attempts_before=before)
            assert item.state is State.QUEUED
    # One that never began is told from it.
    settling.settle(item, settling.Verdict(), code, attempts_before=1)
    assert "ended before it began" in str(item.error)
