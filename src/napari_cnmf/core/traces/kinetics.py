"""Time constants of each component, from whichever of them explains its trace most sparingly.

A decay that is too short needs more spikes, which follow the decay of every event; one that is too
long cannot follow the trace down. So the cost that deconvolution minimises (Friedrich et al. 2017),

    J(decay, rise) = min  |y - h * s|^2 / (2 sigma^2) + 2 |h| / sigma * sum(s)   over  s >= 0,

is least near the true response h, whether events stand alone, overlap, or make a plateau: nothing
needs to be isolated. |h| makes a spike's price that of a matched filter's noise, the same for every
response. J counts as a negative logarithm of a likelihood: to it comes a prior around the user's
decay time for the recording, and around the recording's for each component, so that a component
that says little takes what the others say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.traces.deconvolve import (
    DRIFT,
    PENALTY,
    ar_coefficients,
    estimate_trace_noise,
    penalised,
    quiet_level,
    response_norm,
    slow_baseline,
)

RISE_SHARE = 0.1
"""Rise time over decay time before the data have spoken: indicators have .03 (jGCaMP8f: 2 of 70 ms)
to .3 (GCaMP6s: 180 of 600 ms)."""
SHORTEST_FRAMES, LONGEST_S, LONGEST_SHARE = 0.7, 8.0, 0.1
"""Decay times that are looked at: in frames, in seconds (no indicator decays more slowly), and as a
share of the recording, beyond which too few events decay within it."""
FASTEST_RISE_FRAMES, SLOWEST_RISE = 0.05, 0.7
"""Rise times that are looked at: in frames (faster ones give the same frames), and as a share of
the decay, from which on rise and decay cannot be told apart."""
PRIOR_SD = np.log(3.0)
"""Spread of the recording's decay around the user's, as a logarithm: one who knows the indicator,
not the expression or temperature, is right to a factor of three."""
RISE_PRIOR_SD = 1.0
"""Spread of the rise around its share of the decay, as a logarithm."""
CELL_SD = 0.3
"""Spread between the cells of a recording, as a logarithm: Chen et al. 2013, Nature 499, 295, found
decay times of GCaMP6 that differ by a quarter to a third between neurons."""
TOGETHER, FRAMES_TOGETHER = 24, 6000
"""Clearest components, and frames of each, that tell the recording's time constants: more change
them by less than cells differ, and cost time."""
MOST_OF_ONE = 50.0
"""Most that one component says against a value, in units of log likelihood: real events are no
exact exponentials, and one bright cell must not outvote the others."""
TELLS = 4.0
"""Gain of log likelihood over no activity at all, for each of TELLS trials that could be chance,
from which on a component has a say."""
DISAGREES = 2.0
"""Factor between the measured decay and the user's from which on a run warns."""
_COARSE, _FINE = 1.5, 1.15
"""Steps of the grids, as factors."""
_MOST_STEPS = 5
_FEWEST_FRAMES = 20
_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class Kinetics:
    """Time constants of each component, and what they rest on.

    Attributes
    ----------
    decay_s, rise_s
        ``(n_components,)``.
    n_measured
        Components whose activity says something about them; with 0 of them the user's value stands.
    """

    decay_s: NDArray[np.float64]
    rise_s: NDArray[np.float64]
    n_measured: int

    def shrunk(self, factor: float, frame_rate_hz: float) -> Kinetics:
        """Kinetics with both roots of the AR model times ``factor``: faster decays, same rise."""
        decay = 1 / (1 / self.decay_s - frame_rate_hz * np.log(factor))
        return Kinetics(decay, self.rise_s, self.n_measured)


@dataclass(eq=False)
class _Observed:
    """Traces in units of their noise, without their baseline, and what a response costs on them."""

    raw: NDArray[np.float32]
    noise: NDArray[np.float32]
    baseline: NDArray[np.float32]
    frame_rate_hz: float
    p: int

    def costs(
        self, k: int, decay_s: float, rise_s: float
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """J of one trace, its calcium and what is left, in units of its noise."""
        g = ar_coefficients(np.array([decay_s]), np.array([rise_s]), self.frame_rate_hz, self.p)
        norm = float(response_norm(g)[0])
        y = (self.raw[k] - self.baseline[k]).astype(np.float64) / float(self.noise[k])
        c, s = penalised(y, g[0], PENALTY * norm, 0.0)
        rest = y - c
        return 0.5 * float(rest @ rest) + PENALTY * norm * float(s.sum()), c, rest

    def cost(self, k: int, decay_s: float, rise_s: float) -> float:
        return self.costs(k, decay_s, rise_s)[0]

    def gain(self, k: int, decay_s: float, rise_s: float) -> float:
        """What a response explains of a trace, over no activity at all."""
        y = (self.raw[k] - self.baseline[k]).astype(np.float64) / float(self.noise[k])
        return 0.5 * float(y @ y) - self.cost(k, decay_s, rise_s)

    def settle(self, k: int, decay_s: float, rise_s: float, window: int) -> None:
        """Take baseline and noise again from what a response leaves of a trace."""
        noise = float(self.noise[k])
        _, c, rest = self.costs(k, decay_s, rise_s)
        c = (c * noise).astype(np.float32)
        self.baseline[k] += quiet_level(
            self.raw[k : k + 1], self.baseline[k : k + 1], c[None], self.noise[k : k + 1], window
        )[0]
        # Fast events of a busy cell are rough, too: their roughness is not the noise's.
        left = float(estimate_trace_noise((rest * noise).astype(np.float32)[None])[0])
        if 0 < left < noise:
            self.noise[k] = left


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
        The user's: where the search starts, and what stays where the data say nothing.
    p
        Order of the model; with 1 the rise is not used, with 0 nothing is estimated.
    drift
        Of baselines, see `napari_cnmf.core.traces.deconvolve.deconvolve`.
    """
    n, n_frames = raw.shape
    start_rise = RISE_SHARE * decay_time_s
    decay, rise = np.full(n, decay_time_s), np.full(n, start_rise)
    noise = estimate_trace_noise(raw)
    clear = np.flatnonzero(noise > 0)
    if p == 0 or len(clear) == 0 or n_frames < _FEWEST_FRAMES:
        return Kinetics(decay, rise, 0)
    seen = _busiest_frames(raw[clear], FRAMES_TOGETHER)
    window = max(200, round(20 * decay_time_s * frame_rate_hz))
    baseline = slow_baseline(seen, noise[clear], window, drift)
    baseline = np.array(np.broadcast_to(baseline, seen.shape))
    observed = _Observed(seen, noise[clear], baseline, frame_rate_hz, p)
    gain = np.zeros(len(clear))

    def prepare(a: int, b: int) -> None:
        for k in range(a, b):
            observed.settle(k, decay_time_s, start_rise, window)
            gain[k] = observed.gain(k, decay_time_s, start_rise)

    workers.ranges(prepare, len(clear), _AT_ONCE)
    telling = np.flatnonzero(gain > TELLS * np.log(n_frames))
    if len(telling) == 0:
        return Kinetics(decay, rise, 0)
    chosen = telling[np.argsort(-gain[telling], kind="stable")[:TOGETHER]]
    common = _fit_together(observed, chosen, decay_time_s, n_frames, workers)
    decay[:], rise[:] = common

    def fit(a: int, b: int) -> None:
        for k in telling[a:b].tolist():
            observed.settle(k, *common, window)
            decay[clear[k]], rise[clear[k]] = _fit_one(observed, k, common)

    workers.ranges(fit, len(telling), _AT_ONCE)
    return Kinetics(decay, rise, len(telling))


def _busiest_frames(raw: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Of each trace the stretch of ``length`` frames that varies most; all of a short one."""
    n_frames = raw.shape[1]
    if n_frames <= length:
        return raw
    starts = np.arange(0, n_frames - length + 1, length)
    spread = np.stack([raw[:, s : s + length].var(axis=1) for s in starts], axis=1)
    best = starts[spread.argmax(1)]
    return np.stack([row[s : s + length] for row, s in zip(raw, best.tolist(), strict=True)])


def _fit_together(
    observed: _Observed,
    chosen: NDArray[np.int64],
    decay_time_s: float,
    n_frames: int,
    workers: Workers,
) -> tuple[float, float]:
    """Decay and rise that explain the chosen components best."""
    rate = observed.frame_rate_hz
    bounds = SHORTEST_FRAMES / rate, min(LONGEST_S, LONGEST_SHARE * n_frames / rate)
    low, high = min(bounds[0], decay_time_s), max(bounds[1], decay_time_s)

    def best(pairs: list[tuple[float, float]]) -> tuple[float, float]:
        costs = np.array(
            workers.map(
                lambda k: [observed.cost(k, d, r) for d, r in pairs], chosen.tolist()
            )
        )
        over = costs - costs.min(1, keepdims=True)
        total = (MOST_OF_ONE * over / (MOST_OF_ONE + over)).sum(0)
        d, r = np.array(pairs).T
        total += 0.5 * (np.log(d / decay_time_s) / PRIOR_SD) ** 2
        total += 0.5 * (np.log(r / (RISE_SHARE * d)) / RISE_PRIOR_SD) ** 2
        return pairs[int(np.argmin(total))]

    def rises(d: float) -> list[tuple[float, float]]:
        slowest = SLOWEST_RISE * d
        fastest = min(FASTEST_RISE_FRAMES / rate, slowest / 2)
        return [(d, float(r)) for r in _grid(fastest, slowest, 2.0)]

    d, r = best([(float(d), RISE_SHARE * float(d)) for d in _grid(low, high, _COARSE)])
    for step in (_COARSE ** 0.5, _FINE):
        if observed.p > 1:
            d, r = best(rises(d) if step > _FINE else [(d, min(r * x, SLOWEST_RISE * d)) for x in _around(1.3)])
        d, r = best([(float(np.clip(d * x, low, high)), r) for x in _around(step)])
    return d, r


def _fit_one(observed: _Observed, k: int, common: tuple[float, float]) -> tuple[float, float]:
    """Decay and rise of one component, held to the recording's where it says little."""
    d0, r0 = common

    def descend(cost: Callable[[float], float]) -> float:
        """Where the cost is least, by steps from 0 and the parabola through the last three."""
        step, at = CELL_SD, 0.0
        values = {0.0: cost(0.0)}
        for _ in range(_MOST_STEPS):
            for x in (at - step, at + step):
                if x not in values:
                    values[x] = cost(x)
            best = min((at - step, at, at + step), key=values.__getitem__)
            if best == at:
                break
            at = best
        if at - step not in values or at + step not in values:
            return at
        below, here, above = values[at - step], values[at], values[at + step]
        curvature = below - 2 * here + above
        return at + 0.5 * step * (below - above) / curvature if curvature > 0 else at

    def with_decay(x: float) -> float:
        return observed.cost(k, d0 * np.exp(x), r0) + 0.5 * (x / CELL_SD) ** 2

    d = d0 * np.exp(descend(with_decay))
    if observed.p == 1:
        return float(d), r0

    def with_rise(x: float) -> float:
        r = min(r0 * np.exp(x), SLOWEST_RISE * d)
        return observed.cost(k, d, r) + 0.5 * (x / CELL_SD) ** 2

    return float(d), float(min(r0 * np.exp(descend(with_rise)), SLOWEST_RISE * d))


def _grid(low: float, high: float, factor: float) -> NDArray[np.float64]:
    """Values from ``low`` to ``high``, neighbours about ``factor`` apart."""
    return np.geomspace(low, high, max(2, 1 + round(np.log(high / low) / np.log(factor))))


def _around(factor: float) -> tuple[float, ...]:
    return tuple(float(factor**i) for i in (-2, -1, 0, 1, 2))
