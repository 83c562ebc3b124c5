"""A thread pool that gives the same result whatever its size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
U = TypeVar("U")


class Workers:
    """Runs independent pieces of one step on ``n_threads`` threads.

    Pieces write to places of their own and are cut without regard to the number
    of threads, so that results do not depend on it. Meanwhile linear algebra keeps to
    the thread that calls it: a second pool would wait spinning on the same cores.
    """

    def __init__(self, n_threads: int | None = None) -> None:
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
        if self._pool is None:
            return [work(piece) for piece in pieces]
        return list(self._pool.map(work, pieces))

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
