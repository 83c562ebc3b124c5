"""Runs any simulator straight to a file."""

from __future__ import annotations

from pathlib import Path

from napari_cnmf.testing.one_photon import OnePhotonSimulation, plan_one_photon
from napari_cnmf.testing.recording import Plan, Recording
from napari_cnmf.testing.two_photon import Simulation, plan_two_photon
from napari_cnmf.testing.volume import VolumeSimulation, plan_volume
from second_simulator import OtherSimulation, plan_other

AnySimulation = Simulation | OtherSimulation | OnePhotonSimulation | VolumeSimulation


def plan_recording(config: AnySimulation) -> Plan:
    """Decide everything about a recording but its noise, with the simulator of these knobs."""
    if isinstance(config, Simulation):
        return plan_two_photon(config)
    if isinstance(config, OtherSimulation):
        return plan_other(config)
    if isinstance(config, OnePhotonSimulation):
        return plan_one_photon(config)
    return plan_volume(config)


def simulate_to(
    path: str | Path,
    config: AnySimulation | None = None,
    *,
    chunk_frames: int | None = None,
    **knobs: object,
) -> Recording:
    """Simulate straight to ``.tif`` or ``.npy``; memory holds one chunk of frames.

    The movie is the same as that of ``simulate`` and its kin, whatever the chunk.

    Parameters
    ----------
    path
        A TIFF is contiguous, can be memory-mapped, and carries axes and frame rate.
    config
        Knobs of any of the simulators; by default the base regime of two-photon recordings.
    chunk_frames
        Frames rendered at a time; by default about 64 MB.
    **knobs
        Single knobs, on top of ``config``.

    Raises
    ------
    ParameterError
        A knob that does not exist, is out of bounds, or cells that do not fit.
    MovieError
        Another suffix.
    """
    ready = plan_recording((config or Simulation()).replace(**knobs))
    return ready.record_to(path, chunk_frames=chunk_frames)
