"""Runs computations of which only the newest counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject

from napari_cnmf.errors import CancelledByUser, CnmfError
from napari_cnmf.ui._background import run_in_background

ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class _Ended:
    value: Any = None
    error: CnmfError | None = None
    is_stopped: bool = False


@dataclass(frozen=True)
class _Wanted:
    work: Callable[[ShouldStop], Any]
    done: Callable[[Any], None]
    failed: Callable[[CnmfError], None]
    title: str


class LatestTask(QObject):
    """Runner of one computation at a time; what is asked for meanwhile replaces what waits.

    What is wrong with the user's parameters or movie is told to ``failed`` and not in a
    notification: it changes with every key that is typed.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._stop = threading.Event()
        self.is_busy = False
        """Whether a computation runs."""
        self._next: _Wanted | None = None
        self._is_closed = False
        # Bound methods of a deleted object are not called: a child is deleted with its parent.
        parent.destroyed.connect(lambda: self._close())  # noqa: PLW0108

    def start(
        self,
        work: Callable[[ShouldStop], Any],
        done: Callable[[Any], None],
        failed: Callable[[CnmfError], None] = lambda error: None,
        title: str = "",
    ) -> None:
        """Compute ``work(should_stop)`` in the background, once what runs has stopped."""
        self._next = _Wanted(work, done, failed, title)
        self._stop.set()
        if not self.is_busy:
            self._start_next()

    def cancel(self) -> None:
        """Cancel the computation, and what waits."""
        self._next = None
        self._stop.set()

    def _close(self) -> None:
        self._is_closed = True
        self.cancel()

    def _start_next(self) -> None:
        wanted, self._next = self._next, None
        if wanted is None or self._is_closed:
            return
        stop = self._stop = threading.Event()
        self.is_busy = True

        def steps() -> Generator[str, None, _Ended]:
            yield ""
            try:
                value = wanted.work(stop.is_set)
            except CancelledByUser:
                return _Ended(is_stopped=True)
            except CnmfError as error:
                return _Ended(error=error)
            return _Ended(value)

        def ended(outcome: _Ended) -> None:
            self.is_busy = False
            if self._is_closed:
                return
            if not stop.is_set():
                if outcome.error is not None:
                    wanted.failed(outcome.error)
                elif not outcome.is_stopped:
                    wanted.done(outcome.value)
            if self._next is not None:
                self._start_next()

        run_in_background(
            steps, title=wanted.title, done=ended,
            failed=lambda error: ended(_Ended(is_stopped=True)),
        )  # fmt: skip
