"""Least squares without negative coefficients, beside scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from napari_cnmf.core.base.nonnegative import nonnegative_least_squares


@pytest.mark.parametrize("seed", range(20))
def test_as_good_as_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    distance = np.sort(rng.uniform(0, 8, 25))
    lengths = np.array([1.0, 1.5, 2.2, 3.2, 4.5, 6.5, 9.0])
    design = np.exp(-0.5 * (distance[:, None] / lengths) ** 2)
    design = np.concatenate([design, np.ones((25, 1))], axis=1)
    values = design @ rng.normal(0, 1, 8) + 0.05 * rng.normal(size=25)
    _, wanted = nnls(design, values)
    found = nonnegative_least_squares(design, values)
    assert (found >= 0).all()
    assert np.linalg.norm(design @ found - values) == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_nothing_positive_fits_what_is_negative() -> None:
    found = nonnegative_least_squares(np.eye(3), np.array([-1.0, 2.0, 0.0]))
    np.testing.assert_allclose(found, [0, 2, 0])
