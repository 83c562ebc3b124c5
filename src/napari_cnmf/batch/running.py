"""`Batch.run`: a queue, progress bars, and Ctrl-C that cancels in order."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from napari_cnmf.batch import settling
from napari_cnmf.batch.item import Item
from napari_cnmf.batch.processes import Launcher, adopt
from napari_cnmf.batch.queue import Queue, QueueEvent, QueueEventKind
from napari_cnmf.batch.status import State

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch


def run_batch(
    batch: Batch,
    items: Iterable[Item] | None,
    *,
    start: Item | None,
    n_workers: int,
    client: Any,
    progress: bool,
    on_event: Callable[[QueueEvent], None] | None,
) -> list[Item]:
    """What `Batch.run` does; see there."""
    ran: dict[str, Item] = {}
    bars = _Bars() if progress else None

    def hear(event: QueueEvent) -> None:
        if event.item is not None and event.kind in (QueueEventKind.STARTED, QueueEventKind.ENDED):
            ran[event.item.uuid] = event.item
        if bars is not None:
            bars.hear(event)
        if on_event is not None:
            on_event(event)

    launcher, n_at_once = _where(client, n_workers)
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


def _where(client: Any, n_workers: int) -> tuple[Launcher | None, int]:
    """Who starts workers, and how many at once."""
    if client is None:
        return None, n_workers
    from napari_cnmf.batch.cluster import IN_FLIGHT, DaskLauncher

    return DaskLauncher(client), IN_FLIGHT


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


class _Bars:
    """A bar on stderr for each running item: one line says stage and how far."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm[Any]] = {}

    def hear(self, event: QueueEvent) -> None:
        if event.item is None:
            if event.message:
                tqdm.write(event.message, file=sys.stderr)
            return
        if event.kind in (QueueEventKind.STARTED, QueueEventKind.PROGRESS):
            self._update(event)
        elif event.kind is QueueEventKind.ENDED:
            self._end(event)
        else:
            tqdm.write(event.message, file=sys.stderr)

    def _update(self, event: QueueEvent) -> None:
        item, status = event.item, event.status
        if item is None:
            return
        bar = self._bars.get(item.uuid)
        if bar is None:
            bar = tqdm(
                total=1.0,
                desc=f"{item.name} ({item.algorithm})",
                file=sys.stderr,
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {postfix} [{elapsed}]",
                leave=True,
            )
            self._bars[item.uuid] = bar
        if status is not None and status.progress is not None:
            bar.set_postfix_str(status.progress.stage, refresh=False)
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
            bar.set_postfix_str(status.state.value)
            bar.close()
        if status.error is not None:
            tqdm.write(f"{item.name} ({item.algorithm}): {status.error.message}", file=sys.stderr)

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()
