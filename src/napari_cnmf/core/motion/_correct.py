"""Motion correction from a frame source to corrected frames."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.motion.result import MotionResult
from napari_cnmf.core.source import (
    FrameSource,
    ProgressCallback,
    StopCallback,
    WarningCallback,
)

if TYPE_CHECKING:
    from napari_cnmf.core.motion._apply import Means
    from napari_cnmf.core.motion._estimate import RigidEstimate
    from napari_cnmf.core.motion._settings import Settings
    from napari_cnmf.params import CNMFParams

F64 = NDArray[np.float64]


def correct_motion(
    source: FrameSource,
    params: CNMFParams,
    *,
    write: Callable[[int, NDArray[Any]], None],
    frame_rate_hz: float | None = None,
    memory_gb: float | None = None,
    n_threads: int | None = None,
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
        grow with T.
    params
        Of ``params.motion``: ``max_shifts, niter_rig, gSig_filt, border_nan, pw_rigid, ...``.
    write
        ``write(start, frames)``, called in order with all frames of the movie. Integer movies
        stay integer, but for a NaN border.
    frame_rate_hz
        For the log alone.
    memory_gb
        Budget; the default needs about 0.4 GB.
    n_threads
        The result does not depend on it.
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
    from napari_cnmf.core.motion._apply import write_shifted
    from napari_cnmf.core.motion._estimate import KEEP_BYTES, Estimator
    from napari_cnmf.core.motion._scratch import Scratch
    from napari_cnmf.core.motion._settings import resolve_settings
    from napari_cnmf.core.motion._spectrum import plan_band
    from napari_cnmf.core.motion._stream import check_stop
    from napari_cnmf.core.motion._template import Workers

    settings = resolve_settings(tuple(source.shape), np.dtype(source.dtype), params)
    band = plan_band(settings.dims, settings.max_shifts, settings.highpass_px)
    progress = on_progress or _ignore_progress
    warn = on_warning or _ignore_text
    log = on_log or _ignore_text
    threads = n_threads or max(1, min(os.cpu_count() or 1, 16))
    keep_bytes = KEEP_BYTES if memory_gb is None else min(KEEP_BYTES, memory_gb * 0.25e9)
    with ThreadPoolExecutor(threads, thread_name_prefix="motion") as pool:
        workers, scratch = Workers(pool, threads), Scratch()
        estimate = Estimator(
            source, settings, band, workers, scratch, keep_bytes, progress, should_stop,
            check=lambda: check_stop(should_stop),
        ).run()  # fmt: skip
        shifts, variance, orders = _paths(estimate, settings)
        _tell(estimate, settings, orders, warn, log)
        means = write_shifted(
            source,
            settings,
            shifts,
            estimate.lost,
            write=write,
            workers=workers,
            scratch=scratch,
            progress=progress,
            should_stop=should_stop,
        )
    return _result(estimate, settings, shifts, variance, means)


def _ignore_progress(stage: str, done: float, total: float) -> None:
    return


def _ignore_text(message: str) -> None:
    return


def _paths(estimate: RigidEstimate, settings: Settings) -> tuple[F64, F64, list[int]]:
    """Shifts and variances ``(T, 3)`` after smoothing, and the order picked for each axis."""
    from napari_cnmf.core.motion._path import smooth_path

    shifts = np.zeros_like(estimate.shifts)
    variance = np.zeros_like(estimate.variance)
    orders = []
    if estimate.lost.all():
        return shifts, np.full_like(variance, np.inf), [1, 1, 1]
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
    return shifts, variance, orders


def _tell(
    estimate: RigidEstimate,
    settings: Settings,
    orders: list[int],
    warn: WarningCallback,
    log: WarningCallback,
) -> None:
    """Say what the user should know."""
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


def _result(
    estimate: RigidEstimate,
    settings: Settings,
    shifts: F64,
    variance: F64,
    means: Means,
) -> MotionResult:
    """Everything as the caller's shapes, and the figures."""
    ndim = settings.ndim
    before, after = means.before, means.after
    used = ~estimate.lost
    moved = np.abs(shifts[used]) if used.any() else np.zeros((1, 3))
    border = ceil(float(moved[:, 1:].max(initial=0.0)) - 1e-6)
    error = np.sqrt(variance[:, 3 - ndim :].mean(axis=1))
    finite = error[np.isfinite(error)]
    inner = _inside(settings.dims, border)
    return MotionResult(
        shifts=shifts[:, 3 - ndim :].astype(np.float32),
        error_px=error.astype(np.float32),
        lost=estimate.lost,
        template=after.reshape(settings.dims[3 - ndim :]).astype(np.float32),
        border_px=border,
        dtype=settings.out_dtype,
        figures={
            "max_shift_px": float(moved.max(initial=0.0)),
            "rms_shift_px": float(np.sqrt((moved**2).mean())),
            "residual_px": float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0,
            "correlation_before": estimate.correlation_before,
            "correlation_after": estimate.correlation_after,
            "crispness_before": _crispness(before[inner]),
            "crispness_after": _crispness(after[inner]),
            "n_lost": float(np.count_nonzero(estimate.lost)),
            "n_beyond_max_shifts": float(estimate.n_beyond),
        },
    )


def _inside(dims: tuple[int, int, int], border: int) -> tuple[slice, ...]:
    """The field without the rim, if anything is left of it."""
    if 2 * border + 4 > min(dims[1:]):
        border = 0
    return (slice(None), slice(border, dims[1] - border), slice(border, dims[2] - border))


def _crispness(image: F64) -> float:
    """Norm of the gradient of a mean image ``(Z, Y, X)``, as in NoRMCorre."""
    gy, gx = np.gradient(np.nan_to_num(image), axis=(1, 2))
    return float(np.sqrt(np.sum(gy**2 + gx**2)))
