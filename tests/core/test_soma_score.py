"""The small classifier: what it sees is free of pixel size, what it says of the side it sees."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.ndimage import map_coordinates

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.verdict.evaluate import classifier_scores
from napari_cnmf.core.verdict.soma_score import (
    POINTS,
    WIDTH_GSIG,
    Network,
    footprint_patches,
    own_size,
    soma_scores,
)
from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams

WORKERS = Workers(2)


def discs(size: int, *shapes: tuple[float, float, float, float]) -> sp.csc_matrix:
    """Ellipses ``(y, x, radius along y, along x)`` with soft edges."""
    yy, xx = np.mgrid[:size, :size]
    columns = []
    for y, x, ry, rx in shapes:
        r = np.hypot((yy - y) / ry, (xx - x) / rx)
        columns.append((1 / (1 + np.exp(np.clip(8 * (r - 1), -50, 50)))).ravel())
    A = np.stack(columns, axis=1).astype(np.float32)
    A[A < 0.05] = 0
    return sp.csc_matrix(A)


def test_a_footprint_looks_the_same_at_any_magnification() -> None:
    small = footprint_patches(discs(60, (30, 30, 6, 4)), (60, 60), (5, 5))
    large = footprint_patches(discs(240, (120, 120, 24, 16)), (240, 240), (20, 20))
    assert small.shape == (1, POINTS, POINTS)
    assert small.max() == 1
    np.testing.assert_allclose(small, large, atol=0.15)
    assert np.abs(small - large).mean() < 0.02


def test_planes_of_a_volume_are_seen_together() -> None:
    flat = discs(40, (20, 20, 5, 5))
    volume = sp.vstack([0.5 * flat, 0.5 * flat]).tocsc()
    seen = footprint_patches(volume, (2, 40, 40), (1, 5, 5))
    np.testing.assert_allclose(seen, footprint_patches(flat, (40, 40), (5, 5)), atol=1e-6)


def test_somata_score_above_puncta_and_processes_from_every_side() -> None:
    A = discs(90, (45, 45, 5, 5), (45, 45, 1.5, 1.5), (45, 45, 16, 1.5), (45, 45, 1.5, 16))
    soma, punctum, upright, lying = soma_scores(A, (90, 90), (5, 5))
    assert soma > 0.9
    assert max(punctum, upright) < 0.1
    np.testing.assert_allclose(upright, lying, atol=1e-6)


def test_the_best_of_several_radii_counts() -> None:
    A = discs(90, (45, 45, 10, 10))
    alone = soma_scores(A, (90, 90), (4, 4))
    tried = soma_scores(A, (90, 90), (4, 4), radii=(4, 10))
    assert tried[0] > max(alone[0], 0.9)


@pytest.mark.parametrize("g_sig", [(5.0, 5.0), (1.5, 2.5)])
def test_patches_are_footprints_interpolated_around_their_centres(
    g_sig: tuple[float, float],
) -> None:
    A = discs(40, (18.3, 21.6, 5, 4), (3, 36, 6, 6))
    offsets = (np.arange(POINTS) - POINTS // 2) * WIDTH_GSIG / (POINTS - 1)
    for k, patch in enumerate(footprint_patches(A, (40, 40), g_sig)):
        image = A[:, [k]].toarray().reshape(40, 40)
        centre = [float((image**2 * at).sum() / (image**2).sum()) for at in np.indices((40, 40))]
        places = np.meshgrid(
            *(c + offsets * g for c, g in zip(centre, g_sig, strict=True)), indexing="ij"
        )
        expected = map_coordinates(np.pad(image, 20), np.array(places) + 20, order=1)
        np.testing.assert_allclose(patch, expected / expected.max(), atol=1e-5)


def test_logits_are_the_layers_in_turn() -> None:
    rng = np.random.default_rng(0)
    sizes = [(POINTS**2, 5), (5, 3), (3, 1)]
    weights = tuple(rng.standard_normal(s).astype(np.float32) for s in sizes)
    biases = tuple(rng.standard_normal(s[1]).astype(np.float32) for s in sizes)
    x = rng.random((2, POINTS, POINTS)).astype(np.float32)
    for k in range(2):
        v = x[k].ravel()
        v = np.array([max(v @ weights[0][:, j] + biases[0][j], 0) for j in range(5)])
        v = np.array([max(v @ weights[1][:, j] + biases[1][j], 0) for j in range(3)])
        expected = v @ weights[2][:, 0] + biases[2][0]
        np.testing.assert_allclose(Network(weights, biases).logits(x)[k], expected, rtol=1e-4)


def test_the_parameter_switches_it() -> None:
    A = discs(40, (20, 20, 5, 5))
    c = Components(A=A, C=np.zeros((1, 10), np.float32), dims=(40, 40))
    params = CNMFParams().replace(init={"gSig": (5, 5)})
    on, off = (params.replace(quality={"use_cnn": use}) for use in (True, False))
    assert classifier_scores(c, on, WORKERS).shape == (1,)
    assert classifier_scores(c, off, WORKERS).size == 0


def test_unasked_it_takes_part_on_round_somata_in_a_two_photon_plane() -> None:
    A = discs(40, (20, 20, 5, 5))
    c = Components(A=A, C=np.zeros((1, 10), np.float32), dims=(40, 40))
    params = CNMFParams().replace(init={"gSig": (5, 5)})
    assert classifier_scores(c, params, WORKERS).size == 1
    assert (
        classifier_scores(c, params.replace(init={"method_init": "graph_nmf"}), WORKERS).size == 0
    )
    assert classifier_scores(c.replace(attributes={"one_photon": True}), params, WORKERS).size == 0
    volume = Components(A=A, C=c.C, dims=(1, 40, 40))
    assert classifier_scores(volume, params, WORKERS).size == 0


def test_a_size_that_was_told_too_small_is_made_good() -> None:
    assert own_size((3, 4), {"typical_width": 1.5}) == (4.5, 6.0)
    assert own_size((3, 4), {"typical_width": 0.6}) == (3.0, 4.0)
    assert own_size((3, 4), {"typical_width": float("nan")}) == (3.0, 4.0)
