"""The two-photon simulator: every knob of its ingredients in one model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from pydantic import Field, model_validator

from napari_cnmf.testing._assembly import Ingredients, assemble
from napari_cnmf.testing.activity import ActivityKnobs, make_activity
from napari_cnmf.testing.detector import DetectorKnobs
from napari_cnmf.testing.footprints import CellKnobs, make_cells
from napari_cnmf.testing.illumination import IlluminationKnobs
from napari_cnmf.testing.motion import MotionKnobs, make_motion
from napari_cnmf.testing.neuropil import NeuropilKnobs, make_background
from napari_cnmf.testing.recording import Plan, Recording


class FieldKnobs(IlluminationKnobs, MotionKnobs, DetectorKnobs):
    """Size and rate of a recording, and what any microscope does to it."""

    n_frames: int = Field(2000, ge=1)
    """Frames."""
    size: tuple[int, int] = (128, 128)
    """Field ``(Y, X)`` in px."""
    frame_rate_hz: float = Field(15.0, gt=0)
    """Frames per second."""
    seed: int = Field(0, ge=0)
    """Same seed, same recording."""

    @model_validator(mode="after")
    def _field(self) -> FieldKnobs:
        if min(self.size) < 8:
            raise ValueError("size must be at least 8 px along each axis")
        return self


class Simulation(FieldKnobs, CellKnobs, ActivityKnobs, NeuropilKnobs):
    """All knobs of ``simulate``. The defaults are the base regime: 2000 x 128 x 128, 45 cells."""


def plan(config: Simulation) -> Plan:
    """Decide everything about a recording but its noise."""
    motion = make_motion(config, config.size, config.n_frames, config.frame_rate_hz, config.seed)
    pad = motion.pad_px
    padded = (config.size[0] + 2 * pad, config.size[1] + 2 * pad)
    cells = make_cells(config, config.size, pad, config.seed)
    activity = make_activity(
        config, config.n_cells, config.n_frames, config.frame_rate_hz, config.seed
    )
    background = make_background(
        config, config.size, padded, config.n_frames, config.frame_rate_hz, config.seed
    )
    rest = (
        background.rest
        + config.resting_cell_brightness * np.asarray(cells.A.sum(1), dtype=np.float32).ravel()
    )
    ingredients = Ingredients(
        cells=cells,
        activity=activity,
        rest=rest,
        patterns=background.patterns,
        courses=background.courses,
        processes=sp.csc_matrix((len(rest), 0), dtype=np.float32),
        process_traces=np.zeros((0, config.n_frames), dtype=np.float32),
        motion=motion,
        pad_px=pad,
    )
    typical = config.typical_radius_px
    return assemble(config, config.size, ingredients, gSig=(typical, typical))


def simulate(config: Simulation | None = None, **knobs: object) -> Recording:
    """Simulate a two-photon recording in memory.

    Parameters
    ----------
    config
        All knobs; by default the base regime.
    **knobs
        Single knobs, on top of ``config``: see ``Simulation``.

    Returns
    -------
    Recording
        With ``movie`` ``(T, Y, X)`` uint16 and its truth.

    Raises
    ------
    ParameterError
        A knob that does not exist, is out of bounds, or cells that do not fit.
    """
    return plan((config or Simulation()).replace(**knobs)).record()


def simulate_to(
    path: str | Path,
    config: Simulation | None = None,
    *,
    chunk_frames: int | None = None,
    **knobs: object,
) -> Recording:
    """Simulate straight to ``.tif`` or ``.npy``: memory holds one chunk of frames.

    The movie is the same as that of ``simulate``, whatever the chunk.
    """
    ready = plan((config or Simulation()).replace(**knobs))
    return ready.record_to(path, chunk_frames=chunk_frames)
