"""Motion correction from a frame source to corrected frames."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from napari_cnmf.core.base.budget import check_budget
from napari_cnmf.core.base.parts import PartRunner, RunHere
from napari_cnmf.core.base.reports import ProgressCallback, StopCallback, WarningCallback
from napari_cnmf.core.motion.result import MotionResult
from napari_cnmf.core.movie.source import FrameSource, check_unit

if TYPE_CHECKING:
    from napari_cnmf.core.motion.agreement import Agreement
    from napari_cnmf.core.motion.apply import MoveFrames
    from napari_cnmf.core.motion.estimate import Estimator, RigidEstimate
    from napari_cnmf.core.motion.field_estimate import FieldEstimate
    from napari_cnmf.core.motion.scanner import LineOffset
    from napari_cnmf.core.motion.settings import Settings
    from napari_cnmf.core.motion.summary import RigidPath
    from napari_cnmf.params import CNMFParams


def correct_motion(
    source: FrameSource,
    params: CNMFParams,
    *,
    write: Callable[[int, NDArray[Any]], None],
    frame_rate_hz: float | None = None,
    memory_gb: float | None = None,
    n_threads: int | None = None,
    runner: PartRunner | None = None,
    on_progress: ProgressCallback | None = None,
    on_warning: WarningCallback | None = None,
    on_log: WarningCallback | None = None,
    should_stop: StopCallback | None = None,
) -> MotionResult:
    """Measure how the field moves, and write the movie with the motion taken out.

    Parameters
    ----------
    source
        ``(T, Y, X)`` or ``(T, Z, Y, X)``; read two or three times, in blocks. Memory does not
        grow with T, and is 0.64 GB for 1024 x 1024 pixels and 0.94 GB for 2048 x 2048.
    params
        Of ``params.motion``: ``max_shifts, niter_rig, gSig_filt, border_nan, pw_rigid, ...``.
    write
        ``write(start, frames)``, called in order with all frames of the movie. Integer movies
        stay integer, but for a NaN border. Where a ``runner`` has a shared folder, it is called
        with no frames, which tells their type, then pickled, and called where a part is worked on.
    frame_rate_hz
        For the log alone.
    memory_gb
        Budget, if there is one. It never changes the result: where it is tight, fewer threads
        work. One that is too small for a single thread is refused.
    n_threads
        At most so many; the result does not depend on it.
    runner
        Who works on the parts of the movie, where that is not this process on its threads. The
        template is made here.
    on_progress, on_warning, on_log, should_stop
        The caller's ears.

    Raises
    ------
    ParameterError
        A motion parameter does not fit the movie, or the budget does not hold what is needed.
    MovieError
        The movie has too few frames, too small a field, or is in a unit that is no use.
    CancelledByUser
        ``should_stop`` said so.
    """
    # compiled kernels are loaded by those who correct a movie, not by those who import this
    from napari_cnmf.core.motion.agreement import compare_halves, hold
    from napari_cnmf.core.motion.apply import FieldMover, RigidMover, write_moved
    from napari_cnmf.core.motion.estimate import KEEP_BYTES, Estimator, default_threads
    from napari_cnmf.core.motion.memory import needed_gb
    from napari_cnmf.core.motion.scanner import AlignedLines, find_line_offset
    from napari_cnmf.core.motion.scratch import Scratch
    from napari_cnmf.core.motion.settings import resolve_settings
    from napari_cnmf.core.motion.spectrum import plan_band
    from napari_cnmf.core.motion.stream import check_stop
    from napari_cnmf.core.motion.summary import summarize
    from napari_cnmf.core.motion.template import Workers

    settings = resolve_settings(tuple(source.shape), np.dtype(source.dtype), params)
    check_unit(source)
    band = plan_band(
        settings.dims, settings.max_shifts, settings.highpass_px, settings.cutoff_cycles_px
    )
    progress = on_progress or _ignore_progress
    warn = on_warning or _ignore_text
    log = on_log or _ignore_text
    itemsize = np.dtype(source.dtype).itemsize
    threads = default_threads(n_threads)
    needed = [needed_gb(settings, band, KEEP_BYTES, itemsize, n) for n in range(1, threads + 1)]
    check_budget(needed[0], memory_gb)
    if memory_gb is not None:
        # each thread holds blocks of its own; no result depends on how many there are
        threads = sum(gb <= memory_gb for gb in needed)
    if runner is None or runner.shared_folder is None:
        runner = RunHere(threads)
    line_offset = find_line_offset(source)
    if line_offset.is_there:
        _tell_of_lines(line_offset, warn, log)
        source = AlignedLines(source, line_offset.px)
    with ThreadPoolExecutor(threads, thread_name_prefix="motion") as pool:
        workers, scratch = Workers(pool, threads), Scratch()
        estimator = Estimator(
            source, settings, band, workers, scratch, KEEP_BYTES, progress, should_stop,
            check=lambda: check_stop(should_stop),
            runner=runner,
        )  # fmt: skip
        measured = estimator.run()
        agreement = compare_halves(estimator, measured)
        if measured.shade is not None:
            behind = replace(estimator, band=replace(band, shade=measured.shade))
            freed = behind.run()
            agreed = compare_halves(behind, freed)
            # a field that bends or shears looks as if some of it stood still
            if agreed.bears_out(freed):
                estimator, measured, agreement = behind, freed, agreed
                log(
                    "A pattern stands still before the field (dust, a sensor's fixed pattern, or "
                    "compression): shifts were measured without it."
                )
        estimate = hold(measured, agreement)
        path = _smooth_paths(measured, settings, agreement)
        _tell(estimate, settings, path.orders, warn, log)
        _tell_of_held(measured, settings, agreement, warn, log)
        field = _find_field(estimator, estimate, path, warn, log) if settings.pw_rigid else None
        if field is None:
            _tell_of_halves(agreement, settings, warn)
            move: MoveFrames = RigidMover(settings, path.shifts)
        else:
            move = FieldMover(settings, field.nodes, field.field)
        means = write_moved(
            source, settings, move, estimate.lost, write=write, runner=runner,
            progress=progress, check=estimator.check,
        )  # fmt: skip
    result = summarize(estimate, settings, path, means, field)
    result.figures["line_offset_px"] = line_offset.typical_px
    result.figures["halves_apart_px"] = float(agreement.apart_px.max())
    return result


def _ignore_progress(stage: str, done: float, total: float) -> None:
    return


def _ignore_text(message: str) -> None:
    return


def _smooth_paths(estimate: RigidEstimate, settings: Settings, agreement: Agreement) -> RigidPath:
    """Smooth the path of each axis where the evidence is for it; axes that stand still stay."""
    from napari_cnmf.core.motion.path import ERROR_BAR_VARIANCE, smooth_path
    from napari_cnmf.core.motion.summary import RigidPath

    shifts = np.zeros_like(estimate.shifts)
    variance = np.zeros_like(estimate.variance)
    if estimate.lost.all():
        return RigidPath(shifts, np.full_like(variance, np.inf), ())
    orders = []
    for axis, n in enumerate(settings.dims):
        if n == 1 or settings.max_shifts[axis] == 0:
            continue
        # Smoothed as if noise were no less than usual: how much of it there is, is said below.
        supposed = float(np.fmax(ERROR_BAR_VARIANCE, agreement.ratio[axis]))
        scatter = estimate.variance[:, axis] * supposed
        if agreement.moves[axis]:
            path = smooth_path(
                np.ascontiguousarray(estimate.shifts[:, axis]),
                np.ascontiguousarray(scatter),
                estimate.lost,
            )
            limit = settings.max_shifts[axis]
            shifts[:, axis] = np.clip(path.shifts, -limit, limit)
            variance[:, axis] = path.variance
            orders.append(path.order)
        else:
            # the error of one place that all frames tell
            variance[:, axis] = 1 / np.sum(1 / scatter[~estimate.lost])
        if agreement.is_known:
            variance[:, axis] *= agreement.ratio[axis] / supposed
    # A shift holds for the whole field; what is true of a part of it differs by that much.
    beyond = agreement.apart_px if agreement.bends else agreement.lasting_px
    # Both halves are held back alike, so that they do not tell of it. Frames are held by some of
    # that share, as likely by little as by all: the square's mean is a third.
    moved = shifts - np.median(shifts[~estimate.lost], axis=0)
    variance += beyond**2 + (estimate.held * moved) ** 2 / 3
    return RigidPath(shifts, variance, tuple(orders))


def _find_field(
    estimator: Estimator,
    estimate: RigidEstimate,
    path: RigidPath,
    warn: WarningCallback,
    log: WarningCallback,
) -> FieldEstimate | None:
    """Find the non-rigid field, if the movie can have one and does."""
    from napari_cnmf.core.motion.field_estimate import estimate_field

    if estimate.lost.all():
        return None
    if estimator.settings.ndim == 3:
        warn(
            "motion.pw_rigid was not used: the built-in engine corrects volumes rigidly. "
            "Set it to false, or choose the CaImAn engine."
        )
        return None
    # small products: threads of the linear algebra library would cost twice what they save
    with threadpool_limits(1, user_api="blas"):
        field = estimate_field(estimator, estimate.template, path.shifts, estimate.lost)
    if field is None:
        log("The field does not bend by more than the noise: corrected rigidly.")
        return None
    log(
        f"The field bends by {field.strength_px:.2f} px (rms) over {field.length_px:.0f} px; "
        + (
            f"smoothed over about {field.pace_frames:g} frames."
            if field.pace_frames >= 1
            else "each frame for itself."
        )
    )
    if field.n_clipped > 0.01 * estimator.settings.n_frames:
        limit = estimator.settings.max_deviation
        warn(
            f"In {field.n_clipped} frames a part of the field deviates from the rigid shift by "
            f"more than motion.max_deviation_rigid, {limit:g} px, and was held there. Raise it."
        )
    return field


def _tell(
    estimate: RigidEstimate,
    settings: Settings,
    orders: tuple[int, ...],
    warn: WarningCallback,
    log: WarningCallback,
) -> None:
    """Tell the user what motion correction noticed of the movie."""
    n_lost = int(np.count_nonzero(estimate.lost))
    if n_lost == settings.n_frames:
        warn(
            "Nothing in the movie can be followed: it is constant, empty or pure noise. It was "
            "written as it is; check that this is the right channel."
        )
        return
    if n_lost:
        first = ", ".join(str(t) for t in np.flatnonzero(estimate.lost)[:8])
        warn(
            f"{n_lost} of {settings.n_frames} frames do not show the field (dark, saturated or "
            f"noise; first: {first}). They were moved like their neighbours."
        )
    if estimate.n_beyond:
        limit = max(settings.max_shifts)
        warn(
            f"The field moves by up to {estimate.beyond_px:.1f} px, but motion.max_shifts allows "
            f"{limit:g}: about {100 * estimate.n_beyond / estimate.n_searched:.0f} % of the frames "
            f"stay off. Set motion.max_shifts to {ceil(estimate.beyond_px) + 1} or more."
        )
    smoothed = all(order != 1 for order in orders)
    log("The path is smooth in time." if smoothed else "Each frame keeps its own shift.")


def _tell_of_lines(offset: LineOffset, warn: WarningCallback, log: WarningCallback) -> None:
    """Tell by how much every second line was moved."""
    if not offset.changes:
        log(f"Every second line stood {offset.typical_px:.2f} px beside the others, moved back.")
        return
    warn(
        f"Every second line stands beside the others by an offset that changes in the movie, from "
        f"{offset.px.min():.1f} to {offset.px.max():.1f} px. It was followed in parts; frames near "
        "a sudden change may be off. Check the scanner's phase before the next recording."
    )


def _tell_of_held(
    measured: RigidEstimate,
    settings: Settings,
    agreement: Agreement,
    warn: WarningCallback,
    log: WarningCallback,
) -> None:
    """Tell of shifts that were measured and not applied, as the whole field denies them."""
    from napari_cnmf.core.motion.agreement import WORTH_TELLING_PX

    still = [
        axis for axis, n in enumerate(settings.dims)
        if n > 1 and settings.max_shifts[axis] > 0 and not agreement.moves[axis]
    ]  # fmt: skip
    if not still or measured.lost.all():
        return
    names = " and ".join("zyx"[axis] for axis in still)
    shifts = measured.shifts[~measured.lost][:, still]
    shifts = shifts - np.median(shifts, axis=0)
    if shifts.std(axis=0).max() < WORTH_TELLING_PX:
        log(f"The field stands still along {names}: no frame was moved along it.")
        return
    warn(
        f"Single frames seem to move by up to {np.abs(shifts).max():.1f} px along {names}, but the "
        "field as a whole does not bear it out: that is noise, or cells that fire in turn. No "
        "frame was moved along it."
    )


def _tell_of_halves(agreement: Agreement, settings: Settings, warn: WarningCallback) -> None:
    """Warn where one shift does not hold for the whole field."""
    if not agreement.bends:
        return
    apart = float(agreement.apart_px.max())
    sides = "upper and lower" if agreement.apart_along == 1 else "left and right"
    advice = (
        "Set motion.pw_rigid to true."
        if settings.ndim == 2 and not settings.pw_rigid
        else "What is left moves the cells against each other."
    )
    warn(
        f"The {sides} half of the field stand {2 * apart:.1f} px apart (standard deviation over "
        "time): the field bends, or it moves while its lines are scanned. One shift a frame does "
        f"not mend that. {advice}"
    )
