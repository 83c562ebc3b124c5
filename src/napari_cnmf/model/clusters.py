"""Finds groups of components that are active together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.sparse.linalg import svds

from napari_cnmf.model.rows import row_blocks

_MOST_AXES = 12
_BINS = 1000


def cluster_traces(
    C: NDArray[np.floating], n_clusters: int = 8, *, seed: int = 0
) -> NDArray[np.intp]:
    """Clusters of traces by their correlation.

    k-means on the leading principal axes of the standardised traces.

    Parameters
    ----------
    C
        Traces ``(n_components, n_frames)``; long ones are averaged to about a thousand bins.
    n_clusters
        At most; fewer where there are fewer components.

    Returns
    -------
    ndarray
        ``(n_components,)``: 0 is the largest cluster; -1 where a trace never changes.
    """
    out = np.full(len(C), -1, np.intp)
    blocks = [_binned(np.nan_to_num(np.asarray(some, np.float32))) for _, some in row_blocks(C)]
    X = np.concatenate(blocks) if blocks else np.zeros((0, 1), np.float32)
    X = X - X.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(X, axis=1)
    active = np.flatnonzero(norm > 0)
    k = min(n_clusters, active.size)
    if k < 2:
        out[active] = 0
        return out
    X = X[active] / norm[active, np.newaxis]
    n_axes = min(_MOST_AXES, min(X.shape) - 1)
    rng = np.random.default_rng(seed)
    axes, strength, _ = svds(X, k=max(n_axes, 1), rng=rng)
    _, found = kmeans2(axes * strength, k, minit="++", rng=rng, iter=30)
    names, at, counts = np.unique(found, return_inverse=True, return_counts=True)
    rank = np.empty(names.size, np.intp)
    rank[np.argsort(-counts, kind="stable")] = np.arange(names.size)
    out[active] = rank[at]
    return out


def _binned(C: NDArray[np.float32]) -> NDArray[np.float32]:
    width = C.shape[1] // _BINS
    if width < 2:
        return C
    whole = C[:, : C.shape[1] // width * width]
    return np.asarray(whole.reshape(len(C), -1, width).mean(axis=2), np.float32)
