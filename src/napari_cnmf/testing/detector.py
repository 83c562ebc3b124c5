"""Simulates photons, electronics and digits: from fluorescence to counts.

A pixel of fluorescence ``F`` (units) collects ``N ~ Poisson(F p)`` photons, ``p`` per unit, and is
read as ``offset + gain (N / p + read noise)``. Hence, in counts,

    mean = offset + gain F            variance = gain^2 (F E / p + r^2) + 1 / 12

with ``E`` the excess noise factor and ``1 / 12`` from rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_cnmf.testing._knobs import Knobs


class DetectorKnobs(Knobs):
    """Knobs of noise, offset and gain."""

    noise: float = Field(1.0, gt=0, le=100)
    """Times the noise: photons are divided by its square, the read noise is multiplied by it."""
    photons_per_unit: float = Field(3.2, gt=0)
    """Photons per unit of fluorescence, pixel and frame, at ``noise = 1``."""
    read_noise_units: float = Field(0.12, ge=0)
    """Standard deviation of the electronics' noise in units of fluorescence, at ``noise = 1``."""
    excess_noise_factor: float = Field(1.0, ge=1, le=4)
    """Variance of a photomultiplier's answer over that of the photons; 1 counts photons."""
    gain_counts: float = Field(220.0, gt=0)
    """Counts per unit of fluorescence."""
    offset_counts: float = Field(300.0, ge=0)
    """Counts in the dark."""
    full_scale_counts: int = Field(65535, gt=0, le=65535)
    """The largest value the digitiser gives: brighter pixels saturate."""

    @property
    def effective_photons_per_unit(self) -> float:
        """Photons per unit of fluorescence at the noise asked for."""
        return self.photons_per_unit / self.noise**2

    @property
    def effective_read_noise_units(self) -> float:
        """Read noise in units of fluorescence at the noise asked for."""
        return self.read_noise_units * self.noise

    def noise_variance_units(self, fluorescence: NDArray[Any] | float) -> Any:
        """Variance of one pixel and frame in squared units of fluorescence."""
        photon = fluorescence * self.excess_noise_factor / self.effective_photons_per_unit
        return photon + self.effective_read_noise_units**2

    def expose(
        self, fluorescence: NDArray[np.float32], seed: int, frame: int
    ) -> NDArray[np.uint16]:
        """Draw the counts of one frame; the same for the same seed and frame number.

        Parameters
        ----------
        fluorescence
            Expected signal, any shape, in units; negative values count as 0.
        """
        # Here, because importing compiles (or loads) the kernel.
        from napari_cnmf.testing._photons import expose, tables

        counts = np.empty(fluorescence.size, dtype=np.uint16)
        key = np.random.SeedSequence([seed, frame, 0x0DE7]).generate_state(1, np.uint64)[0]
        optics = np.array(
            [
                self.effective_photons_per_unit,
                self.effective_read_noise_units,
                self.excess_noise_factor - 1.0,
                self.gain_counts,
                self.offset_counts,
                self.full_scale_counts,
            ],
            dtype=np.float32,
        )
        light = np.ascontiguousarray(fluorescence, dtype=np.float32).ravel()
        expose(light, key, optics, *tables(), counts)
        return counts.reshape(fluorescence.shape)
