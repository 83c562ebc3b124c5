"""Frames stand where the truth says, measured on noise-free frames by independent means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import map_coordinates, shift
from scipy.optimize import minimize
from skimage.registration import phase_cross_correlation

from napari_cnmf.testing import Simulation, simulate_volume
from napari_cnmf.testing._displacement import (
    Motion,
    Warp,
    fourier_shift,
    sample,
    spline_basis,
    spline_coefficients,
)
from napari_cnmf.testing.two_photon import plan_two_photon
from napari_cnmf.testing.volume import VolumeSimulation, plan_volume
from regimes import MOTION, motion_regime

FIELD: dict[str, Any] = {
    "n_frames": 60,
    "size": (96, 112),
    "n_cells": 25,
    "event_rate_hz": 0.0,
    "neuropil_units": 0.0,
}


def smooth_image(shape: tuple[int, int], places: np.ndarray | None = None) -> np.ndarray:
    """A sum of a few waves, known between pixels too; ``places (2, ...)`` in px."""
    rows, cols = np.mgrid[: shape[0], : shape[1]] if places is None else places
    return (
        3
        + np.sin(2 * np.pi * (rows / 17.0 + cols / 31.0))
        + np.cos(2 * np.pi * (rows / 43.0 - cols / 13.0))
    )


def test_a_phase_correlation_of_clean_frames_finds_the_shifts() -> None:
    plan = plan_two_photon(Simulation().replace(**FIELD, rigid_motion_rms_px=2.0))
    still = plan_two_photon(Simulation().replace(**FIELD)).scene.fluorescence(0)
    window = np.outer(np.hanning(96), np.hanning(112))
    inner = (slice(12, -12), slice(12, -12))

    def misfit(place: np.ndarray, seen: np.ndarray) -> float:
        moved = shift(still, place, order=5, mode="mirror")
        return float(np.mean((moved - seen)[inner] ** 2))

    for t in range(0, 60, 12):
        seen = plan.scene.fluorescence(t)
        # The shift that registers the frame with the reference is minus where the tissue stands.
        found, *_ = phase_cross_correlation(
            (still - still.mean()) * window,
            (seen - seen.mean()) * window,
            upsample_factor=20,
            normalization=None,
        )
        # A window biases large shifts towards 0 by some tenths of a pixel: refined without one.
        np.testing.assert_allclose(-found, plan.truth.shifts[t], atol=0.5)
        best = minimize(misfit, -found, args=(seen,), method="Nelder-Mead", tol=1e-4)
        np.testing.assert_allclose(best.x, plan.truth.shifts[t], atol=0.02)


def test_the_path_has_the_rms_that_was_asked_for() -> None:
    shifts = plan_two_photon(Simulation().replace(**FIELD, rigid_motion_rms_px=2.0)).truth.shifts
    np.testing.assert_allclose(np.sqrt((shifts**2).mean(0)), 2.0, rtol=1e-6)
    assert np.abs(np.diff(shifts, axis=0)).max() < 2.0, "smooth"
    knobs = {**FIELD, "n_frames": 2000}
    jitter = plan_two_photon(Simulation().replace(**knobs, jitter_rms_px=0.5)).truth.shifts
    np.testing.assert_allclose(jitter.std(0), 0.5, rtol=0.1)
    jumps = plan_two_photon(Simulation().replace(**knobs, n_jumps=5, jump_size_px=4.0)).truth.shifts
    sizes = np.linalg.norm(jumps, axis=1)
    assert np.median(sizes) == 0
    assert np.isclose(sizes, 4.0).sum() > 5
    shake = plan_two_photon(
        Simulation().replace(**knobs, oscillation_rms_px=1.0, frame_rate_hz=30.0)
    ).truth.shifts
    power = np.abs(np.fft.rfft(shake[:, 0])) ** 2
    assert np.fft.rfftfreq(2000, 1 / 30)[power.argmax()] == pytest.approx(7.0, abs=0.5)
    assert np.sqrt((shake**2).mean()) == pytest.approx(1.0, rel=1e-6)


def test_a_fourier_shift_is_exact_for_waves() -> None:
    rows, cols = np.mgrid[:48, :64]

    def image(dy: float, dx: float) -> np.ndarray:
        return np.sin(2 * np.pi * (5 * (rows - dy) / 48 + 9 * (cols - dx) / 64)).astype(np.float32)

    moved = fourier_shift(image(0, 0), np.array([1.3, -2.7]))
    np.testing.assert_allclose(moved, image(1.3, -2.7), atol=1e-5)


def test_spline_sampling_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    image = smooth_image((40, 50)).astype(np.float32)
    move = rng.uniform(-2, 2, (2, 40, 50)).astype(np.float32)
    out = np.empty_like(image)
    sample(spline_coefficients(image), move[0], move[1], out)
    places = np.mgrid[:40, :50] - move
    expected = map_coordinates(image, places, order=3, mode="grid-wrap")
    inner = (slice(6, -6), slice(6, -6))
    np.testing.assert_allclose(out[inner], expected[inner], atol=2e-4)
    np.testing.assert_allclose(out[inner], smooth_image((40, 50), places)[inner], atol=0.01)


def test_spline_basis_sums_to_one_between_nodes() -> None:
    basis = spline_basis(np.linspace(0, 50, 77), np.arange(-20.0, 80.0, 10.0))
    np.testing.assert_allclose(np.asarray(basis.sum(1)).ravel(), 1.0, rtol=1e-6)


def test_a_warp_shows_what_stands_at_the_displaced_place() -> None:
    pad, dims = (16, 16), (60, 72)
    rng = np.random.default_rng(1)
    nodes_y, nodes_x = np.arange(-40.0, 110.0, 20.0), np.arange(-40.0, 120.0, 20.0)
    coefficients = rng.normal(0, 1.0, (2, len(nodes_y), len(nodes_x), 2)).astype(np.float32)
    warp = Warp(coefficients, nodes_y, nodes_x)
    motion = Motion(shifts=np.array([[0.0, 0.0], [1.5, -0.8]]), warp=warp)
    wide = (dims[0] + 32, dims[1] + 32)
    tissue = smooth_image(wide).astype(np.float32)
    seen = motion.view(tissue, 1, pad)[16:-16, 16:-16]
    rows, cols = np.arange(60.0), np.arange(72.0)
    field = warp.at(rows, cols)[1] + motion.shifts[1][:, None, None]
    places = np.stack(np.meshgrid(rows, cols, indexing="ij")) + 16 - field
    np.testing.assert_allclose(seen, smooth_image(wide, places), atol=0.02)


def test_a_non_rigid_field_has_its_rms_and_no_common_part() -> None:
    knobs = {**FIELD, "nonrigid_motion_rms_px": 1.2, "nonrigid_length_px": 30.0}
    truth = plan_two_photon(Simulation().replace(**knobs)).truth
    field = truth.displacements(np.arange(0, 96, 3.0), np.arange(0, 112, 3.0))
    assert np.sqrt((field**2).mean()) == pytest.approx(1.2, rel=0.05)
    assert np.abs(field.mean((1, 2))).max() < 0.1
    # Smooth over about 30 px: neighbours agree, far places do not.
    a, b, c = field[:, 0, 0], field[:, 0, 3], field[:, -1, -1]
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9
    assert abs(np.corrcoef(a.ravel(), c.ravel())[0, 1]) < 0.6


def test_every_second_line_is_displaced_by_the_bidirectional_offset() -> None:
    straight = plan_two_photon(Simulation().replace(**FIELD)).scene.fluorescence(0)
    offset = plan_two_photon(Simulation().replace(**FIELD, bidirectional_offset_px=2.0))
    seen = offset.scene.fluorescence(0)
    np.testing.assert_allclose(seen[::2], straight[::2], atol=1e-4)
    np.testing.assert_allclose(seen[1::2, 8:-8], straight[1::2, 6:-10], atol=0.01)


def test_cells_beyond_the_border_move_into_view() -> None:
    knobs = {**FIELD, "n_cells": 40, "border_margin_px": -8.0, "jitter_rms_px": 3.0}
    plan = plan_two_photon(Simulation().replace(**knobs))
    mass = np.asarray(plan.truth.A.sum(0)).ravel()
    cut = mass < 0.5 * np.median(mass)
    assert cut.any()
    assert plan.truth.A.shape == (96 * 112, 40)


def test_planes_of_a_volume_move_through_each_other() -> None:
    knobs = {"n_frames": 30, "size": (8, 40, 48), "n_cells": 10, "event_rate_hz": 0.0}
    config = VolumeSimulation.build(**knobs, axial_motion_rms_planes=1.0, neuropil_units=0.0)
    plan = plan_volume(config)
    assert plan.truth.shifts.shape == (30, 3)
    assert plan.truth.shifts[:, 0].std() == pytest.approx(1.0)
    np.testing.assert_array_equal(plan.truth.shifts[:, 1:], 0)
    still = plan_volume(config.replace(axial_motion_rms_planes=0.0)).scene.fluorescence(0)
    t = int(np.argmin(np.abs(plan.truth.shifts[:, 0] - 1.0)))
    moved = plan.scene.fluorescence(t)
    step = float(plan.truth.shifts[t, 0])
    expected = map_coordinates(
        still, np.mgrid[:8, :40, :48] - np.array([step, 0, 0])[:, None, None, None], order=3
    )
    assert np.corrcoef(moved[3:-3].ravel(), expected[3:-3].ravel())[0, 1] > 0.97
    assert simulate_volume(config).movie.shape == (30, 8, 40, 48)


@pytest.mark.parametrize("name", MOTION)
def test_every_motion_regime_renders(name: str) -> None:
    config = motion_regime(name, size=(64, 80), n_cells=10, n_frames=60)
    plan = plan_two_photon(config)
    assert plan.scene.frame(3).shape == (64, 80)
    assert bool(np.any(plan.truth.shifts)) == (name != "still")
