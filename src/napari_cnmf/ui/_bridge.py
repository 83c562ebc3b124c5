"""Bridge from a batch, which anybody may change, to the GUI thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari.utils import progress
from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QObject, Signal
from superqt.utils import create_worker

from napari_cnmf.batch import Batch, settling
from napari_cnmf.batch.queue import Queue, QueueEvent, QueueEventKind
from napari_cnmf.batch.status import State
from napari_cnmf.batch.watch import BatchWatcher
from napari_cnmf.errors import BatchError
from napari_cnmf.ui._background import call_in_background, stop_at_exit
from napari_cnmf.ui.batch._rows import ItemRow, format_duration, read_row

_POLL_SECONDS = 0.4
_PROGRESS_STEPS = 1000
_MOST_ANNOUNCED = 3


@dataclass(frozen=True)
class RowChanges:
    """Changes since the last look, as snapshots."""

    added: tuple[ItemRow, ...] = ()
    changed: tuple[ItemRow, ...] = ()
    removed: tuple[str, ...] = ()
    problem: str = ""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.problem)


class BatchBridge(QObject):
    """Watches a batch and runs its queue; everything arrives on the GUI thread.

    Watching, the queue and the GUI each have a ``Batch`` of their own: they share the folder, as
    processes do, and no Python state.
    """

    rows_changed = Signal(object)
    """``RowChanges``; the first one has every item."""
    queue_changed = Signal(bool)
    """Whether the queue has something to do."""

    def __init__(self, batch: Batch, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.batch = batch
        self._rows: dict[str, ItemRow] = {}
        self._bars: dict[str, Any] = {}
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._problem = ""
        self._relay = _QueueRelay()
        self._relay.event.connect(self._on_queue_event)
        self.awaited: set[str] = set()
        """Uuids of items whose end the workspace shows by itself: it is not announced again."""
        self._queue_lock = threading.Lock()
        self._queue: Queue | None = None
        # Not napari's: closing a window would ask about it, and nothing is lost when it ends.
        self._worker = create_worker(
            _watch, batch.path, self._stop, self._wake, _start_thread=False
        )
        self._worker.yielded.connect(self._on_changes)
        stop_at_exit(self._worker, partial(_end, self._stop, self._wake))
        self._worker.start()

    @property
    def rows(self) -> tuple[ItemRow, ...]:
        """Every item of the batch, as last seen."""
        return tuple(self._rows.values())

    def look(self) -> None:
        """Look at the folder now rather than at the next beat."""
        self._wake.set()

    def start(self, uuids: Iterable[str] | None = None, *, first: str | None = None) -> None:
        """Start queued items: these, or ``first`` and those after it, or all."""
        chosen = None if uuids is None else list(uuids)

        def start_queue() -> None:
            queue = self._open_queue()
            items = None if chosen is None else [queue.batch[uuid] for uuid in chosen]
            queue.start(items, start=None if first is None else queue.batch[first])
            if self._stop.is_set():
                queue.detach()

        self.queue_changed.emit(True)
        self._call(start_queue)

    def cancel(self, uuids: Iterable[str]) -> None:
        """Cancel items, running or not."""
        chosen = list(uuids)

        def cancel_them() -> None:
            queue = self._open_queue()
            for uuid in chosen:
                queue.cancel(queue.batch[uuid])

        self._call(cancel_them)

    def cancel_all(self) -> None:
        """Cancel everything that runs or waits, whoever started it."""

        def cancel_them() -> None:
            queue = self._open_queue()
            queue.stop()  # nothing takes the place of what is cancelled
            for item in queue.batch:
                if not item.state.ended:
                    queue.cancel(item)

        self._call(cancel_them)

    def _call(self, act: Callable[[], None]) -> None:
        """Call something on the queue off the GUI thread, then look at what changed."""
        call_in_background(act, done=lambda _: self.look())

    def _open_queue(self) -> Queue:
        """Open the queue, on a batch of its own; reads the folder, so never on the GUI thread."""
        with self._queue_lock:
            if self._queue is None:
                self._queue = Queue(Batch.open(self.batch.path), on_event=self._relay.event.emit)
            return self._queue

    @property
    def is_active(self) -> bool:
        """Whether the queue has something to do."""
        return self._queue is not None and self._queue.active

    def close(self) -> None:
        """Stop watching; what runs goes on without us."""
        self._stop.set()
        self._wake.set()
        self._worker.quit()
        if self._queue is not None:
            self._queue.detach()
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()

    def _on_changes(self, changes: RowChanges) -> None:
        if self._stop.is_set() or not changes:
            return
        if changes.problem and changes.problem != self._problem:
            show_error(changes.problem)
        self._problem = changes.problem
        turned = []
        for row in (*changes.added, *changes.changed):
            before = self._rows.get(row.uuid)
            self._rows[row.uuid] = row
            self._show_progress(row)
            if before is not None and before.state is not row.state:
                turned.append(row)
        _announce([row for row in turned if row.uuid not in self.awaited])
        for uuid in changes.removed:
            self._rows.pop(uuid, None)
            self._close_bar(uuid)
        self.rows_changed.emit(changes)

    def _show_progress(self, row: ItemRow) -> None:
        """One bar in the activity dock for each running item."""
        if row.state is not State.RUNNING:
            self._close_bar(row.uuid)
            return
        bar = self._bars.get(row.uuid)
        if bar is None:
            bar = self._bars[row.uuid] = progress(total=_PROGRESS_STEPS, desc=row.name)
        bar.set_description(f"{row.name}: {row.stage}" if row.stage else row.name)
        # A new stage begins at 0 again: steps back are fine.
        bar.update(int(row.fraction * _PROGRESS_STEPS) - bar.n)

    def _close_bar(self, uuid: str) -> None:
        bar = self._bars.pop(uuid, None)
        if bar is not None:
            bar.close()

    def _on_queue_event(self, event: QueueEvent) -> None:
        if self._stop.is_set():
            return
        if event.kind is QueueEventKind.PROBLEM:
            show_error(event.message)
        if event.kind is QueueEventKind.IDLE:
            self.queue_changed.emit(False)
        self.look()


class _QueueRelay(QObject):
    """Relay of events from the queue's thread; Qt delivers them to the bridge's."""

    event = Signal(object)


def _end(stop: threading.Event, wake: threading.Event) -> None:
    stop.set()
    wake.set()


def _watch(
    path: Path, stop: threading.Event, wake: threading.Event
) -> Generator[RowChanges, None, None]:
    """Look, wait, and look again; yields at every beat so that the worker can be ended."""
    watcher: BatchWatcher | None = None
    while not stop.is_set():
        began = time.monotonic()
        try:
            watcher = watcher or BatchWatcher(Batch.open(path))
            changes = watcher.poll()
            settling.settle_interrupted((*changes.added, *changes.changed))
            seen = RowChanges(
                tuple(read_row(item) for item in changes.added),
                tuple(read_row(item) for item in changes.changed),
                changes.removed,
            )
        except (BatchError, OSError) as error:
            # A share that is away may come back.
            seen = RowChanges(problem=str(error))
        yield seen
        # A slow share is not asked all the time.
        wake.wait(max(_POLL_SECONDS, time.monotonic() - began))
        wake.clear()


def _announce(rows: Sequence[ItemRow]) -> None:
    """Say which items have ended: one by one, or how many when many do at once."""
    for state in (State.COMPLETED, State.FAILED, State.INTERRUPTED):
        ended = [row for row in rows if row.state is state]
        if len(ended) > _MOST_ANNOUNCED:
            names = ", ".join(row.name for row in ended[:_MOST_ANNOUNCED])
            more = f" and {len(ended) - _MOST_ANNOUNCED} more"
            text = f"{len(ended)} items {state.value}: {names}{more}. {ended[0].error}".strip()
            (show_info if state is State.COMPLETED else show_error)(text)
        else:
            for row in ended:
                _announce_one(row)


def _announce_one(row: ItemRow) -> None:
    """Say that an item has ended."""
    if row.state is State.COMPLETED:
        found = "" if row.n_components is None else f": {row.n_components} components found"
        if row.n_accepted is not None:
            found += f", {row.n_accepted} accepted"
        said = f"{row.name} completed{found} ({format_duration(row.seconds)}). "
        if row.warnings:
            show_warning(said + " ".join(row.warnings))
        else:
            show_info(said + "Double-click it in the batch to open it.")
    elif row.state is State.FAILED:
        show_error(f"{row.name} failed. {row.error}")
    else:
        show_warning(f"{row.name} was interrupted. {row.error}")
