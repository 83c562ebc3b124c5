"""Simulates light over time and field: bleaching, drift, flicker, gradients, lost frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from napari_cnmf.testing._knobs import Knobs
from napari_cnmf.testing._random import smooth_course
from napari_cnmf.testing._stage import Stage

FRAME_FAULTS = ("black", "flash", "noise", "saturated")
"""Kinds of lost frames: no light at all, far too much light, light without tissue, full scale."""


class IlluminationKnobs(Knobs):
    """Knobs of brightness over time and field, and of frames that are lost."""

    bleaching_fraction: float = Field(0.0, ge=0, lt=1)
    """Share of the fluorescence that is lost by the last frame, exponentially."""
    drift_fraction: float = Field(0.0, ge=0, lt=1)
    """Slow drift of the brightness: sd of its logarithm."""
    drift_timescale_s: float = Field(30.0, gt=0)
    """Smoothness of that drift (sd of the smoothing)."""
    flicker_fraction: float = Field(0.0, ge=0, lt=1)
    """Brightness changes from frame to frame: sd."""
    brightness_gradient: float = Field(0.0, ge=0, lt=1)
    """Brightness falls by this share from one corner to the opposite one."""
    vignetting: float = Field(0.0, ge=0, lt=1)
    """Brightness falls by this share from the centre to the corners."""
    n_black_frames: int = Field(0, ge=0)
    """Frames without any light."""
    n_flash_frames: int = Field(0, ge=0)
    """Frames eight times too bright."""
    n_noise_frames: int = Field(0, ge=0)
    """Frames that show light but no tissue."""
    n_saturated_frames: int = Field(0, ge=0)
    """Frames at full scale."""

    @property
    def faults(self) -> dict[str, int]:
        """Number of frames of each kind in ``FRAME_FAULTS``."""
        counts = (
            self.n_black_frames,
            self.n_flash_frames,
            self.n_noise_frames,
            self.n_saturated_frames,
        )
        return dict(zip(FRAME_FAULTS, counts, strict=True))

    @model_validator(mode="after")
    def _fits(self) -> IlluminationKnobs:
        n_frames = getattr(self, "n_frames", None)
        if n_frames is not None and sum(self.faults.values()) > n_frames:
            raise ValueError("there cannot be more lost frames than frames")
        return self


def draw_brightness(knobs: IlluminationKnobs, stage: Stage) -> NDArray[np.float64]:
    """Draw the factor of each frame's fluorescence ``(T,)``; 1 at the start."""
    time = np.arange(stage.n_frames) / max(stage.n_frames - 1, 1)
    brightness = (1 - knobs.bleaching_fraction) ** time
    if knobs.drift_fraction:
        scale = knobs.drift_timescale_s * stage.frame_rate_hz
        drift = smooth_course(stage.rng("drift"), 1, stage.n_frames, scale)[0].astype(np.float64)
        brightness = brightness * np.exp(knobs.drift_fraction * (drift - drift[0]))
    if knobs.flicker_fraction:
        flicker = stage.rng("flicker").standard_normal(stage.n_frames)
        brightness = brightness * np.maximum(1 + knobs.flicker_fraction * flicker, 0.05)
    return np.asarray(brightness)


def draw_faults(knobs: IlluminationKnobs, stage: Stage) -> NDArray[np.str_]:
    """Draw the fault of each frame ``(T,)``, empty for a sound one."""
    faults = np.full(stage.n_frames, "", dtype="<U9")
    kinds = [kind for kind, n in knobs.faults.items() for _ in range(n)]
    frames = stage.rng("faults").permutation(stage.n_frames)[: len(kinds)]
    faults[frames] = kinds
    return faults


def light_profile(knobs: IlluminationKnobs, dims: tuple[int, ...]) -> NDArray[np.float32] | None:
    """Factor of the light over the field ``(Y, X)``; ``None`` where it is even."""
    if not (knobs.brightness_gradient or knobs.vignetting):
        return None
    rows, cols = np.meshgrid(*(np.linspace(-1, 1, n) for n in dims[-2:]), indexing="ij")
    ramp = 1 - knobs.brightness_gradient * (2 + rows + cols) / 4
    corner = 1 - knobs.vignetting * (rows**2 + cols**2) / 2
    return np.asarray(ramp * corner, dtype=np.float32)
