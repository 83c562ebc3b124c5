"""Merging: pieces of one cell become one component.

Two components are one when a good share of one footprint lies inside the other and
their traces rise together. Cosine similarity of footprints would miss the small piece
of a big cell; containment does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.footprints import dilate, filled_cores
from napari_cnmf.core.base.threads import Workers

CONTAINED = 0.3
"""Share of a footprint's energy inside the other's core from which on they may be one."""

_AT_ONCE = 64
"""Traces that a thread looks through together."""
HALO_REACH = 3.0
HALO_RATIO = 3.3
HALO_CORRELATION = 0.5


def active_part(C: NDArray[np.float32]) -> NDArray[np.float32]:
    """Traces above two standard deviations of their lower side, ``(n, n_bins)``."""
    low, mid = np.quantile(C, [0.1, 0.4], axis=1) if C.size else (np.zeros(len(C)),) * 2
    sigma = (mid - low) / 1.0283
    level = mid + 0.2533 * sigma + 2 * sigma
    return np.maximum(C - level[:, None], 0).astype(np.float32)


def neighbour_pairs(factors: Factors) -> NDArray[np.int64]:
    """Pairs ``(n, 2)`` whose boxes overlap, first id below the second."""
    box = np.array(factors.foot.shape[1:])
    order = np.argsort(factors.corner[:, 1], kind="stable")
    at = factors.corner[order]
    # Each with those after it along Y, as far as its box reaches.
    first = np.arange(len(at)) + 1
    n_after = np.searchsorted(at[:, 1], at[:, 1] + box[1], side="left") - first
    one = np.repeat(first - 1, n_after)
    other = np.arange(len(one)) + np.repeat(first - np.cumsum(n_after) + n_after, n_after)
    near = (np.abs(at[other] - at[one]) < box).all(1)
    pairs = np.sort(order[np.stack([one[near], other[near]], axis=1)], axis=1)
    return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], np.int64)


def overlap_slices(
    corner_a: NDArray[np.int64], corner_b: NDArray[np.int64], box: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the common pixels of two boxes, in the coordinates of each; none where they are apart.

    Pieces of one large region are merged in a chain, so that two boxes of a group may lie anywhere.
    """
    # Boxes that are further apart than they are long must not give slices that count from the end.
    d = [int(np.clip(s, -n, n)) for s, n in zip(corner_b - corner_a, box, strict=True)]
    in_a = tuple(slice(max(0, s), min(n, n + s)) for s, n in zip(d, box, strict=True))
    in_b = tuple(slice(max(0, -s), min(n, n - s)) for s, n in zip(d, box, strict=True))
    return in_a, in_b


def containment(factors: Factors, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of each footprint's energy inside the other's filled, 1-px-dilated core.

    Returns
    -------
    share
        ``(n_pairs, 2)``: of the first in the second, of the second in the first.
    """
    used, places = np.unique(pairs, return_inverse=True)
    corner, foot = factors.corner[used], factors.foot[used]
    cores = dilate(filled_cores(foot))
    energy = foot**2
    total = np.maximum(energy.sum((1, 2, 3)), 1e-30)
    share = np.zeros((len(pairs), 2))
    for n, (i, j) in enumerate(places.reshape(-1, 2)):
        in_i, in_j = overlap_slices(corner[i], corner[j], foot.shape[1:])
        share[n, 0] = (energy[i][in_i] * cores[j][in_j]).sum() / total[i]
        share[n, 1] = (energy[j][in_j] * cores[i][in_i]).sum() / total[j]
    return share


def correlation_of_pairs(
    traces: NDArray[np.floating], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Pearson correlation of the traces of each pair ``(n_pairs,)``; 0 for a flat one."""
    x = traces - traces.mean(1, keepdims=True)
    norm = np.sqrt(np.einsum("kt,kt->k", x, x))
    dot = np.einsum("nt,nt->n", x[pairs[:, 0]], x[pairs[:, 1]])
    return np.asarray(dot / np.maximum(norm[pairs[:, 0]] * norm[pairs[:, 1]], 1e-30), np.float64)


def groups_to_merge(
    factors: Factors, correlation: float, workers: Workers
) -> list[NDArray[np.int64]]:
    """Sets of components that are one cell, each with at least two members."""
    pairs = neighbour_pairs(factors)
    if len(pairs) == 0:
        return []
    active = np.empty_like(factors.C)

    def find_active(start: int, stop: int) -> None:
        active[start:stop] = active_part(factors.C[start:stop])

    workers.ranges(find_active, len(active), _AT_ONCE)
    together = correlation_of_pairs(active, pairs) > correlation
    pairs = pairs[together]
    pairs = pairs[(containment(factors, pairs) > CONTAINED).any(1)]
    parent = np.arange(len(factors))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for i, j in pairs:
        a, b = root(int(i)), root(int(j))
        parent[max(a, b)] = min(a, b)
    roots = np.array([root(i) for i in range(len(parent))])
    first, size = np.unique(roots, return_counts=True)
    return [np.flatnonzero(roots == r) for r in first[size > 1]]


def merge_components(
    R: NDArray[np.float32], factors: Factors, correlation: float, workers: Workers
) -> Factors:
    """Replace each group by one component, the residual kept in step.

    Parameters
    ----------
    R
        Whitened residual ``(Z, Y, X, n_bins)``, changed in place.
    correlation
        Of the active parts of two traces, above which they may be one cell.

    Returns
    -------
    Factors
        The untouched ones in their order, then the merged ones.
    """
    groups = groups_to_merge(factors, correlation, workers)
    if not groups:
        return factors
    merged = [_fuse(R, factors.take(ids)) for ids in groups]
    left = np.ones(len(factors), np.bool_)
    left[np.concatenate(groups)] = False
    return Factors.concatenate([factors.take(left), *merged])


def absorb_halos(
    R: NDArray[np.float32], factors: Factors, g_sig: tuple[float, float, float]
) -> Factors:
    """Take away components that are scattered light of a much stronger one nearby.

    In one-photon recordings a bright cell has a halo, found as components of its own within
    ``HALO_REACH`` gSig, ``HALO_RATIO`` times weaker and correlated above ``HALO_CORRELATION``.
    Their light goes back into the residual for the strong one to take.
    """
    pairs = neighbour_pairs(factors)
    if len(pairs) == 0:
        return factors
    energy = (factors.foot**2).sum((1, 2, 3)) * (active_part(factors.C) ** 2).sum(1)
    scale = np.array([g if g > 0 else 1.0 for g in g_sig])
    at = factors.centroids() / scale
    near = np.linalg.norm(at[pairs[:, 0]] - at[pairs[:, 1]], axis=1) < HALO_REACH
    together = correlation_of_pairs(active_part(factors.C), pairs) > HALO_CORRELATION
    keep = np.ones(len(factors), np.bool_)
    for i, j in pairs[near & together]:
        strong, weak = (i, j) if energy[i] >= energy[j] else (j, i)
        if energy[strong] > HALO_RATIO * energy[weak]:
            keep[weak] = False
    for k in np.flatnonzero(~keep):
        add_product(R, factors.corner[k], factors.foot[k], factors.C[k])
    return factors.take(keep)


def _fuse(R: NDArray[np.float32], parts: Factors) -> Factors:
    """One component from several: given back to R, fitted as one, taken out again."""
    shape = R.shape[:3]
    box = np.array(parts.foot.shape[1:])
    weight = np.sqrt((parts.foot**2).sum((1, 2, 3)) * (parts.C**2).sum(1))
    centre = np.round((weight[:, None] * parts.centroids()).sum(0) / weight.sum()).astype(np.int64)
    corner = centre - box // 2
    foot = np.zeros(parts.foot.shape[1:], np.float32)
    strength = np.sqrt((parts.C**2).sum(1))
    for k in range(len(parts)):
        add_product(R, parts.corner[k], parts.foot[k], parts.C[k])
        in_new, in_part = overlap_slices(corner, parts.corner[k], tuple(box))
        foot[in_new] += strength[k] * parts.foot[k][in_part]
    region, local = clip_box(corner, tuple(box), shape)
    a = foot[local]
    r = R[region]
    c = np.tensordot(a, r, 3) / max(float((a**2).sum()), 1e-30)
    r -= a[..., None] * c
    return Factors(corner[None], foot[None], c[None].astype(np.float32))


def clip_box(
    corner: NDArray[np.int64], box: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the part of a box inside the field, in the field's and in the box's coordinates.

    Both are empty for a box that lies outside of the field.
    """
    region = tuple(
        slice(min(max(0, int(c)), n), min(n, max(0, int(c) + b)))
        for c, b, n in zip(corner, box, shape, strict=True)
    )
    local = tuple(
        slice(s.start - int(c), s.stop - int(c)) for s, c in zip(region, corner, strict=True)
    )
    return region, local


def add_product(
    R: NDArray[np.float32],
    corner: NDArray[np.int64],
    a: NDArray[np.float32],
    c: NDArray[np.float32],
) -> None:
    """``R += a c`` over a box, in place."""
    region, local = clip_box(corner, a.shape, R.shape[:3])
    R[region] += a[local][..., None] * c
