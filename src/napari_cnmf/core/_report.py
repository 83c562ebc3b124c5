"""The callbacks of a run in one place, with defaults that say nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from napari_cnmf.core.source import ProgressCallback, StopCallback, WarningCallback
from napari_cnmf.errors import CancelledByUser

logger = logging.getLogger(__name__)


def no_progress(stage: str, done: float, total: float) -> None:
    """Says nothing."""


def never_stop() -> bool:
    """Goes on."""
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
        """Tell progress, and stop where asked."""
        self.check()
        self.on_progress(stage, done, total)

    def note(self, sentence: str) -> None:
        """Something the engine decided by itself."""
        self.notes.append(sentence)
        self.on_log(sentence)

    def warn(self, sentence: str) -> None:
        """Something the user should look at."""
        self.notes.append(sentence)
        self.on_warning(sentence)
