"""Background of the traces by kriging: predicted from around a cell as far as the movie allows.

The grid of :mod:`napari_cnmf.core.background.grid` averages a node with its neighbours. A
one-photon background that moves needs more: below a neuron it is known from its surroundings
only, and how far these reach is a property of the movie. With the covariance ``K`` of the
background at grid nodes, learned from pairs too far apart to see the same neuron, and the noise
``V`` of their means, the best linear prediction from measured means ``m`` is

    bg = K (K + V)^-1 m,

taken over the neighbourhood of each node alone, which keeps it sparse.

References
----------
Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, ch. 2; Cressie, Statistics for
Spatial Data, 1993, ch. 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.background.grid import node_sums, pixel_weights, weighted_sums
from napari_cnmf.core.background.residual import TileResidual
from napari_cnmf.core.base.geometry import Field

FAR = 3.2
"""Grid nodes at least so many gSig apart share no neuron."""
KRIGING_NODE_SIDE = 1.0
"""Distance of the grid's nodes in gSig: finer than for the search, whose smoothing is no more than
that of the grid."""
REACH, REACH_3D = (0, 4, 4), (1, 3, 3)
"""Neighbours to each side that predict a node of the grid."""
FLOOR = 0.005
"""Share of the background's variance that is never believed to be predictable."""
LENGTHS = (2.2, 3.2, 4.7, 6.8, 10.0, 15.0, 22.0)
"""Of the covariance's parts, in gSig; pairs that far apart say nothing about shorter ones."""
_FARTHEST, _STEP = 16.0, 0.8
"""Distance from which on it does not matter, and of classes of distances, in gSig."""
_MAX_NODES = 1500
_MIN_BINS = 20
_BINS, _NODES = 256, 128
"""Bins of the background that are predicted at a time, and nodes compared with all others."""


@dataclass(frozen=True, eq=False)
class Covariance:
    """``C(d) = sum_i weight_i exp(-d^2 / (2 length_i^2)) + common``, ``d`` in gSig.

    Attributes
    ----------
    weights
        Of ``LENGTHS``, squared units of the background.
    common
        What all nodes of the grid share.
    """

    weights: NDArray[np.float64]
    common: float

    @property
    def variance(self) -> float:
        """Variance of the background at one place, in squared units of the background."""
        return float(self.weights.sum()) + self.common

    def __call__(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance of the background at places that are ``distance`` gSig apart."""
        lengths = np.asarray(LENGTHS)
        parts = np.exp(-0.5 * (distance[..., None] / lengths) ** 2)
        return np.asarray(parts @ self.weights + self.common)


def finer(field: Field) -> Field:
    """Copy the field with the finer grid on which kriging predicts the background."""
    return replace(field, node_side=KRIGING_NODE_SIDE)


def background_means(tile: TileResidual) -> NDArray[np.float32]:
    """Mean of each node of the finer grid, neurons taken out ``(gz, gy, gx, n_bins)``.

    What is left in the tile's residual, and the background that was taken out of it.
    """
    field, fine = tile.field, finer(tile.field)
    q = pixel_weights(tile.inside, tile.gain)
    weight = node_sums(q * tile.gain, fine.grid)[..., None]
    left = weighted_sums(tile.R, q, fine.grid, tile.workers) / np.where(weight > 0, weight, np.inf)
    out = tile.background
    for axis, (edge, low, share) in enumerate(
        zip(fine.grid.edges, field.grid.lower, field.grid.share, strict=True)
    ):
        middle = (edge[1:] + edge[:-1] - 1) // 2
        view = tuple(-1 if a == axis else 1 for a in range(out.ndim))
        part = share[middle].reshape(view)
        before = np.take(out, low[middle], axis)
        after = np.take(out, np.minimum(low[middle] + 1, out.shape[axis] - 1), axis)
        out = (1 - part) * before + part * after
    return np.asarray(out + left, np.float32)


def node_positions(field: Field) -> NDArray[np.float64]:
    """Centres of the grid's nodes ``(n_nodes, 3)`` in gSig."""
    axes = []
    for edge, g in zip(field.grid.edges, field.g_sig, strict=True):
        centre = (edge[1:] + edge[:-1] - 1) / 2
        axes.append(centre / (g if g > 0 else 1.0))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def learn_covariance(
    means: NDArray[np.float32], weight: NDArray[np.float64], field: Field
) -> Covariance | None:
    """Learn how the background of two places varies together, by their distance.

    Parameters
    ----------
    means
        Mean of each grid node, neurons taken out ``(n_nodes, n_bins)``.
    weight
        How much of each node is not covered by neurons ``(n_nodes,)``.

    Returns
    -------
    Covariance or None
        None where the movie is too short or small to tell, or its background does not move.
    """
    from scipy.optimize import nnls  # loads much that a run without kriging needs not

    at = node_positions(field)
    good = np.flatnonzero(weight > 0.3 * np.median(weight))
    good = good[:: max(1, len(good) // _MAX_NODES)]
    if len(good) < 30 or means.shape[1] < _MIN_BINS:
        return None
    x = means[good] - means[good].mean(1, keepdims=True)
    count, covariance, distance = _pairs_by_distance(x, at[good])
    seen = np.flatnonzero(count)
    mean_of, at_distance = covariance[seen] / count[seen], distance[seen] / count[seen]
    design = np.exp(-0.5 * (at_distance[:, None] / np.asarray(LENGTHS)) ** 2)
    design = np.concatenate([design, np.ones((len(seen), 1))], axis=1)
    # Near pairs tell how the background varies below a neuron; there are few of them.
    trust = np.sqrt(np.minimum(count[seen], 2000.0)) / (1 + at_distance)
    found, _ = nnls(design * trust[:, None], mean_of * trust)
    if not found.sum() > 0:
        return None
    return Covariance(found[:-1], float(found[-1]))


def _pairs_by_distance(
    x: NDArray[np.float32], at: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of nodes, sums of their covariances and of their distances, by distance.

    Parameters
    ----------
    x
        Courses without mean ``(n_nodes, n_bins)``.
    at
        Where the nodes are ``(n_nodes, 3)``, in gSig.
    """
    n = int(_FARTHEST / _STEP) + 1
    out = np.zeros((3, n))
    # Some nodes at a time beside all others: all pairs at once would be most of a run's memory.
    for start in range(0, len(x), _NODES):
        some = slice(start, start + _NODES)
        together = (x[some] @ x.T).astype(np.float64) / x.shape[1]
        apart = np.sqrt(sum((a[some, None] - a) ** 2 for a in at.T))
        use = np.triu(apart >= FAR, start)
        group = np.minimum(apart[use] / _STEP, n - 1).astype(np.int64)
        out += [
            np.bincount(group, minlength=n),
            np.bincount(group, together[use], n),
            np.bincount(group, apart[use], n),
        ]
    return out[0], out[1], out[2]


def predict_from_sums(
    covariance: Covariance, weight: NDArray[np.float64], field: Field
) -> sp.csr_matrix:
    """Matrix that makes the background of weighted sums over grid nodes ``(n_nodes, n_nodes)``.

    Parameters
    ----------
    weight
        Sum of a node's weights ``(n_nodes,)``: one over the variance of its mean.
    """
    inverse = 1.0 / np.where(weight > 0, weight, np.inf)
    noise = np.where(weight > 0, inverse, np.inf)
    return (kriging_matrix(covariance, noise, field) @ sp.diags(inverse)).tocsr()


def kriging_matrix(
    covariance: Covariance, noise: NDArray[np.float64], field: Field
) -> sp.csr_matrix:
    """``K (K + V)^-1`` row by row from neighbours, ``(n_nodes, n_nodes)``.

    Parameters
    ----------
    noise
        Variance of each node's mean around the background ``(n_nodes,)``; infinite leaves out.
    """
    shape = field.grid.shape
    reach = REACH if field.is_plane else REACH_3D
    along = _along_axes(covariance, field)
    index = np.arange(field.grid.n_nodes).reshape(shape)
    floor = FLOOR * covariance.variance
    rows, columns, values = [], [], []
    for g, place in enumerate(np.ndindex(*shape)):
        near = tuple(slice(max(0, p - r), p + r + 1) for p, r in zip(place, reach, strict=True))
        ids = index[near].ravel()
        system = _of_box(along, near) + covariance.common
        towards = system[np.searchsorted(ids, g)].copy()
        known = np.isfinite(noise[ids])
        if not known.any():
            continue
        if not known.all():
            ids, towards, system = ids[known], towards[known], system[np.ix_(known, known)]
        system.flat[:: len(ids) + 1] += noise[ids] + floor
        solved = np.linalg.solve(system, towards)
        rows.append(np.full(len(ids), g))
        columns.append(ids)
        values.append(solved)
    n = field.grid.n_nodes
    if not rows:
        return sp.csr_matrix((n, n))
    return sp.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(n, n)
    )


def _along_axes(covariance: Covariance, field: Field) -> list[NDArray[np.float64]]:
    """Factors of the covariance along each axis ``(n_lengths, n, n)``; the first has the weights.

    A Gaussian of the distance is the product of those of its components.
    """
    at = node_positions(field).reshape(*field.grid.shape, 3)
    axes = (at[:, 0, 0, 0], at[0, :, 0, 1], at[0, 0, :, 2])
    lengths = np.asarray(LENGTHS)[:, None, None]
    z, y, x = (np.exp(-0.5 * ((a[:, None] - a) / lengths) ** 2) for a in axes)
    return [covariance.weights[:, None, None] * z, y, x]


def _of_box(along: list[NDArray[np.float64]], box: tuple[slice, ...]) -> NDArray[np.float64]:
    """Covariance between all nodes of a box of the grid ``(n, n)``, without what all share."""
    z, y, x = (factor[:, s, s] for factor, s in zip(along, box, strict=True))
    planes = z[:, :, None, :, None] * y[:, None, :, None, :]
    n_lengths, n_rows, n_columns = len(x), z.shape[1] * y.shape[1], x.shape[1]
    # One matrix product over the lengths; exponentials of all pairs would be a third of a run.
    pairs = planes.reshape(n_lengths, -1).T @ x.reshape(n_lengths, -1)
    pairs = pairs.reshape(n_rows, n_rows, n_columns, n_columns).transpose(0, 2, 1, 3)
    return pairs.reshape(n_rows * n_columns, n_rows * n_columns)


@dataclass(frozen=True, eq=False)
class PredictedBackground:
    """The background as pass 2 predicts it from sums over the nodes of the grid.

    Attributes
    ----------
    field
        With the grid that ``background`` is on.
    background
        Time courses of the grid's nodes ``(n_nodes, n_bins)``; ``None`` where the result has no
        low rank form of it.
    from_sums
        From weighted sums over the grid's nodes to the background ``(n_nodes, n_nodes)``;
        ``None``: it is smoothed over neighbouring nodes.
    inside, gain
        Pixels that say little about it, and its weight in each ``(Z, Y, X)``.
    """

    field: Field
    background: NDArray[np.float32] | None
    from_sums: sp.csr_matrix | None
    inside: NDArray[np.bool_]
    gain: NDArray[np.float32]


def predict_background(
    smoothed: NDArray[np.float32],
    means: NDArray[np.float32] | None,
    field: Field,
    inside: NDArray[np.bool_],
    gain: NDArray[np.float32],
) -> PredictedBackground:
    """Kriging where a movie's ``means`` of nodes on the finer grid allow it, else what is smoothed.

    Parameters
    ----------
    smoothed
        Background on the grid of ``field`` ``(n_nodes, n_bins)``.
    means
        Of the finer grid ``(n_fine, n_bins)``, one-photon recordings alone.
    inside, gain
        Pixels inside footprints, weight of the background ``(Z, Y, X)``.
    """
    as_found = PredictedBackground(field, smoothed, None, inside, gain)
    if means is None:
        return as_found
    fine = finer(field)
    weight = node_sums(pixel_weights(inside, gain) * gain, fine.grid).ravel()
    covariance = learn_covariance(means, weight, fine)
    if covariance is None:
        return as_found
    from_sums = predict_from_sums(covariance, weight, fine)
    predicted = np.empty_like(means)
    for start in range(0, means.shape[1], _BINS):
        some = slice(start, start + _BINS)
        predicted[:, some] = from_sums @ (means[:, some] * weight[:, None])
    return PredictedBackground(fine, predicted, from_sums, inside, gain)
