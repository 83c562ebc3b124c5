"""The background of one-photon traces: covariance, prediction, saturated pixels."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.core.background.kriging import (
    FLOOR,
    LENGTHS,
    Covariance,
    kriging_matrix,
    learn_covariance,
    node_positions,
    predict_from_sums,
)
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.movie.binning import Binned
from napari_cnmf.core.movie.usable import saturated_pixels

FIELD = Field((1, 80, 96), (0.0, 4.0, 4.0), node_side=1.0)
LENGTH = 4.7
COMMON = 0.5


def distances(field: Field) -> np.ndarray:
    at = node_positions(field)
    return np.sqrt(((at[:, None] - at[None]) ** 2).sum(-1))


@pytest.fixture(scope="module")
def means() -> np.ndarray:
    """A background of variance 1 and length 4.7 gSig, a common course, and noise."""
    rng = np.random.default_rng(0)
    K = np.exp(-0.5 * (distances(FIELD) / LENGTH) ** 2)
    values, vectors = np.linalg.eigh(K)
    root = vectors * np.sqrt(np.maximum(values, 0))
    field = root @ rng.standard_normal((len(K), 3000))
    common = np.sqrt(COMMON) * rng.standard_normal(3000)
    noise = 0.3 * rng.standard_normal(field.shape)
    return (field + common + noise).astype(np.float32)


def test_covariance_is_found_from_far_pairs_alone(means):
    covariance = learn_covariance(means, np.ones(len(means)), FIELD)
    assert covariance is not None
    lags = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    true = np.exp(-0.5 * (lags / LENGTH) ** 2) + COMMON
    np.testing.assert_allclose(covariance(lags), true, atol=0.12)


def test_nothing_is_learned_where_there_is_too_little(means):
    assert learn_covariance(means[:, :10], np.ones(len(means)), FIELD) is None
    small = Field((1, 16, 16), (0.0, 4.0, 4.0), node_side=1.0)
    assert learn_covariance(means[:16], np.ones(16), small) is None
    assert learn_covariance(np.zeros_like(means), np.ones(len(means)), FIELD) is None


def test_prediction_is_the_best_linear_one():
    field = Field((1, 20, 20), (0.0, 4.0, 4.0), node_side=1.0)
    weights = np.zeros(len(LENGTHS))
    weights[1] = 2.0
    covariance = Covariance(weights, 0.3)
    noise = np.random.default_rng(1).uniform(0.1, 1.0, field.grid.n_nodes)
    K = covariance(distances(field))
    slow = K @ np.linalg.inv(K + np.diag(noise + FLOOR * covariance.variance))
    np.testing.assert_allclose(kriging_matrix(covariance, noise, field).toarray(), slow, atol=1e-10)


def test_a_covered_cell_is_predicted_from_around_it(means):
    covariance = learn_covariance(means, np.ones(len(means)), FIELD)
    assert covariance is not None
    shape = FIELD.grid.shape[1:]
    covered = int(np.ravel_multi_index((shape[0] // 2, shape[1] // 2), shape))
    weight = np.full(len(means), 1 / 0.3**2)
    weight[covered] = 0
    sums = means * weight[:, None]
    found = (predict_from_sums(covariance, weight, FIELD) @ sums)[covered]
    assert np.corrcoef(found, means[covered])[0, 1] > 0.93


@pytest.mark.parametrize(
    ("dtype", "n_cut_off", "expected"), [("uint16", 6, 6), ("float32", 6, 0), ("uint16", 1, 0)]
)
def test_saturated_pixels(dtype, n_cut_off, expected):
    n = 400
    mean = np.random.default_rng(2).uniform(800, 2000, n).astype(np.float32)
    sn = np.sqrt(mean)
    peak = mean + 5 * sn
    mean[:n_cut_off], peak[:n_cut_off], sn[:n_cut_off] = 4090, 4095, 2
    peak[20] = 4095  # reached by a transient alone
    binned = Binned(mean, sn, peak, sn, 1, np.ones(10), np.zeros(10, np.bool_))
    found = saturated_pixels(binned, np.dtype(dtype))
    assert found.sum() == expected
    assert not found[20]
