"""Motion correction from a frame source to corrected frames."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from napari_cnmf.core.base.parts import PartRunner, RunHere
from napari_cnmf.core.base.reports import ProgressCallback, StopCallback, WarningCallback
from napari_cnmf.core.motion.result import MotionResult
from napari_cnmf.core.movie.source import FrameSource

if TYPE_CHECKING:
    from napari_cnmf.core.motion.apply import MoveFrames
    from napari_cnmf.core.motion.estimate import Estimator, RigidEstimate
    from napari_cnmf.core.motion.field_estimate import FieldEstimate
    from napari_cnmf.core.motion.settings import Settings
    from napari_cnmf.core.motion.summary import RigidPath
    from napari_cnmf.params import CNMFParams


def correct_motion(
    source: FrameSource,
    params: CNMFParams,
    *,
    write: Callable[[int, NDArray[Any]], None],
    frame_rate_hz: float | None = None,
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
    n_threads
        The result does not depend on it.
    runner
        Who works on the parts of the movie; by default this process. The template is made here.
    on_progress, on_warning, on_log, should_stop
        The caller's ears.

    Raises
    ------
    ParameterError
        A motion parameter does not fit the movie.
    MovieError
        The movie has too few frames or too small a field.
    CancelledByUser
        ``should_stop`` said so.
    """
    # compiled kernels are loaded by those who correct a movie, not by those who import this
    from napari_cnmf.core.motion.apply import FieldMover, RigidMover, write_moved
    from napari_cnmf.core.motion.estimate import KEEP_BYTES, Estimator, default_threads
    from napari_cnmf.core.motion.scanner import AlignedLines, find_line_offset
    from napari_cnmf.core.motion.scratch import Scratch
    from napari_cnmf.core.motion.settings import resolve_settings
    from napari_cnmf.core.motion.spectrum import plan_band
    from napari_cnmf.core.motion.stream import check_stop
    from napari_cnmf.core.motion.summary import summarize
    from napari_cnmf.core.motion.template import Workers

    settings = resolve_settings(tuple(source.shape), np.dtype(source.dtype), params)
    band = plan_band(
        settings.dims, settings.max_shifts, settings.highpass_px, settings.cutoff_cycles_px
    )
    progress = on_progress or _ignore_progress
    warn = on_warning or _ignore_text
    log = on_log or _ignore_text
    threads = default_threads(n_threads)
    runner = runner or RunHere(threads)
    line_offset = find_line_offset(source)
    if line_offset:
        log(f"Every second line stood {line_offset:.2f} px beside the others and was moved back.")
        source = AlignedLines(source, line_offset)
    with ThreadPoolExecutor(threads, thread_name_prefix="motion") as pool:
        workers, scratch = Workers(pool, threads), Scratch()
        estimator = Estimator(
            source, settings, band, workers, scratch, KEEP_BYTES, progress, should_stop,
            check=lambda: check_stop(should_stop),
            runner=runner,
        )  # fmt: skip
        estimate = estimator.run()
        path = _smooth_paths(estimate, settings)
        _tell(estimate, settings, path.orders, warn, log)
        field = _find_field(estimator, estimate, path, warn, log) if settings.pw_rigid else None
        if field is None:
            move: MoveFrames = RigidMover(settings, path.shifts)
        else:
            move = FieldMover(settings, field.nodes, field.field)
        means = write_moved(
            source, settings, move, estimate.lost, write=write, runner=runner,
            progress=progress, check=estimator.check,
        )  # fmt: skip
    result = summarize(estimate, settings, path, means, field)
    result.figures["line_offset_px"] = line_offset
    return result


def _ignore_progress(stage: str, done: float, total: float) -> None:
    return


def _ignore_text(message: str) -> None:
    return


def _smooth_paths(estimate: RigidEstimate, settings: Settings) -> RigidPath:
    """Smooth the path of each axis where the evidence is for it."""
    from napari_cnmf.core.motion.path import smooth_path
    from napari_cnmf.core.motion.summary import RigidPath

    shifts = np.zeros_like(estimate.shifts)
    variance = np.zeros_like(estimate.variance)
    if estimate.lost.all():
        return RigidPath(shifts, np.full_like(variance, np.inf), ())
    orders = []
    for axis, n in enumerate(settings.dims):
        if n == 1 or settings.max_shifts[axis] == 0:
            continue
        path = smooth_path(
            np.ascontiguousarray(estimate.shifts[:, axis]),
            np.ascontiguousarray(estimate.variance[:, axis]),
            estimate.lost,
        )
        limit = settings.max_shifts[axis]
        shifts[:, axis] = np.clip(path.shifts, -limit, limit)
        variance[:, axis] = path.variance
        orders.append(path.order)
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
