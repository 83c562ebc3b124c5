"""Blocks of frames through a thread pool: in order, bounded in memory, stoppable."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

from napari_cnmf.core.base.reports import StopCallback
from napari_cnmf.errors import CancelledByUser

Item = TypeVar("Item")
Result = TypeVar("Result")


def check_stop(should_stop: StopCallback | None) -> None:
    """Raise `CancelledByUser` when the user asked to stop."""
    if should_stop is not None and should_stop():
        raise CancelledByUser("Motion correction was stopped. Start it again to finish it.")


def map_in_order(
    pool: Executor,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    in_flight: int,
    should_stop: StopCallback | None,
) -> Iterator[Result]:
    """Results in the order of ``items``, never more than ``in_flight`` of them ahead."""
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            check_stop(should_stop)
            pending.append(pool.submit(work, item))
            if len(pending) >= in_flight:
                yield pending.popleft().result()
        while pending:
            check_stop(should_stop)
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def blocks(n_frames: int, size: int) -> list[tuple[int, int]]:
    """``(start, stop)`` of consecutive blocks of frames."""
    return [(start, min(start + size, n_frames)) for start in range(0, n_frames, size)]
