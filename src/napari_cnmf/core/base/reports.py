"""Callbacks of a run: their types, silent defaults, and the report that calls them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from napari_cnmf.errors import CancelledByUser

logger = logging.getLogger(__name__)


class ProgressCallback(Protocol):
    """Function that receives the progress: ``done`` of ``total`` moves evenly with time."""

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Take the progress of ``stage``: ``done`` of ``total``, in any unit."""
        ...


WarningCallback = Callable[[str], None]
"""Function that receives one sentence for the user: what was noticed, the figure, what to do."""

StopCallback = Callable[[], bool]
"""Function that returns True once the user asked to stop; called at least once a second."""


def no_progress(stage: str, done: float, total: float) -> None:
    """Ignore the progress."""


def never_stop() -> bool:
    """Let the run go on."""
    return False


@dataclass(eq=False)
class Report:
    """Progress, warnings, log lines and the stop sign of one run; notes are kept."""

    on_progress: ProgressCallback = no_progress
    on_warning: WarningCallback = logger.warning
    on_log: Callable[[str], None] = logger.info
    should_stop: StopCallback = never_stop
    notes: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise when the user asked to stop.

        Raises
        ------
        CancelledByUser
        """
        if self.should_stop():
            raise CancelledByUser("The run was stopped as asked. Nothing was kept.")

    def progress(self, stage: str, done: float, total: float) -> None:
        """Report the progress, and stop the run where the user asked for it."""
        self.check()
        self.on_progress(stage, done, total)

    def note(self, sentence: str) -> None:
        """Keep and log a sentence about something that the engine decided by itself."""
        self.notes.append(sentence)
        self.on_log(sentence)

    def warn(self, sentence: str) -> None:
        """Keep a sentence, and warn the user with it."""
        self.notes.append(sentence)
        self.on_warning(sentence)
