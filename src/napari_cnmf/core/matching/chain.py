"""Several sessions: each is aligned to the first and matched with all cells known so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.matching.align import Alignment, Float, align_fields, refined
from napari_cnmf.core.matching.assign import Field, pair_cells

_REFINEMENTS = 2
_WIDER = 1.5
"""Before the alignment is refined by cells they may lie this much farther apart."""


@dataclass(frozen=True, eq=False)
class FoundMatches:
    """Cells and where each is found.

    Attributes
    ----------
    table
        ``(n_cells, n_sessions)``: row of the session's footprints, -1 where the cell is not.
    scores
        ``(n_cells, n_sessions)``: of each match with what was known of the cell before; NaN in the
        session where it was seen first, and where it is not.
    alignments
        Of each session.
    max_distance_px, min_score
        What was used.
    """

    table: NDArray[np.intp]
    scores: NDArray[np.float64]
    alignments: tuple[Alignment, ...]
    max_distance_px: float
    min_score: float


def match_fields(
    footprints: Sequence[sp.csc_matrix],
    dims: tuple[int, ...],
    *,
    images: Sequence[Mapping[str, Float]] = (),
    max_distance_px: float | None = None,
    min_score: float = 0.5,
    on_progress: Callable[[int, int], None] | None = None,
) -> FoundMatches:
    """Find the same cells in several sessions.

    Parameters
    ----------
    footprints
        ``(n_pixels, n)`` of each session, C-order pixels of ``dims``.
    images
        Summary images of each session; those that it shares with the first help to align.
    max_distance_px
        Centres farther apart are different cells; by default twice the typical radius.
    min_score
        Pairs below it are different cells.

    Notes
    -----
    A session is aligned by correlation of its footprints (and images) with the first session's,
    then twice refined by the cells that match. It is matched with the mean footprint of every cell
    known so far, so that a cell that is missing on one day is found again on the next.
    """
    first = Field.of(footprints[0], dims)
    reach = 2 * first.radius_px if max_distance_px is None else float(max_distance_px)
    known_sum, counts = first.A.copy(), np.ones(first.A.shape[1])
    known = first
    table = np.arange(first.A.shape[1])[:, np.newaxis].astype(np.intp)
    scores = np.full(table.shape, np.nan)
    alignments = [Alignment.none(dims)]
    kinds = list(images) or [{} for _ in footprints]
    for day in range(1, len(footprints)):
        if on_progress is not None:
            on_progress(day, len(footprints))
        alignment = _aligned(
            (first, kinds[0]),
            (footprints[day], kinds[day]),
            known,
            dims,
            reach=reach,
            min_score=min_score,
        )
        session = Field.of(alignment.footprints(footprints[day]), dims)
        pairs, found = pair_cells(known, session, max_distance_px=reach, min_score=min_score)
        n_known, n = len(table), session.A.shape[1]
        column, score = np.full(n_known, -1, np.intp), np.full(n_known, np.nan)
        column[pairs[:, 0]], score[pairs[:, 0]] = pairs[:, 1], found
        fresh = np.setdiff1d(np.arange(n), pairs[:, 1])
        table = _grown(table, column, fresh, -1)
        scores = _grown(scores, score, np.full(fresh.size, np.nan), np.nan)
        gain = sp.csc_matrix(
            (np.ones(len(pairs)), (pairs[:, 1], pairs[:, 0])), shape=(n, n_known)
        )  # fmt: skip
        known_sum = sp.hstack([known_sum + session.A @ gain, session.A[:, fresh]]).tocsc()
        counts[pairs[:, 0]] += 1
        counts = np.concatenate([counts, np.ones(fresh.size)])
        known = Field.of(known_sum, dims)
        alignments.append(alignment)
    return FoundMatches(table, scores, tuple(alignments), reach, min_score)


def _aligned(
    first: tuple[Field, Mapping[str, Float]],
    session: tuple[sp.csc_matrix, Mapping[str, Float]],
    known: Field,
    dims: tuple[int, ...],
    *,
    reach: float,
    min_score: float,
) -> Alignment:
    """By images, then by the cells that match."""
    own = Field.of(session[0], dims)
    shared = [name for name in first[1] if name in session[1] and first[1][name].shape == dims]
    reference = [_picture(first[0], dims), *(first[1][name] for name in shared)]
    moving = [_picture(own, dims), *(session[1][name] for name in shared)]
    alignment = align_fields(reference, moving)
    for _ in range(_REFINEMENTS):
        moved = Field.of(alignment.footprints(session[0]), dims)
        pairs, _scores = pair_cells(
            known, moved, max_distance_px=_WIDER * reach, min_score=min_score
        )
        alignment = refined(alignment, known.places[pairs[:, 0]], own.places[pairs[:, 1]])
    return alignment


def _picture(field: Field, dims: tuple[int, ...]) -> NDArray[np.float32]:
    """All cells, equally bright."""
    peaks = np.maximum(field.A.max(axis=0).toarray().ravel(), 1e-12)
    return np.asarray(field.A @ (1 / peaks), np.float32).reshape(dims)


def _grown(table: NDArray[Any], column: NDArray[Any], below: NDArray[Any], empty: Any) -> Any:
    """One column more, and rows below that have values in it alone."""
    wide = np.column_stack([table, column])
    rows = np.full((len(below), wide.shape[1]), empty, dtype=wide.dtype)
    rows[:, -1] = below
    return np.vstack([wide, rows])
