"""Each step of the engine against a slow reference, a closed form or a known truth."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage as ndi
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.signal import find_peaks as find_scipy_peaks
from scipy.spatial import ConvexHull

from napari_cnmf.core.background.grid import (
    KnownSums,
    background_of,
    loss_of_pixels,
    pixel_weights,
    smooth_nodes,
    subtract_background,
    weighted_sums,
)
from napari_cnmf.core.background.modes import leading_patterns
from napari_cnmf.core.background.shared import shared_courses, take_out_courses
from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.footprints import filled_cores
from napari_cnmf.core.base.geometry import Field, colour_groups
from napari_cnmf.core.base.lattice import Lattice, filter_residual
from napari_cnmf.core.base.parts import RunHere
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.bound import strongest_per_patch
from napari_cnmf.core.movie.binning import bin_movie, choose_bin
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.movie.store import MemoryStore, ScratchStore
from napari_cnmf.core.movie.whiten import find_trend, whiten
from napari_cnmf.core.traces.deconvolve import (
    ar_coefficients,
    deconvolve,
    estimate_level,
    lower_quantiles,
    response_norm,
)
from napari_cnmf.core.traces.kinetics import estimate_kinetics
from napari_cnmf.core.traces.oasis import oasis
from napari_cnmf.core.traces.project import DENSE, Demixer, _solver, invert, traces_equations
from napari_cnmf.core.verdict.rvalues import find_peaks, own_frames
from napari_cnmf.core.verdict.shape import hull_areas, measure_shapes
from napari_cnmf.core.verdict.snr import cubic_zoom_matrix, half_sample_mode
from napari_cnmf.params import PatchParams

WORKERS, RUNNER = Workers(2), RunHere(2)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.uint8, np.int8, np.float32, np.float64])
def test_binning_agrees_with_numpy_for_any_type(dtype: type) -> None:
    rng = np.random.default_rng(0)
    dark = 20 if np.dtype(dtype).kind == "i" else 0
    movie = (rng.poisson(50, (103, 5, 9)) - dark).astype(dtype)
    store = MemoryStore((1, 5, 9), 20)
    binned = bin_movie(ArraySource(movie), 5, store, RUNNER, block_bytes=45 * movie.itemsize * 15)
    X = store.tile((slice(0, 1), slice(0, 5), slice(0, 9)))
    y = movie.astype(float)
    expected = y[:100].reshape(20, 5, 5, 9).mean(1).transpose(1, 2, 0)
    np.testing.assert_allclose(X[0], expected, rtol=1e-5)
    np.testing.assert_allclose(binned.mean.reshape(5, 9), y.mean(0), rtol=1e-5)
    np.testing.assert_allclose(binned.std.reshape(5, 9), y.std(0), rtol=1e-3)
    np.testing.assert_allclose(binned.peak.reshape(5, 9), y.max(0))


def test_noise_is_measured_under_a_slow_signal() -> None:
    rng = np.random.default_rng(1)
    slow = 40 * np.sin(np.arange(4000) / 60)[:, None, None]
    movie = (500 + slow + 7 * rng.standard_normal((4000, 4, 4))).astype(np.float32)
    binned = bin_movie(ArraySource(movie), 4, MemoryStore((1, 4, 4), 1000), RUNNER)
    np.testing.assert_allclose(binned.sn, 7, rtol=0.1)


def test_lost_frames_and_dead_pixels_take_no_part() -> None:
    rng = np.random.default_rng(2)
    movie = rng.normal(100, 5, (200, 6, 6)).astype(np.float32)
    clean = movie.copy()
    movie[[10, 11, 77]] = 0
    movie[150] = np.nan
    movie[:, 0, :] = np.nan
    binned = bin_movie(ArraySource(movie), 4, MemoryStore((1, 6, 6), 50), RUNNER)
    assert set(np.flatnonzero(binned.lost)) == {10, 11, 77, 150}
    dead = ~np.isfinite(binned.sn.reshape(6, 6))
    assert dead[0].all()
    assert dead.sum() == 6
    good = ~binned.lost
    np.testing.assert_allclose(
        binned.mean.reshape(6, 6)[~dead], clean[good].mean(0)[~dead], rtol=1e-5
    )


def test_constant_pixels_carry_nothing() -> None:
    movie = np.random.default_rng(2).normal(100, 5, (200, 6, 6)).astype(np.float32)
    movie[:, 3, 3] = 42
    binned = bin_movie(ArraySource(movie), 4, MemoryStore((1, 6, 6), 50), RUNNER)
    assert np.flatnonzero(~np.isfinite(binned.sn)).tolist() == [21]


def test_bins_are_half_a_decay_time_and_leave_enough() -> None:
    assert choose_bin(15, 0.7, 3000) == 5
    assert choose_bin(5, 0.1, 3000) == 1
    assert choose_bin(60, 1.0, 300) == 3


def test_scratch_gives_the_same_tiles_as_memory(tmp_path: Path) -> None:
    from napari_cnmf.core.movie.store import default_scratch

    rng = np.random.default_rng(0)
    movie = rng.poisson(30, (96, 12, 10)).astype(np.uint16)
    region = (slice(0, 1), slice(2, 9), slice(3, 10))
    memory = MemoryStore((1, 12, 10), 24)
    bin_movie(ArraySource(movie), 4, memory, RUNNER, block_bytes=5000)
    with ScratchStore((1, 12, 10), 24, default_scratch) as scratch:
        bin_movie(ArraySource(movie), 4, scratch, RUNNER, block_bytes=5000)
        np.testing.assert_array_equal(scratch.tile(region), memory.tile(region))


@pytest.mark.parametrize("n", [40, DENSE + 1])
def test_a_solver_gives_the_same_in_another_process(n: int) -> None:
    rng = np.random.default_rng(0)
    beside = sp.diags(0.1 * rng.random(n - 1), 1)
    solver = _solver(sp.csc_matrix(sp.eye(n) + beside + beside.T), WORKERS)
    x = rng.random((n, 3))
    again = pickle.loads(pickle.dumps(solver))  # noqa: S301 (our own)
    np.testing.assert_array_equal(again(x), solver(x))


def test_whitened_rows_have_unit_noise_and_no_trend() -> None:
    rng = np.random.default_rng(0)
    n_bins = 400
    brightness = 100 * np.exp(-np.arange(n_bins) / 300)
    trend = find_trend(brightness)
    assert trend.shape == (3, n_bins)
    np.testing.assert_allclose(trend @ trend.T, np.eye(3), atol=1e-5)
    X = (brightness + 2 * rng.standard_normal((50, n_bins))).astype(np.float32)
    sn = np.full(50, 2 * np.sqrt(5), np.float32)
    sn[7] = np.inf
    whiten(X, sn, 5, trend, WORKERS)
    assert not X[7].any()
    alive = np.delete(X, 7, axis=0)
    np.testing.assert_allclose(alive.mean(1), 0, atol=1e-4)
    assert abs(alive.std() - 1) < 0.05
    assert find_trend(np.full(400, 50.0)).shape == (0, 400)


def slow_background(
    R: NDArray[Any], gain: NDArray[Any], inside: NDArray[Any], field: Field
) -> NDArray[np.float64]:
    grid = field.grid
    weight = np.where(inside, 0.05, 1.0)
    num, den = np.zeros((*grid.shape, R.shape[-1])), np.zeros(grid.shape)
    for g in np.ndindex(*grid.shape):
        cell = tuple(slice(e[i], e[i + 1]) for e, i in zip(grid.edges, g, strict=True))
        num[g] = np.einsum("zyx,zyx,zyxt->t", weight[cell], gain[cell], R[cell])
        den[g] = (weight[cell] * gain[cell] ** 2).sum()
    return smooth_nodes(num) / smooth_nodes(den)[..., None]


FIELDS = pytest.mark.parametrize(
    "field", [Field((1, 23, 31), (0, 3, 4)), Field((5, 17, 14), (2, 3, 3))], ids=["plane", "volume"]
)


@FIELDS
def test_background_agrees_with_the_slow_one_and_with_its_matrices(field: Field) -> None:
    rng = np.random.default_rng(0)
    R = rng.standard_normal((*field.shape, 11)).astype(np.float32)
    gain = rng.uniform(0.5, 2, field.shape).astype(np.float32)
    gain[:, :2] = 0
    inside = rng.random(field.shape) < 0.3
    q = pixel_weights(inside, gain)
    sums = weighted_sums(R, q, field.grid, WORKERS)
    bg = background_of(sums, q, gain, field.grid, WORKERS)
    np.testing.assert_allclose(bg, slow_background(R, gain, inside, field), rtol=1e-3, atol=1e-5)
    P = field.grid.interpolation
    np.testing.assert_allclose(np.asarray(P.sum(1)), 1, rtol=1e-6)
    expected = R - gain[..., None] * (P @ bg.reshape(field.grid.n_nodes, -1)).reshape(R.shape)
    sums = subtract_background(R, loss_of_pixels(gain, field.grid), bg, q, field.grid, WORKERS)
    np.testing.assert_allclose(R, expected, atol=1e-5)
    np.testing.assert_allclose(sums, weighted_sums(R, q, field.grid, WORKERS), atol=1e-4)


@FIELDS
def test_sums_of_a_residual_are_known_while_components_change_in_it(field: Field) -> None:
    rng = np.random.default_rng(4)
    R = rng.standard_normal((*field.shape, 11)).astype(np.float32)
    gain = rng.uniform(0.5, 2, field.shape).astype(np.float32)
    box = (1, 7, 7) if field.is_plane else (3, 7, 7)

    def some(n: int) -> Factors:
        corner = rng.integers(0, np.array(field.shape) - box + 1, (n, 3))
        return Factors(
            corner,
            rng.random((n, *box)).astype(np.float32),
            rng.random((n, 11)).astype(np.float32),
        )

    def product(factors: Factors) -> NDArray[np.float32]:
        return (factors.matrix(field.shape) @ factors.C).reshape(R.shape)

    before, after = some(70), some(3)
    q = pixel_weights(rng.random(field.shape) < 0.3, gain)
    kept = KnownSums.of(weighted_sums(R, q, field.grid, WORKERS), q, before, field, WORKERS)
    R += product(before) - product(after)
    q = pixel_weights(rng.random(field.shape) < 0.3, gain)
    sums = kept.with_weights(R, q, after, field, WORKERS)
    np.testing.assert_allclose(sums, weighted_sums(R, q, field.grid, WORKERS), atol=2e-3)


def test_matrices_of_the_grid() -> None:
    field = Field((1, 23, 31), (0, 3, 4))
    values = np.random.default_rng(0).random((*field.grid.shape, 3))
    flat = values.reshape(field.grid.n_nodes, 3)
    np.testing.assert_allclose(
        field.grid.smoothing @ flat, smooth_nodes(values).reshape(flat.shape)
    )
    assert field.grid.nodes.sum() == 23 * 31


@pytest.mark.parametrize(
    "field", [Field((1, 26, 33), (0, 4, 5)), Field((6, 15, 14), (2, 3, 3))], ids=["plane", "volume"]
)
def test_filtered_residual_is_a_gaussian_on_the_lattice(field: Field) -> None:
    R = np.random.default_rng(0).standard_normal((*field.shape, 7)).astype(np.float32)
    lattice = Lattice.over(field)
    expected = R.astype(float)
    for axis, tap in enumerate(lattice.taps):
        expected = ndi.correlate1d(expected, tap, axis, mode="constant")
    step = lattice.step
    expected = expected[:: step[0], :: step[1], :: step[2]]
    np.testing.assert_allclose(filter_residual(R, lattice, WORKERS), expected, atol=1e-4)


def convex_deconvolution(
    y: NDArray[np.float64], response: Callable[[int], NDArray[np.float64]], lam: float
) -> NDArray[np.float64]:
    """The same problem by non-negative least squares: s >= 0, cost lam sum(s)."""
    n = len(y)
    kernel = response(n)
    K = sp.diags(list(kernel[:, None] * np.ones(n)), [-i for i in range(n)], shape=(n, n)).toarray()
    # lam |s|_1 through the linear term: K'y - lam = K'(y - lam K^-T 1).
    shifted = y - lam * np.linalg.solve(K.T, np.ones(n))
    s, _ = nnls(K, shifted)
    return np.asarray(K @ s)


def simulated_trace(g: NDArray[np.float64], n: int = 150) -> NDArray[np.float64]:
    rng = np.random.default_rng(4)
    s = (rng.random(n) < 0.05) * rng.uniform(0.5, 2, n)
    c = np.zeros(n)
    for t in range(n):
        c[t] = s[t] + sum(g[i] * c[t - 1 - i] for i in range(len(g)) if t > i)
    return np.asarray(c + 0.2 * rng.standard_normal(n))


@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_oasis_ar1_is_the_convex_solution(lam: float) -> None:
    y = simulated_trace(np.array([0.9]))
    c, s = np.empty_like(y), np.empty_like(y)
    oasis(y, 0.9, 0.0, lam, 0.0, c, s)
    expected = convex_deconvolution(y, lambda n: 0.9 ** np.arange(n), lam)
    np.testing.assert_allclose(c, expected, atol=1e-6)
    assert (s >= 0).all()


def test_oasis_ar2_is_near_the_convex_solution() -> None:
    d, r = 0.92, 0.4
    y = simulated_trace(np.array([d + r, -d * r]))
    c, s = np.empty_like(y), np.empty_like(y)
    oasis(y, d + r, -d * r, 0.0, 0.0, c, s)
    powers = np.arange(len(y) + 1)
    response = (d ** powers[1:] - r ** powers[1:]) / (d - r)
    expected = convex_deconvolution(y, lambda n: response[:n], 0.0)
    best, greedy = (y - expected) @ (y - expected), (y - c) @ (y - c)
    assert greedy < 1.05 * best
    assert np.corrcoef(c, expected)[0, 1] > 0.99


def test_norm_of_the_response() -> None:
    g = ar_coefficients(np.array([0.7]), np.array([0.1]), 15.0, 2)
    h = np.zeros(2000)
    h[0], h[1] = 1, g[0, 0]
    for t in range(2, 2000):
        h[t] = g[0, 0] * h[t - 1] + g[0, 1] * h[t - 2]
    assert response_norm(g)[0] == pytest.approx(np.linalg.norm(h), rel=1e-6)


def transients(
    decay_s: float, rise_s: float, rate_hz: float, events_per_decay: float, *, noise: float = 0.1
) -> NDArray[np.float32]:
    """Traces ``(12, n_frames)`` of Poisson events whose mean peak is about 1."""
    rng = np.random.default_rng(0)
    n_frames = max(1500, round(120 * decay_s * rate_hz))
    t = (np.arange(round(8 * decay_s * rate_hz) + 2) + 1) / rate_hz
    response = (1 - np.exp(-t / rise_s)) * np.exp(-t / decay_s)
    chance = events_per_decay / (decay_s * rate_hz)
    spikes = rng.poisson(chance, (12, n_frames)) * rng.gamma(3, 1 / 3, (12, n_frames))
    raw = np.stack([np.convolve(s, response / response.max())[:n_frames] for s in spikes])
    return np.asarray(raw + noise * rng.standard_normal(raw.shape), np.float32)


@pytest.mark.parametrize(
    ("decay_s", "rise_s", "rate_hz"),
    [(0.9, 0.1, 20.0), (0.07, 0.008, 60.0), (3.0, 0.15, 30.0), (0.4, 0.05, 10.0)],
)
@pytest.mark.parametrize("events_per_decay", [0.05, 1.0])
@pytest.mark.parametrize("told", [0.4, 2.5])
def test_time_constants_are_recovered_from_traces(
    decay_s: float, rise_s: float, rate_hz: float, events_per_decay: float, told: float
) -> None:
    raw = transients(decay_s, rise_s, rate_hz, events_per_decay)
    found = estimate_kinetics(raw, rate_hz, told * decay_s, 2, WORKERS)
    assert found.n_measured == len(raw)
    assert np.median(found.decay_s) == pytest.approx(decay_s, rel=0.2)
    # A rise that is over within a frame cannot be told from one that takes half of it.
    assert np.median(found.rise_s) == pytest.approx(rise_s, rel=0.5, abs=0.6 / rate_hz)


def test_each_cell_has_its_own_decay() -> None:
    raw = np.concatenate([transients(d, 0.05, 20.0, 0.1)[:4, :1500] for d in (0.3, 0.7, 1.6)])
    found = estimate_kinetics(raw, 20.0, 0.7, 2, WORKERS).decay_s.reshape(3, 4)
    np.testing.assert_allclose(np.median(found, axis=1), (0.3, 0.7, 1.6), rtol=0.25)


def test_where_nothing_happens_the_told_decay_stays() -> None:
    noise = np.random.default_rng(1).standard_normal((12, 1500)).astype(np.float32)
    for raw in (noise, np.ones_like(noise), noise[:, :5], noise[:0]):
        found = estimate_kinetics(raw, 20.0, 0.5, 2, WORKERS)
        assert found.n_measured == 0
        assert (found.decay_s == 0.5).all()


def test_a_plateau_is_not_a_slow_decay() -> None:
    rng, rate = np.random.default_rng(3), 20.0
    raw = 0.1 * rng.standard_normal((12, 3000))
    t = np.arange(1, 200) / rate
    response = (1 - np.exp(-t / 0.05)) * np.exp(-t / 0.5)
    for k in range(len(raw)):
        spikes = np.zeros(3000)
        for start in rng.integers(0, 2900, 12):
            spikes[start : start + 60] = rng.poisson(0.3, 60)
        raw[k] += np.convolve(spikes, response)[:3000]
    found = estimate_kinetics(raw.astype(np.float32), rate, 1.5, 2, WORKERS)
    # The plateaus last six decay times, and three times the decay was told.
    assert 0.4 < np.median(found.decay_s) < 0.85


def test_demixing_recovers_overlapping_traces_and_background() -> None:
    rng = np.random.default_rng(0)
    field = Field((1, 24, 30), (0, 3, 3))
    yy, xx = np.mgrid[:24, :30]
    centres = [(10, 10), (12, 13), (16, 22)]
    shapes = [np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 8) for y, x in centres]
    shapes = [np.where(s > 0.1, s, 0) for s in shapes]
    A = sp.csc_matrix(np.stack([s.ravel() for s in shapes], axis=1).astype(np.float32))
    C = rng.gamma(1, 1, (3, 40))
    P = field.grid.interpolation
    smooth = np.ones((field.grid.n_nodes, 1)) * rng.standard_normal(40)
    mean = np.full(720, 100, np.float32)
    sn = np.ones(720, np.float32)
    frames = (mean[:, None] + A @ C + P @ smooth).T.astype(np.float32)
    inside = np.any([s > 0 for s in shapes], axis=0)[None]
    demixer = Demixer.build(field, A, mean, sn, inside, np.ones(field.shape, np.float32), WORKERS)
    of_sums, of_traces = demixer.readout(np.eye(field.grid.n_nodes))
    onto, sums = demixer.project(np.ascontiguousarray(frames))
    c = demixer.solver(onto - demixer.D @ sums)
    np.testing.assert_allclose(c, C, atol=2e-3)
    np.testing.assert_allclose(of_sums @ sums - of_traces @ c, smooth, atol=2e-3)
    rest = np.arange(1, A.shape[1] + 1) * [(-1) ** k for k in range(A.shape[1])]
    darker = (mean + A @ rest).astype(np.float32)
    of_mean = Demixer.build(field, A, darker, sn, inside, np.ones(field.shape, np.float32), WORKERS)
    np.testing.assert_allclose(of_mean.level_in_mean(), rest, atol=2e-3)


def test_the_system_of_the_traces_is_that_of_the_equation_whatever_the_threads() -> None:
    """With more components than are set up in one go, some of them empty."""
    rng = np.random.default_rng(6)
    field = Field((1, 40, 44), (0, 3, 3))
    n_pixels, grid = field.n_pixels, field.grid
    A = sp.random(n_pixels, 150, 0.01, format="csc", random_state=rng, dtype=np.float32)
    A.data[A.indptr[7] : A.indptr[8]] = 0
    A.eliminate_zeros()
    gain, q = rng.uniform(0.5, 1.5, (2, n_pixels)).astype(np.float32)
    H = sp.random(grid.n_nodes, grid.n_nodes, 0.1, format="csr", random_state=rng)
    D = A.T.toarray() * gain @ grid.interpolation.toarray() @ H.toarray()
    N = grid.nodes.toarray() * q @ A.toarray()
    with Workers(1) as one, Workers(3) as three:
        found = traces_equations(A, gain, q, grid, H, three)
        again = traces_equations(A, gain, q, grid, H, one)
    for matrix, same, expected in zip(
        found, again, (D, N, A.T.toarray() @ A.toarray() - D @ N), strict=True
    ):
        np.testing.assert_allclose(matrix.toarray(), expected, atol=1e-4)
        np.testing.assert_array_equal(matrix.toarray(), same.toarray())


@pytest.mark.parametrize("n", [1, 128, 333])
def test_the_inverse_by_blocks_is_the_inverse_whatever_the_threads(n: int) -> None:
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((n, n + 20))
    system = rows @ rows.T / n + 0.02 * rng.standard_normal((n, n))
    with Workers(1) as one, Workers(3) as three:
        found = invert(system, three)
        np.testing.assert_array_equal(found, invert(system, one))
    np.testing.assert_allclose(found @ system, np.eye(n), atol=1e-8)


def test_neuropil_of_the_whole_field_is_taken_out_and_a_neuron_is_not() -> None:
    """Finer than the background's grid, with a course that the grid knows; and a cell beside it."""
    rng = np.random.default_rng(5)
    field, n_bins = Field((1, 96, 96), (0.0, 4.0, 4.0)), 300
    neuropil = np.convolve(rng.standard_normal(n_bins), np.ones(8) / 8, "same").astype(np.float32)
    events = (rng.random(n_bins) < 0.03).astype(np.float32) * 8
    yy, xx = np.mgrid[:96, :96]
    fine = 1 + 0.5 * np.sin(yy / 3.2) * np.cos(xx / 4.1)
    cell = np.exp(-0.5 * ((yy - 50) ** 2 + (xx - 40) ** 2) / 3.0**2)
    R = (fine[..., None] * 3 * neuropil + cell[..., None] * events)[None].astype(np.float32)
    R += 0.3 * rng.standard_normal(R.shape, np.float32)
    gain = np.ones(field.shape, np.float32)
    grid = np.tile(neuropil, (*field.grid.shape, 1))
    grid[0, 4, 4] += events  # the cell of the grid that holds the neuron
    courses = shared_courses(grid, WORKERS)
    assert len(courses) == 1
    unit = neuropil / np.linalg.norm(neuropil)
    assert abs(courses[0] @ unit) > 0.99
    before = R.copy()
    take_out_courses(R, gain, courses, Lattice.over(field), WORKERS)
    far = np.hypot(yy - 50, xx - 40) > 15
    left = np.abs(R[0][far] @ unit).mean() / np.abs(before[0][far] @ unit).mean()
    assert left < 0.15
    own = events - unit * (unit @ events)
    assert np.corrcoef(R[0, 50, 40], own)[0, 1] > 0.9


def test_nothing_is_shared_in_a_field_of_few_cells_of_the_grid() -> None:
    background = np.random.default_rng(6).standard_normal((1, 3, 4, 50)).astype(np.float32)
    assert shared_courses(background, WORKERS).shape == (0, 50)


def test_peaks_are_those_of_scipy_highest_first() -> None:
    rng = np.random.default_rng(7)
    C = rng.integers(0, 12, (40, 300)).astype(float)  # plateaus and equals in plenty
    C[3] = 1
    trace, frame = find_peaks(C, 5)
    for k, c in enumerate(C):
        peaks, _ = find_scipy_peaks(c)
        peaks = peaks[c[peaks] > c.min() + 0.3 * np.ptp(c)]
        best = peaks[np.argsort(c[peaks], kind="stable")[::-1][:5]]
        assert frame[trace == k].tolist() == best.tolist()


def test_frames_in_which_an_overlapping_cell_is_active_are_not_own() -> None:
    A = sp.csc_matrix(np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]]))
    active = [np.array([1, 2, 3]), np.array([3, 4]), np.array([3, 9])]
    own = own_frames(A, active, 10, WORKERS)
    assert [frames.tolist() for frames in own] == [[1, 2], [4], [3, 9]]
    active[1] = np.array([2, 3])
    assert own_frames(A, active, 10, WORKERS)[1].tolist() == [2, 3], (
        "one without own frames keeps them"
    )


def test_zoom_is_scipys() -> None:
    values = np.random.default_rng(0).standard_normal(6)
    expected = ndi.zoom(values, 7, order=3, mode="constant", prefilter=True)
    np.testing.assert_allclose(cubic_zoom_matrix(6, 7) @ values, expected, atol=1e-9)


def test_mode_finds_the_dense_part() -> None:
    rng = np.random.default_rng(0)
    x = np.sort(np.concatenate([rng.normal(3, 0.1, 500), rng.uniform(0, 20, 300)]))
    assert half_sample_mode(x[None])[0] == pytest.approx(3, abs=0.15)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 100])
def test_mode_is_that_of_a_loop(n: int) -> None:
    def mode(x: list[float]) -> float:
        while len(x) > 3:
            half = (len(x) + 1) // 2
            at = min(range(half), key=lambda i: x[i + half - 1] - x[i])
            x = x[at : at + half]
        if len(x) == 3 and x[1] - x[0] >= x[2] - x[1]:
            return x[1]
        return sum(x[:2]) / len(x[:2])

    rows = np.sort(np.random.default_rng(n).standard_normal((20, n)).round(1), axis=1)
    expected = [mode(row.tolist()) for row in rows]
    np.testing.assert_allclose(half_sample_mode(rows), expected, atol=1e-12)


def test_hulls_are_scipys() -> None:
    rng = np.random.default_rng(0)
    masks = np.stack(
        [ndi.gaussian_filter(rng.standard_normal((9, 13)), 1.5) > 0.1 for _ in range(40)]
    )
    masks[0] = False
    masks[1, 4, 6] = True
    corners = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)])
    expected = [
        ConvexHull((np.argwhere(m)[:, None] + corners).reshape(-1, 2)).volume if m.any() else 0
        for m in masks
    ]
    np.testing.assert_allclose(hull_areas(masks), expected, atol=1e-9)


def discs(radii: list[float], size: int = 41) -> Factors:
    yy, xx = np.mgrid[:size, :size] - size // 2
    foot = np.stack([(np.hypot(yy, xx) <= r).astype(np.float32) for r in radii])[:, None]
    n = len(radii)
    return Factors(np.full((n, 3), [0, 50, 50]), foot, np.ones((n, 10), np.float32))


def test_shapes_of_discs_have_their_closed_forms() -> None:
    shapes = measure_shapes(discs([5, 8, 10]).foot[:, 0], 5, 5)
    np.testing.assert_allclose(shapes.width, np.array([5, 8, 10]) / 5, atol=0.15)
    np.testing.assert_allclose(shapes.area, np.pi * np.array([25, 64, 100]) / 25, rtol=0.08)
    assert (shapes.eccentricity < 0.1).all()
    assert (shapes.solidity > 0.9).all()
    assert (shapes.solidity <= 1).all()


def test_a_frayed_outline_does_not_narrow_a_cell() -> None:
    whole = discs([7.0])
    frayed = discs([7.0])
    rows, columns = np.nonzero(frayed.foot[0, 0])
    rng = np.random.default_rng(0)
    holes = rng.permutation(len(rows))[: len(rows) // 8]
    frayed.foot[0, 0, rows[holes], columns[holes]] = 0
    # A cut from the border to the centre, one pixel wide, that no filling of holes would close.
    frayed.foot[0, 0, :21, 20] = 0
    one, other = (measure_shapes(cells.foot[:, 0], 5, 5) for cells in (whole, frayed))
    assert other.width[0] > 0.85 * one.width[0]
    assert other.solidity[0] > 0.85


def test_filled_cores_close_rings_as_scipy_does() -> None:
    yy, xx = np.mgrid[:21, :21] - 10
    radius = np.hypot(yy, xx)
    foot = ((radius > 4) & (radius < 8)).astype(np.float32)[None, None]
    np.testing.assert_array_equal(filled_cores(foot)[0, 0], ndi.binary_fill_holes(foot[0, 0] > 0.2))


def test_boxes_of_one_colour_never_touch() -> None:
    rng = np.random.default_rng(0)
    at = np.stack([np.zeros(300, int), rng.integers(0, 200, 300), rng.integers(0, 300, 300)], 1)
    reach = (0, 9, 11)
    groups = colour_groups(at, reach)
    assert sorted(np.concatenate([np.concatenate(c) for c in groups])) == list(range(300))
    for cells in groups:
        for i, a in enumerate(cells):
            for b in cells[i + 1 :]:
                apart = np.abs(at[a][:, None] - at[b][None])
                assert (apart > 2 * np.array(reach)).any(-1).all()


def test_K_bounds_the_components_of_each_patch() -> None:
    factors = discs([3, 3, 3, 3])
    corner = np.array([[0, 0, 0], [0, 5, 5], [0, 100, 100], [0, 2, 120]])
    factors = Factors(corner, factors.foot, factors.C)
    energy = np.array([1.0, 3.0, 2.0, 0.5])
    dims = (200, 200)

    def kept(K: int | None, **patch: int) -> list[int]:
        return strongest_per_patch(factors, energy, K, PatchParams(**patch), dims).tolist()

    assert kept(None) == [0, 1, 2, 3]
    assert kept(2) == [1, 2]
    assert kept(1, rf=50) == [1, 2, 3]


def test_K_counts_in_patches_that_overlap_as_asked() -> None:
    factors = discs([3] * 3, size=21)
    # Centres at x = 30, 60 and 90 of a strip, the middle one weaker than either side.
    corner = np.array([[0, 0, 20], [0, 0, 50], [0, 0, 80]])
    factors = Factors(corner, factors.foot, factors.C)
    energy, dims = np.array([3.0, 1.0, 2.0]), (21, 121)

    def kept(stride: int) -> list[int]:
        patch = PatchParams(rf=(10, 20), stride=(0, stride))
        return strongest_per_patch(factors, energy, 1, patch, dims).tolist()

    # Of 41 pixels every 40: 0-40, 40-80, 80-120; each has one.
    assert kept(0) == [0, 1, 2]
    # Every 10: 30-70 has the middle one alone, 20-60 and 60-100 do not.
    assert kept(30) == [0, 1, 2]
    wide = PatchParams(rf=(10, 35), stride=(0, 0))
    # Of 71 every 70: 0-70 and 50-120; the middle one is second in both.
    assert strongest_per_patch(factors, energy, 1, wide, dims).tolist() == [0, 2]


def test_the_baseline_of_a_busy_cell_is_that_of_its_quiet_frames() -> None:
    rng = np.random.default_rng(0)
    rate, decay, rise = 15.0, 0.7, 0.08
    t = np.arange(150) / rate
    response = (1 - np.exp(-t / rise)) * np.exp(-t / decay)
    # An event every four seconds: quantiles of the trace lie in its transients.
    spikes = (rng.random((12, 3000)) < 0.25 / rate) * rng.gamma(3, 2, (12, 3000))
    truth = np.stack([np.convolve(s, response)[:3000] for s in spikes])
    raw = (5 + truth + rng.standard_normal(truth.shape)).astype(np.float32)
    constants = np.full(12, decay), np.full(12, rise)
    found = deconvolve(raw, *constants, rate, p=2, s_min=0.0, workers=WORKERS)
    assert np.abs(np.median(found.baseline) - 5) < 0.1
    assert np.abs(np.median(estimate_level(raw)) - 5) > 0.15
    drifting = raw + np.linspace(0, 12, 3000, dtype=np.float32)
    tracked = deconvolve(drifting, *constants, rate, p=2, s_min=0.0, workers=WORKERS)
    match = [np.corrcoef(a, b)[0, 1] for a, b in zip(tracked.C, truth, strict=True)]
    assert np.median(match) > 0.97


def test_ar_coefficients_are_of_the_indicator_as_it_is_defined() -> None:
    rate, decay, rise = 15.0, 0.7, 0.1
    t = np.arange(60) / rate
    wave = (1 - np.exp(-t / rise)) * np.exp(-t / decay)
    ((g1, g2),) = ar_coefficients(np.array([decay]), np.array([rise]), rate, 2)
    np.testing.assert_allclose(wave[2:], g1 * wave[1:-1] + g2 * wave[:-2], atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 11, 400])
def test_quantiles_are_numpys(n: int) -> None:
    rows = np.random.default_rng(n).standard_normal((5, n)).astype(np.float32)
    np.testing.assert_allclose(lower_quantiles(rows), np.quantile(rows, [0.1, 0.4], 1), rtol=1e-5)


@pytest.mark.parametrize("shape", [(40, 500), (300, 200), (200, 300)])
def test_leading_patterns_are_those_of_the_singular_values(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    left, _ = np.linalg.qr(rng.standard_normal((shape[0], 4)))
    right, _ = np.linalg.qr(rng.standard_normal((shape[1], 4)))
    rows = left * [90, 70, 50, 40] @ right.T + 0.3 * rng.standard_normal(shape)
    found = leading_patterns(rows, 3, WORKERS)
    exact = np.linalg.svd(rows)[0][:, :3]
    np.testing.assert_allclose(np.abs((found * exact).sum(0)), 1, atol=1e-6)
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-10)
