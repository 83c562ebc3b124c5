"""CaImAn's own log as stages and warnings."""

from __future__ import annotations

import logging
import os

from .voice import Voice

_STAGE_OF_MESSAGE = (
    ("preprocessing", "noise"),
    ("initializing ...", "initialisation"),
    ("generating template", "motion template"),
    ("updating spatial", "footprints"),
    ("update spatial", "footprints"),
    ("updating temporal", "traces"),
    ("update temporal", "traces"),
    ("merging", "merging"),
    ("deconvolution", "traces"),
    ("refinement", "refinement"),
)


class LogToVoice(logging.Handler):
    """CaImAn's log: its stages as progress, its warnings once each."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(logging.INFO)
        self._voice = voice
        self._seen: set[str] = set()
        self._pid = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        in_a_pool = os.getpid() != self._pid
        if in_a_pool or f"{os.sep}caiman{os.sep}" not in record.pathname:
            return
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            if message not in self._seen and len(self._seen) < 100:
                self._seen.add(message)
                self._voice.say("log", message=f"CaImAn: {message}")
            return
        if self._voice.counting:  # the stages of one patch, while patches are counted
            return
        for text, stage in _STAGE_OF_MESSAGE:
            if text in message.lower():
                self._voice.say("progress", stage=stage, done=0, total=1)
                return
