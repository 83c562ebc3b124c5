"""Deconvolution of demixed traces: baseline, noise, time constants, calcium and spikes.

    y_t = bl + c_t + noise,   c = h * s,   s >= 0,

with h the AR(p) response: an exponential (p = 1) or a difference of two (p = 2). The
penalty lam is two standard deviations of the noise as the matched filter h sees it, so
that it means the same at any frame rate (Friedrich et al. 2017, eq. 3, in units of noise).

Quantiles of a trace overestimate its baseline, the more the busier the cell; so it is taken
again from the frames in which a first deconvolution sees no calcium, twice. A tenth of the
noise too high costs more than all else here: small events fall below it. What the penalty
takes from events is half given back at the end (:mod:`napari_cnmf.core.traces.relax`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.traces.oasis import oasis
from napari_cnmf.core.traces.relax import STANDS_OUT, relax

PENALTY = 2.0
"""lam in units of the noise of the matched filter."""
REFINEMENTS = 2
"""How often the baseline is taken again from quiet frames."""
DRIFT, DRIFT_OF_BLEACHED = 1.0, 0.2
"""Change of a baseline, from the first to the last third of a recording, from which on it is
followed, in units of a trace's noise. A baseline that follows everything takes a little of slow
activity; where the movie as a whole bleaches, that is the smaller loss."""
_FEWEST, _MOST, _VALUES = 8, 32, 100_000
"""Traces that a thread works on together, and values of them: with fewer, threads wait for the
interpreter; with more, copies of them are no small part of the memory."""


@dataclass(frozen=True, eq=False)
class Deconvolved:
    """Calcium, spikes and baseline of each component.

    Attributes
    ----------
    C
        Denoised calcium above the baseline ``(n_components, n_frames)`` float32.
    S
        Spikes, like ``C``; zero where ``p`` is 0.
    baseline
        ``bl`` of the demixed trace, taken out of it ``(n_components,)``.
    noise
        Standard deviation of a frame ``(n_components,)``.
    g
        AR coefficients ``(n_components, p)``.
    lam
        Penalty of each trace ``(n_components,)``.
    """

    C: NDArray[np.float32]
    S: NDArray[np.float32]
    baseline: NDArray[np.float32]
    noise: NDArray[np.float32]
    g: NDArray[np.float32]
    lam: NDArray[np.float32]


def estimate_trace_noise(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Noise of each trace from the median size of second differences, ``(n_components,)``.

    The median passes over the few frames in which events begin.
    """
    if raw.size == 0 or raw.shape[1] < 3:
        return np.zeros(len(raw), np.float32)
    rough = np.abs(raw[:, 2:] - 2 * raw[:, 1:-1] + raw[:, :-2])
    return np.asarray(np.median(rough, axis=1) / (0.6745 * np.sqrt(6)), np.float32)


def estimate_level(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Baseline of each trace, ``(n_components,)``: from its lower quantiles, which events miss.

    For normal noise the quantiles 0.1 and 0.4 lie 1.2816 and 0.2533 standard deviations
    below the centre.
    """
    if raw.size == 0:
        return np.zeros(len(raw), np.float32)
    low, mid = lower_quantiles(raw)
    return np.asarray(mid + 0.2533 * (mid - low) / 1.0283, np.float32)


def lower_quantiles(
    raw: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The quantiles 0.1 and 0.4 of each row ``(n,)``, as `numpy.quantile` interpolates them.

    It is called for every window of every trace, and numpy's takes longer than the sorting.
    """
    at = [q * (raw.shape[1] - 1) for q in (0.1, 0.4)]
    below = [int(x) for x in at]
    above = [min(i + 1, raw.shape[1] - 1) for i in below]
    ordered = np.partition(raw, sorted({*below, *above}), axis=1)
    low, mid = (
        ordered[:, i] + np.float32(x - i) * (ordered[:, j] - ordered[:, i])
        for x, i, j in zip(at, below, above, strict=True)
    )
    return low, mid


def slow_baseline(
    raw: NDArray[np.float32], noise: NDArray[np.float32], window: int, drift: float = DRIFT
) -> NDArray[np.float32]:
    """Baseline over time, only for traces whose level really drifts.

    Parameters
    ----------
    raw
        ``(n_components, n_frames)``.
    window
        Frames over which a level is taken; several transients long.
    drift
        Change that counts, in units of the noise.

    Returns
    -------
    baseline
        ``(n_components, n_frames)``, constant for traces that do not drift;
        ``(n_components, 1)`` when none does.
    """
    level = estimate_level(raw)[:, None]
    n_frames = raw.shape[1]
    n_windows = n_frames // max(1, window)
    if n_windows < 3 or len(raw) == 0:
        return level
    edges = np.linspace(0, n_frames, n_windows + 1).astype(int)
    levels = np.stack([estimate_level(raw[:, a:b]) for a, b in pairwise(edges)], axis=1)
    third = max(1, n_windows // 3)
    change = np.median(levels[:, :third], axis=1) - np.median(levels[:, -third:], axis=1)
    drifts = np.abs(change) > drift * noise
    if not drifts.any():
        return level
    out = np.repeat(level, n_frames, axis=1)
    middle = (edges[1:] + edges[:-1]) / 2
    for k in np.flatnonzero(drifts):
        padded = np.pad(levels[k], 1, mode="edge")
        smooth = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
        out[k] = np.interp(np.arange(n_frames), middle, smooth)
    return out


def quiet_level(
    raw: NDArray[np.float32],
    baseline: NDArray[np.float32],
    C: NDArray[np.float32],
    noise: NDArray[np.float32],
    window: int,
) -> NDArray[np.float32]:
    """Level of quiet frames above the baseline, which the baseline lacks, shaped like it.

    Frames are quiet where the calcium is below one standard deviation of the noise. A
    baseline over time is corrected window by window. Below a twentieth of quiet frames
    nothing is corrected.
    """
    n_frames = raw.shape[1]
    quiet = noise[:, None] >= C
    rest = np.where(quiet, raw - baseline - C, 0)
    if baseline.shape[1] == 1:
        count = quiet.sum(1, keepdims=True)
        total = rest.sum(1, keepdims=True)
        return np.where(count > 0.05 * n_frames, total / np.maximum(count, 1), 0).astype(np.float32)
    edges = np.linspace(0, n_frames, max(1, n_frames // max(1, window)) + 1).astype(int)[:-1]
    length = np.diff(edges, append=n_frames)
    count, total = (np.add.reduceat(v, edges, axis=1) for v in (quiet.astype(np.int64), rest))
    level = np.where(count > 0.05 * length, total / np.maximum(count, 1), 0)
    middle = edges + length / 2
    at = np.arange(n_frames)
    return np.stack([np.interp(at, middle, row) for row in level]).astype(np.float32)


def ar_coefficients(
    decay_s: NDArray[np.float64], rise_s: NDArray[np.float64], frame_rate_hz: float, p: int
) -> NDArray[np.float64]:
    """AR coefficients ``(n, p)`` of ``exp(-t / decay)``, with p = 2 times ``1 - exp(-t / rise)``.

    Events that begin within a frame are two successive spikes of this AR(2), exactly.
    """
    d = np.exp(-1 / (decay_s * frame_rate_hz))
    if p == 0:
        return np.zeros((len(d), 0))
    if p == 1:
        return d[:, None]
    # (1 - exp(-t / rise)) exp(-t / decay): the second exponential decays at both rates.
    r = np.exp(-(1 / rise_s + 1 / decay_s) / frame_rate_hz)
    return np.stack([d + r, -d * r], axis=1)


def response_norm(g: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean norm of the AR response of each row of ``g (n, p)``."""
    if g.shape[1] == 0:
        return np.ones(len(g))
    if g.shape[1] == 1:
        return np.asarray(1 / np.sqrt(1 - g[:, 0] ** 2))
    # Sum of squares of an AR(2) response: its variance under white noise of variance 1.
    g1, g2 = g[:, 0], g[:, 1]
    return np.asarray(np.sqrt((1 - g2) / ((1 + g2) * ((1 - g2) ** 2 - g1**2))))


def deconvolve(
    raw: NDArray[np.float32],
    decay_s: NDArray[np.float64],
    rise_s: NDArray[np.float64],
    frame_rate_hz: float,
    *,
    p: int,
    s_min: float | NDArray[np.floating],
    workers: Workers,
    stands_out: float | None = STANDS_OUT,
    drift: float = DRIFT,
    least_baseline: NDArray[np.floating] | None = None,
    on_rows: Callable[[int], None] = lambda done: None,
) -> Deconvolved:
    """Calcium and spikes of demixed traces.

    Parameters
    ----------
    raw
        ``(n_components, n_frames)`` float32.
    decay_s, rise_s
        Time constants of each component in seconds ``(n_components,)``.
    p
        Order of the AR model; 0 keeps the trace above its baseline.
    s_min
        Smallest spike of each trace, or of all: in its units if positive, of its noise if negative.
    stands_out
        From so many standard deviations on half the penalty's bias is taken from an event;
        ``None``: from none. Nor where a smallest spike is asked for, below which a mean of two
        solutions would lead.
    drift
        Change of a baseline that counts, in units of the noise.
    least_baseline
        Of each trace, below which its baseline does not go ``(n_components,)``; by default none.
    on_rows
        Told the number of traces done; may raise to stop.
    """
    n, n_frames = raw.shape
    window = max(200, round(20 * float(np.median(decay_s)) * frame_rate_hz)) if n else 200
    level, noise = np.zeros(n, np.float32), np.zeros(n, np.float32)
    C, S = np.zeros((n, n_frames), np.float32), np.zeros((n, n_frames), np.float32)
    g = ar_coefficients(decay_s, rise_s, frame_rate_hz, p)
    norm = response_norm(g)
    bound = np.broadcast_to(np.asarray(s_min, np.float64), n)
    unbounded = np.full(n, -np.inf) if least_baseline is None else least_baseline
    least = unbounded.astype(np.float32)[:, None]

    def fit(ids: NDArray[np.int64], baseline: NDArray[np.float32]) -> None:
        """Deconvolve traces whose ``baseline (len(ids), n_frames or 1)`` is of one shape."""
        for last in (False,) * REFINEMENTS + (True,):
            y = raw[ids].astype(np.float64) - baseline
            for row, k in zip(y, ids.tolist(), strict=True):
                smallest = -bound[k] * noise[k] if bound[k] < 0 else bound[k]
                c, s = penalised(row, g[k], PENALTY * noise[k] * norm[k], smallest)
                if last and stands_out is not None and not smallest:
                    relax(row, *as_two(g[k]), stands_out * noise[k] / norm[k], c, s)
                C[k], S[k] = c, s
            if not last:
                baseline = baseline + quiet_level(raw[ids], baseline, C[ids], noise[ids], window)
                baseline = np.maximum(baseline, least[ids])
        level[ids] = baseline.mean(1)

    def work(at: NDArray[np.int64]) -> None:
        noise[at] = estimate_trace_noise(raw[at])
        baseline = np.maximum(slow_baseline(raw[at], noise[at], window, drift), least[at])
        level[at] = baseline.mean(1)
        if p == 0:
            C[at] = np.maximum(raw[at] - baseline, 0)
            return
        drifts = np.ptp(baseline, axis=1) > 0
        fit(at[~drifts], baseline[~drifts, :1])
        fit(at[drifts], baseline[drifts])

    at_once = int(np.clip(_VALUES // n_frames, _FEWEST, _MOST))
    together = at_once * 4 * workers.n_threads
    for start in range(0, n, together):
        ids = np.arange(start, min(start + together, n))
        workers.map(work, [ids[i : i + at_once] for i in range(0, len(ids), at_once)])
        on_rows(start + len(ids))
    lam = (PENALTY * noise * norm).astype(np.float32) if p else np.zeros(n, np.float32)
    return Deconvolved(C, S, level, noise, g.astype(np.float32), lam)


def as_two(g: NDArray[np.float64]) -> tuple[float, float]:
    """Both coefficients of an AR(1) or AR(2), the second 0 for an AR(1)."""
    return float(g[0]), float(g[1]) if len(g) > 1 else 0.0


def penalised(
    y: NDArray[np.float64], g: NDArray[np.float64], lam: float, s_min: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Deconvolve one trace ``y (n_frames,)`` without baseline, penalising spikes."""
    c, s = np.empty_like(y), np.empty_like(y)
    oasis(y, *as_two(g), float(lam), float(s_min), c, s)
    return c, s
