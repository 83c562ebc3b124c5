"""Time constants of the indicator, from isolated events.

A first deconvolution with the user's decay time finds events; those with no other event of
a quarter of their size nearby are averaged, and the average is fitted by

    a (1 - exp(-t / rise)) exp(-t / decay) + b + d exp(-t / decay)

on a grid of time constants; d is what is left of earlier events, without which decays
come out a tenth too short. Few events say little: below 20 the user's value stays.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.traces.deconvolve import DRIFT, RISE_S, deconvolve

MIN_EVENTS = 20
BOUNDS = (0.4, 2.5)
"""Of a measured decay time, in units of the user's."""
_SIGMAS = 8.0
_AT_ONCE = 16
"""Traces of which a thread gathers the events together."""


@dataclass(frozen=True, eq=False)
class Kinetics:
    """Time constants of each component in seconds, and how many events they rest on.

    Attributes
    ----------
    decay_s, rise_s
        ``(n_components,)``.
    n_events
        Isolated events of all components together.
    """

    decay_s: NDArray[np.float64]
    rise_s: NDArray[np.float64]
    n_events: int

    def shrunk(self, factor: float, frame_rate_hz: float) -> Kinetics:
        """Kinetics with both roots of the AR model times ``factor``: faster decays, same rise."""
        decay = 1 / (1 / self.decay_s - frame_rate_hz * np.log(factor))
        return Kinetics(decay, self.rise_s, self.n_events)


def estimate_kinetics(
    raw: NDArray[np.float32],
    frame_rate_hz: float,
    decay_time_s: float,
    p: int,
    workers: Workers,
    *,
    drift: float = DRIFT,
) -> Kinetics:
    """Decay and rise time of each component.

    Parameters
    ----------
    raw
        Demixed traces ``(n_components, n_frames)``.
    decay_time_s
        The user's, the start and the fallback.
    p
        Order of the model; with 1 the rise is not used, with 0 nothing is estimated.
    drift
        Of baselines, see `napari_cnmf.core.traces.deconvolve.deconvolve`.
    """
    n = len(raw)
    decay, rise = np.full(n, decay_time_s), np.full(n, min(RISE_S, 0.5 * decay_time_s))
    if n == 0 or p == 0:
        return Kinetics(decay, rise, 0)
    first = deconvolve(
        raw, decay, rise, frame_rate_hz,
        p=1, s_min=0.0, workers=workers, stands_out=None, drift=drift,
    )  # fmt: skip
    length = max(6, round(2.5 * decay_time_s * frame_rate_hz))
    sums = np.zeros((n, length + 3))
    counts = np.zeros(n, np.int64)

    def collect(start: int, stop: int) -> None:
        for k in range(start, stop):
            if first.noise[k] > 0:
                at = isolated_events(first.S[k], float(first.noise[k]), length)
                counts[k] = len(at)
                if len(at):
                    sums[k] = raw[k][at[:, None] + np.arange(-3, length)].sum(0) / first.noise[k]

    workers.ranges(collect, n, _AT_ONCE)
    total = int(counts.sum())
    if total < MIN_EVENTS:
        return Kinetics(decay, rise, total)
    library = Library.over(length, frame_rate_hz, decay_time_s)
    common, common_rise = library.fit(sums.sum(0))
    decay[:] = common
    rise[:] = common_rise
    library = library.with_rise(common_rise)
    enough = np.flatnonzero(counts >= MIN_EVENTS)

    def fit(start: int, stop: int) -> None:
        for k in enough[start:stop].tolist():
            own, _ = library.fit(sums[k])
            weight = counts[k] / (counts[k] + MIN_EVENTS)
            decay[k] = np.exp(weight * np.log(own) + (1 - weight) * np.log(common))

    workers.ranges(fit, len(enough), _AT_ONCE)
    return Kinetics(decay, rise, total)


def isolated_events(s: NDArray[np.float32], noise: float, length: int) -> NDArray[np.int64]:
    """Onsets of large events with nothing else going on from 3 frames before to ``length`` after.

    Parameters
    ----------
    s
        Spikes of a first deconvolution ``(n_frames,)``; neighbours in time are one event.
    """
    n_frames = len(s)
    near = s.copy()
    near[1:] += s[:-1]
    near[:-1] += s[1:]
    (peaks,) = np.nonzero((near > _SIGMAS * noise) & (s > 0))
    peaks = peaks[(peaks >= 6) & (peaks < n_frames - length)]
    peaks = peaks[(s[peaks] >= s[peaks - 1]) & (s[peaks] >= s[peaks + 1])]
    # A slow rise spreads an onset, a decay time that is too short leaves a trail of small
    # spikes: only what comes later, and the largest of it, makes an event not alone.
    skip = max(3, length // 4)
    around = np.concatenate([np.arange(-(length // 2), -2), np.arange(skip, length)])
    # Frames before the first one count as silent.
    at = peaks[:, None] + around
    others = np.where(at >= 0, near[at], 0).max(1, initial=0)
    alone = others < 0.25 * near[peaks]
    out: list[int] = []
    for t in peaks[alone].tolist():
        if not out or t - out[-1] > 2:
            out.append(t)
    return np.array(out, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Library:
    """Waveforms on a grid of time constants.

    Attributes
    ----------
    decay_s, rise_s
        Of each waveform ``(n,)``.
    waves
        Unit vectors ``(n, length + 3)``, the event beginning at sample 3, at right angles to the
        constant and to the tail.
    tails
        Unit vectors ``(n, length + 3)``, decaying all along, without mean.
    """

    decay_s: NDArray[np.float64]
    rise_s: NDArray[np.float64]
    waves: NDArray[np.float64]
    tails: NDArray[np.float64]

    @classmethod
    def over(cls, length: int, frame_rate_hz: float, decay_time_s: float) -> Library:
        """Make the waveforms around an expected decay time, ``length`` frames long."""
        decays = decay_time_s * np.geomspace(*BOUNDS, 41)
        rises = np.geomspace(0.02, 0.5, 16)
        # An event begins anywhere within the frame before the one it is first seen in.
        onsets = np.linspace(-1.5, 0.5, 9)
        d, r, o = (v.ravel() for v in np.meshgrid(decays, rises, onsets, indexing="ij"))
        keep = r < 0.7 * d
        d, r, o = d[keep], r[keep], o[keep]
        # Averaged events began at all times within a frame: unsmeared waves would mistake
        # that for a slow rise.
        waves = np.zeros((len(d), length + 3))
        for within in np.arange(-0.4, 0.5, 0.2):
            t = (np.arange(-3, length)[None] - o[:, None] - within) / frame_rate_hz
            after = np.maximum(t, 0)
            waves += (1 - np.exp(-after / r[:, None])) * np.exp(-after / d[:, None])
        tails = _unit(np.exp(-np.arange(length + 3)[None] / (d[:, None] * frame_rate_hz)))
        waves -= (waves * tails).sum(1, keepdims=True) * tails
        return cls(d, r, _unit(waves), tails)

    def with_rise(self, rise_s: float) -> Library:
        """The waveforms of one rise time alone."""
        ids = np.flatnonzero(np.isclose(self.rise_s, rise_s))
        return Library(*(getattr(self, f.name)[ids] for f in fields(self)))

    def fit(self, average: NDArray[np.float64]) -> tuple[float, float]:
        """Find decay and rise time of the nearest waveform.

        The decay is the vertex of the parabola through the best and the two beside it: the grid's
        steps are as large as what a few dozen events leave uncertain.
        """
        y = average - average.mean()
        # An event goes up: a wave that fits upside down explains nothing.
        match = np.maximum(self.waves @ y, 0) ** 2 + (self.tails @ y) ** 2
        begins = np.flatnonzero(np.diff(self.decay_s, prepend=-1))
        decays, best = self.decay_s[begins], np.maximum.reduceat(match, begins)
        k, shift = int(np.argmax(best)), 0.0
        if 0 < k < len(best) - 1:
            curvature = best[k - 1] - 2 * best[k] + best[k + 1]
            shift = 0.5 * (best[k - 1] - best[k + 1]) / curvature if curvature < 0 else 0.0
        step = np.log(decays[-1] / decays[0]) / max(1, len(decays) - 1)
        return float(decays[k] * np.exp(shift * step)), float(self.rise_s[np.argmax(match)])


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows without their mean, scaled to norm 1."""
    rows = rows - rows.mean(1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
