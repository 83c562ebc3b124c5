"""Whitening: after it every pixel and bin has noise of variance one.

``R = (X - mean) sqrt(b) / sn``: plain least squares on R is then weighted least
squares on the movie, and a pixel that carries nothing is a row of zeros.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel
from napari_cnmf.core.base.threads import Workers

_ROWS = 256
"""Pixels at a time: they stay in the cache between the passes over them."""
BLEACHING = 0.2
"""Share of brightness lost (or gained) from which on the movie is detrended."""


@kernel("void(float32[:, ::1], float32[::1], int64, int64)")
def _whiten_rows(X: NDArray[np.float32], scale: NDArray[np.float32], start: int, stop: int) -> None:
    """Scale rows ``start`` to ``stop`` without their mean; zeros where the scale is 0."""
    n_bins = X.shape[1]
    for i in range(start, stop):
        x, factor = X[i], scale[i]
        total = np.float32(0.0)
        for t in range(n_bins):
            total += x[t]
        mean = total / np.float32(n_bins)
        if factor == 0.0:
            x[:] = 0.0
        else:
            for t in range(n_bins):
                x[t] = (x[t] - mean) * factor


def whiten(
    X: NDArray[np.float32],
    sn: NDArray[np.float32],
    frames_per_bin: int,
    trend: NDArray[np.float32],
    workers: Workers,
) -> None:
    """Turn bin means ``X (n_pixels, n_bins)`` into the whitened residual, in place.

    Parameters
    ----------
    sn
        Noise of one frame ``(n_pixels,)``; infinite where a pixel carries nothing: it gets zeros.
    trend
        Orthonormal time courses without mean to take out of every pixel, ``(n, n_bins)``; n may
        be 0.
    """
    scale = (np.sqrt(frames_per_bin) / sn).astype(np.float32)

    def work(start: int, stop: int) -> None:
        if len(trend):
            rows = X[start:stop]
            rows -= (rows @ trend.T) @ trend
        _whiten_rows(X, scale, start, stop)

    workers.ranges(work, len(X), _ROWS)


def leave_out(X: NDArray[np.float32], rows: NDArray[np.bool_], workers: Workers) -> None:
    """Set some rows ``(n_pixels,)`` of the whitened residual to zero, in place."""
    if rows.any():
        which = np.flatnonzero(rows)
        workers.ranges(lambda a, b: X.__setitem__(which[a:b], 0), len(which), _ROWS)


def find_trend(mean_trace: NDArray[np.floating], offset: float = 0.0) -> NDArray[np.float32]:
    """Find time courses of bleaching, if the movie bleaches.

    Parameters
    ----------
    mean_trace
        Mean of the field in each bin ``(n_bins,)``.
    offset
        Brightness that carries no fluorescence (the camera's), units of the movie.

    Returns
    -------
    trend
        Orthonormal polynomials without constant, ``(3, n_bins)``; ``(0, n_bins)`` when the
        brightness changes by less than ``BLEACHING`` from the first to the last tenth.
    """
    n = len(mean_trace)
    tenth = max(1, n // 10)
    first = float(np.median(mean_trace[:tenth])) - offset
    last = float(np.median(mean_trace[-tenth:])) - offset
    if n < 50 or abs(first - last) < BLEACHING * max(abs(first), 1e-12):
        return np.zeros((0, n), np.float32)
    t = np.linspace(-1, 1, n)
    q, _ = np.linalg.qr(np.stack([t**k for k in range(4)], axis=1))
    return np.ascontiguousarray(q[:, 1:].T, dtype=np.float32)
