"""Neuropil that the whole field shares, at the resolution of the search.

The background's grid is as coarse as a neuron: what neuropil has in between stays in the residual,
and in a movie without cells it would be found as cells. But its time courses are the field's: the
strongest modes of the grid, as long as they are spread over it. The residual is regressed on them,

    R <- R - g S(R V') / S(g) V,

with V (n, n_bins) orthonormal, g the background's weight in each pixel and S the filter that the
search looks through: finer structure is not seen by it, and would be the noise's. A neuron fills a
few nodes of the grid and makes no such mode; it loses that part of its trace that is the field's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.background.modes import leading_patterns
from napari_cnmf.core.base.lattice import Lattice, filter_residual
from napari_cnmf.core.base.rows import add_sums, flat_rows
from napari_cnmf.core.base.threads import Workers

MOST = 20
"""Modes looked at."""
SPREAD = 0.22
"""Share of the grid's nodes that a mode must fill, as its participation ratio counts them.

Modes of neuropil fill .23 to .9 of them, the first that neurons make .03 to .19."""
FEWEST = 20
"""And so many of them, in small fields: a neuron brightens four to nine."""
_ROWS = 256
_LINES = 8


def shared_courses(background: NDArray[np.float32], workers: Workers) -> NDArray[np.float32]:
    """Time courses that the field as a whole shares.

    Parameters
    ----------
    background
        Of the grid's nodes ``(gz, gy, gx, n_bins)``.

    Returns
    -------
    courses
        Orthonormal ``(n, n_bins)``: from the strongest mode on, as long as they are spread.
    """
    rows = background.reshape(-1, background.shape[-1])
    n_nodes = len(rows)
    if n_nodes < FEWEST:
        return np.zeros((0, rows.shape[1]), np.float32)
    u = leading_patterns(rows, min(MOST, *rows.shape), workers)
    filled = (u**2).sum(0) ** 2 / np.maximum((u**4).sum(0), 1e-30)
    narrow = np.flatnonzero(filled < max(FEWEST, SPREAD * n_nodes))
    courses = u[:, : narrow[0] if len(narrow) else None].T @ rows
    # A background of fewer modes has no more courses; what rounding leaves of them is none.
    norm = np.linalg.norm(courses, axis=1, keepdims=True)
    kept = norm[:, 0] > 1e-6 * norm.max(initial=0.0)
    return np.asarray((courses / np.maximum(norm, 1e-30))[kept], np.float32)


def take_out_courses(
    R: NDArray[np.float32],
    gain: NDArray[np.float32],
    courses: NDArray[np.float32],
    lattice: Lattice,
    workers: Workers,
) -> None:
    """Regress the residual on the field's courses and take out what they explain, in place.

    Parameters
    ----------
    R
        Whitened residual ``(Z, Y, X, n_bins)``.
    gain
        Weight of the background in each pixel ``(Z, Y, X)``; 0 where left out.
    courses
        Orthonormal ``(n, n_bins)``.
    lattice
        Its filter is what the search looks through.
    """
    if not len(courses):
        return
    rows, shape = flat_rows(R), R.shape[:3]
    seen = np.empty((len(rows), len(courses)), np.float32)

    def regress(start: int, stop: int) -> None:
        seen[start:stop] = rows[start:stop] @ courses.T

    workers.ranges(regress, len(rows), _ROWS)
    amount = filter_residual(seen.reshape(*shape, -1), lattice, workers)
    through = filter_residual(np.ascontiguousarray(gain[..., None]), lattice, workers)
    amount *= np.where(through > 1e-6, 1 / np.maximum(through, 1e-6), 0)
    in_z, in_y, in_x = (
        _between_sites(extent, n_sites, step)
        for extent, n_sites, step in zip(shape, amount.shape[:3], lattice.step, strict=True)
    )

    ends = len(courses) * np.arange(shape[2] + 1, dtype=np.int32)
    every = np.tile(np.arange(len(courses), dtype=np.int32), shape[2])

    for z in range(shape[0]):
        plane = in_z(amount, z)

        def take_out(start: int, stop: int, z: int = z, plane: NDArray[np.float32] = plane) -> None:
            for y in range(start, stop):
                weight = in_x(in_y(plane, y)) * -gain[z, y, :, None]
                add_sums(ends, every, weight.ravel(), courses, R[z, y], 0, shape[2])

        workers.ranges(take_out, shape[1], _LINES)


def _between_sites(extent: int, n_sites: int, step: int) -> Callable[..., NDArray[np.float32]]:
    """Interpolate linearly, along the first axis, between sites that are ``step`` pixels apart.

    Of the function it returns, the second argument is the pixel; all of them without it.
    """
    at = (np.arange(extent) / step).clip(max=n_sites - 1)
    low = at.astype(np.int64)
    high = np.minimum(low + 1, n_sites - 1)
    share = (at - low).astype(np.float32)

    def between(values: NDArray[np.float32], pixel: int | None = None) -> NDArray[np.float32]:
        if pixel is None:
            mixed = values[low] * (1 - share)[:, None] + values[high] * share[:, None]
        else:
            mixed = values[low[pixel]] * (1 - share[pixel]) + values[high[pixel]] * share[pixel]
        return np.asarray(mixed, np.float32)

    return between
