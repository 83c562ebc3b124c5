"""Scores on results that were made by hand, whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.errors import ResultError
from napari_cnmf.testing import (
    Recording,
    Truth,
    score,
    score_shifts,
    simulate,
)
from napari_cnmf.testing.scoring import footprint_cosines, match


@pytest.fixture(scope="module")
def recording() -> Recording:
    return simulate(
        n_frames=300,
        size=(64, 80),
        n_cells=12,
        min_distance_px=10,
        n_black_frames=3,
        jitter_rms_px=0.5,
        nonrigid_motion_rms_px=0.5,
    )


@pytest.fixture(scope="module")
def truth(recording: Recording) -> Truth:
    return recording.truth


def test_the_truth_scores_full(truth: Truth) -> None:
    result = score(truth.to_components(), truth)
    assert (result.precision, result.recall, result.f1) == (1, 1, 1)
    assert result.trace_correlation == pytest.approx(1.0)
    np.testing.assert_array_equal(result.matches[:, 0], result.matches[:, 1])
    assert "12 of 12" in str(result)


def test_order_and_scale_of_components_do_not_matter(truth: Truth) -> None:
    order = np.random.default_rng(0).permutation(12)
    A = truth.A[:, order] @ sp.diags(np.arange(1.0, 13))
    result = score((A, 3 * truth.C[order] + 7), truth)
    assert result.f1 == 1
    np.testing.assert_array_equal(result.matches[:, 1], order[result.matches[:, 0]])
    np.testing.assert_allclose(result.cosines, 1, rtol=1e-6)
    dense = score((A.toarray(), truth.C[order]), truth)
    assert dense.f1 == 1


def test_duplicates_halves_and_noise_are_false(truth: Truth) -> None:
    half = truth.A[:, [0]].toarray().reshape(64, 80)
    row = int(truth.centers[0, 0])
    half[row - 1 :] = 0
    noise = np.zeros((64, 80))
    noise[:4, :4] = 1
    extra = np.stack([half.ravel(), noise.ravel()], axis=1)
    A = sp.hstack([truth.A[:, [3]], truth.A, sp.csc_matrix(extra)]).tocsc()
    C = np.concatenate([truth.C[[3]], truth.C, truth.C[:2]])
    result = score((A, C), truth)
    assert result.recall == 1
    assert result.precision == pytest.approx(12 / 15)
    assert result.f1 == pytest.approx(24 / 27)
    assert len(result.false) == 3
    assert {13, 14} <= set(result.false)


def test_missing_cells_and_a_subset_by_mask_or_by_index(truth: Truth) -> None:
    accepted = np.arange(12) % 3 > 0
    by_mask = score(truth.to_components(), truth, subset=accepted)
    by_index = score(truth.to_components(), truth, subset=np.flatnonzero(accepted))
    for result in (by_mask, by_index):
        assert result.precision == 1
        assert result.recall == pytest.approx(8 / 12)
        np.testing.assert_array_equal(result.missed, [0, 3, 6, 9])
        np.testing.assert_array_equal(result.matches[:, 0], np.flatnonzero(accepted))


def test_cells_that_never_fire_count_unless_they_are_left_out(truth: Truth) -> None:
    silent = truth.detectable.copy()
    silent[:4] = False
    quiet = Truth(**{**truth.__dict__, "detectable": silent})
    found = truth.to_components().take([0, 4, 5, 6, 7, 8, 9, 10, 11])
    assert score(found, quiet).recall == pytest.approx(9 / 12)
    lenient = score(found, quiet, detectable_only=True)
    assert (lenient.precision, lenient.n_cells) == (1, silent.sum())
    assert lenient.n_components == 9 - (~silent[[0, 4, 5, 6, 7, 8, 9, 10, 11]]).sum()


def test_nothing_found_and_nothing_there(truth: Truth) -> None:
    none = score((sp.csc_matrix((64 * 80, 0)), np.zeros((0, 300))), truth)
    assert (none.precision, none.recall, none.f1) == (0, 0, 0)
    assert np.isnan(none.trace_correlation)
    empty = simulate(n_frames=5, size=(16, 16), n_cells=0).truth
    assert score(empty.to_components(), empty).f1 == 1


def test_the_threshold_is_a_cosine(truth: Truth) -> None:
    moved = np.roll(truth.A.toarray().reshape(64, 80, 12), 2, axis=0).reshape(64 * 80, 12)
    a, b = moved[:, 5], truth.A.toarray()[:, 5]
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    found = footprint_cosines(sp.csc_matrix(moved), truth.A)
    assert found[5, 5] == pytest.approx(cosine, rel=1e-5)
    one = (sp.csc_matrix(moved[:, [5]]), truth.C[[5]])
    assert len(score(one, truth, threshold=cosine - 0.01).matches) == 1
    assert len(score(one, truth, threshold=cosine + 0.01).matches) == 0


def test_matching_is_the_best_assignment_not_the_greediest() -> None:
    # The greedy pair (0, 0) of .9 would leave component 1 without a partner.
    cosine = np.array([[0.9, 0.8], [0.85, 0.1]])
    np.testing.assert_array_equal(match(cosine, 0.6), [[0, 1], [1, 0]])


def test_results_of_another_recording_are_refused(truth: Truth) -> None:
    with pytest.raises(ResultError, match="pixels"):
        score((sp.csc_matrix((10, 2)), np.zeros((2, 300))), truth)
    with pytest.raises(ResultError, match="shape"):
        score((truth.A, truth.C[:, :10]), truth)


def test_shifts_score_without_offset_and_without_lost_frames(truth: Truth) -> None:
    rng = np.random.default_rng(0)
    assert score_shifts(truth.shifts + np.array([3.0, -1.0]), truth) == pytest.approx(0, abs=1e-9)
    noisy = truth.shifts + rng.normal(0, 0.3, truth.shifts.shape)
    assert score_shifts(noisy, truth) == pytest.approx(0.3, rel=0.1)
    lost = truth.shifts.copy()
    lost[truth.frame_fault != ""] += 20
    assert score_shifts(lost, truth) == pytest.approx(0, abs=1e-9)
    assert score_shifts(lost, truth, sound_frames_only=False) > 1
    with pytest.raises(ResultError, match="axes"):
        score_shifts(truth.shifts[:, :1], truth)
