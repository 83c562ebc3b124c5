"""Parameters of motion correction."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_cnmf.params._axes import Margins, Sizes
from napari_cnmf.params._group import ParameterGroup, parameter

_OWN_GRID = "It fits a smooth field of motion, as strong as the movie supports."
_STREAMS = "It streams the movie and needs no splits."


class MotionParams(ParameterGroup):
    """NoRMCorre: rigid shifts, then shifts of overlapping patches."""

    group: ClassVar[str] = "motion"

    max_shifts: Margins = parameter(
        (6, 6),
        title="Largest shift",
        unit="px",
        description=(
            "Largest rigid shift along (y, x) or (z, y, x). Larger motion is cut off, which shows "
            "as shifts that sit at this value: raise it then."
        ),
    )
    pw_rigid: bool = parameter(
        False,
        title="Piecewise rigid",
        description="Correct overlapping patches on their own, for motion that differs across the "
        "field. Slower. CaImAn's is worse than rigid where there is no such motion; the built-in "
        "engine then stays rigid.",
    )
    strides: Sizes = parameter(
        (96, 96),
        title="Patch step",
        unit="px",
        description="Distance between patches; a patch is strides + overlaps wide. CaImAn's 96 "
        "leaves a small field with a single patch, which is rigid again. The built-in engine lays "
        "a finer grid of its own, and never a coarser one.",
    )
    overlaps: Margins = parameter(
        (32, 32),
        title="Patch overlap",
        unit="px",
        description="Overlap of neighbouring patches; about a third of strides.",
        builtin_ignores=_OWN_GRID,
    )
    max_deviation_rigid: int = parameter(
        3,
        title="Largest deviation of a patch",
        unit="px",
        ge=0,
        description="A patch moves at most so far from the rigid shift.",
    )
    gSig_filt: Sizes | None = parameter(
        None,
        title="High-pass filter",
        unit="px",
        description=(
            "Radius of a cell for the high-pass filter before shifts are measured. Set it for "
            "one-photon recordings, whose smooth background otherwise holds the shifts at 0."
        ),
    )
    niter_rig: int = parameter(
        1,
        title="Rigid rounds",
        ge=1,
        description="Rounds of rigid correction, each with the template of the last one.",
    )
    upsample_factor_grid: int = parameter(
        4,
        title="Upsampling of the motion field",
        ge=1,
        advanced=True,
        description="How much finer than the patches the motion field is drawn.",
        builtin_ignores="It interpolates the field at each pixel.",
    )
    border_nan: bool | Literal["copy", "min"] = parameter(
        "copy",
        title="Border",
        description="What fills pixels that were outside the frame: copy the nearest one, min the "
        "frame's minimum, true NaN, false 0.",
    )
    nonneg_movie: bool = parameter(
        True,
        title="No negative values",
        advanced=True,
        description="Add a constant so that the corrected movie is not negative.",
        builtin_ignores="It keeps the movie's own type and offset.",
    )
    min_mov: float | None = parameter(
        None,
        title="Minimum of the movie",
        unit="movie units",
        advanced=True,
        description="The constant of nonneg_movie, negated; empty: measured.",
        builtin_ignores="It keeps the movie's own type and offset.",
    )
    is3D: bool = parameter(
        False,
        title="Volume",
        advanced=True,
        description="The movie is (T, Z, Y, X). Follows from the movie; only needed in CaImAn's "
        "own files.",
        builtin_ignores="The movie's shape says it.",
    )
    shifts_opencv: bool = parameter(
        True,
        title="Cubic interpolation",
        advanced=True,
        description="Apply shifts by cubic interpolation; otherwise in Fourier space: slower, and "
        "it rings at sharp edges.",
        builtin_ignores="It always interpolates cubically.",
    )
    shifts_interpolate: bool = parameter(
        False,
        title="Interpolate at patch centres",
        advanced=True,
        description="Piecewise rigid: interpolate shifts from the centres of patches rather than "
        "stretch the grid to the field. Since CaImAn 1.11.4.",
        builtin_ignores="It always does.",
    )
    num_frames_split: int = parameter(
        80,
        title="Frames per split",
        unit="frames",
        ge=10,
        advanced=True,
        description="The movie is corrected in pieces of so many frames.",
        builtin_ignores=_STREAMS,
    )
    splits_rig: int = parameter(
        14,
        title="Splits, rigid",
        ge=1,
        advanced=True,
        description="Pieces in time for rigid correction; CaImAn derives it from num_frames_split.",
        builtin_ignores=_STREAMS,
    )
    splits_els: int = parameter(
        14,
        title="Splits, piecewise",
        ge=1,
        advanced=True,
        description="Pieces in time for piecewise correction; CaImAn derives it from "
        "num_frames_split.",
        builtin_ignores=_STREAMS,
    )
    use_cuda: bool = parameter(
        False,
        title="Graphics card",
        advanced=True,
        description="Compute on the graphics card where CaImAn can.",
        builtin_ignores="It needs none.",
    )
