"""The whole engine on simulated recordings with truth."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.source import ArraySource, check_unit
from napari_cnmf.core.plan import plan as plan_module
from napari_cnmf.core.result import CNMFResult
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.errors import CancelledByUser, MovieError, ParameterError
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import (
    Recording,
    VolumeSimulation,
    demo_recording,
    score,
    simulate,
    simulate_volume,
)
from napari_cnmf.testing.scoring import footprint_cosines, match
from regimes import base_regime


def params_for(recording: Recording, **groups: Any) -> CNMFParams:
    g = tuple(round(s) for s in recording.gSig)
    base = CNMFParams.preset("two-photon somata").replace(
        init={"gSig": g}, data={"decay_time": recording.decay_time_s}
    )
    return base.replace(**groups)


@pytest.fixture(scope="module")
def demo() -> Recording:
    return demo_recording()


@pytest.fixture(scope="module")
def result(demo: Recording) -> CNMFResult:
    return run_cnmf(
        ArraySource(demo.array()), params_for(demo), frame_rate_hz=demo.frame_rate_hz, n_threads=2
    )


def test_demo_cells_are_found_and_accepted(demo: Recording, result: CNMFResult) -> None:
    everything = score(result.components, demo.truth)
    assert everything.precision >= 0.8
    assert everything.recall >= 0.95
    assert everything.trace_correlation >= 0.98
    accepted = score(result.components, demo.truth, subset=result.components.accepted)
    assert accepted.precision >= 0.95
    assert accepted.recall >= 0.9


def test_every_candidate_is_told_with_its_verdict(result: CNMFResult) -> None:
    table = result.components.attributes["candidates"]
    n = len(table["at"])
    assert n >= result.components.n_components
    columns = [column for column in table.values() if isinstance(column, list)]
    assert len(columns) == 5
    assert all(len(column) == n for column in columns)
    assert "component" in table["verdict"]


def test_result_is_complete_and_consistent(demo: Recording, result: CNMFResult) -> None:
    c = result.components
    n = c.n_components
    assert c.A.has_sorted_indices
    assert c.A.dtype == np.float32
    np.testing.assert_allclose(np.sqrt(c.A.power(2).sum(0)), 1, atol=1e-4)
    assert (c.C >= 0).all()
    assert (c.S >= 0).all()
    assert c.g.shape == (n, params_for(demo).preprocess.p)
    for name in ("snr", "r_values", "ecc", "bl", "c1", "lam", "neurons_sn"):
        assert getattr(c, name).shape == (n,), name
    assert len(c.attributes["evidence"]["values"]) == len(c.attributes["evidence"]["spoke"]) == n
    assert {"mean", "max", "std", "noise", "correlation", "pnr"} <= set(result.images)
    movie = demo.array().astype(np.float32)
    np.testing.assert_allclose(result.images["mean"], movie.mean(0), rtol=1e-5)
    np.testing.assert_allclose(result.images["std"], movie.std(0), rtol=1e-3)


def test_factors_add_up_to_the_movie_less_its_noise(demo: Recording, result: CNMFResult) -> None:
    c = result.components
    model = (c.A @ (c.C + c.YrA) + c.b @ c.f).T.reshape(demo.shape)
    rest = demo.array().astype(np.float32) - model
    noise = result.images["noise"]
    assert np.median(rest.std(0) / noise) < 1.1
    assert abs(rest.mean()) < 0.02 * noise.mean()


def test_threads_do_not_change_the_result(demo: Recording, result: CNMFResult) -> None:
    one = run_cnmf(
        ArraySource(demo.array()), params_for(demo), frame_rate_hz=demo.frame_rate_hz, n_threads=1
    )
    assert (one.components.A != result.components.A).nnz == 0
    np.testing.assert_array_equal(one.components.C, result.components.C)
    np.testing.assert_array_equal(one.components.accepted, result.components.accepted)


def test_noise_gives_zero_components() -> None:
    rng = np.random.default_rng(3)
    movie = rng.poisson(40, (600, 64, 80)).astype(np.uint16)
    result = run_cnmf(ArraySource(movie), CNMFParams(), frame_rate_hz=15.0)
    assert result.components.n_components == 0
    assert result.components.A.shape == (64 * 80, 0)
    assert result.components.f.shape[1] == 600


def test_neuropil_without_cells_gives_zero_components() -> None:
    movie = simulate(base_regime(n_cells=0, seed=100)).array()
    result = run_cnmf(ArraySource(movie), CNMFParams(), frame_rate_hz=15.0)
    assert result.components.n_components == 0


def test_stop_is_obeyed(demo: Recording) -> None:
    with pytest.raises(CancelledByUser):
        run_cnmf(
            ArraySource(demo.array()),
            params_for(demo),
            frame_rate_hz=demo.frame_rate_hz,
            should_stop=lambda: True,
        )


def test_given_footprints_are_fitted_in_their_order(demo: Recording) -> None:
    truth = demo.truth
    order = np.random.default_rng(0).permutation(truth.n_cells)[:12]
    ain = sp.csc_matrix(truth.A[:, order] > 0.3 * truth.A.max(), dtype=np.float32)
    result = run_cnmf(
        ArraySource(demo.array()), params_for(demo), frame_rate_hz=demo.frame_rate_hz, ain=ain
    )
    assert result.components.n_components == 12
    traces = result.components.C
    own = [np.corrcoef(traces[i], truth.C[k])[0, 1] for i, k in enumerate(order)]
    assert np.median(own) > 0.9


@pytest.mark.parametrize(
    ("movie", "error"),
    [
        (np.zeros((100, 32, 32), np.uint16), MovieError),
        (np.full((100, 32, 32), np.nan, np.float32), MovieError),
        (np.ones((5, 32, 32), np.uint16), MovieError),
        (np.ones((100, 32), np.uint16), MovieError),
    ],
)
def test_movies_that_are_none_are_refused(movie: NDArray[Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"must|needs"):
        run_cnmf(ArraySource(movie), CNMFParams(), frame_rate_hz=15.0)


@pytest.mark.parametrize("unit", [1e-30, 1e-14, 1e20, 1e30])
def test_units_that_cannot_be_squared_are_refused_with_the_factor_that_helps(unit: float) -> None:
    movie = np.random.default_rng(0).poisson(40, (60, 32, 32)) * unit
    with pytest.raises(MovieError, match=r"Multiply the movie by") as refused:
        run_cnmf(ArraySource(movie), CNMFParams(), frame_rate_hz=15.0)
    factor = float(str(refused.value).split("Multiply the movie by ")[1].split(":")[0])
    assert 0.1 < movie.max() * factor < 10
    check_unit(ArraySource(movie * factor))


@pytest.mark.parametrize("decay_s", [4.0, 1e9])
def test_a_decay_longer_than_the_movie_is_refused(decay_s: float) -> None:
    movie = np.random.default_rng(0).poisson(9, (60, 32, 32)).astype(np.uint16)
    params = CNMFParams().replace(data={"decay_time": decay_s})
    with pytest.raises(ParameterError, match=r"shorter than the movie \(4 s at 15 Hz\)"):
        run_cnmf(ArraySource(movie), params, frame_rate_hz=15.0)


def test_gsig_larger_than_the_field_is_refused() -> None:
    movie = np.random.default_rng(0).poisson(9, (100, 20, 20)).astype(np.uint16)
    with pytest.raises(ParameterError, match="gSig"):
        run_cnmf(ArraySource(movie), CNMFParams().replace(init={"gSig": (15, 15)}), frame_rate_hz=9)


def test_budget_and_threads_change_nothing(
    demo: Recording, result: CNMFResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "_TILE_BYTES", 8e6)
    monkeypatch.setattr(plan_module, "_MOST_TILE_BYTES", 8e6)
    runs = []
    for in_memory, n_threads in ((True, 2), (False, 1)):
        monkeypatch.setattr(plan_module, "are_bins_in_memory", lambda *_, yes=in_memory: yes)
        runs.append(
            run_cnmf(
                ArraySource(demo.array()), params_for(demo), frame_rate_hz=demo.frame_rate_hz,
                n_threads=n_threads,
            )
        )  # fmt: skip
    assert ["out of core" in " ".join(run.notes) for run in runs] == [False, True]
    first, second = (run.components for run in runs)
    assert runs[0].figures["n_tiles"] > 1
    assert (first.A != second.A).nnz == 0
    for name in ("C", "S", "YrA", "b", "f", "sn", "snr", "r_values", "cnn_preds"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), name)
    found = first.n_components
    assert abs(found - result.components.n_components) <= 0.1 * found


def test_a_volume_goes_the_same_way() -> None:
    rng = np.random.default_rng(0)
    zz, yy, xx = np.mgrid[:6, :40, :44]
    centres = [(1.5, 10, 10), (4, 12, 28), (2, 28, 14), (3.5, 29, 33)]
    A = np.stack(
        [
            np.exp(-(((zz - z) / 1.5) ** 2 + ((yy - y) / 3) ** 2 + ((xx - x) / 3) ** 2))
            for z, y, x in centres
        ]
    )
    spikes = (rng.random((4, 600)) < 0.015) * rng.uniform(1, 2, (4, 600))
    C = np.stack([np.convolve(s, 0.9 ** np.arange(60))[:600] for s in spikes])
    movie = rng.poisson(20 + 12 * np.einsum("kzyx,kt->tzyx", A, C)).astype(np.uint16)
    params = CNMFParams().replace(init={"gSig": (2, 4, 4)}, data={"decay_time": 1.0})
    components = run_cnmf(ArraySource(movie), params, frame_rate_hz=10.0).components
    assert components.dims == (6, 40, 44)
    unit = A.reshape(4, -1) / np.linalg.norm(A.reshape(4, -1), axis=1, keepdims=True)
    cosine = unit @ components.A.toarray()
    assert (cosine.max(1) > 0.9).all()
    best = cosine.argmax(1)
    assert all(np.corrcoef(components.C[k], c)[0, 1] > 0.97 for k, c in zip(best, C, strict=True))


def test_a_long_step_is_stopped_between_its_pieces() -> None:
    done: list[int] = []

    def stop() -> None:
        raise CancelledByUser("stop")

    def piece(start: int, end: int) -> None:
        done.append(start)
        threading.Event().wait(0.02)

    for n_threads in (1, 2):
        done.clear()
        with pytest.raises(CancelledByUser), Workers(n_threads, stop) as workers:
            workers.ranges(piece, 1000, 1)
        assert 0 < len(done) < 100


def test_what_makes_no_sense_is_said(demo: Recording) -> None:
    said: list[str] = []
    params = params_for(demo)
    empty = sp.csc_matrix((demo.shape[1] * demo.shape[2], 2), dtype=np.float32)
    short = ArraySource(demo.array()[:60])
    result = run_cnmf(short, params, frame_rate_hz=0.01, ain=empty, on_warning=said.append)
    assert result.components.n_components == 0
    assert any("decay times: transients fall between frames" in line for line in said)
    assert any("2 of 2 footprints of Ain are empty" in line for line in said)


def test_a_line_is_a_movie_too() -> None:
    movie = np.random.default_rng(0).poisson(200, (200, 1, 64)).astype(np.uint16)
    params = CNMFParams().replace(init={"gSig": (4, 4)})
    assert run_cnmf(ArraySource(movie), params, frame_rate_hz=15).components.n_components == 0


def test_a_volume_may_be_thinner_than_its_cells() -> None:
    volume = simulate_volume(
        VolumeSimulation.build(seed=2, n_frames=400, size=(2, 56, 56), n_cells=12)
    )
    truth = volume.truth.A[:, volume.truth.detectable]
    for g_sig in ((1, 5, 5), (9, 5, 5)):
        params = CNMFParams.preset("volumetric").replace(init={"gSig": g_sig})
        found = run_cnmf(
            ArraySource(volume.array()), params, frame_rate_hz=volume.frame_rate_hz
        ).components
        assert len(match(footprint_cosines(found.A, truth), 0.6)) >= 0.9 * truth.shape[1]


@pytest.mark.long
@pytest.mark.parametrize("content", [np.nan, 0.0], ids=["nan", "dark"])
def test_a_pause_in_the_recording_costs_hardly_a_cell(content: float) -> None:
    lost = []
    for seed in (5, 6, 7, 8):
        recording = simulate(n_frames=600, size=(64, 68), n_cells=10, seed=seed)
        movie = recording.array().astype(np.float32)
        for start in (97, 303, 450):
            movie[start : start + 11] = content
        said: list[str] = []
        whole, cut = (
            run_cnmf(
                ArraySource(frames), params_for(recording),
                frame_rate_hz=recording.frame_rate_hz, n_threads=2, on_warning=said.append,
            ).components
            for frames in (recording.array(), movie)
        )  # fmt: skip
        assert any("33 of 600 frames are empty" in sentence for sentence in said)
        assert np.isfinite(cut.r_values).all()
        scores = [
            (score(c, recording.truth), score(c, recording.truth, subset=c.accepted))
            for c in (whole, cut)
        ]
        (found_whole, kept_whole), (found_cut, kept_cut) = scores
        lost.append(
            (
                found_whole.recall - found_cut.recall,
                kept_whole.recall - kept_cut.recall,
                kept_whole.precision - kept_cut.precision,
            )
        )
    assert (np.mean(lost, axis=0) <= 0.1).all()  # there is less to judge weak cells by
