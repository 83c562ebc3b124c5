"""K as a bound: at most so many components in each patch, the strongest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.factors import Factors


def strongest_per_patch(
    factors: Factors,
    energy: NDArray[np.floating],
    K: int | None,
    rf: int | tuple[int, ...] | None,
    dims: tuple[int, ...],
) -> NDArray[np.int64]:
    """Ids of the components to keep, in their order.

    Parameters
    ----------
    energy
        Strength of each component ``(n,)``.
    K
        Bound; ``None`` keeps all.
    rf
        Half-width of a patch in pixels, one number or one per axis; ``None``: one patch.
    dims
        Shape of a frame.
    """
    everything = np.arange(len(factors))
    if K is None or len(factors) == 0:
        return everything
    if rf is None:
        patch = np.zeros(len(factors), np.int64)
    else:
        half = np.broadcast_to(np.atleast_1d(np.asarray(rf)), (len(dims),))
        at = factors.centroids()[:, 3 - len(dims) :]
        counts = [max(1, round(n / (2 * h))) for n, h in zip(dims, half, strict=True)]
        width = np.array(dims) / np.array(counts)
        cell = np.clip((at / width).astype(np.int64), 0, np.array(counts) - 1)
        patch = np.ravel_multi_index(tuple(cell.T), counts).astype(np.int64)
    order = np.argsort(-np.asarray(energy), kind="stable")
    kept: list[int] = []
    count: dict[int, int] = {}
    for k in order:
        n = count.get(int(patch[k]), 0)
        if n < K:
            kept.append(int(k))
            count[int(patch[k])] = n + 1
    return np.array(sorted(kept), dtype=np.int64)
