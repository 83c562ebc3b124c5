"""Frames as high-passed, tapered, band-limited spectra: all that the search for shifts needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_cnmf.core.motion._kernels import highpass_taper

HIGHPASS_PX = 17
CUTOFF_CYCLES_PX = 0.25


@dataclass(frozen=True, eq=False)
class Band:
    """The frequencies kept of a frame, and how a frame is prepared for them.

    Attributes
    ----------
    dims
        ``(Z, Y, X)`` of a frame in pixels; Z is 1 for a plane.
    half_box
        Half width of the high-pass box along y and x.
    tapers
        Window along z, y, x.
    k
        Frequencies kept along z, y, x, in radians per pixel; half plane along x.
    """

    dims: tuple[int, int, int]
    half_box: tuple[int, int]
    tapers: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
    keep: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
    k: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
    fft_dims: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frequencies kept along z, y, x."""
        return (self.k[0].size, self.k[1].size, self.k[2].size)

    @property
    def bytes_per_frame(self) -> int:
        return 8 * self.k[0].size * self.k[1].size * self.k[2].size

    @property
    def multiplicity(self) -> NDArray[np.float32]:
        """Share of each stored frequency in the independent half plane, shape of the band."""
        share = np.ones(self.shape, np.float32)
        share[:, :, 0] = 0.5
        share[0, 0, 0] = 0.0
        return share

    @property
    def noise_inflation(self) -> float:
        """Variance of a shift over what uncorrelated frequencies would give: the taper's doing."""
        ratio = 1.0
        for taper in self.tapers:
            ratio *= float(np.mean(taper**4) / np.mean(taper**2) ** 2)
        return ratio

    def transform(
        self, frames: NDArray[np.float32], out: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Spectra of ``frames (n, Z, Y, X)`` into ``out (n, 2, nz, ny, nx)``."""
        n, Z, Y, X = frames.shape
        planes = np.empty((n * Z, Y, X), np.float32)
        highpass_taper(
            frames.reshape(n * Z, Y, X), *self.half_box, self.tapers[1], self.tapers[2], planes
        )
        spectrum = scipy.fft.rfft(planes, n=self.fft_dims[2], axis=2)[:, :, : self.k[2].size]
        spectrum = scipy.fft.fft(spectrum, n=self.fft_dims[1], axis=1)[:, self.keep[1]]
        spectrum = spectrum.reshape(n, Z, *spectrum.shape[1:])
        if Z > 1:
            spectrum = spectrum * self.tapers[0][:, None, None]
            spectrum = scipy.fft.fft(spectrum, n=self.fft_dims[0], axis=1)[:, self.keep[0]]
        out[:, 0] = spectrum.real
        out[:, 1] = spectrum.imag
        return out


def plan_band(
    dims: tuple[int, int, int], max_shifts: tuple[float, float, float], highpass_px: int
) -> Band:
    """Choose window, high-pass and frequencies for frames of ``dims``."""
    fft_dims = (dims[0], scipy.fft.next_fast_len(dims[1]), scipy.fft.next_fast_len(dims[2], True))
    k, keep = [], []
    for axis, n in enumerate(fft_dims):
        if axis == 2:
            frequency = np.arange(n // 2 + 1) / n
            index = np.flatnonzero(frequency <= CUTOFF_CYCLES_PX)
        else:
            frequency = scipy.fft.fftfreq(n)
            index = np.flatnonzero(np.abs(frequency) <= CUTOFF_CYCLES_PX)
        keep.append(index)
        k.append((2 * np.pi * frequency[index]).astype(np.float32))
    half = highpass_px // 2
    return Band(
        dims=dims,
        half_box=(min(half, dims[1] // 2), min(half, dims[2] // 2)),
        tapers=(
            _taper(dims[0], 0.0),
            _taper(dims[1], max_shifts[1]),
            _taper(dims[2], max_shifts[2]),
        ),
        keep=(keep[0], keep[1], keep[2]),
        k=(k[0], k[1], k[2]),
        fft_dims=fft_dims,
    )


def _taper(n: int, max_shift: float) -> NDArray[np.float32]:
    """Cosine edges wide enough that what enters or leaves the field hardly counts."""
    if n < 4 or max_shift == 0:
        return np.ones(n, np.float32)
    width = min(n / 3, max(n / 12, 2 * max_shift))
    edge = np.minimum(np.arange(n) + 0.5, n - 0.5 - np.arange(n)) / width
    window = 0.5 - 0.5 * np.cos(np.pi * np.clip(edge, 0, 1))
    return np.asarray(window, np.float32)
