"""Alignment and assignment against the truth."""

from __future__ import annotations

import shutil
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.core.matching import Alignment, Field, align_fields, match_fields, pair_cells
from napari_cnmf.io.matching import match_sessions
from session_simulator import Sessions, _rotation, simulate_sessions


def count(days: Sessions, table: np.ndarray) -> tuple[int, int, int]:
    """Right and wrong pairs, and true pairs that were missed, over all pairs of days."""
    right = wrong = missed = 0
    seen = [np.asarray(r.truth.A.sum(axis=0)).ravel() > 0 for r in days.recordings]
    for i, j in combinations(range(len(days.recordings)), 2):
        both = (table[:, i] >= 0) & (table[:, j] >= 0)
        same = days.identities[i][table[both, i]] == days.identities[j][table[both, j]]
        there = np.intersect1d(days.identities[i][seen[i]], days.identities[j][seen[j]]).size
        right, wrong = right + int(same.sum()), wrong + int((~same).sum())
        missed += there - int(same.sum())
    return right, wrong, missed


def test_the_same_cells_are_found(days: Sessions) -> None:
    footprints = [r.truth.A for r in days.recordings]
    found = match_fields(footprints, days.recordings[0].truth.dims)
    right, wrong, missed = count(days, found.table)
    assert wrong == 0
    assert missed <= 0.02 * right
    for day, alignment in enumerate(found.alignments):
        np.testing.assert_allclose(alignment.shift, days.shifts[day], atol=0.3)
        np.testing.assert_allclose(alignment.matrix, _rotation(days.rotations_deg[day]), atol=0.01)
    for day, A in enumerate(footprints):
        there = np.sort(found.table[:, day][found.table[:, day] >= 0])
        assert there.tolist() == list(range(A.shape[1])), "each component once"


@pytest.mark.parametrize("warp_px", [3.0, 6.0])
def test_days_of_the_simulator_that_are_warped(warp_px: float) -> None:
    """Recall and precision against simulated days: another generator than that of `make_days`."""
    right = wrong = missed = 0
    for seed in (3, 4):
        days = simulate_sessions(
            n_frames=20, n_sessions=2, seed=seed, size=(128, 160), n_cells=60,
            session_warp_px=warp_px,
        )  # fmt: skip
        found = match_fields([r.truth.A for r in days.recordings], days.recordings[0].truth.dims)
        counts = count(days, found.table)
        right, wrong, missed = right + counts[0], wrong + counts[1], missed + counts[2]
    assert right / (right + missed) >= 0.97
    assert right / (right + wrong) >= 0.98


def test_noisy_footprints_and_false_components(days: Sessions) -> None:
    """A fifth of the components is false, and footprints are cut short and noisy."""
    rng = np.random.default_rng(0)
    dims = days.recordings[0].truth.dims
    footprints = []
    for recording in days.recordings:
        A = recording.truth.A.copy()
        A.data = np.where(A.data > 0.2, A.data * rng.uniform(0.5, 1.5, A.data.size), 0)
        false = sp.random_array((A.shape[0], 12), density=0.0, format="lil")
        for column in range(12):
            y, x = rng.integers(5, np.array(dims) - 5)
            pixels = [(y + dy) * dims[1] + x + dx for dy in range(-4, 5) for dx in range(-4, 5)]
            false[pixels, column] = 1.0
        footprints.append(sp.hstack([A, sp.csc_matrix(false)]).tocsc())
    found = match_fields(footprints, dims)
    table = found.table.copy()
    for day, recording in enumerate(days.recordings):
        table[table[:, day] >= recording.truth.A.shape[1], day] = -1
    right, wrong, missed = count(days, table)
    assert wrong <= 0.02 * right
    assert missed <= 0.1 * right


@pytest.mark.parametrize("dims", [(40, 64), (9, 40, 52)])
def test_alignment_is_what_was_done(dims: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    done = Alignment(np.eye(len(dims)), np.array([0.0, 3.0, -5.0][-len(dims) :]), dims)
    image = np.zeros(dims, np.float32)
    for place in rng.uniform(0.2, 0.8, (12, len(dims))) * dims:
        grid = np.indices(dims) - place.reshape(-1, *(1,) * len(dims))
        image += np.exp(-0.5 * (grid**2).sum(axis=0) / 4)
    # what the session sees: its place p holds what the reference has at to_reference(p)
    back = Alignment(np.eye(len(dims)), -done.shift, dims)
    seen = back.image(image)
    found = align_fields([image], [seen])
    np.testing.assert_allclose(found.shift, done.shift, atol=0.15)
    places = rng.uniform(5, 20, (4, len(dims)))
    np.testing.assert_allclose(found.to_reference(found.to_session(places)), places, atol=1e-9)
    A = sp.csc_matrix(seen.reshape(-1, 1))
    np.testing.assert_allclose(
        done.footprints(A).toarray().reshape(dims), done.image(seen), atol=1e-4
    )


def test_pairs_have_the_largest_sum_of_all(days: Sessions) -> None:
    """Against every assignment of a small crowd."""
    rng = np.random.default_rng(2)
    dims = (24, 30)

    def crowd() -> Field:
        grid = np.indices(dims).reshape(2, -1)
        at = rng.uniform(8, 16, (5, 2))
        A = np.exp(-0.5 * ((grid[:, :, None] - at.T[:, None]) ** 2).sum(axis=0) / 6)
        return Field.of(sp.csc_matrix(np.where(A > 0.05, A, 0)), dims)

    a, b = crowd(), crowd()
    pairs, scores = pair_cells(a, b, max_distance_px=8.0, min_score=0.3)
    cosine = (a.A.T @ b.A).toarray()
    distance = np.linalg.norm(a.places[:, None] - b.places[None], axis=2)
    table = np.sqrt(cosine * np.clip(1 - distance / 8, 0, None))
    table[table < 0.3] = 0
    best = max(sum(table[i, p[i]] for i in range(5)) for p in permutations(range(5)))
    assert scores.sum() == pytest.approx(best)
    assert [table[i, j] for i, j in pairs] == pytest.approx(scores.tolist())


def test_files_with_their_ids_and_decisions(days: Sessions, results: list[Path]) -> None:
    matched = match_sessions(results)
    assert matched.matches.sessions == ("day 1", "day 2", "day 3")
    df = matched.df
    assert 9 not in set(df["day 1"].dropna()), "rejected ones take no part"
    table = np.full((len(df), 3), -1)
    for day in range(3):
        table[:, day] = df[f"day {day + 1}"].fillna(-1).to_numpy(int)
    right, wrong, _ = count(days, table)
    assert wrong == 0
    assert right > 60
    assert df["probability"][df["n_sessions"] > 1].between(0.5, 1).all()
    assert df["probability"][df["n_sessions"] == 1].isna().all()
    first, second = matched.labels(0), matched.labels(1)
    both = (first > 0) & (second > 0)
    assert (first[both] == second[both]).mean() > 0.85, "one number over all days"


def test_results_in_a_batch_are_called_as_their_items(results: list[Path], tmp_path: Path) -> None:
    folders = []
    for number, path in enumerate(results[:2]):
        folder = tmp_path / f"20260301-1200{number}-x-abcdef"
        folder.mkdir()
        (folder / "item.json").write_text(f'{{"name": "Tag {number}"}}', "utf-8")
        shutil.copy(path, folder / "result.hdf5")
        folders.append(folder)
    matched = match_sessions([folders[0], folders[1] / "result.hdf5"])
    assert matched.matches.sessions == ("Tag 0", "Tag 1")
    assert [source.path for source in matched.sources] == [f / "result.hdf5" for f in folders]


def test_no_cells_on_a_day(days: Sessions) -> None:
    A = days.recordings[0].truth.A
    dims = days.recordings[0].truth.dims
    found = match_fields([A, A[:, :0], A], dims)
    assert found.table[:, [0, 2]].tolist() == [[i, i] for i in range(A.shape[1])]
    empty = match_fields([A[:, :0], A], dims)
    assert empty.table.shape == (A.shape[1], 2)
