"""Parameters of the update of traces and of deconvolution."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_cnmf.params._group import ParameterGroup, parameter
from napari_cnmf.params.preprocess import OWN_NOISE, NoiseMethod, NoiseRange


class TemporalParams(ParameterGroup):
    """Traces, their dynamics and the spikes inferred from them."""

    group: ClassVar[str] = "temporal"

    p: int = parameter(
        2,
        title="AR order",
        ge=0,
        le=2,
        description=(
            "Order of the indicator's autoregressive dynamics: 0 no deconvolution (C is the raw "
            "trace), 1 instant rise, 2 rise and decay. CaImAn's default 2 needs frames faster than "
            "the rise: below about 15 Hz use 1. --set p=1 sets it here and in preprocess."
        ),
    )
    method_deconvolution: Literal["oasis", "cvxpy", "cvx"] = parameter(
        "oasis",
        title="Deconvolution",
        advanced=True,
        description="oasis is fast; the others solve the same problem with a general solver.",
        builtin_ignores="It always uses OASIS.",
    )
    bas_nonneg: bool = parameter(
        False,
        title="Baseline not negative",
        description="Keep each trace's baseline at 0 or above, so that no cell at rest is darker "
        "than what is around it; otherwise at the trace's minimum or above. Baselines that would "
        "be negative come from blood vessels and from movies whose mean was taken away: there "
        "leave it off.",
    )
    fudge_factor: float | None = parameter(
        None,
        title="Time constant correction",
        gt=0,
        le=1,
        advanced=True,
        description="Multiplies the roots of each trace's autoregressive model, so that time "
        "constants that noise makes too long get shorter. Empty: CaImAn's 0.96; 1 in the built-in "
        "engine, whose time constants come from whole traces and have no such bias.",
    )
    s_min: float | None = parameter(
        None,
        title="Smallest event",
        unit="movie units",
        description="Events below it become none. Empty: sparsity decides. A negative value counts "
        "in standard deviations of the trace's noise, in CaImAn times the root of 1 - g.",
    )
    optimize_g: bool = parameter(
        False,
        title="Optimise time constants",
        description="Refine each cell's time constants while deconvolving: slower, and unstable "
        "with few events.",
        builtin_ignores="It fits time constants to whole traces.",
    )
    ITER: int = parameter(
        2,
        title="Iterations",
        ge=1,
        advanced=True,
        description="Rounds of block-wise updates of all traces.",
        builtin_ignores="It solves all traces at once.",
    )
    noise_method: NoiseMethod = parameter(
        "mean",
        title="Noise averaging",
        advanced=True,
        description="How the power spectrum of a trace is averaged over noise_range.",
        builtin_ignores=OWN_NOISE,
    )
    noise_range: NoiseRange = parameter(
        (0.25, 0.5),
        title="Noise band",
        unit="cycles/frame",
        advanced=True,
        description="Band of frequencies that is taken as a trace's noise; 0.5 is half the frame "
        "rate.",
        builtin_ignores=OWN_NOISE,
    )
    lags: int = parameter(
        5,
        title="Autocovariance lags",
        unit="frames",
        ge=1,
        advanced=True,
        description="Lags beyond the order p used to estimate a trace's time constants.",
        builtin_ignores="It fits time constants to whole traces.",
    )
    num_blocks_per_run_temp: int = parameter(
        20,
        title="Blocks at a time",
        ge=1,
        advanced=True,
        description="Blocks of pixels in one parallel step: lower it when memory is short.",
        builtin_ignores="Its budget is the item's memory option.",
    )
    block_size_temp: int = parameter(
        5000,
        title="Block of pixels",
        unit="px",
        ge=1,
        advanced=True,
        description="Pixels multiplied at a time: lower it when memory is short.",
        builtin_ignores="Its budget is the item's memory option.",
    )
