"""K as a bound: at most so many components in each patch, the strongest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.factors import Factors
from napari_cnmf.params.patch import PatchParams
from napari_cnmf.params.patches import cnmf_patches


def strongest_per_patch(
    factors: Factors,
    energy: NDArray[np.floating],
    K: int | None,
    patch: PatchParams,
    dims: tuple[int, ...],
) -> NDArray[np.int64]:
    """Ids of the components to keep, in their order.

    Patches overlap as CaImAn lays them; what is among the strongest of one of them stays.

    Parameters
    ----------
    energy
        Strength of each component ``(n,)``.
    K
        Bound; ``None`` keeps all.
    patch
        ``rf``, ``stride`` and ``border_pix`` lay the patches; without ``rf`` the field is one.
    dims
        Shape of a frame.
    """
    everything = np.arange(len(factors))
    if K is None or len(factors) == 0:
        return everything
    order = np.argsort(-np.asarray(energy), kind="stable")
    if patch.rf is None:
        return np.sort(order[:K])
    spans = np.array(cnmf_patches(dims, patch.rf, patch.stride, patch.border_pix).boxes)
    low, high = spans[..., 0], spans[..., 1] - 1
    at = np.round(factors.centroids()[order, 3 - len(dims) :])
    at = np.clip(at, low.min(0), high.max(0))
    inside = ((at[:, None] >= low) & (at[:, None] <= high)).all(-1)
    among = inside & (np.cumsum(inside, axis=0) <= K)
    return np.sort(order[among.any(1)])
