"""Peak signal-to-noise of traces, by CaImAn's definition (Giovannucci et al. 2019, methods).

The noise of a trace is the spread below its mode. With z_t the trace in units of three
such standard deviations, the least probable run of N = ceil(frame rate x decay time) frames,

    L = min_t sum_{i < N} log Phi(-z_{t+i}),        SNR = -Phi^{-1}(exp(L / N)),

is the height that N frames of equal z would need to be as improbable.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri_exp

from napari_cnmf.core.base.threads import Workers

_VALUES = 200_000
"""Of the traces that a thread works on together: half a dozen copies of them are made."""
_SIGMAS = 3.0
_BASELINE_PERCENTILE = 8.0


def half_sample_mode(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mode of each row of sorted values ``(n, n_values)``: the densest half, again and again.

    Bickel and Fruehwirth 2006, Comput Stat Data Anal 50, 3500; of equals the first. As in CaImAn
    a half begins in the lower one, and of three values only the lower pair can be the denser.
    """
    while x.shape[1] > 3:
        half = (x.shape[1] + 1) // 2
        width = x[:, half - 1 : 2 * half - 1] - x[:, :half]
        x = np.take_along_axis(x, width.argmin(1)[:, None] + np.arange(half), axis=1)
    if x.shape[1] < 3:
        return np.asarray(x.mean(1))
    is_low = x[:, 1] - x[:, 0] < x[:, 2] - x[:, 1]
    return np.where(is_low, 0.5 * (x[:, 0] + x[:, 1]), x[:, 1])


@lru_cache(maxsize=4)
def cubic_zoom_matrix(n: int, factor: int) -> NDArray[np.float64]:
    """Matrix of cubic B-spline interpolation of ``n`` points to ``n factor``, ends on ends.

    Returns
    -------
    zoom
        ``(n factor, n)``: what ``scipy.ndimage.zoom`` of order 3 does along one axis.
    """
    if n == 1:
        return np.ones((factor, 1))
    spline = np.zeros((n, n))
    for i in range(n):
        spline[i, i] += 4 / 6
        for j in (i - 1, i + 1):
            spline[i, _mirror(j, n)] += 1 / 6
    at = np.linspace(0, n - 1, n * factor)
    weights = np.zeros((n * factor, n))
    for row, x in enumerate(at):
        i = min(int(x), n - 1)
        u = x - i
        basis = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3)
        for j, value in zip(range(i - 1, i + 3), basis, strict=True):
            weights[row, _mirror(j, n)] += value / 6
    return np.asarray(weights @ np.linalg.inv(spline))


def _mirror(i: int, n: int) -> int:
    """Reflect an index about the first and the last point."""
    if n == 1:
        return 0
    period = 2 * (n - 1)
    i %= period
    return i if i < n else period - i


def remove_slow_baseline(traces: NDArray[np.floating]) -> NDArray[np.float64]:
    """Subtract a spline through the 8th percentiles of windows from traces ``(n, n_frames)``.

    Windows have ``min(n_frames // 5, 800)`` frames.
    """
    n_frames = traces.shape[1]
    # As in CaImAn, this is the number of samples of a window and of the windows' shape.
    window = max(1, min(n_frames // 5, 800))
    missing = -n_frames % window
    before = missing // 2
    y = np.pad(np.asarray(traces, np.float64), ((0, 0), (before, missing - before)), mode="reflect")
    n_windows = y.shape[1] // window
    low = np.percentile(y.reshape(len(y), n_windows, window), _BASELINE_PERCENTILE, axis=2)
    low = low.astype(np.float32).astype(np.float64)
    baseline = low @ cubic_zoom_matrix(n_windows, window).T
    return np.asarray((y - baseline)[:, before : before + n_frames])


def noise_of_lower_side(
    traces: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mode of each trace and root mean square of what lies below it, each ``(n,)``."""
    ordered = np.sort(traces, axis=1)
    mode = half_sample_mode(ordered)
    below = np.minimum(traces - mode[:, None], 0)
    count = np.maximum((below < 0).sum(1), 1)
    return mode, np.sqrt((below**2).sum(1) / count)


def least_log_tails(z: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Least sum of ``log Phi(-z)`` over ``n`` successive values of each row of ``z``.

    As in CaImAn, the first n - 1 windows begin before the row does. NaN for a row with NaN.
    """
    logs = np.pad(log_ndtr(-z), ((0, 0), (n - 1, 0)))
    return np.asarray(sliding_window_view(logs, n, axis=1).sum(-1).min(1))


def trace_snr(
    traces: NDArray[np.floating],
    frame_rate_hz: float,
    decay_time_s: float,
    workers: Workers,
    *,
    rest: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """SNR of raw traces.

    Parameters
    ----------
    traces
        ``C + YrA``, ``(n_components, n_frames)``; or ``C``, with ``YrA`` as ``rest``.
    frame_rate_hz, decay_time_s
        Give the number of frames a transient must stand out for.

    Returns
    -------
    snr
        ``(n_components,)``; 0 for a constant trace.
    """
    n_samples = max(1, math.ceil(frame_rate_hz * decay_time_s))
    out = np.zeros(len(traces))

    def work(start: int, stop: int) -> None:
        part = traces[start:stop]
        y = remove_slow_baseline(part if rest is None else part + rest[start:stop])
        mode, sigma = noise_of_lower_side(y)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (y - mode[:, None]) / (_SIGMAS * sigma[:, None])
        out[start:stop] = -ndtri_exp(least_log_tails(z, n_samples) / n_samples)

    workers.ranges(work, len(traces), max(1, min(32, _VALUES // max(1, traces.shape[1]))))
    return np.nan_to_num(out, nan=0.0)
