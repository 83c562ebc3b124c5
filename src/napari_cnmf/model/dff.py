"""dF/F: change of fluorescence relative to a baseline that follows slow drifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.model.components import Components


def compute_dff(
    components: Components,
    rows: Sequence[int] | NDArray[np.intp] | None = None,
    *,
    percentile: float = 8.0,
    window: int = 500,
) -> NDArray[np.float32]:
    """``(F - F0) / (F0 + B)`` of each component.

    ``F = C + YrA`` in units of the movie, ``F0`` its running percentile, and ``B`` the running
    percentile of the background under the footprint, ``a^T b f`` of the footprint at unit norm.

    Parameters
    ----------
    components
        The result.
    rows
        These components alone, in this order.
    percentile, window
        Of the baseline; ``window`` in frames, the whole recording where that is shorter.

    Returns
    -------
    ndarray
        float32 ``(n, n_frames)``.

    Notes
    -----
    For one-photon results, whose background light is no baseline (those of the built-in engine,
    and all without a low-rank background, such as CaImAn's with a ring model), there is nothing to
    divide by: traces are **detrended only**, ``F - F0``, in the units of the movie, as CaImAn's
    ``detrend_only`` does. The percentile is the one given, where CaImAn by default estimates one
    for each trace.

    References
    ----------
    Giovannucci et al. 2019, eLife 8:e38173, "Extraction of dF/F".
    """
    index = np.arange(components.n_components) if rows is None else np.asarray(rows, dtype=np.intp)
    A = components.A[:, index]
    norm = np.sqrt(np.asarray(A.multiply(A).sum(axis=0), np.float64)).ravel()
    F = components.C[index].astype(np.float64)
    if components.YrA is not None:
        F += components.YrA[index]
    F *= norm[:, np.newaxis]
    F0 = _running_percentile(F, percentile, window)
    background = _low_rank_background(components)
    if background is None:
        return (F - F0).astype(np.float32)
    b, f = background
    unit = A @ sp.diags_array(1 / np.maximum(norm, 1e-12))
    B = np.asarray(unit.T @ b) @ f
    baseline = F0 + _running_percentile(B, percentile, window)
    smallest = np.finfo(np.float32).eps
    safe = np.where(np.abs(baseline) > smallest, baseline, np.nan)
    return np.asarray((F - F0) / safe, dtype=np.float32)


def is_detrended_only(components: Components) -> bool:
    """Whether there is nothing to divide by, so that dF/F is ``F - F0`` in the movie's units."""
    return _low_rank_background(components) is None


def _low_rank_background(components: Components) -> tuple[Any, Any] | None:
    b, f = components.b, components.f
    if components.attributes.get("one_photon"):
        return None
    return None if b is None or f is None or b.shape[1] == 0 else (b, f)


def _running_percentile(
    traces: NDArray[np.floating], percentile: float, window: int
) -> NDArray[np.float64]:
    """Percentile of the ``window`` frames around each frame, ``(n, n_frames)``."""
    n, n_frames = traces.shape
    if n == 0 or n_frames == 0:
        return np.zeros((n, n_frames))
    if window >= n_frames:
        whole = np.percentile(traces, percentile, axis=1, keepdims=True)
        return np.broadcast_to(whole, traces.shape).copy()
    from scipy.ndimage import percentile_filter

    rows = [percentile_filter(row, percentile, size=window, mode="reflect") for row in traces]
    return np.asarray(rows, dtype=np.float64)
