"""Frames as high-passed, tapered, band-limited spectra: all that the search for shifts needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_cnmf.core.motion.frame_kernels import halve, highpass_taper
from napari_cnmf.core.motion.scratch import Scratch, sub_blocks

HIGHPASS_PX = 17
CUTOFF_CYCLES_PX = 0.25
"""Highest frequency that is compared: half of what the sampling allows."""
CELL_CUTOFF = 0.36
"""Highest frequency of a cell of half-width gSig, in cycles / gSig: its spectrum is a Gaussian of
standard deviation ``1 / (2 pi gSig)``, and 2.3 of these hold 98 % of it. Dust, fixed-pattern noise
and compression lie above, stand still, and would hold the registration."""
MIN_HALVED_PX = 96
"""Smaller fields are cheap, and every pixel of them counts."""


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
    halved
        Frames are low-passed to every second pixel first: nothing above the cutoff is kept anyway.
    shade
        ``(Y, X)`` what stands still before the field lets through, 1 in the mean around each
        pixel; none by default.
    """

    dims: tuple[int, int, int]
    half_box: tuple[int, int]
    tapers: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
    keep: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
    k: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
    fft_dims: tuple[int, int, int]
    halved: bool
    shade: NDArray[np.float32] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of frequencies kept along z, y, x."""
        return (self.k[0].size, self.k[1].size, self.k[2].size)

    @property
    def bytes_per_frame(self) -> int:
        """Memory of one frame's spectrum, in bytes."""
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
        self,
        frames: NDArray[Any],
        out: NDArray[np.float32],
        scratch: Scratch,
        shifts: NDArray[np.float64] | None = None,
    ) -> None:
        """Spectra of ``frames (n, Z, Y, X)`` of any type into ``out (n, 2, nz, ny, nx)``.

        With ``shifts (n, 3)`` the window moves with the content of each frame. A window that
        stays where it is holds the shifts back by some per cent.
        """
        offsets = np.zeros((frames.shape[0], 2), np.int64)
        if shifts is not None:
            offsets[:] = self.window_offsets(shifts)
        Z, Y, X = self.dims
        for part in sub_blocks(frames.shape[0], Z * Y * X):
            m = part.stop - part.start
            raw = scratch.take("frames", (m * Z, Y, X), np.float32)
            np.copyto(raw, frames[part].reshape(m * Z, Y, X), casting="same_kind")
            if self.shade is not None:
                raw /= self.shade
            if self.halved:
                half = scratch.take("halved", (m * Z, Y // 2, X // 2), np.float32)
                halve(raw, half)
                raw = half
            by = np.repeat(offsets[part], Z, axis=0)
            planes = scratch.take("tapered", raw.shape, np.float32)
            highpass_taper(raw, *self.half_box, self.tapers[1], self.tapers[2], by, planes)
            spectrum = self._kept_spectrum(planes.reshape(m, Z, *raw.shape[1:]))
            out[part, 0] = spectrum.real
            out[part, 1] = spectrum.imag

    def window_offsets(self, shifts: NDArray[np.float64]) -> NDArray[np.int64]:
        """Whole pixels ``(n, 2)`` by which the window of each frame is moved."""
        return np.rint(shifts[:, 1:] / (2 if self.halved else 1)).astype(np.int64)

    def _kept_spectrum(self, volumes: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Spectrum of ``volumes (m, Z, Y, X)`` at the frequencies that are kept."""
        spectrum = scipy.fft.rfft(volumes, n=self.fft_dims[2], axis=3)[..., : self.k[2].size]
        spectrum = scipy.fft.fft(spectrum, n=self.fft_dims[1], axis=2)[:, :, self.keep[1]]
        if self.dims[0] > 1:
            spectrum = spectrum * self.tapers[0][:, None, None]
            spectrum = scipy.fft.fft(spectrum, n=self.fft_dims[0], axis=1)[:, self.keep[0]]
        return np.asarray(spectrum, np.complex64)


def plan_band(
    dims: tuple[int, int, int],
    max_shifts: tuple[float, float, float],
    highpass_px: int,
    cutoff_cycles_px: float = CUTOFF_CYCLES_PX,
) -> Band:
    """Choose the window, the high-pass and the frequencies that are compared.

    Parameters
    ----------
    dims
        ``(Z, Y, X)`` of a frame in px.
    max_shifts
        Largest shift along each axis in px.
    highpass_px
        Width of the box whose mean is taken out.
    cutoff_cycles_px
        Highest frequency that is compared, in cycles per px.
    """
    halved = min(dims[1:]) >= MIN_HALVED_PX
    scale = 2 if halved else 1
    grid = (dims[0], dims[1] // scale, dims[2] // scale)
    fft_dims = (grid[0], scipy.fft.next_fast_len(grid[1]), scipy.fft.next_fast_len(grid[2], True))
    k, keep = [], []
    for axis, n in enumerate(fft_dims):
        all_of_axis = scipy.fft.rfftfreq(n) if axis == 2 else scipy.fft.fftfreq(n)
        frequency = all_of_axis / (1 if axis == 0 else scale)
        index = np.flatnonzero(np.abs(frequency) < cutoff_cycles_px)
        keep.append(index)
        k.append((2 * np.pi * frequency[index]).astype(np.float32))
    half = highpass_px // (2 * scale)
    return Band(
        dims=dims,
        half_box=(max(1, min(half, grid[1] // 2)), max(1, min(half, grid[2] // 2))),
        tapers=(
            _taper(grid[0], 0.0),
            _taper(grid[1], max_shifts[1] / scale),
            _taper(grid[2], max_shifts[2] / scale),
        ),
        keep=(keep[0], keep[1], keep[2]),
        k=(k[0], k[1], k[2]),
        fft_dims=fft_dims,
        halved=halved,
    )


def _taper(n: int, max_shift: float) -> NDArray[np.float32]:
    """Cosine edges wide enough that what enters or leaves the field hardly counts."""
    if n < 4 or max_shift == 0:
        return np.ones(n, np.float32)
    return cosine_edges(n, min(n / 3, max(n / 12, 1.5 * max_shift)))


def cosine_edges(n: int, width: float) -> NDArray[np.float32]:
    """Window ``(n,)`` that rises from 0 to 1 over ``width`` samples at both ends."""
    edge = np.minimum(np.arange(n) + 0.5, n - 0.5 - np.arange(n)) / width
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(edge, 0, 1)), np.float32)
