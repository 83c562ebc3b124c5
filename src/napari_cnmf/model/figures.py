"""Figures of single components for tables and plots; nothing of it is stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.components import Components

_EDGE = 0.2
"""Share of a footprint's maximum above which a pixel counts as part of the cell."""


def areas(components: Components) -> NDArray[np.int64]:
    """Number of pixels above a fifth of each footprint's maximum, ``(n_components,)``."""
    A = components.A
    counts = np.diff(A.indptr)
    out = np.zeros(A.shape[1], dtype=np.int64)
    filled = np.flatnonzero(counts)
    if not filled.size:
        return out
    peaks = np.maximum.reduceat(A.data, A.indptr[filled])
    inside = A.data > np.repeat(_EDGE * peaks, counts[filled])
    out[filled] = np.add.reduceat(inside.astype(np.int64), A.indptr[filled])
    return out


def event_counts(components: Components) -> NDArray[np.int64]:
    """Number of events of each component, ``(n_components,)``: runs of frames with spikes.

    Spikes below a tenth of the component's largest one are not counted. Without deconvolved
    spikes the rises of ``C`` stand in for them.
    """
    n, n_frames = components.C.shape
    out = np.zeros(n, dtype=np.int64)
    for start in range(0, n, 512):
        part = slice(start, start + 512)
        if components.S is not None:
            spikes = components.S[part]
        else:
            spikes = np.maximum(np.diff(components.C[part], axis=1, prepend=0), 0)
        if n_frames:
            active = spikes > 0.1 * spikes.max(axis=1, keepdims=True)
            out[part] = active[:, 0] + (active[:, 1:] & ~active[:, :-1]).sum(axis=1)
    return out


def centres(components: Components) -> NDArray[np.float64]:
    """Centre of mass of each footprint in pixels, ``(n_components, n_axes)``; NaN when empty."""
    A = components.A
    at = np.stack(np.unravel_index(A.indices, components.dims)).astype(np.float64)
    counts = np.diff(A.indptr)
    out = np.full((A.shape[1], len(components.dims)), np.nan)
    filled = np.flatnonzero(counts)
    if filled.size:
        starts = A.indptr[filled]
        mass = np.add.reduceat(A.data.astype(np.float64), starts)
        with np.errstate(divide="ignore", invalid="ignore"):
            for axis, values in enumerate(at):
                out[filled, axis] = np.add.reduceat(values * A.data, starts) / mass
    return out


def trace_correlation(components: Components) -> NDArray[np.float64]:
    """Pearson correlation of each pair of denoised traces, ``(n_components, n_components)``.

    NaN where a trace is constant.
    """
    C = np.asarray(components.C, np.float64)
    if not C.size:
        return np.zeros((len(C), len(C)))
    centred = C - C.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = centred / length[:, np.newaxis]
    return np.asarray(np.clip(unit @ unit.T, -1, 1))
