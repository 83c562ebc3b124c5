"""Walks through pairs of components that look like one cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from napari_cnmf.errors import CurationError
from napari_cnmf.model.curation import MergeSuggestion
from napari_cnmf.ui._background import call_in_background

if TYPE_CHECKING:
    from napari_cnmf.ui._session import Session


class Suggesting:
    """Controller that offers pairs one by one; what was skipped is not offered again."""

    def __init__(self, session: Session, show: Callable[[str], None]) -> None:
        self._session = session
        self._show = show
        self._skipped: set[tuple[int, int]] = set()
        self.now: MergeSuggestion | None = None
        """Pair that is offered now."""

    def forget(self) -> None:
        """Forget the pairs, and begin anew with another result."""
        self._skipped, self.now = set(), None
        self._show("")

    def next(self) -> None:
        """Offer the next pair; the one that is offered now comes again after all others."""
        result = self._session.result
        if result is None:
            return
        after = self.now
        cur = result.curation

        def show(found: list[MergeSuggestion]) -> None:
            if self._session.result is result:
                self._offer(found, after)

        call_in_background(cur.suggest_merges, done=show)

    def _offer(self, found: list[MergeSuggestion], after: MergeSuggestion | None) -> None:
        result = self._session.result
        left = [s for s in found if s.ids not in self._skipped]
        if result is None or not left:
            self.now = None
            self._show("No pair overlaps and is active together any more.")
            return
        pairs = [s.ids for s in left]
        at = (pairs.index(after.ids) + 1) % len(left) if after and after.ids in pairs else 0
        self.now = left[at]
        a, b = self.now.ids
        self._show(
            f"{at + 1} of {len(left)}: components {a} and {b}, overlap "
            f"{self.now.overlap:.0%}, correlation {self.now.correlation:.2f}"
        )
        self._session.select(np.flatnonzero(np.isin(result.ids, self.now.ids)).tolist())

    def skip(self) -> None:
        """Note that the pair is two cells, and offer the next pair."""
        if self.now is not None:
            self._skipped.add(self.now.ids)
            self.now = None
        self.next()

    def take(self) -> list[int]:
        """Take the pair that is to be merged; the next is offered when it is.

        Raises
        ------
        CurationError
            When none is offered.
        """
        if self.now is None:
            raise CurationError("Ask for a suggestion first: its key goes to the next pair.")
        ids, self.now = list(self.now.ids), None
        self._show("")
        return ids
