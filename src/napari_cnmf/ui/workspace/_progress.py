"""Progress of a run of several items and stages, as one number that only grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_cnmf.batch.status import State
from napari_cnmf.ui.batch._rows import ALGORITHM_TITLES, ItemRow

_SHARES = {
    "starting CaImAn": 0.05,
    "reading": 0.15,
    "motion template": 0.2,
    "shifts": 0.5,
    "field": 0.6,
    "finding components": 0.5,
    "refit": 0.4,
    "extracting traces": 0.5,
    "deconvolving": 0.6,
    "scoring": 0.8,
    "spectra": 0.3,
    "refining": 0.4,
    "writing": 0.6,
    "summary images": 0.7,
}
"""Share of the rest that a stage takes; engines of others may have stages of any name."""
_USUAL_SHARE = 0.35
_UNITS = {"deconvolving": " components", "reading": " frames", "writing": " frames"}
_MOTION_SHARE = 0.3
_LEAST_TOLD = 0.08
"""Below that nothing is said of the time that is left: it would be wrong."""


@dataclass(frozen=True)
class RunStand:
    """State of a run.

    Attributes
    ----------
    fraction
        0 to 1; never less than what was told before.
    stage
        What it does now, in words.
    seconds_left
        ``None`` while that cannot be told.
    """

    fraction: float
    stage: str
    seconds_left: float | None


class RunProgress:
    """Follower of the items of one run."""

    def __init__(self, uuids: Sequence[str]) -> None:
        self.uuids = tuple(uuids)
        self._stage: tuple[str, str] = ("", "")
        self._from, self._to = 0.0, 0.0
        self._fraction = 0.0

    def follow(self, rows: Mapping[str, ItemRow]) -> RunStand:
        """Renew the state of the run."""
        mine = [rows[uuid] for uuid in self.uuids if uuid in rows]
        ends = _ends(mine)
        running = next((r for r in mine if r.state is State.RUNNING), None)
        begin = 0.0
        for row, end in zip(mine, ends, strict=True):
            if row.state is State.COMPLETED:
                self._fraction = max(self._fraction, end)
            if row is running:
                self._follow_stage(row, max(begin, self._fraction), end)
            begin = end
        if running is None:
            waits = bool(mine) and not any(row.state.ended for row in mine)
            return RunStand(self._fraction, "waiting to start" if waits else "", None)
        spent = sum(row.duration() or 0.0 for row in mine)
        left = spent * (1 / self._fraction - 1) if self._fraction > _LEAST_TOLD else None
        what = running.stage or "starting"
        if running.total > 1:
            what += f", {running.done:,.0f} of {running.total:,.0f}{_UNITS.get(running.stage, '')}"
        stage = f"{running.algorithm}: {what}" if len(mine) > 1 else what
        return RunStand(self._fraction, stage, left)

    def _follow_stage(self, row: ItemRow, begin: float, end: float) -> None:
        stage = (row.uuid, row.stage)
        if row.stage and stage != self._stage:
            self._stage = stage
            self._from = max(begin, self._fraction)
            share = _SHARES.get(row.stage, _USUAL_SHARE)
            self._to = self._from + share * (end - self._from)
        if row.stage:
            now = self._from + row.fraction * (self._to - self._from)
            self._fraction = max(self._fraction, now)


def _ends(rows: Sequence[ItemRow]) -> list[float]:
    """Place on the bar where each item ends."""
    is_motion = [row.algorithm == ALGORITHM_TITLES["mcorr"] for row in rows]
    weights = [_MOTION_SHARE if motion else 1 - _MOTION_SHARE for motion in is_motion]
    total = sum(weights)
    ends, so_far = [], 0.0
    for weight in weights:
        so_far += weight / total
        ends.append(so_far)
    return ends
