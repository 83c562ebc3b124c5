"""Work off the GUI thread, with progress in napari's activity dock and errors as notifications."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils import progress
from napari.utils.notifications import show_error
from qtpy.QtCore import QThreadPool

from napari_cnmf.errors import CnmfError

_logger = logging.getLogger(__name__)
_running: set[Any] = set()
_watching: dict[Any, Callable[[], None]] = {}
"""Workers that go on until they are told to stop, and how each is told."""
_THREADS = 8
"""Most of them wait for a disk or a process: one a core would let them wait for each other."""
_LAST_STEP_MS = 5000


@dataclass(frozen=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


def run_in_background(
    steps: Callable[[], Generator[str, None, Any]],
    *,
    title: str = "",
    done: Callable[[Any], None] | None = None,
    failed: Callable[[Exception], None] | None = None,
) -> GeneratorWorker:
    """Run a generator in a thread; it yields what it does and returns a value.

    Parameters
    ----------
    steps
        Makes the generator. What it yields is shown beside ``title`` in the activity dock.
    title
        What the whole is called there; without it nothing is shown, for what takes a moment.
    done
        Called on the GUI thread with the value.
    failed
        Called on the GUI thread with the error, after it was shown as a notification.

    Returns
    -------
    GeneratorWorker
        Already started; ``quit()`` ends it at its next step.
    """
    # Qt keeps a worker's connections alive longer than the worker runs: what they refer to, often
    # a whole result, is let go of by hand.
    held: list[Any] = [steps, done, failed]
    del steps, done, failed

    def guarded() -> Generator[str, None, _Outcome]:
        # A RuntimeError that leaves the generator would be taken for a deleted worker, and lost.
        try:
            return _Outcome(value=(yield from held[0]()))
        except Exception as error:  # noqa: BLE001  (the thread's edge: shown to the user)
            return _Outcome(error=error)

    def on_returned(outcome: _Outcome) -> None:
        _, done, failed = held
        held.clear()
        if outcome.error is None:
            if done is not None:
                _hand_over(done, outcome.value)
            return
        report(outcome.error)
        if failed is not None:
            _hand_over(failed, outcome.error)

    bar = progress(total=0, desc=title) if title else None

    def on_yielded(step: str) -> None:
        if bar is not None:
            bar.set_description(f"{title}: {step}")

    def on_finished() -> None:
        if bar is not None:
            bar.close()
        _running.discard(worker)

    pool = QThreadPool.globalInstance()
    if pool is not None and pool.maxThreadCount() < _THREADS:
        pool.setMaxThreadCount(_THREADS)
    worker = create_worker(guarded, _start_thread=False)
    # A worker that nobody holds may be collected before its signals arrive.
    _running.add(worker)
    worker.yielded.connect(on_yielded)
    worker.returned.connect(on_returned)
    worker.finished.connect(on_finished)
    worker.start()
    return worker


def _hand_over(take: Callable[[Any], None], value: Any) -> None:
    """Give a dock what was read, unless the dock or its viewer was closed meanwhile."""
    try:
        take(value)
    except RuntimeError as error:
        # PyQt: "wrapped C/C++ object ... has been deleted"; PySide: "... already deleted".
        if not str(error).rstrip(".").endswith("deleted"):
            raise
        _logger.debug("The result of work in the background came too late: %s", error)


def call_in_background(
    function: Callable[[], Any],
    *,
    done: Callable[[Any], None] | None = None,
    failed: Callable[[Exception], None] | None = None,
) -> GeneratorWorker:
    """Call a function in a thread, for what touches a disk and takes a moment."""

    def steps() -> Generator[str, None, Any]:
        yield ""
        return function()

    return run_in_background(steps, done=done, failed=failed)


def report(error: Exception) -> None:
    """Show an error as a notification: ours in their own words, others with their kind."""
    if isinstance(error, CnmfError):
        show_error(str(error))
        return
    _logger.error("Unexpected error", exc_info=error)
    show_error(
        f"Something unexpected went wrong ({type(error).__name__}: {error}). "
        "The details are in the terminal that napari was started from."
    )


def stop_at_exit(worker: Any, stop: Callable[[], None]) -> None:
    """Have a worker that watches something told to stop before the program ends."""
    _watching[worker] = stop
    worker.finished.connect(lambda: _watching.pop(worker, None))


@atexit.register
def _stop_all() -> None:
    """Let running work come to an end while Qt is still there to be told of it."""
    for worker in tuple(_running):
        worker.quit()
    for stop in tuple(_watching.values()):
        stop()
    pool = QThreadPool.globalInstance()
    if (_running or _watching) and pool is not None:
        pool.waitForDone(_LAST_STEP_MS)


def is_busy() -> bool:
    """Whether something that was started here still runs."""
    return bool(_running)
