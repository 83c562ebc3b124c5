"""Probabilities of events against traces whose events are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.traces.deconvolve import ar_coefficients, deconvolve
from napari_cnmf.core.traces.event_probability import Events, find_events

RATE, DECAY, RISE = 15.0, 0.7, 0.08


def events_of(spikes: NDArray[np.float64], noise: NDArray[np.float64], p: int, seed: int) -> Events:
    """Events that deconvolution finds in traces with these spikes ``(n, n_frames)``."""
    rng = np.random.default_rng(seed)
    constants = np.full(len(spikes), DECAY), np.full(len(spikes), RISE)
    g = ar_coefficients(*constants, RATE, 2)[0]
    calcium = lfilter([1], [1, -g[0], -g[1]], spikes, axis=1)
    raw = (calcium + noise[:, None] * rng.standard_normal(spikes.shape)).astype(np.float32)
    out = deconvolve(raw, *constants, RATE, p=p, s_min=0.0, workers=Workers(1))
    rest = raw - out.baseline[:, None] - out.C
    half = len(spikes) // 2  # in two blocks
    parts = [(x[:half], x[half:]) for x in (out.C, out.S, rest, out.g)]
    return find_events(zip(*parts, strict=True))  # type: ignore[arg-type]


def are_true(events: Events, spikes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each event is the strongest within a third of the decay of a true one."""
    near = round(DECAY * RATE / 3)
    right = np.zeros(events.row.size, bool)
    for row, frame in np.argwhere(spikes > 0):
        at = (events.row == row) & (events.start - near <= frame) & (frame < events.stop + near)
        if at.any():
            right[np.flatnonzero(at)[np.argmax(events.snr[at])]] = True
    return right


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("seed", [3, 4])
def test_probabilities_are_frequencies(p: int, seed: int) -> None:
    """Cells of 3 to 12 times the noise: of events of a probability as many are true."""
    rng = np.random.default_rng(seed)
    n, n_frames = 60, 2400
    size = rng.lognormal(0, 0.3, (n, n_frames))
    spikes = (rng.random((n, n_frames)) < 0.006) * size
    events = events_of(spikes, np.exp(rng.uniform(np.log(0.15), np.log(0.6), n)), p, seed)
    right = are_true(events, spikes)
    said = events.probability
    assert abs(said.mean() - right.mean()) < 0.03
    unsure = (said > 0.1) & (said < 0.9)
    assert unsure.sum() > 20
    assert abs(said[unsure].mean() - right[unsure].mean()) < 0.2
    assert right[said >= 0.9].mean() > 0.95
    assert right[said <= 0.1].mean() < 0.05


def test_noise_has_no_events() -> None:
    nothing = np.zeros((40, 3000))
    events = events_of(nothing, np.full(40, 1.0), 2, seed=5)
    assert events.row.size > 100  # deconvolution finds many
    assert events.probability.sum() < 3


def test_the_tail_of_an_event_is_no_second_one() -> None:
    """A decay time of a seventh too little leaves pieces after large events."""
    spikes = np.zeros((20, 3000))
    spikes[:, 100::150] = 30.0
    rng = np.random.default_rng(6)
    g = ar_coefficients(np.full(20, DECAY / 0.87), np.full(20, RISE), RATE, 2)[0]
    raw = lfilter([1], [1, -g[0], -g[1]], spikes, axis=1) + rng.standard_normal(spikes.shape)
    raw = raw.astype(np.float32)
    constants = np.full(20, DECAY), np.full(20, RISE)
    out = deconvolve(raw, *constants, RATE, p=2, s_min=0.0, workers=Workers(1))
    rest = raw - out.baseline[:, None] - out.C
    events = find_events([(out.C, out.S, rest, out.g)])
    right = are_true(events, spikes)
    assert right.sum() == (spikes > 0).sum()
    assert (events.probability[right] > 0.99).all()
    assert events.probability[~right].sum() < 0.05 * right.sum()


def test_an_event_says_when_it_was_and_how_large() -> None:
    spikes = np.zeros((2, 600))
    spikes[0, [100, 300]] = 5.0, 8.0
    spikes[1, 200] = 6.0
    events = events_of(spikes, np.full(2, 0.2), 2, seed=7)
    sure = events.probability > 0.95
    assert events.row[sure].tolist() == [0, 0, 1]
    assert np.abs(events.start[sure] - [100, 300, 200]).max() <= 1
    assert np.allclose(events.size[sure], [5, 8, 6], rtol=0.1)
    assert (events.stop > events.start).all()


def test_nothing_has_no_events() -> None:
    assert find_events([]).row.shape == (0,)
    empty = np.zeros((0, 50))
    assert find_events([(empty, empty, empty, np.zeros((0, 2)))]).probability.shape == (0,)
