"""Runs a batch to its end: a queue, progress bars, and Ctrl-C that cancels in order."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from napari_cnmf._checks import check_callable, check_switch
from napari_cnmf.batch import settling
from napari_cnmf.batch._files import printable
from napari_cnmf.batch.item import Item
from napari_cnmf.batch.processes import Launcher, LocalLauncher, adopt
from napari_cnmf.batch.queue import Queue, QueueEvent, QueueEventKind
from napari_cnmf.batch.selection import Selection
from napari_cnmf.batch.status import State
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch

_LINE_SECONDS = 5.0
"""New stages are told this often at most."""


def run_batch(
    batch: Batch,
    items: Iterable[Item] | None,
    *,
    start: Item | None,
    n_workers: int,
    client: Any,
    spread: bool,
    progress: bool,
    on_event: Callable[[QueueEvent], None] | None,
) -> list[Item]:
    """Run items of a batch; see `Batch.run`."""
    check_switch("progress", progress, BatchError)
    if on_event is not None:
        check_callable("on_event", on_event, BatchError)
    ran: dict[str, Item] = {}
    selection = Selection()
    selection.add(items, start)
    total = sum(not item.state.ended for item in selection.of(batch))
    bars = _progress_view(total) if progress else None

    def hear(event: QueueEvent) -> None:
        if event.item is not None and event.kind in (QueueEventKind.STARTED, QueueEventKind.ENDED):
            ran[event.item.uuid] = event.item
        if bars is not None:
            bars.hear(event)
        if on_event is not None:
            on_event(event)

    launcher, n_at_once = _where(client, n_workers, spread=spread)
    queue = Queue(batch, n_workers=n_at_once, on_event=hear, launcher=launcher)
    queue.start(items, start=start)
    try:
        # A wait without end cannot be interrupted on Windows.
        while not queue.wait(0.5):
            pass
    except KeyboardInterrupt:
        queue.cancel_all()
        queue.wait()
        raise
    finally:
        if bars is not None:
            bars.close()
    return list(ran.values())


def _where(client: Any, n_workers: int, *, spread: bool) -> tuple[Launcher | None, int]:
    """Choose who starts workers, and how many at once."""
    if spread:
        return LocalLauncher(_address_of(client)), n_workers
    if client is None:
        return None, n_workers
    from napari_cnmf.batch.cluster import IN_FLIGHT, DaskLauncher

    return DaskLauncher(client), IN_FLIGHT


def _address_of(client: Any) -> str:
    """Address at which the process of an item finds the scheduler of ``client``."""
    if client is None:
        raise BatchError(
            "spread=True needs a dask client to spread a recording over, got none. Give client=, "
            "or leave spread out."
        )
    address = str(client.scheduler.address)
    if address.startswith("inproc:"):
        raise BatchError(
            f"A recording is spread over processes, got a scheduler inside this one ({address}). "
            "Make the cluster with processes=True."
        )
    return address


def cancel_and_wait(items: Iterable[Item], *, timeout_s: float = 30.0) -> None:
    """Cancel items without a queue, and insist until their processes are gone."""
    pending = [item for item in items if not item.state.ended]
    handles = {item.uuid: adopt(item.status.process, item.folder) for item in pending}
    for item in pending:
        item.cancel()
    deadline = time.monotonic() + timeout_s
    while pending and time.monotonic() < deadline:
        for item in list(pending):
            handle = handles[item.uuid]
            if handle is not None and not handle.ended():
                handle.insist()
                continue
            if item.state is State.INTERRUPTED:
                settling.settle(item, settling.Verdict(cancelled=True), None)
            pending.remove(item)
        time.sleep(0.05)


def _progress_view(total: int) -> _Bars | _Lines:
    """Bars for a person who watches; lines for a log file, which would keep every bar."""
    is_watched = sys.stderr is not None and sys.stderr.isatty()
    return _Bars(total) if is_watched or _is_in_notebook() else _Lines(total)


def _is_in_notebook() -> bool:
    """Whether the code runs in the kernel of a notebook; to have imported one is not enough."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class _Lines:
    """Plain lines on stderr: when an item starts, reaches a new stage, and ends.

    Parameters
    ----------
    total
        Number of items that are to run.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._stages: dict[str, str] = {}
        self._said = 0.0

    def hear(self, event: QueueEvent) -> None:
        """Print what happened to an item, or to the queue."""
        item, status = event.item, event.status
        if item is None:
            if event.message:
                self._say(event.message)
            return
        name = _title(item)
        if event.kind is QueueEventKind.STARTED:
            self._say(f"{name}: started")
        elif event.kind is QueueEventKind.PROGRESS and status is not None and status.progress:
            stage = status.progress.stage
            is_new = self._stages.get(item.uuid) != stage
            if is_new and time.monotonic() - self._said >= _LINE_SECONDS:
                self._stages[item.uuid] = stage
                self._say(f"{name}: {stage}")
        elif event.kind is QueueEventKind.ENDED and status is not None:
            self._done += 1
            took = "" if status.seconds is None else f" after {status.seconds:.1f} s"
            error = "" if status.error is None else f": {status.error.message}"
            self._say(f"{_count(self._done, self._total)}{name}: {status.state.value}{took}{error}")
        elif event.message:
            self._say(event.message)

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        if sys.stderr is not None:
            sys.stderr.write(f"{printable(text, lines=False)}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Do nothing: no bar is left open."""


def _count(done: int, total: int) -> str:
    """Text such as ``3 of 24 done, ``; a queue may find more than it was started with."""
    return f"{done} of {max(done, total)} done, "


def _title(item: Item) -> str:
    return f"{item.name} ({item.algorithm})" if item.problem is None else item.name


class _Bars:
    """A bar on stderr for each running item: one line says stage and how far.

    Parameters
    ----------
    total
        Number of items that are to run.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        from tqdm import TqdmWarning

        with warnings.catch_warnings():
            # a notebook without ipywidgets gets bars of text, which need no word
            warnings.simplefilter("ignore", TqdmWarning)
            from tqdm.auto import tqdm  # as notebooks show it, or as a terminal does
        self._tqdm: Any = tqdm
        self._bars: dict[str, Any] = {}

    def _say(self, text: str) -> None:
        self._tqdm.write(printable(text, lines=False), file=sys.stderr)

    def hear(self, event: QueueEvent) -> None:
        """Show what happened to an item in its bar, or print it."""
        if event.item is None:
            if event.message:
                self._say(event.message)
            return
        if event.kind in (QueueEventKind.STARTED, QueueEventKind.PROGRESS):
            self._update(event)
        elif event.kind is QueueEventKind.ENDED:
            self._end(event)
        else:
            self._say(event.message)

    def _update(self, event: QueueEvent) -> None:
        item, status = event.item, event.status
        if item is None:
            return
        bar = self._bars.get(item.uuid)
        if bar is None:
            bar = self._tqdm(
                total=1.0,
                desc=_title(item),
                file=sys.stderr,
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {unit} [{elapsed}]",
                unit="",
                leave=True,
            )
            self._bars[item.uuid] = bar
        if status is not None and status.progress is not None:
            bar.unit = status.progress.stage
            bar.n = status.progress.fraction
            bar.refresh()

    def _end(self, event: QueueEvent) -> None:
        item, status = event.item, event.status
        if item is None or status is None:
            return
        bar = self._bars.pop(item.uuid, None)
        if bar is not None:
            if status.state is State.COMPLETED:
                bar.n = 1.0
            bar.unit = status.state.value
            bar.close()
        self._done += 1
        if self._total > 1:
            self._say(f"{_count(self._done, self._total)}{_title(item)}: {status.state.value}")
        if status.error is not None:
            self._say(f"{_title(item)}: {status.error.message}")

    def close(self) -> None:
        """Close every bar."""
        for bar in self._bars.values():
            bar.close()
