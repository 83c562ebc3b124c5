"""Spatial correlation of footprints with the movie, by CaImAn's definition.

For each component, the mean frame around its ten highest peaks, less the frames in which
overlapping components peak, is correlated with its footprint over the footprint's pixels.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core._jit import kernel_for_frames
from napari_cnmf.core._threads import Workers
from napari_cnmf.core.binning import frame_blocks, read_blocks
from napari_cnmf.core.source import FrameSource

N_PEAKS = 10
_HEIGHT = 0.3
_OVERLAP = 0.1


def find_peaks(c: NDArray[np.floating], height: float = _HEIGHT) -> NDArray[np.int64]:
    """Local maxima above ``height`` of the range of ``c (n_frames,)``; a plateau's middle."""
    # Runs of equal values count as one point, their middle.
    starts = np.flatnonzero(np.append(True, c[1:] != c[:-1]))
    if len(starts) < 3:
        return np.zeros(0, np.int64)
    value = c[starts]
    length = np.diff(starts, append=len(c))
    level = height * (value.max() - value.min()) + value.min()
    top = (value[1:-1] > value[:-2]) & (value[1:-1] > value[2:]) & (value[1:-1] > level)
    runs = np.flatnonzero(top) + 1
    return np.asarray(starts[runs] + (length[runs] - 1) // 2, np.int64)


def activity_frames(
    C: NDArray[np.floating], before: int, after: int, workers: Workers
) -> list[NDArray[np.int64]]:
    """Frames from ``before`` to ``after`` (exclusive) around the highest peaks of each trace."""

    def frames_of(c: NDArray[np.floating]) -> NDArray[np.int64]:
        peaks = find_peaks(c)
        best = peaks[np.argsort(c[peaks], kind="stable")[::-1][:N_PEAKS]]
        return np.unique(np.clip(best[:, None] + np.arange(before, after), 0, len(c) - 1))

    return workers.map(frames_of, C)


def own_frames(
    A: sp.csc_matrix, active: list[NDArray[np.int64]], workers: Workers
) -> list[NDArray[np.int64]]:
    """Active frames of each component less those of components overlapping it by > 0.1."""
    norm = np.sqrt(np.asarray(A.multiply(A).sum(0))).ravel()
    unit = A @ sp.diags(1 / np.maximum(norm, 1e-30))
    overlap = (unit.T @ unit).tocsr()

    def own(k: int) -> NDArray[np.int64]:
        row = slice(overlap.indptr[k], overlap.indptr[k + 1])
        others = overlap.indices[row][overlap.data[row] > _OVERLAP]
        taken = [active[j] for j in others if j != k]
        left = np.setdiff1d(active[k], np.concatenate(taken)) if taken else active[k]
        return left if len(left) else active[k]

    return workers.map(own, range(len(active)))


_SIGNATURE = (
    "void({0}[:, ::1], int32[::1], int32[::1], int64[::1], int64[::1], float64[::1], int64, int64)"
)


@kernel_for_frames(_SIGNATURE)
def _add_frames(
    frames: NDArray[Any],
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    first: NDArray[np.int64],
    which: NDArray[np.int64],
    sums: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Add ``frames[which[first[k]:first[k + 1]]]`` at the pixels of component k."""
    for k in range(start, stop):
        for n in range(first[k], first[k + 1]):
            frame = frames[which[n]]
            for i in range(indptr[k], indptr[k + 1]):
                sums[i] += frame[indices[i]]


def spatial_correlation(
    source: FrameSource,
    A: sp.csc_matrix,
    C: NDArray[np.floating],
    frame_rate_hz: float,
    workers: Workers,
    *,
    block_bytes: int = 64 << 20,
    on_block: Callable[[int], None] = lambda done: None,
) -> NDArray[np.float64]:
    """``r`` of each component ``(n_components,)``; 0 where it never peaks.

    Parameters
    ----------
    source
        The movie, read once more.
    A
        Footprints ``(n_pixels, n_components)``, pixels in C order.
    C
        Denoised traces ``(n_components, n_frames)``.
    """
    A = A.tocsc()
    A.sort_indices()
    before = int(min(-2, math.floor(-5 / 30 * frame_rate_hz)))
    after = int(max(5, math.ceil(25 / 30 * frame_rate_hz)))
    frames_of = own_frames(A, activity_frames(C, before, after, workers), workers)
    sums = np.zeros(A.nnz)
    indptr, indices = A.indptr.astype(np.int32), A.indices.astype(np.int32)
    n_pixels = A.shape[0]
    edges = frame_blocks(source.shape[0], n_pixels * source.dtype.itemsize, 1, block_bytes)
    # One list of all frames, ordered by component, then by frame.
    owner = np.repeat(np.arange(len(frames_of)), [len(f) for f in frames_of])
    wanted = np.concatenate([*frames_of, np.zeros(0, np.int64)]).astype(np.int64)
    for start, frames in read_blocks(source, edges, workers):
        stop = start + len(frames)
        inside = (wanted >= start) & (wanted < stop)
        first = np.searchsorted(owner[inside], np.arange(len(frames_of) + 1)).astype(np.int64)
        which = wanted[inside] - start

        def work(
            a: int,
            b: int,
            frames: NDArray[Any] = frames,
            first: NDArray[np.int64] = first,
            which: NDArray[np.int64] = which,
        ) -> None:
            _add_frames(frames, indptr, indices, first, which, sums, a, b)

        workers.ranges(work, len(C), 64)
        on_block(stop)

    def correlate(k: int) -> float:
        part = slice(A.indptr[k], A.indptr[k + 1])
        positive = A.data[part] > 0
        if not len(frames_of[k]) or positive.sum() < 3:
            return 0.0
        mean = sums[part][positive] / len(frames_of[k])
        return _pearson(mean, A.data[part][positive].astype(np.float64))

    return np.array(workers.map(correlate, range(len(C))), np.float64)


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Correlation of two vectors, NaN where one is constant or not finite."""
    x, y = x - x.mean(), y - y.mean()
    norm = math.sqrt(float(x @ x) * float(y @ y)) if np.isfinite(x).all() else 0.0
    return float(x @ y) / norm if norm > 0 else float("nan")
