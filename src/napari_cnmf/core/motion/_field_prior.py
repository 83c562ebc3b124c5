"""How much the field bends, from the evidence: a Gaussian process over nodes and time.

The score of a frame at the nodes, ``b ~ N(H c, s H)``, holds the displacements ``c`` seen through
the information matrix H. With a prior ``c ~ N(0, a^2 K)`` on smooth fields, everything becomes
independent in the modes of ``E^1/2 V' K V E^1/2`` (``H = V E V'``): a mode has variance
``s + a^2 D``. Strength, length and noise are those of the highest marginal likelihood; where no
mode stands above the noise the strength is 0 and the movie stays rigid.

References
----------
Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, ch. 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

ALMOST_AS_LIKELY = 0.85
LEAST_NOISE = 1.2
"""The model of the noise knows nothing of neurons: never believe it more than this."""


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
        ``(n_modes,)`` D: variance of a mode per unit of prior variance.
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
    evidence
        Log-likelihood per frame above that of no bending.
    """

    modes: Modes
    strength_px: float
    noise: float
    evidence: float

    @property
    def shrinkage(self) -> F64:
        """Share of a mode that is signal."""
        signal = self.strength_px**2 * self.modes.gain
        return np.asarray(signal / (signal + self.noise))

    @cached_property
    def posterior(self) -> F64:
        """``(n_coefficients, n_coefficients)``: ``c = posterior @ b``, the posterior mean."""
        modes = self.modes
        return np.ascontiguousarray((modes.expand * self.shrinkage) @ modes.project)

    def estimate(self, b: F64) -> F64:
        """Posterior mean ``c (n, n_coefficients)`` of scores ``b`` of that shape."""
        w = b @ self.modes.project.T
        return np.asarray((w * self.shrinkage) @ self.modes.expand.T)


def find_modes(H: F64, positions: F64, length_px: float) -> Modes:
    """Modes for information ``H (2n, 2n)`` of nodes at ``positions (n, 2)`` px, y before x."""
    apart = ((positions[:, None] - positions[None]) ** 2).sum(axis=2)
    K = np.kron(np.exp(-apart / (2 * length_px**2)), np.eye(2))
    E, V = np.linalg.eigh(H)
    good = max(float(E[-1]), 1e-30) * 1e-5 < E
    root = np.sqrt(E[good])
    half = V[:, good] * root
    D, U = np.linalg.eigh(half.T @ K @ half)
    informative = max(float(D[-1]), 1e-30) * 1e-6 < D
    D, U = D[informative], U[:, informative]
    project = (U.T / root) @ V[:, good].T
    expand = K @ half @ U / D
    return Modes(project, expand, D, length_px)


def pick_prior(H: F64, positions: F64, b: F64, lengths_px: F64, max_strength_px: float) -> Prior:
    """Length, strength and noise that make the scores ``b (n_frames, 2 n_nodes)`` likely.

    Of the lengths that are about as likely as the best one the longest is taken: neurons that
    fire disturb their surroundings only, and pull the evidence towards short lengths.
    """
    priors = []
    for length in lengths_px:
        modes = find_modes(H, positions, float(length))
        power = np.mean((b @ modes.project.T) ** 2, axis=0)
        priors.append(Prior(modes, *_best_strength(power, modes.gain, max_strength_px)))
    enough = ALMOST_AS_LIKELY * max(p.evidence for p in priors)
    return max((p for p in priors if p.evidence >= enough), key=lambda p: p.modes.length_px)


def _best_strength(power: F64, gain: F64, max_strength_px: float) -> tuple[float, float, float]:
    """Strength and noise by likelihood, on a grid then refined; the gain over strength 0."""

    strengths = np.geomspace(0.01, max(max_strength_px, 0.02), 25)
    noises = np.geomspace(LEAST_NOISE, 30, 33)
    variance = noises[:, None] + (np.append(0.0, strengths) ** 2)[:, None, None] * gain
    values = -0.5 * np.sum(np.log(variance) + power / variance, axis=2)
    flat = float(values[0].max())
    i, j = np.unravel_index(int(np.argmax(values)), values.shape)
    strength = 0.0 if i == 0 else float(strengths[i - 1])
    return strength, float(noises[j]), float(values[i, j]) - flat
