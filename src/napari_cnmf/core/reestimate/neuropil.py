"""The smooth light around an edit that no component explains, for results that allow for it.

The built-in engine solves its traces along with a local background, of which the result keeps
the strongest patterns alone; on one-photon recordings those miss most of it. What was edited is
estimated against that background too: else its traces and scores would be of another kind than
those of all other components.

See Also
--------
napari_cnmf.core.traces.project : how the engine does it.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_cnmf.core.background.grid import INSIDE_WEIGHT
from napari_cnmf.core.reestimate.box import box_of
from napari_cnmf.model.components import Components

_GAP = 1.5
"""Pixels around the edit that may still hold light of it."""
_LEAST = 24
"""Pixels of surroundings that are needed to tell what is there."""


def surroundings(
    pixels: NDArray[np.int64], dims: tuple[int, ...], reach: float
) -> NDArray[np.int64]:
    """C-order pixels around some pixels, in their planes and not further than ``reach``."""
    _, grid = box_of(pixels, dims, int(np.ceil(reach)) + 1)
    outside = ~np.isin(grid, pixels)
    # the planes of a volume have surroundings of their own
    planes = outside if outside.ndim == 3 else outside[np.newaxis]
    distance = np.stack(
        [distance_transform_edt(p) if not p.all() else np.full(p.shape, np.inf) for p in planes]
    ).reshape(outside.shape)
    return np.asarray(grid[(distance > _GAP) & (distance <= reach)], np.int64)


def local_background(
    residual: NDArray[np.float32],
    around: NDArray[np.int64],
    pixels: NDArray[np.int64],
    components: Components,
) -> NDArray[np.float32]:
    """Background at ``pixels`` ``(P, T)``: a plane through the residual around them, per frame.

    Pixels inside other footprints say little and weigh little, as in the engine.

    Parameters
    ----------
    residual
        The movie less background and all components at ``around``, ``(n, T)``.
    """
    if around.size < _LEAST:
        return np.zeros((pixels.size, residual.shape[1]), np.float32)
    rows = components.A_rows[around]
    weight = np.where(np.diff(rows.indptr) > 0, INSIDE_WEIGHT, 1.0)
    here, there = (_plane(p, pixels, components.dims) for p in (around, pixels))
    # weighted least squares: coefficients (3, T) = fit @ residual
    weighted = here * weight[:, np.newaxis]
    gram = weighted.T @ here
    gram[np.diag_indices_from(gram)] += 1e-6 * np.trace(gram)
    fit = np.linalg.solve(gram, weighted.T)
    return np.asarray((there @ fit).astype(np.float32) @ residual, np.float32)


def _plane(
    points: NDArray[np.int64], centre_of: NDArray[np.int64], dims: tuple[int, ...]
) -> NDArray[np.float64]:
    """Design matrix ``(n, 3)`` of a plane: 1, y and x of pixels, in units of others' extent."""
    at, origin = (np.stack(np.unravel_index(p, dims))[-2:] for p in (points, centre_of))
    middle = origin.mean(axis=1, keepdims=True)
    extent = max(float(np.ptp(origin)), 1.0)
    return np.vstack([np.ones(points.size), (at - middle) / extent]).T


def explained(
    components: Components, pixels: NDArray[np.int64]
) -> tuple[sp.csr_matrix, NDArray[np.intp]]:
    """Footprints at some pixels ``(P, n)``, and the rows of the components they belong to."""
    rows = components.A_rows[pixels]
    touching = np.unique(rows.indices).astype(np.intp)
    return sp.csr_matrix(rows.tocsc()[:, touching]), touching
