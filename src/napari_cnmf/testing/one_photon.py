"""Simulates one-photon (miniscope) recordings: a bright moving background, and faint cells."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter

from napari_cnmf.testing._assembly import Ingredients, assemble
from napari_cnmf.testing._random import rescaled, smooth_course, smooth_image
from napari_cnmf.testing._stage import Stage
from napari_cnmf.testing.activity import ActivityKnobs, make_activity
from napari_cnmf.testing.field import FieldKnobs, set_stage
from napari_cnmf.testing.footprints import (
    CellKnobs,
    Cells,
    SomaShape,
    cell_box,
    columns_to_sparse,
    draw_radii,
    local_grid,
    place_centers,
)
from napari_cnmf.testing.neuropil import Background, pink_texture
from napari_cnmf.testing.processes import Processes, crossing_path, draw_tube
from napari_cnmf.testing.recording import Plan, Recording, whole_px
from napari_cnmf.testing.scene import Wave


class OnePhotonSimulation(FieldKnobs, CellKnobs, ActivityKnobs):
    """All knobs of ``simulate_one_photon``. The defaults look like hippocampus, 63 cells."""

    n_frames: int = Field(1500, ge=1)
    """Frames."""
    size: tuple[Annotated[int, Field(ge=8)], Annotated[int, Field(ge=8)]] = (160, 160)
    """Field ``(Y, X)`` in px."""
    frame_rate_hz: float = Field(20.0, gt=0)
    """Frames per second."""
    n_cells: int = Field(63, ge=0)
    """Cells in the field."""
    radius_px: float = Field(5.5, gt=0.5)
    """Mean radius of a soma before scattering."""
    min_distance_px: float = Field(5.0, ge=0)
    """Centres are at least this far apart: cells overlap, being at different depths."""
    scatter_px: float = Field(1.5, ge=0)
    """Blur by scattering (sd)."""
    halo_share: float = Field(0.12, ge=0, le=1)
    """Height of the wide halo around a cell, as a share of its peak."""
    amplitude_units: float = Field(2.5, gt=0)
    """Median fluorescence of an event of size 1, in units."""
    event_rate_hz: float = Field(0.12, ge=0)
    """Median rate of events of a cell."""
    decay_time_s: float = Field(0.5, gt=0)
    """Time constant of the decay."""
    background_units: float = Field(30.0, gt=0)
    """Mean brightness of the background at the centre of the light."""
    wave_fraction: float = Field(0.03, ge=0, le=0.5)
    """The background swells and moves by this share (sd)."""
    wave_length_px: float = Field(22.0, gt=2)
    """Length scale of that movement (sd of the smoothing)."""
    wave_timescale_s: float = Field(0.6, gt=0)
    """Its smoothness in time (sd of the smoothing)."""
    global_fraction: float = Field(0.04, ge=0, le=0.5)
    """The whole background changes by this share (sd), faster than bleaching."""
    out_of_focus_per_kpx: float = Field(1.5, ge=0)
    """Active cells of other depths per 1000 px, seen as wide blobs."""
    out_of_focus_units: float = Field(1.0, ge=0)
    """Median fluorescence of their events."""
    n_vessels: int = Field(5, ge=0)
    """Blood vessels that darken what is below them."""
    vessel_depth: float = Field(0.45, ge=0, lt=1)
    """Share of the light that the thickest ones take."""
    vignetting: float = Field(0.55, ge=0, lt=1)
    """Brightness falls by this share from the centre to the corners."""
    photons_per_unit: float = Field(25.0, gt=0)
    """Photons per unit of fluorescence, pixel and frame, at ``noise = 1``."""
    gain_counts: float = Field(60.0, gt=0)
    """Counts per unit of fluorescence."""
    offset_counts: float = Field(100.0, ge=0)
    """Counts in the dark."""


def vessel_map(config: OnePhotonSimulation, stage: Stage) -> NDArray[np.float32]:
    """Draw the share of light that vessels leave ``(n_padded,)``: 1 beside them."""
    rng = stage.rng("vessels")
    open_share = np.ones(stage.n_padded)
    for _ in range(config.n_vessels):
        path = crossing_path(rng, stage, 0.2)
        width = rng.uniform(0.006, 0.022) * min(stage.dims)
        flat, values = draw_tube(path, width, stage.padded)
        open_share[flat] *= 1 - config.vessel_depth * rng.uniform(0.4, 1.0) * values
    blurred = gaussian_filter(open_share.reshape(stage.padded), config.scatter_px)
    return np.asarray(blurred.ravel(), dtype=np.float32)


def make_one_photon_cells(config: OnePhotonSimulation, stage: Stage) -> Cells:
    """Make somata blurred by scattering, with a halo; they overlap."""
    rng = stage.rng("cells")
    box = cell_box(stage, config.border_margin_px)
    centers = place_centers(rng, config.n_cells, box, config.min_distance_px)
    radii = draw_radii(rng, config)
    columns = []
    for center, radius in zip(centers, radii, strict=True):
        shape = SomaShape(
            radius_px=radius,
            elongation=rng.uniform(-config.elongation, config.elongation),
            angle=rng.uniform(0, np.pi),
        )
        flat, offsets = local_grid(center, 4.5 * radius + 3 * config.scatter_px, stage.padded)
        n_rows = len(np.unique(flat // stage.padded[1]))
        sharp = shape.brightness(*offsets).reshape(n_rows, -1)
        body = gaussian_filter(sharp, config.scatter_px, mode="nearest").ravel()
        halo = np.exp(-0.5 * (np.hypot(*offsets) / (1.7 * radius)) ** 2)
        values = (1 - config.halo_share) * body / body.max(initial=1e-12)
        values = values + config.halo_share * halo
        keep = values > 0.01
        columns.append((flat[keep], values[keep] / values.max(initial=1e-12)))
    kind = np.full(config.n_cells, "filled", dtype="<U16")
    A = columns_to_sparse(columns, stage.n_padded)
    return Cells(A=A, centers=centers, radius_px=radii, kind=kind)


def make_wave(config: OnePhotonSimulation, stage: Stage) -> Wave:
    """Draw the relative change of the background: a random field, smooth in space and time.

    White noise at the nodes of a grid, Gaussian kernels between them; only the nodes are kept.
    """
    rng = stage.rng("wave")
    length = config.wave_length_px
    bases = []
    for n in stage.padded:
        nodes = np.arange(-2 * length, n + 2 * length + 1, length)
        basis = np.exp(-0.5 * ((np.arange(n)[:, None] - nodes) / length) ** 2)
        bases.append((basis / np.sqrt((basis**2).sum(1, keepdims=True))).astype(np.float32))
    rows, cols = bases
    smooth = config.wave_timescale_s * stage.frame_rate_hz
    n_nodes = rows.shape[1] * cols.shape[1]
    nodes_t = smooth_course(rng, n_nodes, stage.n_frames, smooth).T.reshape(
        stage.n_frames, rows.shape[1], cols.shape[1]
    )
    nodes_t = np.float32(config.wave_fraction) * nodes_t
    common = config.global_fraction * smooth_course(rng, 1, stage.n_frames, smooth)[0]

    def wave(t: int) -> NDArray[np.float32]:
        field: NDArray[np.float32] = (rows @ nodes_t[t] @ cols.T).ravel() + common[t]
        return field

    return wave


def _background(config: OnePhotonSimulation, stage: Stage) -> NDArray[np.float32]:
    """Draw the resting brightness without vessels ``(n_padded,)``."""
    rng = stage.rng("resting")
    shade = rescaled(smooth_image(rng, stage.padded, 0.2 * min(stage.dims)))
    grain = gaussian_filter(pink_texture(rng, stage.padded), 1.0 + config.scatter_px)
    image = config.background_units * (0.8 + 0.4 * shade) * (1 + 0.05 * grain)
    return np.asarray(image.ravel(), dtype=np.float32)


def _out_of_focus(config: OnePhotonSimulation, stage: Stage) -> Processes:
    """Draw wide blobs with the dynamics of cells."""
    rng = stage.rng("out of focus")
    n = round(config.out_of_focus_per_kpx * stage.n_padded / 1000)
    columns = [
        draw_tube(
            rng.uniform(0, stage.padded)[None, :],
            config.radius_px * rng.uniform(1.6, 3.2),
            stage.padded,
        )
        for _ in range(n)
    ]
    knobs = ActivityKnobs(**{name: getattr(config, name) for name in ActivityKnobs.model_fields})
    knobs = knobs.replace(amplitude_units=max(config.out_of_focus_units, 1e-6), silent_fraction=0.0)
    return Processes(
        A=columns_to_sparse(columns, stage.n_padded),
        C=make_activity(knobs, n, stage, "out of focus").C,
        rest=np.zeros(stage.n_padded, dtype=np.float32),
    )


def plan_one_photon(config: OnePhotonSimulation) -> Plan:
    """Decide everything about a recording but its noise."""
    stage, motion = set_stage(config, config.size)
    open_share = vessel_map(config, stage)
    shade = sp.diags(open_share)
    cells, blurred = make_one_photon_cells(config, stage), _out_of_focus(config, stage)
    seen = Cells(sp.csc_matrix(shade @ cells.A), cells.centers, cells.radius_px, cells.kind)
    rest = _background(config, stage) * open_share
    empty = np.zeros((0, stage.n_padded), dtype=np.float32)
    parts = Ingredients(
        cells=seen,
        activity=make_activity(config, config.n_cells, stage),
        resting_cell_units=config.resting_cell_units,
        background=Background(rest, empty, np.zeros((0, stage.n_frames), dtype=np.float32)),
        processes=Processes(sp.csc_matrix(shade @ blurred.A), blurred.C, blurred.rest),
        motion=motion,
        wave=make_wave(config, stage),
    )
    scene, truth = assemble(config, stage, parts)
    # Half of the full width at half maximum of a typical footprint, as the sd of a Gaussian.
    gSig = config.typical_radius_px / float(np.sqrt(2 * np.log(2)))
    return Plan(scene, truth, config.decay_time_s, whole_px(gSig, gSig), "simulated one-photon")


def simulate_one_photon(config: OnePhotonSimulation | None = None, **knobs: object) -> Recording:
    """Simulate a one-photon recording in memory.

    The background is no low-rank product: ``truth.b`` and ``truth.f`` are empty. Its resting image
    is ``truth.background``.
    """
    return plan_one_photon((config or OnePhotonSimulation()).replace(**knobs)).record()
