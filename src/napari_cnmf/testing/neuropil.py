"""Simulates what surrounds the cells: resting fluorescence and neuropil active as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_cnmf.testing._knobs import Knobs
from napari_cnmf.testing._random import rescaled, smooth_course, smooth_image
from napari_cnmf.testing._stage import Stage


class NeuropilKnobs(Knobs):
    """Knobs of resting fluorescence and smooth neuropil."""

    resting_units: float = Field(1.5, gt=0)
    """Mean resting fluorescence."""
    resting_variation: float = Field(0.5, ge=0, lt=1)
    """The resting fluorescence varies smoothly within +- this share."""
    resting_texture: float = Field(0.0, ge=0, le=1)
    """Static structure on all scales (1 / f) in the resting fluorescence: its relative sd."""
    neuropil_patterns: int = Field(3, ge=0)
    """Smooth patterns, each with a time course of its own."""
    neuropil_units: float = Field(0.25, ge=0)
    """Mean and sd of their time courses."""
    neuropil_scale_share: float = Field(0.125, gt=0, le=1)
    """Size of the patterns (sd of the smoothing) as a share of the field."""
    neuropil_timescale_s: float = Field(1.5, gt=0)
    """Smoothness of their time courses (sd of the smoothing)."""
    multiscale_neuropil_units: float = Field(0.0, ge=0)
    """Further active patterns on every scale from 2 px to a quarter of the field: sd of each."""
    multiscale_patterns: int = Field(3, ge=1)
    """How many of those on each scale; the scales double."""


@dataclass(frozen=True, eq=False)
class Background:
    """Resting image ``(n_pixels,)``, patterns ``(n, n_pixels)`` and courses ``(n, T)``, float32."""

    rest: NDArray[np.float32]
    patterns: NDArray[np.float32]
    courses: NDArray[np.float32]


def pink_texture(rng: np.random.Generator, dims: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw a random image with a ``1 / f`` amplitude spectrum, mean 0 and sd 1."""
    white = np.fft.rfftn(rng.standard_normal(dims))
    axes = [np.fft.fftfreq(n) for n in dims[:-1]] + [np.fft.rfftfreq(dims[-1])]
    frequency = np.sqrt(sum(f**2 for f in np.meshgrid(*axes, indexing="ij")))
    frequency.flat[0] = np.inf
    image = np.fft.irfftn(white / frequency, s=dims, axes=range(len(dims)))
    return np.asarray(image / image.std(), dtype=np.float32)


def make_background(
    knobs: NeuropilKnobs, stage: Stage, step_px: tuple[float, ...] | None = None
) -> Background:
    """Draw the background of a field and its surround.

    ``step_px`` is the size of a voxel along each axis in px of the plane, by default 1.
    """
    scale = knobs.neuropil_scale_share * min(stage.dims[-2:])
    scale_px = tuple(scale / step for step in step_px or (1.0,) * len(stage.dims))
    still, rng = stage.rng("resting"), stage.rng("neuropil")
    shade = 2 * rescaled(smooth_image(still, stage.padded, scale_px)) - 1
    rest = knobs.resting_units * (1 + knobs.resting_variation * shade)
    if knobs.resting_texture:
        rest = rest * np.exp(knobs.resting_texture * pink_texture(still, stage.padded))
    n = knobs.neuropil_patterns
    patterns = [rescaled(smooth_image(rng, stage.padded, scale_px)).ravel() for _ in range(n)]
    slow = knobs.neuropil_timescale_s * stage.frame_rate_hz
    noise = smooth_course(rng, n, stage.n_frames, slow)
    courses = [knobs.neuropil_units * np.maximum(1 + row, 0) for row in noise]
    if knobs.multiscale_neuropil_units:
        more_patterns, more_courses = _multiscale(knobs, stage)
        patterns += more_patterns
        courses += more_courses
    return Background(
        rest=rest.astype(np.float32).ravel(),
        patterns=np.array(patterns, dtype=np.float32).reshape(-1, stage.n_padded),
        courses=np.array(courses, dtype=np.float32).reshape(-1, stage.n_frames),
    )


def _multiscale(
    knobs: NeuropilKnobs, stage: Stage
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Draw patterns on scales of 2, 4, 8, ... px, each with a course of its own."""
    rng = stage.rng("multiscale neuropil")
    slow = knobs.neuropil_timescale_s * stage.frame_rate_hz
    patterns, courses = [], []
    scale = 2.0
    while scale <= min(stage.dims[-2:]) / 4:
        for _ in range(knobs.multiscale_patterns):
            patterns.append(np.maximum(smooth_image(rng, stage.padded, scale), 0).ravel())
            course = smooth_course(rng, 1, stage.n_frames, rng.uniform(0.3, 1.5) * slow)[0]
            courses.append(knobs.multiscale_neuropil_units * np.maximum(0.5 + course, 0))
        scale *= 2
    return patterns, courses
