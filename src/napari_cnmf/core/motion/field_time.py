"""Model of how the modes of the field change over time: stationary processes of one pace.

References
----------
Hartikainen & Sarkka, Kalman filtering for Gaussian process regression, MLSP 2010.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.motion.state_space import smooth_series

F64 = NDArray[np.float64]

PACES = (0.2, 1.0, 1.5, 2.5, 4.0, 6.0, 9.0, 14.0, 22.0, 40.0, 80.0)
"""Frames; with the first, each frame stands for itself."""


@dataclass(frozen=True, eq=False)
class Course:
    """Course of time: which scores belong to consecutive frames.

    Attributes
    ----------
    runs
        Slices of the scores; each is a series of its own.
    lost
        ``(T,)`` bool: frames whose scores say nothing.
    """

    runs: tuple[slice, ...]
    lost: NDArray[np.bool_]

    def smooth(self, w: F64, signal: F64, noise: float, pace: float) -> F64:
        """Signal part ``(n_modes, T)`` of the modes ``w``, whose variance is ``signal``."""
        out = np.empty_like(w)
        self._each(w, signal, noise, pace, out)
        return out

    def variance(self, signal: F64, noise: float, pace: float) -> F64:
        """Variance ``(n_modes, T)`` of what `smooth` gives."""
        out = np.empty((len(signal), len(self.lost)))
        self._each(np.zeros_like(out), signal, noise, pace, np.empty_like(out), out_variance=out)
        return out

    def log_likelihood(self, w: F64, signal: F64, noise: float, pace: float) -> float:
        """Log-likelihood of modes ``w (n_modes, T)``, constants left out."""
        return self._each(w, signal, noise, pace, None)

    def _each(
        self,
        w: F64,
        signal: F64,
        noise: float,
        pace: float,
        out: F64 | None,
        *,
        out_variance: F64 | None = None,
    ) -> float:
        """Run the filter of a Matern 3/2 process over each mode and each run of frames."""
        r = np.where(self.lost, np.inf, noise)
        rate = np.sqrt(3) / pace
        F = np.exp(-rate) * np.array([[1 + rate, 1.0], [-(rate**2), 1 - rate]])
        total = 0.0
        nothing = np.empty(0)
        for m, variance in enumerate(signal):
            P = float(variance) * np.diag([1.0, rate**2])
            Q = P - F @ P @ F.T
            for run in self.runs:
                into = nothing if out is None else out[m, run]
                spread = np.empty_like(into) if out_variance is None else out_variance[m, run]
                total += smooth_series(w[m, run], r[run], F, Q, P, 0, out is not None, into, spread)
        return total
