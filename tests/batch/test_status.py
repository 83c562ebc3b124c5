"""The state machine, walked at random; snapshots that survive a round trip."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.batch import Batch, State, Status
from napari_cnmf.batch.claims import BEAT_LIMIT_SECONDS, LOCK_FILE, is_alive
from napari_cnmf.batch.events import Event, EventKind, append_event, read_events
from napari_cnmf.batch.schedule import next_time, wait_for
from napari_cnmf.batch.status import (
    ENDED,
    TRANSITIONS,
    ProcessInfo,
    Progress,
    read_status,
    write_status,
)
from napari_cnmf.errors import BatchError


@given(st.lists(st.sampled_from(list(State)), max_size=12))
def test_a_walk_over_the_states(path: list[State]) -> None:
    status = Status()
    for state in path:
        if state not in TRANSITIONS[status.state]:
            with pytest.raises(BatchError, match="cannot become"):
                status.to(state)
            continue
        before, status = status, status.to(state)
        assert status.state is state
        assert (status.ended is not None) == (state in ENDED)
        if state is State.RUNNING:
            assert status.attempts == before.attempts + 1
            assert status.error is None
    assert Status.model_validate(json.loads(status.model_dump_json())) == status


def test_completed_is_final_and_every_other_end_can_be_retried() -> None:
    assert TRANSITIONS[State.COMPLETED] == frozenset()
    for state in ENDED - {State.COMPLETED}:
        assert State.QUEUED in TRANSITIONS[state]
    assert set(TRANSITIONS) == set(State)


def test_a_snapshot_survives_the_disk(tmp_path: Path) -> None:
    status = Status().to(State.RUNNING, process=ProcessInfo.current())
    status = status.model_copy(update={"progress": Progress(stage="s", done=1, total=4)})
    write_status(tmp_path, status)
    assert read_status(tmp_path) == status
    assert status.progress is not None
    assert status.progress.fraction == 0.25


def test_a_process_is_told_from_a_later_one_with_its_number(tmp_path: Path) -> None:
    here = ProcessInfo.current()
    assert here.process() == psutil.Process()
    assert here.model_copy(update={"created": here.created - 60}).process() is None
    assert here.model_copy(update={"pid": 2**22 - 3}).process() is None


def test_a_worker_on_another_host_lives_while_its_beat_is_young(tmp_path: Path) -> None:
    elsewhere = ProcessInfo(pid=1, host="not-" + socket.gethostname(), created=0)
    status = Status().to(State.RUNNING, process=elsewhere)
    lock = tmp_path / LOCK_FILE
    lock.touch()
    before = tmp_path.stat().st_mtime_ns
    assert is_alive(tmp_path, status)
    assert tmp_path.stat().st_mtime_ns == before  # or every watch would see a change at each look
    beat = lock.stat().st_mtime - BEAT_LIMIT_SECONDS - 5
    os.utime(lock, (beat, beat))
    assert not is_alive(tmp_path, status)
    future = lock.stat().st_mtime + 10_000  # the clock of that host was wrong
    os.utime(lock, (future, future))
    assert not is_alive(tmp_path, status)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_FILE]


def test_events_are_read_from_where_one_stopped(tmp_path: Path) -> None:
    assert read_events(tmp_path) == ([], 0)
    append_event(tmp_path, Event(EventKind.LOG, "first ü"))
    events, offset = read_events(tmp_path)
    assert [event.message for event in events] == ["first ü"]
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "log", "mess')
    assert read_events(tmp_path, offset) == ([], offset)
    append_event(tmp_path, Event(EventKind.PROGRESS, stage="s", done=1, total=2))
    events, _ = read_events(tmp_path, offset)
    assert [(event.stage, event.done, event.total) for event in events] == [("s", 1, 2)]


def test_the_next_time_of_day() -> None:
    noon = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert next_time("23:00", noon) == noon.replace(hour=23)
    assert next_time("11:59", noon) == noon.replace(day=2, hour=11, minute=59)
    assert next_time("12:00", noon) == noon + timedelta(days=1)
    for text in ("24:00", "noon", "7"):
        with pytest.raises(BatchError, match="like 23:00"):
            next_time(text, noon)


def test_waiting_looks_at_the_clock() -> None:
    """A clock that jumps, as after a sleep, ends the wait at once."""
    times = iter([datetime(2026, 3, 1, 12, 0), datetime(2026, 3, 1, 12, 0, 0), datetime.max])
    moments = []

    def clock() -> datetime:
        moments.append(next(times))
        return moments[-1]

    wait_for(datetime(2026, 3, 1, 12, 0, 0, 20_000), now=clock)
    assert len(moments) == 3


def test_warnings_are_those_since_it_last_began(batch: Batch, movie_path: Path) -> None:
    item = batch.add("mcorr", movie_path)
    append_event(item.folder, Event(EventKind.WARNING, "of the first try"))
    write_status(item.folder, item.status.to(State.RUNNING, process=ProcessInfo.current()))
    for message in ("gSiz was changed", "gSiz was changed", "no CNN"):
        append_event(item.folder, Event(EventKind.WARNING, message))
    append_event(item.folder, Event(EventKind.LOG, "no warning"))
    assert item.warnings == ["gSiz was changed", "no CNN"]
