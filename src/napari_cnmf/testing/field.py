"""Field of every recording: length, rate, seed, and a microscope."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from napari_cnmf.testing._displacement import Motion
from napari_cnmf.testing._stage import Stage
from napari_cnmf.testing.detector import DetectorKnobs
from napari_cnmf.testing.illumination import IlluminationKnobs
from napari_cnmf.testing.motion import MotionKnobs, make_motion

_SURROUND_PX = 24
_SURROUND_PLANES = 6


class FieldKnobs(IlluminationKnobs, MotionKnobs, DetectorKnobs):
    """Knobs of a recording's length and rate, and of what any microscope does to it."""

    n_frames: int = Field(2000, ge=1)
    """Frames."""
    frame_rate_hz: float = Field(15.0, gt=0)
    """Frames per second (volumes per second)."""
    seed: int = Field(0, ge=0)
    """Same seed, same recording."""


def set_stage(knobs: FieldKnobs, dims: tuple[int, ...]) -> tuple[Stage, Motion]:
    """Make field, clock and motion of a recording.

    The surround is there without motion too, so that a field does not change when it starts to
    move; ``assemble`` cuts off what is not needed.
    """
    stage = Stage(dims, knobs.n_frames, knobs.frame_rate_hz, knobs.seed)
    motion = make_motion(knobs, stage)
    usual = (_SURROUND_PLANES,) * (len(dims) - 2) + (_SURROUND_PX, _SURROUND_PX)
    pad = tuple(max(need, least) for need, least in zip(motion.reach, usual, strict=True))
    return replace(stage, pad=pad), motion
