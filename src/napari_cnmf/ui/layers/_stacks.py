"""Lazy image stacks of a result, with contrast limits that cost a few frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.model.reconstruction import background, denoised, residual

if TYPE_CHECKING:
    import dask.array as da

_SAMPLED_FRAMES = 8
_SAMPLED_TRACES = 500


def lazy_stacks(components: Components, movie: Movie | None) -> dict[str, da.Array]:
    """Every stack that can be shown, by name, one frame a chunk; nothing is read.

    Parameters
    ----------
    components
        The result.
    movie
        What it was made from. Without it there is no ``raw``, no ``residual``, and no background
        of a ring model.

    Returns
    -------
    dict
        Of ``raw, denoised, background, residual``, those that can be made; ``(T, [Z], Y, X)``.
    """
    stacks: dict[str, da.Array] = {}
    if movie is not None:
        stacks["raw"] = movie.data
    stacks["denoised"] = denoised(components)
    has_background = components.b is not None and components.b.shape[1] > 0
    if has_background or (components.has_ring_background and movie is not None):
        stacks["background"] = background(components, movie)
    if movie is not None:
        stacks["residual"] = residual(components, movie)
    return stacks


def contrast_limits(name: str, stack: da.Array, components: Components) -> tuple[float, float]:
    """Fixed limits of a stack: a few frames are computed, so not on the GUI thread.

    ``denoised`` takes them from the components' peaks instead: most of its pixels are 0.
    """
    if name == "denoised":
        return 0.0, _typical_peak(components)
    low, high = sampled_limits(stack)
    if name == "residual":
        largest = max(abs(low), abs(high))
        return -largest, largest
    return low, high


def sampled_limits(stack: da.Array) -> tuple[float, float]:
    """Limits from a few frames of a stack ``(T, [Z], Y, X)``."""
    frames = np.unique(np.linspace(0, stack.shape[0] - 1, _SAMPLED_FRAMES).astype(int))
    # Said so, dask does not look for a cluster: that import takes a second.
    sample = np.stack([stack[int(t)].compute(scheduler="threads") for t in frames])
    sample = sample.astype(np.float32)
    return _not_empty(*_finite_percentiles(sample, (0.5, 99.7)))


def image_limits(image: Any) -> tuple[float, float]:
    """Limits of a single image that ignore its few brightest pixels."""
    low, high = _finite_percentiles(np.asarray(image, np.float32), (0.5, 99.8))
    return _not_empty(low, high)


def _typical_peak(components: Components) -> float:
    """Brightness that all but the brightest components stay below."""
    A, C = components.A, components.C
    filled = np.flatnonzero(np.diff(A.indptr))
    if not filled.size or not C.size:
        return 1.0
    footprint = np.maximum.reduceat(A.data, A.indptr[filled])
    # evenly spread over them: the traces of a large result are read from its file
    some = slice(None, None, max(1, filled.size // _SAMPLED_TRACES))
    peaks = footprint[some] * np.nan_to_num(C[filled[some]].max(axis=1))
    peak = float(np.percentile(peaks, 90))
    return peak if np.isfinite(peak) and peak > 0 else 1.0


def _finite_percentiles(values: Any, percentiles: tuple[float, float]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, percentiles)
    return float(low), float(high)


def _not_empty(low: float, high: float) -> tuple[float, float]:
    """Limits that are never equal, which napari would refuse."""
    return (low, high) if high > low else (low, low + 1.0)
