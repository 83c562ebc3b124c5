"""The queue: starts what is queued, watches what runs, says what happens.

It runs in a thread of the process that starts it and knows no GUI; callbacks come in that thread.
Nothing depends on it: when its process dies, the workers go on, and the next queue on the batch
finds them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_cnmf._checks import check_callable, check_number, shown
from napari_cnmf.batch import settling, stopping
from napari_cnmf.batch.events import EVENTS_FILE
from napari_cnmf.batch.item import Item
from napari_cnmf.batch.machine import share_of_machine
from napari_cnmf.batch.processes import (
    STALL_SECONDS,
    Handle,
    Launcher,
    LocalLauncher,
    StallWatch,
    adopt,
)
from napari_cnmf.batch.selection import Selection, require_items
from napari_cnmf.batch.status import State, Status
from napari_cnmf.batch.store import sweep_batch
from napari_cnmf.errors import BatchError, CnmfError

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch

logger = logging.getLogger("napari_cnmf")

POLL_SECONDS = 0.2
_LOOK_PAUSE = 10.0
"""Pause after a look at all items, in times of what it took: thousands of them, or a slow share,
must not keep a core or the share busy."""
_STARTS_LEFT_TO_OTHERS = 3


class QueueEventKind(StrEnum):
    """Kind of an event of the queue."""

    STARTED = "started"
    PROGRESS = "progress"
    ENDED = "ended"
    PROBLEM = "problem"
    """The queue itself could not do something; the message says what."""
    IDLE = "idle"
    """Nothing is left to do; always the last one."""


@dataclass(frozen=True)
class QueueEvent:
    """One thing that happened to an item, or to the queue (``item`` is ``None``)."""

    kind: QueueEventKind
    item: Item | None = None
    status: Status | None = None
    message: str = ""


@dataclass
class _Running:
    item: Item
    handle: Handle
    watch: StallWatch
    attempts_before: int | None = None
    status: Status | None = None
    verdict: settling.Verdict = field(default_factory=settling.Verdict)


class Queue:
    """Runs items of one batch, ``n_workers`` at once.

    Parameters
    ----------
    batch
        The batch.
    n_workers
        How many items run at once on this machine; cores and memory are divided among them.
    on_event
        Called in the queue's thread with every `QueueEvent`.
    launcher
        Where workers are started; as child processes of this one when not given.
    stall_s
        How long a worker may stand still before it is ended.

    Examples
    --------
    >>> queue = Queue(batch, on_event=print)     # doctest: +SKIP
    >>> queue.start()                            # doctest: +SKIP
    >>> queue.wait()                             # doctest: +SKIP
    """

    def __init__(
        self,
        batch: Batch,
        *,
        n_workers: int = 1,
        on_event: Callable[[QueueEvent], None] | None = None,
        launcher: Launcher | None = None,
        stall_s: float = STALL_SECONDS,
    ) -> None:
        # this class is made by a batch, which imports it
        if not hasattr(batch, "items"):
            raise BatchError(f"A queue runs a batch, got {shown(batch)}. Open it with nc.Batch.")
        if on_event is not None:
            check_callable("on_event", on_event, BatchError)
        if launcher is not None and not callable(getattr(launcher, "launch", None)):
            raise BatchError(
                f"launcher must be one of this package's, got {shown(launcher)}. Leave it out to "
                "start workers on this computer."
            )
        self.batch = batch
        self.n_workers = int(check_number("n_workers", n_workers, BatchError, least=1, whole=True))
        check_number("stall_s", stall_s, BatchError, least=0, advice="It is in seconds.")
        self._on_event = on_event
        self._launcher = launcher or LocalLauncher()
        self._stall_s = stall_s
        self._selection = Selection()
        self._running: dict[str, _Running] = {}
        self._not_ours: Counter[str] = Counter()
        self._given_up: set[str] = set()
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._stopping = False
        self._left = False
        self._next_look = 0.0
        self._last_problem = ""

    # -- what its owner does

    def start(self, items: Iterable[Item] | None = None, *, start: Item | None = None) -> None:
        """Run items that are queued, and those that will be added; returns at once.

        Parameters
        ----------
        items
            Only these, and the parents that they wait for.
        start
            This one and those added after it. With neither: everything.
        """
        listed = None if items is None else require_items(items)
        if start is not None:
            require_items([start])
        with self._lock:
            self._begin()
            self._selection.add(listed, start)
            self._stopping = False
            self._given_up.clear()
            self._not_ours.clear()
        self._wake.set()

    def _begin(self) -> None:
        """Make sure that the queue's thread runs; one that begins knows of no items yet."""
        if self._idle.is_set():
            self._idle.clear()
            self._selection = Selection()
            threading.Thread(target=self._supervise, name="cnmf-queue", daemon=True).start()

    def cancel(self, item: Item) -> None:
        """Cancel an item, whoever started it, and see to it that it ends; returns at once."""
        require_items([item])
        item.cancel()
        if item.state is State.RUNNING:
            with self._lock:
                self._begin()
                self._selection.add([item], None)
        self._wake.set()

    def cancel_all(self) -> None:
        """Cancel everything that was started or would be; returns at once."""
        self.stop()
        for item in self.batch.items:
            if not item.state.ended and self._selection.includes(item):
                self.cancel(item)

    def stop(self) -> None:
        """Start nothing more; what runs goes on to its end."""
        self._stopping = True
        self._wake.set()

    def detach(self) -> None:
        """Stop watching; workers go on alone."""
        with self._lock:
            self._stopping = True
            self._running.clear()
            self._selection = Selection()  # or it would find them running again
        self._wake.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is left to do; false when ``timeout_s`` came first."""
        return self._idle.wait(timeout_s)

    @property
    def active(self) -> bool:
        """Whether something runs or is left to start."""
        return not self._idle.is_set()

    @property
    def running(self) -> list[Item]:
        """Items that the queue watches now."""
        with self._lock:
            return [entry.item for entry in self._running.values()]

    # -- its thread

    def _supervise(self) -> None:
        sweep_batch(self.batch.path)
        is_woken = True
        while True:
            with self._lock:
                if not self._turn_safely(is_woken):
                    self._idle.set()
                    break
            is_woken = self._wake.wait(POLL_SECONDS)
            self._wake.clear()
        self._emit(QueueEvent(QueueEventKind.IDLE))

    def _turn_safely(self, is_woken: bool) -> bool:
        """Run `_turn`, and end the queue in order whatever goes wrong in it."""
        try:
            return self._turn(is_woken)
        # The thread's boundary: without an end, whoever waits for the queue would wait for ever.
        except Exception as error:
            logger.exception("the queue ends; workers go on")
            self._problem(None, f"The queue ended by an error of its own: {error!r}")
            self._running.clear()
            return False

    def _turn(self, is_woken: bool) -> bool:
        """Look at what runs and, when it is time, at everything; false when nothing is left."""
        try:
            has_ended = self._look_after_running()
            if is_woken or has_ended or time.monotonic() >= self._next_look:
                began = time.monotonic()
                self._left = self._take_next()
                now = time.monotonic()
                self._next_look = now + _LOOK_PAUSE * (now - began)
        except CnmfError as error:
            # The share may come back; running workers do not depend on us.
            self._problem(None, str(error))
            self._left = False
        return bool(self._running) or self._left

    def _look_after_running(self) -> bool:
        """Settle what has ended, insist on what was cancelled; true when something has ended."""
        has_ended = False
        for entry in list(self._running.values()):
            if entry.handle.ended():
                has_ended = True
                del self._running[entry.item.uuid]
                self._settle(entry)
                continue
            status = entry.item.status
            if status != entry.status and status.state is State.RUNNING:
                entry.status = status
                self._emit(QueueEvent(QueueEventKind.PROGRESS, entry.item, status))
            if status.state is State.CANCELLED or stopping.cancel_requested(entry.item.folder):
                entry.verdict.cancelled = True
                entry.handle.insist()
            elif entry.watch.stalled(_events_size(entry.item), entry.handle.cpu_seconds()):
                entry.verdict.stalled_s = self._stall_s
                entry.handle.kill()
        return has_ended

    def _settle(self, entry: _Running) -> None:
        """Write the true status of an item whose process has ended, and report it."""
        item = entry.item
        has_begun = item.stored_state not in (State.QUEUED, State.WAITING)
        if entry.handle.is_lost and not has_begun and not entry.verdict.cancelled:
            self._given_up.add(item.uuid)
            self._problem(None, entry.handle.problem or f"Nobody runs {item.name!r} any more.")
            return
        if (problem := entry.handle.problem) is not None and not entry.handle.is_lost:
            entry.verdict.problem = problem
        try:
            outcome = settling.settle(
                item,
                entry.verdict,
                entry.handle.exit_code,
                attempts_before=entry.attempts_before,
            )
        except (CnmfError, OSError) as error:
            self._given_up.add(item.uuid)
            self._problem(item, f"The state of {item.name!r} could not be written: {error}")
        else:
            if outcome is settling.Outcome.NOT_OURS:
                self._not_ours[item.uuid] += 1
                if self._not_ours[item.uuid] >= _STARTS_LEFT_TO_OTHERS:
                    self._given_up.add(item.uuid)
                return
        self._emit(QueueEvent(QueueEventKind.ENDED, item, item.status))

    def _take_next(self) -> bool:
        """Start items that may start; false when nothing is or will be startable."""
        queued: list[Item] = []
        left = False
        # All of them first: what runs already takes the place of what could be started.
        for item in self._selection.of(self.batch):
            if item.uuid not in self._running and item.uuid not in self._given_up:
                with self._giving_up(item):
                    state = item.state
                    if state is State.QUEUED and not self._stopping:
                        queued.append(item)
                    else:
                        left |= self._sort_out(item, state)
        for item in queued:
            if len(self._running) >= self.n_workers:
                break
            with self._giving_up(item):
                self._launch(item)
        return left or bool(queued)

    @contextmanager
    def _giving_up(self, item: Item) -> Iterator[None]:
        """Report what is wrong with an item, and leave it alone from then on."""
        try:
            yield
        except (CnmfError, OSError) as error:
            self._given_up.add(item.uuid)
            self._problem(item, str(error))

    def _sort_out(self, item: Item, state: State) -> bool:
        """Adopt, settle or leave an item that is not queued; true when it still needs a look."""
        if state is State.RUNNING:
            self._adopt(item)
        elif not self._stopping:
            if state is State.WAITING:
                # A cluster may be about to run a parent again whose machine died.
                is_open = item.spec.parent in self._running
                return is_open or not settling.fail_with_parent(item, self._emit_ended)
            if state is State.INTERRUPTED and item.stored_state is State.RUNNING:
                settling.settle_dead(item)
        return False

    def _adopt(self, item: Item) -> None:
        handle = adopt(item.status.process, item.folder)
        if handle is not None:
            self._running[item.uuid] = _Running(item, handle, StallWatch(self._stall_s))
            self._emit(QueueEvent(QueueEventKind.STARTED, item, item.status, "found running"))

    def _launch(self, item: Item) -> None:
        n_threads, memory_gb = share_of_machine(self.n_workers)
        attempts = item.status.attempts
        handle = self._launcher.launch(item, n_threads=n_threads, memory_gb=memory_gb)
        self._running[item.uuid] = _Running(item, handle, StallWatch(self._stall_s), attempts)
        self._emit(QueueEvent(QueueEventKind.STARTED, item, item.status))

    def _emit_ended(self, item: Item) -> None:
        self._emit(QueueEvent(QueueEventKind.ENDED, item, item.status))

    def _problem(self, item: Item | None, message: str) -> None:
        if message == self._last_problem:
            return  # a share that is away is away at every look
        self._last_problem = message
        logger.error("%s", message)
        self._emit(QueueEvent(QueueEventKind.PROBLEM, item, None, message))

    def _emit(self, event: QueueEvent) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        # A callback is somebody else's code: its error must not end the watch over the workers.
        except Exception:
            logger.exception("a callback of the queue failed on %s", event.kind)


def _events_size(item: Item) -> int:
    with suppress(OSError):
        return (item.folder / EVENTS_FILE).stat().st_size
    return 0
