"""The part of a cluster run that happens on the machine that computes.

A dask worker calls `run_item`; the item itself still runs in a process of its own, so that cancel
ends a process tree there too, and a dask worker that dies does not take the item along.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cnmf.batch import settling, stopping
from napari_cnmf.batch.claims import EXIT_NOT_OURS
from napari_cnmf.batch.events import EVENTS_FILE
from napari_cnmf.batch.item import Item
from napari_cnmf.batch.processes import Handle, LocalHandle, StallWatch, adopt, start_worker
from napari_cnmf.batch.status import State
from napari_cnmf.core.base.threads import n_usable_cores
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch

MAX_RUNS = 2
"""An item whose machine dies is run once more elsewhere, and not a third time."""
_POLL_SECONDS = 0.2


def run_item(
    open_batch: Callable[[Path], Batch],
    batch_path: str,
    folder_name: str,
    *,
    attempts_before: int,
    items_at_once: int = 1,
) -> str:
    """Run one item on this machine, or go on watching one that a dead dask worker left running.

    Parameters
    ----------
    open_batch
        `Batch.open`. It is given, since the class itself starts what ends up here.
    batch_path
        As the machine that submitted it sees it; it must be the same here.
    folder_name
        Of the item.
    attempts_before
        How often it had been run when it was submitted.
    items_at_once
        Among how many items the cores here are divided.

    Returns
    -------
    The state it ended in.

    Raises
    ------
    BatchError
        When the batch cannot be seen from here.
    """
    root = Path(batch_path)
    if not (root / "items" / folder_name).is_dir():
        raise BatchError(
            f"A batch must have the same path on every machine of a cluster: {root} is not there "
            "on this one. Put it on a share that all of them see."
        )
    item = Item(open_batch(root), root / "items" / folder_name)
    n_threads = max(1, n_usable_cores() // items_at_once)
    status = item.status
    if item.stored_state is State.INTERRUPTED and status.attempts > attempts_before:
        item.retry()  # it began for us, its machine died, and somebody has written that down
    while not _stored_end(item):
        status = item.status
        if status.state is State.RUNNING:
            _outlast(item)
        elif status.attempts - attempts_before >= MAX_RUNS:
            settling.settle_dead(item)
            break  # queued again meanwhile: whoever did that runs it
        else:
            exit_code = _run_once(item, n_threads)
            if exit_code == EXIT_NOT_OURS and not _stored_end(item):
                threading.Event().wait(_POLL_SECONDS)
    return item.state.value


def _stored_end(item: Item) -> bool:
    """Whether the item has ended, and its status says so."""
    return item.stored_state.ended


def _run_once(item: Item, n_threads: int) -> int | None:
    attempts = item.status.attempts
    handle = LocalHandle(start_worker(item.folder, item.uuid, n_threads=n_threads))
    verdict = watch(item, handle)
    settling.settle(item, verdict, handle.exit_code, attempts_before=attempts)
    return handle.exit_code


def _outlast(item: Item) -> None:
    """Watch a worker that somebody else started, here or on another host."""
    handle = adopt(item.status.process, item.folder)
    if handle is None:
        threading.Event().wait(_POLL_SECONDS)
        return
    settling.settle(item, watch(item, handle), None)


def watch(item: Item, handle: Handle) -> settling.Verdict:
    """Stay with a process until it has ended; cancel it when asked to, end it when it stalls."""
    verdict, stall = settling.Verdict(), StallWatch()
    pause = threading.Event()
    events = item.folder / EVENTS_FILE
    while not handle.ended():
        if stopping.cancel_requested(item.folder):
            verdict.cancelled = True
            handle.insist()
        elif stall.stalled(events.exists() and events.stat().st_size, handle.cpu_seconds()):
            verdict.stalled_s = stall.limit_s
            handle.kill()
        pause.wait(_POLL_SECONDS)
    return verdict
