"""``events.jsonl``: what a running item has to say, one JSON object a line.

Written by the worker alone; read by whoever watches, from where it stopped reading.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from napari_cnmf.batch._files import NotAFileError, open_file, printable

_READ_LIMIT = 8 * 2**20
EVENTS_FILE = "events.jsonl"
LOG_FILE = "worker.log"
"""What the process printed."""


class EventKind(StrEnum):
    """Kinds of events."""

    PROGRESS = "progress"
    LOG = "log"
    WARNING = "warning"
    RESULT = "result"
    ERROR = "error"


@dataclass(frozen=True)
class Event:
    """One line of ``events.jsonl``; ``time`` in ISO 8601, UTC."""

    event: EventKind
    message: str = ""
    stage: str = ""
    done: float = 0.0
    total: float = 0.0
    time: str = ""


def append_event(folder: Path, event: Event) -> None:
    """Append one line; a reader never sees the half of it as an event."""
    record = asdict(event) | {"time": event.time or datetime.now(UTC).isoformat()}
    line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    # One unbuffered write: a kill in between leaves whole lines and at most one torn tail.
    with (folder / EVENTS_FILE).open("ab", buffering=0) as file:
        if file.tell() and not _ends_with_newline(folder / EVENTS_FILE):
            line = "\n" + line
        file.write(line.encode())


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def read_events(folder: Path, offset: int = 0) -> tuple[list[Event], int]:
    """Events from byte ``offset`` on, and the offset to read from next.

    A line that is not finished yet is left for the next call; a line that is no event (a torn
    write, an edit by hand, a kind that a newer version knows) is passed over. Of more than 8 MB
    the last 8 MB are read: a run of a week writes less.
    """
    try:
        with open_file(folder / EVENTS_FILE) as file:
            size = file.seek(0, 2)
            if size - offset > _READ_LIMIT:
                offset = size - _READ_LIMIT
            file.seek(offset)
            data = file.read(_READ_LIMIT)
    except (FileNotFoundError, NotAFileError):
        return [], 0
    if len(data) == _READ_LIMIT and b"\n" not in data:
        return [], offset + len(data)  # no line of ours is that long
    end = data.rfind(b"\n") + 1
    parsed = (_parse(line) for line in data[:end].splitlines())
    return [event for event in parsed if event is not None], offset + end


def _parse(line: bytes) -> Event | None:
    try:
        record = json.loads(line)
        return Event(
            event=EventKind(record["event"]),
            message=printable(str(record.get("message", ""))),
            stage=printable(str(record.get("stage", "")), lines=False),
            done=float(record.get("done", 0.0)),
            total=float(record.get("total", 0.0)),
            time=str(record.get("time", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
