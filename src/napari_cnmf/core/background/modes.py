"""The background of the result: low rank, for CaImAn's ``b f`` and everything built on it.

Its first component is the mean image, so that ``A C + b f`` is the movie less its noise at
full resolution; the others are the strongest patterns of the grid's nodes.
"""

# ruff: noqa: PLR0917 (steps take their inputs by position)

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.params.init import InitParams

ONE_PHOTON_RANK = 16
_EXACT = 64
"""Rows or columns up to which a full decomposition costs nothing."""
_MORE = 12
"""Columns that are carried along with those asked for."""
_ITERATIONS = 4
_ROWS = 512
"""Rows that a thread multiplies together."""


@dataclass(frozen=True, eq=False)
class BackgroundModes:
    """Patterns over the grid's nodes, and over pixels.

    Attributes
    ----------
    readout
        Weights of the nodes' time courses that give the modes' ``(nb, n_nodes)``.
    patterns
        ``(n_pixels, nb - 1)`` float32: modes besides the mean image.
    """

    readout: NDArray[np.float64]
    patterns: NDArray[np.float32]


def background_rank(nb: int, *, one_photon: bool) -> int:
    """Rank of the background that is written, for ``init.nb``.

    A one-photon background moves: where nobody chose a rank, or a ring cannot be had, it is written
    with ``ONE_PHOTON_RANK`` patterns.
    """
    unchosen = nb <= InitParams.model_fields["nb"].default
    return ONE_PHOTON_RANK if one_photon and unchosen else max(1, nb)


def empty_modes(field: Field) -> BackgroundModes:
    """Background of rank 0, for a result whose background has no low-rank form."""
    return BackgroundModes(
        np.zeros((0, field.grid.n_nodes)), np.zeros((field.n_pixels, 0), np.float32)
    )


def find_modes(
    background: NDArray[np.float32],
    mean: NDArray[np.float32],
    unit: NDArray[np.float32],
    field: Field,
    nb: int,
    workers: Workers,
) -> BackgroundModes:
    """Find the patterns of the low-rank background.

    Parameters
    ----------
    background
        ``(n_nodes, n_bins)``, deviations from the mean image in units of ``unit``.
    mean
        Mean image ``(n_pixels,)``.
    unit
        What a background of 1 is in each pixel ``(n_pixels,)``, units of the movie.
    nb
        Rank wanted, at least 1.
    """
    nodes = field.grid.nodes
    size = np.maximum(np.asarray(nodes.sum(1)).ravel(), 1)
    used = unit > 0
    relative = np.where(used, mean / np.where(used, unit, 1), 0)
    image = (nodes @ relative.astype(np.float64)) / size
    first = image / max(float(image @ image), 1e-30)
    n = min(nb - 1, *background.shape)
    if n <= 0:
        return BackgroundModes(first[None], np.zeros((len(mean), 0), np.float32))
    along = (first @ background).astype(np.float32)
    rows = np.empty_like(background)

    def rest(start: int, stop: int) -> None:
        part = slice(start, stop)
        np.subtract(background[part], np.outer(image[part].astype(np.float32), along), rows[part])

    workers.ranges(rest, len(rows), _ROWS)
    u = leading_patterns(rows, n, workers)
    # A singular vector's sign is arbitrary: the larger half counts as positive.
    u *= np.where(u.sum(0) < 0, -1.0, 1.0)
    readout = np.vstack([first, u.T - np.outer(u.T @ image, first)])
    patterns = unit[:, None] * (field.grid.interpolation @ u)
    return BackgroundModes(readout, np.asarray(patterns, np.float32))


def leading_patterns(rows: NDArray[np.float32], n: int, workers: Workers) -> NDArray[np.float64]:
    """The ``n`` strongest left singular vectors of ``rows (n_rows, n_bins)``, as columns.

    Larger matrices by a random range and subspace iteration (Halko, Martinsson and Tropp 2011,
    SIAM Review 53, 217, algorithms 4.4 and 5.1): an eigendecomposition would grow with the square
    of a recording's length, and with its cube.
    """
    if min(rows.shape) <= _EXACT:
        return np.asarray(np.linalg.svd(rows, full_matrices=False)[0][:, :n])
    parts = [slice(start, start + _ROWS) for start in range(0, len(rows), _ROWS)]

    def times(other: NDArray[np.float64]) -> NDArray[np.float64]:
        right = other.astype(np.float32)
        return np.concatenate(workers.map(lambda part: rows[part] @ right, parts)).astype(float)

    def transposed_times(basis: NDArray[np.float64]) -> NDArray[np.float64]:
        left = basis.astype(np.float32)
        products = workers.map(lambda part: rows[part].T @ left[part], parts)
        return np.asarray(np.sum(products, axis=0, dtype=np.float64))

    start = np.random.default_rng(0).standard_normal((rows.shape[1], n + _MORE))
    basis, _ = np.linalg.qr(times(start))
    for _ in range(_ITERATIONS):
        other, _ = np.linalg.qr(transposed_times(basis))
        basis, _ = np.linalg.qr(times(other))
    u = np.linalg.svd(transposed_times(basis).T, full_matrices=False)[0]
    return np.asarray(basis @ u[:, :n])


def background_factors(
    modes: BackgroundModes,
    weights: NDArray[np.float32],
    static: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``b (n_pixels, nb)`` and ``f (nb, n_frames)``.

    Parameters
    ----------
    weights
        The modes' time courses ``(nb, n_frames)``, deviations from the mean.
    static
        What does not change ``(n_pixels,)``.
    """
    b = np.concatenate([static[:, None], modes.patterns], axis=1)
    f = weights.copy()
    f[0] += 1
    return b.astype(np.float32), f.astype(np.float32)
