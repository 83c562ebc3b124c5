"""Counts follow the stated model: photon statistics, read noise, offset, gain, clipping."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, poisson

from napari_cnmf.testing.detector import DetectorKnobs

N = 400_000


def counts(detector: DetectorKnobs, level: float, n: int = N, frame: int = 0) -> np.ndarray:
    return detector.expose(np.full(n, level, np.float32), seed=3, frame=frame).astype(np.float64)


@pytest.mark.parametrize("noise", [1.0, 3.0])
@pytest.mark.parametrize("excess", [1.0, 1.7])
@pytest.mark.parametrize("level", [0.05, 1.5, 4.3, 12.0, 60.0])
def test_mean_and_variance_follow_the_photon_gain(
    level: float, excess: float, noise: float
) -> None:
    detector = DetectorKnobs(noise=noise, excess_noise_factor=excess, offset_counts=5000)
    seen = counts(detector, level)
    photons, read = 3.2 / noise**2, 0.12 * noise
    variance = 220**2 * (level * excess / photons + read**2) + 1 / 12
    assert seen.mean() == pytest.approx(5000 + 220 * level, abs=5 * np.sqrt(variance / N))
    # The fourth moment of few photons is large: 5 standard errors of a Poisson variance.
    kurtosis = 2 + 1 / (photons * level)
    assert seen.var() == pytest.approx(variance, rel=5 * np.sqrt(2 * kurtosis / N) + 2e-3)


@pytest.mark.parametrize("mean", [0.3, 2.0, 7.7, 19.99, 20.01, 80.0])
def test_photon_numbers_have_the_poisson_distribution(mean: float) -> None:
    detector = DetectorKnobs(
        photons_per_unit=1.0, read_noise_units=0.0, gain_counts=1.0, offset_counts=0.0
    )
    seen = counts(detector, mean).astype(int)
    values = np.arange(int(poisson.ppf(2e-5, mean)), int(poisson.ppf(1 - 2e-5, mean)) + 1)
    observed = np.array([(seen == v).sum() for v in values], dtype=float)
    expected = poisson.pmf(values, np.float32(mean))
    observed[0] += (seen < values[0]).sum()
    observed[-1] += (seen > values[-1]).sum()
    expected[0] += poisson.cdf(values[0] - 1, mean)
    expected[-1] += poisson.sf(values[-1], mean)
    assert chisquare(observed, expected * N).pvalue > 1e-4


def test_photons_of_neighbours_and_of_frames_are_independent() -> None:
    detector = DetectorKnobs()
    a, b = counts(detector, 1.5), counts(detector, 1.5, frame=1)
    bound = 5 / np.sqrt(N)
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < bound
    assert abs(np.corrcoef(a, b)[0, 1]) < bound
    read_only = DetectorKnobs(photons_per_unit=1e-9)
    assert abs(np.corrcoef(a, counts(read_only, 1e-9))[0, 1]) > 0.05, "same bits give read noise"


def test_clipping_and_darkness() -> None:
    detector = DetectorKnobs(full_scale_counts=2000, read_noise_units=0.0)
    assert counts(detector, 500.0, n=100).max() == 2000
    assert set(counts(detector, 0.0, n=100)) == {300.0}
    low = DetectorKnobs(offset_counts=0.0, read_noise_units=1.0)
    assert counts(low, 0.0).min() == 0, "negative values are read as 0, not wrapped around"


def test_the_same_seed_and_frame_give_the_same_counts() -> None:
    detector = DetectorKnobs()
    field = np.random.default_rng(0).uniform(0, 5, (7, 11)).astype(np.float32)
    first = detector.expose(field, seed=1, frame=5)
    assert first.shape == (7, 11)
    assert first.dtype == np.uint16
    np.testing.assert_array_equal(first, detector.expose(field, seed=1, frame=5))
    assert (first != detector.expose(field, seed=2, frame=5)).mean() > 0.9
