"""Named recordings: the regimes that accuracy and speed are measured on."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.testing.one_photon import OnePhotonSimulation
from napari_cnmf.testing.two_photon import Simulation
from second_simulator import OtherSimulation

_Table = MappingProxyType[str, dict[str, Any]]

_FINE_PROCESSES = {"fine_processes_per_kpx": 8.0, "fine_process_units": 0.6}

KNOBS: _Table = MappingProxyType(
    {
        "several indicators": {"decay_times_s": (0.25, 0.7, 1.6), "kinetics_sigma": 0.15},
        "sizes 3-12 px": {"radius_range_px": (3.0, 12.0), "n_cells": 30, "min_distance_px": 8.0},
        "all nucleus-excluded": {"nucleus_excluded_fraction": 1.0, "nucleus_depth": 0.9},
        "all filled": {"nucleus_excluded_fraction": 0.0},
        "cells cut by the border": {"border_margin_px": -2.0},
        "silent cells": {"silent_fraction": 0.2},
        "fine processes": _FINE_PROCESSES,
        "neuropil on all scales": {"multiscale_neuropil_units": 0.06, "resting_texture": 0.1},
        "dendrites crossing": {"n_dendrites": 8},
        "puncta": {"n_puncta": 25},
        "bleaching": {"bleaching_fraction": 0.4},
        "slow drift": {"drift_fraction": 0.1},
        "brightness gradient": {"brightness_gradient": 0.6, "vignetting": 0.3},
        "residual motion": {"rigid_motion_rms_px": 0.4, "jitter_rms_px": 0.2},
        "non-rigid motion": {"nonrigid_motion_rms_px": 0.5},
        "flicker": {"flicker_fraction": 0.01},
        "saturated cells": {"n_saturated_cells": 4},
        "excess noise": {"excess_noise_factor": 1.8},
        "dark offset and low gain": {"offset_counts": 20.0, "gain_counts": 12.0},
        "5 Hz": {"frame_rate_hz": 5.0},
        "60 Hz": {"frame_rate_hz": 60.0, "n_frames": 6000, "noise": 1.6},
        "300 frames": {"n_frames": 300},
        "20,000 frames": {"n_frames": 20_000},
        "lost frames": {
            "n_black_frames": 10,
            "n_flash_frames": 5,
            "n_noise_frames": 10,
            "n_saturated_frames": 2,
        },
        "bidirectional offset": {"bidirectional_offset_px": 0.6},
        "everything": {
            "decay_times_s": (0.4, 0.7, 1.2),
            "radius_range_px": (3.5, 9.0),
            "min_distance_px": 7.0,
            "border_margin_px": 0.0,
            "silent_fraction": 0.1,
            "fine_processes_per_kpx": 4.0,
            "multiscale_neuropil_units": 0.03,
            "resting_texture": 0.08,
            "n_dendrites": 4,
            "n_puncta": 8,
            "bleaching_fraction": 0.25,
            "drift_fraction": 0.05,
            "brightness_gradient": 0.4,
            "jitter_rms_px": 0.15,
            "nonrigid_motion_rms_px": 0.2,
            "flicker_fraction": 0.005,
            "n_saturated_cells": 2,
            "saturation_units": 12.0,
            "excess_noise_factor": 1.3,
            "n_black_frames": 2,
            "n_flash_frames": 1,
        },
    }
)
"""What real recordings have and the model lacks: knobs to turn on the base regime, one row each."""

OTHER: _Table = MappingProxyType(
    {
        "clear": {},
        "crowded and noisy": {"n_cells": 90, "min_distance_px": 6.0, "noise": 2.0},
        "large cells": {"n_cells": 20, "radius_px": 9.0, "min_distance_px": 14.0},
        "small cells, 10 Hz": {"radius_px": 3.5, "frame_rate_hz": 10.0},
        "no fine processes": {"fine_processes_per_kpx": 0.0, "stubs_per_cell": 0.0},
    }
)
"""Recordings of the second simulator, on top of its defaults."""

MOTION: _Table = MappingProxyType(
    {
        "rigid": {"rigid_motion_rms_px": 2.0},
        "rigid, three times the noise": {"rigid_motion_rms_px": 2.0, "noise": 3.0},
        "rigid, lost frames": {
            "rigid_motion_rms_px": 2.0,
            "n_flash_frames": 5,
            "n_saturated_frames": 2,
            "n_black_frames": 15,
            "n_noise_frames": 10,
        },
        "jitter and jumps": {
            "rigid_motion_rms_px": 2.0,
            "jitter_rms_px": 0.5,
            "n_jumps": 12,
            "jump_size_px": 4.0,
        },
        "non-rigid": {"rigid_motion_rms_px": 2.0, "nonrigid_motion_rms_px": 1.2},
        "non-rigid, three times the noise": {
            "rigid_motion_rms_px": 2.0,
            "nonrigid_motion_rms_px": 1.2,
            "noise": 3.0,
        },
        "bidirectional offset": {"rigid_motion_rms_px": 2.0, "bidirectional_offset_px": 1.0},
        "still": {},
    }
)
"""Motion of the motion recordings: 1000 x 256 x 256 with 180 cells at 15 Hz."""

ONE_PHOTON: _Table = MappingProxyType(
    {
        "hippocampus": {},
        "dense": {"n_cells": 126, "min_distance_px": 4.0},
        "sparse, large cells": {"n_cells": 30, "radius_px": 8.0, "min_distance_px": 9.0},
        "strong neuropil, low light": {
            "wave_fraction": 0.04,
            "out_of_focus_per_kpx": 3.0,
            "photons_per_unit": 8.0,
            "amplitude_units": 3.5,
        },
        "rough moving background": {"wave_fraction": 0.05, "wave_length_px": 11.0},
        "cortex, blurred": {
            "n_cells": 79,
            "scatter_px": 3.0,
            "halo_share": 0.25,
            "min_distance_px": 6.0,
        },
        "miniscope, brain motion": {"oscillation_rms_px": 1.5, "rigid_motion_rms_px": 1.0},
    }
)
"""One-photon recordings, on top of their defaults."""


def _row(table: _Table, name: str) -> dict[str, Any]:
    if name not in table:
        raise ParameterError(f"A regime must be one of {', '.join(table)}, got {name!r}.")
    return table[name]


def base_regime(
    n_frames: int = 2000,
    size: int | tuple[int, int] = 128,
    n_cells: int = 45,
    noise: float = 1.0,
    seed: int = 0,
) -> Simulation:
    """Base regime of the benchmarks, at some size: give it to ``simulate`` or ``simulate_to``.

    15 Hz; radius 5 px +- 25 %, elliptic, half of the cells nucleus-excluded, centres at least
    5.5 px apart; resting fluorescence 1.5 +- 50 %; events at log-normal rates around 0.1 Hz, of
    gamma distributed size, rise 0.08 s, decay 0.7 s; three smooth neuropil patterns; 3.2 photons
    per unit, pixel and frame. ``noise`` = n divides the photons by n squared.

    The rows: 2000 x 128 with 45 cells (also at noise 2 and 3) or 110 (also at 2.5), 3000 x 256 with
    180, 3000 x 512 with 600.
    """
    dims = (size, size) if isinstance(size, int) else size
    return Simulation.build(n_frames=n_frames, size=dims, n_cells=n_cells, noise=noise, seed=seed)


def knob_regime(name: str, seed: int = 0, **knobs: object) -> Simulation:
    """Row of ``KNOBS`` on the base regime (2000 x 128 x 128, 45 cells unless the row differs)."""
    return base_regime(seed=seed).replace(**{**_row(KNOBS, name), **knobs})


def other_regime(name: str, seed: int = 0, **knobs: object) -> OtherSimulation:
    """Row of ``OTHER``: give it to ``simulate_other``."""
    return OtherSimulation.build(seed=seed, **{**_row(OTHER, name), **knobs})


def one_photon_regime(name: str, seed: int = 0, **knobs: object) -> OnePhotonSimulation:
    """Row of ``ONE_PHOTON``: give it to ``simulate_one_photon``."""
    return OnePhotonSimulation.build(seed=seed, **{**_row(ONE_PHOTON, name), **knobs})


def motion_regime(name: str = "rigid", seed: int = 0, **knobs: object) -> Simulation:
    """Row of ``MOTION`` on a two-photon field: give it to ``simulate`` or ``simulate_to``."""
    field = base_regime(n_frames=1000, size=256, n_cells=180, seed=seed)
    return field.replace(**{**_row(MOTION, name), **knobs})
