"""Simulated recordings with truth, and scores against it.

Shipped with the product: engines of others are judged by the same recordings.
"""

from napari_cnmf.testing.one_photon import OnePhotonSimulation, simulate_one_photon
from napari_cnmf.testing.recording import Recording
from napari_cnmf.testing.samples import demo_config, demo_recording
from napari_cnmf.testing.scoring import Score, score, score_shifts
from napari_cnmf.testing.truth import Truth
from napari_cnmf.testing.two_photon import Simulation, simulate
from napari_cnmf.testing.volume import VolumeSimulation, simulate_volume

__all__ = [
    "OnePhotonSimulation",
    "Recording",
    "Score",
    "Simulation",
    "Truth",
    "VolumeSimulation",
    "demo_config",
    "demo_recording",
    "score",
    "score_shifts",
    "simulate",
    "simulate_one_photon",
    "simulate_volume",
]
