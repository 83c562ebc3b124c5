"""Merging: boxes at any distance, chains of pieces, and a movie whose half lights up in step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.merge import clip_box, merge_components, overlap_slices
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.params import CNMFParams

BOXES = st.tuples(*[st.integers(1, 9)] * 3)
CORNERS = st.tuples(*[st.integers(-40, 40)] * 3)


@given(CORNERS, CORNERS, BOXES)
def test_the_slices_of_two_boxes_are_their_common_pixels(
    corner_a: tuple[int, ...], corner_b: tuple[int, ...], box: tuple[int, ...]
) -> None:
    """Every pixel carries its position; the slices must give the same positions in both boxes."""
    at = np.stack(np.meshgrid(*map(np.arange, box), indexing="ij"), axis=-1)
    places_a, places_b = at + corner_a, at + corner_b
    in_a, in_b = overlap_slices(np.array(corner_a), np.array(corner_b), box)

    common = {tuple(p) for p in places_a.reshape(-1, 3)} & {
        tuple(p) for p in places_b.reshape(-1, 3)
    }
    np.testing.assert_array_equal(places_a[in_a], places_b[in_b])
    assert {tuple(p) for p in places_a[in_a].reshape(-1, 3)} == common


@given(CORNERS, BOXES, st.tuples(*[st.integers(1, 12)] * 3))
def test_a_box_is_clipped_to_the_pixels_inside_the_field(
    corner: tuple[int, ...], box: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    region, local = clip_box(np.array(corner), box, shape)
    inside = [
        [c + i for i in range(b) if 0 <= c + i < n]
        for c, b, n in zip(corner, box, shape, strict=True)
    ]
    for axis in range(3):
        assert list(range(*region[axis].indices(shape[axis]))) == inside[axis]
        in_box = list(range(*local[axis].indices(box[axis])))
        assert [corner[axis] + i for i in in_box] == inside[axis]


@pytest.mark.parametrize("step", [3, 5, 6])
@pytest.mark.parametrize("n_pieces", [2, 5, 9])
def test_a_chain_of_pieces_merges_and_keeps_what_the_model_explains(
    step: int, n_pieces: int
) -> None:
    """Pieces of a long bar overlap their neighbours only; its ends lie several boxes apart."""
    rng = np.random.default_rng(step * 10 + n_pieces)
    length, box, n_bins = n_pieces * step + 14, (1, 9, 9), 60
    trace = np.maximum(rng.normal(0, 1, n_bins), 0).astype(np.float32) * 8
    foot = np.zeros((n_pieces, *box), np.float32)
    foot[:, 0, 2:7, :] = 1.0
    corner = np.array([[0, 2, 2 + step * k] for k in range(n_pieces)], np.int64)
    factors = Factors(corner, foot, np.tile(trace, (n_pieces, 1)))
    R = rng.normal(0, 0.1, (1, 13, length, n_bins)).astype(np.float32)

    def explained_and_left(factors: Factors, R: np.ndarray) -> np.ndarray:
        total = R.astype(np.float64).copy()
        for k in range(len(factors)):
            region, local = clip_box(factors.corner[k], box, R.shape[:3])
            total[region] += factors.foot[k][local][..., None] * factors.C[k]
        return total

    before = explained_and_left(factors, R)
    with Workers(1) as workers:
        merged = merge_components(R, factors, 0.8, workers)
    assert len(merged) < n_pieces
    np.testing.assert_allclose(explained_and_left(merged, R), before, atol=1e-3)


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_run_on_a_field_that_flashes_in_step_ends(share: float) -> None:
    """Light of a stimulus leaks into a part of the field: its pieces are merged in a chain."""
    rng = np.random.default_rng(3)
    n_frames, height, width = 500, 60, 90
    events = np.zeros(n_frames)
    events[rng.choice(n_frames, 12)] = 120
    for t in range(1, n_frames):
        events[t] += 0.93 * events[t - 1]
    movie = rng.normal(300, 15, (n_frames, height, width))
    movie[:, :, : int(width * share)] += events[:, None, None]

    params = CNMFParams().replace(init={"gSig": (3, 3)})
    result = run_cnmf(ArraySource(movie.astype(np.uint16)), params, frame_rate_hz=30, n_threads=1)
    assert np.isfinite(result.components.C).all()
