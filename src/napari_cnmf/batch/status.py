"""State of an item, and the rules by which it changes.

::

                       retry
          ┌───────────────────────────────┐
          ▼                               │
       queued ◄──► waiting (for parent)   │
        │   │        │    │               │
        │   │        │    └── parent ──► failed ◄────────┐
        │   └─ cancel┴──────────────► cancelled ◄──┐     │
        │ start                                    │     │
        └──────────► running ── cancel ────────────┘     │
                       │  │ └── error, stall ────────────┘
                       │  └──── its process is gone ──► interrupted ── retry ──► queued
                       └──────► completed

A queued item whose process is killed before it could say that it runs is ``interrupted``, too.
``completed`` is final: to run the same thing again, add it again; a result is never overwritten.

Keys that a newer version added to ``status.json`` are kept as they are. A status that cannot be
read says nothing about the result: such an item reads ``interrupted``, never ``failed``.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import psutil
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from napari_cnmf._atomic import write_json
from napari_cnmf.batch._files import printable, read_json
from napari_cnmf.errors import BatchError

STATUS_FILE = "status.json"
STATUS_VERSION = 1
FIRST_YEAR, LAST_YEAR = 1970, 2200
PARENT_FAILED = "ParentFailed"
"""Kind of the error of an item whose parent gave it no movie."""


class NewerVersionError(BatchError):
    """A file of a batch has a format that a newer napari-cnmf writes."""


class State(StrEnum):
    """One of the seven states of an item."""

    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """Whether no process works on the item, and none will unless it is retried."""
        return self in ENDED


ENDED = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.INTERRUPTED})
RETRIABLE = ENDED - {State.COMPLETED}

TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset(
        {State.WAITING, State.RUNNING, State.CANCELLED, State.FAILED, State.INTERRUPTED}
    ),
    State.WAITING: frozenset(
        {State.QUEUED, State.RUNNING, State.CANCELLED, State.FAILED, State.INTERRUPTED}
    ),
    State.RUNNING: frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.INTERRUPTED}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset({State.QUEUED, State.WAITING}),
    State.CANCELLED: frozenset({State.QUEUED, State.WAITING}),
    State.INTERRUPTED: frozenset({State.QUEUED, State.WAITING}),
}
"""Which state may follow which."""


def check_time(value: datetime) -> datetime:
    """A moment in UTC that tables and calendars can hold; without a zone it counts as UTC."""
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"must be a time from {FIRST_YEAR} to {LAST_YEAR}, got {value}")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(check_time)]
Count = Annotated[int, Field(ge=0, lt=2**53)]


class _Model(BaseModel):
    # Keys of newer versions are kept where a file is written again.
    model_config = ConfigDict(frozen=True, extra="allow")


class Progress(_Model):
    """Progress of the running stage: ``done`` of ``total``."""

    stage: Annotated[str, AfterValidator(printable)]
    done: float = 0.0
    total: float = 1.0

    @property
    def fraction(self) -> float:
        """Progress between 0 and 1."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total > 0 else 0.0


class ErrorInfo(_Model):
    """Reason why an item failed: one sentence for the user, and the traceback."""

    kind: str
    message: Annotated[str, AfterValidator(printable)]
    traceback: Annotated[str, AfterValidator(printable)] = ""


class ProcessInfo(_Model):
    """A process that can be told from a later one with the same number."""

    pid: int
    host: str
    created: float
    """Seconds since the epoch at which the process began."""

    @classmethod
    def current(cls) -> ProcessInfo:
        """Information about the process that runs this code."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> ProcessInfo:
        """Information about this machine's process ``pid``; raises ``psutil.NoSuchProcess``."""
        return cls(pid=pid, host=socket.gethostname(), created=psutil.Process(pid).create_time())

    @property
    def is_local(self) -> bool:
        """Whether the process ran on this machine."""
        return self.host == socket.gethostname()

    def process(self) -> psutil.Process | None:
        """The living process of this machine, or ``None``."""
        if not self.is_local:
            return None
        if not 0 < self.pid < 2**31:  # no system has it, and psutil takes it badly
            return None
        try:
            process = psutil.Process(self.pid)
            # Clock granularity differs between systems; a number is not reused within a second.
            same = abs(process.create_time() - self.created) < 1.0
            alive = process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        except psutil.Error:
            return None
        return process if same and alive else None


def _numbers_alone(figures: Any) -> Any:
    """Figures without those that are no numbers, which only a newer version knows."""
    if not isinstance(figures, dict):
        return figures
    is_number = {name: isinstance(v, int | float) for name, v in figures.items()}
    return {name: value for name, value in figures.items() if is_number[name]}


class Status(_Model):
    """A frozen snapshot of ``status.json``."""

    version: int = STATUS_VERSION
    state: State = State.QUEUED
    updated: Moment = Field(default_factory=lambda: datetime.now(UTC))
    started: Moment | None = None
    ended: Moment | None = None
    process: ProcessInfo | None = None
    progress: Progress | None = None
    error: ErrorInfo | None = None
    warnings: tuple[Annotated[str, AfterValidator(printable)], ...] = ()
    """What the user should know of the result, or while it is made."""
    engine: str | None = None
    engine_version: str | None = None
    engine_reason: str | None = None
    frame_rate_hz: float | None = None
    movie_fingerprint: str | None = None
    """Of the movie that it ran on, where its files were changed after the item was added."""
    n_components: Count | None = None
    n_accepted: Count | None = None
    outputs: tuple[str, ...] = ()
    figures: Annotated[dict[str, float], BeforeValidator(_numbers_alone)] = Field(
        default_factory=dict
    )
    used_parameters: dict[str, Any] = Field(default_factory=dict)
    """``{"group.key": value}`` where the engine computed with another value than was asked for."""
    attempts: Count = 0

    @property
    def seconds(self) -> float | None:
        """Seconds for which the item ran, or has been running."""
        if self.started is None:
            return None
        return ((self.ended or datetime.now(UTC)) - self.started).total_seconds()

    def to(self, state: State, **changes: Any) -> Status:
        """Make the next snapshot; refuses a change of state that is not allowed.

        Raises
        ------
        BatchError
            When ``state`` may not follow the present one.
        """
        if state not in TRANSITIONS[self.state]:
            raise BatchError(
                f"An item that is {self.state} cannot become {state}. "
                + (
                    "It is done: add it again to run it again."
                    if self.state is State.COMPLETED
                    else "Look at its state again: another process may have changed it."
                )
            )
        now = datetime.now(UTC)
        update: dict[str, Any] = {"state": state, "updated": now}
        if state is State.RUNNING:
            update |= {"started": now, "ended": None, "error": None, "progress": None}
            update |= {"warnings": (), "attempts": self.attempts + 1}
        elif state in (State.QUEUED, State.WAITING):
            update |= {"started": None, "ended": None, "error": None, "progress": None}
            update |= {"process": None, "warnings": ()}
        else:
            update |= {"ended": now}
        return self.model_copy(update=update | changes)


def read_status(folder: Path) -> Status:
    """Read ``status.json`` of an item.

    Raises
    ------
    BatchError
        When it is not there or not readable.
    """
    data = read_json(folder / STATUS_FILE)
    require_version(data, STATUS_VERSION, f"{folder.name} has status format")
    try:
        return Status.model_validate(data)
    # Dates and numbers at the ends of their ranges raise more than pydantic's own error.
    except (ValueError, OverflowError, RecursionError) as error:
        raise BatchError(
            f"{folder / STATUS_FILE} must be a status as napari-cnmf writes it: "
            f"{describe_validation(error)}. Retry the item, or remove it."
        ) from error


def require_version(data: dict[str, Any], known: int, has_format: str) -> None:
    """Raise `NewerVersionError` for a file of a newer version; ``has_format`` begins its text."""
    version = data.get("version", known)
    if isinstance(version, bool) or not isinstance(version, int) or version > known:
        raise NewerVersionError(
            f"{has_format} {str(version)[:20]!r}, this napari-cnmf reads up to {known}. "
            "Update napari-cnmf to use it."
        )


def write_status(folder: Path, status: Status) -> None:
    """Replace ``status.json`` atomically; only the owner of the item's lock may."""
    write_json(folder / STATUS_FILE, status_values(status))


def status_values(status: Status) -> dict[str, Any]:
    """Contents of ``status.json`` as plain values."""
    return status.model_dump(mode="json", exclude_none=True)


def describe_validation(error: Exception) -> str:
    """Every complaint of pydantic on one line; for another error its message."""
    if not isinstance(error, ValidationError):
        return str(error) or type(error).__name__
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'it'}: {item['msg']}"
        for item in error.errors()
    )
