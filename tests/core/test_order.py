"""Order statistics against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.core.order import quantiles_of_rows

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 11, 400, 3001])
@pytest.mark.parametrize("shares", [(0.1, 0.4), (0.5, 0.5), (0.0, 1.0)])
def test_quantiles_are_numpys(n: int, shares: tuple[float, float]) -> None:
    rows = RNG.standard_normal((5, n)).astype(np.float32)
    np.testing.assert_allclose(
        quantiles_of_rows(rows, *shares), np.quantile(rows, shares, 1), rtol=1e-5, atol=1e-6
    )


def test_equal_and_extreme_values_are_told_apart_by_their_rank() -> None:
    tiny, huge = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    row = np.array([[-huge, -1, -1, -tiny, 0, 0, 0, tiny, 2, 2, huge]], np.float32)
    for rank, value in enumerate(row[0].tolist()):
        low, high = quantiles_of_rows(row[:, ::-1], rank / 10, rank / 10)
        assert low[0] == high[0] == pytest.approx(value, rel=1e-6)


def test_no_rows_have_no_quantiles() -> None:
    low, high = quantiles_of_rows(np.zeros((0, 7), np.float32), 0.1, 0.4)
    assert low.shape == high.shape == (0,)
