"""Rasters and correlation matrices: the numbers that are drawn, and pictures that open."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

import napari_cnmf as nc
from napari_cnmf.io.exports.plots import correlation_figure, raster_figure
from napari_cnmf.io.exports.selection import select
from napari_cnmf.model.figures import trace_correlation


@pytest.mark.long
@pytest.mark.parametrize("kind", ["2d", "1p", "3d"])
@pytest.mark.parametrize("to", ["raster", "correlation"])
def test_pictures_open(curated, tmp_path: Path, kind: str, to: str) -> None:
    path = nc.export(curated(kind), to, tmp_path / "plöt.png", include_rejected=kind == "2d")
    picture = imageio.imread(path)
    assert picture.shape[0] > 500
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 50


@pytest.mark.parametrize("suffix", [".pdf", ".svg"])
def test_vector_graphics(curated, tmp_path: Path, suffix: str) -> None:
    path = nc.write_raster(curated("2d"), tmp_path / f"r{suffix}")
    assert path.read_bytes()[:5] in (b"%PDF-", b"<?xml")


def test_the_raster_shows_dff_and_spikes_of_accepted_ones(curated) -> None:
    cur = curated("2d")
    chosen = select(cur, include_rejected=False)
    above, below, *_ = raster_figure(chosen).axes
    np.testing.assert_array_equal(above.images[0].get_array(), chosen.traces["dff"])
    assert above.images[0].get_extent()[1] == pytest.approx(30.0), "300 frames at 10 Hz"
    spikes = chosen.traces["spikes"]
    x, y = below.lines[0].get_data()
    assert len(x) == (spikes > 0.1 * spikes.max(axis=1, keepdims=True)).sum()
    assert set(np.unique(y)) == set(range(chosen.n_components))
    one_photon = raster_figure(select(curated("1p"), include_rejected=True))
    assert any("detrended" in axes.get_ylabel() for axes in one_photon.axes)


def test_the_matrix_is_numpys_in_another_order(curated) -> None:
    components = curated("2d").components
    matrix = trace_correlation(components)
    np.testing.assert_allclose(matrix, np.corrcoef(components.C), atol=1e-9)
    chosen = select(components, include_rejected=True)
    drawn = np.asarray(correlation_figure(chosen).axes[0].images[0].get_array())
    np.testing.assert_allclose(np.sort(drawn.ravel()), np.sort(matrix.ravel()))
    assert np.isnan(trace_correlation(components.replace(C=np.ones_like(components.C)))).all()


@pytest.mark.parametrize("n", [0, 1])
def test_few_or_no_components(curated, tmp_path: Path, n: int) -> None:
    components = curated("2d").components.take(list(range(n)))
    assert nc.write_raster(components, tmp_path / "r.png", include_rejected=True).stat().st_size
    assert nc.write_correlation(components, tmp_path / "c.png", include_rejected=True).exists()
