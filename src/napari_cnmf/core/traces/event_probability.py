"""How probable it is that an event of a trace is one.

An event is a run of spikes that are no farther apart than the response takes to rise, two frames
at least: nearer ones cannot be told apart. Noise makes events, too; how many, and how strong, is
seen in the residual turned upside down: calcium only rises, so what deconvolution finds there are
events that noise makes (decoys, as in the search of mass spectra: Elias & Gygi 2007, Nat Methods
4, 207). The events of each component are a mixture of both,

    n(z) = N0 f0(z) + N1 f1(z),      p(z) = N1 f1(z) / n(z),

with z an event's size over its error (Efron 2004, J Am Stat Assoc 99, 96: the local false discovery
rate). Peaks of noise above a level have Rayleigh's tail (Rice 1944, Bell Syst Tech J 23, 282);
sizes of a cell's events are taken as lognormal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

# ruff: noqa: PLR0917 (kernels take arrays by position)
import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel
from napari_cnmf.core.traces.deconvolve import (
    PENALTY,
    REFINEMENTS,
    as_two,
    estimate_trace_noise,
    penalised,
    response_norm,
)
from napari_cnmf.core.traces.relax import STANDS_OUT, relax

_SHAPE_ERROR = 0.05
"""What a modelled event may be wrong by while it decays, of its height. A decay time that is wrong
by a share d makes an error of at most d / e; time constants are known to a seventh or so."""
_LEAST = 2.0
"""Size over error from which on events and decoys are counted: the penalty of the deconvolution
lets hardly any below it through."""
_POOLED_EVENTS = 8.0
"""Decoys of the mean component that are added to those that a component has itself."""
_POOLED_SIZES = 2.0
"""Events of the mean component that are added where the sizes of a component's own are fitted."""
_LEAST_SPREAD = 0.22
"""Least standard deviation of a logarithm of sizes that is assumed where little is known."""
_CLEAR = 0.1
"""An event is taken for one at first where less than so many as strong are expected of noise."""
_A_PARAMETER = 0.5
"""Events that it takes to say that there are any (Figueiredo & Jain 2002, IEEE Trans Pattern Anal
24, 381, eq. 17): without it one strong decoy confirms itself."""
_ROUNDS, _SETTLED = 60, 1e-4
_OVER = 1e-3
"""The response counts as over below this share of its peak."""
_TINY = np.finfo(float).tiny
_NONE = np.zeros((0, 5))
TraceBlock: TypeAlias = tuple[
    NDArray[np.floating], NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]
]


@dataclass(frozen=True, eq=False)
class Events:
    """Events of traces, in the order of the rows and of time.

    Attributes
    ----------
    row
        The trace of each event ``(n_events,)``.
    start, stop
        Its first frame with a spike, and the frame after its last.
    size
        Sum of its spikes, in the units of the traces.
    snr
        Its size over the standard deviation of that.
    probability
        That it is an event of the cell and none of noise, 0 to 1.
    """

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    size: NDArray[np.float64]
    snr: NDArray[np.float64]
    probability: NDArray[np.float64]


def find_events(blocks: Iterable[TraceBlock]) -> Events:
    """List the events of deconvolved traces, with a probability for each.

    Parameters
    ----------
    blocks
        Consecutive rows of a result: denoised calcium, spikes and residual, each
        ``(n_rows, n_frames)`` and of one unit, and AR coefficients ``(n_rows, p)`` with p 1 or 2.
    """
    measured, decoys, n_rows = [_NONE], [_NONE], 0
    for block in blocks:
        for calcium, spikes, residual, coefficients in zip(*block, strict=True):
            c, s, rest = (np.ascontiguousarray(x, np.float64) for x in (calcium, spikes, residual))
            noise = float(estimate_trace_noise((c + rest)[None].astype(np.float32))[0])
            g = np.asarray(coefficients, np.float64)
            measured.append(_measure(n_rows, s, rest, c, g, noise))
            quiet = c <= noise
            s, rest = _deconvolve_decoy(-rest, quiet, g, noise)
            decoy = _measure(n_rows, s, rest, c, g, noise)
            decoys.append(decoy[quiet[decoy[:, 1].astype(np.int64)]])
            n_rows += 1
    table, decoy = np.concatenate(measured), np.concatenate(decoys)
    row, start, stop = table[:, :3].astype(np.int64).T
    decoy_row = decoy[:, 0].astype(np.int64)
    probability = _probabilities(row, table[:, 4], decoy_row, decoy[:, 4], n_rows)
    return Events(row, start, stop, table[:, 3], table[:, 4], probability)


def _deconvolve_decoy(
    y: NDArray[np.float64], quiet: NDArray[np.bool_], g: NDArray[np.float64], noise: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spikes that deconvolution finds in a trace without events, and what it leaves of the trace.

    The baseline is taken again from quiet frames, as that of the trace itself was.
    """
    penalty = PENALTY * noise * float(response_norm(g[None])[0])
    base = float(np.median(y[quiet])) if quiet.any() else float(np.median(y))
    for _ in range(REFINEMENTS):
        c, _ = penalised(y - base, g, penalty, 0.0)
        still = quiet & (c < noise)
        if still.any():
            base += float((y - base - c)[still].mean())
    c, s = penalised(y - base, g, penalty, 0.0)
    relax(y - base, *as_two(g), STANDS_OUT * noise / float(response_norm(g[None])[0]), c, s)
    return s, y - base - c


def _measure(
    row: int,
    s: NDArray[np.float64],
    rest: NDArray[np.float64],
    calcium: NDArray[np.float64],
    g: NDArray[np.float64],
    noise: float,
) -> NDArray[np.float64]:
    """Events of one trace: row, first frame, frame after the last, size, size over its error."""
    table = np.empty((np.count_nonzero(s), 4))
    height, n_events = _measure_runs(s, rest, *as_two(g), table)
    start, stop, size, explained = table[:n_events].T
    before = start.astype(np.int64) - 1
    decaying = np.where(before >= 0, calcium[before], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.hypot(noise / explained, _SHAPE_ERROR * decaying / (height * size))
        snr = np.where(explained > 0, 1 / error, 0.0)
    return np.column_stack([np.full(n_events, row), start, stop, size, snr])


@kernel("Tuple((float64, int64))(float64[::1], float64[::1], float64, float64, float64[:, ::1])")
def _measure_runs(
    s: NDArray[np.float64],
    rest: NDArray[np.float64],
    g1: float,
    g2: float,
    table: NDArray[np.float64],
) -> tuple[float, int]:
    """Fill the table, a row a run of spikes: first frame, frame after the last, size, filter.

    The matched filter is that of the run's own shape e on the trace without the other events,
    e . (e + rest) / |e|, so that noise of one gives it a standard deviation of one.

    Returns
    -------
    Height of the response to a spike of 1, and the number of runs.
    """
    n = len(s)
    height, one, two, rising = 0.0, 1.0, 0.0, 0
    while one > height:
        height = one
        one, two = g1 * one + g2 * two, one
        rising += 1
    apart = max(2, rising - 1)
    n_runs, t = 0, 0
    while t < n:
        if s[t] <= 0.0:
            t += 1
            continue
        first, last = t, t
        while t < n and t - last <= apart:
            if s[t] > 0.0:
                last = t
            t += 1
        size, square, dot, one, two = 0.0, 0.0, 0.0, 0.0, 0.0
        k = first
        while k < n and (k <= last or one > _OVER * height * size):
            new = g1 * one + g2 * two
            if k <= last:
                new += s[k]
                size += s[k]
            one, two = new, one
            square += one * one
            dot += one * (one + rest[k])
            k += 1
        table[n_runs, 0], table[n_runs, 1] = first, last + 1
        table[n_runs, 2], table[n_runs, 3] = size, dot / np.sqrt(square)
        n_runs += 1
        t = last + 1
    return height, n_runs


def _probabilities(
    row: NDArray[np.int64],
    snr: NDArray[np.float64],
    decoy_row: NDArray[np.int64],
    decoy_snr: NDArray[np.float64],
    n_rows: int,
) -> NDArray[np.float64]:
    """Fit the mixture of each component's events by expectation and maximisation."""

    def per_row(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(row, values, n_rows), np.float64)

    counted = decoy_snr >= _LEAST
    decoy_row, above = decoy_row[counted], (decoy_snr[counted] ** 2 - _LEAST**2) / 2
    n_decoys = np.bincount(decoy_row, minlength=n_rows)
    mean = max(n_decoys.mean(), 1 / n_rows) if n_rows else 1.0
    pooled = _POOLED_EVENTS / mean
    expected = (n_decoys + _POOLED_EVENTS) / (1 + pooled)
    width = max(above.mean(), 0.25) if above.size else 1.0
    width = (np.bincount(decoy_row, above, n_rows) + _POOLED_EVENTS * width) / (
        n_decoys + _POOLED_EVENTS
    )
    z = np.maximum(snr, _LEAST)
    tail = np.exp(-(z**2 - _LEAST**2) / (2 * width[row]))
    of_noise = tail * z / width[row]
    x = np.log(z)
    p = np.asarray(expected[row] * tail < _CLEAR, np.float64)
    for _ in range(_ROUNDS):
        count = per_row(p)
        n_true = np.maximum(count - _A_PARAMETER, 0)
        n_false = np.maximum(expected, per_row(1 - p))
        total = per_row(p * x)
        centre_of_all = (total.sum() + np.log(3 * _LEAST)) / (count.sum() + 1)
        centre = (total + _POOLED_SIZES * centre_of_all) / (count + _POOLED_SIZES)
        apart = per_row(p * (x - centre[row]) ** 2)
        variance_of_all = max((apart.sum() + 0.25) / (count.sum() + 1), _LEAST_SPREAD**2)
        variance = (apart + _POOLED_SIZES * variance_of_all) / (count + _POOLED_SIZES)
        of_cell = np.exp(-((x - centre[row]) ** 2) / (2 * variance[row]))
        of_cell *= n_true[row] / (z * np.sqrt(2 * np.pi * variance[row]))
        new: NDArray[np.float64] = of_cell / (of_cell + n_false[row] * of_noise + _TINY)
        moved, p = np.abs(new - p).max(initial=0.0), new
        if moved < _SETTLED:
            break
    return p
