"""Waits for a time of day to start at, as for the quiet hours of a shared workstation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from napari_cnmf.errors import BatchError

_LONGEST_WAIT_S = 30.0


def next_time(text: str, now: datetime) -> datetime:
    """The next moment at which a clock shows ``text`` (``HH:MM`` or ``HH:MM:SS``).

    Raises
    ------
    BatchError
        When ``text`` is no time of day.
    """
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            clock = datetime.strptime(text, form).time()
        except ValueError:
            continue
        today = datetime.combine(now.date(), clock, now.tzinfo)
        return today if today > now else today + timedelta(days=1)
    raise BatchError(f"The time must be like 23:00, got {text!r}.")


def wait_for(when: datetime, *, now: Callable[[], datetime] = datetime.now) -> None:
    """Wait until the clock shows ``when``.

    The clock is looked at again and again: a computer that slept starts as soon as it wakes.
    """
    pause = threading.Event()
    while (left := (when - now()).total_seconds()) > 0:
        pause.wait(min(left, _LONGEST_WAIT_S))
