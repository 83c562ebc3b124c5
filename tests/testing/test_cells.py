"""Footprints and activity have the sizes, places, rates and kinetics that were asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from napari_cnmf.errors import ParameterError
from napari_cnmf.testing import Simulation
from napari_cnmf.testing._stage import Stage
from napari_cnmf.testing.activity import ActivityKnobs, Indicator, make_activity
from napari_cnmf.testing.footprints import CellKnobs, make_cells


def stage(dims: tuple[int, int] = (150, 170), n_frames: int = 1000, seed: int = 0) -> Stage:
    return Stage(dims, n_frames, 15.0, seed)


def test_cells_lie_where_and_are_as_large_as_they_say() -> None:
    field = stage()
    knobs = CellKnobs(n_cells=50, nucleus_excluded_fraction=0.0)
    cells = make_cells(knobs, field)
    A = cells.A.toarray().reshape(*field.dims, -1)
    rows, cols = np.mgrid[: field.dims[0], : field.dims[1]]
    weight = A.sum((0, 1))
    middle = np.stack([(A * g[..., None]).sum((0, 1)) / weight for g in (rows, cols)], axis=1)
    np.testing.assert_allclose(middle, cells.centers, atol=0.15)
    # A disk of radius r with axes r (1 + e), r (1 - e), |e| <= 0.2, has area pi r^2 (1 - e^2).
    radius = np.sqrt((A > 0.5).sum((0, 1)) / np.pi)
    assert np.all(np.abs(radius / cells.radius_px - 0.985) < 0.06)
    assert cells.radius_px.min() >= 3.75
    assert cells.radius_px.max() <= 6.25
    np.testing.assert_allclose(A.max((0, 1)), 1.0, atol=1e-6)
    assert pdist(cells.centers).min() >= knobs.min_distance_px


def test_half_of_the_cells_have_a_dark_nucleus() -> None:
    field = stage()
    cells = make_cells(CellKnobs(n_cells=40), field)
    dark = cells.kind == "nucleus-excluded"
    assert dark.sum() == 20
    at = np.ravel_multi_index(tuple(np.round(cells.centers).astype(int).T), field.dims)
    middle = np.array([cells.A[p, k] for k, p in enumerate(at)])
    assert middle[dark].max() < 0.65
    assert middle[~dark].min() > 0.95


def test_a_range_of_sizes_is_log_uniform_within_it() -> None:
    knobs = CellKnobs(n_cells=60, radius_range_px=(3, 12), min_distance_px=2)
    radii = make_cells(knobs, stage((200, 200))).radius_px
    assert radii.min() >= 3
    assert radii.max() <= 12
    assert np.median(radii) == pytest.approx(6, rel=0.25)
    assert knobs.typical_radius_px == pytest.approx(6)


def test_cells_that_do_not_fit_are_an_error_that_says_what_to_change() -> None:
    with pytest.raises(ParameterError, match="n_cells must fit"):
        make_cells(CellKnobs(n_cells=500), stage((40, 40)))
    with pytest.raises(ParameterError, match="border_margin_px"):
        make_cells(CellKnobs(n_cells=1, border_margin_px=30), stage((40, 40)))


@pytest.mark.parametrize(
    ("knob", "value"),
    [("n_frames", 0), ("frame_rate_hz", -1.0), ("neuropill", 3), ("size", (4, 9))],
)
def test_a_knob_that_is_impossible_or_misspelt_is_named(knob: str, value: object) -> None:
    with pytest.raises(ParameterError, match=knob):
        Simulation.build(**{knob: value})
    with pytest.raises(ParameterError, match=knob):
        Simulation().replace(**{knob: value})


def test_events_come_at_the_rates_that_were_asked_for() -> None:
    field = Stage((10, 10), 15_000, 15.0, 1)
    same = ActivityKnobs(event_rate_sigma=0.0, event_rate_hz=0.1)
    activity = make_activity(same, 200, field)
    events = (activity.S > 0).sum(1)
    # 1000 s at 0.1 Hz: 100 +- 10 events in each cell; two in one frame are rare.
    assert events.mean() == pytest.approx(100, abs=3)
    assert events.std() == pytest.approx(10, rel=0.2)
    spread = make_activity(same.replace(event_rate_sigma=0.7), 400, field)
    rates = (spread.S > 0).sum(1) / field.duration_s
    assert np.median(rates) == pytest.approx(0.1, rel=0.15)
    assert np.log(rates).std() == pytest.approx(0.7, rel=0.15)


def test_an_event_rises_to_its_size_and_decays_with_its_time_constant() -> None:
    field = Stage((10, 10), 4000, 400.0, 0)
    trace, events = Indicator(0.08, 0.7).trace(np.array([1.0]), np.array([2.5]), field)
    assert np.argmax(events) == 400
    assert trace[:401].max() == 0
    assert trace.max() == pytest.approx(2.5, rel=1e-3)
    late = trace[400 + 280 : 400 + 1200]
    slope = np.polyfit(np.arange(len(late)) / 400.0, np.log(late), 1)[0]
    assert -1 / slope == pytest.approx(0.7, rel=0.01)


def test_several_indicators_and_silent_cells() -> None:
    knobs = ActivityKnobs(decay_times_s=(0.3, 1.5), silent_fraction=0.25)
    activity = make_activity(knobs, 80, Stage((10, 10), 3000, 15.0, 0))
    assert set(activity.decay_time_s) == {0.3, 1.5}
    assert (activity.C.max(1) == 0).sum() >= 20
    assert np.all((activity.S.max(1) > 0) == (activity.C.max(1) > 0))


def test_the_same_cells_fire_alike_whatever_else_is_drawn() -> None:
    field = stage()
    base = make_activity(ActivityKnobs(), 10, field)
    silent = make_activity(ActivityKnobs(silent_fraction=0.5), 10, field)
    active = silent.C.max(1) > 0
    np.testing.assert_array_equal(silent.C[active], base.C[active])
