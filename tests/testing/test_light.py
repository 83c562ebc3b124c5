"""Bleaching, drift, flicker, gradients, lost frames and saturation, each by its own measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_cnmf.errors import ParameterError
from napari_cnmf.testing import Simulation, simulate
from napari_cnmf.testing.scene import Scene
from napari_cnmf.testing.two_photon import plan_two_photon

QUIET: dict[str, Any] = {
    "size": (32, 40),
    "n_cells": 3,
    "event_rate_hz": 0.0,
    "neuropil_patterns": 0,
    "resting_variation": 0.0,
    "resting_cell_units": 0.0,
}


def quiet(**knobs: Any) -> Scene:
    """A field that does nothing: what changes is light."""
    return plan_two_photon(Simulation().replace(**{**QUIET, **knobs})).scene


def levels(scene: Scene) -> np.ndarray:
    return np.array([scene.fluorescence(t).mean() for t in range(scene.stage.n_frames)])


def test_without_knobs_a_quiet_field_is_constant() -> None:
    np.testing.assert_allclose(levels(quiet(n_frames=20)), 1.5, rtol=1e-6)


def test_bleaching_takes_the_share_that_was_asked_for() -> None:
    level = levels(quiet(n_frames=200, bleaching_fraction=0.4))
    assert level[0] == pytest.approx(1.5)
    assert level[-1] == pytest.approx(0.9)
    np.testing.assert_allclose(np.diff(np.log(level)), np.log(0.6) / 199, rtol=1e-2)


def test_flicker_is_white_and_drift_is_slow() -> None:
    flicker = levels(quiet(n_frames=2000, flicker_fraction=0.02)) / 1.5
    assert flicker.std() == pytest.approx(0.02, rel=0.1)
    assert abs(np.corrcoef(flicker[1:], flicker[:-1])[0, 1]) < 0.1
    drift = np.log(levels(quiet(n_frames=4000, drift_fraction=0.1, drift_timescale_s=5.0)) / 1.5)
    assert drift.std() == pytest.approx(0.1, rel=0.5)
    assert np.corrcoef(drift[15:], drift[:-15])[0, 1] > 0.95


def test_gradient_and_vignette_stay_with_the_microscope() -> None:
    field = quiet(n_frames=3, brightness_gradient=0.6).fluorescence(0)
    assert field[-1, -1] / field[0, 0] == pytest.approx(0.4, rel=1e-3)
    field = quiet(n_frames=3, size=(33, 41), vignetting=0.5, jitter_rms_px=1.0).fluorescence(1)
    assert field[0, 0] / field[16, 20] == pytest.approx(0.5, rel=1e-2)


def test_lost_frames_are_as_many_as_asked_for_and_flagged() -> None:
    faults = {
        "n_black_frames": 4,
        "n_flash_frames": 3,
        "n_noise_frames": 2,
        "n_saturated_frames": 1,
    }
    recording = simulate(n_frames=60, size=(32, 40), n_cells=3, **faults)
    fault, movie = recording.truth.frame_fault, recording.movie.astype(float)
    for name, n in faults.items():
        assert (fault == name.split("_")[1]).sum() == n
    mean = movie.mean((1, 2))
    sound = mean[fault == ""]
    np.testing.assert_allclose(mean[fault == "black"], 300, atol=5)
    assert mean[fault == "flash"].min() > 300 + 5 * (sound.max() - 300)
    assert np.all(movie[fault == "saturated"] == 65535)
    shade = simulate(n_frames=60, size=(32, 40), n_cells=3).truth.background
    for t in np.flatnonzero(fault == "noise"):
        assert abs(np.corrcoef(movie[t].ravel(), shade)[0, 1]) < 0.12
        assert mean[t] == pytest.approx(sound.mean(), rel=0.1)


def test_more_lost_frames_than_frames_is_an_error() -> None:
    with pytest.raises(ParameterError, match="more lost frames"):
        Simulation.build(n_frames=5, n_black_frames=6)


def test_saturated_cells_are_clipped_and_the_others_are_not() -> None:
    recording = simulate(n_frames=600, size=(64, 64), n_cells=8, n_saturated_cells=2)
    top = int(300 + 220 * 8.0)
    assert recording.movie.max() == top
    peak = recording.truth.C.max(1)
    bright = peak > 12
    assert bright.sum() == 2
    A = recording.truth.A.toarray().reshape(64, 64, 8)
    clipped = (recording.movie == top).any(0)
    assert clipped[A[..., bright].max(-1) > 0.9].any()
    assert not clipped[A.max(-1) < 0.05].any()
