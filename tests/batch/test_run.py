"""A movie goes in, a child process computes, a result comes out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cnmf.batch import Batch, EventKind, Queue, QueueEventKind, State
from napari_cnmf.batch.processes import start_worker
from napari_cnmf.errors import BatchError, ResultError


def test_an_item_runs_in_a_child_process_and_leaves_a_result(
    batch: Batch, movie_path: Path
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", name="first")
    assert item.state is State.QUEUED
    assert not (item.folder / "result.hdf5").exists()

    ran = batch.run(progress=False)

    assert ran == [item]
    assert item.state is State.COMPLETED, item.error
    assert item.status.process is not None
    assert item.status.process.pid != os.getpid()
    assert item.status.engine == "toy"
    assert item.log_text().count("Engine toy") == 1
    assert item.status.engine_version == "1.0"
    assert (item.status.n_components, item.status.n_accepted) == (2, 1)
    assert item.result_path == item.folder / "result.hdf5"
    assert item.images()["mean"].shape == (24, 32)
    kinds = [event.event for event in item.events()]
    assert EventKind.PROGRESS in kinds
    assert kinds[-1] is EventKind.RESULT


def test_the_result_of_a_queued_item_is_an_error_that_says_so(
    batch: Batch, movie_path: Path
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy")
    with pytest.raises(ResultError, match="is queued"):
        item.result()


def test_a_chain_waits_for_its_parent_and_takes_its_border_and_rate(
    batch: Batch, movie_path: Path
) -> None:
    motion = batch.add("mcorr", movie_path, engine="toy", name="motion")
    cells = batch.add("cnmf", motion, engine="toy", name="cells")
    assert cells.state is State.WAITING

    batch.run(start=cells, progress=False)

    assert (motion.state, cells.state) == (State.COMPLETED, State.COMPLETED)
    assert motion.border_px == cells.border_px == 3
    assert cells.frame_rate_hz == pytest.approx(10.0)
    np.testing.assert_array_equal(motion.movie().data[3].compute(), tifffile.imread(movie_path)[3])
    steps = [(step["step"], step["engine"], step["version"]) for step in cells.history_trace]
    assert steps == [("mcorr", "toy", "1.0"), ("cnmf", "toy", "1.0")]
    assert cells.history_trace[0]["input"] == list(motion.spec.movie.paths)
    assert cells.history_trace[1]["input"] == motion.uuid


def test_a_child_of_a_failed_parent_says_so_and_is_queued_with_it(
    batch: Batch, movie_path: Path
) -> None:
    motion = batch.add("mcorr", movie_path, engine="toy", name="motion", comment="fail")
    cells = batch.add("cnmf", motion, engine="toy", name="cells")
    batch.run(progress=False)
    assert motion.state is State.FAILED
    assert motion.error == "The toy must work, and it broke. Try another one."
    assert cells.state is State.FAILED
    assert "'motion', which is failed" in str(cells.error)

    motion.set_comment("")
    motion.retry()
    assert cells.state is State.WAITING
    batch.run(progress=False)
    assert cells.state is State.COMPLETED, cells.error


def test_a_bug_of_an_engine_becomes_the_items_error_with_its_traceback(
    batch: Batch, movie_path: Path
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="bug")
    batch.run(progress=False)
    assert item.state is State.FAILED
    assert "a bug of the toy" in str(item.error)
    assert item.status.error is not None
    assert "toy_engine.py" in item.status.error.traceback
    assert "ZeroDivisionError" in item.log_text()


def test_a_worker_that_is_killed_leaves_its_item_interrupted_and_retriable(
    batch: Batch, movie_path: Path
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="crash")
    batch.run(progress=False)
    assert item.state is State.INTERRUPTED
    assert "SIGKILL" in str(item.error)
    stored = json.loads((item.folder / "status.json").read_text())
    assert stored["state"] == "interrupted"

    item.set_comment("")
    item.retry()
    batch.run(progress=False)
    assert item.state is State.COMPLETED
    assert item.status.attempts == 2


def test_warnings_stay_with_the_item_until_it_runs_again(batch: Batch, movie_path: Path) -> None:
    item = batch.add("cnmf", movie_path, engine="toy", comment="warn and fail")
    batch.run(progress=False)
    assert item.status.warnings == ("The toy should rest, and it moved. Hold it.",)
    item.set_comment("")
    item.retry()
    batch.run(progress=False)
    assert item.state is State.COMPLETED
    assert item.status.warnings == ()


def test_a_completed_item_is_not_run_again(batch: Batch, movie_path: Path) -> None:
    item = batch.add("cnmf", movie_path, engine="toy")
    batch.run(progress=False)
    ended = item.status.ended
    assert batch.run(progress=False) == []
    assert item.status.ended == ended
    with pytest.raises(BatchError, match="is completed"):
        item.retry()


def test_adding_while_the_queue_runs(
    batch: Batch, movie_path: Path, tmp_path: Path, wait_until
) -> None:
    events = []
    first = batch.add("cnmf", movie_path, engine="toy", comment="gate go")
    queue = Queue(batch, on_event=events.append)
    queue.start()
    wait_until(lambda: first.state is State.RUNNING)
    late = batch.add(
        "cnmf", movie_path, engine="toy", name="late", params={"init": {"gSig": (3, 3)}}
    )
    (tmp_path / "go").touch()
    assert queue.wait(30)
    assert (first.state, late.state) == (State.COMPLETED, State.COMPLETED)
    wait_until(lambda: events[-1].kind is QueueEventKind.IDLE)
    ended = [event.item for event in events if event.kind is QueueEventKind.ENDED]
    assert ended == [first, late]


def test_a_second_start_runs_what_it_was_asked_for_alone(batch: Batch, movie_path: Path) -> None:
    queue = Queue(batch)
    first = batch.add("cnmf", movie_path, engine="toy")
    queue.start()
    assert queue.wait(60)
    left, wanted = (
        batch.add("cnmf", movie_path, engine="toy", params={"init": {"K": k}}) for k in (1, 2)
    )
    queue.start(start=wanted)
    assert queue.wait(60)
    assert [item.state for item in (first, left, wanted)] == [
        State.COMPLETED, State.QUEUED, State.COMPLETED,
    ]  # fmt: skip


def test_what_runs_already_takes_its_place(
    batch: Batch, movie_path: Path, tmp_path: Path, wait_until
) -> None:
    """A viewer that was killed left a worker behind: the next one starts none beside it."""
    queued = batch.add("cnmf", movie_path, engine="toy", refit=True)
    running = batch.add("cnmf", movie_path, engine="toy", comment="gate go")
    worker = start_worker(running.folder, running.uuid)
    wait_until(lambda: running.state is State.RUNNING)
    happened = []
    queue = Queue(batch, on_event=lambda event: happened.append((event.kind, event.item)))
    queue.start()
    wait_until(lambda: (QueueEventKind.STARTED, running) in happened)
    assert queue.running == [running]
    assert queued.state is State.QUEUED
    (tmp_path / "go").touch()
    worker.wait(60)
    assert queue.wait(60)
    assert {item.state for item in batch} == {State.COMPLETED}
