"""Scores by CaImAn's definitions, against the scores that CaImAn itself wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.verdict import rvalues
from napari_cnmf.core.verdict.evaluate import evaluate_result
from napari_cnmf.core.verdict.snr import trace_snr
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.params import CNMFParams

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("name", ["result-2d", "result-3d", "result-1p"])
def test_snr_is_that_of_caiman(name: str) -> None:
    written = read_caiman(DATA / f"{name}.hdf5")
    data = written.params["data"]
    with Workers(2) as workers:
        snr = trace_snr(
            written.C, float(data["fr"]), float(data["decay_time"]), workers, rest=written.YrA
        )
    np.testing.assert_allclose(snr, written.snr, rtol=1e-4)


def test_traces_that_say_nothing_have_no_snr() -> None:
    traces = np.zeros((3, 100))
    traces[1, 40:50] = 1
    traces[2] = np.nan
    with Workers(1) as workers:
        np.testing.assert_array_equal(trace_snr(traces, 10.0, 0.5, workers), 0)


@pytest.mark.parametrize(("name", "movie"), [("result-2d", "movie-2d"), ("result-3d", "movie-3d")])
@pytest.mark.parametrize("block_bytes", [rvalues._BLOCK_BYTES, 1 << 16])
def test_spatial_correlation_is_that_of_caiman(
    name: str, movie: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rvalues, "_BLOCK_BYTES", block_bytes)
    written = read_caiman(DATA / f"{name}.hdf5")
    data = written.params["data"]
    axes = "TZYX" if len(written.dims) == 3 else "TYX"
    source = frame_source(open_movie(DATA / f"{movie}.tif", axes=axes))
    params = CNMFParams().replace(data={"decay_time": float(data["decay_time"])})
    scored = evaluate_result(source, written, params, frame_rate_hz=float(data["fr"]))
    np.testing.assert_allclose(scored.r_values, written.r_values, atol=1e-3)
