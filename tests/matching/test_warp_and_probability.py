"""Smooth warps, many sessions, and whether a probability means what it says."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial import cKDTree

import napari_cnmf as nc
from napari_cnmf.core.matching import Alignment, FoundMatches, match_fields
from napari_cnmf.core.matching.assign import Candidates
from napari_cnmf.core.matching.calibrate import fit_calibration, matching_marginals
from napari_cnmf.core.matching.warp import with_warp
from napari_cnmf.core.reestimate import reestimator
from napari_cnmf.errors import ResultError
from napari_cnmf.io.matching import match_sessions, read_matches, write_matches
from napari_cnmf.io.movies import MovieWindow
from napari_cnmf.model.components import Components


def pairs_of(days: Any, found: FoundMatches) -> tuple[int, int, int]:
    """Right pairs, wrong pairs, and pairs that there are, over all pairs of days."""
    right = wrong = there = 0
    for i, j in combinations(range(len(days.footprints)), 2):
        both = (found.table[:, i] >= 0) & (found.table[:, j] >= 0)
        a = days.identities[i][found.table[both, i]]
        b = days.identities[j][found.table[both, j]]
        right += int(((a == b) & (a >= 0)).sum())
        wrong += int(((a != b) | (a < 0)).sum())
        there += np.intersect1d(
            days.identities[i][days.identities[i] >= 0], days.identities[j]
        ).size
    return right, wrong, there


@pytest.mark.long
@pytest.mark.parametrize(
    ("knobs", "least"),
    [
        ({}, 0.97),
        ({"warp_px": 3.0}, 0.97),
        ({"warp_px": 6.0}, 0.97),
        ({"warp_px": 6.0, "n_cells": 550}, 0.95),
    ],
)
def test_a_smooth_warp_costs_no_recall(
    simulate_days: Any, knobs: dict[str, float], least: float
) -> None:
    right = wrong = there = 0
    for seed in (0, 5):
        days = simulate_days(seed, n_days=2, **knobs)
        r, w, t = pairs_of(days, match_fields(days.footprints, days.dims))
        right, wrong, there = right + r, wrong + w, there + t
    assert right / there >= least
    assert right / (right + wrong) >= 0.98


@pytest.mark.long
def test_probabilities_are_calibrated(simulate_days: Any) -> None:
    """Of pairs with a probability of p, the share p is right, over data sets of many kinds."""
    probabilities, is_right = [], []
    kinds = ({}, {"n_cells": 550}, {"noise": 0.5, "jitter_px": 0.9}, {"warp_px": 6.0},
             {"present": 0.5, "false_share": 0.2}, {"jitter_px": 1.3},
             {"present": 0.5, "false_share": 0.4, "warp_px": 3.0})  # fmt: skip
    for number, knobs in enumerate(kinds):
        days = simulate_days(20 + number, n_days=2, **knobs)
        found = match_fields(days.footprints, days.dims, min_probability=0.05)
        both = (found.table >= 0).all(axis=1)
        a, b = (days.identities[i][found.table[both, i]] for i in (0, 1))
        probabilities += found.probabilities[both, 1].tolist()
        is_right += ((a == b) & (a >= 0)).tolist()
    p, right = np.asarray(probabilities), np.asarray(is_right)
    assert abs(p.mean() - right.mean()) < 0.03
    # expected calibration error over bins, each weighted with its pairs
    number = np.digitize(p, [0.5, 0.7, 0.9, 0.97])
    error = sum(
        abs(p[number == k].mean() - right[number == k].mean()) * (number == k).mean()
        for k in np.unique(number)
    )
    assert error < 0.03
    sure, unsure = p >= 0.97, p < 0.9
    assert right[sure].mean() > 0.98
    assert right[unsure].mean() < right[sure].mean()


@pytest.mark.long
def test_twelve_sessions(simulate_days: Any) -> None:
    days = simulate_days(3, n_days=12, n_cells=80, dims=(140, 150), warp_px=3.0)
    found = match_fields(days.footprints, days.dims)
    right, wrong, there = pairs_of(days, found)
    assert found.table.shape[1] == 12
    assert right / there > 0.95
    assert right / (right + wrong) > 0.97
    for day, A in enumerate(days.footprints):
        used = found.table[:, day][found.table[:, day] >= 0]
        assert sorted(used.tolist()) == list(range(A.shape[1])), "each component once"


def test_a_warp_is_what_was_done_and_has_an_inverse() -> None:
    rng = np.random.default_rng(0)
    dims = (160, 200)
    places = rng.random((150, 2)) * dims

    def moved(p: np.ndarray) -> np.ndarray:
        return np.stack([4 * np.sin(p[:, 1] / 60), -3 * np.cos(p[:, 0] / 50)], axis=1)

    seen = places + moved(places) + rng.normal(0, 0.3, places.shape)
    seen[:8] += rng.normal(0, 12, (8, 2))  # wrong pairs
    warped = with_warp(Alignment.none(dims), places, seen)
    inner = rng.uniform(0.1, 0.9, (50, 2)) * dims
    np.testing.assert_allclose(warped.to_session(inner), inner + moved(inner), atol=0.6)
    np.testing.assert_allclose(warped.to_reference(warped.to_session(inner)), inner, atol=1e-3)
    still = with_warp(Alignment.none(dims), places, places + rng.normal(0, 0.3, places.shape))
    assert still.warp is None
    few = with_warp(Alignment.none(dims), places[:5], seen[:5])
    assert few.warp is None


def test_pairs_compete_as_all_sets_of_them_say() -> None:
    """Probabilities are those of the sum over every set of pairs, where they form no circle."""
    rng = np.random.default_rng(1)
    rows, columns = np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 1, 3])
    odds = rng.exponential(5, rows.size)
    whole, paired, alone = 0.0, np.zeros(rows.size), np.zeros(rows.size)
    for chosen in product((False, True), repeat=rows.size):
        kept = np.array(chosen)
        a, b = rows[kept], columns[kept]
        if np.unique(a).size < a.size or np.unique(b).size < b.size:
            continue
        weight = odds[kept].prod()
        whole += weight
        paired[kept] += weight
        alone[~np.isin(rows, a) & ~np.isin(columns, b)] += weight
    found = matching_marginals(rows, columns, odds)
    np.testing.assert_allclose(found[0], paired / whole, rtol=1e-6)
    np.testing.assert_allclose(found[1], alone / whole, rtol=1e-6)
    circle = matching_marginals(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.full(4, 1e6))
    np.testing.assert_allclose(circle[0], 0.5, atol=0.01)
    none = matching_marginals(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))
    assert none[0].size == 0


@pytest.mark.parametrize(
    ("spread", "likeness", "share"), [(0.5, 0.9, 0.9), (1.6, 0.7, 0.8), (0.8, 0.5, 0.3)]
)
def test_distributions_and_shares_are_found_in_the_pairs(
    spread: float, likeness: float, share: float
) -> None:
    """Pairs of known kinds: how far apart, how alike and how many are the same comes back."""
    rng = np.random.default_rng(7)
    n, side, reach = 600, 500, 8.0
    n_same = int(share * n)
    first = rng.random((n, 2)) * side
    second = rng.random((n, 2)) * side
    second[:n_same] = first[:n_same] + rng.normal(0, spread, (n_same, 2))
    near = cKDTree(first).sparse_distance_matrix(
        cKDTree(second), reach, output_type="coo_matrix"
    )  # fmt: skip
    same = (near.row == near.col) & (near.row < n_same)
    z = np.where(same, rng.normal(likeness, 0.3, same.size), rng.normal(0, 0.35, same.size))
    pairs = Candidates(
        rows=near.row,
        columns=near.col,
        distances_px=near.data,
        likeness=z,
        apart=rng.normal(0, 0.35, 3000),
        density=n * n / side**2,
        n_rows=n,
        n_columns=n,
        n_axes=2,
    )
    calibration = fit_calibration([pairs], reach)
    found = calibration.estimate(pairs)
    assert found.n_same == pytest.approx(n_same, rel=0.1)
    assert calibration.same[0] == pytest.approx(likeness, abs=0.08)
    assert calibration.different == pytest.approx((0, 0.35), abs=0.03)
    assert calibration.spread_px == pytest.approx(spread, rel=0.25)
    p = found.probabilities
    for low, high in ((0.02, 0.35), (0.35, 0.75), (0.75, 0.97), (0.97, 1.01)):
        inside = (p >= low) & (p < high)
        error = 0.05 + 2 * np.sqrt(0.25 / max(inside.sum(), 1))
        assert not inside.any() or abs(p[inside].mean() - same[inside].mean()) < error


def test_no_candidates_leave_the_usual_values() -> None:
    calibration = fit_calibration([], 6.0)
    assert calibration.spread_px == pytest.approx(1.5)
    assert calibration.same == (0.7, 0.4)
    np.testing.assert_array_equal(calibration.closeness, 1)


@pytest.fixture
def warped(simulate_days: Any, tmp_path: Path) -> list[Path]:
    days = simulate_days(1, n_days=2, n_cells=60, dims=(90, 110), warp_px=4.0)
    paths = []
    for number, A in enumerate(days.footprints):
        C = np.ones((A.shape[1], 20), np.float32)
        components = Components(A=A, C=C, dims=days.dims, frame_rate_hz=10.0)
        paths.append(nc.write_caiman(components, tmp_path / f"day {number}.hdf5"))
    return paths


def test_items_curations_and_paths_in_one_list(warped: list[Path], tmp_path: Path) -> None:
    class Item:  # what matching needs to know of an item of a batch
        def result(self) -> nc.Curation:
            return nc.open_result(warped[0])

    matched = match_sessions([Item(), nc.open_result(warped[1])])
    expected = match_sessions(warped)
    assert matched.df.reset_index(drop=True).equals(expected.df.reset_index(drop=True))
    with pytest.raises(ResultError, match="must be items, samples, curations, components or"):
        match_sessions([3, 4])
    path = write_matches(matched, tmp_path / "m.json")
    again = read_matches(path)
    assert (again.labels(1) == matched.labels(1)).all(), "the warp is kept"
    page = matched._repr_html_()
    assert "data:image/png" in page
    assert f"{len(matched.df)} cells over 2 sessions" in page


def test_cells_that_were_not_found_get_traces_of_the_movie(
    simulate_days: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells taken out of the second day's result: their traces are back, in the order of df."""
    days = simulate_days(4, n_days=2, n_cells=40, dims=(70, 90), warp_px=4.0, present=1.0, noise=0)
    rng = np.random.default_rng(0)
    sessions, truth = [], []
    footprints = [
        sp.csc_matrix(A / np.sqrt(A.multiply(A).sum(axis=0)), dtype=np.float32)
        for A in days.footprints
    ]
    for day, A in enumerate(footprints):
        C = rng.random((A.shape[1], 40)).astype(np.float32) ** 8 * 100
        kept = np.ones(A.shape[1], bool)
        kept[:3] = day == 0
        truth.append(C)
        sessions.append(Components(A=A[:, kept], C=C[kept], dims=days.dims, frame_rate_hz=10.0))
    C = truth[1]
    frames = (footprints[1] @ C).T.reshape(40, *days.dims) + rng.normal(0, 0.1, (40, *days.dims))
    # neuropil that comes and goes, of which the results say nothing
    frames += 20 + rng.random((40, 1, 1)) * np.linspace(5, 9, days.dims[1])
    movie = nc.open_movie(frames.astype(np.float32), frame_rate_hz=10.0)
    matched = match_sessions(sessions, names=["first", "second"])
    asked: list[tuple[int, int]] = []
    read = MovieWindow.read_window

    def counted(self: MovieWindow, start: int, stop: int, window: Any) -> Any:
        asked.append((start, stop))
        return read(self, start, stop, window)

    monkeypatch.setattr(MovieWindow, "read_window", counted)
    without, traces = matched.traces("second"), matched.traces(1, movie=movie)
    assert traces.shape == (len(matched.df), 40)
    assert asked == [(0, 40)], "the movie is read once for all cells"
    monkeypatch.setattr(reestimator, "_HELD_BYTES", 1)
    np.testing.assert_allclose(matched.traces(1, movie=movie), traces, rtol=1e-5)
    assert len(asked) > 2, "in parts where it does not fit into memory"
    assert np.isfinite(traces).all()
    n_compared = 0
    first_ids = days.identities[0].tolist()
    for row, cell in enumerate(matched.matches.cells.values()):
        if 1 in cell.components:
            np.testing.assert_array_equal(traces[row], sessions[1].C[cell.components[1]])
            continue
        assert np.isnan(without[row]).all()
        who = first_ids[cell.components[0]]
        missing = days.identities[1][:3].tolist()
        if who >= 0 and who in missing:
            expected = C[missing.index(who)]
            assert np.corrcoef(traces[row], expected)[0, 1] > 0.9
            assert np.abs(traces[row]).max() == pytest.approx(expected.max(), rel=0.3)
            assert abs(np.median(traces[row])) < 0.1 * expected.max(), "its baseline is 0"
            n_compared += 1
    assert n_compared
    for session in (2, -1, "third", True, 0.0):
        with pytest.raises(ResultError, match="number below 2 or one of first, second"):
            matched.traces(session)
    with pytest.raises(ResultError, match="movie that the result was made from"):
        matched.traces(0, movie=nc.open_movie(frames[:9].astype(np.float32), frame_rate_hz=10.0))
