"""Probability that two components are one cell, learned from the data set itself.

Two things tell whether components of two sessions that lie close are one cell: how far apart their
centres are, and how alike their forms are once both are centred. Where one cell is seen twice, the
distance is the error of alignment and of centres, and the forms are as alike as noise lets them be.
Two cells that lie close by chance are spread evenly, and alike in form as any two cells are. All
of these distributions, and how many cells are in both sessions, are estimated from the data set,
as Sheintuch et al. (2017) do with other distributions.

What two different cells look like need not be guessed: every pair farther apart than one cell can
be is such a pair, in thousands. It holds too where most cells of a session are missing or false.

References
----------
Sheintuch L. et al. (2017) Tracking the same neurons across multiple days in Ca2+ imaging data.
Cell Rep 21:1102-1115.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from napari_cnmf.core.matching.assign import Candidates, volume_of_ball

Float = NDArray[np.floating[Any]]

_TAIL = 5.0
"""Degrees of freedom of the distance of one cell to itself: alignment is worse in places."""
_USUAL_SPREAD = 1 / 4
"""Scale of that distance, as a share of the largest one, before a data set has said its own."""
_USUAL_LIKENESS = {"same": (0.7, 0.4), "different": (0.0, 0.4)}
"""Mean and standard deviation of the likeness, on simulated sessions."""
_USUAL_PAIRS = 5.0
"""So many pairs with the usual values are added: few pairs decide little."""
_LEAST_SPREAD_PX = 0.1
_RINGS = 6
"""Rings of equal area in which the closeness of different cells is counted."""
_MOST_CLOSENESS = 1.2
"""Two cells take up room: they hardly lie closer than evenly spread ones. Without this limit,
cells that are found beside their places could be explained as chance neighbours instead."""
_ROUNDS = 200
_SETTLED = 1e-3
"""Estimates have converged once the number of pairs changes by a smaller share than this."""
_LOG_ODDS = (-30.0, 15.0)
"""Smallest and largest; beyond them a probability is 0 or 1 to any purpose."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """Probabilities of the candidates of two sessions, and how many are one cell.

    Attributes
    ----------
    probabilities
        Probability of each candidate that it is one cell, ``(n,)``.
    alone
        Probability of each candidate that both of its components are in no pair, ``(n,)``.
    n_same
        Number of cells that are in both sessions.
    """

    probabilities: NDArray[np.float64]
    alone: NDArray[np.float64]
    n_same: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """How pairs of one cell, and pairs of two cells that lie close, are distributed.

    Attributes
    ----------
    spread_px
        Scale of the distance of one cell to itself, of Student's distribution, in pixels.
    same, different
        Mean and standard deviation of the likeness of one cell with itself, and of two cells.
    closeness
        How many components that are in no pair lie this close to each other, over how many would
        if they were spread evenly: one value for each ring of equal area up to ``reach_px``.
    reach_px
        Distance up to which components can be one cell, in pixels.
    """

    spread_px: float
    same: tuple[float, float]
    different: tuple[float, float]
    closeness: NDArray[np.float64]
    reach_px: float

    def estimate(self, pairs: Candidates) -> Estimate:
        """Estimate which candidates are one cell.

        How many cells are in both sessions is estimated from the candidates themselves. A component
        is one cell at most, so candidates compete.
        """
        n_same = 0.5 * min(pairs.n_rows, pairs.n_columns)
        for _ in range(_ROUNDS):
            before = n_same
            odds = self._odds(pairs, n_same)
            probabilities, alone = matching_marginals(pairs.rows, pairs.columns, odds)
            n_same = float(probabilities.sum())
            if abs(n_same - before) < _SETTLED * (1 + n_same):
                break
        return Estimate(probabilities, alone, n_same)

    def _odds(self, pairs: Candidates, n_same: float) -> NDArray[np.float64]:
        """Odds of each pair against both of its components being in no pair."""
        distance = _log_student(pairs.distances_px, self.spread_px, pairs.n_axes)
        close = self.closeness[_ring_of(pairs, self.reach_px)]
        log_odds = np.log(max(n_same, 0.5)) + distance
        log_odds -= np.log(_density_alone(pairs, n_same) * close)
        log_odds += _log_ratio(pairs.likeness, self.same, self.different)
        return np.asarray(np.exp(np.clip(log_odds, *_LOG_ODDS)))


def fit_calibration(sessions: Sequence[Candidates], reach_px: float) -> Calibration:
    """Fit the distributions to all candidates of a data set, by expectation maximisation.

    Parameters
    ----------
    sessions
        Candidates of each session and what was known before it.
    reach_px
        Distance up to which components can be one cell, in pixels.

    Returns
    -------
    Calibration
        Usual values for few candidates.
    """
    apart = np.concatenate([np.zeros(0), *(pairs.apart for pairs in sessions)])
    calibration = Calibration(
        spread_px=_USUAL_SPREAD * reach_px,
        same=_USUAL_LIKENESS["same"],
        different=_moments(apart, np.ones(apart.size), _USUAL_LIKENESS["different"]),
        closeness=np.ones(_RINGS),
        reach_px=reach_px,
    )
    n_same = 0.0
    for _ in range(_ROUNDS if sessions else 0):
        before = n_same
        found = [calibration.estimate(pairs) for pairs in sessions]
        calibration = _maximised(sessions, found, calibration)
        n_same = sum(estimate.n_same for estimate in found)
        if abs(n_same - before) < _SETTLED * (1 + n_same):
            break
    return calibration


def _maximised(
    sessions: Sequence[Candidates], found: Sequence[Estimate], before: Calibration
) -> Calibration:
    """Calibration that fits best where each pair is one cell with its probability."""
    weights = np.concatenate([estimate.probabilities for estimate in found])
    distances = np.concatenate([pairs.distances_px for pairs in sessions])
    likeness = np.concatenate([pairs.likeness for pairs in sessions])
    n_axes, reach = sessions[0].n_axes, before.reach_px
    # Student's distribution is a mixture of normal ones: far pairs count less for the scale
    trust = (_TAIL + n_axes) / (_TAIL + (distances / before.spread_px) ** 2)
    squares = weights @ (trust * distances**2)
    squares += _USUAL_PAIRS * n_axes * (_USUAL_SPREAD * reach) ** 2
    spread = np.sqrt(squares / (n_axes * (weights.sum() + _USUAL_PAIRS)))
    # one pair more in every ring, as if spread evenly, so that an empty one is not impossible
    seen, expected = np.ones(_RINGS), np.ones(_RINGS)
    for pairs, estimate in zip(sessions, found, strict=True):
        seen += np.bincount(_ring_of(pairs, reach), estimate.alone, minlength=_RINGS)
        expected += _density_alone(pairs, estimate.n_same) * volume_of_ball(reach, n_axes) / _RINGS
    return Calibration(
        spread_px=float(max(spread, _LEAST_SPREAD_PX)),
        same=_moments(likeness, weights, _USUAL_LIKENESS["same"]),
        different=before.different,
        closeness=np.minimum(seen / expected, _MOST_CLOSENESS),
        reach_px=reach,
    )


def matching_marginals(
    rows: NDArray[np.intp], columns: NDArray[np.intp], odds: Float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probability of each candidate pair, given that a component is in one pair at most.

    A set of pairs has the product of their odds as its weight. The sum over all sets is found by
    passing messages between rows and columns, which is exact where candidates form no circle.

    Parameters
    ----------
    rows, columns
        Component of either session of each candidate pair, ``(n,)``.
    odds
        Odds of each pair against both of its components being in no pair, ``(n,)``.

    Returns
    -------
    pairs
        Probability of each pair, ``(n,)``.
    alone
        Probability that both components of a pair are in no pair, ``(n,)``.

    References
    ----------
    Bayati M. et al. (2007) A simple message passing algorithm for matchings. ISIT 2007.
    """
    n_rows, n_columns = int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1
    # probability that a component is free for a pair, by all of its other pairs
    of_row, of_column = np.ones(rows.size), np.ones(rows.size)
    for _ in range(_ROUNDS):
        before = of_row
        of_row = 1 / (1 + _others(rows, odds * of_column, n_rows))
        of_column = 1 / (1 + _others(columns, odds * of_row, n_columns))
        if np.abs(of_row - before).max(initial=0) < 1e-9:
            break
    weight = odds * of_row * of_column
    return np.asarray(weight / (1 + weight)), np.asarray(of_row * of_column / (1 + weight))


def _others(
    groups: NDArray[np.intp], values: NDArray[np.float64], n_groups: int
) -> NDArray[np.float64]:
    """Sum of the values of each one's group without its own."""
    total = np.bincount(groups, values, minlength=n_groups)
    return np.maximum(total[groups] - values, 0)


def _density_alone(pairs: Candidates, n_same: float) -> float:
    """Pairs of two components that are in no pair at each displacement, per pixel."""
    of_rows, of_columns = (
        max(n - n_same, 1.0) / max(n, 1) for n in (pairs.n_rows, pairs.n_columns)
    )
    return pairs.density * of_rows * of_columns


def _ring_of(pairs: Candidates, reach_px: float) -> NDArray[np.intp]:
    """Ring in which each pair lies by its distance, ``(n,)``."""
    share = (pairs.distances_px / reach_px) ** pairs.n_axes
    return np.clip((share * _RINGS).astype(np.intp), 0, _RINGS - 1)


def _moments(x: Float, weight: Float, usual: tuple[float, float]) -> tuple[float, float]:
    total = weight.sum() + _USUAL_PAIRS
    mean = (weight @ x + _USUAL_PAIRS * usual[0]) / total
    spread = weight @ (x - mean) ** 2 + _USUAL_PAIRS * (usual[1] ** 2 + (usual[0] - mean) ** 2)
    return float(mean), float(np.sqrt(spread / total))


def _log_ratio(
    x: Float, same: tuple[float, float], different: tuple[float, float]
) -> NDArray[np.float64]:
    """Log ratio of two normal densities, held where it would turn: more alike is never less."""
    (mean_a, sd_a), (mean_b, sd_b) = same, different
    curvature = 1 / sd_a**2 - 1 / sd_b**2
    if abs(curvature) > 1e-9:
        turn = (mean_a / sd_a**2 - mean_b / sd_b**2) / curvature
        x = np.minimum(x, turn) if curvature > 0 else np.maximum(x, turn)
    ratio = ((x - mean_b) / sd_b) ** 2 - ((x - mean_a) / sd_a) ** 2
    return np.asarray(ratio / 2 + np.log(sd_b / sd_a))


def _log_student(distances: Float, scale: float, n_axes: int) -> NDArray[np.float64]:
    """Log density of a displacement of this length, per pixel of area or volume."""
    half = (_TAIL + n_axes) / 2
    constant = gammaln(half) - gammaln(_TAIL / 2) - n_axes / 2 * np.log(_TAIL * np.pi * scale**2)
    return np.asarray(constant - half * np.log1p((distances / scale) ** 2 / _TAIL))
