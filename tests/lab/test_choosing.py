"""What the lab computes, against simulated truth and slow references."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from scipy.ndimage import correlate

import napari_cnmf as nc
from napari_cnmf.batch.suggesting import describe_motion
from napari_cnmf.cli import main
from napari_cnmf.core.lab.cells import measure_cells
from napari_cnmf.core.lab.decay import estimate_decay
from napari_cnmf.core.lab.preview import preview, read_window, window_box
from napari_cnmf.core.lab.volume import half_depth, measure_volume
from napari_cnmf.core.movie.local_images import Filter, LocalImages, filtered_images, find_seeds
from napari_cnmf.core.movie.sample import Sample, take_sample, take_volume_sample
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.errors import MovieError
from napari_cnmf.model.movie import Movie
from napari_cnmf.params import CNMFParams
from napari_cnmf.params.cell_size import (
    circle_radius,
    is_usual,
    size_of_circle,
    size_of_half_height,
    with_depth,
)
from napari_cnmf.params.patches import cnmf_patches, motion_patches
from napari_cnmf.testing import Recording, score, simulate, simulate_one_photon, simulate_volume


def two_photon(radius: float, size: tuple[int, int] = (96, 112)) -> Recording:
    return simulate(
        n_frames=600, size=size, n_cells=round(np.prod(size) / 24 / radius**2), radius_px=radius,
        min_distance_px=1.3 * radius, seed=1,
    )  # fmt: skip


@cache
def one_photon(n_frames: int = 600) -> Recording:
    return simulate_one_photon(n_frames=n_frames, size=(96, 112), n_cells=22, seed=1)


# -- sample


def test_a_sample_is_a_few_runs_of_consecutive_frames() -> None:
    movie = np.arange(3000, dtype=np.uint16)[:, None, None] + np.zeros((1, 8, 10), np.uint16)
    sample = take_sample(ArraySource(movie), max_bytes=600 * 160)
    assert len(sample.frames) == 600
    assert len(sample.runs) == 2
    for run, first in zip(sample.runs, sample.first_frames, strict=True):
        expected = np.arange(first, first + run.stop - run.start)
        np.testing.assert_array_equal(sample.frames[run, 0, 0], expected)
    assert sample.frames.dtype == np.uint16
    short = take_sample(ArraySource(movie[:100]))
    assert len(short.frames) == 100
    np.testing.assert_array_equal(np.concatenate([f for _, f in short.blocks(700)]), movie[:100])


def test_one_plane_of_a_volume_and_binned_pixels_of_a_large_field() -> None:
    volume = np.random.default_rng(0).integers(0, 99, (40, 5, 8, 10), dtype=np.uint16)
    np.testing.assert_array_equal(take_sample(ArraySource(volume), plane=3).frames, volume[:, 3])
    assert take_sample(ArraySource(volume)).plane == 2
    with pytest.raises(MovieError, match="one of 0 to 4, got 5"):
        take_sample(ArraySource(volume), plane=5)
    large = np.random.default_rng(0).integers(0, 99, (30, 1537, 1600), dtype=np.uint8)
    sample = take_sample(ArraySource(large))
    assert sample.binning == 2
    assert sample.dims == (768, 800)
    assert sample.frames[7, 3, 4] == large[7, 6:8, 8:10].mean()


# -- correlation, peak-to-noise, seeds


def test_the_filter_is_a_gaussian_disc_without_sum() -> None:
    frames = np.random.default_rng(0).normal(size=(2, 31, 44)).astype(np.float32)
    g = 2.6
    half = int(2 * g)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = np.exp(-(x**2 + y**2) / (2 * g * g))
    kernel /= kernel.sum()
    inside = kernel >= kernel[0].max()
    kernel = np.where(inside, kernel - kernel[inside].mean(), 0)
    slow = np.stack([correlate(frame, kernel, mode="nearest") for frame in frames])
    fast = Filter.of((31, 44), (g, g)).apply(frames)
    np.testing.assert_allclose(fast, slow, atol=2e-6)


def test_correlation_and_peak_to_noise_match_a_slow_reference() -> None:
    movie = one_photon().array()[:200, :30, :37]
    images = filtered_images(take_sample(ArraySource(movie)), (3.0, 3.0))
    filtered = Filter.of((30, 37), (3.0, 3.0)).apply(movie.astype(np.float32)).astype(np.float64)
    filtered -= filtered.mean(0)
    noise = np.sqrt((np.diff(filtered, 2, axis=0) ** 2).mean(0) / 6)
    np.testing.assert_allclose(images.pnr, filtered.max(0) / noise, rtol=1e-3)
    z = np.where(filtered / noise < 3, 0, filtered / noise)
    for y, x in ((5, 6), (0, 0), (29, 20), (15, 36)):
        around = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
        values = []
        for yy, xx in around:
            if 0 <= yy < 30 and 0 <= xx < 37:
                a, b = z[:, y, x], z[:, yy, xx]
                values.append(np.corrcoef(a, b)[0, 1] if a.std() > 0 and b.std() > 0 else 0.0)
        assert images.correlation[y, x] == pytest.approx(np.mean(values), abs=2e-3)


def test_seeds_fall_as_thresholds_rise_and_lie_on_cells() -> None:
    recording = one_photon()
    g = recording.gSig
    images = filtered_images(take_sample(ArraySource(recording.array())), (g[0], g[1]))
    spacing = (4 * g[0] + 1) / 4
    counts = [len(find_seeds(images, 0.5, pnr, spacing)) for pnr in (3, 6, 10, 20, 1e6)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 0  # none above the thresholds: a result
    seeds = find_seeds(images, 0.8, 12, spacing)
    centers = recording.truth.centers
    distance = np.hypot(*(seeds[:, None] - centers[None]).transpose(2, 0, 1))
    assert len(seeds) >= 0.6 * len(centers)
    assert (distance.min(1) < 4).mean() > 0.85


def test_a_seed_is_the_highest_of_its_square() -> None:
    correlation = np.full((20, 30), 0.9, np.float32)
    pnr = np.zeros((20, 30), np.float32)
    pnr[5, 5], pnr[5, 7], pnr[15, 25], pnr[0, 0] = 10, 12, 8, 30
    images = LocalImages(pnr, correlation, pnr)
    assert find_seeds(images, 0.8, 5, 5).tolist() == [[0, 0], [5, 7], [15, 25]]
    assert find_seeds(images, 0.8, 9, 5, border_px=1).tolist() == [[5, 7]]
    # the higher neighbour is below a threshold: the lower one is a seed then
    correlation[5, 7] = 0.1
    assert find_seeds(images, 0.8, 9, 5, border_px=1).tolist() == [[5, 5]]


# -- cell size and decay


@pytest.mark.long
@pytest.mark.parametrize("radius", [3.0, 5.0, 9.0])
def test_cell_size_of_a_two_photon_movie(radius: float) -> None:
    recording = two_photon(radius, (96, 112) if radius < 9 else (160, 176))  # a dozen cells
    cells = measure_cells(take_sample(ArraySource(recording.array())))
    assert cells.typical_radius_px is not None
    size = size_of_half_height(cells.typical_radius_px, one_photon=False)
    assert abs(size.gSig[0] - radius) <= max(1, 0.15 * radius)
    nearest = np.hypot(*(cells.at[:, None] - recording.truth.centers[None]).transpose(2, 0, 1))
    assert np.median(nearest.min(1)) < 0.5 * radius


def test_cell_size_and_decay_of_a_one_photon_movie() -> None:
    recording = one_photon(n_frames=1200)  # some fifty isolated events
    sample = take_sample(ArraySource(recording.array()))
    cells = measure_cells(sample)
    assert cells.typical_radius_px is not None
    size = size_of_half_height(cells.typical_radius_px, one_photon=True)
    assert abs(size.gSig[0] - recording.gSig[0]) <= 1
    decay = estimate_decay(cells, sample, recording.frame_rate_hz)
    assert decay.seconds(recording.frame_rate_hz) == pytest.approx(0.5, rel=0.35)


@pytest.mark.parametrize("decay_s", [0.4, 1.2])
def test_decay_of_a_two_photon_movie(decay_s: float) -> None:
    recording = simulate(
        n_frames=2000, size=(64, 64), n_cells=12, decay_time_s=decay_s, frame_rate_hz=20.0, seed=3
    )
    sample = take_sample(ArraySource(recording.array()))
    cells = measure_cells(sample, 5.0)
    roughly = estimate_decay(cells, sample)
    assert roughly.seconds(20.0) == pytest.approx(recording.decay_time_s, rel=0.5)
    decay = estimate_decay(cells, sample, 20.0)
    assert decay.seconds(20.0) == pytest.approx(recording.decay_time_s, rel=0.25)
    assert decay.frame_rate_hz(decay_s) == pytest.approx(20, rel=0.25)
    assert len(decay.correlation) == len(decay.fitted)


@pytest.mark.parametrize(("radius", "plane_px"), [(3.5, 1.5), (5.0, 5.0)])
def test_cell_size_of_a_volume(radius: float, plane_px: float) -> None:
    recording = simulate_volume(
        n_frames=400, size=(10, round(12 * radius), round(14 * radius)), n_cells=16,
        radius_px=radius, plane_distance_px=plane_px, min_distance_px=1.5 * radius, seed=1,
    )  # fmt: skip
    found = nc.suggest(Movie(da.from_array(recording.array()), frame_rate_hz=6.0))
    truth = recording.truth.radius_px
    assert found.radius_px == pytest.approx(np.median(truth), rel=0.15)
    assert found.depth_px == pytest.approx(np.median(truth) / plane_px, rel=0.35)
    assert found.size is not None
    assert [abs(a - b) for a, b in zip(found.size.gSig, recording.gSig, strict=True)] <= [1, 1, 1]
    assert found.size.gSiz == tuple(2 * g + 1 for g in found.size.gSig)
    # what was chosen for a plane fits the volume then
    flat = CNMFParams.preset("two-photon somata")
    applied = found.applied_to(flat)
    assert applied.init.gSig == found.size.gSig
    assert applied.motion.max_shifts[1:] == flat.motion.max_shifts
    assert found.decay_time_s == pytest.approx(recording.decay_time_s, rel=0.35)


def test_a_cell_is_measured_in_the_plane_where_it_is_brightest() -> None:
    recording = simulate_volume(n_frames=400, size=(8, 56, 60), n_cells=12, seed=2)
    volume = take_volume_sample(ArraySource(recording.array()))
    np.testing.assert_array_equal(volume.planes[3].frames, recording.array()[:, 3])
    cells = measure_volume(volume)
    distance = (cells.at[:, None] - recording.truth.centers[None]) * [2.5, 1, 1]
    nearest = np.linalg.norm(distance, axis=2).min(1)
    assert len(nearest) >= 6
    assert np.median(nearest) < 0.5 * 5
    mine = np.linalg.norm(distance, axis=2).argmin(1)[nearest < 5]
    assert len(np.unique(mine)) == len(mine)  # each once


def test_half_depth_of_a_profile() -> None:
    assert half_depth(np.array([0.0, 0.5, 1.0, 0.5, 0.0]), 2) == pytest.approx(1.0)
    assert half_depth(np.array([0.0, 1.0, 1.0, 0.0]), 1) == pytest.approx(1.0)
    assert half_depth(np.array([1.0, 0.25, 0.0]), 0) == pytest.approx(-2 / 3)  # one side is seen
    assert np.isnan(half_depth(np.array([0.9, 1.0, 0.9]), 1))
    assert half_depth(np.array([0.0, 1.0, 0.0]), 1) == 0.5  # one plane shows it


def test_noise_has_neither_cells_nor_decay() -> None:
    noise = np.random.default_rng(0).poisson(100, (200, 48, 48)).astype(np.uint16)
    sample = take_sample(ArraySource(noise))
    cells = measure_cells(sample)
    assert cells.typical_radius_px is None
    assert estimate_decay(cells, sample, 10.0).frames is None


# -- conventions


def test_the_same_circle_in_both_conventions() -> None:
    assert size_of_circle(6, one_photon=False).gSig == (6, 6)
    assert size_of_circle(6, one_photon=False).gSiz == (13, 13)
    assert size_of_circle(6, one_photon=True).gSig == (3, 3)
    assert size_of_circle(6, one_photon=True).gSiz == (13, 13)
    for way in (False, True):
        assert circle_radius(size_of_circle(8, one_photon=way).gSig, one_photon=way) == 8
    assert is_usual((3, 3), size_of_circle(6, one_photon=True).gSiz)
    assert is_usual((2, 5, 5), (5, 11, 11))
    assert not is_usual((3, 3), (9, 9))
    deep = with_depth(size_of_circle(6, one_photon=False), (2, 4, 4))
    assert (deep.gSig, deep.gSiz) == ((2, 6, 6), (5, 13, 13))


# -- patches


def caiman_centres(size: int, rf: int, overlap: int) -> list[int]:
    return [*range(rf, size - rf, 2 * rf - overlap), size - rf]


@pytest.mark.parametrize(("dims", "rf", "stride"), [((96, 130), 20, 8), ((64, 64), (15, 25), 0)])
def test_patches_of_cnmf_cover_the_field_and_overlap(
    dims: tuple[int, int], rf: int | tuple[int, int], stride: int
) -> None:
    grid = cnmf_patches(dims, rf, stride)
    covered = np.zeros(dims, int)
    for (y0, y1), (x0, x1) in grid.boxes:
        covered[y0:y1, x0:x1] += 1
    assert covered.min() >= 1
    assert covered.max() >= 2
    radii = (rf, rf) if isinstance(rf, int) else rf
    expected = [len(set(caiman_centres(n, r, stride))) for n, r in zip(dims, radii, strict=True)]
    assert grid.shape == tuple(expected)
    assert len(grid) == np.prod(expected)


def test_a_patch_as_large_as_the_field_is_one() -> None:
    assert cnmf_patches((40, 50), 30, 10).boxes == (((0, 40), (0, 50)),)
    # strides larger than the field
    assert motion_patches((40, 50), (96, 96), (32, 32)).boxes == (((0, 40), (0, 50)),)
    assert len(cnmf_patches((6, 40, 50), (3, 10, 10), 4)) > 4


def test_patches_of_motion_correction_end_with_the_field() -> None:
    grid = motion_patches((100, 120), (30, 40), (10, 12))
    assert grid.boxes[0] == ((0, 40), (0, 52))
    assert grid.boxes[-1] == ((60, 100), (68, 120))
    assert grid.shape == (3, 3)
    assert grid.size == (40, 52)


# -- preview


def test_a_preview_finds_the_cells_of_its_window() -> None:
    recording = two_photon(5.0)
    params = CNMFParams().replace(
        init={"gSig": (5, 5)}, data={"decay_time": recording.decay_time_s}
    )
    source = ArraySource(recording.array())
    box = window_box((96, 112), (90, 20), (5, 5))
    assert box == (slice(0, 96), slice(0, 100))
    small = window_box((96, 112), (90, 100), (2, 2))
    assert small == (slice(48, 96), slice(64, 112))
    window = read_window(source, box, recording.frame_rate_hz)
    shown = preview(window, params, recording.frame_rate_hz)
    assert shown.components.dims == (96, 100)
    assert shown.seconds > 0
    inside = np.ix_(*(np.arange(s.start, s.stop) for s in box))
    pixels = np.arange(96 * 112).reshape(96, 112)[inside].ravel()
    A = recording.truth.A.tocsr()[pixels]
    found = shown.components
    cosine = (A.T @ found.A).toarray() / np.maximum(
        np.outer(np.sqrt(A.multiply(A).sum(0)), np.sqrt(found.A.multiply(found.A).sum(0))), 1e-9
    )
    whole = np.asarray(A.sum(0)).ravel() > 0.9 * np.asarray(recording.truth.A.sum(0)).ravel()
    assert (cosine[whole].max(1) > 0.6).mean() > 0.8
    with pytest.raises(MovieError, match="30 frames, got 10"):
        read_window(ArraySource(recording.array()[:10]), box, 10.0)


# -- without a screen


def test_suggested_parameters_from_python_and_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = two_photon(5.0)
    recording.write(tmp_path / "movie.tif")
    found = nc.suggest(tmp_path / "movie.tif")
    assert found.frame_rate_hz == pytest.approx(recording.frame_rate_hz)
    params = found.applied_to(CNMFParams())
    assert abs(params.init.gSig[0] - 5) <= 1
    assert params.data.decay_time == pytest.approx(recording.decay_time_s, rel=0.3)
    assert main(["suggest", str(tmp_path / "movie.tif")]) == 0
    said = capsys.readouterr()
    g = params.init.gSig[0]
    assert f"--set init.gSig={g},{g} --set init.gSiz={2 * g + 1},{2 * g + 1}" in said.out
    assert "clear cells" in said.err
    assert main(["suggest", str(tmp_path / "movie.tif"), "--one-photon", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings"]["init.gSiz"][0] == 4 * told["settings"]["init.gSig"][0] + 1
    assert main(["suggest", str(tmp_path / "movie.tif"), "--set", "data.fr=7.5", "--json"]) == 0
    other_rate = json.loads(capsys.readouterr().out)["settings"]
    assert other_rate["data.fr"] == 7.5
    in_frames = recording.decay_time_s * recording.frame_rate_hz
    assert other_rate["data.decay_time"] == pytest.approx(in_frames / 7.5, rel=0.3)


def test_what_is_suggested_for_a_volume_can_be_pasted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = simulate_volume(n_frames=300, size=(8, 56, 60), n_cells=14, seed=1)
    recording.write(tmp_path / "volume.tif")
    assert main(["suggest", str(tmp_path / "volume.tif")]) == 0
    said = capsys.readouterr()
    assert "planes deep" in said.err
    batch = ["batch", str(tmp_path / "batch"), "add", str(tmp_path / "volume.tif")]
    assert main([*batch, *said.out.split()]) == 0
    (item,) = nc.Batch.open(tmp_path / "batch")
    off = np.subtract(item.params.init.gSig, recording.gSig)
    assert np.abs(off).max() <= 1


def test_every_frame_of_a_sample_is_in_a_run() -> None:
    frames = np.zeros((50, 4, 4))
    sample = Sample(frames, (0, 20), (0, 100), 1, None, 500)
    assert sum(run.stop - run.start for run in sample.runs) == 50
    assert [b.shape[0] for _, b in sample.blocks(16 * 4 * 15)] == [15, 5, 15, 15]


def test_a_preview_of_the_whole_field_is_as_good_as_the_engine() -> None:
    recording = two_photon(5.0)
    window = read_window(ArraySource(recording.array()), (slice(0, 96), slice(0, 112)), 15.0)
    params = CNMFParams().replace(init={"gSig": (5, 5)}, data={"decay_time": 0.7})
    shown = preview(window, params, recording.frame_rate_hz)
    assert score(shown.components, recording.truth).f1 > 0.8


# -- motion


@pytest.mark.parametrize("px", [0.0, 1.5, 3.0])
def test_a_movie_that_moves_is_told_from_one_that_stands_still(px: float) -> None:
    frames = two_photon(4.0).movie.copy()
    sway = np.rint(px * np.sin(np.arange(len(frames)) / 40)).astype(int)
    moved = np.stack([np.roll(f, s, axis=0) for f, s in zip(frames, sway, strict=True)])
    said = describe_motion(take_sample(ArraySource(moved)))
    assert ("moves" in said) is (px > 0)
    if px:
        assert "Correct motion" in said


def test_too_few_frames_say_nothing_of_motion() -> None:
    frames = np.random.default_rng(0).normal(size=(2, 40, 40)).astype(np.float32)
    assert describe_motion(Sample(frames, (0,), (0,), 1, None, 2)) == ""


@pytest.mark.long
@pytest.mark.parametrize("content", [np.nan, 0.0], ids=["nan", "dark"])
def test_a_pause_in_the_recording_hides_no_cell(content: float) -> None:
    recording = two_photon(5.0)
    frames = recording.array().astype(np.float32)
    for start in (0, 97, 303, 590):
        frames[start : start + 10] = content
    whole, cut = (
        nc.suggest(Movie(da.from_array(movie), frame_rate_hz=recording.frame_rate_hz))
        for movie in (recording.array(), frames)
    )
    assert whole.n_cells >= 5
    assert whole.n_cells - 2 <= cut.n_cells <= whole.n_cells + 2
    assert cut.radius_px == pytest.approx(whole.radius_px, rel=0.1)
