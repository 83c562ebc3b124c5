"""Measures how fast transients decay, by autocorrelation and what explains traces best."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.lab.cells import MIN_CELLS, MeasuredCells
from napari_cnmf.core.movie.sample import Sample
from napari_cnmf.core.traces.kinetics import LONGEST_S, estimate_kinetics

_LONGEST = 0.5
"""Of a run: lags beyond rest on too few pairs."""
_FIT_TO = 3.0
"""Decay times that the fit looks at."""
_FIRST_LAGS = 6
_GROWTHS = 12
_CLEAREST = 30
_USUAL_S = 0.7
"""Decay time of the indicators in use, which are between 0.1 and 2 s."""


@dataclass(frozen=True, eq=False)
class Decay:
    """A decay time, and what it was read off.

    Attributes
    ----------
    frames
        Time constant in frames; ``None`` where too few cells or frames are there to tell.
    n_measured
        Cells whose events it was read off; 0 where the autocorrelation alone says it.
    correlation
        Mean autocorrelation at lags 1, 2, ... relative to lag 1 ``(n_lags,)``.
    fitted
        The exponential through it ``(n_lags,)``.
    n_cells
        So many bright places were averaged.
    """

    frames: float | None
    correlation: NDArray[np.float64]
    fitted: NDArray[np.float64]
    n_cells: int
    n_measured: int = 0
    is_too_slow: bool = False
    """It falls more slowly than any indicator: bursts, drift or motion are what it shows."""

    @property
    def why_unknown(self) -> str:
        """Why the decay time cannot be told, in a sentence; empty where it is known."""
        if self.frames is not None:
            return ""
        if self.is_too_slow:
            return (
                "What was found falls more slowly than any indicator: bursts, drift or motion are "
                "what it shows."
            )
        if self.n_cells < MIN_CELLS:
            return f"{self.n_cells} clear cells are too few: {MIN_CELLS} are needed."
        if not self.correlation.size:
            return "The recording is too short, or read in too short pieces."
        return "The clear cells' traces do not decay as transients do."

    def seconds(self, frame_rate_hz: float) -> float | None:
        """The decay time at a frame rate."""
        return None if self.frames is None else self.frames / frame_rate_hz

    def frame_rate_hz(self, decay_time_s: float) -> float | None:
        """The frame rate at which an indicator of this decay time would look so."""
        return None if self.frames is None else self.frames / decay_time_s


def estimate_decay(
    cells: MeasuredCells, sample: Sample, frame_rate_hz: float | None = None
) -> Decay:
    """Fit ``a exp(-lag / tau) + c`` to the mean autocorrelation of the clearest cells.

    Parameters
    ----------
    frame_rate_hz
        Tells what is slower than any indicator. Without it, the rate is supposed at which the
        autocorrelation decays as an indicator usually does: the answer in frames is the same.

    Notes
    -----
    Lag 0 is left out: it holds the photon noise. ``c`` takes what the mean of a short run and slow
    changes add. Then the response that explains traces best has the last word: bursts, and a
    background that moves, lengthen the autocorrelation.
    """
    found = _from_correlation(cells, sample)
    if found.frames is None:
        return found
    if frame_rate_hz is None:
        frame_rate_hz = found.frames / _USUAL_S
    start_s = min(found.frames / frame_rate_hz, LONGEST_S)
    with Workers() as workers:
        kinetics = estimate_kinetics(cells.traces, frame_rate_hz, start_s, 1, workers)
    if kinetics.n_measured < MIN_CELLS:
        too_slow = found.frames > LONGEST_S * frame_rate_hz
        return replace(found, frames=None, is_too_slow=True) if too_slow else found
    frames = float(np.median(kinetics.decay_s)) * frame_rate_hz
    return replace(found, frames=frames, n_measured=kinetics.n_measured)


def _from_correlation(cells: MeasuredCells, sample: Sample) -> Decay:
    chosen = np.argsort(-cells.weight, kind="stable")[:_CLEAREST]
    nothing = np.zeros(0)
    longest = min(run.stop - run.start for run in sample.runs)
    if len(chosen) < MIN_CELLS or longest < 20:
        return Decay(None, nothing, nothing, len(chosen))
    n_lags = int(_LONGEST * longest)
    curves = [_autocorrelation(cells.traces[k], sample, n_lags) for k in chosen]
    # Relative to all variance, noise included: what is mostly noise says little.
    curve = np.mean([c / c[0] for c in curves if c[0] > 0] or [np.zeros(n_lags + 1)], axis=0)
    tau, last = _from_short_lags(curve)
    if tau is None:
        return Decay(None, curve[1:], nothing, len(chosen))
    shown = curve[1 : last + 1]
    return Decay(tau, shown, _exponential(shown, tau), len(chosen))


def _from_short_lags(curve: NDArray[np.float64]) -> tuple[float | None, int]:
    """Time constant of the fit to short lags, and the last lag that was used.

    The lags grow until the exponential bends within them: what is slower than transients (drift, a
    background) is a constant there, and would win over all lags.
    """
    longest = len(curve) - 1
    last, tau = min(_FIRST_LAGS, longest), None
    for _ in range(_GROWTHS):
        tau = _fit(curve[: last + 1])
        wanted = longest if tau is None else int(np.ceil(_FIT_TO * tau))
        if wanted <= last or last == longest:
            break
        last = int(np.clip(wanted, last + 1, min(longest, 2 * last)))
    return tau, last


def _autocorrelation(
    trace: NDArray[np.float32], sample: Sample, n_lags: int
) -> NDArray[np.float64]:
    """Autocovariance ``(n_lags + 1,)``, averaged over pairs within runs."""
    total, pairs = np.zeros(n_lags + 1), np.zeros(n_lags + 1)
    mean = float(trace.mean())
    for run in sample.runs:
        x = trace[run].astype(np.float64) - mean
        size = scipy.fft.next_fast_len(2 * len(x), real=True)
        power = np.abs(scipy.fft.rfft(x, size)) ** 2
        total += scipy.fft.irfft(power, size)[: n_lags + 1]
        pairs += len(x) - np.arange(n_lags + 1)
    return np.asarray(total / pairs, np.float64)


def _fit(curve: NDArray[np.float64]) -> float | None:
    """Time constant of the exponential that is nearest to the autocorrelation from lag 1 on."""
    y = curve[1:]
    lags = np.arange(1, len(curve))
    candidates = np.geomspace(0.4, max(1.0, len(y)), 120)
    best: tuple[float, float] | None = None
    for tau in candidates.tolist():
        wave = np.exp(-lags / tau)
        design = np.stack([wave, np.ones_like(wave)], axis=1)
        solution, *_ = np.linalg.lstsq(design, y, rcond=None)
        if solution[0] <= 0:
            continue
        error = float(((design @ solution - y) ** 2).sum())
        if best is None or error < best[0]:
            best = (error, tau)
    return None if best is None else best[1]


def _exponential(y: NDArray[np.float64], tau: float) -> NDArray[np.float64]:
    wave = np.exp(-np.arange(1, len(y) + 1) / tau)
    design = np.stack([wave, np.ones_like(wave)], axis=1)
    solution, *_ = np.linalg.lstsq(design, y, rcond=None)
    return np.asarray(design @ solution, np.float64)
