"""Components that look like one cell: neighbours that are active together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf._checks import check_number
from napari_cnmf.errors import CurationError
from napari_cnmf.model.components import Components

MIN_OVERLAP = 0.1
MIN_CORRELATION = 0.7
_EDGE = 0.2
"""Share of a footprint's maximum that a pixel of the cell has at least."""
_TRACES_BYTES = 2**25
"""Size of the traces that are correlated together."""


@dataclass(frozen=True)
class MergeSuggestion:
    """Two components that may be one cell.

    Attributes
    ----------
    ids
        Of the two; rows of the components where they were not asked for by id.
    overlap
        Share of the smaller one's pixels that belong to the other too or touch it, 0 to 1.
    correlation
        Of their denoised traces.
    """

    ids: tuple[int, int]
    overlap: float
    correlation: float


def suggest_merges(
    components: Components,
    *,
    min_overlap: float = MIN_OVERLAP,
    min_correlation: float = MIN_CORRELATION,
) -> list[MergeSuggestion]:
    """Pairs of rows that overlap or touch and are active together, the likeliest first.

    Parameters
    ----------
    components
        The result.
    min_overlap, min_correlation
        Both have to be reached.

    Raises
    ------
    CurationError
        A bound is no number.
    """
    check_number("min_overlap", min_overlap, CurationError, least=0, most=1)
    check_number("min_correlation", min_correlation, CurationError, least=-1, most=1)
    cells = _supports(components)
    sizes = np.asarray(cells.sum(axis=0)).ravel()
    shared = sp.triu(_grown(cells, components.dims).T @ cells, k=1).tocoo()
    first, second = shared.row, shared.col
    smaller = np.minimum(sizes[first], sizes[second])
    overlap = np.minimum(shared.data / np.maximum(smaller, 1), 1.0)
    near = overlap >= min_overlap
    first, second, overlap = first[near], second[near], overlap[near]
    correlation = _correlations(components.C, first, second)
    kept = np.flatnonzero(correlation >= min_correlation)
    order = kept[np.argsort(-correlation[kept] * np.sqrt(overlap[kept]), kind="stable")]
    return [
        MergeSuggestion((int(first[i]), int(second[i])), float(overlap[i]), float(correlation[i]))
        for i in order
    ]


def _supports(components: Components) -> sp.csc_matrix:
    """Matrix ``(n_pixels, n_components)`` with 1 where a component is."""
    A = components.A
    counts = np.diff(A.indptr)
    filled = np.flatnonzero(counts)
    peaks = np.zeros(A.shape[1], np.float32)
    if filled.size:
        peaks[filled] = np.maximum.reduceat(A.data, A.indptr[filled])
    inside = (A.data > np.repeat(_EDGE * peaks, counts)).astype(np.float32)
    # A copy: dropping zeros would change the indices of the footprints themselves.
    cells = sp.csc_matrix((inside, A.indices, A.indptr), shape=A.shape, copy=True)
    cells.eliminate_zeros()
    return cells


def _grown(cells: sp.csc_matrix, dims: tuple[int, ...]) -> sp.csc_matrix:
    """Footprints grown by the pixels that touch a component along an axis."""
    moved = [cells]
    columns = np.repeat(np.arange(cells.shape[1]), np.diff(cells.indptr))
    at = np.stack(np.unravel_index(cells.indices, dims))
    for axis in range(len(dims)):
        for step in (-1, 1):
            there = at.copy()
            there[axis] += step
            inside = (there[axis] >= 0) & (there[axis] < dims[axis])
            rows = np.ravel_multi_index(tuple(there[:, inside]), dims)
            ones = np.ones(rows.size, np.float32)
            moved.append(sp.csc_matrix((ones, (rows, columns[inside])), shape=cells.shape))
    total = sp.csc_matrix(sum(moved[1:], start=moved[0]))
    total.data[:] = 1
    return total


def _correlations(
    C: NDArray[np.floating], first: NDArray[np.integer], second: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Correlation of row ``first[i]`` with row ``second[i]``, 0 where one never changes."""
    out = np.zeros(first.size)
    # Only those of some pairs at a time: all traces of a large result are gigabytes.
    n_pairs = max(1, _TRACES_BYTES // (8 * max(1, C.shape[1])))
    for start in range(0, first.size, n_pairs):
        part = slice(start, start + n_pairs)
        rows, at = np.unique(np.concatenate([first[part], second[part]]), return_inverse=True)
        traces = np.nan_to_num(np.asarray(C[rows], np.float32))
        traces = traces - traces.mean(axis=1, keepdims=True)
        traces /= np.maximum(np.linalg.norm(traces, axis=1, keepdims=True), 1e-12)
        a, b = np.split(at, 2)
        out[part] = np.einsum("it,it->i", traces[a], traces[b])
    return out
