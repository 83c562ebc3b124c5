"""The normal distribution's tail against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_ndtr

from napari_cnmf.core.normal import height_of_log_tail, least_log_tails

HEIGHTS = [-8.0, -2.0, -0.1, 0.0, 0.3, 1.0, 5.0, 12.0, 29.9, 30.1, 80.0, 1e4]


@pytest.mark.parametrize("z", HEIGHTS)
def test_the_height_of_a_tail_is_where_scipy_has_that_tail(z: float) -> None:
    # Far below 0 the tail is nearly everything, and its logarithm has few digits.
    digits = 1e-2 if z < -5 else 1e-12
    assert height_of_log_tail(float(log_ndtr(-z))) == pytest.approx(z, rel=1e-9, abs=digits)


def test_a_tail_of_everything_has_no_height() -> None:
    assert height_of_log_tail(0.0) == -np.inf
    assert np.isnan(height_of_log_tail(np.nan))


@pytest.mark.parametrize("n", [1, 4, 30])
def test_the_least_probable_run_is_found(n: int) -> None:
    z = np.random.default_rng(n).normal(0, 15, (3, 200))
    logs = log_ndtr(-z)
    expected = [min(row[max(0, t + 1 - n) : t + 1].sum() for t in range(200)) for row in logs]
    out = np.empty(3)
    least_log_tails(z, n, out)
    np.testing.assert_allclose(out, expected, rtol=1e-9)
