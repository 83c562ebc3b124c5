"""Assigns the cells of one session to those of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree


@dataclass(frozen=True, eq=False)
class Field:
    """Cells of a session as they lie in some field.

    Attributes
    ----------
    A
        Footprints at unit norm, CSC ``(n_pixels, n)``; empty columns match nothing.
    places
        Centres of mass in pixels, ``(n, n_axes)``; NaN for an empty one.
    """

    A: sp.csc_matrix
    places: NDArray[np.float64]

    @classmethod
    def of(cls, A: sp.csc_matrix, dims: tuple[int, ...]) -> Field:
        """Make the field of a session from footprints of any norm."""
        A = sp.csc_matrix(A, dtype=np.float64, copy=True)
        A.eliminate_zeros()
        mass = np.asarray(A.sum(axis=0)).ravel()
        grid = np.indices(dims).reshape(len(dims), -1).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            places = np.asarray(A.T @ grid.T) / mass[:, np.newaxis]
        norm = np.sqrt(np.asarray(A.multiply(A).sum(axis=0)).ravel())
        scale = sp.diags_array(np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0))
        return cls(sp.csc_matrix(A @ scale), np.where(mass[:, np.newaxis] > 0, places, np.nan))

    @property
    def radius_px(self) -> float:
        """Typical radius of a cell: of the disc that has as many pixels in y and x."""
        n_pixels = np.diff(self.A.indptr)
        filled = n_pixels[n_pixels > 0]
        if not filled.size:
            return 1.0
        # 1 / sum(a^4) counts pixels by weight: the faint rim of a footprint hardly counts
        weights = self.A.multiply(self.A)
        fourth = np.asarray(weights.multiply(weights).sum(axis=0)).ravel()
        extent = 1 / fourth[fourth > 0]
        n_axes = self.places.shape[1]
        typical = float(np.median(extent))
        return float(np.sqrt(typical / np.pi) if n_axes == 2 else (3 * typical / 4 / np.pi) ** 0.33)


def pair_scores(
    reference: Field, session: Field, max_distance_px: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Score of each pair of cells that are near enough: rows, columns, scores.

    ``score = sqrt(overlap * nearness)``: ``overlap`` is the cosine of the footprints, ``nearness``
    falls from 1 at the same centre to 0 at ``max_distance_px``. Both must be good for a good score.
    """
    ok_a = np.flatnonzero(np.isfinite(reference.places).all(axis=1))
    ok_b = np.flatnonzero(np.isfinite(session.places).all(axis=1))
    none = np.zeros(0, np.intp)
    if not ok_a.size or not ok_b.size:
        return none, none, np.zeros(0)
    near = cKDTree(reference.places[ok_a]).sparse_distance_matrix(
        cKDTree(session.places[ok_b]), max_distance_px, output_type="coo_matrix"
    )
    if not near.nnz:
        return none, none, np.zeros(0)
    rows, columns = ok_a[near.row], ok_b[near.col]
    overlap = np.asarray(
        reference.A[:, rows].multiply(session.A[:, columns]).sum(axis=0)
    ).ravel()  # fmt: skip
    nearness = 1 - near.data / max_distance_px
    return rows, columns, np.sqrt(np.clip(overlap, 0, 1) * np.clip(nearness, 0, 1))


def pair_cells(
    reference: Field, session: Field, *, max_distance_px: float, min_score: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Choose the one-to-one pairs whose scores have the largest sum, none below ``min_score``.

    Returns
    -------
    pairs
        ``(n, 2)``: row of the reference, row of the session.
    scores
        ``(n,)``, 0 to 1.
    """
    rows, columns, scores = pair_scores(reference, session, max_distance_px)
    good = scores >= min_score
    rows, columns, scores = rows[good], columns[good], scores[good]
    chosen = assign_pairs(rows, columns, scores)
    return np.column_stack([rows, columns])[chosen].reshape(-1, 2), scores[chosen]


def assign_pairs(
    rows: NDArray[np.intp], columns: NDArray[np.intp], weights: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Choose one-to-one pairs with the largest sum of weights (Hungarian algorithm).

    Parameters
    ----------
    rows, columns
        The two components of each candidate pair, ``(n,)``.
    weights
        Weight of each pair, above 0, ``(n,)``.

    Returns
    -------
    ndarray
        Numbers of the chosen candidates.
    """
    if not rows.size:
        return np.zeros(0, np.intp)
    n_a, n_b = int(rows.max()) + 1, int(columns.max()) + 1
    # Cells that are tied to each other by no chain of candidates are independent problems.
    links = sp.coo_matrix((np.ones(rows.size), (rows, n_a + columns)), shape=(n_a + n_b,) * 2)
    _, group = connected_components(links, directed=False)
    order = np.argsort(group[rows], kind="stable")
    starts = np.flatnonzero(np.diff(group[rows][order], prepend=-1))
    chosen: list[int] = []
    for part in np.split(order, starts[1:]):
        a, at_a = np.unique(rows[part], return_inverse=True)
        b, at_b = np.unique(columns[part], return_inverse=True)
        table, number = np.zeros((a.size, b.size)), np.full((a.size, b.size), -1)
        table[at_a, at_b], number[at_a, at_b] = weights[part], part
        at = linear_sum_assignment(table, maximize=True)
        chosen += number[at][table[at] > 0].tolist()
    return np.asarray(chosen, np.intp)
