"""Every named regime, each knob alone and all together; the other simulators; sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_cnmf.errors import ParameterError
from napari_cnmf.testing import (
    Simulation,
    demo_recording,
    score,
    simulate,
    simulate_one_photon,
    simulate_volume,
)
from napari_cnmf.testing.one_photon import plan_one_photon
from napari_cnmf.testing.two_photon import plan_two_photon
from regimes import (
    KNOBS,
    ONE_PHOTON,
    OTHER,
    base_regime,
    knob_regime,
    one_photon_regime,
    other_regime,
)
from second_simulator import OtherSimulation, plan_other, simulate_other
from session_simulator import simulate_sessions

TINY: dict[str, Any] = {"n_frames": 40, "size": (64, 72)}


def test_the_base_regime_is_what_its_table_says() -> None:
    config = base_regime(3000, 256, 180, noise=2.0)
    assert config.size == (256, 256)
    assert config.frame_rate_hz == 15.0
    assert config.effective_photons_per_unit == pytest.approx(0.8)
    assert config.effective_read_noise_units == pytest.approx(0.24)
    assert (config.gain_counts, config.offset_counts) == (220, 300)
    assert Simulation() == base_regime()
    crowded = plan_two_photon(base_regime(10, 128, 110)).truth
    assert crowded.A.shape[1] == 110
    rest = crowded.background
    assert rest.mean() == pytest.approx(1.5, rel=0.25)
    assert rest.min() >= 0.74


@pytest.mark.parametrize("name", KNOBS)
def test_each_knob_alone_and_all_together_make_a_movie(name: str) -> None:
    knobs = {**TINY, "n_cells": 8, "min_distance_px": 5.5}
    recording = simulate(knob_regime(name, **knobs))
    plain = simulate(base_regime(), **knobs)
    assert recording.movie.shape == (40, 64, 72)
    assert (recording.movie != plain.movie).any() or name in {"300 frames", "20,000 frames"}
    assert score(recording.truth.to_components(), recording.truth).f1 == 1


@pytest.mark.parametrize("make", [knob_regime, other_regime, one_photon_regime])
def test_an_unknown_regime_is_named_with_those_that_exist(make: Any) -> None:
    with pytest.raises(ParameterError, match="nonsense"):
        make("nonsense")


@pytest.mark.parametrize("name", OTHER)
def test_the_other_simulator(name: str) -> None:
    config = other_regime(name, size=(72, 80), n_frames=80, n_cells=6)
    recording = simulate_other(config)
    truth = recording.truth
    assert recording.movie.shape == (80, 72, 80)
    np.testing.assert_array_equal(recording.movie, simulate_other(config).movie)
    areas = np.asarray((truth.A > 0.2).sum(0)).ravel()
    assert np.all(areas > 0.3 * np.pi * config.radius_px**2)
    assert np.all(truth.C >= 0)
    assert np.all(np.round(truth.S) == truth.S), "events are spike counts"


def test_the_other_simulator_saturates_and_correlates_its_cells() -> None:
    config = OtherSimulation.build(
        n_frames=3000,
        size=(64, 64),
        n_cells=20,
        min_distance_px=5,
        n_ensembles=2,
        participation=0.9,
        ensemble_rate_hz=0.1,
    )
    truth = plan_other(config).truth
    together = np.corrcoef(truth.C)[np.triu_indices(20, 1)]
    # Two groups: pairs within one go together, pairs across do not.
    assert np.percentile(together, 85) > 0.3
    assert np.percentile(together, 15) < 0.15
    assert np.percentile(truth.C / truth.C.max(1, keepdims=True), 99.9) <= 1


@pytest.mark.parametrize("name", ONE_PHOTON)
def test_one_photon_regimes(name: str) -> None:
    config = one_photon_regime(name, n_frames=12, size=(80, 88), n_cells=10)
    recording = simulate_one_photon(config)
    assert recording.movie.shape == (12, 80, 88)
    assert recording.movie.min() > config.offset_counts
    np.testing.assert_array_equal(recording.movie, simulate_one_photon(config).movie)
    assert score(recording.truth.to_components(), recording.truth).f1 == 1


def test_the_one_photon_background_dominates_and_moves() -> None:
    config = one_photon_regime(
        "hippocampus",
        n_frames=400,
        size=(80, 88),
        n_cells=10,
        event_rate_hz=0.0,
        out_of_focus_per_kpx=0.0,
        n_vessels=0,
        vignetting=0.0,
        global_fraction=0.0,
    )
    scene = plan_one_photon(config).scene
    frames = np.stack([scene.fluorescence(t) for t in range(0, 400, 10)])
    assert frames.mean() == pytest.approx(30, rel=0.15)
    change = frames / frames.mean(0) - 1
    assert change.std() == pytest.approx(0.03, rel=0.25)
    near = np.corrcoef(change[:, 40, 40], change[:, 40, 44])[0, 1]
    far = np.corrcoef(change[:, 5, 5], change[:, -5, -5])[0, 1]
    assert near > 0.95
    assert abs(far) < 0.6
    assert len(simulate_one_photon(config, n_frames=3).truth.f) == 0


def test_footprints_of_a_volume_span_planes() -> None:
    recording = simulate_volume(
        n_frames=4, size=(10, 48, 56), n_cells=12, elongation=0.0, nucleus_excluded_fraction=0.0
    )
    truth = recording.truth
    assert recording.movie.shape == (4, 10, 48, 56)
    assert recording.gSig == (2, 5, 5)
    A = truth.A.toarray().reshape(10, 48, 56, 12) > 0.5
    inner = (truth.centers[:, 0] > 2) & (truth.centers[:, 0] < 7)
    depth = A.any((1, 2)).sum(0)[inner]
    width = A.any((0, 2)).sum(0)[inner]
    # Planes are 2.5 px apart: cells are as deep as wide in px, not in planes.
    assert np.all(depth >= 3)
    np.testing.assert_allclose(depth * 2.5, width, atol=4.0)


def test_the_demo_is_small_not_square_and_every_cell_can_be_found() -> None:
    recording = demo_recording()
    assert recording.movie.shape == (1000, 96, 128)
    assert recording.truth.n_cells == 35
    assert recording.truth.detectable.all()


def test_sessions_show_the_same_cells_moved() -> None:
    days = simulate_sessions(n_sessions=3, n_frames=200, size=(80, 96), n_cells=15, seed=2)
    assert len(days.recordings) == 3
    first, middle = days.recordings[0], (np.array([80, 96]) - 1) / 2
    assert np.all(days.shifts[0] == 0)
    for day in (1, 2):
        recording = days.recordings[day]
        assert recording.truth.n_cells == len(days.identities[day])
        shared = np.intersect1d(days.identities[0], days.identities[day])
        assert len(shared) >= 5
        before = first.truth.centers[np.searchsorted(days.identities[0], shared)]
        after = recording.truth.centers[np.searchsorted(days.identities[day], shared)]
        a = np.deg2rad(days.rotations_deg[day])
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        expected = (before - middle) @ turn.T + middle + days.shifts[day]
        np.testing.assert_allclose(after, expected, atol=1e-9)
        # The footprints themselves lie there too, not only the numbers.
        inside = np.all((after > 8) & (after < np.array([71, 87])), axis=1)
        columns = np.searchsorted(days.identities[day], shared)[inside]
        A = recording.truth.A.toarray().reshape(80, 96, -1)[..., columns]
        rows, cols = np.mgrid[:80, :96]
        mass = np.stack([(A * g[..., None]).sum((0, 1)) / A.sum((0, 1)) for g in (rows, cols)], 1)
        np.testing.assert_allclose(mass, after[inside], atol=0.3)
        assert not np.array_equal(first.movie, recording.movie)
        assert recording.truth.detectable.any()


def test_active_things_that_are_no_cells_are_in_the_movie_and_the_truth() -> None:
    knobs = {**TINY, "n_frames": 300, "n_cells": 0, "neuropil_patterns": 0}
    recording = simulate(**knobs, fine_processes_per_kpx=3, n_dendrites=2, n_puncta=5)
    truth = recording.truth
    assert truth.processes.shape[0] == 64 * 72
    assert truth.process_traces.shape == (truth.processes.shape[1], 300)
    assert truth.processes.shape[1] > 10
    assert truth.n_cells == 0
    variance = gaussian_filter(recording.movie.astype(float), (1, 1, 1)).var(0).ravel()
    touched = np.asarray(truth.processes.max(1).toarray()).ravel() > 0.5
    assert variance[touched].mean() > 1.3 * variance[~touched].mean()
    dendrites = simulate(**knobs, n_dendrites=3).truth.processes
    length = np.asarray((dendrites > 0.5).sum(0)).ravel()
    assert np.all(length > 60), "dendrites cross the field"
