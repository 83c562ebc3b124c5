"""What surrounds the cells: resting fluorescence and neuropil that is active as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_cnmf.testing._knobs import Knobs
from napari_cnmf.testing._random import rescaled, smooth_course, smooth_image, stream


class NeuropilKnobs(Knobs):
    """Resting fluorescence and smooth neuropil."""

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
    """A random image with a ``1 / f`` amplitude spectrum, mean 0 and sd 1."""
    white = np.fft.rfftn(rng.standard_normal(dims))
    axes = [np.fft.fftfreq(n) for n in dims[:-1]] + [np.fft.rfftfreq(dims[-1])]
    frequency = np.sqrt(sum(f**2 for f in np.meshgrid(*axes, indexing="ij")))
    frequency.flat[0] = np.inf
    image = np.fft.irfftn(white / frequency, s=dims, axes=range(len(dims)))
    return (image / image.std()).astype(np.float32)


def make_background(
    knobs: NeuropilKnobs,
    dims: tuple[int, int],
    padded: tuple[int, int],
    n_frames: int,
    frame_rate_hz: float,
    seed: int,
) -> Background:
    """Draw the background of a field ``dims`` on its ``padded`` surround."""
    n_pixels = padded[0] * padded[1]
    scale_px = knobs.neuropil_scale_share * min(dims)
    still = stream(seed, "resting")
    shade = 2 * rescaled(smooth_image(still, padded, scale_px)) - 1
    rest = 1 + knobs.resting_variation * shade
    if knobs.resting_texture:
        rest = rest * np.exp(knobs.resting_texture * pink_texture(still, padded))
    rng = stream(seed, "neuropil")
    patterns = [
        rescaled(smooth_image(rng, padded, scale_px)).ravel()
        for _ in range(knobs.neuropil_patterns)
    ]
    slow = knobs.neuropil_timescale_s * frame_rate_hz
    noise = smooth_course(rng, knobs.neuropil_patterns, n_frames, slow)
    courses = [knobs.neuropil_units * np.maximum(1 + row, 0) for row in noise]
    if knobs.multiscale_neuropil_units:
        rng = stream(seed, "multiscale neuropil")
        scale = 2.0
        while scale <= min(dims) / 4:
            for _ in range(knobs.multiscale_patterns):
                patterns.append(np.maximum(smooth_image(rng, padded, scale), 0).ravel())
                course = smooth_course(rng, 1, n_frames, rng.uniform(0.3, 1.5) * slow)[0]
                courses.append(knobs.multiscale_neuropil_units * np.maximum(0.5 + course, 0))
            scale *= 2
    return Background(
        rest=(knobs.resting_units * rest).astype(np.float32).ravel(),
        patterns=np.array(patterns, dtype=np.float32).reshape(-1, n_pixels),
        courses=np.array(courses, dtype=np.float32).reshape(-1, n_frames),
    )
