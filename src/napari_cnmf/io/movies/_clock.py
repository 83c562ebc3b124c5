"""Reads when a recording began, on a clock that other files may share."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

_DATE = re.compile(
    r"\s*(\d{4})[-:/.](\d\d?)[-:/.](\d\d?)[T ](\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?"
    r"\s*(Z|[-+]\d\d:?\d\d)?\s*"
)
_EPOCH = datetime(2000, 1, 1)
_EPOCH_S = (_EPOCH - datetime(1970, 1, 1)).total_seconds()
_LATEST_S = 2.0**33
"""Seconds from 1970 that no clock shows yet: larger numbers count something else."""
_DAY_S = 86400.0
_UTC, _LOCAL = "world time", "local time"


@dataclass(frozen=True)
class Start:
    """Time of a recording's first frame on a clock that other files may share.

    Attributes
    ----------
    zero_s
        Seconds on the clock that the file's own times count from.
    clock
        Name of the clock: starts on clocks of one name can be compared.
    resolution_s
        Step in which ``zero_s`` is noted: 1 for whole seconds.
    source
        Where the start stands.
    first_s
        Time of the first frame, counted from ``zero_s``.
    length_s
        Seconds from the first to the last frame as they were measured; ``None`` where only a
        frame rate tells them.
    """

    zero_s: float
    clock: str
    resolution_s: float
    source: str
    first_s: float = 0.0
    length_s: float | None = None

    def later(self, seconds: float) -> Start:
        """The start of a recording whose first frame was taken so many seconds later."""
        return replace(self, first_s=self.first_s + seconds, length_s=None)

    def of_times(self, times: NDArray[np.float64]) -> Start:
        """The start of frames whose times ``(T,)`` count from this one."""
        return replace(self.later(float(times[0])), length_s=float(times[-1] - times[0]))

    def until(self, later: Start) -> tuple[float, float] | None:
        """Seconds from this start to another and their resolution; ``None`` for another clock."""
        if self.clock != later.clock:
            return None
        finer, resolution = sorted((self.resolution_s, later.resolution_s))
        if self.source == later.source and resolution <= 1:
            resolution = finer  # a program that writes fractions began a file at a whole second
        if self.zero_s == later.zero_s:
            resolution = 0.0  # however roughly the moment is noted that both count from
        return later.zero_s - self.zero_s + (later.first_s - self.first_s), resolution


def start_of_text(text: object, source: str) -> Start | None:
    """Start that a text such as ``2026-03-01T14:05:06.250+01:00`` tells; ``None`` for others.

    A fraction of zero counts as none, and midnight as a day without a time: programs write both
    where they know no more.
    """
    found = _DATE.fullmatch(str(text or ""))
    if found is None:
        return None
    *parts, fraction, zone = found.groups()
    try:
        moment = datetime(*(int(part or 0) for part in parts))  # type: ignore[arg-type]
    except ValueError:
        return None
    resolution = 1.0 if parts[-1] is not None else 60.0
    if fraction is not None and int(fraction):
        resolution = 10.0 ** -len(fraction)
    share = float(f"0.{fraction}") if fraction else 0.0
    if share == 0 and (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        resolution = _DAY_S
    if zone is not None:
        sign = -1 if zone[0] == "-" else 1
        hours, minutes = (0, 0) if zone == "Z" else (int(zone[1:3]), int(zone[-2:]))
        moment -= sign * timedelta(hours=hours, minutes=minutes)
    return Start(_seconds(moment) + share, _LOCAL if zone is None else _UTC, resolution, source)


def start_of_seconds(since_1970: float | None, resolution_s: float, source: str) -> Start | None:
    """Start in seconds since the beginning of 1970 in world time; ``None`` where none is noted."""
    if since_1970 is None or not 0 < since_1970 < _LATEST_S:
        return None
    return Start(since_1970 - _EPOCH_S, _UTC, resolution_s, source)


def start_of_moment(moment: datetime, resolution_s: float, source: str) -> Start:
    """Start at a moment; one without a zone is local time."""
    if moment.tzinfo is None:
        return Start(_seconds(moment), _LOCAL, resolution_s, source)
    plain = moment.astimezone(UTC).replace(tzinfo=None)
    return Start(_seconds(plain), _UTC, resolution_s, source)


def _seconds(moment: datetime) -> float:
    return (moment - _EPOCH).total_seconds()
