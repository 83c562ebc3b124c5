"""Footprints in boxes, some cut by the border, against the same in whole frames."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
from numpy.typing import NDArray

from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.lattice import Lattice
from napari_cnmf.core.base.threads import Workers

FIELDS = [Field((1, 26, 33), (0, 4, 5)), Field((6, 15, 14), (2, 3, 3)), Field((1, 9, 9), (0, 1, 1))]


def in_boxes(field: Field, n: int) -> tuple[Factors, NDArray[np.float32]]:
    """Components anywhere, and their footprints in frames ``(n, Z, Y, X)``."""
    rng = np.random.default_rng(n)
    reach = (0 if field.shape[0] == 1 else 1, 4, 5)
    box = np.array([2 * r + 1 for r in reach])
    corner = rng.integers(0, field.shape, (n, 3)) - np.array(reach)
    foot = np.maximum(rng.standard_normal((n, *box)), 0).astype(np.float32)
    factors = Factors(corner, foot, np.zeros((n, 5), np.float32))
    foot *= factors.in_field(field.shape)
    frames = np.zeros((n, *field.shape), np.float32)
    for k, z, y, x in np.argwhere(foot > 0):
        at = corner[k] + (z, y, x)
        frames[(k, *at)] = foot[k, z, y, x]
    return factors, frames


@pytest.mark.parametrize("field", FIELDS, ids=["plane", "volume", "small"])
@pytest.mark.parametrize("n", [0, 1, 70])
def test_boxes_are_the_same_as_frames(field: Field, n: int) -> None:
    factors, frames = in_boxes(field, n)
    A = factors.matrix(field.shape)
    np.testing.assert_array_equal(A.toarray().T.reshape(frames.shape), frames)
    assert A.has_canonical_format
    peak = frames.max((1, 2, 3), keepdims=True, initial=0)
    with Workers(2) as workers:
        inside = factors.inside(field.shape, 0.2, workers)
    np.testing.assert_array_equal(inside, (frames > 0.2 * peak).any(0))


@pytest.mark.parametrize("field", FIELDS, ids=["plane", "volume", "small"])
@pytest.mark.parametrize("n", [0, 1, 70])
def test_sites_see_boxes_as_they_see_frames(field: Field, n: int) -> None:
    factors, frames = in_boxes(field, n)
    lattice = Lattice.over(field)
    seen = frames.astype(float)
    for axis, tap in enumerate(lattice.taps):
        seen = ndi.correlate1d(seen, tap, axis + 1, mode="constant")
    z, y, x = lattice.step
    seen = seen[:, ::z, ::y, ::x].reshape(n, int(np.prod(lattice.shape)))
    found = lattice.seen(factors).matrix(lattice.shape)
    np.testing.assert_allclose(found.toarray().T, seen, atol=1e-5)
    assert found.has_canonical_format
