"""CaImAn's motion parameters, checked against the movie."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cnmf.core.motion.spectrum import CELL_CUTOFF, CUTOFF_CYCLES_PX, HIGHPASS_PX
from napari_cnmf.errors import MovieError, ParameterError

if TYPE_CHECKING:
    from napari_cnmf.params import CNMFParams


@dataclass(frozen=True)
class Settings:
    """Motion parameters as they apply to this movie; axes always ``(z, y, x)``.

    Attributes
    ----------
    max_shifts
        px.
    highpass_px
        Width of the high-pass box, odd.
    cutoff_cycles_px
        Highest frequency that is compared, cycles per px.
    border
        ``"copy"``, ``"nan"``, ``"min"`` or ``"zero"``.
    out_dtype
        Of the corrected frames.
    strides
        Largest distance of the nodes of a non-rigid field, px.
    max_deviation
        Largest deviation of a node from the rigid shift, px.
    """

    dims: tuple[int, int, int]
    ndim: int
    n_frames: int
    max_shifts: tuple[float, float, float]
    highpass_px: int
    cutoff_cycles_px: float
    border: str
    out_dtype: np.dtype[Any]
    n_passes: int
    pw_rigid: bool
    strides: tuple[float, float, float]
    max_deviation: float

    @property
    def reach(self) -> tuple[int, int, int]:
        """Integer lags to search along each axis; one more than allowed shows an interior peak."""
        reach = [
            ceil(m) + 1 if n > 1 and m > 0 else 0
            for m, n in zip(self.max_shifts, self.dims, strict=True)
        ]
        return (reach[0], reach[1], reach[2])


def resolve_settings(shape: tuple[int, ...], dtype: np.dtype[Any], params: CNMFParams) -> Settings:
    """Resolve parameters against the movie.

    Raises
    ------
    ParameterError
        A parameter does not fit the movie's axes or field.
    MovieError
        The movie has too few frames or no field.
    """
    motion = params.motion
    if len(shape) not in (3, 4):
        raise MovieError(f"A movie must have axes (T, Y, X) or (T, Z, Y, X), got shape {shape}.")
    if shape[0] < 2:
        raise MovieError(
            f"Motion correction needs at least 2 frames, got {shape[0]}. "
            "Open the whole recording, or say which axis is time with axes=."
        )
    ndim = len(shape) - 1
    if min(shape[-2:]) < 8:
        raise MovieError(
            f"Motion correction needs a field of at least 8 x 8 px, got {shape[-2]} x {shape[-1]}."
        )
    dims = (1, *shape[1:]) if ndim == 2 else tuple(shape[1:])
    given = motion.max_shifts
    if ndim == 3 and len(given) == 2 and _is_default(motion, "max_shifts"):
        # the default is for planes; along z a volume has few of them
        given = (max(1, min(2, dims[0] // 3)), *given)
    max_shifts = _per_axis("max_shifts", given, ndim)
    for m, n in zip(max_shifts, dims, strict=True):
        if n > 1 and m >= n / 2:
            raise ParameterError(
                f"motion.max_shifts must be below half the field ({n} px along that axis), "
                f"got {m:g}. Lower it."
            )
    strides = (1.0, 1.0, 1.0)
    if motion.pw_rigid and ndim == 2:
        strides = _per_axis("strides", motion.strides, ndim)
        if strides[1] >= dims[1] and strides[2] >= dims[2] and not _is_default(motion, "strides"):
            raise ParameterError(
                f"motion.strides must be smaller than the field of {dims[1]} x {dims[2]} px for "
                f"piecewise correction, got {motion.strides}. Lower it, or set motion.pw_rigid "
                "to false."
            )
    border = _border(motion.border_nan)
    keep_dtype = np.dtype(dtype).kind in "ui" and border != "nan"
    gSig_filt = motion.gSig_filt
    highpass, cutoff = HIGHPASS_PX, CUTOFF_CYCLES_PX
    if gSig_filt is not None:
        half_width_px = float(np.mean(np.atleast_1d(gSig_filt)[-2:]))
        highpass = 2 * round(2 * half_width_px) + 1
        cutoff = min(cutoff, CELL_CUTOFF / max(half_width_px, 1e-6))
    return Settings(
        dims=(int(dims[0]), int(dims[1]), int(dims[2])),
        ndim=ndim,
        n_frames=int(shape[0]),
        max_shifts=max_shifts,
        highpass_px=max(3, highpass),
        cutoff_cycles_px=cutoff,
        border=border,
        out_dtype=np.dtype(dtype) if keep_dtype else np.dtype(np.float32),
        n_passes=max(1, int(motion.niter_rig)),
        pw_rigid=bool(motion.pw_rigid),
        strides=strides,
        max_deviation=float(motion.max_deviation_rigid),
    )


def _is_default(motion: Any, name: str) -> bool:
    """Whether the parameter has its default, be it typed or not."""
    fields = getattr(type(motion), "model_fields", {})
    return name in fields and getattr(motion, name) == fields[name].default


def _per_axis(name: str, value: Any, ndim: int) -> tuple[float, float, float]:
    """Numbers for each axis, as ``(z, y, x)``, from one number or several."""
    numbers = [float(v) for v in np.atleast_1d(value)]
    if len(numbers) == 1:
        numbers = numbers * ndim
    if len(numbers) != ndim:
        axes = "(y, x)" if ndim == 2 else "(z, y, x)"
        raise ParameterError(
            f"motion.{name} must have {ndim} values {axes} for this movie, got {tuple(numbers)}."
        )
    padded = [0.0, *numbers] if ndim == 2 else numbers
    return (padded[0], padded[1], padded[2])


def _border(border_nan: bool | str) -> str:
    """CaImAn's ``border_nan`` as a word."""
    if border_nan is True:
        return "nan"
    if border_nan is False:
        return "zero"
    return str(border_nan)
