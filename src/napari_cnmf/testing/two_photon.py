"""The two-photon simulator: every knob of its ingredients in one model."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from napari_cnmf.testing._assembly import Ingredients, assemble
from napari_cnmf.testing._stage import Stage
from napari_cnmf.testing.activity import Activity, ActivityKnobs, make_activity
from napari_cnmf.testing.field import FieldKnobs, set_stage
from napari_cnmf.testing.footprints import CellKnobs, make_cells
from napari_cnmf.testing.neuropil import NeuropilKnobs, make_background
from napari_cnmf.testing.processes import ProcessKnobs, make_processes
from napari_cnmf.testing.recording import Plan, Recording, whole_px

Size = Annotated[int, Field(ge=8)]


class Simulation(FieldKnobs, CellKnobs, ActivityKnobs, NeuropilKnobs, ProcessKnobs):
    """All knobs of ``simulate``. The defaults are the base regime: 2000 x 128 x 128, 45 cells."""

    size: tuple[Size, Size] = (128, 128)
    """Field ``(Y, X)`` in px."""
    n_saturated_cells: int = Field(0, ge=0)
    """Cells so bright that the digitiser clips their events."""
    saturation_units: float = Field(8.0, gt=0)
    """Where it clips if there are such cells, in units of fluorescence."""

    @property
    def clipped(self) -> Simulation:
        """Knobs with the full scale of the digitiser that the saturated cells need."""
        if not self.n_saturated_cells:
            return self
        top = int(self.offset_counts + self.gain_counts * self.saturation_units)
        return self.replace(full_scale_counts=min(top, self.full_scale_counts))


def plan_two_photon(config: Simulation) -> Plan:
    """Decide everything about a recording but its noise."""
    config = config.clipped
    stage, motion = set_stage(config, config.size)
    parts = Ingredients(
        cells=make_cells(config, stage),
        activity=_overdrive(config, make_activity(config, config.n_cells, stage), stage),
        resting_cell_units=config.resting_cell_units,
        background=make_background(config, stage),
        processes=make_processes(config, stage, _kinetics(config)),
        motion=motion,
    )
    scene, truth = assemble(config, stage, parts)
    typical = config.typical_radius_px
    return Plan(scene, truth, typical_decay_s(config, parts.activity), whole_px(typical, typical))


def typical_decay_s(knobs: ActivityKnobs, activity: Activity) -> float:
    """Decay time that a user would state, in seconds."""
    decays = activity.decay_time_s
    return float(np.median(decays)) if len(decays) else knobs.decay_time_s


def _kinetics(config: Simulation) -> ActivityKnobs:
    return ActivityKnobs(**{n: getattr(config, n) for n in ActivityKnobs.model_fields})


def _overdrive(config: Simulation, activity: Activity, stage: Stage) -> Activity:
    """Scale some cells so that their largest events reach 1.6 times the full scale."""
    C, S = activity.C.copy(), activity.S.copy()
    order = stage.rng("saturated cells").permutation(config.n_cells)
    firing = order[C[order].max(1, initial=0.0) > 0]
    for k in firing[: config.n_saturated_cells]:
        factor = np.float32(1.6 * config.saturation_units) / C[k].max()
        C[k] *= factor
        S[k] *= factor
    return Activity(C, S, activity.rise_time_s, activity.decay_time_s)


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
    return plan_two_photon((config or Simulation()).replace(**knobs)).record()
