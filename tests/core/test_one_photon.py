"""The one-photon mode of the engine on a simulated recording whose background moves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from napari_cnmf.core.result import CNMFResult
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.model.dff import compute_dff, is_detrended_only
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import Recording, score, simulate_one_photon
from regimes import ONE_PHOTON

SMALL = {"n_frames": 600, "size": (96, 96), "n_cells": 18, "event_rate_hz": 0.2}


def params_for(recording: Recording, **init: object) -> CNMFParams:
    g = tuple(round(s) for s in recording.gSig)
    return CNMFParams.preset("one-photon").replace(
        init={"gSig": g, **init}, data={"decay_time": recording.decay_time_s}
    )


@pytest.fixture(scope="module")
def rough() -> Recording:
    return simulate_one_photon(**{**ONE_PHOTON["rough moving background"], **SMALL})


@pytest.fixture(scope="module")
def result(rough: Recording) -> CNMFResult:
    return run_cnmf(
        frame_source(open_movie(rough.array(), frame_rate_hz=20.0)),
        params_for(rough),
        frame_rate_hz=20.0,
        one_photon=True,
    )


def test_cells_and_traces_below_a_rough_background(rough: Recording, result: CNMFResult) -> None:
    found = score(result.components, rough.truth)
    assert found.f1 >= 0.85
    assert found.trace_correlation >= 0.94


def test_light_around_a_cell_is_no_baseline(result: CNMFResult) -> None:
    components = result.components
    assert components.b is not None
    assert is_detrended_only(components)
    traces = components.C + components.YrA
    floor = np.percentile(traces, 8, axis=1, keepdims=True)
    short = compute_dff(components, window=10_000)
    np.testing.assert_allclose(short, traces - floor, rtol=1e-3, atol=1e-2 * traces.std())


def test_background_movie_follows_what_moves(rough: Recording, result: CNMFResult) -> None:
    components = result.components
    assert components.b is not None
    assert components.f is not None
    movie = rough.array().reshape(rough.shape[0], -1).astype(np.float32)
    movie = movie - movie.mean(0)
    moving = components.b @ components.f
    moving = (moving - moving.mean(1, keepdims=True)).T
    left = movie - moving - (components.A @ (components.C - components.C.mean(1)[:, None])).T
    noise = components.sn.reshape(-1)
    assert np.median(left.std(0) / noise) < 1.1
    assert np.median(movie.std(0) / noise) > 1.3


def test_chosen_thresholds_close_what_is_below_them(rough: Recording) -> None:
    params = params_for(rough, min_corr=0.8, min_pnr=11.0)
    movie = frame_source(open_movie(rough.array(), frame_rate_hz=20.0))
    fewer = run_cnmf(movie, params, frame_rate_hz=20.0, one_photon=True)
    pnr = fewer.images["pnr"]
    open_now = binary_dilation((fewer.images["correlation"] >= 0.8) & (pnr >= 11), np.ones((5, 5)))
    table = fewer.components.attributes["candidates"]
    assert fewer.components.n_components > 0
    assert all(open_now[y, x] for y, x in table["at"])


def test_no_seed_is_a_result_with_the_images_that_show_why(rough: Recording) -> None:
    said: list[str] = []
    params = params_for(rough, min_pnr=500.0)
    movie = frame_source(open_movie(rough.array(), frame_rate_hz=20.0))
    none = run_cnmf(movie, params, frame_rate_hz=20.0, one_photon=True, on_warning=said.append)
    assert none.components.n_components == 0
    highest = float(none.images["pnr"].max())
    assert any(f"highest peak-to-noise ratio {highest:.1f}" in text for text in said)
