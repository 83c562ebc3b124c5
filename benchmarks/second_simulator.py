"""A second two-photon simulator that shares neither footprints nor activity with the first.

Somata are irregular, textured, with nuclei off centre and stubs of dendrites; cells burst, hold
plateaus and fire together; the indicator answers nonlinearly, with kinetics of its own in each
cell; fine processes and cells out of focus fill what is between. An engine that was tuned on
``simulate`` is judged here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter

from napari_cnmf.testing._assembly import Ingredients, assemble
from napari_cnmf.testing._stage import Stage
from napari_cnmf.testing.activity import Activity, ActivityKnobs, Indicator, make_activity
from napari_cnmf.testing.field import FieldKnobs, set_stage
from napari_cnmf.testing.footprints import (
    Cells,
    cell_box,
    columns_to_sparse,
    local_grid,
    place_centers,
    soft_edge,
)
from napari_cnmf.testing.neuropil import Background, NeuropilKnobs, make_background
from napari_cnmf.testing.processes import (
    Processes,
    ProcessKnobs,
    draw_tube,
    make_processes,
    wandering_path,
)
from napari_cnmf.testing.recording import Plan, Recording, whole_px

FloatArray = NDArray[np.float64]
_REACH_RADII = 4.0


class OtherSimulation(FieldKnobs, NeuropilKnobs, ProcessKnobs):
    """All knobs of ``simulate_other``."""

    size: tuple[Annotated[int, Field(ge=8)], Annotated[int, Field(ge=8)]] = (128, 128)
    """Field ``(Y, X)`` in px."""
    frame_rate_hz: float = Field(30.0, gt=0)
    """Frames per second."""
    n_cells: int = Field(45, ge=0)
    """Cells in the field."""
    radius_px: float = Field(5.0, gt=1)
    """Mean radius of a soma; single ones differ by 15 % (sd)."""
    min_distance_px: float = Field(7.0, ge=0)
    """Centres are at least this far apart."""
    border_margin_px: float = 2.0
    """Centres keep this distance from the border."""
    irregularity: float = Field(0.12, ge=0, le=0.4)
    """Relative sd of the outline's radius."""
    texture: float = Field(0.25, ge=0, le=1)
    """Sd of the logarithm of the brightness within a soma."""
    stubs_per_cell: float = Field(1.5, ge=0, le=6)
    """Mean number of dendrite stubs in the plane; a few radii long."""
    resting_cell_units: float = Field(0.9, ge=0)
    """Median resting fluorescence of a cell above its surround."""
    resting_cell_sigma: float = Field(0.6, ge=0)
    """Spread of it between cells (sd of the logarithm)."""
    spike_rate_hz: float = Field(0.08, ge=0)
    """Median rate of single spikes."""
    burst_rate_hz: float = Field(0.04, ge=0)
    """Median rate of bursts (0.4 s of 12 Hz; plateaus: 2.5 s)."""
    plateau_fraction: float = Field(0.15, ge=0, le=1)
    """Share of the bursts that are plateaus."""
    n_ensembles: int = Field(3, ge=1)
    """Groups of cells that are driven together; each cell belongs to one."""
    ensemble_rate_hz: float = Field(0.05, ge=0)
    """Rate at which each ensemble is driven."""
    participation: float = Field(0.4, ge=0, le=1)
    """Probability that a cell joins an event of its ensemble."""
    rise_time_s: float = Field(0.05, gt=0)
    """Median time constant of the rise."""
    decay_time_s: float = Field(0.5, gt=0)
    """Median time constant of the decay."""
    kinetics_sigma: float = Field(0.25, ge=0, le=1)
    """Spread of both between cells (sd of the logarithm)."""
    hill_exponent: float = Field(1.8, ge=1, le=4)
    """Nonlinearity of the indicator."""
    half_saturation_spikes: float = Field(4.0, gt=0)
    """Calcium at half of the largest fluorescence, in spikes."""
    amplitude_units: float = Field(3.0, gt=0)
    """Median largest fluorescence above rest, in units."""
    amplitude_sigma: float = Field(0.5, ge=0)
    """Its spread between cells (sd of the logarithm)."""
    out_of_focus_cells_per_kpx: float = Field(0.7, ge=0)
    """Blurred cells above and below the plane."""
    excess_noise_factor: float = Field(1.4, ge=1, le=4)
    """Variance of a photomultiplier's answer over that of the photons."""
    jitter_rms_px: float = Field(0.15, ge=0)
    """White rigid motion that registration has left."""
    resting_units: float = Field(1.0, gt=0)
    """Mean resting fluorescence of the neuropil."""
    resting_texture: float = Field(0.06, ge=0, le=1)
    """Static structure on all scales (1 / f) in the resting fluorescence."""
    neuropil_units: float = Field(0.1, ge=0)
    """Mean and sd of the time courses of smooth patterns."""
    neuropil_patterns: int = Field(6, ge=0)
    """Smooth patterns, driven by the ensembles too."""
    fine_processes_per_kpx: float = Field(6.0, ge=0, le=200)
    """Fine processes per 1000 px of the field."""
    n_puncta: int = Field(12, ge=0)
    """Small round spots."""


def irregular_soma(
    rng: np.random.Generator, config: OtherSimulation, center: FloatArray, stage: Stage
) -> tuple[NDArray[np.intp], FloatArray, float]:
    """Draw flat pixels, values of peak 1, and radius of one cell."""
    radius = config.radius_px * float(np.exp(0.15 * rng.standard_normal()))
    flat, (rows, cols) = local_grid(center, _REACH_RADII * radius, stage.padded)
    shape = (len(np.unique(flat // stage.padded[1])), -1)
    angle, distance = np.arctan2(rows, cols), np.hypot(rows, cols)
    outline = np.ones_like(angle)
    for order in range(2, 6):
        strength = config.irregularity * np.sqrt(2) / order * rng.standard_normal()
        outline += strength * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    body = soft_edge(distance, radius * np.clip(outline, 0.55, 1.6), 0.3)
    offset = rng.normal(0, 0.15 * radius, 2)
    nucleus = soft_edge(
        np.hypot(rows - offset[0], cols - offset[1]), rng.uniform(0.35, 0.6) * radius, 0.4
    )
    noise = gaussian_filter(rng.standard_normal(body.reshape(shape).shape), 1.0).ravel()
    grain = np.exp(config.texture * noise / max(float(noise.std()), 1e-12))
    values = body * grain * (1 - rng.uniform(0, 0.9) * nucleus)
    where = {int(pixel): i for i, pixel in enumerate(flat)}
    for _ in range(rng.poisson(config.stubs_per_cell)):
        pixels, tube = _stub(rng, center, radius, stage)
        for pixel, value in zip(pixels, tube, strict=True):
            at = where.get(int(pixel))
            if at is not None:
                values[at] = max(values[at], 0.6 * value)
    values = gaussian_filter(values.reshape(shape), 0.6).ravel()
    values /= max(float(values.max(initial=0.0)), 1e-12)
    keep = values > 0.03
    return flat[keep], values[keep], radius


def _stub(
    rng: np.random.Generator, center: FloatArray, radius: float, stage: Stage
) -> tuple[NDArray[np.intp], FloatArray]:
    """Draw a dendrite that leaves the soma and thins out."""
    angle = rng.uniform(0, 2 * np.pi)
    length = radius * rng.uniform(1.2, 3.0)
    path = wandering_path(rng, center, angle, length, 0.3)
    width = np.linspace(0.3 * radius, 0.6, len(path))
    pixels, tube = draw_tube(path, width, stage.padded)
    at = np.stack(np.unravel_index(pixels, stage.padded), axis=1) - center
    fade = np.clip(1 - np.hypot(*at.T) / (1.1 * length), 0, 1) ** 0.5
    return pixels, tube * fade


def make_other_cells(config: OtherSimulation, stage: Stage) -> Cells:
    """Lay out irregular cells."""
    rng = stage.rng("other cells")
    box = cell_box(stage, config.border_margin_px)
    centers = place_centers(rng, config.n_cells, box, config.min_distance_px)
    drawn = [irregular_soma(rng, config, center, stage) for center in centers]
    return Cells(
        A=columns_to_sparse([(flat, values) for flat, values, _ in drawn], stage.n_padded),
        centers=centers,
        radius_px=np.array([radius for *_, radius in drawn], dtype=np.float64),
        kind=np.full(config.n_cells, "irregular", dtype="<U16"),
    )


def draw_spikes(
    rng: np.random.Generator, config: OtherSimulation, drive_s: FloatArray, duration_s: float
) -> FloatArray:
    """Draw spike times of one cell in s: single spikes, bursts, plateaus, its ensemble's."""
    tempo = float(np.exp(0.6 * rng.standard_normal()))
    trains = [rng.uniform(0, duration_s, rng.poisson(tempo * config.spike_rate_hz * duration_s))]
    starts = rng.uniform(0, duration_s, rng.poisson(tempo * config.burst_rate_hz * duration_s))
    for start in starts:
        plateau = rng.uniform() < config.plateau_fraction
        length = rng.exponential(2.5 if plateau else 0.4) + 0.1
        trains.append(start + rng.uniform(0, length, 1 + rng.poisson(12.0 * length)))
    joined = drive_s[rng.uniform(size=len(drive_s)) < config.participation]
    trains += [start + 0.08 * rng.exponential(size=2 + rng.poisson(3)) for start in joined]
    times = np.sort(np.concatenate(trains))
    return times[times < duration_s]


def make_other_activity(
    config: OtherSimulation, stage: Stage, drives_s: list[FloatArray]
) -> Activity:
    """Make traces through a saturating indicator; events are spike counts."""
    rng = stage.rng("other activity")
    n = config.n_cells
    ensemble = rng.integers(config.n_ensembles, size=n)
    spread = config.kinetics_sigma
    rises = config.rise_time_s * np.exp(spread * rng.standard_normal(n))
    decays = config.decay_time_s * np.exp(spread * rng.standard_normal(n))
    largest = config.amplitude_units * np.exp(config.amplitude_sigma * rng.standard_normal(n))
    C = np.zeros((n, stage.n_frames), dtype=np.float32)
    S = np.zeros_like(C)
    half = config.half_saturation_spikes**config.hill_exponent
    for k in range(n):
        times = draw_spikes(rng, config, drives_s[ensemble[k]], stage.duration_s)
        calcium, S[k] = Indicator(rises[k], decays[k]).trace(times, np.ones(len(times)), stage)
        bound = calcium.astype(np.float64) ** config.hill_exponent
        C[k] = largest[k] * bound / (bound + half)
    return Activity(C=C, S=S, rise_time_s=rises, decay_time_s=decays)


def _driven(
    background: Background, drives_s: list[FloatArray], config: OtherSimulation, stage: Stage
) -> Background:
    """Let the neuropil follow the ensembles: each pattern one of them."""
    if not len(background.courses):
        return background
    answer = Indicator(2 * config.rise_time_s, 1.5 * config.decay_time_s)
    waves = [answer.trace(d, np.full(len(d), 0.4), stage)[0] for d in drives_s]
    driven = np.stack([waves[i % len(waves)] for i in range(len(background.courses))])
    return replace(background, courses=background.courses + driven * config.neuropil_units)


def _out_of_focus(config: OtherSimulation, stage: Stage) -> Processes:
    """Draw cells of other depths: wide and faint, active on their own."""
    rng = stage.rng("out of focus")
    n = round(config.out_of_focus_cells_per_kpx * stage.n_padded / 1000)
    columns = []
    for _ in range(n):
        width = config.radius_px * rng.uniform(1.2, 2.5)
        columns.append(draw_tube(rng.uniform(0, stage.padded)[None, :], width, stage.padded))
    kinetics = ActivityKnobs(
        event_rate_hz=0.1,
        amplitude_units=0.25,
        rise_time_s=config.rise_time_s,
        decay_time_s=config.decay_time_s,
        kinetics_sigma=config.kinetics_sigma,
    )
    A = columns_to_sparse(columns, stage.n_padded)
    rest = 0.1 * np.asarray(A.sum(1), dtype=np.float32).ravel()
    return Processes(A=A, C=make_activity(kinetics, n, stage, "out of focus").C, rest=rest)


def _join(*parts: Processes) -> Processes:
    """Several groups of processes as one."""
    return Processes(
        A=sp.hstack([p.A for p in parts]).tocsc(),
        C=np.concatenate([p.C for p in parts]),
        rest=np.sum([p.rest for p in parts], axis=0, dtype=np.float32),
    )


def plan_other(config: OtherSimulation) -> Plan:
    """Decide everything about a recording but its noise."""
    stage, motion = set_stage(config, config.size)
    rng = stage.rng("ensembles")
    drives_s = [
        np.sort(rng.uniform(0, stage.duration_s, rng.poisson(rate * stage.duration_s)))
        for rate in [config.ensemble_rate_hz] * config.n_ensembles
    ]
    kinetics = ActivityKnobs(
        rise_time_s=config.rise_time_s,
        decay_time_s=config.decay_time_s,
        kinetics_sigma=config.kinetics_sigma,
    )
    n = config.n_cells
    parts = Ingredients(
        cells=make_other_cells(config, stage),
        activity=make_other_activity(config, stage, drives_s),
        resting_cell_units=config.resting_cell_units
        * np.exp(config.resting_cell_sigma * stage.rng("resting cells").standard_normal(n)),
        background=_driven(make_background(config, stage), drives_s, config, stage),
        processes=_join(make_processes(config, stage, kinetics), _out_of_focus(config, stage)),
        motion=motion,
    )
    scene, truth = assemble(config, stage, parts)
    gSig = whole_px(config.radius_px, config.radius_px)
    return Plan(scene, truth, config.decay_time_s, gSig, "simulated by the other simulator")


def simulate_other(config: OtherSimulation | None = None, **knobs: object) -> Recording:
    """Simulate a recording with the second simulator, in memory.

    See Also
    --------
    simulate : the first one, with the same kind of result.
    """
    return plan_other((config or OtherSimulation()).replace(**knobs)).record()
