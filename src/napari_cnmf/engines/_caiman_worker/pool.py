"""Stands in for CaImAn's pool of processes: counts what is done, notices who died."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from .voice import EXIT_POOL_DIED, Voice, end_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SAID_BY_THE_LOG = ("constrained_foopsi_parallel", "dot_place_holder")
"""Of traces CaImAn's log says how many are done; each call here has a few of them only."""
_STAGE_OF_TASK = {
    "tile_and_correct_wrapper": "motion",
    "cnmf_patches": "patches",
    "fft_psd_multithreading": "noise",
    "regression_ipyparallel": "footprints",
    "threshold_components_parallel": "footprint thresholds",
    "construct_ellipse_parallel": "footprint supports",
    "construct_dilate_parallel": "footprint supports",
    "merge_iter": "merging",
    "evaluate_components_placeholder": "evaluation",
}


class CountedPool:
    """Pool that CaImAn takes for a multiprocessing pool; counts tasks, notices dead processes.

    With one process the tasks run here, one after the other, and are counted all the same.

    Parameters
    ----------
    n_rounds
        How often motion correction goes over the movie.
    """

    # CaImAn looks for this word in the type's name.
    __module__ = "multiprocessing.counted"

    def __init__(self, n_processes: int, voice: Voice, n_rounds: int = 0) -> None:
        import multiprocessing

        self._voice = voice
        self._pool: Any = multiprocessing.Pool(n_processes) if n_processes > 1 else None
        self._closing = False
        self._round, self._n_rounds = 0, n_rounds
        if self._pool is not None:
            processes = list(multiprocessing.active_children())
            threading.Thread(target=self._watch, args=(processes,), daemon=True).start()

    def _watch(self, processes: list[Any]) -> None:
        """Watch the pool, which replaces a dead process and would wait for its task for ever."""
        while not self._closing:
            dead = [process.pid for process in processes if process.exitcode is not None]
            if dead and not self._closing:
                self._voice.say("pool-died", pids=dead)
                end_now(EXIT_POOL_DIED)
            time.sleep(0.5)

    def map_async(self, function: Callable[..., Any], tasks: Iterable[Any], *_: Any) -> _Pending:
        """Start tasks on the pool, count those that are done; return a handle to the results."""
        arguments = list(tasks)
        count = _Count(self._voice, getattr(function, "__name__", ""), len(arguments))
        if count.stage == "motion":
            self._round += 1
            if self._round <= self._n_rounds:
                count.stage = f"motion ({self._round} of {self._n_rounds})"
        if self._pool is None:
            self._voice.counting = True
            try:
                return _Pending([_Done(count.of(function(argument))) for argument in arguments])
            finally:
                self._voice.counting = False
        return _Pending(
            [self._pool.apply_async(function, (one,), callback=count.of) for one in arguments]
        )

    def map(
        self, function: Callable[..., Any], tasks: Iterable[Any], chunksize: int | None = None
    ) -> list[Any]:
        """Run tasks on the pool and return their results in order."""
        return self.map_async(function, tasks, chunksize).get()

    def close(self) -> None:
        """End the pool's processes."""
        self._closing = True
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()

    terminate = close


class _Count:
    """Counter of the finished tasks of one call, which it reports."""

    def __init__(self, voice: Voice, task: str, total: int) -> None:
        self._voice, self._total, self._done = voice, total, 0
        self.stage = _STAGE_OF_TASK.get(task, task.strip("_") or "computing")
        self._is_silent = task in _SAID_BY_THE_LOG

    def of(self, result: Any) -> Any:
        """Count one finished task, and pass its result on."""
        self._done += 1
        if not self._is_silent:
            self._voice.progress(self.stage, self._done, self._total)
        return result


class _Done:
    def __init__(self, value: Any) -> None:
        self._value = value

    def get(self, timeout: float | None = None) -> Any:
        """Return the result, which is there already."""
        return self._value


class _Pending:
    def __init__(self, results: list[Any]) -> None:
        self._results = results

    def get(self, timeout: float | None = None) -> list[Any]:
        """Wait for the results of all tasks, and return them in order."""
        return [result.get(timeout) for result in self._results]
