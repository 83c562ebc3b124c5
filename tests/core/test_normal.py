"""The least probable run of frames, and the height that makes it as improbable."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_ndtr

from napari_cnmf.core.verdict.snr import least_log_tails


@pytest.mark.parametrize("n", [1, 4, 30])
def test_the_least_probable_run_is_found(n: int) -> None:
    z = np.random.default_rng(n).normal(0, 15, (3, 200))
    logs = log_ndtr(-z)
    expected = [min(row[max(0, t + 1 - n) : t + 1].sum() for t in range(200)) for row in logs]
    np.testing.assert_allclose(least_log_tails(z, n), expected, rtol=1e-9)


def test_a_row_with_nan_has_no_least_run() -> None:
    z = np.zeros((3, 9))
    z[0, 0], z[1, 4], z[2, 8] = np.nan, np.nan, np.inf
    found = least_log_tails(z, 3)
    assert np.isnan(found[:2]).all()
    assert found[2] == -np.inf
