"""The compiled moves against plain numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.footprints import keep_connected, median3
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.lattice import Lattice, filter_residual
from napari_cnmf.core.base.rows import (
    add_matrix_product,
    flat_rows,
    sum_rows,
    take_columns,
    take_product,
)
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding import hals
from napari_cnmf.core.finding.energy import (
    DECAY,
    EnergyMap,
    gather_decay,
    map_energy,
    trace_energies,
)
from napari_cnmf.core.finding.peel import fill_boxes, keep_strongest_part
from napari_cnmf.core.finding.rank_one import Place, project, soft_threshold
from napari_cnmf.core.verdict.shape import inscribed_radius

RNG = np.random.default_rng(0)
FIELDS = [Field((1, 23, 31), (0, 3, 4)), Field((5, 17, 14), (2, 3, 3))]


def test_products_of_rows() -> None:
    X = RNG.standard_normal((12, 9)).astype(np.float32)
    rows = np.array([3, 0, 7], np.int32)
    h, a = X[1].copy(), np.array([2, -1, 0.5], np.float32)
    np.testing.assert_allclose(sum_rows(X, rows, a), a @ X[rows], rtol=1e-5, atol=1e-6)
    expected = X.copy()
    expected[rows] -= np.outer(a, h)
    take_product(X, rows, a, h)
    np.testing.assert_allclose(X, expected, atol=1e-6)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_sparse_matrix_times_rows(n_threads: int) -> None:
    """Rows with no, one, two and three entries; the same whatever the threads."""
    M = sp.random(150, 40, 0.04, format="csr", random_state=RNG, dtype=np.float32)
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


def test_the_median_is_scipys() -> None:
    a = np.maximum(RNG.standard_normal((2, 13, 17)), 0).astype(np.float32)
    out = np.empty_like(a)
    median3(a, out)
    np.testing.assert_array_equal(out, ndi.median_filter(a, (1, 3, 3), mode="constant"))


def test_the_part_with_the_most_energy_stays() -> None:
    a = np.maximum(RNG.standard_normal((2, 15, 18)), 0).astype(np.float32)
    labels, n = ndi.label(a > 0.6)
    energy = ndi.sum_labels(a**2, labels, np.arange(1, n + 1))
    expected = np.where(labels == 1 + np.argmax(energy), a, 0)
    box = np.array(a.shape)
    size = keep_connected(a.ravel(), box, 0.6)
    np.testing.assert_array_equal(a, expected)
    assert size == np.count_nonzero(expected)
    assert keep_connected(a.ravel(), box, 100.0) == 0
    assert not a.any()


def test_the_largest_circle_inside_is_as_wide_as_the_distance_to_the_outside() -> None:
    masks = RNG.random((9, 13, 17)) > 0.2
    masks[0], masks[1] = False, True
    found = inscribed_radius(masks, 2.0, 3.0)
    assert found[0] == 0
    for mask, radius in zip(masks[1:], found[1:], strict=True):
        distance = ndi.distance_transform_edt(np.pad(mask, 1), sampling=(1 / 2, 1 / 3))
        assert radius == pytest.approx(distance.max() - 0.5 / np.sqrt(6), rel=1e-5)


def test_energy_is_that_of_what_stands_out_on_either_side() -> None:
    c = RNG.standard_normal(128).astype(np.float32)
    c[5] = 30
    up, down = trace_energies(
        np.stack([c, -c]), np.full(2, 2, np.float32), np.full(2, np.inf, np.float32)
    )
    assert 100 < up[0] < ((30 + 1 - 5) / 2) ** 2
    assert down[0] < 5
    assert down[1] > 100


def test_an_event_and_what_it_decays_to_are_gathered() -> None:
    x = RNG.standard_normal((3, 40)).astype(np.float32)
    expected = x + DECAY * np.concatenate([x[:, 1:], np.zeros((3, 1), np.float32)], axis=1)
    gather_decay(x)
    np.testing.assert_allclose(x, expected, atol=1e-6)


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
        energy.take_out(Factors(corner[None], a[None], c[None]), workers)
        again = filter_residual(R, lattice, workers)
    gather_decay(again)
    np.testing.assert_allclose(energy.F, again.reshape(energy.F.shape), atol=1e-4)


def sparse_residual(shape: tuple[int, int, int], n_bins: int = 300) -> NDArray[np.float32]:
    return RNG.standard_normal((*shape, n_bins)).astype(np.float32)


def slow_alternation(
    R: NDArray[np.float32],
    corner: NDArray[np.int64],
    box: tuple[int, int, int],
    margins: NDArray[np.int64],
    c: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Footprint in the box and trace, by least squares of plain arrays."""
    h = np.empty_like(c)
    for margin in margins:
        place = Place.of(corner + margin, tuple(np.array(box) - 2 * margin), R.shape[:3])
        rows = R.reshape(-1, R.shape[-1])[place.pixels]
        scale = soft_threshold(c, h)
        found = np.maximum(rows @ h / scale, 0)
        c = np.tensordot(found, rows, 3) / (found**2).sum()
        a = np.zeros(box, np.float32)
        local = tuple(
            slice(s.start + m, s.stop + m) for s, m in zip(place.local, margin, strict=True)
        )
        a[local] = found
    return a, c


def slow_fit(
    R: NDArray[np.float32],
    corner: NDArray[np.int64],
    box: tuple[int, int, int],
    margins: NDArray[np.int64],
    c: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """The same, smoothed, its strongest part kept, and the trace projected; pixels of the part."""
    a, c = slow_alternation(R, corner, box, margins, c)
    place = Place.of(corner, box, R.shape[:3])
    taps = np.outer([1, 2, 1], [1, 2, 1])[None] / 16
    inside = np.zeros(box, np.bool_)
    inside[place.local] = True
    part = np.where(inside, ndi.convolve(a, taps, mode="constant"), 0)
    labels, n = ndi.label(part > 0.2 * part.max())
    best = 1 + np.argmax(ndi.sum_labels(part**2, labels, np.arange(1, n + 1)))
    a = np.where((labels == best) & (a > 0), part, 0)
    rows = R.reshape(-1, R.shape[-1])[place.pixels]
    c = np.tensordot(a[place.local], rows, 3) / (a**2).sum()
    return a, c, int((labels == best).sum())


def test_boxes_are_fitted_as_with_plain_arrays() -> None:
    R = sparse_residual((2, 17, 20))
    corners, box = np.array([(0, 3, 4), (-1, -2, 12), (0, 0, 0)]), (3, 9, 11)
    start = np.maximum(RNG.standard_normal(R.shape[-1]) - 1.5, 0).astype(np.float32)
    R[0:2, 4:8, 13:17] += 5 * start
    margins = np.array([[1, 2, 2], [0, 1, 0], [0, 0, 0]])
    C = np.stack([start, start, np.zeros_like(start)])
    factors = Factors(corners, np.zeros((3, *box), np.float32), C)
    before = R.copy()
    with Workers(1) as workers:
        lit = fill_boxes(R, factors, margins, workers)
        area = keep_strongest_part(factors, R.shape[:3], workers)
        factors = factors.take([0, 1])
        columns = factors.columns(R.shape[:3])
        squared = (factors.flat**2).sum(1, keepdims=True)
        factors.C[:] = columns.onto(flat_rows(R), workers) / squared
        np.testing.assert_array_equal(R, before)
        for k in range(2):
            a, c, n = slow_fit(R, corners[k], box, margins, start)
            assert area[k] == n
            np.testing.assert_allclose(factors.foot[k], a, atol=1e-3)
            np.testing.assert_allclose(factors.C[k], c, atol=1e-3)
        assert lit.tolist() == [True, True, False]
        take_columns(flat_rows(R), columns, factors.C[:1], workers)
        take_columns(flat_rows(R), columns, factors.C[1:], workers, np.array([1]))
    expected = flat_rows(before) - factors.matrix(R.shape[:3]) @ factors.C
    np.testing.assert_allclose(flat_rows(R), expected, atol=1e-4)


def slow_update(
    R: NDArray[np.float32],
    usable: NDArray[np.bool_],
    corner: NDArray[np.int64],
    foot: NDArray[np.float32],
    c: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Footprint and trace after one round, ``R`` changed in place, of plain arrays."""
    place = Place.of(corner, foot.shape, R.shape[:3])
    rows = R.reshape(-1, R.shape[-1])
    a, at = foot[place.local], place.pixels
    h = np.empty_like(c)
    scale = soft_threshold(c, h)
    near = ndi.binary_dilation(a > 0) & usable.ravel()[at]
    new = np.where(near, np.maximum(a + rows[at] @ h / scale, 0), 0)
    middle = ndi.median_filter(new, (1, 3, 3), mode="constant").astype(np.float32)
    keep_connected(middle.ravel(), np.array(middle.shape), hals.KEEP * middle.max())
    kept = np.where(middle > 0, new, 0)
    rows[at] -= (kept - a)[..., None] * c
    step = np.tensordot(kept, rows[at], 3) / (kept**2).sum()
    rows[at] -= kept[..., None] * step
    out = np.zeros_like(foot)
    out[place.local] = kept
    return out, c + step


@pytest.mark.parametrize("corner", [(0, 3, 4), (-1, -2, 12)])
def test_a_round_of_least_squares_is_that_of_plain_arrays(corner: tuple[int, int, int]) -> None:
    R = sparse_residual((2, 17, 20))
    at, box = np.array(corner), (3, 9, 11)
    c = (4 * np.maximum(RNG.standard_normal(R.shape[-1]) - 1.2, 0)).astype(np.float32)
    R[0:2, 3:9, 12:18] += c
    usable = RNG.random(R.shape[:3]) > 0.1
    foot = np.zeros((1, *box), np.float32)
    lit = np.zeros(R.shape[:3], np.float32)
    lit[0:2, 4:8, 13:17] = 0.5
    place = Place.of(at, box, R.shape[:3])
    foot[(0, *place.local)] = lit.ravel()[place.pixels]
    expected_R = R.copy()
    expected = slow_update(expected_R, usable, at, foot[0], c)
    factors = Factors(at[None], foot, c[None].copy())
    with Workers(1) as workers:
        left = hals.update(R, usable, factors, 3, workers)
    assert len(left) == 1
    np.testing.assert_allclose(left.foot[0], expected[0], atol=1e-3)
    np.testing.assert_allclose(left.C[0], expected[1], atol=2e-3)
    np.testing.assert_allclose(R, expected_R, atol=5e-3)


def test_a_footprint_too_small_is_given_back_unless_it_was_given() -> None:
    R = sparse_residual((1, 9, 9))
    c = (4 * np.maximum(RNG.standard_normal(R.shape[-1]) - 1.2, 0)).astype(np.float32)
    foot = np.zeros((1, 1, 5, 5), np.float32)
    foot[0, 0, 2, 2] = 0.3
    usable = np.ones(R.shape[:3], np.bool_)
    with Workers(1) as workers:
        for least, n_left in ((8, 0), (0, 1)):
            factors = Factors(np.array([[0, 2, 2]]), foot.copy(), c[None].copy())
            residual = R.copy()
            residual[0, 4, 4] -= 0.3 * c
            assert len(hals.update(residual, usable, factors, least, workers)) == n_left
            if least:
                np.testing.assert_allclose(residual, R, atol=1e-5)
