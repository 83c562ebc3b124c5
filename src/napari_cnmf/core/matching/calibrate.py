"""Probability that two components are one cell, learned from the data set itself.

Pairs of neighbours are of two kinds: the same cell on two days, and two cells that lie close. How
their scores are distributed differs between data sets (density of cells, noise of footprints,
quality of the alignment), so both distributions and their shares are fitted to all pairs of
neighbours of a data set, as Sheintuch et al. (2017) do with other distributions.

References
----------
Sheintuch L. et al. (2017) Tracking the same neurons across multiple days in Ca2+ imaging data.
Cell Rep 21:1102-1115.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

Float = NDArray[np.floating[Any]]

_EDGE = 0.005
"""Scores of exactly 0 and 1 have no density."""
_USUAL = ((0.78, 0.13), (0.22, 0.17))
"""Mean and sd of scores of the same cell and of neighbours, on simulated sessions."""
_USUAL_PAIRS = 10.0
"""So many pairs of each kind are added with the usual scores: few pairs decide little."""
_ROUNDS = 100


@dataclass(frozen=True)
class Calibration:
    """Mixture of two beta distributions of scores.

    Attributes
    ----------
    share
        Share of the pairs of neighbours that are the same cell.
    same, different
        Parameters ``(a, b)`` of the two distributions.
    """

    share: float
    same: tuple[float, float]
    different: tuple[float, float]

    def odds(self, scores: Float) -> NDArray[np.float64]:
        """Odds that a pair with this score is the same cell; they never fall with the score."""
        grid = np.linspace(_EDGE, 1 - _EDGE, 200)
        logs = self._log_odds(grid)
        # the mixture may turn up at its lower end, where there is nothing to fit it to
        lowest = int(logs[: len(logs) // 2].argmin())
        logs[:lowest] = logs[lowest]
        rising = np.maximum.accumulate(logs)
        return np.asarray(np.exp(np.clip(np.interp(scores, grid, rising), -30, 30)))

    def _log_odds(self, scores: Float) -> NDArray[np.float64]:
        ratio = np.log(self.share) - np.log1p(-self.share)
        ratio = ratio + _log_beta(scores, self.same) - _log_beta(scores, self.different)
        return np.asarray(ratio)


def fit_calibration(scores: Float, known_different: Float) -> Calibration:
    """Fit both distributions to the scores of all pairs of neighbours.

    Parameters
    ----------
    scores
        Score of each pair of neighbours of different sessions ``(n,)``, 0 to 1.
    known_different
        Score of each pair of neighbours within one session ``(m,)``, which are two cells.

    Returns
    -------
    Calibration
        By expectation maximisation, with the moments of each kind in the place of its likelihood.
    """
    x, apart = (
        np.clip(np.asarray(values, np.float64).ravel(), _EDGE, 1 - _EDGE)
        for values in (scores, known_different)
    )
    different = _moments(apart, np.ones(apart.size), _USUAL[1])
    calibration = Calibration(0.5, _beta_of(*_USUAL[0]), different)
    for _ in range(_ROUNDS):
        odds = np.exp(np.clip(calibration._log_odds(x), -30, 30))
        weight = odds / (1 + odds)
        share = (weight.sum() + _USUAL_PAIRS) / (x.size + 2 * _USUAL_PAIRS)
        updated = Calibration(float(share), _moments(x, weight, _USUAL[0]), different)
        if abs(updated.share - calibration.share) < 1e-6:
            return updated
        calibration = updated
    return calibration


def competing_probabilities(
    rows: NDArray[np.intp], columns: NDArray[np.intp], odds: Float
) -> NDArray[np.float64]:
    """Probability of each candidate pair, given that a component is at most one cell.

    Parameters
    ----------
    rows, columns
        Component of either session of each candidate pair, ``(n,)``.
    odds
        Odds of each pair by itself, ``(n,)``.

    Returns
    -------
    ndarray
        ``odds / (1 + the odds of all candidates of either component)``.
    """
    of_row, of_column = np.zeros(rows.max(initial=-1) + 1), np.zeros(columns.max(initial=-1) + 1)
    np.add.at(of_row, rows, odds)
    np.add.at(of_column, columns, odds)
    return np.asarray(odds / (1 + of_row[rows] + of_column[columns] - odds))


def _moments(x: Float, weight: Float, usual: tuple[float, float]) -> tuple[float, float]:
    total = weight.sum() + _USUAL_PAIRS
    mean = (weight @ x + _USUAL_PAIRS * usual[0]) / total
    spread = weight @ (x - mean) ** 2 + _USUAL_PAIRS * (usual[1] ** 2 + (usual[0] - mean) ** 2)
    return _beta_of(float(mean), float(np.sqrt(spread / total)))


def _beta_of(mean: float, sd: float) -> tuple[float, float]:
    size = max(mean * (1 - mean) / max(sd, 1e-3) ** 2 - 1, 0.5)
    return mean * size, (1 - mean) * size


def _log_beta(x: Float, parameters: tuple[float, float]) -> NDArray[np.float64]:
    a, b = parameters
    return np.asarray((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - betaln(a, b))
