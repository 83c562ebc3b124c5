"""Simulates volumetric two-photon recordings: cells that span planes, voxels that are no cubes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from napari_cnmf.testing._assembly import Ingredients, assemble
from napari_cnmf.testing._stage import Stage
from napari_cnmf.testing.activity import ActivityKnobs, make_activity
from napari_cnmf.testing.field import FieldKnobs, set_stage
from napari_cnmf.testing.footprints import (
    CellKnobs,
    Cells,
    columns_to_sparse,
    draw_radii,
    local_grid,
    place_centers,
    soft_edge,
)
from napari_cnmf.testing.neuropil import NeuropilKnobs, make_background
from napari_cnmf.testing.processes import no_processes
from napari_cnmf.testing.recording import Plan, Recording, whole_px
from napari_cnmf.testing.two_photon import typical_decay_s

_Size = Annotated[int, Field(ge=1)]


class VolumeSimulation(FieldKnobs, CellKnobs, ActivityKnobs, NeuropilKnobs):
    """All knobs of ``simulate_volume``. Lengths are in px of the plane unless they say planes."""

    n_frames: int = Field(600, ge=1)
    """Volumes."""
    size: tuple[_Size, _Size, _Size] = (10, 64, 72)
    """Field ``(Z, Y, X)``."""
    frame_rate_hz: float = Field(6.0, gt=0)
    """Volumes per second."""
    n_cells: int = Field(40, ge=0)
    """Cells in the volume."""
    plane_distance_px: float = Field(2.5, gt=0)
    """Distance of two planes, in px of the plane."""
    axial_blur_px: float = Field(1.5, ge=0.1)
    """Softness of a cell's edge along Z (two-photon microscopes see less sharply there)."""
    decay_time_s: float = Field(1.0, gt=0)
    """Time constant of the decay."""
    rise_time_s: float = Field(0.12, gt=0)
    """Time constant of the rise."""


def make_volume_cells(config: VolumeSimulation, stage: Stage) -> Cells:
    """Make ellipsoids with soft edges; those of the first and last planes are cut."""
    rng = stage.rng("cells")
    step = np.array([config.plane_distance_px, 1.0, 1.0])
    pad = np.asarray(stage.pad, dtype=np.float64)
    margin = np.array([0.0, config.border_margin_px, config.border_margin_px])
    box = np.stack([pad + margin - [0.5, 0, 0], pad + stage.dims - 1 - margin + [0.5, 0, 0]])
    centers = place_centers(rng, config.n_cells, box, config.min_distance_px / step)
    radii = draw_radii(rng, config)
    n_excluded = round(config.nucleus_excluded_fraction * config.n_cells)
    excluded = rng.permutation(config.n_cells) < n_excluded
    columns = []
    for center, radius, dark in zip(centers, radii, excluded, strict=True):
        reach = (1.6 * radius + 4 * config.axial_blur_px) / step
        flat, offsets = local_grid(center, reach, stage.padded)
        along, rows, cols = offsets * step[:, None]
        stretch = 1 + rng.uniform(-config.elongation, config.elongation)
        across = np.hypot(rows * stretch, cols / stretch)
        distance = np.hypot(across, along)
        # The edge is as soft as its direction is axial.
        axial = np.abs(along) / np.maximum(distance, 1e-9)
        width = 0.45 + axial * (0.55 * config.axial_blur_px)
        depth = config.nucleus_depth if dark else 0.0
        nucleus = soft_edge(distance, 0.5 * radius, 0.6)
        values = soft_edge(distance / width, radius / width, 1.0) * (1 - depth * nucleus)
        keep = values > 0.02
        columns.append((flat[keep], values[keep] / values.max(initial=1e-12)))
    kind = np.where(excluded, "nucleus-excluded", "filled")
    A = columns_to_sparse(columns, stage.n_padded)
    return Cells(A=A, centers=centers, radius_px=radii, kind=kind)


def plan_volume(config: VolumeSimulation) -> Plan:
    """Decide everything about a recording but its noise."""
    stage, motion = set_stage(config, config.size)
    step = (config.plane_distance_px, 1.0, 1.0)
    parts = Ingredients(
        cells=make_volume_cells(config, stage),
        activity=make_activity(config, config.n_cells, stage),
        resting_cell_units=config.resting_cell_units,
        background=make_background(config, stage, step),
        processes=no_processes(stage),
        motion=motion,
    )
    scene, truth = assemble(config, stage, parts)
    radius = config.typical_radius_px
    gSig = whole_px(radius / config.plane_distance_px, radius, radius)
    return Plan(scene, truth, typical_decay_s(config, parts.activity), gSig, "simulated volume")


def simulate_volume(config: VolumeSimulation | None = None, **knobs: object) -> Recording:
    """Simulate a volumetric recording ``(T, Z, Y, X)`` in memory."""
    return plan_volume((config or VolumeSimulation()).replace(**knobs)).record()
