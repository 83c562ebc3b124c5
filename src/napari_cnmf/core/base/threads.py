"""A thread pool that gives the same result whatever its size."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
U = TypeVar("U")

_CHECK_EVERY_S = 0.1


def n_usable_cores() -> int:
    """Number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


class Workers:
    """Runs independent pieces of one step on ``n_threads`` threads.

    ``check`` is called while pieces are worked on, in the thread that waits for them, ten times a
    second at most; it may raise to stop: what is running ends with its piece, the rest is dropped.

    Pieces write to places of their own and are cut without regard to the number
    of threads, so that results do not depend on it. Meanwhile linear algebra keeps to
    the thread that calls it: a second pool would wait spinning on the same cores.
    """

    def __init__(
        self, n_threads: int | None = None, check: Callable[[], None] | None = None
    ) -> None:
        self._check, self._checked_at = check, time.monotonic()
        self._here = threading.local()
        self.n_threads = max(1, n_threads or os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self.n_threads) if self.n_threads > 1 else None

    def __enter__(self) -> Workers:
        self._limits = threadpool_limits(1, user_api="blas")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._limits.restore_original_limits()

    def map(self, work: Callable[[T], U], pieces: Iterable[T]) -> list[U]:
        """``[work(piece) for piece in pieces]``, on all threads.

        Of several errors the first piece's is raised. ``work`` that calls this itself has one
        thread for it, its own.
        """
        todo = list(pieces)
        n = min(self.n_threads, len(todo))
        out: list[Any] = [None] * len(todo)
        is_at_work = getattr(self._here, "is_at_work", False)
        if self._pool is None or n < 2 or is_at_work:
            for i, piece in enumerate(todo):
                out[i] = work(piece)
                if not is_at_work:
                    self._look_up()
            return out
        line = deque(range(len(todo)))
        errors: dict[int, BaseException] = {}

        # Threads take the next piece themselves: to hand over each of them would be serial.
        def take_turns() -> None:
            self._here.is_at_work = True
            while (i := _first(line)) is not None:
                try:
                    out[i] = work(todo[i])
                except BaseException as error:  # noqa: BLE001 (raised below)
                    errors[i] = error
                    line.clear()
            self._here.is_at_work = False

        turns = [self._pool.submit(take_turns) for _ in range(n)]
        try:
            while wait(turns, _CHECK_EVERY_S).not_done:
                self._look_up()
        finally:
            line.clear()
            wait(turns)
        if errors:
            first = errors[min(errors)]
            errors.clear()
            raise first
        self._look_up()
        return out

    def _look_up(self) -> None:
        now = time.monotonic()
        if self._check is not None and now - self._checked_at > _CHECK_EVERY_S:
            self._checked_at = now
            self._check()

    def ranges(self, work: Callable[[int, int], Any], n: int, step: int) -> None:
        """Call ``work(start, stop)`` on consecutive ranges that cover ``n``, each ``step`` long."""
        self.map(
            lambda start: work(start, min(start + step, n)),
            range(0, n, max(1, step)),
        )

    def ahead(self, work: Callable[[T], U], pieces: Sequence[T]) -> Iterable[U]:
        """Yield the results of ``work`` in order, the next one computed while one is used.

        At most two results are alive at a time.
        """
        if self._pool is None or len(pieces) < 2:
            yield from map(work, pieces)
            return
        with ThreadPoolExecutor(1) as reader:
            pending = reader.submit(work, pieces[0])
            for piece in pieces[1:]:
                result = pending.result()
                pending = reader.submit(work, piece)
                yield result
            yield pending.result()


def _first(line: deque[int]) -> int | None:
    """Take the first piece of the waiting ones; ``None`` when none waits."""
    try:
        return line.popleft()
    except IndexError:
        return None
