"""Lays out the curves of a selection; arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.components import Components

FloatArray = NDArray[np.floating]

_SPIKE_STRIP = 0.22
"""Height of the spikes below a trace, as a fraction of the trace's own height."""
_GAP = 0.15


class Trace(StrEnum):
    """Kinds of trace, in the words that their buttons show."""

    RAW = "Raw"
    DENOISED = "Denoised"
    SPIKES = "Spikes"
    RESIDUAL = "Residual"
    DFF = "dF/F"


TRACE_TOOLTIPS = {
    Trace.RAW: "Raw: the denoised trace plus what the model did not explain (C + YrA)",
    Trace.DENOISED: "Denoised: the calcium of the model (C)",
    Trace.SPIKES: "Spikes: the deconvolved activity (S), in its own scale below the trace",
    Trace.RESIDUAL: "Residual: what the model did not explain under the footprint (YrA)",
    Trace.DFF: "dF/F: fluorescence change relative to baseline, in place of raw and denoised",
}

DETRENDED_TOOLTIP = (
    "Detrended: the raw trace minus its running percentile, in the movie's units. "
    "This result has no background that could be divided by (one-photon), so there is no dF/F."
)


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of the plot.

    Attributes
    ----------
    trace
        What it is.
    component
        Whose.
    position
        Of the component in the selection, which decides the colour.
    values
        ``(n_frames,)`` in plot coordinates. For spikes: heights above ``base``.
    base
        Where 0 of the spikes lies.
    """

    trace: Trace
    component: int
    position: int
    values: FloatArray
    base: float = 0.0


@dataclass(frozen=True)
class CurveSet:
    """All curves of a selection.

    Attributes
    ----------
    curves
        In drawing order.
    centres
        Height of each component's label in plot coordinates, in selection order.
    has_units
        One component alone, and several over each other, are in the movie's units; several that
        are stacked are each scaled to the same height.
    """

    curves: tuple[Curve, ...]
    centres: tuple[float, ...]
    has_units: bool


def available_traces(components: Components) -> frozenset[Trace]:
    """Kinds of trace that a result has."""
    optional = {
        Trace.RAW: components.YrA,
        Trace.RESIDUAL: components.YrA,
        Trace.SPIKES: components.S,
    }
    missing = {trace for trace, values in optional.items() if values is None}
    return frozenset(set(Trace) - missing)


def lay_out(
    components: Components,
    selection: Sequence[int],
    wanted: frozenset[Trace],
    dff: FloatArray | None = None,
    *,
    stacked: bool = True,
) -> CurveSet:
    """Lay out the curves of the selected components.

    Parameters
    ----------
    components
        The result.
    selection
        Indices of components.
    wanted
        Which traces to draw; those that the result lacks are left out.
    dff
        dF/F of the selection, ``(len(selection), n_frames)``; needed where it is wanted.
    stacked
        Several stand below each other, the first on top, else all on one axis.
    """
    shown = wanted & available_traces(components)
    is_scaled = stacked and len(selection) > 1
    lines = [
        _lines(components, index, shown, None if dff is None else dff[position])
        for position, index in enumerate(selection)
    ]
    spans = [_span(each) for each in lines]
    if not is_scaled and spans:
        # on one axis the spikes of all stand below the lowest
        spans = [(min(low for low, _ in spans), max(high for _, high in spans))] * len(spans)
    curves: list[Curve] = []
    centres: list[float] = []
    for position, index in enumerate(selection):
        low, high = spans[position]
        height = high - low
        scale = 1 / height if is_scaled else 1.0
        shift = -position * (1 + _GAP + _SPIKE_STRIP) - low * scale if is_scaled else 0.0
        for trace, values in lines[position].items():
            curves.append(Curve(trace, index, position, values * scale + shift))
        if Trace.SPIKES in shown and components.S is not None:
            spikes = np.nan_to_num(components.S[index])
            top = float(spikes.max(initial=0.0)) or 1.0
            strip = _SPIKE_STRIP * height * scale
            base = low * scale + shift - strip * 1.1
            curves.append(Curve(Trace.SPIKES, index, position, spikes / top * strip, base))
        centres.append((low + high) / 2 * scale + shift)
    return CurveSet(tuple(curves), tuple(centres), has_units=not is_scaled)


def _lines(
    components: Components, index: int, shown: frozenset[Trace], dff: FloatArray | None
) -> dict[Trace, FloatArray]:
    """The traces of one component that are lines, in their own units."""
    if dff is not None and Trace.DFF in shown:
        return {Trace.DFF: dff}
    lines: dict[Trace, FloatArray] = {}
    if components.YrA is not None:
        if Trace.RAW in shown:
            lines[Trace.RAW] = components.C[index] + components.YrA[index]
        if Trace.RESIDUAL in shown:
            lines[Trace.RESIDUAL] = components.YrA[index]
    if Trace.DENOISED in shown:
        lines[Trace.DENOISED] = components.C[index]
    return lines


def _span(lines: dict[Trace, FloatArray]) -> tuple[float, float]:
    """Lowest and highest finite value, never equal."""
    values = [v[np.isfinite(v)] for v in lines.values()]
    values = [v for v in values if v.size]
    if not values:
        return 0.0, 1.0
    low = min(float(v.min()) for v in values)
    high = max(float(v.max()) for v in values)
    return (low, high) if high > low else (low, low + 1.0)


def spike_sticks(curve: Curve, times: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Pairs of points, one vertical stick for each frame with a spike.

    Returns
    -------
    tuple of ndarray
        x and y, both ``(2 * n_spikes,)``: bottom and top of each stick in turn.
    """
    frames = np.flatnonzero(curve.values > 0)
    x = np.repeat(times[frames], 2)
    y = np.full(2 * len(frames), float(curve.base))
    y[1::2] += curve.values[frames]
    return x, y
