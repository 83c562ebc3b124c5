"""Simulated recordings with truth, and scores against it.

Shipped with the product: engines of others are judged by the same recordings.
"""

from napari_cnmf.testing.recording import Recording
from napari_cnmf.testing.regimes import base_regime, demo_recording
from napari_cnmf.testing.scoring import Score, score
from napari_cnmf.testing.truth import Truth
from napari_cnmf.testing.two_photon import Simulation, simulate, simulate_to

__all__ = [
    "Recording",
    "Score",
    "Simulation",
    "Truth",
    "base_regime",
    "demo_recording",
    "score",
    "simulate",
    "simulate_to",
]
