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
    estimate_level,
    estimate_trace_noise,
    penalised,
    response_norm,
    slow_baseline,
)
from napari_cnmf.core.traces.oasis import polish

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
TOGETHER = 8
"""Clearest components that tell the recording's time constants: more change them by less than cells
differ, and cost time."""
MOST_BINS = 1500
"""And the longest stretch of each that is looked at: a hundred decays or more."""
MOST_OF_ONE, MOST_OF_ITSELF = 200.0, 600.0
"""Most that one component says about the recording's and about its own, in units of log likelihood.
One bright cell must not outvote the others; and a thousandth of what a response explains, which
greedy pooling may be off by, is no evidence."""
SLOW_S = 2.0
"""Decay time for which a baseline must be slow, whatever is told, in seconds: one that follows slow
events makes them fast."""
INEXACT = 0.2
"""Error of the model as a share of the peak of its events: real ones decay not quite as
exponentials, and neighbours, motion and neuropil leave a little in them."""
TELLS = 4.0
"""Gain of log likelihood over no activity at all, for each of TELLS trials that could be chance,
from which on a component has a say."""
DISAGREES = 2.0
"""Factor between the measured decay and the user's from which on a run warns."""
_COARSE, _STEPS, _NEAR = 1.8, (0.3, 0.1), 2.0
"""Steps of the search: factor of the first grid, logarithms of the later ones, and how far from
what its bins were made for a decay may lie."""
BINS_TOGETHER, BINS_ONE = 20.0, 10.0
"""Bins that a decay is looked at in: a rise of a tenth of it is told from two bins, and greedy
AR(2) deconvolution comes near enough to the least cost; for single components half will do."""
_LEVEL_FOUND, _LEAST_SLOPE = 2e-3, 0.01
_STEPS_FIRST, _STEPS_MORE = 8, 2
_LOOKS, _MOST_STEPS, _SWEEPS = 2, 8, 5
_SLOWER = (0.8, 1.0, 1.2, 1.44, 2.0, 3.0, 5.0)
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
    """Traces in units of their noise, in bins, and what a response costs on them.

    Attributes
    ----------
    y
        ``(n, n_bins)`` float64, of noise 1.
    level
        Baseline of each at which its last response cost least ``(n,)``.
    slope
        How what is left changed with it there ``(n,)``.
    bin_rate_hz
        Bins per second.
    p
        Order of the model.
    """

    y: NDArray[np.float64]
    level: NDArray[np.float64]
    slope: NDArray[np.float64]
    bin_rate_hz: float
    p: int

    @classmethod
    def binned(
        cls,
        traces: NDArray[np.float32],
        noise: NDArray[np.float32],
        frames_per_bin: int,
        frame_rate_hz: float,
        p: int,
    ) -> _Observed:
        """Means of ``frames_per_bin`` frames of traces ``(n, n_frames)`` without slow baseline."""
        n_bins = traces.shape[1] // frames_per_bin
        frames = traces[:, : n_bins * frames_per_bin].reshape(len(traces), n_bins, frames_per_bin)
        y = frames.mean(2, dtype=np.float64) * (np.sqrt(frames_per_bin) / noise[:, None])
        y = _busiest(y, MOST_BINS)
        level = estimate_level(y.astype(np.float32)).astype(np.float64)
        return cls(y, level, np.full(len(y), -1.0), frame_rate_hz / frames_per_bin, p)

    def cost(self, k: int, decay_s: float, rise_s: float, steps: int = _STEPS_MORE) -> float:
        """J of one trace, at the baseline where it is least.

        J is convex in the baseline, with the sum of what is left for a slope: secants to its zero.
        A baseline from quiet frames would be as wrong as the response that says which are quiet.
        """
        g = ar_coefficients(np.array([decay_s]), np.array([rise_s]), self.bin_rate_hz, self.p)
        price = PENALTY * float(response_norm(g)[0])

        def at(level: float) -> tuple[float, float]:
            y = self.y[k] - level
            c, s = penalised(y, g[0], price, 0.0)
            rest = y - c
            return 0.5 * float(rest @ rest) + price * float(s.sum()), float(rest.mean())

        level, slope = float(self.level[k]), float(self.slope[k])
        cost, left = at(level)
        least, self.level[k] = cost, level
        for _ in range(steps):
            if abs(left) < _LEVEL_FOUND:
                break
            step = -left / slope
            cost, now = at(level + step)
            level += step
            if cost < least:
                least, self.level[k] = cost, level
            # What is left falls with the baseline, at most as fast as that rises.
            slope = float(np.clip((now - left) / step, -1.0, -_LEAST_SLOPE))
            left = now
        self.slope[k] = slope
        return float(least)

    def polished_cost(self, k: int, decay_s: float, rise_s: float) -> float:
        """J at the present baseline, without what greedy pooling adds to it.

        It adds more the slower the rise: rises would come out up to a fifth too fast, and busy
        cells would seem to have none.
        """
        g = ar_coefficients(np.array([decay_s]), np.array([rise_s]), self.bin_rate_hz, self.p)[0]
        price = PENALTY * float(response_norm(g[None])[0])
        y = self.y[k] - self.level[k]
        _, s = penalised(y, g, price, 0.0)
        return float(polish(y, float(g[0]), float(g[1]), price, s, _SWEEPS))

    def gain(self, k: int, decay_s: float, rise_s: float) -> float:
        """Log likelihood that a response gains over no activity at all."""
        y = self.y[k] - self.y[k].mean()
        return 0.5 * float(y @ y) - self.cost(k, decay_s, rise_s, _STEPS_FIRST)

    def settle_noise(self, k: int, decay_s: float, rise_s: float) -> None:
        """Take the noise of a trace from what a response leaves of it, where that is less.

        Fast events of a busy cell are as rough as noise.
        """
        self.cost(k, decay_s, rise_s, _STEPS_FIRST)
        g = ar_coefficients(np.array([decay_s]), np.array([rise_s]), self.bin_rate_hz, self.p)
        y = self.y[k] - self.level[k]
        c, s = penalised(y, g[0], PENALTY * float(response_norm(g)[0]), 0.0)
        left = float(estimate_trace_noise((y - c).astype(np.float32)[None])[0])
        unit = left if 0 < left < 1 else 1.0
        event = float(s @ s) / max(float(s.sum()), 1e-12) * _peak(g[0])
        unit = float(np.hypot(unit, INEXACT * event))
        self.y[k] /= unit
        self.level[k] /= unit


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
    rate, decay_time_s = frame_rate_hz, float(decay_time_s)
    decay, rise = np.full(n, decay_time_s), np.full(n, RISE_SHARE * decay_time_s)
    noise = estimate_trace_noise(raw)
    clear = np.flatnonzero(noise > 0)
    if p == 0 or len(clear) == 0 or n_frames < _FEWEST_FRAMES:
        return Kinetics(decay, rise, 0)

    def observe(ids: NDArray[np.int64], decay_s: float, bins: float) -> _Observed:
        ids = clear[ids]
        per_bin = int(np.clip(decay_s * rate / bins, 1, max(1, n_frames // _FEWEST_FRAMES)))
        window = max(200, round(20 * max(decay_s, SLOW_S) * rate))
        still = raw[ids] - slow_baseline(raw[ids], noise[ids], window, drift)
        return _Observed.binned(still, noise[ids], per_bin, rate, p)

    every = observe(np.arange(len(clear)), decay_time_s, BINS_ONE)
    gain = np.zeros(len(clear))

    def prepare(a: int, b: int) -> None:
        for k in range(a, b):
            gain[k] = every.gain(k, decay_time_s, RISE_SHARE * decay_time_s)

    workers.ranges(prepare, len(clear), _AT_ONCE)
    telling = np.flatnonzero(gain > TELLS * np.log(n_frames))
    if len(telling) == 0:
        return Kinetics(decay, rise, 0)
    chosen = telling[np.argsort(-gain[telling], kind="stable")[:TOGETHER]]
    common = _fit_together(
        lambda d: observe(chosen, d, BINS_TOGETHER), decay_time_s, n_frames, rate, workers
    )
    decay[:], rise[:] = common
    own = observe(telling, common[0], BINS_ONE)

    def fit(a: int, b: int) -> None:
        for i in range(a, b):
            own.settle_noise(i, *common)
            k = clear[telling[i]]
            decay[k], rise[k] = _fit_one(own, i, common)

    workers.ranges(fit, len(telling), _AT_ONCE)
    # Greedy costs make single rises too fast; their middle is the recording's, polished, rise.
    middle = float(np.median(rise[clear[telling]]))
    rise[clear[telling]] = np.minimum(
        rise[clear[telling]] * (common[1] / middle), SLOWEST_RISE * decay[clear[telling]]
    )
    return Kinetics(decay, rise, len(telling))


def _peak(g: NDArray[np.float64]) -> float:
    """Largest value of an AR response: 1 without a rise."""
    one, two = 1.0, 0.0
    while True:
        following = g[0] * one + (g[1] * two if len(g) > 1 else 0.0)
        if following <= one:
            return float(one)
        one, two = following, one


def _busiest(rows: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Stretch of ``length`` values that varies most in each row; a short row whole."""
    n = rows.shape[1]
    if n <= length:
        return rows
    starts = np.arange(0, n - length + 1, length // 2)
    spread = np.stack([rows[:, s : s + length].var(axis=1) for s in starts], axis=1)
    best = starts[spread.argmax(1)]
    return np.stack([row[s : s + length] for row, s in zip(rows, best.tolist(), strict=True)])


def _fit_together(
    observe: Callable[[float], _Observed],
    decay_time_s: float,
    n_frames: int,
    frame_rate_hz: float,
    workers: Workers,
) -> tuple[float, float]:
    """Decay and rise that explain the chosen components best."""
    low = min(SHORTEST_FRAMES / frame_rate_hz, decay_time_s)
    high = max(min(LONGEST_S, LONGEST_SHARE * n_frames / frame_rate_hz), decay_time_s)
    d, r = decay_time_s, RISE_SHARE * decay_time_s
    # Bins follow the decay: what is found with those of one that was far off is looked at again.
    for _ in range(_LOOKS):
        observed, told = observe(d), d
        every = range(len(observed.y))
        for k in every:
            observed.settle_noise(k, d, r)
        # Real events are no exact exponentials, and what that costs grows with their energy.
        weight = 1 / (1 + np.array([max(observed.gain(k, d, r), 0) for k in every]) / MOST_OF_ONE)

        def cost(
            x: float,
            z: float,
            observed: _Observed = observed,
            weight: NDArray[np.float64] = weight,
        ) -> float:
            d, r = float(np.exp(x)), float(np.exp(z))
            costs = workers.map(lambda row: observed.cost(row, d, r), range(len(observed.y)))
            prior = (
                (x - np.log(decay_time_s)) / PRIOR_SD,
                (z - x - np.log(RISE_SHARE)) / RISE_PRIOR_SD,
            )
            return float(weight @ costs) + 0.5 * float(prior[0] ** 2 + prior[1] ** 2)

        bounds = np.log([[low, high], [FASTEST_RISE_FRAMES / frame_rate_hz, SLOWEST_RISE * high]])
        shares = (RISE_SHARE / 3, RISE_SHARE, RISE_SHARE * 3) if observed.p > 1 else (RISE_SHARE,)
        pairs = [
            (np.log(x), np.log(share * x)) for x in _grid(low, high, _COARSE) for share in shares
        ]
        start = min(pairs, key=lambda pair: cost(*pair))
        found = start
        for step in _STEPS:
            found = _descend(cost, found, (step, 2 * step if observed.p > 1 else 0.0), bounds)
        d, r = (float(np.exp(v)) for v in found)
        if max(d / told, told / d) < _NEAR:
            break
    r = min(r, SLOWEST_RISE * d)
    if observed.p > 1:
        rises = np.unique(np.minimum(r * np.array(_SLOWER), SLOWEST_RISE * d))
        costs = weight @ np.array(
            workers.map(lambda k: [observed.polished_cost(k, d, x) for x in rises.tolist()], every)
        )
        r = float(rises[np.argmin(costs)])
    return d, r


def _fit_one(observed: _Observed, k: int, common: tuple[float, float]) -> tuple[float, float]:
    """Decay and rise of one component, held to the recording's where it says little."""
    d0, r0 = common
    weight = 1 / (1 + max(observed.gain(k, d0, r0), 0) / MOST_OF_ITSELF)

    def cost(x: float, z: float) -> float:
        d, r = d0 * float(np.exp(x)), r0 * float(np.exp(z))
        says = weight * observed.cost(k, d, min(r, SLOWEST_RISE * d))
        return says + 0.5 * (x * x + z * z) / CELL_SD**2

    # Smaller than cells differ: costs rise steeper towards long decays, parabolas only near by.
    anywhere = np.array([[-np.inf, np.inf]] * 2)
    x, _ = _descend(cost, (0.0, 0.0), (CELL_SD / 2, 0.0), anywhere)
    d = d0 * float(np.exp(x))
    if observed.p == 1:
        return d, r0
    z, _ = _descend(lambda z, _: cost(x, z), (0.0, 0.0), (CELL_SD, 0.0), anywhere)
    return d, min(r0 * float(np.exp(z)), SLOWEST_RISE * d)


def _descend(
    cost: Callable[[float, float], float],
    start: tuple[float, float],
    steps: tuple[float, float],
    bounds: NDArray[np.float64],
) -> tuple[float, float]:
    """Least cost near a start, by steps on a grid, then the parabola along each axis.

    Diagonal steps are one up, one down: a decay that is too short looks like a rise that is too
    slow.
    """
    known: dict[tuple[int, int], float] = {}

    def at(i: int, j: int) -> float:
        x, z = start[0] + i * steps[0], start[1] + j * steps[1]
        if not (bounds[0, 0] <= x <= bounds[0, 1] and bounds[1, 0] <= z <= bounds[1, 1]):
            return np.inf
        if (i, j) not in known:
            known[i, j] = cost(x, z)
        return known[i, j]

    moves = [(1, 0), (-1, 0)]
    if steps[1]:
        moves += [(0, 1), (0, -1), (1, -1), (-1, 1)]
    i = j = 0
    known[0, 0] = cost(*start)
    for _ in range(_MOST_STEPS):
        a, b = min(moves, key=lambda m: at(i + m[0], j + m[1]))
        if at(i + a, j + b) >= at(i, j):
            break
        i, j = i + a, j + b

    def vertex(below: float, above: float) -> float:
        curvature = below - 2 * known[i, j] + above
        good = np.isfinite(curvature) and curvature > 0
        return float(np.clip(0.5 * (below - above) / curvature, -0.5, 0.5)) if good else 0.0

    x = start[0] + (i + vertex(at(i - 1, j), at(i + 1, j))) * steps[0]
    z = start[1] + (j + (vertex(at(i, j - 1), at(i, j + 1)) if steps[1] else 0.0)) * steps[1]
    return x, z


def _grid(low: float, high: float, factor: float) -> list[float]:
    """Values from ``low`` to ``high``, neighbours about ``factor`` apart."""
    n = max(2, 1 + round(np.log(high / low) / np.log(factor)))
    return [float(x) for x in np.geomspace(low, high, n)]
