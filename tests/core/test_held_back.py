"""A movie that still moves has no verdict: what motion makes looks like cells to every score."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.core.verdict.evaluate import evaluate_result
from napari_cnmf.model.evaluation import failed_rules, passes_thresholds, why_held_back
from napari_cnmf.params import CNMFParams, QualityParams
from napari_cnmf.testing import simulate_one_photon
from napari_cnmf.testing.one_photon import OnePhotonSimulation


@pytest.mark.parametrize(("rms_px", "is_held"), [(0.0, False), (1.0, True)])
def test_the_verdict_of_a_movie_that_moves_is_held_back(rms_px: float, is_held: bool) -> None:
    config = OnePhotonSimulation.build(
        n_frames=500, size=(96, 96), n_cells=20, seed=4, rigid_motion_rms_px=rms_px
    )
    movie = simulate_one_photon(config).array()
    params = CNMFParams().replace(init={"gSig": (4, 4)}, data={"decay_time": 0.4})
    said: list[str] = []
    found = run_cnmf(
        ArraySource(movie), params, frame_rate_hz=20.0, one_photon=True, on_warning=said.append
    ).components
    assert found.n_components > 0
    assert bool(why_held_back(found)) is is_held
    assert found.accepted is not None
    assert found.accepted.any() is not np.bool_(is_held)
    assert any("The verdict is held back" in sentence for sentence in said) is is_held
    if is_held:
        # other thresholds, or scores taken anew, do not change what the movie is
        lenient = QualityParams(min_SNR=0, rval_thr=-1, SNR_lowest=-1, rval_lowest=-1)
        assert not passes_thresholds(found, lenient).any()
        assert "correct motion" in failed_rules(found, 0, lenient)[-1]
        again = evaluate_result(ArraySource(movie), found, params, frame_rate_hz=20.0)
        assert not np.asarray(again.accepted).any()
