"""Footprints and traces of one or two components in the light that is left to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.traces.deconvolve import estimate_level, estimate_trace_noise

_ROUNDS = 8
_SPLIT_ROUNDS = 60
_FLOOR = 0.05
"""Share of a footprint's maximum below which pixels are left out."""
_SAME = 0.8
"""Correlation of the time courses of two groups of pixels that makes them one cell."""
_SHRINK = 0.1


def active_part(trace: NDArray[np.float32]) -> NDArray[np.float32]:
    """Trace above its baseline and its noise, 0 elsewhere: where its footprint shows."""
    row = trace[np.newaxis]
    above = trace - estimate_level(row)[0]
    above[above < estimate_trace_noise(row)[0]] = 0
    return np.asarray(above, np.float32)


def fit_one(light: NDArray[np.float32], start: NDArray[np.float32]) -> NDArray[np.float32]:
    """Find the non-negative footprint ``(P,)`` of unit norm that explains ``light (P, T)`` best.

    Parameters
    ----------
    start
        Footprint to begin with, ``(P,)``.
    """
    a = start / max(float(np.linalg.norm(start)), 1e-12)
    for _ in range(_ROUNDS):
        c = active_part(np.asarray(a @ light, np.float32))
        energy = float(c @ c)
        if energy <= 0:
            break
        found = np.maximum(light @ c / energy, 0)
        norm = float(np.linalg.norm(found))
        if norm <= 0:
            break
        a = (found / norm).astype(np.float32)
    return without_floor(a)


def without_floor(a: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set faint pixels of a footprint to 0 and scale it to unit norm again."""
    kept = np.where(a >= _FLOOR * a.max(initial=0.0), a, 0).astype(np.float32)
    return np.asarray(kept / max(float(np.linalg.norm(kept)), 1e-12), np.float32)


def fit_two(
    light: NDArray[np.float32], weight: NDArray[np.float32], frames_per_bin: int
) -> list[NDArray[np.float32]] | None:
    """Find two footprints ``(P,)`` of different time courses; ``None`` where there is only one.

    Non-negative matrix factorisation of rank 2 on bins of frames. It begins with the two strong
    pixels whose time courses differ most.

    Parameters
    ----------
    weight
        The footprint that is split, ``(P,)``: says which pixels are strong.
    """
    binned = _binned(light, frames_per_bin)
    binned = binned - estimate_level(binned)[:, np.newaxis]
    strong = np.flatnonzero(weight >= 0.3 * weight.max(initial=0.0))
    if strong.size < 4 or binned.shape[1] < 4:
        return None
    courses = binned[strong]
    courses = courses - courses.mean(axis=1, keepdims=True)
    courses /= np.maximum(np.linalg.norm(courses, axis=1, keepdims=True), 1e-12)
    first, second = _two_groups(courses)
    C = np.stack([binned[strong[first]].mean(axis=0), binned[strong[second]].mean(axis=0)])
    if _signal_correlation(C) > _SAME:
        return None
    C = np.maximum(C, 0)
    A = np.zeros((light.shape[0], 2), np.float32)
    for _ in range(_SPLIT_ROUNDS):
        _hals(A, C, binned)
        _hals(C.T, A.T, binned.T)
    A *= np.linalg.norm(C, axis=1)
    if not A.any(axis=0).all():
        return None
    return [without_floor(a) for a in A.T]


def _binned(light: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    n_bins = light.shape[1] // max(1, frames)
    if n_bins < 8:
        return light
    whole = light[:, : n_bins * frames].reshape(len(light), n_bins, frames)
    return np.asarray(whole.mean(axis=2), np.float32)


def _two_groups(
    courses: NDArray[np.float32],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Divide unit time courses ``(n, T)`` in two by 2-means, begun with the most different two."""
    similarity = courses @ courses.T
    first, second = np.unravel_index(np.argmin(similarity), similarity.shape)
    centres = courses[[first, second]]
    nearer = np.zeros(len(courses), np.bool_)
    for _ in range(20):
        now = courses @ centres[0] >= courses @ centres[1]
        now[first], now[second] = True, False
        if np.array_equal(now, nearer):
            break
        nearer = now
        centres = np.stack([courses[nearer].mean(axis=0), courses[~nearer].mean(axis=0)])
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    return nearer, ~nearer


def _signal_correlation(courses: NDArray[np.float32]) -> float:
    """Correlation of two time courses ``(2, T)`` without the noise that each has of its own."""
    covariance = np.cov(courses)
    signal = np.diag(covariance) - estimate_trace_noise(courses).astype(np.float64) ** 2
    if (signal <= 0).any():
        return 1.0
    return float(covariance[0, 1] / np.sqrt(signal.prod()))


def _hals(left: NDArray[np.float32], right: NDArray[np.float32], data: NDArray[np.float32]) -> None:
    """Run one round of non-negative least squares of ``left`` in ``data ~ left right``."""
    gram = right @ right.T
    target = data @ right.T
    for k in range(left.shape[1]):
        step = (target[:, k] - left @ gram[:, k]) / max(float(gram[k, k]), 1e-12)
        left[:, k] = np.maximum(left[:, k] + step, 0)


def demix(
    footprints: NDArray[np.float32],
    light: NDArray[np.float32],
    A_others: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Solve raw traces ``(n, T)`` of changed components together with their neighbours'.

    ``light`` has the neighbours' model traces taken out already: what they get here corrects
    those, and is held small because the pixels may show only a part of them.

    Parameters
    ----------
    footprints
        ``(P, n)``.
    light
        ``(P, T)``.
    A_others
        ``(P, n_others)``.
    """
    n = footprints.shape[1]
    M = np.hstack([footprints, A_others]).astype(np.float64)
    gram = M.T @ M
    scale = np.diag(gram).copy()
    shrink = np.where(np.arange(scale.size) < n, 1e-6, _SHRINK)
    gram[np.diag_indices_from(gram)] += shrink * scale + 1e-12
    solved = np.linalg.solve(gram, M.T.astype(np.float32) @ light)
    return np.asarray(solved[:n], np.float32)
