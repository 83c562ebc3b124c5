"""Events and the calcium indicator that shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_cnmf.testing._knobs import Knobs
from napari_cnmf.testing._random import stream


class ActivityKnobs(Knobs):
    """When cells fire and what their indicator makes of it."""

    event_rate_hz: float = Field(0.1, ge=0)
    """Median rate of events of a cell."""
    event_rate_sigma: float = Field(0.7, ge=0)
    """Spread of the rates between cells (sd of the logarithm)."""
    event_size_shape: float = Field(3.0, gt=0)
    """Shape of the gamma distribution of event sizes, whose mean is 1."""
    amplitude_units: float = Field(1.0, gt=0)
    """Median fluorescence of an event of size 1, in units."""
    amplitude_sigma: float = Field(0.45, ge=0)
    """Spread of the amplitudes between cells (sd of the logarithm)."""
    rise_time_s: float = Field(0.08, gt=0)
    """Time constant of the rise."""
    decay_time_s: float = Field(0.7, gt=0)
    """Time constant of the decay."""
    decay_times_s: tuple[float, ...] = ()
    """Several indicators in one movie: each cell has one of these decays; () for one indicator."""
    kinetics_sigma: float = Field(0.0, ge=0, le=1)
    """Spread of rise and decay between cells of one indicator (sd of the logarithm)."""
    silent_fraction: float = Field(0.0, ge=0, le=1)
    """Share of the cells that never fire: visible at rest, not detectable by activity."""


@dataclass(frozen=True, eq=False)
class Activity:
    """Traces of ``K`` cells.

    Attributes
    ----------
    C, S
        Fluorescence above rest and events that caused it ``(K, T)`` float32, in units; an event
        stands in the frame at whose end it has begun to show.
    rise_time_s, decay_time_s
        ``(K,)``.
    """

    C: NDArray[np.float32]
    S: NDArray[np.float32]
    rise_time_s: NDArray[np.float64]
    decay_time_s: NDArray[np.float64]


def indicator_kernel(
    time_s: NDArray[np.float64], rise_s: float, decay_s: float
) -> NDArray[np.float64]:
    """Answer of the indicator ``time_s`` after an event: ``(1 - exp(-t/r)) exp(-t/d)``, peak 1."""
    peak_s = rise_s * np.log1p(decay_s / rise_s)
    peak = (1 - np.exp(-peak_s / rise_s)) * np.exp(-peak_s / decay_s)
    late = np.maximum(time_s, 0.0)
    return np.asarray((1 - np.exp(-late / rise_s)) * np.exp(-late / decay_s) / peak)


def draw_events(
    rng: np.random.Generator, rate_hz: float, duration_s: float, shape: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Poisson event times in s, sorted, and their gamma distributed sizes of mean 1."""
    n = int(rng.poisson(rate_hz * duration_s))
    return np.sort(rng.uniform(0, duration_s, n)), rng.gamma(shape, 1 / shape, n)


def trace_of(
    times_s: NDArray[np.float64],
    sizes: NDArray[np.float64],
    rise_s: float,
    decay_s: float,
    n_frames: int,
    frame_rate_hz: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Trace and events ``(T,)`` of one cell, sampled at frame times ``t / frame_rate``."""
    trace = np.zeros(n_frames)
    events = np.zeros(n_frames, dtype=np.float32)
    span = int(np.ceil((8 * decay_s + 4 * rise_s) * frame_rate_hz)) + 1
    for time_s, size in zip(times_s, sizes, strict=True):
        first = int(np.ceil(time_s * frame_rate_hz))
        frames = np.arange(first, min(first + span, n_frames))
        if not len(frames):
            continue
        trace[frames] += size * indicator_kernel(frames / frame_rate_hz - time_s, rise_s, decay_s)
        events[first] += size
    return trace.astype(np.float32), events


def make_activity(
    knobs: ActivityKnobs, n_cells: int, n_frames: int, frame_rate_hz: float, seed: int
) -> Activity:
    """Draw events and traces of ``n_cells`` cells."""
    rng = stream(seed, "activity")
    kinetics = stream(seed, "kinetics")
    duration_s = n_frames / frame_rate_hz
    rates = knobs.event_rate_hz * np.exp(knobs.event_rate_sigma * rng.standard_normal(n_cells))
    amplitudes = knobs.amplitude_units * np.exp(
        knobs.amplitude_sigma * rng.standard_normal(n_cells)
    )
    silent = rng.permutation(n_cells) < round(knobs.silent_fraction * n_cells)
    choices = knobs.decay_times_s or (knobs.decay_time_s,)
    decays = np.asarray(choices)[kinetics.integers(len(choices), size=n_cells)]
    decays = decays * np.exp(knobs.kinetics_sigma * kinetics.standard_normal(n_cells))
    rises = knobs.rise_time_s * np.exp(knobs.kinetics_sigma * kinetics.standard_normal(n_cells))
    C = np.zeros((n_cells, n_frames), dtype=np.float32)
    S = np.zeros_like(C)
    for k in range(n_cells):
        times_s, sizes = draw_events(rng, rates[k], duration_s, knobs.event_size_shape)
        if silent[k]:
            continue
        sizes = sizes * amplitudes[k]
        C[k], S[k] = trace_of(times_s, sizes, rises[k], decays[k], n_frames, frame_rate_hz)
    return Activity(C=C, S=S, rise_time_s=rises, decay_time_s=decays)
