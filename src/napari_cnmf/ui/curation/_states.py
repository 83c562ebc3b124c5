"""Verdicts of a curation on its components, as the screen shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.curation import Curation, Decision
from napari_cnmf.model.verdict_colors import Verdict

_WIDTH = f"<U{max(len(v) for v in Verdict)}"


def states_of(cur: Curation, auto: NDArray[np.bool_] | None = None) -> NDArray[np.str_]:
    """``Verdict`` of each component, ``(n_components,)``."""
    auto = cur.auto_accepted if auto is None else auto
    decisions = cur.decisions
    names = np.array([Verdict.REJECTED, Verdict.ACCEPTED], dtype=_WIDTH)
    states = names[auto.astype(np.intp)]
    states[decisions == Decision.ACCEPTED] = Verdict.ACCEPTED_BY_HAND
    states[decisions == Decision.REJECTED] = Verdict.REJECTED_BY_HAND
    states[decisions == Decision.UNSURE] = Verdict.UNSURE
    return states


@dataclass(frozen=True)
class Counts:
    """Number of components of each verdict, and of those that were looked at."""

    total: int
    accepted: int
    rejected: int
    unsure: int
    by_hand: int
    seen: int

    @classmethod
    def of(cls, cur: Curation, auto: NDArray[np.bool_] | None = None) -> Counts:
        """Count the components of a curation; ``auto`` stands in for the thresholds' verdict."""
        decisions = cur.decisions
        accepted = cur.resolve(cur.auto_accepted if auto is None else auto)
        unsure = decisions == Decision.UNSURE
        return cls(
            total=len(decisions),
            accepted=int((accepted & ~unsure).sum()),
            rejected=int((~accepted & ~unsure).sum()),
            unsure=int(unsure.sum()),
            by_hand=int((decisions != Decision.AUTO).sum()),
            seen=int(cur.seen.sum()),
        )
