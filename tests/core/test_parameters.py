"""What CaImAn's parameters do in this engine, on recordings with truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.coarse import coarsen, spread
from napari_cnmf.core.finding.detect import Tile
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.plan.plan import choose_blocks
from napari_cnmf.core.result import CNMFResult
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.core.traces.deconvolve import deconvolve
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import Recording, demo_recording, score


def params_for(recording: Recording, **groups: Any) -> CNMFParams:
    g = tuple(max(1, round(s)) for s in recording.gSig)
    base = CNMFParams.preset("two-photon somata").replace(
        init={"gSig": g, "ssub": None, "tsub": None}, data={"decay_time": recording.decay_time_s}
    )
    return base.replace(**groups)


def run(recording: Recording, **groups: Any) -> CNMFResult:
    return run_cnmf(
        ArraySource(recording.array()),
        params_for(recording, **groups),
        frame_rate_hz=recording.frame_rate_hz,
        n_threads=2,
    )


@pytest.fixture(scope="module")
def demo() -> Recording:
    return demo_recording()


@pytest.fixture(scope="module")
def unasked(demo: Recording) -> CNMFResult:
    return run(demo)


def test_the_result_holds_what_was_used(unasked: CNMFResult) -> None:
    params = CNMFParams.from_dict(dict(unasked.components.params))
    assert params.temporal.fudge_factor == 1
    assert params.init.ssub == 1
    assert params.init.tsub == unasked.figures["frames_per_bin"]


@pytest.mark.parametrize("p", [1, 2])
def test_the_fudge_factor_multiplies_the_roots_of_every_trace(demo: Recording, p: int) -> None:
    roots = {}
    for factor in (None, 0.9):
        temporal = {"fudge_factor": factor, "p": p}
        result = run(demo, temporal=temporal)
        polynomials = np.column_stack(
            [np.ones(result.components.n_components), -result.components.g]
        )
        roots[factor] = np.array([np.sort(np.roots(row).real) for row in polynomials])
        assert result.components.params["temporal"]["fudge_factor"] == (factor or 1)
    np.testing.assert_allclose(roots[0.9], 0.9 * roots[None], rtol=1e-4)


@pytest.mark.parametrize(("tsub", "least"), [(3, 1), (9, 9), (10_000, 1)])
def test_bins_have_as_many_frames_as_asked(demo: Recording, tsub: int, least: int) -> None:
    result = run(demo, init={"tsub": tsub})
    usual = run(demo).figures["frames_per_bin"]
    n_frames = demo.shape[0]
    assert result.figures["frames_per_bin"] == max(usual, min(tsub, n_frames // 30))
    assert result.figures["frames_per_bin"] >= least
    if tsub == 9:
        assert score(result.components, demo.truth).recall >= 0.9


def test_cells_found_on_blocks_are_fitted_to_pixels(demo: Recording, unasked: CNMFResult) -> None:
    result = run(demo, init={"ssub": 2})
    assert any("blocks of 2 x 2 pixels" in note for note in result.notes)
    found = score(result.components, demo.truth)
    assert found.recall >= score(unasked.components, demo.truth).recall - 0.1
    assert found.precision >= 0.8
    assert found.trace_correlation >= 0.98
    # Footprints are those of the full resolution, not blocks of four equal pixels.
    A, B = (r.components.A.toarray() for r in (result, unasked))
    similarity = (A.T @ B).max(1)
    assert np.median(similarity) > 0.98
    at = np.array(result.components.attributes["candidates"]["at"])
    assert (at < np.array(demo.shape[1:])).all()
    assert at.max() > max(demo.shape[1:]) / 2


def test_blocks_have_depth_where_cells_have() -> None:
    rng = np.random.default_rng(0)
    zz, yy, xx = np.mgrid[:7, :41, :44]
    centres = [(2, 10, 10), (4, 12, 28), (2, 28, 14), (3.5, 29, 33)]
    A = np.stack(
        [
            np.exp(-(((zz - z) / 2) ** 2 + ((yy - y) / 3) ** 2 + ((xx - x) / 3) ** 2))
            for z, y, x in centres
        ]
    )
    spikes = (rng.random((4, 600)) < 0.015) * rng.uniform(1, 2, (4, 600))
    C = np.stack([np.convolve(s, 0.9 ** np.arange(60))[:600] for s in spikes])
    movie = rng.poisson(20 + 12 * np.einsum("kzyx,kt->tzyx", A, C)).astype(np.uint16)
    params = CNMFParams().replace(
        init={"gSig": (2, 4, 4), "ssub": 2}, data={"decay_time": 1.0}, temporal={"p": 1}
    )
    result = run_cnmf(ArraySource(movie), params, frame_rate_hz=10.0)
    assert any("blocks of 2 x 2 x 2 pixels" in note for note in result.notes)
    components = result.components
    assert components.dims == movie.shape[1:]
    unit = A.reshape(4, -1) / np.linalg.norm(A.reshape(4, -1), axis=1, keepdims=True)
    cosine = unit @ components.A.toarray()
    assert (cosine.max(1) > 0.9).all()
    best = cosine.argmax(1)
    assert all(np.corrcoef(components.C[k], c)[0, 1] > 0.97 for k, c in zip(best, C, strict=True))


def test_a_cell_is_no_smaller_than_a_block() -> None:
    assert choose_blocks(Field((1, 40, 40), (0.0, 3.9, 1.5)), 4) == (1, 3, 1)
    assert choose_blocks(Field((9, 40, 40), (1.5, 5.0, 5.0)), 2) == (1, 2, 2)
    assert choose_blocks(Field((1, 40, 40), (0.0, 5.0, 5.0)), None) == (1, 1, 1)


def test_blocks_keep_the_model_and_the_noise() -> None:
    rng = np.random.default_rng(0)
    shape, blocks = (3, 21, 16), (2, 4, 3)
    gain = rng.uniform(0.5, 2, shape).astype(np.float32)
    gain[:, :3, 5] = 0
    a = np.where(gain > 0, rng.uniform(0, 1, shape), 0).astype(np.float32)
    c, bg = rng.standard_normal((2, 3000)).astype(np.float32)
    noise = np.where(gain > 0, 1, 0)[..., None] * rng.standard_normal((*shape, 3000))
    field = Field(shape, (2.0, 4.0, 3.0))
    with Workers(2) as workers:

        def coarse(R: NDArray[Any]) -> Tile:
            return coarsen(Tile.of(field, R.astype(np.float32), gain, workers), blocks)

        cells = coarse(np.ones((1, 1)) * a[..., None])
        assert cells.field.shape == (2, 6, 6)
        assert cells.field.g_sig == (1.0, 1.0, 1.0)
        both = coarse(a[..., None] * c + gain[..., None] * bg)
        expected = cells.R[..., :1] * c + cells.gain[..., None] * bg
        np.testing.assert_allclose(both.R, expected, atol=1e-4)
        spreads = coarse(noise).R.std(-1)
        np.testing.assert_allclose(spreads[cells.gain > 0], 1, atol=0.07)
        # A footprint that is even within its blocks comes back as it was.
        even = np.where(gain > 0, 3.0, 0).astype(np.float32)
        whole = coarse(np.ones((1, 1)) * even[..., None]).R[..., :1]
    back = spread(sp.csc_matrix(whole.reshape(-1, 1)), gain > 0, blocks)
    np.testing.assert_allclose(back.toarray().ravel(), even.ravel(), rtol=1e-5)


def cells_at_rest(levels: list[float]) -> tuple[NDArray[np.float32], sp.csc_matrix]:
    """A movie of cells that are ``levels`` brighter than the rest when silent, and flash by 60."""
    rng = np.random.default_rng(0)
    shape = (24, 24 * len(levels))
    movie = 200 + rng.standard_normal((900, *shape))
    y, x = np.ogrid[: shape[0], : shape[1]]
    columns = []
    for k, level in enumerate(levels):
        disc = ((y - 12) ** 2 + (x - 12 - 24 * k) ** 2 <= 16).astype(np.float32)
        trace = np.zeros(900)
        for onset in range(20 + 7 * k, 860, 60):
            trace[onset:] += 60 * np.exp(-np.arange(900 - onset) / 8)
        movie += (level + trace)[:, None, None] * disc
        columns.append(disc.ravel())
    return movie.astype(np.float32), sp.csc_matrix(np.stack(columns, axis=1))


def test_a_baseline_is_not_negative_where_that_is_asked() -> None:
    movie, ain = cells_at_rest([30.0, -30.0])
    params = CNMFParams().replace(
        init={"gSig": (4, 4)}, data={"decay_time": 0.8}, temporal={"p": 1}
    )
    inside = ain.toarray() > 0
    level = {}
    for nonneg in (False, True):
        asked = params.replace(temporal={"bas_nonneg": nonneg})
        result = run_cnmf(ArraySource(movie), asked, frame_rate_hz=10.0, ain=ain).components
        assert result.b is not None
        level[nonneg] = [float(result.b[pixels, 0].mean()) for pixels in inside.T]
    # What is there at rest is in the static background, the baselines of the traces included.
    np.testing.assert_allclose(level[False], [230, 170], atol=2)
    np.testing.assert_allclose(level[True], [230, 200], atol=3)


@pytest.mark.parametrize("p", [1, 2])
def test_no_event_is_smaller_than_asked(demo: Recording, unasked: CNMFResult, p: int) -> None:
    usual = unasked.components.S
    assert usual is not None
    least = float(np.quantile(usual[usual > 0], 0.8))
    for s_min in (least, -1.5):
        components = run(demo, temporal={"s_min": s_min, "p": p}).components
        assert components.S is not None
        assert components.neurons_sn is not None
        # In units of the traces as they are in the result, or of their noise.
        bound = np.full(len(components.S), s_min) if s_min > 0 else -s_min * components.neurons_sn
        spikes = components.S[:, 1:]
        smallest = np.where(spikes > 1e-3 * bound[:, None], spikes, np.inf).min(1)
        assert (smallest >= 0.999 * bound).all()
        assert np.count_nonzero(spikes > bound[:, None] * 0.999) > 5 * len(spikes)


@pytest.mark.parametrize("p", [0, 1, 2])
def test_a_baseline_stays_above_its_bound(p: int) -> None:
    rng = np.random.default_rng(1)
    raw = (rng.standard_normal((3, 2000)) + np.array([[0.0], [0.0], [4.0]])).astype(np.float32)
    raw[2] += np.linspace(0, 20, 2000)
    bound = np.array([-np.inf, 1.5, 10.0])
    times = np.full(3, 0.7), np.full(3, 0.06)
    with Workers(2) as workers:
        free = deconvolve(raw, *times, 15.0, p=p, s_min=0.0, workers=workers)
        kept = deconvolve(raw, *times, 15.0, p=p, s_min=0.0, workers=workers, least_baseline=bound)
    np.testing.assert_array_equal(free.C[0], kept.C[0])
    assert free.baseline[1] == pytest.approx(0, abs=0.2)
    assert kept.baseline[1] == pytest.approx(1.5)
    assert kept.baseline[2] > free.baseline[2]


def test_K_bounds_each_of_the_overlapping_patches(demo: Recording, unasked: CNMFResult) -> None:
    counts = [
        run(demo, init={"K": 1}, patch={"rf": 10, "stride": stride}).components.n_components
        for stride in (0, 16)
    ]
    assert 1 < counts[0] < counts[1] < unasked.components.n_components
