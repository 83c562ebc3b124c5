"""Pass 2 and what follows: traces and background at the full rate, calcium and spikes."""

# ruff: noqa: PLR0917 (steps take their inputs by position)

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.background.kriging import predict_background
from napari_cnmf.core.background.modes import (
    BackgroundModes,
    background_rank,
    empty_modes,
    find_modes,
)
from napari_cnmf.core.background.residual import INSIDE
from napari_cnmf.core.base.parts import PartRunner
from napari_cnmf.core.base.reports import Report
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.gather import Found
from napari_cnmf.core.movie.binning import Binned
from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.core.plan.plan import Plan
from napari_cnmf.core.traces.deconvolve import DRIFT, DRIFT_OF_BLEACHED, Deconvolved, deconvolve
from napari_cnmf.core.traces.kinetics import DISAGREES, Kinetics, estimate_kinetics
from napari_cnmf.core.traces.project import Demixer, Traces, extract_traces
from napari_cnmf.core.traces.relax import STANDS_OUT, STANDS_OUT_ONE_PHOTON
from napari_cnmf.core.traces.surround import surround_gains
from napari_cnmf.params import CNMFParams

_AT_ONCE = 32
"""Traces that a thread works on together."""


@dataclass(frozen=True, eq=False)
class Traced:
    """Traces and background at the full rate, whitened footprints' units.

    Attributes
    ----------
    A
        Whitened footprints, CSC ``(n_pixels, n)``.
    """

    A: sp.csc_matrix
    sn: NDArray[np.float32]
    raw: Traces
    calcium: Deconvolved
    modes: BackgroundModes
    kinetics: Kinetics


def trace(
    source: FrameSource,
    params: CNMFParams,
    plan: Plan,
    binned: Binned,
    found: Found,
    sn: NDArray[np.float32],
    gain: NDArray[np.float32],
    runner: PartRunner,
    workers: Workers,
    report: Report,
) -> Traced:
    """Traces of what was found, by one more pass over the movie, and their deconvolution.

    Parameters
    ----------
    sn, gain
        Noise, and weight of the background, of each pixel ``(n_pixels,)``.
    runner
        Who reads the movie and demixes its frames, part by part.
    """
    A = found.factors.matrix(plan.field.shape)
    inside = found.factors.inside(plan.field.shape, INSIDE, workers)
    if found.ring is not None:
        ahead = found.ring.foresee(sn)
    else:
        ahead = predict_background(
            found.background, found.fine_background, plan.field, inside, gain.reshape(inside.shape)
        )
    demixer = Demixer.build(
        ahead.field, A, binned.mean, sn, ahead.inside, ahead.gain, workers, ahead.from_sums
    )
    modes = empty_modes(ahead.field)
    if ahead.background is not None:
        unit = (gain * np.where(np.isfinite(sn), sn, 0)).astype(np.float32)
        rank = background_rank(params.init.nb, one_photon=found.fine_background is not None)
        modes = find_modes(ahead.background, binned.mean, unit, ahead.field, rank, workers)
    traces = extract_traces(
        source, demixer, modes.readout, binned.lost, runner,
        block_bytes=plan.block_bytes,
        check=report.check,
        on_share=lambda share: report.progress(
            "extracting traces", share * plan.n_frames, plan.n_frames
        ),
    )  # fmt: skip
    n = A.shape[1]
    if found.fine_background is None and found.ring is None:
        gains = surround_gains(traces.raw, traces.surround, plan.frames_per_bin, workers)
        take_out_surround(traces, gains, workers)
        # As large as the traces, and of no more use: deconvolution needs the memory.
        traces = replace(traces, surround=np.zeros((0, 0), np.float32))
        modes = replace(modes, patterns=modes.patterns + _inside(modes.patterns, A, sn, gains))
        if n:
            middle = 1 + float(np.median(gains))
            report.note(f"Components hold {middle:.2f} of the neuropil around them (median).")
    report.progress("deconvolving", 0, n)
    drift = DRIFT_OF_BLEACHED if found.detrended else DRIFT
    p, temporal = params.temporal.p, params.temporal
    kinetics = estimate_kinetics(
        traces.raw, plan.frame_rate_hz, plan.decay_time_s, p, workers, drift=drift
    )
    _say_kinetics(kinetics, plan, report)
    if temporal.fudge_factor is not None:
        kinetics = kinetics.shrunk(temporal.fudge_factor, plan.frame_rate_hz)
    s_min = temporal.s_min or 0.0
    calcium = deconvolve(
        traces.raw, kinetics.decay_s, kinetics.rise_s, plan.frame_rate_hz,
        p=p, s_min=s_min / footprint_norms(A, sn) if s_min > 0 else s_min,
        workers=workers, drift=drift,
        # A trace is what exceeds the mean image; where that is 0, so is the trace with it.
        stands_out=STANDS_OUT if found.fine_background is None else STANDS_OUT_ONE_PHOTON,
        least_baseline=-demixer.level_in_mean() if temporal.bas_nonneg else None,
        on_rows=lambda done: report.progress("deconvolving", done, n),
    )  # fmt: skip
    return Traced(A, sn, traces, calcium, modes, kinetics)


def take_out_surround(traces: Traces, gains: NDArray[np.float32], workers: Workers) -> None:
    """Take what is left of its surround out of each trace, in place.

    One-photon traces need it not: their light is the mean image itself getting brighter, whose
    gain each pixel has already.
    """

    def take_out(start: int, stop: int) -> None:
        some = slice(start, stop)
        around = traces.surround[some]
        traces.raw[some] -= gains[some, None] * (around - around.mean(1, keepdims=True))

    workers.ranges(take_out, len(gains), _AT_ONCE)


def _inside(
    patterns: NDArray[np.float32],
    A: sp.csc_matrix,
    sn: NDArray[np.float32],
    gains: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Patterns that the components' gains add to those of the background ``(n_pixels, n)``."""
    one_over = np.where(np.isfinite(sn) & (sn > 0), 1 / np.where(sn > 0, sn, 1), 0)
    energy = np.maximum(np.asarray(A.multiply(A).sum(0)).ravel(), 1e-30)
    seen = (A.T @ (patterns * one_over[:, None])) * (gains / energy)[:, None]
    return np.asarray(in_movie_units(A, sn) @ seen, np.float32)


def in_movie_units(A: sp.csc_matrix, sn: NDArray[np.float32]) -> sp.csc_matrix:
    """Whitened footprints times the noise of their pixels, 0 where that is infinite.

    The pattern is shared with ``A``.
    """
    unit = np.where(np.isfinite(sn), sn, 0).astype(np.float32)
    return sp.csc_matrix((A.data * unit[A.indices], A.indices, A.indptr), shape=A.shape)


def footprint_norms(A: sp.csc_matrix, sn: NDArray[np.float32]) -> NDArray[np.float64]:
    """Norm of each whitened footprint in units of the movie ``(n_components,)``, 1 if empty.

    A trace times it is that of the result, whose footprints have norm 1.
    """
    n = A.shape[1]
    energy = in_movie_units(A, sn).data.astype(np.float64) ** 2
    norm = np.sqrt(np.bincount(np.repeat(np.arange(n), np.diff(A.indptr)), energy, n))
    return np.where(norm > 0, norm, 1.0)


def _say_kinetics(kinetics: Kinetics, plan: Plan, report: Report) -> None:
    """Tell the user what the time constants are, and warn where they are not the setting's."""
    told = plan.decay_time_s
    if not kinetics.n_measured:
        report.note(f"Too little activity to measure a decay time: it stays {told:g} s.")
        return
    decay, rise = float(np.median(kinetics.decay_s)), float(np.median(kinetics.rise_s))
    report.note(
        f"Events of {kinetics.n_measured} components decay within {decay:.2g} s and rise within "
        f"{rise:.2g} s (data.decay_time: {told:g} s)."
    )
    if max(decay / told, told / decay) >= DISAGREES:
        report.warn(
            f"Events decay within {decay:.2g} s, and data.decay_time is {told:g} s. Traces and "
            "spikes have the measured one; components were looked for with the other. Check "
            f"data.fr ({plan.frame_rate_hz:g} Hz), and set data.decay_time to {decay:.2g} s."
        )
