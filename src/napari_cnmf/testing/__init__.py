"""Simulated recordings with truth, and scores against it.

Shipped with the product: engines of others are judged by the same recordings.
"""

from napari_cnmf.testing.motion_scoring import score_displacements, score_shifts
from napari_cnmf.testing.one_photon import OnePhotonSimulation, simulate_one_photon
from napari_cnmf.testing.other import OtherSimulation, simulate_other
from napari_cnmf.testing.recording import Recording
from napari_cnmf.testing.regimes import (
    KNOBS,
    MOTION,
    ONE_PHOTON,
    OTHER,
    base_regime,
    demo_config,
    demo_recording,
    demo_sessions,
    knob_regime,
    motion_regime,
    one_photon_regime,
    other_regime,
    simulate_motion,
)
from napari_cnmf.testing.scoring import Score, score
from napari_cnmf.testing.sessions import Sessions, SessionSimulation, simulate_sessions
from napari_cnmf.testing.streaming import simulate_to
from napari_cnmf.testing.truth import Truth
from napari_cnmf.testing.two_photon import Simulation, simulate
from napari_cnmf.testing.volume import VolumeSimulation, simulate_volume

__all__ = [
    "KNOBS",
    "MOTION",
    "ONE_PHOTON",
    "OTHER",
    "OnePhotonSimulation",
    "OtherSimulation",
    "Recording",
    "Score",
    "SessionSimulation",
    "Sessions",
    "Simulation",
    "Truth",
    "VolumeSimulation",
    "base_regime",
    "demo_config",
    "demo_recording",
    "demo_sessions",
    "knob_regime",
    "motion_regime",
    "one_photon_regime",
    "other_regime",
    "score",
    "score_displacements",
    "score_shifts",
    "simulate",
    "simulate_motion",
    "simulate_one_photon",
    "simulate_other",
    "simulate_sessions",
    "simulate_to",
    "simulate_volume",
]
