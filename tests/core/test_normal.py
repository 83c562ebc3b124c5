"""The normal distribution's tail against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_ndtr

from napari_cnmf.core.base.normal import height_of_log_tail, least_log_tails

HEIGHTS = [-8.0, -2.0, -0.1, 0.0, 0.3, 1.0, 5.0, 12.0, 29.9, 30.1, 80.0, 1e4]


@pytest.mark.parametrize("z", HEIGHTS)
def test_the_height_of_a_tail_is_where_scipy_has_that_tail(z: float) -> None:
    # Far below 0 the tail is nearly everything, and its logarithm has few digits.
    digits = 1e-2 if z < -5 else 1e-12
    assert height_of_log_tail(float(log_ndtr(-z))) == pytest.approx(z, rel=1e-9, abs=digits)


def test_tails_of_everything_and_of_nothing_have_no_height() -> None:
    assert height_of_log_tail(0.0) == -np.inf
    assert height_of_log_tail(-np.inf) == np.inf
    assert np.isnan(height_of_log_tail(np.nan))


@pytest.mark.parametrize("z", [1e5, 1e9, 1e30, 1e140])
def test_heights_beyond_all_probability_are_told(z: float) -> None:
    assert height_of_log_tail(-0.5 * z * z) == pytest.approx(z, rel=1e-8)


@pytest.mark.parametrize("n", [1, 4, 30])
def test_the_least_probable_run_is_found(n: int) -> None:
    z = np.random.default_rng(n).normal(0, 15, (3, 200))
    logs = log_ndtr(-z)
    expected = [min(row[max(0, t + 1 - n) : t + 1].sum() for t in range(200)) for row in logs]
    out = np.empty(3)
    least_log_tails(z, n, out)
    np.testing.assert_allclose(out, expected, rtol=1e-9)


def test_a_row_with_nan_has_no_least_run() -> None:
    z = np.zeros((3, 9))
    z[0, 0], z[1, 4], z[2, 8] = np.nan, np.nan, np.inf
    out = np.empty(3)
    least_log_tails(z, 3, out)
    assert np.isnan(out[:2]).all()
    assert out[2] == -np.inf
