"""The engine's voice in its child process: into ``events.jsonl`` and ``status.json``."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from napari_cnmf.batch import stopping
from napari_cnmf.batch.events import Event, EventKind, append_event
from napari_cnmf.batch.status import Progress, Status, write_status

logger = logging.getLogger("napari_cnmf")

PROGRESS_SECONDS = 0.2
"""Progress is written this often at most; a new stage and the end of one always."""
MAX_WARNINGS = 20
"""The status is rewritten at each beat and stays small; the events keep all."""
STOP_SECONDS = 0.1
"""A network share is asked for the ``cancel`` file this often at most."""


class FileReporter:
    """`napari_cnmf.engines.base.Reporter` for one item.

    Parameters
    ----------
    folder
        Of the item.
    status
        Its present status; `status` is kept up to date from here on.
    terminated
        Whether the process was told to end.
    """

    def __init__(self, folder: Path, status: Status, *, terminated: Callable[[], bool]) -> None:
        self.folder = folder
        self.status = status
        self._terminated = terminated
        self._last_progress = float("-inf")
        self._last_asked = float("-inf")
        self._cancelled = False
        self._lock = threading.RLock()

    def update(self, **changes: Any) -> None:
        """Put ``changes`` into the status."""
        with self._lock:
            self.status = self.status.model_copy(update=changes | {"updated": datetime.now(UTC)})
            write_status(self.folder, self.status)

    def progress(self, stage: str, done: float, total: float) -> None:
        """Write the progress of ``stage`` to events and status, at most a few times a second."""
        progress = Progress(stage=stage, done=float(done), total=float(total))
        with self._lock:
            before = self.status.progress
            now = time.monotonic()
            new_stage = before is None or before.stage != stage
            if not new_stage and done < total and now - self._last_progress < PROGRESS_SECONDS:
                return
            self._last_progress = now
            self._say(EventKind.PROGRESS, **progress.model_dump())
            self.update(progress=progress)

    def log(self, message: str) -> None:
        """Write a message to the log and to the events."""
        logger.info("%s", message)
        self._say(EventKind.LOG, message=message)

    def warning(self, message: str) -> None:
        """Write a warning to the log, the events and the status."""
        logger.warning("%s", message)
        with self._lock:
            self._say(EventKind.WARNING, message=message)
            if len(self.status.warnings) < MAX_WARNINGS:
                self.update(warnings=(*self.status.warnings, message))

    def _say(self, kind: EventKind, **values: Any) -> None:
        with self._lock:
            append_event(self.folder, Event(kind, **values))

    def should_stop(self) -> bool:
        """Whether the item is to stop: it was cancelled, or the process was told to end."""
        if self._cancelled or self._terminated():
            return True
        now = time.monotonic()
        if now - self._last_asked >= STOP_SECONDS:
            self._last_asked = now
            self._cancelled = stopping.cancel_requested(self.folder)
        return self._cancelled
