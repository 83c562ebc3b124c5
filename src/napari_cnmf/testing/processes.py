"""Simulates active things that are not cells: fine processes, long dendrites, puncta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from napari_cnmf.testing._knobs import Knobs
from napari_cnmf.testing._stage import Stage
from napari_cnmf.testing.activity import ActivityKnobs, make_activity
from napari_cnmf.testing.footprints import columns_to_sparse

FloatArray = NDArray[np.float64]
_POINT_STEP_PX = 0.5


class ProcessKnobs(Knobs):
    """Knobs of the number, size and activity of what is not a cell."""

    fine_processes_per_kpx: float = Field(0.0, ge=0, le=200)
    """Fine processes (axons, dendritic twigs) per 1000 px of the field, each active on its own."""
    fine_process_width_px: float = Field(0.8, gt=0.2)
    """Their width: sd of the profile."""
    fine_process_length_px: float = Field(25.0, gt=2)
    """Their mean length."""
    fine_process_units: float = Field(0.5, ge=0)
    """Median fluorescence of their events, in units."""
    fine_process_rate_hz: float = Field(0.1, ge=0)
    """Median rate of their events."""
    n_dendrites: int = Field(0, ge=0)
    """Long dendrites or axons that cross the field, and cells."""
    dendrite_width_px: float = Field(1.3, gt=0.2)
    """Their width: sd of the profile."""
    dendrite_units: float = Field(0.8, ge=0)
    """Median fluorescence of their events, in units."""
    n_puncta: int = Field(0, ge=0)
    """Small round spots: apical dendrites cut across, boutons."""
    puncta_radius_px: float = Field(1.8, gt=0.3)
    """Their radius."""
    puncta_units: float = Field(1.0, ge=0)
    """Median fluorescence of their events, in units."""
    resting_process_share: float = Field(0.3, ge=0)
    """Resting fluorescence of all of them, as a share of their median event."""


@dataclass(frozen=True, eq=False)
class Processes:
    """Footprints and traces of active things that are not cells, float32.

    Attributes
    ----------
    A
        CSC ``(n_padded, n)``, peak 1.
    C
        ``(n, T)`` in units.
    rest
        Their resting fluorescence ``(n_padded,)``.
    """

    A: sp.csc_matrix
    C: NDArray[np.float32]
    rest: NDArray[np.float32]


def wandering_path(
    rng: np.random.Generator, start: FloatArray, angle: float, length_px: float, curl: float
) -> FloatArray:
    """Draw a path ``(n, 2)`` whose direction drifts by ``curl`` radians (sd) over 10 px."""
    n = max(3, int(length_px / _POINT_STEP_PX))
    # Smoothed white noise keeps its sum: headings drift as they would without, but smoothly.
    turns = gaussian_filter1d(rng.standard_normal(n), 6, mode="wrap")
    headings = angle + curl * np.sqrt(_POINT_STEP_PX / 10) * np.cumsum(turns)
    steps = _POINT_STEP_PX * np.stack([np.sin(headings), np.cos(headings)], axis=1)
    return np.asarray(start + np.cumsum(steps, axis=0))


def crossing_path(rng: np.random.Generator, stage: Stage, curl: float) -> FloatArray:
    """Draw a path across the field and its surround, by a place in the middle of the field."""
    middle = rng.uniform(0.15, 0.85, 2) * stage.dims + stage.pad
    angle, length = rng.uniform(0, 2 * np.pi), 1.5 * max(stage.padded)
    there = wandering_path(rng, middle, angle, length, curl)
    back = wandering_path(rng, middle, angle + np.pi, length, curl)
    return np.concatenate([back[::-1], middle[None, :], there])


def draw_tube(
    path: FloatArray, width_px: float | FloatArray, dims: tuple[int, ...]
) -> tuple[NDArray[np.intp], FloatArray]:
    """Draw flat pixels and values of a tube of Gaussian profile along a path.

    ``width_px`` is its sd, one or one per point. What lies outside of ``dims`` is cut off.
    """
    width = np.broadcast_to(np.asarray(width_px, dtype=np.float64), len(path))
    reach = 3.0 * float(width.max())
    near = np.unique(np.round(path).astype(int), axis=0)
    r = int(np.ceil(reach))
    around = np.stack(np.meshgrid(*[np.arange(-r, r + 1)] * 2, indexing="ij")).reshape(2, -1).T
    pixels = (near[:, None, :] + around[None]).reshape(-1, 2)
    pixels = pixels[np.all((pixels >= 0) & (pixels < np.asarray(dims)), axis=1)]
    flat = np.unique(pixels[:, 0] * dims[1] + pixels[:, 1])
    if not len(flat):
        return flat, np.empty(0)
    at = np.stack(np.unravel_index(flat, dims), axis=1)
    distance, nearest = cKDTree(path).query(at)
    values = np.exp(-0.5 * (distance / width[nearest]) ** 2)
    keep = values > 0.02
    return flat[keep], values[keep]


def beads(rng: np.random.Generator, n: int, spacing_px: float, strength: float) -> FloatArray:
    """Draw brightness along ``n`` points of a process that swells and thins, 1 on average."""
    wave = gaussian_filter1d(rng.standard_normal(n), spacing_px / _POINT_STEP_PX / 3)
    return np.asarray(np.exp(strength * wave / max(float(wave.std()), 1e-12)))


Column = tuple[NDArray[np.intp], FloatArray]


def fine_processes(
    rng: np.random.Generator, knobs: ProcessKnobs, stage: Stage, n: int
) -> list[Column]:
    """Draw short wandering, beaded pieces all over the field."""
    columns = []
    for _ in range(n):
        start = rng.uniform(0, stage.padded)
        length = knobs.fine_process_length_px * rng.gamma(3, 1 / 3)
        path = wandering_path(rng, start, rng.uniform(0, 2 * np.pi), length, 0.5)
        bead = np.clip(beads(rng, len(path), 4.0, 0.25), 0.5, 2.0)
        columns.append(draw_tube(path, knobs.fine_process_width_px * bead, stage.padded))
    return columns


def long_dendrites(rng: np.random.Generator, knobs: ProcessKnobs, stage: Stage) -> list[Column]:
    """Draw paths that enter at the border and cross the field."""
    return [
        draw_tube(crossing_path(rng, stage, 0.15), knobs.dendrite_width_px, stage.padded)
        for _ in range(knobs.n_dendrites)
    ]


def puncta(rng: np.random.Generator, knobs: ProcessKnobs, stage: Stage) -> list[Column]:
    """Draw small spots of Gaussian profile."""
    columns = []
    for _ in range(knobs.n_puncta):
        spot = rng.uniform(0, stage.padded)[None, :]
        width = knobs.puncta_radius_px / np.sqrt(2) * rng.uniform(0.8, 1.2)
        columns.append(draw_tube(spot, width, stage.padded))
    return columns


def no_processes(stage: Stage) -> Processes:
    """Processes of a recording that has none."""
    return Processes(
        A=sp.csc_matrix((stage.n_padded, 0), dtype=np.float32),
        C=np.zeros((0, stage.n_frames), dtype=np.float32),
        rest=np.zeros(stage.n_padded, dtype=np.float32),
    )


def make_processes(
    knobs: ProcessKnobs, stage: Stage, kinetics: ActivityKnobs, clock: Stage | None = None
) -> Processes:
    """Draw all processes; their indicator is that of the cells (``kinetics``).

    ``clock`` gives the random numbers of their activity, by default ``stage``: the same processes
    on another day.
    """
    area = stage.n_padded / 1000
    n_fine = round(knobs.fine_processes_per_kpx * area)
    kinds = (
        (
            "fine processes",
            fine_processes(stage.rng("fine processes"), knobs, stage, n_fine),
            knobs.fine_process_units,
        ),
        ("dendrites", long_dendrites(stage.rng("dendrites"), knobs, stage), knobs.dendrite_units),
        ("puncta", puncta(stage.rng("puncta"), knobs, stage), knobs.puncta_units),
    )
    columns: list[Column] = []
    traces = [np.zeros((0, stage.n_frames), dtype=np.float32)]
    resting = [np.zeros(0)]
    for name, drawn, units in kinds:
        rate = knobs.fine_process_rate_hz
        activity = kinetics.replace(
            event_rate_hz=rate, amplitude_units=max(units, 1e-6), silent_fraction=0.0
        )
        columns += drawn
        traces.append(make_activity(activity, len(drawn), clock or stage, name).C)
        resting.append(np.full(len(drawn), knobs.resting_process_share * units))
    A = columns_to_sparse(columns, stage.n_padded)
    rest = np.asarray(A @ np.concatenate(resting), dtype=np.float32)
    return Processes(A=A, C=np.concatenate(traces), rest=rest)
