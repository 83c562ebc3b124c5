"""Where an item stands: its state, and the rules by which that changes.

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

``completed`` is final: to run the same thing again, add it again; a result is never overwritten.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_cnmf._atomic import write_json
from napari_cnmf.batch._files import read_json
from napari_cnmf.errors import BatchError

STATUS_FILE = "status.json"
PARENT_FAILED = "ParentFailed"
"""Kind of the error of an item whose parent gave it no movie."""


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
        """No process works on it, and none will unless it is retried."""
        return self in ENDED


ENDED = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.INTERRUPTED})
RETRIABLE = ENDED - {State.COMPLETED}

TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.WAITING, State.RUNNING, State.CANCELLED, State.FAILED}),
    State.WAITING: frozenset({State.QUEUED, State.RUNNING, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.INTERRUPTED}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset({State.QUEUED, State.WAITING}),
    State.CANCELLED: frozenset({State.QUEUED, State.WAITING}),
    State.INTERRUPTED: frozenset({State.QUEUED, State.WAITING}),
}
"""Which state may follow which."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Progress(_Model):
    """How far the running stage is: ``done`` of ``total``."""

    stage: str
    done: float = 0.0
    total: float = 1.0

    @property
    def fraction(self) -> float:
        """Between 0 and 1."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total > 0 else 0.0


class ErrorInfo(_Model):
    """Why an item failed: one sentence for the user, the traceback for who wants it."""

    kind: str
    message: str
    traceback: str = ""


class ProcessInfo(_Model):
    """A process that can be told from a later one with the same number."""

    pid: int
    host: str
    created: float
    """Seconds since the epoch at which the process began."""

    @classmethod
    def current(cls) -> ProcessInfo:
        """This process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> ProcessInfo:
        """The process ``pid`` of this machine; raises ``psutil.NoSuchProcess``."""
        return cls(pid=pid, host=socket.gethostname(), created=psutil.Process(pid).create_time())

    @property
    def is_local(self) -> bool:
        return self.host == socket.gethostname()

    def process(self) -> psutil.Process | None:
        """The living process of this machine, or ``None``."""
        if not self.is_local:
            return None
        try:
            process = psutil.Process(self.pid)
            # Clock granularity differs between systems; a number is not reused within a second.
            same = abs(process.create_time() - self.created) < 1.0
            alive = process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        except psutil.Error:
            return None
        return process if same and alive else None


class Status(_Model):
    """A frozen snapshot of ``status.json``."""

    state: State = State.QUEUED
    updated: datetime = Field(default_factory=lambda: datetime.now(UTC))
    started: datetime | None = None
    ended: datetime | None = None
    process: ProcessInfo | None = None
    progress: Progress | None = None
    error: ErrorInfo | None = None
    warnings: tuple[str, ...] = ()
    """What the user should know of the result, or while it is made."""
    engine: str | None = None
    engine_version: str | None = None
    engine_reason: str | None = None
    frame_rate_hz: float | None = None
    n_components: int | None = None
    n_accepted: int | None = None
    outputs: tuple[str, ...] = ()
    figures: dict[str, float] = Field(default_factory=dict)
    used_parameters: dict[str, Any] = Field(default_factory=dict)
    """``{"group.key": value}`` where the engine computed with another value than was asked for."""
    attempts: int = 0

    @property
    def seconds(self) -> float | None:
        """How long it ran, or has been running."""
        if self.started is None:
            return None
        return ((self.ended or datetime.now(UTC)) - self.started).total_seconds()

    def to(self, state: State, **changes: Any) -> Status:
        """The next snapshot.

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
    try:
        return Status.model_validate(read_json(folder / STATUS_FILE))
    except ValidationError as error:
        raise BatchError(
            f"{folder / STATUS_FILE} must be a status as napari-cnmf writes it: "
            f"{describe_validation(error)}. Retry the item, or remove it."
        ) from error


def write_status(folder: Path, status: Status) -> None:
    """Replace ``status.json`` atomically; only the owner of the item's lock may."""
    write_json(folder / STATUS_FILE, status_values(status))


def status_values(status: Status) -> dict[str, Any]:
    """``status.json`` as plain values."""
    return status.model_dump(mode="json", exclude_none=True)


def describe_validation(error: ValidationError) -> str:
    """Every complaint of pydantic on one line."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'it'}: {item['msg']}"
        for item in error.errors()
    )
