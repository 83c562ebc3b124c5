"""The table of events, from results of CaImAn and of curations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import napari_cnmf as nc
from napari_cnmf.errors import CurationError, ResultError

COLUMNS = ["id", "start_frame", "stop_frame", "start_s", "size", "snr", "probability"]


@pytest.mark.parametrize("kind", ["2d", "1p", "3d"])
def test_events_are_runs_of_spikes(curated, tmp_path: Path, kind: str) -> None:
    cur = curated(kind)
    events = nc.list_events(cur)
    assert events.columns.tolist() == COLUMNS
    assert set(events.id) <= set(cur.ids[cur.accepted].tolist())
    assert events.probability.between(0, 1).all()
    assert (events.probability > 0.9).any()
    S = cur.components.S
    for event in events.itertuples():
        spikes = S[event.id, event.start_frame : event.stop_frame]
        assert spikes[0] > 0
        assert spikes[-1] > 0
        assert event.size == pytest.approx(spikes.sum(), rel=1e-5)
        assert event.start_s == event.start_frame / cur.components.frame_rate_hz
    of_each = events.groupby("id")["size"].sum()
    total = pd.Series(S.sum(axis=1)).loc[of_each.index]
    np.testing.assert_allclose(of_each, total, rtol=1e-4)

    table = pd.read_csv(nc.write_csv(cur, tmp_path / "csv") / "events.csv")
    assert table.columns.tolist() == COLUMNS
    np.testing.assert_allclose(table, events, rtol=1e-6, atol=1e-12)


def test_events_of_some_components(curated) -> None:
    cur = curated("2d")
    everything = nc.list_events(cur, cur.ids)
    assert 0 in set(everything.id)  # rejected, and asked for
    some = nc.list_events(cur, [2, 0])
    expected = everything[everything.id.isin([0, 2])].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, expected)
    assert nc.list_events(cur, []).columns.tolist() == COLUMNS
    with pytest.raises(CurationError, match="99"):
        nc.list_events(cur, 99)


@pytest.mark.parametrize(
    ("missing", "needed"), [("S", "temporal.p"), ("g", "temporal.p"), ("YrA", "YrA")]
)
def test_a_result_that_has_no_events_says_what_it_needs(
    curated, tmp_path: Path, missing: str, needed: str
) -> None:
    bare = curated("2d").components.replace(**{missing: None})
    with pytest.raises(ResultError, match=needed):
        nc.list_events(bare)
    assert not (nc.write_csv(bare, tmp_path / "csv") / "events.csv").exists()


def test_without_a_frame_rate_events_have_frames_alone(curated) -> None:
    events = nc.list_events(curated("2d").components.replace(frame_rate_hz=None))
    assert events.columns.tolist() == [name for name in COLUMNS if name != "start_s"]
    assert len(events)


def test_a_component_without_time_constants_is_named(curated) -> None:
    components = curated("2d").components
    g = components.g.copy()
    g[1] = np.nan
    with pytest.warns(UserWarning, match=r"Components \[1\] have no time constants"):
        events = nc.list_events(components.replace(g=g), [0, 1, 2])
    assert 1 not in set(events.id)
