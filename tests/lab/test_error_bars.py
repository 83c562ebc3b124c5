"""What the lab suggests has error bars, and reasons where it cannot tell."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.batch.suggesting import suggestion_from
from napari_cnmf.core.lab.cells import MeasuredCells
from napari_cnmf.core.lab.decay import Decay

NOTHING = np.zeros(0)


def cells_of(radii: np.ndarray) -> MeasuredCells:
    n = len(radii)
    return MeasuredCells(np.zeros((n, 2)), radii, np.ones(n), np.zeros((n, 10), np.float32))


@pytest.mark.parametrize("n", [8, 40])
def test_the_error_bar_is_the_scatter_of_the_estimate(n: int) -> None:
    rng = np.random.default_rng(n)
    draws = [cells_of(rng.normal(5.0, 0.8, n)) for _ in range(400)]
    scatter = np.std([cells.typical_radius_px for cells in draws])
    stated = np.median([cells.radius_error_px for cells in draws])
    assert stated == pytest.approx(scatter, rel=0.35)


def test_it_says_why_it_cannot_tell() -> None:
    few = suggestion_from(
        cells_of(np.array([4.0, 5.0])), Decay(None, NOTHING, NOTHING, 2), 10.0, one_photon=False
    )
    assert few.radius_px is None
    assert few.radius_error_px is None
    assert "2 clear cells are too few" in few.decay_reason
    curve = np.ones(5)
    slow = Decay(None, curve, NOTHING, 30, is_too_slow=True)
    assert "more slowly than any indicator" in slow.why_unknown
    assert "too short" in Decay(None, NOTHING, NOTHING, 30).why_unknown
    assert not Decay(4.0, curve, curve, 30).why_unknown
