"""The one kernel of the simulators: photon and read noise of a frame."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from napari_cnmf.core._jit import inline_kernel, kernel


@inline_kernel()
def _mix(state: Any) -> Any:
    """Finaliser of splitmix64 (Steele, Lea & Flood 2014): 64 bits from a counter."""
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inline_kernel()
def _poisson(mean: float, uniform: float, normal: float) -> float:
    """Inversion up to a mean of 20; above it, normal quantiles with Cornish and Fisher's skew."""
    if mean <= 0.0:
        return 0.0
    if mean > 20.0:
        root = math.sqrt(mean)
        return max(0.0, math.floor(mean + root * normal + (normal * normal - 1.0) / 6.0 + 0.5))
    probability = math.exp(-mean)
    total = probability
    photons = 0.0
    while uniform > total and photons < 100.0:
        photons += 1.0
        probability *= mean / photons
        total += probability
    return photons


@kernel(
    "void(f4[::1], u8, f8, f8, f8, f8, f8, f8, f4[::1], u2[::1])",
)
def expose(
    fluorescence: Any,
    key: Any,
    photons_per_unit: float,
    read_noise: float,
    excess: float,
    gain: float,
    offset: float,
    full_scale: float,
    quantiles: Any,
    counts: Any,
) -> None:
    """Fill ``counts`` with what the detector reads; see ``detector`` for the model.

    Means up to 20 photons are exact Poisson numbers, larger ones follow the
    Cornish-Fisher expansion (mean, variance and skew right). ``excess`` is
    the excess noise factor minus 1: each photon's answer has that variance,
    their sum is taken as normal. The read noise has no tail beyond 4.3 sd.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    low = np.uint64(0xFFFF)
    state = key
    for i in range(fluorescence.size):
        state += golden
        bits = _mix(state)
        uniform = (float(bits >> np.uint64(32)) + 0.5) * 2.3283064365386963e-10
        read = float(quantiles[bits & low])
        other = float(quantiles[(bits >> np.uint64(16)) & low])
        mean = float(fluorescence[i]) * photons_per_unit
        photons = _poisson(mean, uniform, other)
        if excess > 0.0 and photons > 0.0:
            # A second draw: its bits must not be those that chose the photon number.
            more = _mix(bits ^ golden)
            photons += math.sqrt(photons * excess) * float(quantiles[more & low])
        value = offset + gain * (photons / photons_per_unit + read_noise * read) + 0.5
        counts[i] = np.uint16(min(max(value, 0.0), full_scale))
