"""Parameters of the update of footprints."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_cnmf.params._axes import Sizes
from napari_cnmf.params._group import ParameterGroup, parameter

_OWN_CUT = "It cuts at a tenth of the peak."
_OWN_SUPPORT = "It lets footprints grow by one pixel a round where the movie supports it."


class SpatialParams(ParameterGroup):
    """Settings of where a footprint may grow, and where it is cut off."""

    group: ClassVar[str] = "spatial"

    method_exp: Literal["dilate", "ellipse"] = parameter(
        "dilate",
        title="Growth of footprints",
        description="dilate lets a footprint grow by a few pixels; ellipse fits an ellipse and "
        "searches within dist times its axes: better for cells, wrong for processes.",
        builtin_ignores=_OWN_SUPPORT,
    )
    dist: float = parameter(
        3,
        title="Ellipse expansion",
        gt=0,
        advanced=True,
        description="Size of the searched ellipse, in axes of the fitted one (method ellipse).",
        builtin_ignores=_OWN_SUPPORT,
    )
    method_ls: Literal["lasso_lars", "nnls_L0"] = parameter(
        "lasso_lars",
        title="Regression",
        advanced=True,
        description="Non-negative regression of each pixel on the traces.",
        builtin_ignores="It updates pixels by hierarchical least squares.",
    )
    thr_method: Literal["nrg", "max"] = parameter(
        "nrg",
        title="Threshold by",
        description="nrg keeps the share nrgthr of a footprint's energy; max cuts at maxthr of its "
        "peak. nrg leaves wide faint skirts: use max where footprints look too large.",
        builtin_ignores=_OWN_CUT,
    )
    nrgthr: float = parameter(
        0.9999,
        title="Energy kept",
        gt=0,
        le=1,
        description="Share of a footprint's energy that is kept (nrg).",
        builtin_ignores=_OWN_CUT,
    )
    maxthr: float = parameter(
        0.1,
        title="Cut-off",
        unit="of the peak",
        ge=0,
        lt=1,
        description="Pixels below this share of the footprint's peak are cut (max).",
        builtin_ignores=_OWN_CUT,
    )
    extract_cc: bool = parameter(
        True,
        title="Largest connected part only",
        description="Keep the largest connected part of each footprint. Turn it off for dendrites "
        "and axons, which leave and enter the plane.",
        builtin_ignores="It always keeps the part with the most energy.",
    )
    medw: Sizes | None = parameter(
        None,
        title="Median window",
        unit="px",
        advanced=True,
        description="Window of the median filter over footprints; empty: 3 along each axis.",
        builtin_ignores="3 along each axis.",
    )
    normalize_yyt_one: bool = parameter(
        True,
        title="Normalise traces",
        advanced=True,
        description="Scale traces to unit power while footprints are updated.",
        builtin_ignores="Its updates do not depend on the scale.",
    )
    update_background_components: bool = parameter(
        True,
        title="Update the background",
        advanced=True,
        description="Update the background together with the footprints. CaImAn turns it off when "
        "init.nb is -1.",
        builtin_ignores="It re-estimates the background in each round.",
    )
    num_blocks_per_run_spat: int = parameter(
        20,
        title="Blocks at a time",
        ge=1,
        advanced=True,
        description="Blocks of pixels in one parallel step: lower it when memory is short.",
        builtin_ignores="Its budget is the item's memory option.",
    )
