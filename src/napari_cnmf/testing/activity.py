"""Simulates events and the calcium indicator that shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.signal import lfilter

from napari_cnmf.testing._knobs import Knobs
from napari_cnmf.testing._stage import Stage


class ActivityKnobs(Knobs):
    """Knobs of when cells fire and what their indicator makes of it."""

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
    """Traces and events of ``K`` cells.

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


@dataclass(frozen=True)
class Indicator:
    """Kinetics of one cell's indicator."""

    rise_time_s: float
    decay_time_s: float

    def answer(self, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Response ``(1 - exp(-t / rise)) exp(-t / decay)`` at ``time_s`` from an event, peak 1."""
        late = np.maximum(time_s, 0.0)
        rise = 1 - np.exp(-late / self.rise_time_s)
        return np.asarray(rise * np.exp(-late / self.decay_time_s) / self._peak)

    @property
    def _peak(self) -> float:
        """Largest value of the response before it is scaled."""
        rise, decay = self.rise_time_s, self.decay_time_s
        peak_s = rise * np.log1p(decay / rise)
        return float((1 - np.exp(-peak_s / rise)) * np.exp(-peak_s / decay))

    def trace(
        self, times_s: NDArray[np.float64], sizes: NDArray[np.float64], stage: Stage
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Fluorescence and events ``(T,)`` for frames taken at ``t / frame_rate``."""
        rate = stage.frame_rate_hz
        first = np.ceil(times_s * rate).astype(int)
        seen = first < stage.n_frames
        first, delay_s = first[seen], first[seen] / rate - times_s[seen]
        events = np.bincount(first, weights=sizes[seen], minlength=stage.n_frames)
        # The answer is a difference of two exponentials, and each is a recursion over frames.
        rise, decay = self.rise_time_s, self.decay_time_s
        fluorescence = np.zeros(stage.n_frames)
        for sign, tau in ((1.0, decay), (-1.0, rise * decay / (rise + decay))):
            start = sizes[seen] * np.exp(-delay_s / tau)
            impulses = np.bincount(first, weights=start, minlength=stage.n_frames)
            fluorescence += sign * lfilter([1.0], [1.0, -np.exp(-1 / (rate * tau))], impulses)
        trace = np.maximum(fluorescence / self._peak, 0.0)
        return trace.astype(np.float32), events.astype(np.float32)


def draw_events(
    rng: np.random.Generator, rate_hz: float, duration_s: float, shape: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw Poisson event times in s, sorted, and their gamma distributed sizes of mean 1."""
    n = int(rng.poisson(rate_hz * duration_s))
    return np.sort(rng.uniform(0, duration_s, n)), rng.gamma(shape, 1 / shape, n)


def make_activity(
    knobs: ActivityKnobs, n_sources: int, stage: Stage, who: str = "cells"
) -> Activity:
    """Draw events and traces of ``n_sources`` sources; ``who`` names their random numbers."""
    rng, kinetics = stage.rng(f"activity of {who}"), stage.rng(f"kinetics of {who}")
    rates = knobs.event_rate_hz * np.exp(knobs.event_rate_sigma * rng.standard_normal(n_sources))
    amplitudes = knobs.amplitude_units * np.exp(
        knobs.amplitude_sigma * rng.standard_normal(n_sources)
    )
    silent = rng.permutation(n_sources) < round(knobs.silent_fraction * n_sources)
    choices = knobs.decay_times_s or (knobs.decay_time_s,)
    decays = np.asarray(choices)[kinetics.integers(len(choices), size=n_sources)]
    decays = decays * np.exp(knobs.kinetics_sigma * kinetics.standard_normal(n_sources))
    rises = knobs.rise_time_s * np.exp(knobs.kinetics_sigma * kinetics.standard_normal(n_sources))
    C = np.zeros((n_sources, stage.n_frames), dtype=np.float32)
    S = np.zeros_like(C)
    for k in range(n_sources):
        times_s, sizes = draw_events(rng, rates[k], stage.duration_s, knobs.event_size_shape)
        if not silent[k]:
            C[k], S[k] = Indicator(rises[k], decays[k]).trace(times_s, amplitudes[k] * sizes, stage)
    return Activity(C=C, S=S, rise_time_s=rises, decay_time_s=decays)
