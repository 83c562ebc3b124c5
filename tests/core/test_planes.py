"""Plane by plane: each plane for itself, then cells merged across planes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.result import CNMFResult
from napari_cnmf.core.volumes.plane_merge import groups_across_planes
from napari_cnmf.core.volumes.planes import PlaneSource, flat_params, run_plane_by_plane
from napari_cnmf.errors import MovieError
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import Recording, score, simulate_volume

PLANE = 48 * 56


@pytest.fixture(scope="module")
def volume() -> Recording:
    return simulate_volume(n_frames=400, size=(5, 48, 56), n_cells=12)


@pytest.fixture(scope="module")
def result(volume: Recording) -> CNMFResult:
    params = CNMFParams.preset("volumetric").replace(
        init={"gSig": tuple(max(1, round(g)) for g in volume.gSig)},
        data={"decay_time": volume.decay_time_s},
    )
    return run_plane_by_plane(
        ArraySource(volume.array()), params, frame_rate_hz=volume.frame_rate_hz
    )


def planes_of(result: CNMFResult) -> list[np.ndarray]:
    A = result.components.A
    return [np.unique(A.indices[A.indptr[k] : A.indptr[k + 1]] // PLANE) for k in range(A.shape[1])]


def test_a_cell_of_several_planes_is_one_component(volume: Recording, result: CNMFResult) -> None:
    cells = result.components
    found = score(cells, volume.truth, subset=cells.accepted)
    assert found.recall >= 0.85
    assert found.precision >= 0.9
    assert found.trace_correlation >= 0.97
    spans = planes_of(result)
    assert max(len(s) for s in spans) >= 3
    assert all(np.array_equal(s, np.arange(s[0], s[-1] + 1)) for s in spans)
    told = [sorted(p) for p in result.components.attributes["planes"]]
    assert told == [s.tolist() for s in spans]


def test_result_adds_up_to_the_movie(volume: Recording, result: CNMFResult) -> None:
    c = result.components
    assert c.b is not None
    assert c.f is not None
    assert c.sn is not None
    movie = volume.array().reshape(volume.shape[0], -1).T.astype(np.float64)
    left = movie - c.A @ c.C - c.b @ c.f
    assert np.median(left.std(1) / c.sn) < 1.03
    assert np.median(np.abs(left.mean(1)) / c.sn) < 0.05
    norms = np.sqrt(np.asarray(c.A.multiply(c.A).sum(0)).ravel())
    np.testing.assert_allclose(norms, 1, rtol=1e-3)
    assert result.images["correlation"].shape == volume.shape[1:]


def test_unrelated_cells_above_each_other_stay_apart(result: CNMFResult) -> None:
    one = result.components
    n = one.n_components
    swapped = one.replace(C=np.roll(one.C, one.n_frames // 2, axis=1))
    assert len(groups_across_planes([one, one], 0.8)) == n
    assert len(groups_across_planes([one, swapped], 0.8)) == 2 * n


def test_a_plane_reads_what_the_volume_has(volume: Recording) -> None:
    movie = volume.array()
    plane = PlaneSource(ArraySource(movie), 3)
    out = np.empty((7, *movie.shape[2:]), movie.dtype)
    np.testing.assert_array_equal(plane.read(10, 17, out), movie[10:17, 3])


def test_sizes_lose_their_first_axis() -> None:
    flat = flat_params(CNMFParams.preset("volumetric"))
    assert flat.init.gSig == (5, 5)
    assert flat.motion.max_shifts == (6, 6)
    assert len(flat.init.sigma_smooth_snmf) == 3


def test_a_plane_has_no_planes() -> None:
    flat = ArraySource(np.zeros((40, 32, 32), np.uint16))
    with pytest.raises(MovieError, match="plane_by_plane to false"):
        run_plane_by_plane(flat, CNMFParams(), frame_rate_hz=10)
