"""Two curations of one result side by side: where they agree, and where to look again."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.errors import CurationError
from napari_cnmf.model.curation.edits import Decision

if TYPE_CHECKING:
    from napari_cnmf.model.curation.curation import Curation

SAME_CELL = 0.7
"""Cosine of two footprints above which components that both curators made are one cell."""

ABSENT = "not there"


@dataclass(frozen=True)
class Difference:
    """One component that two curators see differently.

    Attributes
    ----------
    id, other_id
        Its id for the first and for the second; ``None`` where it is not there.
    here, there
        What the first and what the second say: ``accepted by hand``, ``deleted``,
        ``tags: red``.
    about
        ``decision``, or ``words`` for tags and notes.
    """

    id: int | None
    other_id: int | None
    here: str
    there: str
    about: str = "decision"

    def __str__(self) -> str:
        name = self.id if self.id is not None else f"{self.other_id} of the other"
        return f"component {name}: {self.here} / {self.there}"


@dataclass(frozen=True)
class Comparison:
    """Agreement of two curations on one result.

    Attributes
    ----------
    names
        Of the two curators.
    counts
        How often the first said the one and the second the other.
    differences
        What to walk through, by id.
    """

    names: tuple[str, str]
    counts: dict[tuple[str, str], int]
    differences: tuple[Difference, ...]

    @property
    def n_components(self) -> int:
        """Components that were compared."""
        return sum(self.counts.values())

    @property
    def n_agreed(self) -> int:
        """Number of components that both decided the same way."""
        return sum(n for (here, there), n in self.counts.items() if here == there)

    @property
    def agreement(self) -> float:
        """Share of components decided the same way; 1 where there is nothing to decide."""
        return self.n_agreed / self.n_components if self.n_components else 1.0

    @property
    def kappa(self) -> float:
        """Agreement beyond chance, 1 when complete (Cohen 1960, Educ. Psychol. Meas. 20:37)."""
        n = self.n_components
        if self.n_agreed == n:
            return 1.0
        here, there = Counter[str](), Counter[str]()
        for (first, second), count in self.counts.items():
            here[first] += count
            there[second] += count
        chance = sum(here[side] * there[side] for side in here) / n**2
        return (self.agreement - chance) / (1 - chance)

    def summary(self) -> str:
        """Agreement in one sentence."""
        return (
            f"{self.names[0]} and {self.names[1]} agree on {self.n_agreed} of {self.n_components} "
            f"components ({self.agreement:.0%}, kappa {self.kappa:.2f})"
        )

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain values, ready for JSON."""
        return {
            "names": list(self.names),
            "n_components": self.n_components,
            "n_agreed": self.n_agreed,
            "agreement": self.agreement,
            "kappa": self.kappa,
            "counts": [[*sides, n] for sides, n in sorted(self.counts.items())],
            "differences": [asdict(difference) for difference in self.differences],
        }


def compare(first: Curation, second: Curation, names: tuple[str, str] | None = None) -> Comparison:
    """Compare what two curators made of one result.

    Components of the engine are compared by id; those that curators made by their footprints.

    Raises
    ------
    CurationError
        When the two are not about the same result.
    """
    a, b = first.original, second.original
    if a is not b and (a.A.shape != b.A.shape or abs(a.A - b.A).sum() > 0):
        raise CurationError(
            f"Two curations of one result are needed, got results of {a.n_components} and "
            f"{b.n_components} components with other footprints. Match cells across sessions "
            "instead."
        )
    n = a.n_components
    here, there = _Opinions(first, n), _Opinions(second, n)
    pairs: list[tuple[int | None, int | None]] = [(i, i) for i in range(n)]
    pairs += _made_pairs(first, second, n)
    counts: Counter[tuple[str, str]] = Counter()
    differences = []
    for one, other in pairs:
        sides = here.side(one), there.side(other)
        if sides == ("gone", "gone"):
            continue
        counts[sides] += 1
        if sides[0] != sides[1]:
            differences.append(Difference(one, other, here.said(one), there.said(other)))
        words = here.words(one), there.words(other)
        if words[0] != words[1] and "gone" not in sides:
            differences.append(Difference(one, other, *words, about="words"))
    return Comparison(names or (_curator(first), _curator(second)), counts, tuple(differences))


class _Opinions:
    """Decisions and words of one curation about each component."""

    def __init__(self, cur: Curation, n_base: int) -> None:
        self._cur, self._n_base = cur, n_base
        self._rows = {int(i): row for row, i in enumerate(cur.ids)}
        self._accepted, self._decisions = cur.accepted, cur.decisions
        self._deleted = set(cur.deleted)

    def side(self, id_: int | None) -> str:
        """Side of a component: accepted, rejected, unsure or gone."""
        row = None if id_ is None else self._rows.get(id_)
        if row is None:
            return "gone"
        if self._decisions[row] == Decision.UNSURE:
            return "unsure"
        return "accepted" if self._accepted[row] else "rejected"

    def said(self, id_: int | None) -> str:
        """Decision about a component, in words."""
        side = self.side(id_)
        if side == "gone":
            if id_ is None:
                return ABSENT
            return "deleted" if id_ in self._deleted else "merged or split"
        row = self._rows[id_] if id_ is not None else 0
        by_hand = side != "unsure" and self._decisions[row] != Decision.AUTO
        return f"{side} by hand" if by_hand else side

    def words(self, id_: int | None) -> str:
        """Tags and note of a component, in words; empty for one that is gone."""
        if id_ is None or id_ not in self._rows:
            return ""
        tags, note = ", ".join(sorted(self._cur.tags(id_))), self._cur.note_of(id_)
        said = [f"tags: {tags}"] if tags else []
        return "; ".join([*said, f"note: {note}"] if note else said) or "no tags, no note"


def _made_pairs(
    first: Curation, second: Curation, n_base: int
) -> list[tuple[int | None, int | None]]:
    """Components that were merged, split or drawn, with their likes of the other curator."""
    mine, theirs = (c.ids[c.ids >= n_base].tolist() for c in (first, second))
    if not mine and not theirs:
        return []
    A, B = (_unit(c.components.A[:, c.ids >= n_base]) for c in (first, second))
    alike = (A.T @ B).toarray()
    pairs: list[tuple[int | None, int | None]] = []
    left, right = set(range(len(mine))), set(range(len(theirs)))
    for flat in np.argsort(-alike, axis=None):
        i, j = (int(k) for k in np.unravel_index(flat, alike.shape))
        if alike[i, j] < SAME_CELL:
            break
        if i in left and j in right:
            pairs.append((mine[i], theirs[j]))
            left.discard(i)
            right.discard(j)
    pairs += [(mine[i], None) for i in sorted(left)]
    return pairs + [(None, theirs[j]) for j in sorted(right)]


def _unit(A: sp.csc_matrix) -> sp.csc_matrix:
    norm = np.sqrt(np.asarray(A.multiply(A).sum(axis=0))).ravel()
    return sp.csc_matrix(A @ sp.diags_array(1 / np.maximum(norm, 1e-12)))


def _curator(cur: Curation) -> str:
    """Name of who edited last, or who would."""
    return next((edit.who for edit in reversed(cur.history) if edit.who), cur.who)
