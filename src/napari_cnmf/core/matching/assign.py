"""Assigns the cells of one session to those of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

_APART, _AROUND = 4.0, 2.0
"""Times the largest distance of one cell: up to there pairs of two cells are compared, counted."""
_MOST_APART = 20_000
"""Pairs of two cells that are compared; more say nothing new."""
_HALF_PATCH = 8
"""Largest half side of the patch on which forms are compared; larger cells are sampled coarser."""
_PAIRS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Field:
    """Cells of a session as they lie in some field.

    Attributes
    ----------
    A
        Footprints at unit norm, CSC ``(n_pixels, n)``; empty columns match nothing.
    places
        Centres of mass in pixels, ``(n, n_axes)``; NaN for an empty one.
    dims
        The field ``([Z], Y, X)``.
    """

    A: sp.csc_matrix
    places: NDArray[np.float64]
    dims: tuple[int, ...]

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
        places = np.where(mass[:, np.newaxis] > 0, places, np.nan)
        return cls(sp.csc_matrix(A @ scale), places, dims)

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


@dataclass(frozen=True, eq=False)
class Candidates:
    """Components of two sessions that may be one cell, pair by pair.

    Attributes
    ----------
    rows, columns
        Component of either session of each pair, ``(n,)``.
    distances_px
        Distance of their centres in pixels, ``(n,)``.
    likeness
        Likeness of their centred forms, ``(n,)``: Fisher's z of the correlation of what each has
        beyond the form that all cells share, 0 for cells that are no more alike than any two.
    apart
        Likeness of pairs that lie too far apart to be one cell, ``(m,)``.
    density
        Number of pairs of two cells at each displacement, per pixel of area (of volume).
    n_rows, n_columns
        Number of components of either session.
    n_axes
        2 for a field, 3 for a volume.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    distances_px: NDArray[np.float64]
    likeness: NDArray[np.float64]
    apart: NDArray[np.float64]
    density: float
    n_rows: int
    n_columns: int
    n_axes: int


def pair_scores(
    reference: Field, session: Field, max_distance_px: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Score of each pair of cells that are near enough: rows, columns, scores.

    ``score = sqrt(overlap * nearness)``: ``overlap`` is the cosine of the footprints, ``nearness``
    falls from 1 at the same centre to 0 at ``max_distance_px``. Both must be good for a good score.
    """
    rows, columns, distances = _near(reference, session, max_distance_px)
    if not rows.size:
        return rows, columns, np.zeros(0)
    overlap = np.asarray(
        reference.A[:, rows].multiply(session.A[:, columns]).sum(axis=0)
    ).ravel()  # fmt: skip
    nearness = 1 - distances / max_distance_px
    return rows, columns, np.sqrt(np.clip(overlap, 0, 1) * np.clip(nearness, 0, 1))


def candidate_pairs(
    reference: Field, session: Field, max_distance_px: float, radius_px: float
) -> Candidates:
    """Pairs that are near enough to be one cell, and what tells whether they are.

    Parameters
    ----------
    reference, session
        Cells of both, in one field.
    max_distance_px
        Pairs whose centres lie farther apart are two cells.
    radius_px
        Typical radius of a cell; forms are compared up to twice as far from their centres.
    """
    forms = [_centred(field, radius_px) for field in (reference, session)]
    # What all cells have in common says nothing: forms are compared by what is left of them.
    common = _unit(np.vstack(forms).sum(axis=0, keepdims=True))
    a, b = (_unit(form - (form @ common.T) * common) for form in forms)
    rows, columns, distances = _near(reference, session, _APART * max_distance_px)
    near = distances <= max_distance_px
    n_axes = len(reference.dims)
    around = np.count_nonzero(~near & (distances <= _AROUND * max_distance_px))
    shell = volume_of_ball(_AROUND * max_distance_px, n_axes)
    shell -= volume_of_ball(max_distance_px, n_axes)
    apart = np.flatnonzero(~near)
    apart = apart[:: max(1, apart.size // _MOST_APART)]
    n_rows, n_columns = (
        int(np.isfinite(field.places).all(axis=1).sum()) for field in (reference, session)
    )
    return Candidates(
        rows=rows[near],
        columns=columns[near],
        distances_px=distances[near],
        likeness=_likeness(a, b, rows[near], columns[near]),
        apart=_likeness(a, b, rows[apart], columns[apart]),
        density=(around + 1) / shell,
        n_rows=n_rows,
        n_columns=n_columns,
        n_axes=n_axes,
    )


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


def _near(
    reference: Field, session: Field, distance_px: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Pairs whose centres are this near: rows, columns, distances in pixels."""
    ok_a, ok_b = (
        np.flatnonzero(np.isfinite(field.places).all(axis=1)) for field in (reference, session)
    )
    if not ok_a.size or not ok_b.size:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    near = cKDTree(reference.places[ok_a]).sparse_distance_matrix(
        cKDTree(session.places[ok_b]), distance_px, output_type="coo_matrix"
    )
    return ok_a[near.row], ok_b[near.col], np.asarray(near.data, np.float64)


def _centred(field: Field, radius_px: float) -> NDArray[np.float32]:
    """Footprints about their own centres at unit norm, ``(n, n_pixels of a patch)``."""
    step_px = max(1.0, 2 * radius_px / _HALF_PATCH)
    half = max(2, int(np.ceil(2 * radius_px / step_px)))
    entries = field.A.tocoo()
    n_axes, side = len(field.dims), 2 * half + 1
    pixels = np.stack(np.unravel_index(entries.row, field.dims), axis=1)
    at = (pixels - field.places[entries.col]) / step_px + half
    low = np.floor(at).astype(np.int64)
    part = at - low
    out = np.zeros((field.A.shape[1],) + (side,) * n_axes, np.float32)
    for corner in np.ndindex(*(2,) * n_axes):
        place = low + corner
        weight = entries.data * np.prod(np.where(corner, part, 1 - part), axis=1)
        inside = np.all((place >= 0) & (place < side), axis=1)
        np.add.at(out, (entries.col[inside], *place[inside].T), weight[inside])
    return _unit(out.reshape(len(out), side**n_axes))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)


def _likeness(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Fisher's z of the correlation of each pair of forms, ``(n,)``."""
    found = np.zeros(rows.size)
    for start in range(0, rows.size, _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        found[part] = np.einsum("ij,ij->i", a[rows[part]], b[columns[part]])
    return np.asarray(np.arctanh(np.clip(found, -0.999, 0.999)))


def volume_of_ball(radius_px: float, n_axes: int) -> float:
    """Area of a disc (2 axes), or volume of a ball (3 axes), in pixels."""
    return float(np.pi * radius_px**2 if n_axes == 2 else 4 / 3 * np.pi * radius_px**3)


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
