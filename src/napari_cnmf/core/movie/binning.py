"""Pass 1: the movie once from front to back, to temporal bins, noise and summary images.

Calcium decays over several frames, so that means over ``b`` frames keep the signal
and a fraction of the data (Giovannucci et al. 2019, "temporal downsampling").
Noise is taken from second differences at the full rate, where a slow signal
cancels: ``sn^2 = E[(y[t-1] - 2 y[t] + y[t+1])^2] / 6``.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel_for_frames
from napari_cnmf.core.base.parts import PartRunner, Place, part_edges
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.reading import frame_blocks, read_blocks
from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.core.movie.store import BinStore

FEWEST_BINS = 30
"""However many frames a bin is asked to have: with fewer nothing can be told from noise."""
_BLOCK = 2048
_PIXELS = 4 * _BLOCK
"""Of a block of frames that a thread works on together."""
_AT_ONCE = 16
"""Frames that a thread looks through together for empty ones."""
_SAMPLE_LOST = 512
"""So many pixels are looked at to tell an empty frame."""
_SAMPLE_BRIGHTNESS = 4096
"""And so many for the field's brightness."""


@dataclass(frozen=True, eq=False)
class Binned:
    """Statistics and noise of the movie, as pass 1 measures them.

    Attributes
    ----------
    mean, std, peak
        Per pixel over all good frames, ``(n_pixels,)`` float32.
    sn
        Noise standard deviation of one frame, ``(n_pixels,)`` float32; infinite where a pixel
        carries nothing (constant, or NaN at some time).
    frames_per_bin
        ``b``.
    brightness
        Mean of the field in each bin ``(n_bins,)`` float64.
    lost
        Frames without content (all NaN or all one value), ``(n_frames,)`` bool.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    peak: NDArray[np.float32]
    sn: NDArray[np.float32]
    frames_per_bin: int
    brightness: NDArray[np.float64]
    lost: NDArray[np.bool_]

    @property
    def n_bins(self) -> int:
        """Number of temporal bins."""
        return len(self.brightness)

    @property
    def empty_bins(self) -> NDArray[np.bool_]:
        """Bins most of whose frames were lost ``(n_bins,)``: what is left of them is noise."""
        n = self.n_bins * self.frames_per_bin
        return np.asarray(self.lost[:n].reshape(self.n_bins, -1).mean(1) > 0.5, np.bool_)


_SIGNATURE = (
    "void({0}[:, ::1], uint8[::1], int64, int64, int64, float32[:, ::1], float64[:, ::1], "
    "float32[::1])"
)


@kernel_for_frames(_SIGNATURE)
def _bin_block(
    frames: NDArray[Any],
    good: NDArray[np.uint8],
    start: int,
    stop: int,
    per_bin: int,
    bins: NDArray[np.float32],
    moments: NDArray[np.float64],
    peak: NDArray[np.float32],
) -> None:
    """Sum pixels ``start`` to ``stop`` of ``frames (n, n_pixels)`` over their bins.

    ``bins (n // per_bin, n_pixels)`` takes the means of whole bins; ``moments (3, stop - start)``
    the sums over good frames of y, y^2 and the squared second difference.
    """
    n_frames = frames.shape[0]
    n_bins = bins.shape[0]
    in_no_bin = np.empty(_BLOCK, np.float32)
    all_sum = np.empty(_BLOCK, np.float32)
    square = np.empty(_BLOCK, np.float32)
    rough = np.empty(_BLOCK, np.float32)
    for first in range(start, stop, _BLOCK):
        n = min(_BLOCK, stop - first)
        for i in range(n):
            all_sum[i] = 0.0
            square[i] = 0.0
            rough[i] = 0.0
        top = peak[first : first + n]
        origin = frames[0, first : first + n]
        n_good, count, bin_index = 0, 0, 0
        for t in range(n_frames):
            total = in_no_bin[:n]
            if bin_index < n_bins:
                total = bins[bin_index, first : first + n]
            if t % per_bin == 0:
                total[:] = 0.0
            if good[t]:
                row = frames[t, first : first + n]
                if t >= 2 and good[t - 1] and good[t - 2]:
                    before = frames[t - 1, first : first + n]
                    earlier = frames[t - 2, first : first + n]
                    for i in range(n):
                        d = np.float32(earlier[i]) - np.float32(2.0) * np.float32(before[i])
                        d += np.float32(row[i])
                        rough[i] += d * d
                # One loop for all of it would have too many arrays to be made of vectors.
                for i in range(n):
                    y = np.float32(row[i])
                    e = y - np.float32(origin[i])
                    total[i] += y
                    square[i] += e * e
                    top[i] = max(top[i], y)
                n_good += 1
                count += 1
            if (t + 1) % per_bin == 0 or t == n_frames - 1:
                scale = np.float32(1.0 / count) if count > 0 else np.float32(np.nan)
                for i in range(n):
                    all_sum[i] += total[i]
                    total[i] *= scale
                bin_index, count = min(bin_index + 1, n_bins), 0
        for i in range(n):
            y0 = np.float64(frames[0, first + i])
            excess = all_sum[i] - n_good * y0
            at = first - start + i
            moments[0, at] = all_sum[i]
            # sum y^2 = sum (y - y0)^2 + 2 y0 sum (y - y0) + n y0^2
            moments[1, at] = square[i] + 2 * y0 * excess + n_good * y0 * y0
            moments[2, at] = rough[i]


def choose_bin(
    frame_rate_hz: float, decay_time_s: float, n_frames: int, tsub: int | None = None
) -> int:
    """Choose frames per bin: half a decay time, fewer in short movies so that 100 bins remain.

    ``tsub`` asks for as many at least, as long as ``FEWEST_BINS`` remain.
    """
    wanted = min(max(1, round(0.5 * decay_time_s * frame_rate_hz)), n_frames // 100)
    return int(max(1, wanted, min(tsub or 1, n_frames // FEWEST_BINS)))


def find_lost(frames: NDArray[Any]) -> NDArray[np.bool_]:
    """Frames whose pixels all have one value, or none."""
    sample = frames[:, :: max(1, frames.shape[1] // _SAMPLE_LOST)].astype(np.float32)
    finite = np.isfinite(sample)
    low = np.where(finite, sample, np.inf).min(1)
    high = np.where(finite, sample, -np.inf).max(1)
    return np.asarray(low >= high, np.bool_)


def _find_lost(frames: NDArray[Any], workers: Workers) -> NDArray[np.bool_]:
    """Find lost frames as ``find_lost`` does, on all threads."""
    parts = range(0, len(frames), _AT_ONCE)
    return np.concatenate(workers.map(lambda i: find_lost(frames[i : i + _AT_ONCE]), parts))


@dataclass(frozen=True, eq=False)
class _Pass:
    """Everything that the parts of pass 1 need to know."""

    source: FrameSource
    per_bin: int
    store: BinStore
    block_bytes: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame as it is stored."""
        return self.store.n_pixels * self.source.dtype.itemsize


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over the frames of one part, and its frames that are lost."""

    moments: NDArray[np.float64]
    peak: NDArray[np.float32]
    n_rough: int
    lost: NDArray[np.bool_]
    brightness: NDArray[np.float64]


def bin_movie(
    source: FrameSource,
    per_bin: int,
    store: BinStore,
    runner: PartRunner,
    *,
    block_bytes: int = 32 << 20,
    check: Callable[[], None] = lambda: None,
    on_share: Callable[[float], None] = lambda share: None,
) -> Binned:
    """Read the movie once and bin it.

    Parameters
    ----------
    source
        ``(T, [Z], Y, X)``.
    per_bin
        Frames per bin; the last ``T mod per_bin`` frames are in no bin.
    store
        Where the bin means go; those of lost frames are NaN.
    check, on_share
        May raise to stop; told the share of the frames that is done.

    Returns
    -------
    Binned
    """
    of = _Pass(source, per_bin, store, block_bytes)
    unit = frame_blocks(source.shape[0], of.frame_bytes, per_bin, block_bytes)[1]
    spans = list(pairwise(part_edges(source.shape[0], of.frame_bytes, unit)))
    moments, peak, n_rough = np.zeros((3, 0)), np.zeros(0, np.float32), 0
    lost: list[NDArray[np.bool_]] = []
    brightness: list[NDArray[np.float64]] = []
    # Parts are summed alone and then joined, also here: so the last digits are the same everywhere.
    for sums in runner.map(_bin_part, of, spans, check=check, on_share=on_share):
        if lost:
            moments += sums.moments
            np.fmax(peak, sums.peak, out=peak)
        else:
            moments, peak = sums.moments, sums.peak
        n_rough += sums.n_rough
        lost.append(sums.lost)
        brightness.append(sums.brightness)
    return _finish(
        moments, peak, np.concatenate(brightness), np.concatenate(lost), n_rough, per_bin
    )


def _bin_part(of: _Pass, span: tuple[int, int], place: Place) -> _Sums:
    """Bin the frames of one part."""
    n_pixels, n_bins, per_bin = of.store.n_pixels, of.store.n_bins, of.per_bin
    begin, end = span
    moments = np.zeros((3, n_pixels))
    peak = np.full(n_pixels, -np.inf, np.float32)
    lost = np.zeros(end - begin, np.bool_)
    brightness = np.zeros(max(0, min(end // per_bin, n_bins) - begin // per_bin))
    every = max(1, n_pixels // _SAMPLE_BRIGHTNESS)
    n_rough = 0
    edges = frame_blocks(end - begin, of.frame_bytes, per_bin, of.block_bytes)
    with Workers(place.n_threads, place.check) as workers:
        for start, frames in read_blocks(of.source, [begin + e for e in edges], workers):
            stop = start + len(frames)
            lost[start - begin : stop - begin] = _find_lost(frames, workers)
            good = (~lost[start - begin : stop - begin]).astype(np.uint8)
            n_rough += int((good[2:] & good[1:-1] & good[:-2]).sum())
            first, last = start // per_bin, min(stop // per_bin, n_bins)
            bins = of.store.block(first, last)

            def work(
                a: int,
                frames: NDArray[Any] = frames,
                good: NDArray[np.uint8] = good,
                bins: NDArray[np.float32] = bins,
            ) -> tuple[NDArray[np.float32], int]:
                b = min(a + _PIXELS, n_pixels)
                of_block = np.empty((3, b - a))
                _bin_block(frames, good, a, b, per_bin, bins, of_block, peak)
                moments[:, a:b] += of_block
                sample = bins[:, -(-a // every) * every : b : every]
                alive = sample[:, np.isfinite(sample).any(0)]
                return alive.sum(1), alive.shape[1]

            total, n_alive = zip(*workers.map(work, range(0, n_pixels, _PIXELS)), strict=True)
            mean = np.sum(total, axis=0, dtype=float) / max(1, sum(n_alive))
            brightness[first - begin // per_bin : last - begin // per_bin] = mean
            of.store.filled(first, last, workers)
            place.tell((stop - begin) / (end - begin))
    return _Sums(moments, peak, n_rough, lost, brightness)


def _finish(
    moments: NDArray[np.float64],
    peak: NDArray[np.float32],
    brightness: NDArray[np.float64],
    lost: NDArray[np.bool_],
    n_rough: int,
    per_bin: int,
) -> Binned:
    n_good = max(1, int((~lost).sum()))
    mean = moments[0] / n_good
    std = np.sqrt(np.maximum(moments[1] / n_good - mean**2, 0))
    sn = np.sqrt(moments[2] / (6 * max(1, n_rough)))
    dead = ~np.isfinite(mean) | ~np.isfinite(sn) | ~(sn > 0)
    sn[dead] = np.inf
    return Binned(
        mean=np.where(np.isfinite(mean), mean, 0).astype(np.float32),
        std=np.where(np.isfinite(std), std, 0).astype(np.float32),
        peak=np.where(np.isfinite(peak), peak, 0).astype(np.float32),
        sn=sn.astype(np.float32),
        frames_per_bin=per_bin,
        brightness=brightness,
        lost=lost,
    )


def repair_empty_bins(X: NDArray[np.float32], empty: NDArray[np.bool_]) -> None:
    """Repeat the full bin before an empty one (the first full one at the start), in place."""
    full = np.flatnonzero(~empty)
    for i in np.flatnonzero(empty):
        before = full[full < i]
        source = before[-1] if len(before) else (full[0] if len(full) else None)
        X[..., i] = 0 if source is None else X[..., source]
