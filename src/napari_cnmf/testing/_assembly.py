"""Put ingredients together: a scene for the renderer, the truth for the judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.testing.activity import Activity
from napari_cnmf.testing.detector import DetectorKnobs
from napari_cnmf.testing.footprints import Cells
from napari_cnmf.testing.illumination import draw_brightness, draw_faults, light_profile
from napari_cnmf.testing.motion import Motion
from napari_cnmf.testing.recording import Plan
from napari_cnmf.testing.scene import FrameLayer, Scene
from napari_cnmf.testing.truth import Truth


@dataclass(frozen=True, eq=False)
class Ingredients:
    """What the tissue is made of, on the padded field; shapes as in ``Scene`` and ``Truth``."""

    cells: Cells
    activity: Activity
    rest: NDArray[np.float32]
    patterns: NDArray[np.float32]
    courses: NDArray[np.float32]
    processes: sp.csc_matrix
    process_traces: NDArray[np.float32]
    motion: Motion
    pad_px: int
    veil: FrameLayer | None = None


def assemble(
    knobs: Any,
    dims: tuple[int, ...],
    parts: Ingredients,
    *,
    gSig: tuple[float, ...],
    name: str = "simulated",
) -> Plan:
    """Scene and truth of a field ``dims`` from its ingredients.

    ``knobs`` are those of a field (``FieldKnobs``).
    """
    sources = sp.hstack([parts.cells.A, parts.processes]).tocsr()
    traces = np.concatenate([parts.activity.C, parts.process_traces]).T
    scene = Scene(
        dims=dims,
        pad_px=parts.pad_px,
        rest=parts.rest,
        sources=sources,
        source_traces=np.ascontiguousarray(traces, dtype=np.float32),
        patterns=parts.patterns,
        courses=np.ascontiguousarray(parts.courses.T, dtype=np.float32),
        brightness=draw_brightness(knobs, knobs.n_frames, knobs.frame_rate_hz, knobs.seed),
        fault=draw_faults(knobs, knobs.n_frames, knobs.seed),
        light=light_profile(knobs, dims),
        motion=parts.motion,
        detector=DetectorKnobs(**{n: getattr(knobs, n) for n in DetectorKnobs.model_fields}),
        seed=knobs.seed,
        veil=parts.veil,
    )
    truth = _truth(knobs, scene, parts)
    decay = float(np.median(truth.decay_time_s)) if truth.n_cells else knobs.decay_time_s
    return Plan(scene, truth, knobs.frame_rate_hz, decay, gSig, name)


def _truth(knobs: Any, scene: Scene, parts: Ingredients) -> Truth:
    """The truth on the field itself: everything cropped, centres moved."""
    rows = scene.cropped_rows()
    A = parts.cells.A.tocsr()[rows].tocsc()
    A.sort_indices()
    inside = np.asarray(A.multiply(A).sum(0)).ravel() > 0
    rest = parts.rest[rows]
    warp = parts.motion.warp
    shift = np.zeros(len(scene.dims))
    shift[-2:] = parts.pad_px
    return Truth(
        A=A,
        C=parts.activity.C,
        S=parts.activity.S,
        dims=scene.dims,
        frame_rate_hz=knobs.frame_rate_hz,
        shifts=parts.motion.shifts,
        centers=parts.cells.centers - shift,
        radius_px=parts.cells.radius_px,
        rise_time_s=parts.activity.rise_time_s,
        decay_time_s=parts.activity.decay_time_s,
        kind=parts.cells.kind,
        detectable=inside & (parts.activity.C.max(1, initial=0.0) > 0),
        snr=_ideal_snr(A, parts.activity.C, rest, scene.detector),
        background=rest,
        b=np.ascontiguousarray(parts.patterns[:, rows].T),
        f=parts.courses,
        processes=parts.processes.tocsr()[rows].tocsc(),
        process_traces=parts.process_traces,
        brightness=scene.brightness,
        frame_fault=scene.fault,
        warp=np.zeros((0, 0, 0, 2), np.float32) if warp is None else warp.displacements,
        warp_nodes_y=np.zeros(0) if warp is None else warp.nodes_y,
        warp_nodes_x=np.zeros(0) if warp is None else warp.nodes_x,
    )


def _ideal_snr(
    A: sp.csc_matrix, C: NDArray[np.float32], rest: NDArray[np.float32], detector: DetectorKnobs
) -> NDArray[np.float64]:
    """Peak of C over the sd of the best linear unbiased estimate from one frame at rest."""
    weight = 1.0 / detector.noise_variance_units(rest.astype(np.float64))
    information = np.asarray(A.multiply(A).T @ weight).ravel()
    return np.asarray(C.max(1, initial=0.0) * np.sqrt(information), dtype=np.float64)
