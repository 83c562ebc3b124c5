"""How the modes of the field change over time: a stationary process of the evidence's pace."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.motion._field_prior import Prior
from napari_cnmf.core.motion._state_space import smooth_series

F64 = NDArray[np.float64]

PACES = (1.0, 1.5, 2.5, 4.0, 6.0, 9.0, 14.0, 22.0, 40.0, 80.0)
MODES_THAT_TELL = 24


def smooth_modes(prior: Prior, b: F64, lost: NDArray[np.bool_]) -> tuple[F64, float]:
    """Displacements ``c (T, n_coefficients)`` from scores ``b``, smoothed over time.

    Each mode is a Matern 3/2 process; one pace in frames for all of them, or none where white
    noise is the likelier course. Returns the pace too, 0 for none.

    References
    ----------
    Hartikainen & Sarkka, Kalman filtering for Gaussian process regression, MLSP 2010.
    """
    w = np.ascontiguousarray((b @ prior.modes.project.T).T)
    signal = prior.strength_px**2 * prior.modes.gain
    r = np.where(lost, np.inf, prior.noise)
    telling = np.argsort(-signal)[:MODES_THAT_TELL]
    seen = ~lost
    variance = signal[telling, None] + prior.noise
    white = -0.5 * float(np.sum(np.log(variance) + w[telling][:, seen] ** 2 / variance))
    best_pace, best = 0.0, white
    for pace in PACES:
        value = sum(_smooth(w[m], r, float(signal[m]), pace, None) for m in telling)
        if value > best:
            best_pace, best = pace, value
    x = np.empty_like(w)
    if best_pace == 0.0:
        x = w * prior.shrinkage[:, None]
        x[:, lost] = 0.0
    else:
        for m in range(w.shape[0]):
            _smooth(w[m], r, float(signal[m]), best_pace, x[m])
    return np.asarray((prior.modes.expand @ x).T), best_pace


def _smooth(z: F64, r: F64, variance: float, pace: float, out: F64 | None) -> float:
    """Log-likelihood of one mode, and its course."""
    rate = np.sqrt(3) / pace
    F = np.exp(-rate) * np.array([[1 + rate, 1.0], [-(rate**2), 1 - rate]])
    P = variance * np.diag([1.0, rate**2])
    Q = P - F @ P @ F.T
    into = out if out is not None else np.empty(0)
    return float(smooth_series(z, r, F, Q, P, 0, out is not None, into, np.empty_like(into)))
