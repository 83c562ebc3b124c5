"""What the trace dock draws, without Qt."""

from __future__ import annotations

import numpy as np

from napari_cnmf.model.components import Components
from napari_cnmf.model.dff import compute_dff
from napari_cnmf.ui.traces._curves import Curve, Trace, available_traces, lay_out, spike_sticks

ALL = frozenset(Trace)


def test_one_component_is_in_its_own_units(components: Components) -> None:
    drawn = {c.trace: c for c in lay_out(components, [3], ALL).curves}
    assert set(drawn) == {Trace.RAW, Trace.RESIDUAL, Trace.DENOISED, Trace.SPIKES}
    assert components.YrA is not None
    np.testing.assert_array_equal(drawn[Trace.DENOISED].values, components.C[3])
    np.testing.assert_array_equal(drawn[Trace.RAW].values, components.C[3] + components.YrA[3])
    np.testing.assert_array_equal(drawn[Trace.RESIDUAL].values, components.YrA[3])
    spikes = drawn[Trace.SPIKES]
    assert components.S is not None
    assert ((spikes.values > 0) == (components.S[3] > 0)).all()
    assert spikes.base + spikes.values.max() < drawn[Trace.RESIDUAL].values.min()


def test_several_are_stacked_without_overlap(components: Components) -> None:
    laid = lay_out(components, [4, 0, 2], ALL)
    assert not laid.has_units
    spans = []
    for position in range(3):
        mine = [c for c in laid.curves if c.position == position]
        lows = [c.base if c.trace is Trace.SPIKES else c.values.min() for c in mine]
        highs = [c.values.max() for c in mine if c.trace is not Trace.SPIKES]
        spans.append((min(lows), max(highs)))
    assert spans[0][0] > spans[1][1]
    assert spans[1][0] > spans[2][1]


def test_several_over_each_other_keep_their_units(components: Components) -> None:
    laid = lay_out(components, [4, 0], ALL, stacked=False)
    assert laid.has_units
    denoised = {c.component: c.values for c in laid.curves if c.trace is Trace.DENOISED}
    for index in (4, 0):
        np.testing.assert_array_equal(denoised[index], components.C[index])
    lowest = min(c.values.min() for c in laid.curves if c.trace is not Trace.SPIKES)
    tops = [c.base + c.values.max() for c in laid.curves if c.trace is Trace.SPIKES]
    assert max(tops) < lowest


def test_only_what_the_result_has(components: Components) -> None:
    bare = components.replace(YrA=None, S=None)
    assert available_traces(bare) == {Trace.DENOISED, Trace.DFF}
    assert [c.trace for c in lay_out(bare, [0], ALL).curves] == [Trace.DENOISED]


def test_dff_stands_in_for_raw_and_denoised(components: Components) -> None:
    dff = compute_dff(components, [3, 1])
    laid = lay_out(components, [3, 1], ALL, dff)
    assert {c.trace for c in laid.curves} == {Trace.DFF, Trace.SPIKES}
    alone = lay_out(components, [3], frozenset({Trace.DFF}), dff[:1]).curves
    np.testing.assert_array_equal(alone[0].values, dff[0])


def test_flat_and_broken_traces_are_drawn(components: Components) -> None:
    trace = np.zeros_like(components.C)
    trace[0] = np.nan
    laid = lay_out(components.replace(C=trace, YrA=None), [0, 1], ALL)
    assert all(np.isfinite(c) for c in laid.centres)


def test_a_stick_for_each_spike() -> None:
    curve = Curve(Trace.SPIKES, 0, 0, np.array([0, 2.0, 0, 3.0]), base=-1)
    x, y = spike_sticks(curve, np.array([0, 0.5, 1, 1.5]))
    np.testing.assert_array_equal(x, [0.5, 0.5, 1.5, 1.5])
    np.testing.assert_array_equal(y, [-1, 1, -1, 2])
