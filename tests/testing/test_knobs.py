"""Knobs are independent: turning one leaves what the others decide as it was."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.testing.two_photon import plan_two_photon
from regimes import KNOBS, base_regime

SMALL = {"size": (48, 64), "n_cells": 8, "n_frames": 60}
SHAPES = {"all filled"}
ACTIVITY = {"several indicators", "silent cells", "saturated cells"}


BASE = plan_two_photon(base_regime().replace(**SMALL)).truth


@pytest.mark.parametrize(
    "name",
    [
        "several indicators",
        "all filled",
        "silent cells",
        "fine processes",
        "neuropil on all scales",
        "dendrites crossing",
        "puncta",
        "bleaching",
        "slow drift",
        "brightness gradient",
        "residual motion",
        "flicker",
        "saturated cells",
        "excess noise",
        "dark offset and low gain",
        "lost frames",
        "bidirectional offset",
    ],
)
def test_a_knob_leaves_cells_and_activity_alone(name: str) -> None:
    truth = plan_two_photon(base_regime().replace(**{**KNOBS[name], **SMALL})).truth
    np.testing.assert_allclose(truth.centers, BASE.centers)
    if name not in SHAPES:
        assert (truth.A != BASE.A).nnz == 0
    if name not in ACTIVITY:
        np.testing.assert_array_equal(truth.S, BASE.S)
        np.testing.assert_allclose(truth.C, BASE.C)
