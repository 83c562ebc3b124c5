"""The compiled moves against plain numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
import scipy.sparse as sp

from napari_cnmf.core._threads import Workers
from napari_cnmf.core.energy import EnergyMap, Lattice, filter_residual, map_energy, trace_energy
from napari_cnmf.core.footprints import keep_connected, median3, smooth3, touching
from napari_cnmf.core.geometry import Field
from napari_cnmf.core.rank_one import Place, project, soft_threshold
from napari_cnmf.core.rows import add_matrix_product, dot_rows, flat_rows, sum_rows, take_product

RNG = np.random.default_rng(0)
FIELDS = [Field((1, 23, 31), (0, 3, 4)), Field((5, 17, 14), (2, 3, 3))]


def test_products_of_rows() -> None:
    X = RNG.standard_normal((12, 9)).astype(np.float32)
    rows = np.array([3, 0, 7], np.int32)
    h, a = X[1].copy(), np.array([2, -1, 0.5], np.float32)
    np.testing.assert_allclose(dot_rows(X, rows, h), X[rows] @ h, rtol=1e-5)
    np.testing.assert_allclose(sum_rows(X, rows, a), a @ X[rows], rtol=1e-5, atol=1e-6)
    expected = X.copy()
    expected[rows] -= np.outer(a, h)
    take_product(X, rows, a, h)
    np.testing.assert_allclose(X, expected, atol=1e-6)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_sparse_matrix_times_rows(n_threads: int) -> None:
    """Rows with no, one, two and three entries; the same whatever the threads."""
    M = sp.random(150, 40, 0.04, format="csr", rng=RNG, dtype=np.float32)
    assert set(np.diff(M.indptr)) >= {0, 1, 2, 3}
    X = RNG.standard_normal((40, 11)).astype(np.float32)
    out = np.ones((150, 11), np.float32)
    with Workers(n_threads) as workers:
        add_matrix_product(M, X, out, workers)
    np.testing.assert_allclose(out, 1 + M @ X, rtol=1e-4, atol=1e-5)


def test_a_box_over_the_edge_has_the_pixels_inside() -> None:
    shape, box = (3, 8, 9), (1, 5, 5)
    image = np.arange(np.prod(shape)).reshape(shape)
    for corner in ([1, -2, 6], [0, 3, 3], [2, 6, -3], [2, 20, 0]):
        place = Place.of(np.array(corner), box, shape)
        padded = np.pad(image, 30, constant_values=-1)
        around = tuple(slice(c + 30, c + 30 + b) for c, b in zip(corner, box, strict=True))
        whole = padded[around]
        assert (whole >= 0).sum() == place.pixels.size
        np.testing.assert_array_equal(whole[place.local], place.pixels)


def test_projection_is_least_squares() -> None:
    X = RNG.standard_normal((20, 7)).astype(np.float32)
    a = np.array([0, 1.5, 2, 0], np.float32)
    pixels = np.array([2, 4, 9, 11], np.int32)
    expected = np.linalg.lstsq(a[:, None], X[pixels], rcond=None)[0][0]
    np.testing.assert_allclose(project(X, pixels, a), expected, rtol=1e-4, atol=1e-6)
    assert not project(X, pixels, np.zeros(4, np.float32)).any()


def test_the_thresholded_trace_keeps_events_alone() -> None:
    c = RNG.standard_normal(4000).astype(np.float32)
    c[::100] += 10
    h = np.empty_like(c)
    total = soft_threshold(c, h)
    assert total == pytest.approx(float(c @ h), rel=1e-4)
    assert (h[::100] > 5).all()
    assert np.count_nonzero(h) < 40 + 0.05 * 4000


def test_median_smoothing_and_neighbours_are_scipys() -> None:
    a = np.maximum(RNG.standard_normal((2, 13, 17)), 0).astype(np.float32)
    out = np.empty_like(a)
    median3(a, out)
    np.testing.assert_array_equal(out, ndi.median_filter(a, (1, 3, 3), mode="constant"))
    taps = np.outer([1, 2, 1], [1, 2, 1])[None] / 16
    np.testing.assert_allclose(smooth3(a), ndi.convolve(a, taps, mode="constant"), atol=1e-6)
    np.testing.assert_array_equal(touching(a > 1), ndi.binary_dilation(a > 1))


def test_the_part_with_the_most_energy_stays() -> None:
    a = np.maximum(RNG.standard_normal((2, 15, 18)), 0).astype(np.float32)
    labels, n = ndi.label(a > 0.6)
    energy = ndi.sum_labels(a**2, labels, np.arange(1, n + 1))
    expected = np.where(labels == 1 + np.argmax(energy), a, 0)
    size = keep_connected(a, 0.6)
    np.testing.assert_array_equal(a, expected)
    assert size == np.count_nonzero(expected)
    assert keep_connected(a, 100.0) == 0
    assert not a.any()


def test_energy_is_that_of_what_stands_out_on_either_side() -> None:
    c = RNG.standard_normal(128).astype(np.float32)
    c[5] = 30
    up, down = trace_energy(c, 2.0)
    assert 100 < up < ((30 + 1 - 5) / 2) ** 2
    assert down < 5
    assert trace_energy(-c, 2.0)[1] > 100


@pytest.mark.parametrize("field", FIELDS, ids=["plane", "volume"])
@pytest.mark.parametrize("where", [(0, 4, 5), (-1, -3, 20)])
def test_a_component_taken_out_of_the_map_is_one_taken_out_of_the_residual(
    field: Field, where: tuple[int, int, int]
) -> None:
    box = (1, 9, 9) if field.is_plane else (3, 9, 9)
    corner = np.array(where) * [0 if field.is_plane else 1, 1, 1]
    R = RNG.standard_normal((*field.shape, 60)).astype(np.float32)
    place = Place.of(corner, box, field.shape)
    a = np.zeros(box, np.float32)
    a[place.local] = RNG.uniform(0.1, 1, place.pixels.shape)
    c = RNG.standard_normal(60).astype(np.float32) + 3
    lattice = Lattice.over(field)
    with Workers(1) as workers:
        energy: EnergyMap = map_energy(R, lattice, workers)
        take_product(flat_rows(R), place.pixels.ravel(), a[place.local].ravel(), c)
        energy.take_out(corner, a, c)
        again = filter_residual(R, lattice, workers)
    np.testing.assert_allclose(energy.F, again.reshape(energy.F.shape), atol=1e-4)
