"""Puts ingredients together: a scene for the renderer, the truth for the judge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.testing._displacement import Motion
from napari_cnmf.testing._stage import Stage
from napari_cnmf.testing.activity import Activity
from napari_cnmf.testing.detector import DetectorKnobs
from napari_cnmf.testing.field import FieldKnobs
from napari_cnmf.testing.footprints import Cells
from napari_cnmf.testing.illumination import draw_brightness, draw_faults, light_profile
from napari_cnmf.testing.neuropil import Background
from napari_cnmf.testing.processes import Processes
from napari_cnmf.testing.scene import Scene, Wave
from napari_cnmf.testing.truth import Truth


@dataclass(frozen=True, eq=False)
class Ingredients:
    """Everything that the tissue is made of, on the padded field.

    ``resting_cell_units`` is one for all cells or one each, ``(K,)``.
    """

    cells: Cells
    activity: Activity
    resting_cell_units: float | NDArray[np.float64]
    background: Background
    processes: Processes
    motion: Motion
    wave: Wave | None = None

    @property
    def rest(self) -> NDArray[np.float32]:
        """Resting fluorescence of everything ``(n_padded,)``."""
        A = self.cells.A
        cells = A @ np.broadcast_to(np.float32(self.resting_cell_units), A.shape[1])
        return np.asarray(self.background.rest + cells + self.processes.rest, dtype=np.float32)


def assemble(knobs: FieldKnobs, stage: Stage, parts: Ingredients) -> tuple[Scene, Truth]:
    """Scene and truth of a recording from its ingredients."""
    sources = sp.hstack([parts.cells.A, parts.processes.A]).tocsr()
    traces = np.concatenate([parts.activity.C, parts.processes.C]).T
    detector = DetectorKnobs(**{n: getattr(knobs, n) for n in DetectorKnobs.model_fields})
    scene = Scene(
        stage=stage,
        rest=parts.rest,
        sources=sources,
        source_traces=np.ascontiguousarray(traces, dtype=np.float32),
        patterns=parts.background.patterns,
        courses=np.ascontiguousarray(parts.background.courses.T, dtype=np.float32),
        brightness=draw_brightness(knobs, stage),
        fault=draw_faults(knobs, stage),
        light=light_profile(knobs, stage.dims),
        motion=parts.motion,
        detector=detector,
        wave=parts.wave,
    )
    return _trim(scene), _truth(scene, parts)


def _trim(scene: Scene) -> Scene:
    """Cut off the surround of a field where nothing moves, which is quicker to render."""
    if scene.motion.moves:
        return scene
    rows, wave = scene.stage.field_pixels(), scene.wave
    return replace(
        scene,
        stage=replace(scene.stage, pad=(0,) * len(scene.stage.dims)),
        rest=scene.rest[rows],
        sources=scene.sources[rows],
        patterns=np.ascontiguousarray(scene.patterns[:, rows]),
        wave=None if wave is None else lambda t: wave(t)[rows],
    )


def _truth(scene: Scene, parts: Ingredients) -> Truth:
    """Make the truth on the field itself: everything cropped, centres moved."""
    stage = scene.stage
    rows = stage.field_pixels()
    A = _crop(parts.cells.A, rows)
    C = parts.activity.C
    visible = np.asarray(A.multiply(A).sum(0)).ravel() > 0
    processes = _crop(parts.processes.A, rows)
    seen = np.flatnonzero(np.diff(processes.indptr))
    warp = parts.motion.warp
    return Truth(
        A=A,
        C=C,
        S=parts.activity.S,
        dims=stage.dims,
        frame_rate_hz=stage.frame_rate_hz,
        shifts=parts.motion.shifts,
        centers=parts.cells.centers - np.asarray(stage.pad),
        radius_px=parts.cells.radius_px,
        rise_time_s=parts.activity.rise_time_s,
        decay_time_s=parts.activity.decay_time_s,
        kind=parts.cells.kind,
        detectable=visible & (C.max(1, initial=0.0) > 0),
        snr=_ideal_snr(A, C, scene),
        background=scene.rest[rows],
        b=np.ascontiguousarray(parts.background.patterns[:, rows].T),
        f=parts.background.courses,
        processes=processes[:, seen],
        process_traces=parts.processes.C[seen],
        brightness=scene.brightness,
        frame_fault=scene.fault,
        warp=np.zeros((0, 0, 0, 2), np.float32) if warp is None else warp.coefficients,
        warp_nodes_y=np.zeros(0) if warp is None else warp.nodes_y,
        warp_nodes_x=np.zeros(0) if warp is None else warp.nodes_x,
    )


def _crop(A: sp.csc_matrix, rows: NDArray[np.intp]) -> sp.csc_matrix:
    """Crop rows of a CSC matrix, as CSC with sorted indices."""
    cropped = A.tocsr()[rows].tocsc()
    cropped.sort_indices()
    return cropped


def _ideal_snr(A: sp.csc_matrix, C: NDArray[np.float32], scene: Scene) -> NDArray[np.float64]:
    """Peak of C over the sd of the best linear unbiased estimate from one frame at rest."""
    rest = scene.rest[scene.stage.field_pixels()].astype(np.float64)
    information = A.multiply(A).T @ (1.0 / scene.detector.noise_variance_units(rest))
    return np.asarray(C.max(1, initial=0.0) * np.sqrt(information), dtype=np.float64)
