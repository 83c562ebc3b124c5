"""Prior of how much the field bends, from the evidence: a Gaussian process.

The score of a frame at the nodes, ``b ~ N(H c, s H)``, holds the displacements ``c`` seen through
the information matrix H. With a prior ``c ~ N(0, a^2 K)`` on smooth fields, everything becomes
independent in the modes of ``E^1/2 V' K V E^1/2`` (``H = V E V'``): a mode is a series of variance
``a^2 D`` and of some pace, in white noise of variance ``s``. Strength, length, pace and noise are
those of the highest marginal likelihood; where no series stands above the noise the strength is 0
and the movie stays rigid.

References
----------
Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, ch. 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.motion.field_time import PACES, Course

F64 = NDArray[np.float64]

MODES_THAT_TELL = 40
"""Of the strongest modes the course over time is looked at; the others count as white."""
LEAST_NOISE = 1.0
"""The model of the noise knows nothing of neurons: never believe it more than this."""
NOISES = tuple(float(s) for s in np.geomspace(LEAST_NOISE, 30, 24))
N_STRENGTHS = 25
MAX_SWEEPS = 12


@dataclass(frozen=True, eq=False)
class Modes:
    """Independent directions of the field for one length scale.

    Attributes
    ----------
    project
        ``(n_modes, n_coefficients)``: ``w = project @ b``.
    expand
        ``(n_coefficients, n_modes)``: ``c = expand @ x`` for signal parts ``x`` of the modes.
    gain
        ``(n_modes,)`` D, falling: variance of a mode per unit of prior variance.
    length_px
        Of the prior's squared exponential.
    """

    project: F64
    expand: F64
    gain: F64
    length_px: float


@dataclass(frozen=True, eq=False)
class Prior:
    """The prior that the evidence picked.

    Attributes
    ----------
    strength_px
        Standard deviation a of the displacement; 0 where nothing bends.
    noise
        s: variance of a mode's noise; 1 if the model of the noise is exact.
    pace_frames
        Of the modes' course.
    evidence
        Log-likelihood above that of no bending.
    place
        Of strength, length, noise and pace on their grids.
    """

    modes: Modes
    strength_px: float
    noise: float
    pace_frames: float
    evidence: float
    place: tuple[int, ...]

    def estimate(self, b: F64, course: Course) -> F64:
        """Posterior mean ``c (T, n_coefficients)`` of scores ``b`` of that shape."""
        modes = self.modes
        w = np.ascontiguousarray(modes.project @ b.T)
        x = course.smooth(w, self.strength_px**2 * modes.gain, self.noise, self.pace_frames)
        return np.asarray((modes.expand @ x).T)

    def error_px(self, course: Course) -> F64:
        """Standard error ``(T,)`` of the displacement along an axis, over the field."""
        modes, signal = self.modes, self.strength_px**2 * self.modes.gain
        left = course.variance(signal, self.noise, self.pace_frames)
        known = np.square(modes.expand).mean(axis=0) @ (signal[:, None] - left)
        return np.asarray(np.sqrt(np.maximum(self.strength_px**2 - known, 0.0)))


class Evidence:
    """Evidence of scores ``b (T, 2n)`` about the prior; ``H (2n, 2n)``, nodes ``(n, 2)`` px."""

    def __init__(self, H: F64, positions: F64, b: F64, course: Course) -> None:
        self._squares = ((positions[:, None] - positions[None]) ** 2).sum(axis=2)
        self._b, self._course = b, course
        E, V = np.linalg.eigh(H)
        good = max(float(E[-1]), 1e-30) * 1e-5 < E
        self._root, self._V = np.sqrt(E[good]), V[:, good]
        white = (b[~course.lost] @ self._V) / self._root
        self._n_values, self._power = white.size, float(np.vdot(white, white))
        self._by_length: dict[float, tuple[Modes, F64, F64]] = {}

    def modes(self, length_px: float) -> tuple[Modes, F64, F64]:
        """Modes, their course ``(n_modes, T)`` and its sum of squares."""
        if length_px not in self._by_length:
            K = np.kron(np.exp(-self._squares / (2 * length_px**2)), np.eye(2))
            half = self._V * self._root
            D, U = np.linalg.eigh(half.T @ K @ half)
            informative = np.flatnonzero(max(float(D[-1]), 1e-30) * 1e-6 < D)[::-1]
            D, U = D[informative], U[:, informative]
            project = (U.T / self._root) @ self._V.T
            w = np.ascontiguousarray(project @ self._b.T)
            squares = (w[:, ~self._course.lost] ** 2).sum(axis=1)
            self._by_length[length_px] = (
                Modes(project, K @ half @ U / D, D, length_px),
                w,
                squares,
            )
        return self._by_length[length_px]

    def value(self, strength_px: float, length_px: float, noise: float, pace: float) -> float:
        """Log-likelihood of the scores, constants left out."""
        modes, w, squares = self.modes(length_px)
        n_seen = int(np.count_nonzero(~self._course.lost))
        signal = strength_px**2 * modes.gain
        k = MODES_THAT_TELL
        value = self._course.log_likelihood(w[:k], signal[:k], noise, pace)
        variance = signal[k:] + noise
        value -= 0.5 * float(np.sum(n_seen * np.log(variance) + squares[k:] / variance))
        # what no smooth field explains is noise
        rest = self._n_values - n_seen * len(signal)
        left = self._power - float(squares.sum())
        return float(value - 0.5 * (rest * np.log(noise) + left / noise))

    def flat(self) -> float:
        """Log-likelihood without bending, the noise as it fits best."""
        noise = max(LEAST_NOISE, self._power / max(self._n_values, 1))
        return float(-0.5 * (self._n_values * np.log(noise) + self._power / noise))


def pick_prior(
    evidence: Evidence, lengths_px: F64, max_strength_px: float, start: Prior | None = None
) -> Prior:
    """Choose the likeliest prior, along each coordinate in turn from ``start``."""
    strengths = np.geomspace(0.01, max(max_strength_px, 0.02), N_STRENGTHS)
    grids = (strengths, lengths_px, np.array(NOISES), np.array(PACES))
    known: dict[tuple[int, ...], float] = {}

    def value(place: tuple[int, ...]) -> float:
        if place not in known:
            known[place] = evidence.value(*(float(g[i]) for g, i in zip(grids, place, strict=True)))
        return known[place]

    middle = (2 * N_STRENGTHS // 3, len(lengths_px) // 2, 1, len(PACES) // 2)
    best = middle if start is None else start.place
    for _ in range(MAX_SWEEPS):
        before = best
        for axis, grid in enumerate(grids):
            for step in (-1, 1):
                while 0 <= best[axis] + step < len(grid):
                    there = (*best[:axis], best[axis] + step, *best[axis + 1 :])
                    if value(there) <= value(best):
                        break
                    best = there
        if best == before:
            break
    strength, length, noise, pace = (float(g[i]) for g, i in zip(grids, best, strict=True))
    gained = value(best) - evidence.flat()
    if gained <= 0:
        strength = 0.0
    return Prior(evidence.modes(length)[0], strength, noise, pace, gained, best)
