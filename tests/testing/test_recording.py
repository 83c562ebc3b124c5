"""Recordings are deterministic, independent of chunks, and come back from files as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_cnmf.errors import MovieError
from napari_cnmf.testing import (
    OnePhotonSimulation,
    Recording,
    Simulation,
    VolumeSimulation,
    simulate,
    simulate_one_photon,
    simulate_volume,
)
from napari_cnmf.testing.two_photon import plan_two_photon
from second_simulator import OtherSimulation, simulate_other
from streaming import simulate_to

SMALL: dict[str, Any] = {"n_frames": 40, "size": (40, 56), "n_cells": 6}


@pytest.fixture(scope="module")
def small() -> Recording:
    return simulate(**SMALL)


def test_shape_type_and_what_is_known(small: Recording) -> None:
    assert small.movie.shape == small.shape == (40, 40, 56)
    assert small.movie.dtype == np.uint16
    assert small.truth.A.shape == (40 * 56, 6)
    assert small.truth.A.dtype == np.float32
    assert small.truth.C.shape == small.truth.S.shape == (6, 40)
    assert small.frame_rate_hz == 15.0
    assert small.decay_time_s == 0.7
    assert small.gSig == (5, 5)
    np.testing.assert_array_equal(small.truth.shifts, 0)


def test_the_movie_is_the_truth_plus_noise() -> None:
    plan = plan_two_photon(Simulation().replace(**{**SMALL, "n_frames": 600}))
    movie, truth = plan.record().movie, plan.truth
    expected = truth.background + truth.C.T @ truth.A.T.toarray() + truth.f.T @ truth.b.T
    residual = movie.reshape(600, -1) - (300 + 220 * expected)
    variance = 220**2 * (expected / 3.2 + 0.12**2) + 1 / 12
    assert abs(residual.mean()) < 5 * np.sqrt(variance.mean() / residual.size)
    assert residual.var() == pytest.approx(variance.mean(), rel=0.02)
    # Nothing of the structure is left over: the residual's mean image is noise of its own size.
    mean_image = residual.mean(0) / np.sqrt(variance.mean(0) / 600)
    assert mean_image.std() == pytest.approx(1.0, abs=0.06)


def test_seed_decides_everything(small: Recording) -> None:
    again, other = simulate(**SMALL), simulate(**SMALL, seed=1)
    np.testing.assert_array_equal(small.movie, again.movie)
    assert (small.truth.A != again.truth.A).nnz == 0
    assert (small.movie != other.movie).mean() > 0.9


def test_turning_one_knob_leaves_the_cells_as_they_are(small: Recording) -> None:
    bleached = simulate(**SMALL, bleaching_fraction=0.5, fine_processes_per_kpx=5, noise=2)
    assert (small.truth.A != bleached.truth.A).nnz == 0
    np.testing.assert_array_equal(small.truth.C, bleached.truth.C)
    moved = simulate(**SMALL, rigid_motion_rms_px=1.0)
    np.testing.assert_allclose(moved.truth.A.toarray(), small.truth.A.toarray(), atol=1e-6)


@pytest.mark.parametrize("name", ["movie.tif", "movie.npy"])
@pytest.mark.parametrize("chunk_frames", [1, 7, 1000])
def test_chunks_do_not_change_the_movie(
    small: Recording, tmp_path: Path, name: str, chunk_frames: int
) -> None:
    written = simulate_to(tmp_path / name, chunk_frames=chunk_frames, **SMALL)
    assert written.movie == tmp_path / name
    np.testing.assert_array_equal(written.array(), small.movie)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("config", "make"),
    [
        (OtherSimulation.build(n_frames=9, size=(40, 48), n_cells=3), simulate_other),
        (OnePhotonSimulation.build(n_frames=9, size=(40, 48), n_cells=3), simulate_one_photon),
        (VolumeSimulation.build(n_frames=9, size=(4, 24, 32), n_cells=3), simulate_volume),
    ],
)
def test_every_simulator_streams(config: Any, make: Any, tmp_path: Path) -> None:
    written = simulate_to(tmp_path / "movie.tif", config, chunk_frames=4)
    np.testing.assert_array_equal(written.array(), make(config).movie)


def test_the_tiff_carries_axes_and_frame_rate(small: Recording, tmp_path: Path) -> None:
    path = tmp_path / "movie.tif"
    written = small.write(path)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej
        assert tif.series[0].axes == "TYX"
        assert tif.imagej_metadata["finterval"] == pytest.approx(1 / 15)
    assert tifffile.memmap(path, mode="r").shape == (40, 40, 56)
    np.testing.assert_array_equal(written.array(), small.movie)


def test_a_volume_keeps_its_axes_in_the_file(tmp_path: Path) -> None:
    recording = simulate_volume(n_frames=5, size=(4, 24, 32), n_cells=2)
    written = recording.write(tmp_path / "volume.tif")
    with tifffile.TiffFile(tmp_path / "volume.tif") as tif:
        assert tif.series[0].axes == "TZYX"
    np.testing.assert_array_equal(written.array(), recording.movie)


def test_another_format_is_refused_and_a_failure_leaves_nothing(
    small: Recording, tmp_path: Path
) -> None:
    with pytest.raises(MovieError, match=r"movie\.avi"):
        small.write(tmp_path / "movie.avi")
    broken = plan_two_photon(Simulation().replace(**SMALL))
    object.__setattr__(broken.scene, "courses", broken.scene.courses[:20])
    for name in ("movie.tif", "movie.npy"):
        with pytest.raises(IndexError):
            broken.record_to(tmp_path / name, chunk_frames=4)
    assert list(tmp_path.iterdir()) == []


def test_cells_that_never_fire_are_flagged() -> None:
    truth = simulate(**{**SMALL, "n_frames": 400}, silent_fraction=0.5).truth
    np.testing.assert_array_equal(truth.detectable, truth.S.sum(1) > 0)
    assert truth.detectable.sum() <= 3
    assert np.all((truth.snr > 0) == truth.detectable)


def test_the_truth_as_a_result() -> None:
    recording = simulate(**SMALL)
    components = recording.truth.to_components()
    assert components.dims == (40, 56)
    assert components.n_components == 6
    assert components.frame_rate_hz == 15.0
