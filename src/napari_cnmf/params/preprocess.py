"""Parameters of the pixels' noise and the order of the indicator's dynamics."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from napari_cnmf.params._group import ParameterGroup, parameter

NoiseMethod = Literal["mean", "median", "logmexp"]


def _rising(band: tuple[float, float]) -> tuple[float, float]:
    if not band[0] < band[1]:
        raise ValueError("go from low to high")
    return band


_Frequency = Annotated[float, Field(ge=0, le=0.5)]
NoiseRange = Annotated[tuple[_Frequency, _Frequency], AfterValidator(_rising)]

OWN_NOISE = "It measures noise by second differences in time."


class PreprocessParams(ParameterGroup):
    """Settings of what is estimated before components are looked for."""

    group: ClassVar[str] = "preprocess"

    p: int = parameter(
        2,
        title="AR order, initial",
        ge=0,
        le=2,
        description=(
            "Order of the indicator's autoregressive dynamics: 0 no deconvolution, 1 instant rise, "
            "2 rise and decay. CaImAn's default 2 needs frames faster than the rise: below about "
            "15 Hz use 1. Set temporal.p to the same (--set p=1 sets both): "
            "without patches CaImAn uses this one for the traces too."
        ),
        builtin_ignores="temporal.p alone counts.",
    )
    noise_method: NoiseMethod = parameter(
        "mean",
        title="Noise averaging",
        advanced=True,
        description="How the power spectrum is averaged over noise_range.",
        builtin_ignores=OWN_NOISE,
    )
    noise_range: NoiseRange = parameter(
        (0.25, 0.5),
        title="Noise band",
        unit="cycles/frame",
        advanced=True,
        description=(
            "Band of frequencies that is taken as noise; 0.5 is half the frame rate. At low frame "
            "rates signal leaks into it and the noise comes out too high."
        ),
        builtin_ignores=OWN_NOISE,
    )
    max_num_samples_fft: int = parameter(
        3072,
        title="Frames for the noise spectrum",
        unit="frames",
        ge=16,
        advanced=True,
        description="At most so many frames, from the start, middle and end, enter the spectrum.",
        builtin_ignores=OWN_NOISE,
    )
    lags: int = parameter(
        5,
        title="Autocovariance lags",
        unit="frames",
        ge=1,
        advanced=True,
        description="Lags beyond the order p used to estimate time constants.",
        builtin_ignores="It fits time constants to whole traces.",
    )
    include_noise: bool = parameter(
        False,
        title="Noise in the time constants",
        advanced=True,
        description="Use the noise at lag 0 when time constants are estimated.",
        builtin_ignores="It fits time constants to whole traces.",
    )
    compute_g: bool = parameter(
        False,
        title="One time constant for all",
        advanced=True,
        description="Estimate one global time constant from all pixels.",
        builtin_ignores="It fits time constants to whole traces.",
    )
    check_nan: bool = parameter(
        True,
        title="Check for NaN",
        advanced=True,
        description="Look for NaN before starting. Leave it on: one NaN spoils a patch silently.",
        builtin_ignores="It always checks.",
    )
