"""Correlation and peak-to-noise images of a sample, and the seeds they give.

One-photon: frames are filtered with a Gaussian disc of zero sum, which takes out the smooth
background, and values below three times the noise are left out of the correlation: the images
that CNMF-E chooses its seeds from (Zhou et al. 2018, eLife 7, e28728), so that thresholds read off
here mean the same there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import grey_dilation

from napari_cnmf.core.base.reports import Report
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.sample import Sample

_LEAST = 3.0
"""Values below so many times the noise are no signal to a one-photon correlation image."""
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Half of the eight; each pair counts for both of its pixels."""


@dataclass(frozen=True, eq=False)
class LocalImages:
    """Correlation and peak-to-noise images of a sample.

    Attributes
    ----------
    mean, correlation, pnr
        ``(Y, X)`` float32 of the sample.
    """

    mean: NDArray[np.float32]
    correlation: NDArray[np.float32]
    pnr: NDArray[np.float32]


def filtered_images(
    sample: Sample,
    g_sig: tuple[float, float],
    report: Report | None = None,
    *,
    n_threads: int | None = None,
) -> LocalImages:
    """Images of frames without their smooth background, for one-photon recordings.

    Parameters
    ----------
    g_sig
        Standard deviation of a cell's brightness along (y, x), pixels of the sample.
    n_threads
        Number of threads; all cores by default.

    Notes
    -----
    Two passes over the sample: noise, mean and maximum of the filtered frames, then correlations.
    Noise is that of second differences in time, as the engine measures it.
    """
    report = report or Report()
    psf = Filter.of(sample.dims, g_sig)
    with Workers(n_threads) as workers:
        psf = psf.on(workers.n_threads)
        raw_mean = _mean(sample)
        mean = psf.apply(raw_mean[None])[0]
        top, noise = _peaks(sample, psf, mean, report)
        alive = noise > 0
        correlation = _correlate(sample, psf, mean, noise, report)
    pnr = np.where(alive, np.maximum(top, 0) / np.where(alive, noise, 1), 0)
    return LocalImages(raw_mean, correlation, pnr.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Filter:
    """A Gaussian disc whose values sum to zero, applied in Fourier space, edges repeated.

    Attributes
    ----------
    spectrum
        Of the kernel, at the padded size.
    margin
        Half-width of the kernel along (y, x).
    """

    dims: tuple[int, int]
    margin: tuple[int, int]
    size: tuple[int, int]
    spectrum: NDArray[np.complex64]
    n_threads: int = 1

    @classmethod
    def of(cls, dims: tuple[int, int], g_sig: tuple[float, float]) -> Filter:
        """Make the filter of a field ``dims`` for cells of half-width ``g_sig`` pixels (y, x)."""
        half = [max(1, int(2 * g)) for g in g_sig]
        axes = [
            np.exp(-0.5 * (np.arange(-h, h + 1) / g) ** 2) for h, g in zip(half, g_sig, strict=True)
        ]
        kernel = np.outer(axes[0] / axes[0].sum(), axes[1] / axes[1].sum())
        inside = kernel >= kernel[0].max()
        kernel = np.where(inside, kernel - kernel[inside].mean(), 0)
        fast = [
            scipy.fft.next_fast_len(n + 2 * h, real=True) for n, h in zip(dims, half, strict=True)
        ]
        placed = np.zeros(fast, np.float32)
        placed[: kernel.shape[0], : kernel.shape[1]] = kernel
        placed = np.roll(placed, (-half[0], -half[1]), (0, 1))
        spectrum = scipy.fft.rfft2(placed).astype(np.complex64)
        return cls(dims, (half[0], half[1]), (fast[0], fast[1]), spectrum)

    def on(self, n_threads: int) -> Filter:
        """Copy the filter, to run on so many threads."""
        return Filter(self.dims, self.margin, self.size, self.spectrum, n_threads)

    def apply(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Filter frames ``(n, Y, X)``."""
        (hy, hx), (ny, nx) = self.margin, self.dims
        after = [s - n - h for s, n, h in zip(self.size, self.dims, self.margin, strict=True)]
        padded = np.pad(frames, ((0, 0), (hy, after[0]), (hx, after[1])), mode="edge")
        found = scipy.fft.rfft2(padded, workers=self.n_threads)
        found *= self.spectrum
        back = scipy.fft.irfft2(found, s=self.size, workers=self.n_threads, overwrite_x=True)
        return np.asarray(back[:, hy : hy + ny, hx : hx + nx], np.float32)


def _mean(sample: Sample) -> NDArray[np.float32]:
    total = np.zeros(sample.dims)
    for _, frames in sample.blocks():
        total += frames.sum(0, dtype=np.float64)
    return (total / len(sample.frames)).astype(np.float32)


def _peaks(
    sample: Sample, psf: Filter, mean: NDArray[np.float32], report: Report
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Highest value above the mean, and noise, of each filtered pixel."""
    top = np.full(sample.dims, -np.inf, np.float32)
    rough, n_rough = np.zeros(sample.dims), 0
    for rows, frames in sample.blocks():
        filtered = psf.apply(frames)
        np.maximum(top, filtered.max(0), out=top)
        if len(filtered) > 2:
            second = filtered[2:] - 2 * filtered[1:-1] + filtered[:-2]
            rough += np.einsum("tyx,tyx->yx", second, second)
            n_rough += len(second)
        report.progress("filtering", rows.stop, 2 * len(sample.frames))
    noise = np.sqrt(rough / (6 * max(1, n_rough))).astype(np.float32)
    return top - mean, noise


def _correlate(
    sample: Sample,
    psf: Filter,
    mean: NDArray[np.float32],
    noise: NDArray[np.float32],
    report: Report,
) -> NDArray[np.float32]:
    """Mean correlation of each pixel's large values with its eight neighbours' ``(Y, X)``."""
    inverse = np.where(noise > 0, 1 / np.where(noise > 0, noise, 1), 0).astype(np.float32)
    first, second = np.zeros(sample.dims), np.zeros(sample.dims)
    pairs = [np.zeros(sample.dims) for _ in _NEIGHBOURS]
    n = len(sample.frames)
    for rows, frames in sample.blocks():
        z = (psf.apply(frames) - mean) * inverse
        z[z < _LEAST] = 0
        first += z.sum(0)
        second += np.einsum("tyx,tyx->yx", z, z)
        for pair, step in zip(pairs, _NEIGHBOURS, strict=True):
            here, there = _overlap(step)
            pair[here] += np.einsum(
                "tyx,tyx->yx", z[(slice(None), *here)], z[(slice(None), *there)]
            )
        report.progress("correlating", n + rows.stop, 2 * n)
    return _mean_correlation(first / n, second / n, [pair / n for pair in pairs])


def _mean_correlation(
    first: NDArray[np.float64], second: NDArray[np.float64], pairs: list[NDArray[np.float64]]
) -> NDArray[np.float32]:
    deviation = np.sqrt(np.maximum(second - first**2, 0))
    total, count = np.zeros(first.shape), np.zeros(first.shape)
    for pair, step in zip(pairs, _NEIGHBOURS, strict=True):
        here, there = _overlap(step)
        scale = deviation[here] * deviation[there]
        covariance = pair[here] - first[here] * first[there]
        value = np.where(scale > 0, covariance / np.where(scale > 0, scale, 1), 0)
        for place in (here, there):
            total[place] += value
            count[place] += 1
    return (total / np.maximum(count, 1)).astype(np.float32)


def _overlap(step: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of pixels that have a neighbour one step on, and of those neighbours."""
    pairs = {0: (slice(None), slice(None)), 1: (slice(None, -1), slice(1, None)),
             -1: (slice(1, None), slice(None, -1))}  # fmt: skip
    (y, yy), (x, xx) = pairs[step[0]], pairs[step[1]]
    return (y, x), (yy, xx)


def find_seeds(
    images: LocalImages, min_corr: float, min_pnr: float, spacing_px: float, border_px: int = 0
) -> NDArray[np.intp]:
    """Find where components would start: local maxima of correlation times peak-to-noise.

    Parameters
    ----------
    min_corr, min_pnr
        Pixels must exceed both.
    spacing_px
        Side of the square that a seed is the highest of; CNMF-E takes a quarter of gSiz.
    border_px
        Width of a border without seeds.

    Returns
    -------
    ndarray
        ``(n, 2)`` as (y, x), the clearest first; none is a result.
    """
    score = images.correlation * images.pnr
    score = np.where((images.correlation >= min_corr) & (images.pnr >= min_pnr), score, 0)
    if border_px > 0:
        inner = np.zeros(score.shape, np.bool_)
        inner[border_px:-border_px, border_px:-border_px] = True
        score = np.where(inner, score, 0)
    side = max(3, round(spacing_px) | 1)
    y, x = np.nonzero((score > 0) & (score == grey_dilation(score, size=(side, side))))
    order = np.argsort(-score[y, x], kind="stable")
    return np.stack([y, x], axis=1)[order]
