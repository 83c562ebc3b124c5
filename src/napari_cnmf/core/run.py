"""CNMF from a frame source to components: the steps of the method in their order.

1. pass 1 over the movie: bins, noise, summary images        (binning, images)
2. whitening, detection, least squares, merging, per tile    (search, detect)
3. pass 2: traces at the full rate, background alongside     (tracing, project)
4. baseline, time constants, deconvolution                   (kinetics, deconvolve)
5. pass 3: scores, events; what they are         (evaluate, evidence, cell_model)

References
----------
Pnevmatikakis et al. 2016, Neuron 89, 285; Giovannucci et al. 2019, eLife 8, e38173;
Friedrich, Zhou, Paninski 2017, PLoS Comput Biol 13, e1005423.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.assemble import assemble
from napari_cnmf.core.background.gain import background_gain
from napari_cnmf.core.background.kriging import finer
from napari_cnmf.core.background.ring import RingShape
from napari_cnmf.core.base.parts import PartRunner, RunHere
from napari_cnmf.core.base.reports import (
    ProgressCallback,
    Report,
    StopCallback,
    WarningCallback,
    logger,
    never_stop,
    no_progress,
)
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.bound import strongest_per_patch
from napari_cnmf.core.finding.detect import Steps
from napari_cnmf.core.finding.gather import Found, OnePhoton
from napari_cnmf.core.finding.rank_one import active_energy
from napari_cnmf.core.finding.search import search
from napari_cnmf.core.motion.stillness import stillness_warning
from napari_cnmf.core.movie.binning import Binned, bin_movie
from napari_cnmf.core.movie.images import frame_images
from napari_cnmf.core.movie.source import FrameSource, ScratchFactory, check_unit
from napari_cnmf.core.movie.store import (
    BinStore,
    MemoryStore,
    ScratchStore,
    default_scratch,
    shared_store,
)
from napari_cnmf.core.movie.usable import saturated_pixels, usable_pixels
from napari_cnmf.core.plan.plan import Plan, make_plan
from napari_cnmf.core.result import CNMFResult
from napari_cnmf.core.traces.tracing import trace
from napari_cnmf.core.verdict.evaluate import hold_verdict_back, score_components
from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, are_chosen_seed_thresholds

if TYPE_CHECKING:
    from napari_cnmf.core.finding.seeds import Seeds

MOVES_TOO_FAR = 0.25
"""Standard deviation of what still moves, in gSig, from which on the verdict of a two-photon movie
is held back. A round cell moved so far has a cosine of .98 with itself: with less, it is the cell
that is seen. At .1 gSig what was accepted was right in simulations (F1 .97)."""


class RunOptions(TypedDict, total=False):
    """Arguments of :func:`run_cnmf` that whoever calls it for parts of a movie passes on."""

    border_px: int
    refit: bool
    one_photon: bool
    memory_gb: float | None
    n_threads: int | None
    runner: PartRunner | None
    scratch: ScratchFactory | None


def run_cnmf(
    source: FrameSource,
    params: CNMFParams,
    *,
    frame_rate_hz: float,
    border_px: int = 0,
    refit: bool = False,
    ain: sp.csc_matrix | None = None,
    mask: NDArray[np.bool_] | None = None,
    one_photon: bool = False,
    memory_gb: float | None = None,
    n_threads: int | None = None,
    runner: PartRunner | None = None,
    scratch: ScratchFactory | None = None,
    on_progress: ProgressCallback = no_progress,
    on_warning: WarningCallback = logger.warning,
    on_log: Callable[[str], None] = logger.info,
    should_stop: StopCallback = never_stop,
    steps: Steps | None = None,
) -> CNMFResult:
    """Find cells in a movie and demix their traces.

    Parameters
    ----------
    source
        The movie ``(T, [Z], Y, X)``, any integer or float type; pixels that are NaN at some
        time, constant pixels and empty frames are left out. Read three times.
    params
        ``init.gSig`` (half-width of a cell in pixels) and ``data.decay_time`` matter most.
    frame_rate_hz
        Frames (volumes) per second.
    border_px
        Width of the border that motion correction left empty; added to ``patch.border_pix``.
    refit
        One more round of least squares.
    ain
        Footprints ``(n_pixels, n)`` in C order to fit instead of searching.
    mask
        Pixels to analyse, of the frame's shape.
    one_photon
        Multiplicative background and halo absorption for one-photon recordings.
    memory_gb
        Budget; by default from what is free. Decides whether a scratch file is needed; never
        changes the result.
    n_threads
        By default one per core; never changes the result.
    runner
        Who works on the parts of the passes; by default this process. ``memory_gb`` is then what
        each of its workers has.
    scratch
        Where bins go that do not fit into memory.
    on_progress, on_warning, on_log, should_stop
        Callbacks, all called from this thread.

    Returns
    -------
    CNMFResult
        With zero components where nothing is found: a result, not an error.

    Raises
    ------
    ParameterError, MovieError
        Parameters that do not fit the movie; a movie that is none.
    CancelledByUser
        When ``should_stop`` says so.
    """
    report = Report(on_progress, on_warning, on_log, should_stop)
    runner = runner or RunHere(n_threads)
    budget_gb = memory_gb if memory_gb is not None else runner.memory_gb
    plan = make_plan(source, params, frame_rate_hz, budget_gb, one_photon=one_photon)
    check_unit(source)
    steps = steps or steps_for(params, refit, one_photon)
    _say_plan(plan, report)
    with Workers(n_threads, report.check) as workers:
        binned, found, sn, gain = _detect(
            source, params, plan, steps, border_px, mask, ain, one_photon, scratch, runner,
            workers, report,
        )  # fmt: skip
        images = frame_images(binned, plan.dims)
        images["correlation"] = found.correlation.reshape(plan.dims)
        images["pnr"] = found.pnr.reshape(plan.dims)
        if ain is None:
            images["energy"] = found.energy.reshape(plan.dims)
        if ain is None:
            found = _bounded(found, params, plan, workers)
        traced = trace(source, params, plan, binned, found, sn, gain, runner, workers, report)
        components, figures = assemble(
            plan, params, binned, sn, found, traced, images, workers, one_photon=one_photon
        )
        moving = stillness_warning(found.shifts, plan.frames_per_bin)
        if moving is not None and _makes_cells(found.shifts, params, one_photon):
            components = hold_verdict_back(components, moving, report)
        elif moving is not None:
            report.warn(moving)
        components, wref = score_components(
            source, components, params, plan, runner, workers, report
        )
    _warn_about_size(wref, params, report)
    figures |= {
        "frames_per_bin": float(plan.frames_per_bin),
        "n_tiles": float(len(plan.tiles)),
        "typical_width": wref,
        "n_lost_frames": float(binned.lost.sum()),
        "residual_motion_px": float(found.shifts.std(0).max()),
    }
    return CNMFResult(components, images, tuple(report.notes), figures)


def _makes_cells(shifts: NDArray[np.float64], params: CNMFParams, one_photon: bool) -> bool:
    """Whether a movie that moves so far shows edges that no score tells from cells."""
    # In one-photon recordings what stands still is far brighter than what cells add to it.
    return one_photon or shifts.std(0).max() > MOVES_TOO_FAR * min(params.init.gSig[-2:])


def steps_for(params: CNMFParams, refit: bool, one_photon: bool = False) -> Steps:
    """Number of times that each step runs for these parameters."""
    return Steps(
        rounds=(2, 1, 2 if refit else 1),
        merge_correlation=params.merging.merge_thr if params.merging.do_merge else None,
        absorb_halos=one_photon,
    )


def _say_plan(plan: Plan, report: Report) -> None:
    where = "in memory" if plan.in_memory else "out of core"
    if len(plan.tiles) > 1:
        where += f" in {len(plan.tiles)} tiles"
    report.note(
        f"{plan.n_frames} frames of {' x '.join(map(str, plan.dims))} pixels are analysed {where}, "
        f"in bins of {plan.frames_per_bin} frames."
    )
    if max(plan.blocks) > 1:
        blocks = " x ".join(map(str, plan.blocks[-len(plan.dims) :]))
        report.note(
            f"Components are found on blocks of {blocks} pixels (init.ssub), and fitted to all."
        )
    frames = plan.decay_time_s * plan.frame_rate_hz
    if frames < 0.5:
        report.warn(
            f"A frame lasts {1 / frames:.1f} decay times: transients fall between frames. Check "
            f"data.fr ({plan.frame_rate_hz:g} Hz) and data.decay_time ({plan.decay_time_s:g} s)."
        )
    decays = plan.n_frames / frames
    if decays < 30:
        report.warn(
            f"The movie lasts {decays:.0f} decay times; cells that are active once or twice in so "
            "short a time cannot be told from noise. Check data.fr and data.decay_time."
        )


def _detect(
    source: FrameSource,
    params: CNMFParams,
    plan: Plan,
    steps: Steps,
    border_px: int,
    mask: NDArray[np.bool_] | None,
    ain: sp.csc_matrix | None,
    one_photon: bool,
    scratch: ScratchFactory | None,
    runner: PartRunner,
    workers: Workers,
    report: Report,
) -> tuple[Binned, Found, NDArray[np.float32], NDArray[np.float32]]:
    """Run pass 1 and the search; the bins are freed afterwards."""
    given = None if ain is None else _checked_ain(ain, plan)
    with ExitStack() as stack:
        store: BinStore
        if runner.shared_folder is not None:
            store = stack.enter_context(
                shared_store(plan.field.shape, plan.n_bins, runner.shared_folder)
            )
        elif plan.in_memory:
            store = MemoryStore(plan.field.shape, plan.n_bins)
        else:
            factory = scratch or default_scratch
            store = stack.enter_context(ScratchStore(plan.field.shape, plan.n_bins, factory))
        binned = bin_movie(
            source, plan.frames_per_bin, store, runner,
            block_bytes=plan.block_bytes,
            check=report.check,
            on_share=lambda share: report.progress("reading", share * plan.n_frames, plan.n_frames),
        )  # fmt: skip
        border = border_px + params.patch.border_pix
        usable = usable_pixels(binned, plan.dims, border, mask, source.dtype)
        if one_photon:
            usable &= ~_saturated(binned, source.dtype, report).reshape(plan.dims)
        sn = np.where(usable.ravel(), binned.sn, np.inf).astype(np.float32)
        gain = background_gain(sn, binned.mean, multiplicative=one_photon)
        seeds = _seeds(source, params, workers, report) if one_photon and ain is None else None
        extra = _one_photon_extra(plan, params, seeds, report) if one_photon else None
        found = search(store, binned, sn, gain, plan, steps, given, extra, runner, workers, report)
    if seeds is not None:
        found = replace(found, correlation=seeds.correlation, pnr=seeds.pnr)
    _say_findings(binned, found, plan, given, report)
    return binned, found, sn, gain


def _say_findings(
    binned: Binned, found: Found, plan: Plan, given: sp.csc_matrix | None, report: Report
) -> None:
    """Tell the user what was noticed of the movie, and of footprints that were given."""
    if found.detrended:
        report.note("The movie's brightness drifts: a slow trend was taken out of every pixel.")
    if binned.lost.any():
        report.warn(
            f"{int(binned.lost.sum())} of {plan.n_frames} frames are empty; they were left out "
            "and their traces interpolated."
        )
    n_given = len(found.factors) if given is None else given.shape[1]
    if len(found.factors) < n_given:
        report.warn(
            f"{n_given - len(found.factors)} of {n_given} footprints of Ain are empty inside the "
            "field, the mask and the border; they were left out, the others keep their order."
        )


def _seeds(
    source: FrameSource, params: CNMFParams, workers: Workers, report: Report
) -> Seeds | None:
    if not are_chosen_seed_thresholds(params.init.min_corr, params.init.min_pnr):
        return None
    # What seeds are made with takes a twentieth of a short run to load: only where it is used.
    from napari_cnmf.core.finding.seeds import find_open_sites

    return find_open_sites(source, params, report, n_threads=workers.n_threads)


def _one_photon_extra(
    plan: Plan, params: CNMFParams, seeds: Seeds | None, report: Report
) -> OnePhoton:
    ring = RingShape.wanted(params, plan.field)
    if ring is not None:
        report.note(
            f"init.nb is {params.init.nb}: traces and result have CNMF-E's ring background, of "
            f"{len(ring.offsets)} blocks of {ring.field.block_px} px around each. With init.nb = 1 "
            "they have the engine's own, which moves more freely."
        )
    elif params.init.nb <= 0:
        report.warn(
            f"init.nb is {params.init.nb}, which asks for a ring background; it is for planes. "
            "This volume has the engine's own background."
        )
    return OnePhoton(finer(plan.field).grid, None if seeds is None else seeds.open, ring)


def _saturated(binned: Binned, dtype: np.dtype[Any], report: Report) -> NDArray[np.bool_]:
    full = saturated_pixels(binned, dtype)
    if full.any():
        report.warn(
            f"{int(full.sum())} pixels are saturated most of the time and were left out. Turn the "
            "light down in the next recording."
        )
    return full


def _checked_ain(ain: sp.csc_matrix, plan: Plan) -> sp.csc_matrix:
    if ain.shape[0] != plan.field.n_pixels:
        raise ParameterError(
            f"Ain must have {plan.field.n_pixels} pixels, one row for each pixel of the field "
            f"{plan.dims} in C order, got {ain.shape[0]}. Make it from a movie of this size."
        )
    given = sp.csc_matrix(ain, dtype=np.float32, copy=True)
    given.data = np.maximum(given.data, 0)
    given.eliminate_zeros()
    given.sort_indices()
    return given


def _bounded(found: Found, params: CNMFParams, plan: Plan, workers: Workers) -> Found:
    if params.init.K is None:
        return found
    energy = active_energy(found.factors, workers)
    return found.take(
        strongest_per_patch(found.factors, energy, params.init.K, params.patch, plan.dims)
    )


def _warn_about_size(wref: float, params: CNMFParams, report: Report) -> None:
    if wref > 1.4 or wref < 0.65:
        size = ", ".join(f"{wref * g:.1f}" for g in params.init.gSig)
        report.warn(
            f"The cells of this movie look {wref:.1f} times as large as init.gSig = "
            f"{params.init.gSig}. Try init.gSig={size.replace(' ', '')}."
        )
