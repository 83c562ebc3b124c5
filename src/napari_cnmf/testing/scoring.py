"""Scores a result: one-to-one matching of footprints, correlation of traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_cnmf.errors import ResultError
from napari_cnmf.model.curation import Curatable, as_curation
from napari_cnmf.testing.truth import Truth

Result = Curatable | tuple[Any, Any]
"""What has a result, or ``(A, C)``: ``(n_pixels, K)``, sparse or not, C order; and ``(K, T)``."""


@dataclass(frozen=True, eq=False, repr=False)
class Score:
    """Scores of a result against the truth.

    Attributes
    ----------
    precision, recall, f1
        Share of components that are cells, of cells that were found, and their harmonic mean; with
        neither components nor cells all are 1, with only one of the two all are 0.
    trace_correlation
        Median over the matched pairs of the correlation of C with the truth; NaN without pairs.
    matches
        ``(n, 2)``: component, cell of the truth.
    cosines, trace_correlations
        Of each match, ``(n,)``.
    missed, false
        Cells without a component, components without a cell; indices as given.
    n_components, n_cells
        How many were counted.
    """

    precision: float
    recall: float
    f1: float
    trace_correlation: float
    matches: NDArray[np.intp]
    cosines: NDArray[np.float64]
    trace_correlations: NDArray[np.float64]
    missed: NDArray[np.intp]
    false: NDArray[np.intp]
    n_components: int
    n_cells: int

    def __repr__(self) -> str:
        return f"<Score: {self}>"

    def __str__(self) -> str:
        return (
            f"F1 {self.f1:.3f} (precision {self.precision:.3f}, recall {self.recall:.3f}), "
            f"traces {self.trace_correlation:.3f}; {len(self.matches)} of {self.n_cells} cells "
            f"found, {self.n_components} components"
        )


def score(
    components: Result,
    truth: Truth,
    threshold: float = 0.6,
    *,
    subset: NDArray[Any] | None = None,
    detectable_only: bool = False,
) -> Score:
    """Match components to the cells of the truth and count.

    Pairs are one to one and maximise the summed cosine of the footprints among those that reach
    the threshold. Every cell counts, also one that never fired in this recording, unless
    ``detectable_only``: then cells that are not detectable are no misses, and components on them
    are not false either.

    Parameters
    ----------
    components
        A result (components, a curation or an item), or ``(A, C)``.
    threshold
        Smallest cosine of a match.
    subset
        Components that count: bool ``(K,)`` (the accepted mask) or indices. By default all.

    Raises
    ------
    ResultError
        Footprints or traces that do not fit the field or the number of frames.
    """
    A, C = _factors(components, truth)
    chosen = np.arange(A.shape[1])
    if subset is not None:
        mask = np.asarray(subset)
        chosen = np.flatnonzero(mask) if mask.dtype == bool else mask.astype(np.intp)
    cosine = footprint_cosines(A[:, chosen], truth.A)
    pairs = match(cosine, threshold)
    counted = truth.detectable if detectable_only else np.ones(truth.n_cells, dtype=bool)
    on_uncounted = pairs[~counted[pairs[:, 1]], 0]
    pairs = pairs[counted[pairs[:, 1]]]
    components_counted = np.setdiff1d(np.arange(len(chosen)), on_uncounted)
    correlations = np.array([_correlation(C[chosen[i]], truth.C[j]) for i, j in pairs])
    n_components, n_cells, n = len(components_counted), int(counted.sum()), len(pairs)
    precision, recall, f1 = _rates(n, n_components, n_cells)
    return Score(
        precision=precision,
        recall=recall,
        f1=f1,
        trace_correlation=float(np.nanmedian(correlations))
        if np.isfinite(correlations).any()
        else float("nan"),
        matches=np.column_stack([chosen[pairs[:, 0]], pairs[:, 1]]).astype(np.intp),
        cosines=cosine[pairs[:, 0], pairs[:, 1]],
        trace_correlations=correlations,
        missed=np.setdiff1d(np.flatnonzero(counted), pairs[:, 1]),
        false=chosen[np.setdiff1d(components_counted, pairs[:, 0])],
        n_components=n_components,
        n_cells=n_cells,
    )


def footprint_cosines(A: sp.csc_matrix, B: sp.csc_matrix) -> NDArray[np.float64]:
    """Cosine of every column of A with every column of B, ``(n_A, n_B)``; empty columns give 0."""
    return np.asarray((_unit_columns(A).T @ _unit_columns(B)).toarray(), dtype=np.float64)


def match(cosine: NDArray[np.float64], threshold: float) -> NDArray[np.intp]:
    """Choose one-to-one pairs ``(n, 2)`` of the largest summed cosine, at or above threshold.

    References
    ----------
    Crouse 2016, IEEE Trans. Aerosp. Electron. Syst. 52, 1679 (the assignment algorithm).
    """
    gain = np.where(cosine >= threshold, cosine, 0.0)
    rows, cols = linear_sum_assignment(gain, maximize=True)
    good = gain[rows, cols] > 0
    return np.column_stack([rows[good], cols[good]]).astype(np.intp)


def _factors(components: Result, truth: Truth) -> tuple[sp.csc_matrix, NDArray[Any]]:
    """``A`` and ``C`` of either kind of result, checked against the truth."""
    if isinstance(components, tuple | list) and len(components) != 2:
        raise ResultError(f"Factors must be a pair (A, C), got {len(components)} things.")
    if not isinstance(components, tuple | list):
        result = as_curation(components).components
        A, C = result.A, result.C
    else:
        A, C = sp.csc_matrix(components[0]), np.asarray(components[1])
    if A.shape[0] != truth.A.shape[0]:
        raise ResultError(
            f"Footprints must have {truth.A.shape[0]} pixels, those of the field {truth.dims}, "
            f"got {A.shape[0]}. Score a result of this recording."
        )
    expected = (A.shape[1], truth.n_frames)
    if C.shape != expected:
        raise ResultError(f"Traces must have shape {expected}, got {C.shape}.")
    return A, C


def _unit_columns(A: sp.csc_matrix) -> sp.csc_matrix:
    norms = np.sqrt(np.asarray(A.multiply(A).sum(0), dtype=np.float64)).ravel()
    return sp.csc_matrix(A @ sp.diags(1.0 / np.where(norms > 0, norms, 1.0)))


def _correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Pearson's correlation, NaN where one of them is constant."""
    x = a.astype(np.float64) - a.mean(dtype=np.float64)
    y = b.astype(np.float64) - b.mean(dtype=np.float64)
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / size if size > 1e-12 else float("nan")


def _rates(n: int, n_components: int, n_cells: int) -> tuple[float, float, float]:
    if n_components == n_cells == 0:
        return 1.0, 1.0, 1.0
    precision = n / n_components if n_components else 0.0
    recall = n / n_cells if n_cells else 0.0
    return precision, recall, 2 * n / (n_components + n_cells)


def score_shifts(shifts: NDArray[Any], truth: Truth, *, sound_frames_only: bool = True) -> float:
    """Root mean square error of rigid shifts over frames and axes, in px.

    The mean over frames is removed per axis: where the template stands is anybody's choice.

    Parameters
    ----------
    shifts
        Where the tissue stands in each frame ``(T, ndim)`` in px, as ``Truth.shifts``. What a
        registration applies (CaImAn's ``shifts_rig``, suite2p's offsets) is the negative of it.
    sound_frames_only
        Leave out black, flash, noise and saturated frames, whose shift nobody can know.

    Raises
    ------
    ResultError
        Another number of frames or axes than the truth.
    """
    estimate = np.asarray(shifts, dtype=np.float64)
    if estimate.shape != truth.shifts.shape:
        raise ResultError(
            f"shifts must have shape {truth.shifts.shape} (frames, axes), got {estimate.shape}."
        )
    frames = truth.frame_fault == "" if sound_frames_only else np.ones(truth.n_frames, dtype=bool)
    error = (estimate - truth.shifts)[frames]
    return float(np.sqrt(np.mean((error - error.mean(axis=0)) ** 2)))
