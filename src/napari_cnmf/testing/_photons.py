"""The one kernel of the simulators: photon and read noise of a frame."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, pdtr

from napari_cnmf.core.base.compiling import inline_kernel, kernel

_STEPS_PER_PHOTON = 16
_LARGEST_TABULATED = 20
_MOST_PHOTONS = 63


class Tables(NamedTuple):
    """Tables that the kernel looks values up in.

    ``normal`` are 65,536 equally likely values of the standard normal distribution; ``cumulative``
    ``(n_means, 64)`` the distribution functions of Poisson numbers, times 2^32; ``guide``
    ``(n_means, 256)`` where to start searching them, by the first byte of a uniform number.
    """

    normal: NDArray[np.float32]
    cumulative: NDArray[np.uint32]
    guide: NDArray[np.uint8]


@cache
def tables() -> Tables:
    """Quantile tables, made once."""
    normal = ndtri((np.arange(65536) + 0.5) / 65536)
    means = np.arange(_LARGEST_TABULATED * _STEPS_PER_PHOTON + 1) / _STEPS_PER_PHOTON
    probability = pdtr(np.arange(_MOST_PHOTONS + 1)[None, :], means[:, None])
    cumulative = np.minimum(np.floor(probability * 2.0**32), 2.0**32 - 1).astype(np.uint32)
    first = (np.arange(256) << 24).astype(np.uint32)
    guide = np.stack([np.searchsorted(row, first, side="right") for row in cumulative])
    return Tables(
        normal=(normal / normal.std()).astype(np.float32),
        cumulative=cumulative,
        guide=np.minimum(guide, _MOST_PHOTONS).astype(np.uint8),
    )


@inline_kernel()
def _mix(state: Any) -> Any:
    """Mix a counter to 64 random bits: splitmix64's finaliser (Steele, Lea & Flood 2014)."""
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inline_kernel()
def _few_photons(mean: Any, bits: Any, cumulative: Any, guide: Any) -> Any:
    """Draw Poisson(mean) as Poisson(tabulated mean below it) + Poisson(the rest), by inversion."""
    row = int(mean * np.float32(_STEPS_PER_PHOTON))
    uniform = np.uint32(bits >> np.uint64(32))
    photons = int(guide[row, uniform >> np.uint32(24)])
    while photons < _MOST_PHOTONS and uniform >= cumulative[row, photons]:
        photons += 1
    rest = mean - np.float32(row) / np.float32(_STEPS_PER_PHOTON)
    chance = np.float32((bits >> np.uint64(16)) & np.uint64(0xFFFF)) / np.float32(65536)
    none = np.float32(1) - rest + rest * rest / np.float32(2)
    if chance >= none:
        photons += 2 if chance >= none + rest * none else 1
    return photons


@kernel("void(f4[::1], u8, f4[::1], f4[::1], u4[:,::1], u1[:,::1], u2[::1])")
def expose(  # noqa: PLR0917 - kernels take positional arrays alone
    fluorescence: Any,
    key: Any,
    optics: Any,
    normal: Any,
    cumulative: Any,
    guide: Any,
    counts: Any,
) -> None:
    """Fill ``counts`` with what the detector reads; see ``detector`` for the model.

    ``optics``: photons per unit, read noise, excess noise factor - 1, gain, offset, full scale.

    Means up to 20 photons give exact Poisson numbers (to 16 bits of the part below 1/16 photon),
    larger ones follow the Cornish-Fisher expansion: mean, variance and skew right. The answers of
    the photomultiplier to the photons of a pixel are summed as normal. No normal number is beyond
    4.3 sd.
    """
    low = np.uint64(0xFFFF)
    per_unit, read_noise, excess, gain, offset, top = optics
    unit = np.float32(1) / per_unit
    offset += np.float32(0.5)
    state = key
    for i in range(fluorescence.size):
        state += np.uint64(0x9E3779B97F4A7C15)
        bits = _mix(state)
        mean = max(fluorescence[i] * per_unit, np.float32(0))
        if mean < _LARGEST_TABULATED:
            photons = np.float32(_few_photons(mean, bits, cumulative, guide))
        else:
            z = normal[(bits >> np.uint64(16)) & low]
            skew = (z * z - np.float32(1)) / np.float32(6)
            photons = np.float32(math.floor(mean + math.sqrt(mean) * z + skew + np.float32(0.5)))
        if excess > 0 and photons > 0:
            # A second draw: its bits must not be those that chose the photon number.
            again = _mix(bits ^ np.uint64(0x9E3779B97F4A7C15))
            photons += np.float32(math.sqrt(photons * excess)) * normal[again & low]
        value = offset + gain * (photons * unit + read_noise * normal[bits & low])
        counts[i] = np.uint16(min(max(value, np.float32(0)), top))
