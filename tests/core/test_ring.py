"""CNMF-E's ring background of the built-in engine, where init.nb asks for it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.core.background.ring import (
    RIDGE,
    RingShape,
    learn_ring,
    ring_offsets,
    ring_weights,
)
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.detect import Tile
from napari_cnmf.core.result import CNMFResult
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.caiman import read_caiman, write_caiman
from napari_cnmf.model.reconstruction import background
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import Recording, score, simulate_one_photon
from regimes import ONE_PHOTON

SMALL = {"n_frames": 600, "size": (95, 97), "n_cells": 18, "event_rate_hz": 0.2}
FIELD = Field((1, 50, 61), (0.0, 4.0, 4.0))


@pytest.fixture(scope="module")
def recording() -> Recording:
    return simulate_one_photon(**ONE_PHOTON["hippocampus"], **SMALL)


def run(recording: Recording, **init: object) -> CNMFResult:
    g = tuple(round(s) for s in recording.gSig)
    params = CNMFParams.preset("one-photon").replace(
        init={"gSig": g, **init}, data={"decay_time": recording.decay_time_s}
    )
    return run_cnmf(
        frame_source(open_movie(recording.array(), frame_rate_hz=20.0)),
        params,
        frame_rate_hz=20.0,
        one_photon=True,
    )


@pytest.fixture(scope="module")
def with_ring(recording: Recording) -> CNMFResult:
    return run(recording, nb=0)


def test_the_ring_lies_outside_its_radius() -> None:
    at = np.hypot(*ring_offsets(4).T)
    assert at.min() > 4
    assert at.max() <= 5
    assert len(at) == len({tuple(o) for o in ring_offsets(4).tolist()}) == 32


def test_weights_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8 * 9, 200))
    used = np.ones(72, np.bool_)
    used[20] = False
    offsets = ring_offsets(2)
    W = ring_weights(X, offsets, (8, 9), used, used, np.arange(72), 72).toarray()
    assert not W[20].any()
    assert not W[:, 20].any()
    node = 3 * 9 + 4
    ring = [(3 + dy) * 9 + 4 + dx for dy, dx in offsets.tolist()]
    ring = [j for j in ring if j != 20]
    around = X[ring]
    stacked = np.vstack([around.T, np.sqrt(RIDGE * (around**2).sum()) * np.eye(len(ring))])
    slow = np.linalg.lstsq(stacked, np.append(X[node], np.zeros(len(ring))), rcond=None)[0]
    np.testing.assert_allclose(W[node, ring], slow, atol=1e-6)
    assert np.count_nonzero(W[node]) == len(ring)


def test_window_factor_and_blocks_set_the_ring() -> None:
    params = CNMFParams().replace(init={"gSig": (4, 4), "nb": 0})
    assert RingShape.wanted(params.replace(init={"nb": 1}), FIELD) is None
    assert RingShape.wanted(params, Field((3, 50, 61), (1.0, 4.0, 4.0))) is None

    def radius(**init: object) -> float:
        shape = RingShape.wanted(params.replace(init=init), FIELD)
        assert shape is not None
        return float(np.floor(np.hypot(*shape.offsets.T).min()))

    assert radius(ssub_B=1) == 14  # 1.5 x (2 gSig + 1)
    assert radius(ssub_B=1, ring_size_factor=1.0) == 9
    assert radius(ssub_B=1, gSiz=(17, 17)) == 26
    assert radius(ssub_B=2) == 7
    shape = RingShape.wanted(params.replace(init={"ssub_B": 4}), FIELD)
    assert shape is not None
    assert shape.field.grid.shape == (1, 13, 16)
    assert shape.field.grid.edges[1][-2:].tolist() == [48, 50]


def test_result_has_the_ring_and_its_movie_follows_what_moves(
    recording: Recording, with_ring: CNMFResult
) -> None:
    components = with_ring.components
    assert components.b is None
    assert components.f is None
    assert components.W is not None
    assert components.W.shape == (48 * 49, 48 * 49)
    found = score(components, recording.truth)
    assert found.recall >= 0.85
    assert found.trace_correlation >= 0.9
    movie = recording.array()
    behind = np.asarray(background(components, movie), np.float32)
    left = movie - behind - (components.A @ components.C).T.reshape(movie.shape)
    noise = components.sn.reshape(movie.shape[1:])
    assert np.median(left.std(0) / noise) < 1.1
    assert np.median(movie.std(0) / noise) > 1.3
    assert np.median(np.abs(left.mean(0)) / noise) < 0.1


def test_traces_are_the_least_squares_of_movie_less_ring(
    recording: Recording, with_ring: CNMFResult
) -> None:
    components = with_ring.components
    movie = recording.array().reshape(recording.shape[0], -1).astype(np.float64)
    raw = components.replace(C=components.C + components.YrA)
    behind = np.asarray(background(raw, recording.array()), np.float64).reshape(movie.shape)
    weight = 1 / components.sn.astype(np.float64).ravel() ** 2
    A = components.A.astype(np.float64)
    left = (movie - behind).T - A @ raw.C
    pull = A.T @ (left * weight[:, None])
    size = A.multiply(A).T @ weight
    # What is left along each footprint, in its own units, is far below its noise.
    error = (pull / np.asarray(size).reshape(-1, 1)).std(1)
    assert np.median(error / components.neurons_sn) < 0.1


def test_a_file_keeps_the_ring(with_ring: CNMFResult, tmp_path) -> None:
    again = read_caiman(write_caiman(with_ring.components, tmp_path / "ring.hdf5"))
    assert again.b is None
    assert with_ring.components.W is not None
    assert again.W is not None
    assert abs(again.W - with_ring.components.W).max() == 0
    np.testing.assert_array_equal(again.b0, with_ring.components.b0)


def test_without_a_chosen_rank_there_is_no_ring(recording: Recording) -> None:
    components = run(recording).components
    assert components.W is None
    assert components.b is not None
    assert components.b.shape[1] == 16


def test_tiles_learn_the_weights_of_the_whole_field() -> None:
    params = CNMFParams().replace(init={"gSig": (4, 4), "nb": 0, "ring_size_factor": 0.5})
    shape = RingShape.wanted(params, FIELD)
    assert shape is not None
    R = np.random.default_rng(0).standard_normal((1, 50, 61, 90)).astype(np.float32)
    sn = np.random.default_rng(1).uniform(1, 2, (1, 50, 61)).astype(np.float32)
    sn[0, 10:14, 20] = np.inf

    def learned(*parts: tuple[slice, slice]) -> np.ndarray:
        total = np.zeros((25 * 31, 25 * 31))
        with Workers(1, lambda: None) as workers:
            for core in parts:
                # Margins of an odd number of pixels cut blocks of their own.
                region = (slice(0, 1), slice(0, 50), grown(core[1], 17, 61))
                part = Field((1, 50, region[2].stop - region[2].start), FIELD.g_sig)
                gain = np.ones(part.shape, np.float32)
                tile = Tile.of(part, np.ascontiguousarray(R[region]), gain, workers)
                owned = (slice(0, 1), *core)
                total += learn_ring(tile, sn[region], shape, region, owned).toarray()
        return total

    rows = slice(0, 50)
    whole = learned((rows, slice(0, 61)))
    halves = learned((rows, slice(0, 30)), (rows, slice(30, 61)))
    np.testing.assert_allclose(halves, whole, atol=1e-6)
    assert np.count_nonzero(whole.any(1)) == 25 * 31


def grown(s: slice, by: int, end: int) -> slice:
    return slice(max(0, s.start - by), min(end, s.stop + by))
