"""Sample recordings in Python."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import napari_cnmf as nc
from napari_cnmf.testing import Recording, samples, simulate


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache is an empty folder, and the sample is a small one."""

    def small() -> Recording:
        return simulate(n_frames=40, size=(24, 32), n_cells=2, seed=1)

    sample = replace(samples.TWO_PHOTON, simulate=small)
    monkeypatch.setitem(samples.SAMPLES, "two-photon", sample)
    monkeypatch.setattr(samples, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    return tmp_path / "cache"


def test_a_sample_is_simulated_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    movie = nc.sample("two-photon")
    assert movie.shape == (40, 24, 32)
    assert movie.frame_rate_hz == 15

    def again() -> Recording:
        raise AssertionError("it is in the cache")

    sample = replace(samples.SAMPLES["two-photon"], simulate=again)
    monkeypatch.setitem(samples.SAMPLES, "two-photon", sample)
    assert nc.sample().paths == movie.paths


def test_nothing_half_written_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> Recording:
        raise KeyboardInterrupt

    sample = replace(samples.SAMPLES["two-photon"], simulate=stopped)
    monkeypatch.setitem(samples.SAMPLES, "two-photon", sample)
    with pytest.raises(KeyboardInterrupt):
        nc.sample()
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("name", ["", "Two-photon", "mouse", "volumes"])
def test_an_unknown_sample_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(nc.CnmfError, match=r"must be one of two-photon, one-photon, volume, got"):
        nc.sample(name)
