"""Finding, trimming and suggesting, against cells that are known."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.core.reestimate import Reestimator
from napari_cnmf.errors import CurationError
from napari_cnmf.io.movies import MovieWindow
from napari_cnmf.model.clusters import cluster_traces
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.movie import Movie
from napari_cnmf.model.outline import ellipse_vertices, pixels_inside

DIMS, T, RATE = (48, 60), 900, 15.0
CENTRES = [(12.0, 14.0), (12.0, 20.0), (34.0, 44.0), (34.0, 14.0)]


class Truth:
    """Four cells, of which the result knows some."""

    def __init__(self) -> None:
        rng = np.random.default_rng(4)
        y, x = np.indices(DIMS)
        self.A = np.stack(
            [np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * 2.6**2)).ravel() for a, b in CENTRES], 1
        )
        self.A[self.A < 0.08] = 0
        self.A /= np.linalg.norm(self.A, axis=0)
        spikes = (rng.random((4, T)) < 0.02) * rng.uniform(60, 120, (4, T))
        self.C = np.zeros((4, T))
        for t in range(T):
            self.C[:, t] = (np.exp(-1 / (0.4 * RATE)) * self.C[:, t - 1] if t else 0) + spikes[:, t]
        noise = rng.normal(0, 3, (T, *DIMS))
        frames = ((self.A @ self.C).T.reshape(T, *DIMS) + 100 + noise).astype(np.float32)
        self.movie = Movie(data=da.from_array(frames, chunks=(1, *DIMS)), frame_rate_hz=RATE)

    def curation(self, cells: list[int], *, has_movie: bool = True) -> Curation:
        components = Components(
            A=sp.csc_matrix(self.A[:, cells].astype(np.float32)),
            C=self.C[cells].astype(np.float32),
            b=np.full((self.A.shape[0], 1), 100, np.float32),
            f=np.ones((1, T), np.float32),
            dims=DIMS,
            frame_rate_hz=RATE,
            params={"init": {"gSig": [3, 3]}, "data": {"decay_time": 0.4}},
        )
        source = MovieWindow(self.movie) if has_movie else None
        return Curation(components, estimator=Reestimator(source))


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth()


def region(y: slice, x: slice) -> np.ndarray:
    return np.arange(np.prod(DIMS)).reshape(DIMS)[y, x].ravel()


def cosine(cur: Curation, id_: int, a: np.ndarray) -> float:
    found = cur.components.A[:, [cur.row_of(id_)]].toarray().ravel()
    return float(found @ a / np.linalg.norm(found) / np.linalg.norm(a))


def test_cells_that_were_missed_are_found_in_a_region_and_nowhere_else(truth: Truth) -> None:
    cur = truth.curation([0])
    found = cur.find(region(slice(0, 24), slice(0, 60)))
    assert found == [1]
    assert cosine(cur, 1, truth.A[:, 1]) > 0.9
    raw = cur.components.C[1]
    assert np.corrcoef(raw, truth.C[1])[0, 1] > 0.9
    more = cur.find(region(slice(24, 48), slice(0, 60)))
    best = [max(cosine(cur, i, truth.A[:, cell]) for i in more) for cell in (2, 3)]
    assert len(more) == 2
    assert min(best) > 0.9
    cur.undo()
    assert cur.ids.tolist() == [0, 1]


def test_an_explained_region_has_nothing_to_find(truth: Truth) -> None:
    cur = truth.curation([0, 1, 2, 3])
    with pytest.raises(CurationError, match="looks like a cell"):
        cur.find(region(slice(0, 30), slice(0, 40)))
    with pytest.raises(CurationError, match="needs the movie"):
        truth.curation([0], has_movie=False).find(region(slice(0, 30), slice(0, 40)))


def test_trimming_takes_pixels_away(truth: Truth) -> None:
    cur = truth.curation([0, 1, 2])
    cur.trim(2, region(slice(0, 48), slice(45, 60)))
    columns = cur.components.A[:, [2]].indices % DIMS[1]
    assert columns.max() < 45
    assert np.corrcoef(cur.components.C[2], truth.C[2])[0, 1] > 0.95
    for nothing in (region(slice(0, 48), slice(0, 60)), region(slice(0, 3), slice(0, 3))):
        with pytest.raises(CurationError, match="leave a part"):
            cur.trim(2, nothing)


def test_the_raw_trace_of_a_region_is_the_mean_of_its_pixels(truth: Truth) -> None:
    pixels = region(slice(30, 33), slice(40, 45))
    trace = truth.curation([0]).shape_edits.raw_trace(pixels)
    frames = np.asarray(truth.movie.data)[:, 30:33, 40:45]
    np.testing.assert_allclose(trace, frames.mean(axis=(1, 2)), rtol=1e-4)


def test_two_halves_of_a_cell_are_suggested_for_merging(truth: Truth) -> None:
    left = (np.arange(np.prod(DIMS)) % DIMS[1]) < 44
    halves = np.stack([truth.A[:, 2] * left, truth.A[:, 2] * ~left], 1)
    A = np.column_stack([truth.A[:, :2], halves])
    C = np.stack([truth.C[0], truth.C[1], truth.C[2], 0.9 * truth.C[2] + 0.02 * truth.C[0]])
    cur = Curation(Components(A=sp.csc_matrix(A.astype(np.float32)), C=C, dims=DIMS))
    (suggestion,) = cur.suggest_merges()
    assert suggestion.ids == (2, 3)
    assert suggestion.correlation == pytest.approx(np.corrcoef(C[2], C[3])[0, 1], abs=1e-4)
    assert 0.1 < suggestion.overlap < 1
    # Cells 0 and 1 overlap, but are active at different times.
    assert [s.ids for s in cur.suggest_merges(min_correlation=-1)] == [(2, 3), (0, 1)]
    assert Curation(cur.original.take([])).suggest_merges() == []


def test_deleted_components_are_listed_until_they_are_restored(truth: Truth) -> None:
    cur = truth.curation([0, 1, 2])
    cur.delete([2, 0])
    cur.delete([1])
    assert cur.deleted == [2, 0, 1]
    cur.restore([0])
    assert cur.deleted == [2, 1]
    cur.undo()
    assert cur.deleted == [2, 0, 1]


def test_clusters_are_groups_of_correlated_traces(truth: Truth) -> None:
    rng = np.random.default_rng(0)
    C = np.concatenate([truth.C[k] + rng.normal(0, 5, (n, T)) for k, n in ((0, 9), (1, 5), (2, 3))])
    C = np.vstack([C, np.zeros(T)])
    found = cluster_traces(C, 3)
    assert found.tolist() == [0] * 9 + [1] * 5 + [2] * 3 + [-1]
    assert cluster_traces(np.zeros((0, T))).size == 0


@pytest.mark.parametrize(
    ("vertices", "message"),
    [
        ([(0, 0), (1, 1)], "three points"),
        ([(60, 5), (70, 5), (65, 20)], "outside"),
        ([(5.2, 5.2), (5.4, 5.2), (5.3, 5.4)], "no pixel"),
        ([(5, 5), (25, 25), (5, 25), (25, 5)], "crosses itself"),
    ],
)
def test_outlines_that_make_no_sense_say_what_to_do(
    vertices: list[tuple[float, float]], message: str
) -> None:
    with pytest.raises(CurationError, match=message):
        pixels_inside(np.array(vertices, float), DIMS)


def test_a_slip_at_the_end_of_an_outline_is_forgiven() -> None:
    angles = np.linspace(0, 2.1 * np.pi, 60)
    vertices = np.stack([20 + 8 * np.sin(angles), 30 + 8 * np.cos(angles)], 1)
    vertices[-1] += (1.5, 1.5)
    assert abs(len(pixels_inside(vertices, DIMS)) - np.pi * 64) < 20
    # Reaching out of the field, it covers what is inside.
    corner = pixels_inside(vertices - np.array([20, 30]), DIMS)
    assert abs(len(corner) - np.pi * 16) < 16


def test_an_outline_covers_the_planes_that_are_asked_for() -> None:
    dims = (6, *DIMS)
    box = np.array([(2, 10, 10), (2, 10, 15), (2, 15, 15), (2, 15, 10)], float)
    assert set(pixels_inside(box, dims) // np.prod(DIMS)) == {2}
    assert set(pixels_inside(box, dims, below=1, above=2) // np.prod(DIMS)) == {1, 2, 3, 4}
    assert set(pixels_inside(box, dims, below=9, above=9) // np.prod(DIMS)) == set(range(6))
    ellipse = ellipse_vertices(box)
    assert len(pixels_inside(ellipse, dims)) < len(pixels_inside(box, dims))
    with pytest.raises(CurationError, match="plane"):
        pixels_inside(box + np.array([7, 0, 0]), dims)
