"""Label images, outlines and contours against slow references."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cnmf.errors import ResultError
from napari_cnmf.model.components import Components
from napari_cnmf.ui.layers._footprints import (
    choose_oversampling,
    contours,
    drawn_areas,
    drop_fragments,
    fill_holes,
    label_image,
    outline,
    relative_footprints,
)


def brute_force_labels(A: np.ndarray, level: float) -> np.ndarray:
    """Pixel by pixel: the largest relative weight wins, if it reaches the level."""
    peaks = A.max(axis=0)
    relative = np.divide(A, peaks, out=np.zeros_like(A), where=peaks > 0)
    labels = np.zeros(len(A), int)
    for pixel, row in enumerate(relative):
        if row.size and row.max() >= level and row.max() > 0:
            labels[pixel] = np.flatnonzero(row == row.max())[-1] + 1
    return labels


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.9))
def test_labels_match_a_pixel_by_pixel_reference(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    dims = (7, 11)
    A = (rng.random((77, 6)) * (rng.random((77, 6)) < 0.3)).astype(np.float32)
    got = label_image(sp.csc_matrix(A), dims, level=level)
    assert got.shape == dims
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got.ravel(), brute_force_labels(A, level))


def test_every_component_is_drawn_around_its_centre(components: Components) -> None:
    labels = label_image(components.A, components.dims)
    for index, centre in enumerate([(8, 10), (8, 30), (20, 12), (20, 17), (30, 40)]):
        assert labels[centre] == index + 1
    assert labels[0, 0] == 0


def test_what_is_behind_takes_no_pixel_from_the_others(components: Components) -> None:
    plain = label_image(components.A, components.dims)
    behind = np.array([False, False, False, True, False])
    labels = label_image(components.A, components.dims, behind=behind)
    alone = label_image(components.A[:, [2]].tocsc(), components.dims)
    np.testing.assert_array_equal(labels == 3, alone == 1)
    assert (labels == 4).sum() < (plain == 4).sum()
    assert labels[20, 18] == 4


@pytest.mark.parametrize("factor", [2, 4])
def test_oversampling_keeps_place_and_size(components: Components, factor: int) -> None:
    coarse = label_image(components.A, components.dims)
    fine = label_image(components.A, components.dims, oversampling=factor)
    assert fine.shape == (40 * factor, 52 * factor)
    for label in (1, 2, 5):
        at = (np.argwhere(fine == label).mean(axis=0) + 0.5) / factor - 0.5
        np.testing.assert_allclose(at, np.argwhere(coarse == label).mean(axis=0), atol=0.15)
        # exp(-ln 2 r^2 / 3^2) = 0.3 at the rim.
        radius_squared = 9 * np.log(1 / 0.3) / np.log(2)
        area = (fine == label).sum() / factor**2
        assert area == pytest.approx(np.pi * radius_squared, rel=0.1)


def test_oversampling_a_volume_splits_planes_alone(components_3d: Components) -> None:
    fine = label_image(components_3d.A, components_3d.dims, oversampling=2)
    assert fine.shape == (5, 56, 80)
    assert fine[1, 16, 20] == 1


def test_empty_footprint_and_no_components() -> None:
    A = sp.csc_matrix(([2.0], ([3], [1])), shape=(12, 3))
    labels = label_image(A, (3, 4))
    assert sorted(np.unique(labels)) == [0, 2]
    assert relative_footprints(A).max() == 1
    assert contours(A, 0, (3, 4)) == []
    assert not label_image(sp.csc_matrix((12, 0)), (3, 4), oversampling=2).any()


def test_more_components_than_labels_is_an_error() -> None:
    with pytest.raises(ResultError, match="65535"):
        label_image(sp.csc_matrix((4, 70_000)), (2, 2))


def test_holes_belong_to_the_label_around_them() -> None:
    labels = np.zeros((12, 14), np.uint16)
    labels[1:6, 1:6] = 1
    labels[3, 3] = 0  # a nucleus
    labels[7:12, 1:6] = 2
    labels[9:12, 3] = 0  # open to the border
    labels[2:8, 8:13] = 3
    labels[2:8, 10] = 4
    labels[4:6, 9:11] = 0  # between two labels
    filled = fill_holes(labels)
    expected = labels.copy()
    expected[3, 3] = 1
    np.testing.assert_array_equal(filled, expected)
    volume = np.stack([labels, np.zeros_like(labels)])
    np.testing.assert_array_equal(fill_holes(volume), [expected, volume[1]])


def test_a_dark_nucleus_has_no_contour_of_its_own() -> None:
    yy, xx = np.mgrid[:20, :24]
    ring = np.exp(-((np.hypot(yy - 9, xx - 11) - 5) ** 2)).astype(np.float32)
    lines = contours(sp.csc_matrix(ring.reshape(-1, 1)), 0, (20, 24), level=0.5)
    assert len(lines) == 1
    assert np.hypot(lines[0][:, 0] - 9, lines[0][:, 1] - 11).min() > 5


def test_outline_is_the_rim_and_closed_at_the_border() -> None:
    labels = np.zeros((9, 12), np.uint16)
    labels[0:5, 0:5] = 1
    labels[0:5, 5:9] = 2
    rim = outline(labels)
    assert (rim[1:4, 1:4] == 0).all()
    assert (rim[0, :5] == 1).all()
    assert (rim[:5, 4] == 1).all()
    assert (rim[:5, 5] == 2).all()
    assert ((rim == labels) | (rim == 0)).all()
    assert (outline(labels, thickness=2)[1, 1:4] == 1).all()


def test_contour_runs_at_its_level(components: Components) -> None:
    (line,) = contours(components.A, 0, components.dims, level=0.5)
    radii = np.hypot(line[:, 0] - 8, line[:, 1] - 10)
    # The bump falls to half its height at a radius of 3.
    np.testing.assert_allclose(radii, 3, atol=0.15)
    np.testing.assert_array_equal(line[0], line[-1])


def test_contours_of_a_volume_lie_in_its_planes(components_3d: Components) -> None:
    lines = contours(components_3d.A, 1, components_3d.dims)
    planes = {float(z) for line in lines for z in line[:, 0]}
    assert planes == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert all(line.shape[1] == 3 for line in lines)


@pytest.mark.parametrize(
    ("dims", "factor"),
    [((128, 128), 8), ((512, 512), 2), ((1024, 1024), 1), ((2048, 2048), 1), ((6, 32, 40), 8)],
)
def test_small_fields_are_drawn_finer(dims: tuple[int, ...], factor: int) -> None:
    assert choose_oversampling(dims) == factor


def test_two_footprints_of_one_cell_leave_no_crumbs_in_each_other() -> None:
    rng = np.random.default_rng(3)
    y, x = np.indices((30, 40))
    cell = np.exp(-((y - 15) ** 2 + (x - 20) ** 2) / 40)
    cell[cell < 0.3] = 0
    twins = np.stack([(cell * rng.uniform(0.9, 1.1, cell.shape)).ravel() for _ in range(2)], axis=1)
    far = np.zeros((30, 40))
    far[2:4, 2:4] = far[20:28, 30:38] = 1
    A = sp.csc_matrix(np.column_stack([twins, far.ravel()]).astype(np.float32))
    labels = label_image(A, (30, 40), level=0.3)
    before = [scipy.ndimage.label(labels == i)[1] for i in (1, 2, 3)]
    assert min(before[:2]) > 3
    calm = fill_holes(drop_fragments(labels, drawn_areas(A, 0.3)))
    after = [scipy.ndimage.label(calm == i)[1] for i in (1, 2, 3)]
    assert max(after[:2]) <= 2, "one part, or two large ones"
    assert after[2] == 2, "a part that lies alone stays however small it is"
    assert ((calm == 3) == (labels == 3)).all()
