"""Shifts and means as the caller's result, with the figures worth showing."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.motion.apply import Means
from napari_cnmf.core.motion.estimate import RigidEstimate
from napari_cnmf.core.motion.field_estimate import FieldEstimate
from napari_cnmf.core.motion.result import MotionResult
from napari_cnmf.core.motion.settings import Settings

F64 = NDArray[np.float64]


COPIED = 0.01
"""Share of the frames that may show copied pixels inside of the border."""


@dataclass(frozen=True, eq=False)
class RigidPath:
    """Shifts and variances ``(T, 3)`` as they are applied, and the order picked for each axis."""

    shifts: F64
    variance: F64
    orders: tuple[int, ...]


def summarize(
    estimate: RigidEstimate,
    settings: Settings,
    path: RigidPath,
    means: Means,
    field: FieldEstimate | None,
) -> MotionResult:
    """The result of a motion correction, every array in the caller's shapes."""
    first = 3 - settings.ndim
    used = ~estimate.lost if not estimate.lost.all() else np.ones(settings.n_frames, np.bool_)
    shifts = path.shifts[:, first:]
    moved = np.abs(shifts[used, -2:]) if field is None else np.abs(field.field[used])
    border = _border(moved.reshape(len(moved), -1).max(axis=1), settings.border)
    error = np.sqrt(path.variance[:, first:].mean(axis=1))
    if field is not None:
        error = field.error_px
    finite = error[np.isfinite(error)]
    inner = _inside(settings.dims, border)
    seen = estimate.correlations[~estimate.lost]
    correlation = [float(c) for c in seen.mean(axis=0)] if seen.size else [0.0, 0.0]
    figures = {
        "max_shift_px": float(np.abs(shifts[used]).max()),
        "rms_shift_px": float(np.sqrt(np.mean(shifts[used] ** 2))),
        "residual_px": float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0,
        "correlation_before": correlation[0],
        "correlation_after": correlation[1],
        "crispness_before": _crispness(means.before[inner]),
        "crispness_after": _crispness(means.after[inner]),
        "n_lost": float(np.count_nonzero(estimate.lost)),
        "n_beyond_max_shifts": float(estimate.n_beyond),
    }
    if field is not None:
        deviation = field.field - shifts[:, None, None]
        figures["nonrigid_rms_px"] = float(np.sqrt(np.mean(deviation[used] ** 2)))
        figures["nonrigid_length_px"] = field.length_px
    return MotionResult(
        shifts=shifts.astype(np.float32),
        error_px=error.astype(np.float32),
        lost=estimate.lost,
        correlations=estimate.correlations.astype(np.float32),
        template=means.after.reshape(settings.dims[first:]).astype(np.float32),
        border_px=border,
        dtype=settings.out_dtype,
        field=None if field is None else field.field,
        nodes=None
        if field is None
        else (field.nodes.y.astype(np.float32), field.nodes.x.astype(np.float32)),
        figures=figures,
    )


def _border(moved: F64, filled_with: str) -> int:
    """Width of the rim to leave out, from how far each frame moved ``(T,)``.

    What is copied there from the nearest pixel is nearly right: a few frames may show it. One that
    moved further than all others would cost every cell at the border.
    """
    share = 1 - COPIED if filled_with == "copy" else 1.0
    return ceil(float(np.quantile(moved, share)) - 1e-6)


def _inside(dims: tuple[int, int, int], border: int) -> tuple[slice, ...]:
    """The field without its rim, if anything is left of it."""
    if 2 * border + 4 > min(dims[1:]):
        border = 0
    return (slice(None), slice(border, dims[1] - border), slice(border, dims[2] - border))


def _crispness(image: F64) -> float:
    """Norm of the gradient of a mean image ``(Z, Y, X)``, as in NoRMCorre."""
    gy, gx = np.gradient(np.nan_to_num(image), axis=(1, 2))
    return float(np.sqrt(np.sum(gy**2 + gx**2)))
