"""Several sessions: each is aligned to the first and matched with all cells known so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.matching.align import Alignment, Float, align_fields, refined
from napari_cnmf.core.matching.assign import (
    Candidates,
    Field,
    assign_pairs,
    candidate_pairs,
    pair_cells,
)
from napari_cnmf.core.matching.calibrate import Calibration, fit_calibration
from napari_cnmf.core.matching.warp import with_warp

_REFINEMENTS, _WARPS = 2, 5
_SURE = 0.5
"""Score of pairs that the alignment is fitted to."""
_WIDER = 1.5
"""Before the alignment is refined by cells they may lie this much farther apart."""


@dataclass(frozen=True, eq=False)
class FoundMatches:
    """Cells over several sessions, and the component of each session that is the cell.

    Attributes
    ----------
    table
        ``(n_cells, n_sessions)``: row of the session's footprints, -1 where the cell is not.
    probabilities
        ``(n_cells, n_sessions)``: probability that each match with what was known of the cell
        before is right; NaN in the session where it was seen first, and where it is not.
    alignments
        Alignment of each session.
    calibration
        What turned scores into probabilities.
    max_distance_px, min_probability
        What was used.
    """

    table: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    alignments: tuple[Alignment, ...]
    calibration: Calibration
    max_distance_px: float
    min_probability: float


class _Known:
    """Cells that are known so far, with their mean footprints."""

    def __init__(self, first: Field, dims: tuple[int, ...]) -> None:
        self._dims = dims
        self._sum = first.A.copy()
        self.field = first
        self.table = np.arange(first.A.shape[1], dtype=np.intp)[:, np.newaxis]
        self.probabilities = np.full(self.table.shape, np.nan)

    def add(
        self, session: Field, pairs: NDArray[np.intp], probabilities: NDArray[np.float64]
    ) -> None:
        """Take over a session: matched cells, and new ones."""
        n_known, n = len(self.table), session.A.shape[1]
        column, values = np.full(n_known, -1, np.intp), np.full(n_known, np.nan)
        column[pairs[:, 0]], values[pairs[:, 0]] = pairs[:, 1], probabilities
        fresh = np.setdiff1d(np.arange(n), pairs[:, 1])
        self.table = _grown(self.table, column, fresh, -1)
        self.probabilities = _grown(self.probabilities, values, np.full(fresh.size, np.nan), np.nan)
        gain = sp.csc_matrix(
            (np.ones(len(pairs)), (pairs[:, 1], pairs[:, 0])), shape=(n, n_known)
        )  # fmt: skip
        self._sum = sp.hstack([self._sum + session.A @ gain, session.A[:, fresh]]).tocsc()
        self.field = Field.of(self._sum, self._dims)


def match_fields(
    footprints: Sequence[sp.csc_matrix],
    dims: tuple[int, ...],
    *,
    images: Sequence[Mapping[str, Float]] = (),
    max_distance_px: float | None = None,
    min_probability: float = 0.5,
    on_progress: Callable[[int, int], None] | None = None,
) -> FoundMatches:
    """Find the same cells in several sessions.

    Parameters
    ----------
    footprints
        ``(n_pixels, n)`` of each session, C-order pixels of ``dims``.
    dims
        The field ``([Z], Y, X)``.
    images
        Summary images of each session; those that it shares with the first help to align.
    max_distance_px
        Centres farther apart are different cells; by default twice the typical radius.
    min_probability
        Pairs that are the same cell with a lower probability are different cells.
    on_progress
        ``on_progress(done, total)`` over the sessions.

    Notes
    -----
    A session is aligned by correlation of its footprints (and images) with the first session's,
    refined by the cells that match, first by a linear map, then by a smooth displacement. It is
    matched with the mean footprint of every cell known so far, so that a cell that is missing on
    one day is found again on the next. The scores of all pairs of neighbours, over all sessions,
    say how probable it is that a score means the same cell; with these probabilities the sessions
    are matched once more.
    """
    first = Field.of(footprints[0], dims)
    reach = 2 * first.radius_px if max_distance_px is None else float(max_distance_px)
    kinds = list(images) or [{} for _ in footprints]
    known = _Known(first, dims)
    alignments, sessions = [Alignment.none(dims)], [first]
    candidates: list[Candidates] = []
    for day in range(1, len(footprints)):
        if on_progress is not None:
            on_progress(day, len(footprints))
        alignment = _aligned(
            (first, kinds[0]), (footprints[day], kinds[day]), known.field, dims, reach=reach
        )
        session = Field.of(alignment.footprints(footprints[day]), dims)
        alignments.append(alignment)
        sessions.append(session)
        candidates.append(candidate_pairs(known.field, session, reach, first.radius_px))
        pairs, found = pair_cells(known.field, session, max_distance_px=reach, min_score=_SURE)
        known.add(session, pairs, found)
    calibration = fit_calibration(candidates, reach)
    known = _Known(first, dims)
    for session in sessions[1:]:
        near = candidate_pairs(known.field, session, reach, first.radius_px)
        known.add(session, *_probable_pairs(near, calibration, min_probability))
    return FoundMatches(
        known.table, known.probabilities, tuple(alignments), calibration, reach, min_probability
    )


def _probable_pairs(
    pairs: Candidates, calibration: Calibration, least: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pairs ``(n, 2)`` that are one cell with at least this probability, with theirs."""
    probabilities = calibration.estimate(pairs).probabilities
    good = (probabilities >= least) & (probabilities > 0)
    rows, columns, probabilities = pairs.rows[good], pairs.columns[good], probabilities[good]
    chosen = assign_pairs(rows, columns, probabilities)
    return np.column_stack([rows, columns])[chosen].reshape(-1, 2), probabilities[chosen]


def _aligned(
    first: tuple[Field, Mapping[str, Float]],
    session: tuple[sp.csc_matrix, Mapping[str, Float]],
    known: Field,
    dims: tuple[int, ...],
    *,
    reach: float,
) -> Alignment:
    """Align a session by its images, then by the cells that match."""
    own = Field.of(session[0], dims)
    shared = [name for name in first[1] if name in session[1] and first[1][name].shape == dims]
    reference = [_picture(first[0], dims), *(first[1][name] for name in shared)]
    moving = [_picture(own, dims), *(session[1][name] for name in shared)]
    alignment = align_fields(reference, moving)

    def matching() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        moved = Field.of(alignment.footprints(session[0]), dims)
        pairs, _ = pair_cells(known, moved, max_distance_px=_WIDER * reach, min_score=_SURE)
        return known.places[pairs[:, 0]], own.places[pairs[:, 1]]

    for _ in range(_REFINEMENTS):
        alignment = refined(alignment, *matching())
    n_before = 0
    for _ in range(_WARPS):
        # each round reaches cells a little farther from those that were sure before
        places, seen = matching()
        warped = with_warp(alignment, places, seen)
        if warped.warp is None or len(places) < n_before:
            break
        alignment, n_before = warped, len(places)
    return alignment


def _picture(field: Field, dims: tuple[int, ...]) -> NDArray[np.float32]:
    """Image of all cells of a session, equally bright."""
    peaks = np.maximum(field.A.max(axis=0).toarray().ravel(), 1e-12)
    return np.asarray(field.A @ (1 / peaks), np.float32).reshape(dims)


def _grown(table: NDArray[Any], column: NDArray[Any], below: NDArray[Any], empty: Any) -> Any:
    """Add a column, and rows below that have values in the new column alone."""
    wide = np.column_stack([table, column])
    rows = np.full((len(below), wide.shape[1]), empty, dtype=wide.dtype)
    rows[:, -1] = below
    return np.vstack([wide, rows])
