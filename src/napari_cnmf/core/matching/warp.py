"""Smooth displacement between two sessions, fitted to cells that surely are the same.

Tissue is not stiff: after the field was turned and shifted as a whole, cells of one region still
lie beside their places by some pixels, and all of that region alike. The displacement is estimated
by Gaussian process regression (Rasmussen & Williams 2006, eq. 2.25): smooth, close to the cells
where there are some, and falling back to none far from all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from napari_cnmf.core.matching.align import Alignment

Float = NDArray[np.floating[Any]]

_LENGTHS = (0.15, 0.3, 0.6)
"""Length over which displacements are alike, as shares of the field's longer side."""
_NOISES = (0.03, 0.1, 0.3)
"""Variance of a single cell's place, as shares of the variance of displacements."""
_MOST_CELLS = 800
"""Cells that are fitted; the cost grows with their cube."""
_NODE_PX = 8
"""Distance of the nodes at which the displacement is kept."""
_FEWEST_CELLS = 12
_WORTH = 0.9
"""The displacement must predict left-out cells by this factor better than none does."""


@dataclass(frozen=True, eq=False)
class _Process:
    """Gaussian process through displacements at places."""

    places: Float
    weights: Float
    length_px: float

    def at(self, places: Float) -> NDArray[np.float64]:
        """Predict the displacements in pixels at places ``(n, n_axes)``, of the same shape."""
        return np.asarray(_kernel(places, self.places, self.length_px) @ self.weights)


def with_warp(alignment: Alignment, reference: Float, session: Float) -> Alignment:
    """Add the smooth displacement that cells of two sessions have beside a linear alignment.

    Parameters
    ----------
    alignment
        Its own displacement is left out, and estimated anew.
    reference, session
        Places ``(n, n_axes)`` of the same cells in both, in pixels. Some may be wrong pairs: those
        that stand out from what their neighbours do are left out.

    Returns
    -------
    Alignment
        Without a displacement where there are fewer than 12 cells, or where none predicts a cell
        from the others as well.
    """
    linear = replace(alignment, warp=None)
    moved = session - linear.to_session(reference)
    kept = np.ones(len(moved), bool)
    process = None
    for _ in range(3):
        if kept.sum() < _FEWEST_CELLS:
            return linear
        process = _fit(reference[kept], moved[kept], max(alignment.dims))
        if process is None:
            return linear
        error = np.linalg.norm(moved - process.at(reference), axis=1)
        kept = error < 3 * max(float(np.median(error[kept])), 0.3)
    nodes = [np.linspace(0, size - 1, max(2, round(size / _NODE_PX) + 1)) for size in linear.dims]
    grid = np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1)
    field = process.at(grid.reshape(-1, grid.shape[-1])) if process is not None else None
    if field is None:
        return linear
    return replace(linear, warp=np.moveaxis(field.reshape(grid.shape), -1, 0))


def _fit(places: Float, moved: Float, side_px: int) -> _Process | None:
    """The process that predicts left-out cells best; ``None`` where zero does as well."""
    if len(places) > _MOST_CELLS:
        chosen = np.linspace(0, len(places) - 1, _MOST_CELLS).astype(np.intp)
        places, moved = places[chosen], moved[chosen]
    best = _WORTH * float(np.sqrt((moved**2).mean()))
    found = None
    for length in _LENGTHS:
        covariance = _kernel(places, places, length * side_px)
        for noise in _NOISES:
            factor = cho_factor(covariance + noise * np.eye(len(places)))
            inverse = cho_solve(factor, np.eye(len(places)))
            weights = inverse @ moved
            # left-one-out residuals in closed form (Rasmussen & Williams 2006, eq. 5.12)
            left_out = weights / np.diag(inverse)[:, np.newaxis]
            error = float(np.sqrt((left_out**2).mean()))
            if error < best:
                best, found = error, _Process(places, weights, length * side_px)
    return found


def _kernel(a: Float, b: Float, length_px: float) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * (cdist(a, b) / length_px) ** 2))
