"""The probability of each kind of component, from its evidence: boosted trees, in numpy.

`benchmarks/train_cell_model.py` grows them on simulated recordings in which every property is
drawn, and stores them as plain arrays. A figure that is missing goes the way that training gave it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.verdict.evidence import FIGURES
from napari_cnmf.errors import ResultError

_STORED = "cell_model.npz"
_AT_ONCE = 256
_SUREST = 1 - 1e-9
WANTED = {"graph_nmf": ("soma", "process", "punctum")}
"""Kinds that count as cells with a way to begin; with any other somata alone."""


@dataclass(frozen=True, eq=False)
class CellModel:
    """Trees of one depth, each as a heap: the children of node ``i`` are ``2 i + 1`` and ``+ 2``.

    Attributes
    ----------
    figure, threshold, missing_left
        Of each inner node ``(n_trees, 2^depth - 1)``: which figure is compared, the largest value
        that goes left, and whether a missing one goes left.
    leaf
        ``(n_trees, 2^depth)``: what is added to the logit.
    kind
        Which kind each tree speaks of ``(n_trees,)``.
    start
        Logit of each kind before any tree ``(n_kinds,)``.
    kinds
        Names of the kinds ``(n_kinds,)``.
    sharpness
        What the logit of a soma is multiplied by, so that probabilities are frequencies.
    typical
        Median of each figure over somata ``(n_figures,)``: what a group is set to where the
        probability without its evidence is asked for.
    """

    figure: NDArray[np.int64]
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    leaf: NDArray[np.float32]
    kind: NDArray[np.int64]
    start: NDArray[np.float64]
    kinds: tuple[str, ...]
    sharpness: float
    typical: NDArray[np.float32]

    def logits(self, figures: NDArray[np.floating]) -> NDArray[np.float64]:
        """Score of each kind before the logistic ``(n, n_kinds)``; ``figures (n, n_figures)``."""
        parts = [self._some(figures[i : i + _AT_ONCE]) for i in range(0, len(figures), _AT_ONCE)]
        return np.concatenate([*parts, np.zeros((0, len(self.start)))])

    def _some(self, figures: NDArray[np.floating]) -> NDArray[np.float64]:
        n, n_figures = figures.shape
        first = np.arange(len(self.leaf)) * self.figure.shape[1]
        # A missing figure is looked up where it compares as the tree sends it: nothing is larger
        # than -inf, and NaN is not smaller than anything.
        table = np.concatenate([figures, np.where(np.isnan(figures), -np.inf, figures)], axis=1)
        row = (np.arange(n) * table.shape[1])[:, None]
        column = (self.figure + n_figures * self.missing_left).ravel()
        table, threshold = table.ravel(), self.threshold.ravel()
        node = np.zeros((n, len(first)), np.int64)
        for _ in range(int(np.log2(self.leaf.shape[1]))):
            at = first + node
            node = 2 * node + 2 - (table[row + column[at]] <= threshold[at])
        said = self.leaf[np.arange(len(self.leaf)), node - self.figure.shape[1]]
        of_kind = (self.kind[:, None] == np.arange(len(self.start))).astype(np.float64)
        return np.asarray(said @ of_kind + self.start)

    def only(self, trees: NDArray[np.bool_]) -> CellModel:
        """Some of the trees alone."""
        parts = {n: getattr(self, n)[trees] for n in ("figure", "threshold", "missing_left")}
        return replace(self, leaf=self.leaf[trees], kind=self.kind[trees], **parts)

    def probabilities(self, figures: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probability of each kind ``(n, n_kinds)``; rows sum to 1.

        The first kind is a soma or not; the others share what is left.
        """
        logits = self.logits(figures)
        soma = 1 / (1 + np.exp(-np.clip(self.sharpness * logits[:, :1], -30, 30)))
        others = logits[:, 1:]
        odds = np.exp(others - others.max(1, initial=-np.inf, keepdims=True))
        return np.concatenate([soma, (1 - soma) * odds / odds.sum(1, keepdims=True)], axis=1)


def read_model(path: Traversable) -> CellModel:
    """A model from the plain arrays that `benchmarks/train_cell_model.py` wrote.

    Raises
    ------
    ResultError
        It was trained on other figures than those that are measured.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        if tuple(stored["figures"].tolist()) != FIGURES:
            raise ResultError(
                f"{path.name} must know the figures that the verdict measures, got others. Train "
                "it again: python benchmarks/train_cell_model.py."
            )
        return CellModel(
            stored["figure"].astype(np.int64),
            stored["threshold"].astype(np.float32),
            stored["missing_left"].astype(np.bool_),
            stored["leaf"].astype(np.float32),
            stored["kind"].astype(np.int64),
            stored["start"].astype(np.float64),
            tuple(stored["kinds"].tolist()),
            float(stored["sharpness"]),
            stored["typical"].astype(np.float32),
        )


@cache
def shipped_model() -> CellModel:
    """The model that comes with the package."""
    return read_model(files("napari_cnmf.core.verdict").joinpath(_STORED))


def soma_logit(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logarithm of the odds, finite for 0 and 1."""
    p = np.clip(np.asarray(probability, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)))


def wanted_probability(of_kind: NDArray[np.float64], method_init: str) -> NDArray[np.float64]:
    """Probability of being what is looked for ``(n,)``; ``of_kind (n, n_kinds)``.

    Processes and boutons are cells where they are what is looked for.
    """
    kinds = shipped_model().kinds
    wanted = WANTED.get(method_init, ("soma",))
    p = of_kind[:, [kinds.index(kind) for kind in wanted]].sum(1)
    # Nothing is certain: a threshold of 1 is for nobody to reach.
    return np.asarray(np.minimum(p, _SUREST), np.float64)
