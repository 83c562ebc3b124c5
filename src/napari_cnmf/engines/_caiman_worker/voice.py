"""Writes lines of JSON to the parent, and ends this process."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

EXIT_FAILED = 1
EXIT_POOL_DIED = 75
EXIT_ORPHANED = 76


_REPEATED = ("footprints", "footprint supports", "footprint thresholds", "traces", "merging")
"""Stages that come again with each round of updates."""


class Voice:
    """Writer of lines to the parent; nothing else can get between them.

    Attributes
    ----------
    counting
        Whether tasks are being counted in this process, so that what they log is no stage.
    suffix
        Which round of updates this is, in words.
    """

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self.counting = False
        self.suffix = ""

    def progress(self, stage: str, done: int, total: int) -> None:
        """Report how far a stage is."""
        name = stage + self.suffix if stage in _REPEATED else stage
        self.say("progress", stage=name, done=done, total=total)

    def say(self, event: str, **values: Any) -> None:
        """Write an event as one line of JSON; end this process when nobody reads it."""
        line = json.dumps({"event": event, **values}, default=str) + "\n"
        try:
            with self._lock:
                self._stream.write(line.encode())
        except OSError:
            end_now(EXIT_ORPHANED)


def end_now(code: int) -> None:
    """End this process and its pool at once; a thread cannot raise in the main one."""
    import multiprocessing

    for child in multiprocessing.active_children():
        child.kill()
    os._exit(code)


def end_with_parent() -> None:
    """Wait for the parent's end of the pipe to close; read bare, so that forks inherit no lock."""
    while os.read(0, 1):
        pass
    end_now(EXIT_ORPHANED)
