"""Makes the status of an item true after its process has ended.

Only ever done under the item's lock, so a worker that lives is never overruled.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

from napari_cnmf.batch import stopping
from napari_cnmf.batch._files import tail
from napari_cnmf.batch.claims import EXIT_NOT_OURS, ClaimedError, claim, is_alive
from napari_cnmf.batch.events import LOG_FILE
from napari_cnmf.batch.item import INTERRUPTED_MESSAGE, Item
from napari_cnmf.batch.status import (
    PARENT_FAILED,
    RETRIABLE,
    ErrorInfo,
    State,
    Status,
    read_status,
    write_status,
)
from napari_cnmf.batch.store import sweep_item
from napari_cnmf.errors import BatchError, CnmfError


@dataclass
class Verdict:
    """Knowledge about the end of a process of the one who watched it."""

    cancelled: bool = False
    stalled_s: float | None = None
    problem: str | None = None


class Outcome(Enum):
    """Outcome of a started worker."""

    ENDED = auto()
    NOT_OURS = auto()
    """Another process has the item; this one's worker left it alone."""


def settle(
    item: Item, verdict: Verdict, exit_code: int | None, *, attempts_before: int | None = None
) -> Outcome:
    """Write the state of an item whose worker has ended.

    Parameters
    ----------
    attempts_before
        How often it had begun when this worker was started; ``None`` for a worker that was seen
        running. An item that has begun since and is queued was queued again: that stays.

    Raises
    ------
    OSError
        When the status cannot be written: disk full, share gone.
    """
    folder = item.folder
    try:
        with claim(folder, timeout_s=1.0):
            stored = read_status(folder)
            if stored.state in (State.QUEUED, State.WAITING):
                if exit_code == EXIT_NOT_OURS:
                    return Outcome.NOT_OURS
                if stored.attempts == attempts_before:
                    write_status(folder, _never_began(stored, item, verdict, exit_code))
            elif stored.state is State.RUNNING and not is_alive(folder, stored):
                sweep_item(folder)  # first: what a killed writer left may have filled the disk
                write_status(folder, _cut_off(stored, item, verdict, exit_code))
                stopping.forget_cancel(folder)
    except ClaimedError:
        # Somebody started it again in this moment: it is theirs.
        return Outcome.NOT_OURS
    if item.state is not State.COMPLETED:
        stopping.kill_all(stopping.orphans(item.uuid, folder))
    return Outcome.ENDED


def settle_dead(item: Item) -> None:
    """Write ``interrupted`` for an item whose process is gone, and end what it left running."""
    if read_status(item.folder).state is not State.RUNNING:
        return
    settle(item, Verdict(cancelled=stopping.cancel_requested(item.folder)), None)


def settle_interrupted(items: Iterable[Item]) -> None:
    """Settle as `settle_dead` when a batch is opened: what killed workers left is removed.

    A batch that cannot be written stays as it is.
    """
    for item in items:
        if item.state is State.INTERRUPTED:
            with suppress(CnmfError, OSError):
                settle_dead(item)


def fail_with_parent(item: Item, on_failed: Callable[[Item], None]) -> bool:
    """Fail a waiting item whose parent will give it no movie; true when that was so."""
    try:
        parent = item.parent
        reason = "" if parent is None else _parent_reason(parent)
    except BatchError as error:
        reason = f"The item that it takes its movie from is gone: {error}"
    if not reason:
        return False
    with claim(item.folder, timeout_s=1.0):
        stored = read_status(item.folder)
        if stored.state in (State.QUEUED, State.WAITING):
            info = ErrorInfo(kind=PARENT_FAILED, message=reason)
            write_status(item.folder, stored.to(State.FAILED, error=info))
    on_failed(item)
    return True


def _parent_reason(parent: Item) -> str:
    status = parent.status
    if status.state not in RETRIABLE:
        return ""
    error = f": {status.error.message}" if status.error else "."
    return (
        f"It takes its movie from {parent.name!r}, which is {status.state}{error} "
        "Retry that one: this one is queued with it."
    )


def _never_began(stored: Status, item: Item, verdict: Verdict, exit_code: int | None) -> Status:
    if verdict.cancelled:
        return stored.to(State.CANCELLED)
    if verdict.problem is None and exit_code is not None and exit_code < 0:
        # Killed while it started: nothing is wrong with the item.
        message = f"Its process was ended from outside ({_exit_text(exit_code)}). Retry it."
        info = ErrorInfo(kind="Interrupted", message=message)
        return stored.to(State.INTERRUPTED, error=info)
    message = verdict.problem or (
        f"Its process ended before it began ({_exit_text(exit_code)}). The end of its log: "
        f"{_log_end(item)}"
    )
    return stored.to(State.FAILED, error=ErrorInfo(kind="WorkerError", message=message))


def _cut_off(stored: Status, item: Item, verdict: Verdict, exit_code: int | None) -> Status:
    if verdict.cancelled:
        return stored.to(State.CANCELLED)
    if verdict.stalled_s is not None:
        message = (
            f"It stood still: not one event and no CPU time for {verdict.stalled_s:.0f} s, so it "
            "was ended. Retry it; if that repeats, set run.n_processes to 1."
        )
        return stored.to(State.FAILED, error=ErrorInfo(kind="Stalled", message=message))
    message = verdict.problem or INTERRUPTED_MESSAGE
    if exit_code is not None:
        message = f"Its process is gone ({_exit_text(exit_code)}). " + (
            "When memory was short, the system did that: set run.memory_gb lower. Retry it."
            if exit_code == -getattr(signal, "SIGKILL", 9)
            else f"The end of its log: {_log_end(item)}"
        )
    return stored.to(State.INTERRUPTED, error=ErrorInfo(kind="Interrupted", message=message))


def _exit_text(exit_code: int | None) -> str:
    if exit_code is None:
        return "nobody saw how"
    if exit_code < 0:
        try:
            return f"signal {signal.Signals(-exit_code).name}"
        except ValueError:
            return f"signal {-exit_code}"
    return f"exit code {exit_code}"


def _log_end(item: Item) -> str:
    return tail(item.folder / LOG_FILE, 600).strip() or "(it is empty)"
