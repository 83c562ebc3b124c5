"""A correction of the verdict that is learnt from a user's decisions.

Whoever curated a few dozen components has said what a cell is to them. A logistic regression on the
shipped probability and a dozen of the figures it was made from, pulled towards the shipped verdict
the more, the fewer decisions there are, says what they would have decided; leaving decisions out
says how often it is right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._checks import check_path
from napari_cnmf._overwriting import ExportKind, new_file
from napari_cnmf.core.verdict.cell_model import shipped_model, soma_logit, wanted_probability
from napari_cnmf.core.verdict.evidence import FIGURES, stored_figures
from napari_cnmf.errors import ExportError, ResultError
from napari_cnmf.model.curation import Curatable, Curation, Decision, as_curation
from napari_cnmf.model.evaluation import passes_thresholds

if TYPE_CHECKING:
    from napari_cnmf.model.components import Components

FEWEST_DECISIONS = 20
"""Of which both kinds must have some."""
_FEWEST_OF_EACH = 3
_FORMAT = "napari-cnmf-learned-1"
_LEARNT_FROM = (
    "told_width", "eccentricity", "solidity", "rest_contrast", "correlation_contrast",
    "event_match", "event_around", "snr", "r", "explained", "n_events", "inside_stronger",
    "outside",
)  # fmt: skip
_PULL = 4.0
"""Precision of each weight's prior, in decisions: the shipped logit has weight 1, all else 0."""
_FOLDS = 10
_FARTHEST = 3.0
"""Figures are taken as at most so many spreads from the middle: beyond, nothing was learnt."""


def _is_learned(path: Path) -> bool:
    """Whether a file is an earlier learnt verdict: a small JSON file that says so."""
    if path.stat().st_size > _LARGEST_BYTES:
        return False
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and values.get("format") == _FORMAT


_LARGEST_BYTES = 1_000_000
"""Many times the size of any file of a learnt verdict."""
_LEARNED_FILE = ExportKind("learnt verdict", _is_learned)


@dataclass(frozen=True)
class Learned:
    """Correction of the verdict that a user's decisions taught, as plain numbers.

    Attributes
    ----------
    centre, spread
        What the figures are measured by, one each of ``figures``.
    weights
        Of the shipped logit, then of each figure.
    offset
        Added to the logit.
    n_decisions
        How many it was learnt from.
    agreement, shipped_agreement
        Share of decisions that it agrees with, each left out while it was learnt; and that the
        shipped verdict agrees with.
    """

    figures: tuple[str, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[float, ...]
    offset: float
    n_decisions: int
    agreement: float
    shipped_agreement: float

    def __str__(self) -> str:
        n = self.n_decisions
        return (
            f"Learnt from {n} decisions: yours agrees with you in {round(self.agreement * n)} of "
            f"{n}, the shipped one in {round(self.shipped_agreement * n)}."
        )

    def probability(
        self, shipped: NDArray[np.floating], figures: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Probability of a cell ``(n,)``; ``shipped (n,)``, figures ``(n, len(FIGURES))``."""
        x = _inputs(shipped, figures, self.figures, np.array(self.centre), np.array(self.spread))
        return _logistic(x @ np.array((*self.weights, self.offset)))

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write what was learnt as JSON, whole or not at all.

        Parameters
        ----------
        path
            File to write.
        overwrite
            Replace a file that this method wrote earlier; anything else is never replaced.

        Raises
        ------
        ExportError
            The file cannot be written, or something else is there.
        """
        path = check_path("A learnt verdict", path, ExportError)
        with new_file(path, _LEARNED_FILE, overwrite=overwrite) as beside:
            beside.write_text(json.dumps({"format": _FORMAT} | asdict(self), indent=1) + "\n")
        return path

    @classmethod
    def from_dict(cls, values: Any, where: str = "it") -> Learned:
        """Make it from the plain values of a file, all of them checked.

        Raises
        ------
        ResultError
            If they are not those of a learnt verdict.
        """
        try:
            if values["format"] != _FORMAT:
                raise KeyError("format")
            figures = tuple(str(v) for v in values["figures"])
            rows = [tuple(float(v) for v in values[n]) for n in ("centre", "spread", "weights")]
            single = [float(values[n]) for n in ("offset", "agreement", "shipped_agreement")]
            unknown = set(figures) - set(FIGURES)
            sizes = [len(row) for row in rows]
            if unknown or sizes != [len(figures), len(figures), len(figures) + 1]:
                raise ValueError(f"it has other figures: {sorted(unknown)}")
            if not all(map(math.isfinite, (*rows[0], *rows[1], *rows[2], *single))):
                raise ValueError("a number is not finite")
            centre, spread, weights = rows
            offset, agreement, shipped_agreement = single
            n_decisions = int(values["n_decisions"])
            return cls(
                figures, centre, spread, weights, offset, n_decisions, agreement, shipped_agreement
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ResultError(
                "A learnt verdict must be a file that `napari-cnmf curate --learn` wrote; "
                f"{where} is none ({error}). Choose another file, or learn again."
            ) from error


def read_learned(path: str | Path) -> Learned:
    """Read what :meth:`Learned.save` wrote; data alone, nothing in it is run.

    Raises
    ------
    ResultError
        If there is no such file, or it is something else.
    """
    path = check_path("A learnt verdict", path, ResultError)
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(
            f"The learnt verdict {path} cannot be read ({error}). Choose a file that "
            "`napari-cnmf curate --learn` wrote, or leave quality.learned empty."
        ) from error
    return Learned.from_dict(values, str(path))


def learn(curations: Curatable | Iterable[Curatable]) -> Learned:
    """Learn from curations, items or samples; `napari_cnmf.learn` takes paths, too.

    Raises
    ------
    ResultError
        Fewer than 20 decisions, or all of one kind, or results without evidence.
    """
    several = isinstance(curations, Iterable) and not isinstance(curations, str)
    listed = cast("Iterable[Curatable]", curations if several else [curations])
    some = [as_curation(one) for one in listed]
    decided = [_decided(cur) for cur in some]
    y = np.concatenate([np.zeros(0, bool), *(d[0] for d in decided)])
    n_yes = int(y.sum())
    if len(y) < FEWEST_DECISIONS or min(n_yes, len(y) - n_yes) < _FEWEST_OF_EACH:
        raise ResultError(
            f"To learn from there must be at least {FEWEST_DECISIONS} decisions by hand, "
            f"{_FEWEST_OF_EACH} of each kind, on components that the built-in verdict scored; got "
            f"{n_yes} accepted and {len(y) - n_yes} rejected. Decide on more components, first on "
            "those that are most worth asking."
        )
    shipped = np.concatenate([d[1] for d in decided])
    figures = np.concatenate([d[2] for d in decided])
    agreement = _cross_validated(y, shipped, figures, [d[3] for d in decided], some)
    by_shipped = np.concatenate(
        [_accepted(c, d[3], d[1]) for c, d in zip(some, decided, strict=True)]
    )
    return _fit(y, shipped, figures, agreement, float((by_shipped == y).mean()))


def _decided(
    cur: Curation,
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float32], NDArray[np.intp]]:
    """Decisions, shipped probabilities and evidence of what was decided by hand, and its ids."""
    original = cur.original
    figures = stored_figures(original.attributes)
    if figures is None or len(figures) != original.n_components:
        raise ResultError(
            "A result to learn from must carry the evidence of the built-in verdict, and this one "
            "does not. Score it first: napari-cnmf run evaluate."
        )
    by_hand = np.isin(cur.decisions, (Decision.ACCEPTED, Decision.REJECTED))
    rows = np.flatnonzero(by_hand & (cur.ids < original.n_components))
    ids = cur.ids[rows]
    method = str((original.params.get("init") or {}).get("method_init", "greedy_roi"))
    p = wanted_probability(shipped_model().probabilities(figures[ids]), method)
    return cur.decisions[rows] == Decision.ACCEPTED, p, figures[ids], ids


def _accepted(cur: Curation, ids: NDArray[np.intp], p: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the rule accepts components with these probabilities."""
    original: Components = cur.original
    everything = np.full(original.n_components, np.nan)
    everything[ids] = p
    quality = cur.base_quality.model_copy(update={"use_cnn": True})
    return passes_thresholds(original.replace(cnn_preds=everything), quality)[ids]


def _cross_validated(
    y: NDArray[np.bool_],
    shipped: NDArray[np.float64],
    figures: NDArray[np.float32],
    ids: list[NDArray[np.intp]],
    curations: list[Curation],
) -> float:
    """Share of decisions that are foretold while they are left out."""
    p = np.zeros(len(y))
    fold = np.zeros(len(y), int)
    # Folds hold as many of each kind, whatever the order of decisions.
    for kind in (True, False):
        fold[y == kind] = np.arange((y == kind).sum()) % _FOLDS
    for k in np.unique(fold):
        out = fold == k
        part = _fit(y[~out], shipped[~out], figures[~out], 0.0, 0.0)
        p[out] = part.probability(shipped[out], figures[out])
    ends = np.cumsum([len(i) for i in ids])[:-1]
    said = [_accepted(c, i, q) for c, i, q in zip(curations, ids, np.split(p, ends), strict=True)]
    return float((np.concatenate(said) == y).mean())


def _inputs(
    shipped: NDArray[np.floating],
    figures: NDArray[np.floating],
    names: tuple[str, ...],
    centre: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Inputs of the correction: the shipped logit, the figures (missing ones at the centre), 1."""
    own = (figures[:, [FIGURES.index(n) for n in names]].astype(float) - centre) / spread
    own = np.clip(np.nan_to_num(own, nan=0.0), -_FARTHEST, _FARTHEST)
    return np.column_stack([soma_logit(shipped), own, np.ones(len(own))])


def _logistic(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -30, 30))))


def _fit(
    y: NDArray[np.bool_],
    shipped: NDArray[np.float64],
    figures: NDArray[np.float32],
    agreement: float,
    shipped_agreement: float,
) -> Learned:
    """Fit the most likely weights, by Newton's method."""
    columns = figures[:, [FIGURES.index(n) for n in _LEARNT_FROM]].astype(float)
    known = np.isfinite(columns).any(0)
    names = tuple(n for n, k in zip(_LEARNT_FROM, known, strict=True) if k)
    centre, spread = np.nanmean(columns[:, known], 0), np.nanstd(columns[:, known], 0)
    spread = np.maximum(spread, 1e-6)
    x = _inputs(shipped, figures, names, centre, spread)
    prior = np.zeros(x.shape[1])
    prior[0] = 1.0
    pull = np.full(x.shape[1], _PULL)
    pull[-1] = 0.5
    w = prior.copy()
    for _ in range(50):
        p = _logistic(x @ w)
        slope = x.T @ (y - p) - pull * (w - prior)
        step = np.linalg.solve((x.T * (p * (1 - p))) @ x + np.diag(pull), slope)
        w = w + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return Learned(
        names, tuple(centre.tolist()), tuple(spread.tolist()), tuple(w[:-1].tolist()), float(w[-1]),
        len(y), agreement, shipped_agreement,
    )  # fmt: skip
