"""Simulates how the tissue moves under the microscope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter

from napari_cnmf.testing._displacement import Motion, Warp
from napari_cnmf.testing._knobs import Knobs
from napari_cnmf.testing._random import smooth_course
from napari_cnmf.testing._stage import Stage


class MotionKnobs(Knobs):
    """Knobs of rigid and non-rigid displacements in px; each axis gets the rms asked for."""

    rigid_motion_rms_px: float = Field(0.0, ge=0)
    """Smooth rigid motion in Y and X."""
    rigid_motion_timescale_s: float = Field(0.5, gt=0)
    """Smoothness of that path (sd of the smoothing)."""
    axial_motion_rms_planes: float = Field(0.0, ge=0)
    """Smooth motion along Z, in volumes alone."""
    jitter_rms_px: float = Field(0.0, ge=0)
    """White rigid motion, new in every frame."""
    oscillation_rms_px: float = Field(0.0, ge=0)
    """Rhythmic motion along one direction that waxes and wanes, as of breathing or steps."""
    oscillation_hz: float = Field(7.0, gt=0)
    """Its frequency."""
    n_jumps: int = Field(0, ge=0)
    """Sudden displacements that last for a while."""
    jump_size_px: float = Field(4.0, ge=0)
    """Length of each jump."""
    jump_duration_s: float = Field(1.0, gt=0)
    """Mean duration of a jump."""
    nonrigid_motion_rms_px: float = Field(0.0, ge=0)
    """Smooth non-rigid field: rms over field and time, of mean 0 in every frame."""
    nonrigid_length_px: float = Field(40.0, ge=8)
    """Length scale of that field (sd of the smoothing)."""
    nonrigid_timescale_s: float = Field(0.5, gt=0)
    """Smoothness of that field in time (sd of the smoothing)."""
    bidirectional_offset_px: float = 0.0
    """Every second line is displaced along X by this much."""


def draw_shifts(knobs: MotionKnobs, stage: Stage) -> NDArray[np.float64]:
    """Draw a rigid path ``(T, ndim)`` in px, of mean 0 but for jumps and jitter."""
    ndim = len(stage.dims)
    shifts = np.zeros((stage.n_frames, ndim))
    smooth = knobs.rigid_motion_timescale_s * stage.frame_rate_hz
    rms = np.zeros(ndim)
    rms[-2:] = knobs.rigid_motion_rms_px
    if ndim == 3:
        rms[0] = knobs.axial_motion_rms_planes
    if rms.any():
        path = smooth_course(stage.rng("rigid motion"), ndim, stage.n_frames, smooth)
        centered = (path - path.mean(1, keepdims=True)).astype(np.float64)
        shifts += rms * (centered / np.maximum(centered.std(1, keepdims=True), 1e-12)).T
    plane = shifts[:, -2:]
    if knobs.jitter_rms_px:
        plane += knobs.jitter_rms_px * stage.rng("jitter").standard_normal(plane.shape)
    if knobs.oscillation_rms_px:
        plane += _oscillation(knobs, stage)
    rng = stage.rng("jumps")
    for _ in range(knobs.n_jumps):
        start = int(rng.integers(stage.n_frames))
        length = 1 + int(rng.exponential(knobs.jump_duration_s) * stage.frame_rate_hz)
        angle = rng.uniform(0, 2 * np.pi)
        plane[start : start + length] += knobs.jump_size_px * np.array(
            [np.sin(angle), np.cos(angle)]
        )
    return shifts


def _oscillation(knobs: MotionKnobs, stage: Stage) -> NDArray[np.float64]:
    """Draw an oscillation ``(T, 2)`` with smooth amplitude and a phase that wanders."""
    rng = stage.rng("oscillation")
    second = stage.frame_rate_hz
    strength = np.abs(smooth_course(rng, 1, stage.n_frames, 2 * second)[0])
    wander = 0.5 * smooth_course(rng, 1, stage.n_frames, second)[0]
    time_s = np.arange(stage.n_frames) / stage.frame_rate_hz
    wave = strength * np.sin(2 * np.pi * knobs.oscillation_hz * time_s + wander)
    angle = rng.uniform(0, np.pi)
    path = np.outer(wave / max(float(wave.std()), 1e-12), [np.sin(angle), np.cos(angle)])
    return np.asarray(np.sqrt(2) * knobs.oscillation_rms_px * path)


def draw_warp(knobs: MotionKnobs, stage: Stage) -> Warp | None:
    """Draw a smooth random field of displacements in Y and X."""
    if not knobs.nonrigid_motion_rms_px or len(stage.dims) != 2:
        return None
    # Two nodes per length: the splines between them then follow the Gaussian smoothing.
    spacing = knobs.nonrigid_length_px / 2
    margin = 3 * spacing
    nodes_y, nodes_x = (
        np.linspace(-margin, n - 1 + margin, int(np.ceil((n + 2 * margin) / spacing)) + 1)
        for n in stage.dims
    )
    shape = (stage.n_frames, len(nodes_y), len(nodes_x), 2)
    smooth = knobs.nonrigid_timescale_s * stage.frame_rate_hz
    courses = smooth_course(stage.rng("warp"), int(np.prod(shape[1:])), stage.n_frames, smooth)
    nodes = gaussian_filter(courses.T.reshape(shape), (0, 2, 2, 0), mode="reflect")
    warp = Warp(nodes.astype(np.float32), nodes_y, nodes_x)
    places = [np.linspace(0, n - 1, 24) for n in stage.dims]
    inside = warp.at(places[0], places[1])
    # What is common to all of the field is rigid motion, which has knobs of its own; a constant
    # coefficient is a constant displacement.
    common = inside.mean((2, 3))
    rms = float(np.sqrt(np.mean((inside - common[:, :, None, None]) ** 2)))
    nodes = (nodes - common[:, None, None, :]) * knobs.nonrigid_motion_rms_px / max(rms, 1e-12)
    return Warp(nodes.astype(np.float32), nodes_y, nodes_x)


def make_motion(knobs: MotionKnobs, stage: Stage) -> Motion:
    """Draw the displacements of a recording."""
    return Motion(
        shifts=draw_shifts(knobs, stage),
        warp=draw_warp(knobs, stage),
        bidirectional_offset_px=knobs.bidirectional_offset_px,
    )
