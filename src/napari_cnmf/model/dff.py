"""dF/F: change of fluorescence relative to a baseline that follows slow drifts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf._checks import check_number
from napari_cnmf.errors import ParameterError
from napari_cnmf.model.components import Components
from napari_cnmf.model.ids import Ids, as_ids

_BLOCK = 256
"""Number of components that are computed at a time, which bounds the memory that is used."""
_BRIGHTEST = float(np.finfo(np.float32).max)
"""Largest value that a pixel of a movie has, which are numbers of 32 bits."""
_MAD_OF_NORMAL = 0.6745
"""Median absolute deviation of a normal distribution of standard deviation 1."""
_LARGEST_DFF = 1000.0
"""Peak of dF/F above which the baseline is taken for zero, however small the noise is."""
_LARGEST_DFF_WITHOUT_NOISE = 100.0
"""The same for denoised traces whose noise is not known; no indicator brightens that much."""


class NoBaselineWarning(UserWarning):
    """Some components have no baseline that fluorescence can be divided by."""


def compute_dff(
    components: Components,
    rows: Ids | None = None,
    *,
    percentile: float = 8.0,
    window: int = 500,
    offset: float = 0.0,
    names: NDArray[np.intp] | None = None,
) -> NDArray[np.float32]:
    """Compute dF/F, ``(F - F0) / (F0 + B)``, of each component.

    ``F = C + YrA`` in units of the movie, ``F0`` its running percentile, and ``B`` the running
    percentile of the background under the footprint, ``a^T b f`` of the footprint at unit norm.

    Parameters
    ----------
    components
        The result.
    rows
        Numbers of components, counted from 0, each once and in the order wanted, or a boolean
        mask ``(n_components,)``; all by default.
    percentile
        Percentile of the baseline, 0 to 100.
    window
        Number of frames of the baseline, the whole recording where that is shorter.
    offset
        Value of a pixel of the movie without light, which is taken from the baseline: 0 for a
        detector that reads 0 in the dark, negative where too much was subtracted from the movie.
    names
        Ids by which a warning names components, ``(n_components,)``; their numbers by default.

    Returns
    -------
    ndarray
        float32 ``(n, n_frames)``. A component whose baseline is somewhere below the noise of its
        trace, or negative, is NaN: divided by such a number a trace turns upside down or explodes.
        The noise is that of the frames and of ``YrA``, or ``neurons_sn`` where traces come
        denoised; where neither is known a baseline must be 1 % of the trace's range.

    Warns
    -----
    NoBaselineWarning
        When components are NaN for want of a baseline.

    Raises
    ------
    ParameterError
        When ``percentile``, ``window`` or ``offset`` is out of bounds.

    Notes
    -----
    For one-photon results, whose background light is no baseline (those of the built-in engine,
    and all without a low-rank background, such as CaImAn's with a ring model), there is nothing to
    divide by: traces are **detrended only**, ``F - F0``, in the units of the movie, as CaImAn's
    ``detrend_only`` does. The percentile is the one given, where CaImAn by default estimates one
    for each trace.

    The offset of a recording is not estimated: what is dark in a field of view may be tissue.
    Record some frames with the shutter closed, or take a pixel outside of the tissue.

    References
    ----------
    Giovannucci et al. 2019, eLife 8:e38173, "Extraction of dF/F".
    """
    _check_baseline(percentile, window, offset)
    there = np.arange(components.n_components)
    index = there if rows is None else np.asarray(as_ids(rows, there), dtype=np.intp)
    out = np.empty((index.size, components.n_frames), dtype=np.float32)
    without_baseline = []
    for start in range(0, index.size, _BLOCK):
        part = index[start : start + _BLOCK]
        block, is_usable = _dff_of_block(components, part, percentile, int(window), offset)
        out[start : start + _BLOCK] = block
        without_baseline += part[~is_usable].tolist()
    if without_baseline:
        ids = without_baseline if names is None else names[without_baseline].tolist()
        warnings.warn(_describe_missing(ids, index.size, offset), NoBaselineWarning, stacklevel=2)
    return out


def _dff_of_block(
    components: Components,
    rows: NDArray[np.intp],
    percentile: float,
    window: int,
    offset: float,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """dF/F of some rows, and which of them have a baseline."""
    A = components.A[:, rows]
    norm = np.sqrt(np.asarray(A.multiply(A).sum(axis=0), np.float64)).ravel()
    F = components.C[rows].astype(np.float64)
    if components.YrA is not None:
        F += components.YrA[rows]
    F *= norm[:, np.newaxis]
    F0 = _running_percentile(F, percentile, window)
    background = _low_rank_background(components)
    if background is None:
        return F - F0, np.ones(rows.size, dtype=bool)
    b, f = background
    unit = A @ sp.diags_array(1 / np.maximum(norm, 1e-12))
    B = np.asarray(unit.T @ b) @ f
    baseline = F0 + _running_percentile(B, percentile, window)
    baseline -= offset * np.asarray(unit.sum(axis=0), np.float64).ravel()[:, np.newaxis]
    lowest = baseline.min(axis=1, initial=np.inf)
    usable = lowest > _least_baseline(components, rows, F, norm)
    baseline[~usable] = np.nan
    return (F - F0) / baseline, usable


def _least_baseline(
    components: Components,
    rows: NDArray[np.intp],
    F: NDArray[np.float64],
    norm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Baseline ``(n,)`` below which there is nothing to divide by.

    Within the noise of one frame of zero a baseline is not known well enough. Steps between
    frames miss the noise where frames were averaged or repeated; the residual holds it then.
    """
    if F.shape[1] == 0:
        return np.zeros(len(F))
    largest = _LARGEST_DFF
    noise = _spread(np.diff(F, axis=1)) / np.sqrt(2)
    if components.YrA is not None:
        noise = np.maximum(noise, _spread(components.YrA[rows]) * norm)
    elif components.neurons_sn is not None:
        noise = np.fmax(noise, components.neurons_sn[rows] * norm)
    else:
        largest = _LARGEST_DFF_WITHOUT_NOISE
    floor = np.maximum(np.ptp(F, axis=1) / largest, np.finfo(np.float32).eps)
    return np.asarray(np.maximum(noise, floor))


def _spread(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Robust standard deviation of each row ``(n,)``; transients are slow and rare."""
    if values.shape[1] == 0:
        return np.zeros(len(values))
    middle = np.median(values, axis=1, keepdims=True)
    return np.asarray(np.median(np.abs(values - middle), axis=1) / _MAD_OF_NORMAL, np.float64)


def _check_baseline(percentile: float, window: int, offset: float) -> None:
    check_number("percentile", percentile, ParameterError, least=0, most=100)
    check_number("window", window, ParameterError, least=1, whole=True, advice="It counts frames.")
    check_number(
        "offset", offset, ParameterError, least=-_BRIGHTEST, most=_BRIGHTEST,
        advice="It is the value of a pixel without light: leave it out where that is 0.",
    )  # fmt: skip


def _describe_missing(ids: Sequence[int], n_asked: int, offset: float) -> str:
    shown = ", ".join(map(str, ids[:8])) + (" …" if len(ids) > 8 else "")
    given = f" and offset={offset:g}" if offset else ""
    return (
        f"dF/F of {len(ids)} of {n_asked} components is left empty (component {shown}): their "
        f"baseline F0{given} is below the noise of the trace, so there is nothing to divide by. "
        "The offset of the detector was probably subtracted from the movie: say which value a "
        "pixel without light has, offset=-40 for example, or use raw or detrended traces."
    )


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
