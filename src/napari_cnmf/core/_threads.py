"""A thread pool that gives the same result whatever its size."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
U = TypeVar("U")

_CHECK_EVERY_S = 0.1


class Workers:
    """Runs independent pieces of one step on ``n_threads`` threads.

    ``check`` is called between pieces, in the thread that waits for them, ten times a second
    at most; it may raise to stop: what is running ends with its piece, the rest is dropped.

    Pieces write to places of their own and are cut without regard to the number
    of threads, so that results do not depend on it. Meanwhile linear algebra keeps to
    the thread that calls it: a second pool would wait spinning on the same cores.
    """

    def __init__(
        self, n_threads: int | None = None, check: Callable[[], None] | None = None
    ) -> None:
        self._check, self._checked_at = check, time.monotonic()
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
        """``[work(piece) for piece in pieces]``, on all threads."""
        results = map(work, pieces) if self._pool is None else self._pool.map(work, pieces)
        out = []
        for result in results:
            out.append(result)
            self._look_up()
        return out

    def _look_up(self) -> None:
        now = time.monotonic()
        if self._check is not None and now - self._checked_at > _CHECK_EVERY_S:
            self._checked_at = now
            self._check()

    def ranges(self, work: Callable[[int, int], Any], n: int, step: int) -> None:
        """Call ``work(start, stop)`` on consecutive ranges of ``n``, each ``step`` long."""
        self.map(
            lambda start: work(start, min(start + step, n)),
            range(0, n, max(1, step)),
        )

    def ahead(self, work: Callable[[T], U], pieces: Sequence[T]) -> Iterable[U]:
        """Results of ``work`` in order, the next one computed while one is used.

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
