"""Turns CaImAn's own log into stages and warnings."""

from __future__ import annotations

import logging
import os
import re
from typing import Any

from .voice import Voice

_STAGES = (
    ("preprocessing", "noise"),
    ("initializing ...", "initialisation"),
    ("generating template", "motion template"),
    ("updating spatial", "footprints"),
    ("update spatial", "footprints"),
    ("updating temporal", "traces"),
    ("update temporal", "traces"),
    ("ring model background", "background"),
    ("recomputing background", "background"),
    ("searching for more neurons", "searching the residual"),
    ("merging", "merging"),
    ("deconvolution ...", "traces"),
    ("patches results into whole", "joining patches"),
    ("constructing background", "background"),
)
"""What CaImAn says at the beginning of a stage, in small letters."""
_TRACES_DONE = re.compile(r"(\d+) out of total (\d+) temporal components updated")
_CELLS_FOUND = re.compile(r"(\d+) neurons have been initialized")


class LogToVoice(logging.Handler):
    """Log handler that turns CaImAn's stages into progress, and passes each warning on once.

    Parameters
    ----------
    n_rounds
        How often footprints are updated on the whole field; 0 where that is not known.
    """

    def __init__(self, voice: Voice, n_rounds: int) -> None:
        super().__init__(logging.INFO)
        self._voice = voice
        self._seen: set[str] = set()
        self._pid = os.getpid()
        self._round, self._n_rounds = 0, n_rounds

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on what the user is to know; the rest CaImAn has printed already."""
        in_a_pool = os.getpid() != self._pid
        if in_a_pool or f"{os.sep}caiman{os.sep}" not in record.pathname:
            return
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            if message not in self._seen and len(self._seen) < 100:
                self._seen.add(message)
                self._voice.say("log", message=f"CaImAn: {message}")
        elif not self._voice.counting:  # else the stages of one patch, while patches are counted
            self._say_progress(message, from_fit=record.filename == "cnmf.py")

    def _say_progress(self, message: str, *, from_fit: bool) -> None:
        if (done := _TRACES_DONE.search(message)) is not None:
            self._voice.progress("traces", int(done[1]), int(done[2]))
            return
        if (found := _CELLS_FOUND.search(message)) is not None:
            self._voice.say("log", message=f"CaImAn: {found[1]} cells so far.")
            return
        for text, stage in _STAGES:
            if text in message.lower():
                if from_fit and stage == "footprints":
                    self._round += 1
                    self._name_round()
                self._voice.progress(stage, 0, 1)
                return

    def _name_round(self) -> None:
        if 0 < self._round <= self._n_rounds and self._n_rounds > 1:
            self._voice.suffix = f" ({self._round} of {self._n_rounds})"
        else:
            self._voice.suffix = ""


def rounds_of(request: dict[str, Any]) -> int:
    """Number of updates of the footprints on the whole field: two for each fit without patches."""
    init, patch = request["params"].get("init", {}), request["params"].get("patch", {})
    if request["algorithm"] != "cnmf" or init.get("method_init") == "corr_pnr":
        return 0
    n_fits = int(patch.get("rf") is None) + int(request["refit"])
    return 2 * n_fits
