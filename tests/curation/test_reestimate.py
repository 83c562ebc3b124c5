"""Re-estimation against a simulation whose cells are known."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
import tifffile

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.reestimate import Reestimator
from napari_cnmf.core.reestimate.neuropil import surroundings
from napari_cnmf.core.verdict.rvalues import spatial_correlation
from napari_cnmf.errors import CurationError
from napari_cnmf.io import open_movie
from napari_cnmf.io.movies import MovieWindow, frame_source
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.movie import Movie

DIMS, T, RATE = (40, 56), 900, 15.0
CENTRES = [(12.0, 14.0), (12.0, 20.0), (28.0, 40.0), (30.0, 12.0)]
"""Cells 0 and 1 overlap."""


class Truth:
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
        self.b = 100 + 20 * np.sin(x / 9).reshape(-1, 1)
        self.f = (1 + 0.05 * np.sin(np.arange(T) / 90))[np.newaxis]
        noise = rng.normal(0, 3, (T, *DIMS))
        clean = (self.A @ self.C + self.b @ self.f).T.reshape(T, *DIMS)
        self.frames = (clean + noise).astype(np.float32)

    def movie(self) -> Movie:
        return Movie(data=da.from_array(self.frames, chunks=(1, *DIMS)), frame_rate_hz=RATE)

    def model(self, A: np.ndarray, C: np.ndarray) -> Components:
        rng = np.random.default_rng(5)
        n = A.shape[1]
        return Components(
            A=sp.csc_matrix(A.astype(np.float32)),
            C=C.astype(np.float32),
            S=np.zeros_like(C, dtype=np.float32),
            YrA=rng.normal(0, 2, C.shape).astype(np.float32),
            b=self.b.astype(np.float32),
            f=self.f.astype(np.float32),
            dims=DIMS,
            snr=np.full(n, 4.0),
            r_values=np.full(n, 0.7),
            classes=np.array(["soma"] * n, dtype="<U8"),
            frame_rate_hz=RATE,
            params={"data": {"decay_time": 0.4}, "temporal": {"p": 1}},
        )


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth()


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(np.asarray(a).ravel(), np.asarray(b).ravel())[0, 1])


def cosine(components: Components, row: int, a: np.ndarray) -> float:
    found = components.A[:, [row]].toarray().ravel()
    return float(found @ a / np.linalg.norm(found) / np.linalg.norm(a))


def halves(truth: Truth, cell: int) -> np.ndarray:
    left = (np.arange(np.prod(DIMS)) % DIMS[1]) < CENTRES[cell][1]
    parts = np.stack([truth.A[:, cell] * left, truth.A[:, cell] * ~left], 1)
    return parts / np.linalg.norm(parts, axis=0)


@pytest.mark.parametrize("has_movie", [True, False])
def test_two_halves_merge_into_the_cell(truth: Truth, has_movie: bool) -> None:
    cut = halves(truth, 2)
    A = np.column_stack([truth.A[:, 0], cut])
    C = np.stack([truth.C[0], truth.C[2] * 0.7, truth.C[2] * 0.7])
    source = MovieWindow(truth.movie()) if has_movie else None
    cur = Curation(truth.model(A, C), estimator=Reestimator(source))
    new = cur.merge([1, 2])
    assert cur.ids.tolist() == [0, 3]
    row = cur.row_of(new)
    assert cosine(cur.components, row, truth.A[:, 2]) > 0.97
    assert correlation(cur.components.C[row], truth.C[2]) > 0.95
    # Brightness: unit footprints make C comparable with the truth's.
    raw = cur.components.C[row] + cur.components.YrA[row]
    assert np.polyfit(truth.C[2], raw, 1)[0] == pytest.approx(1, abs=0.08)
    assert cur.components.snr[row] > 3
    if has_movie:
        # The score of the few pixels is the one that the engine computes over whole frames.
        with Workers(1) as workers:
            components = cur.components
            whole = spatial_correlation(
                frame_source(truth.movie()), components.A, components.C, RATE, workers
            )
        assert cur.components.r_values[row] == pytest.approx(whole[row], abs=1e-4)
    else:
        assert cur.components.r_values[row] == pytest.approx(0.7)


def test_two_cells_taken_for_one_are_split_by_their_time_courses(truth: Truth) -> None:
    both = truth.A[:, 0] + truth.A[:, 1]
    A = np.column_stack([both / np.linalg.norm(both), truth.A[:, 3]])
    C = np.stack([truth.C[0] + truth.C[1], truth.C[3]])
    cur = Curation(truth.model(A, C), estimator=Reestimator(MovieWindow(truth.movie())))
    new = cur.split(0)
    found = [cur.row_of(i) for i in new]
    cosines = [[cosine(cur.components, row, truth.A[:, k]) for k in (0, 1)] for row in found]
    assert max(cosines[0][0] + cosines[1][1], cosines[0][1] + cosines[1][0]) > 1.85
    order = (0, 1) if cosines[0][0] > cosines[0][1] else (1, 0)
    for row, cell in zip(found, order, strict=True):
        assert correlation(cur.components.C[row], truth.C[cell]) > 0.95


def test_one_cell_has_one_time_course_and_is_cut_by_a_line(truth: Truth) -> None:
    cur = Curation(
        truth.model(truth.A[:, [2]], truth.C[[2]]),
        estimator=Reestimator(MovieWindow(truth.movie())),
    )
    with pytest.raises(CurationError, match="Draw a line"):
        cur.split(0)
    assert cur.history == []
    parts = [np.flatnonzero(half) for half in halves(truth, 2).T]
    new = cur.split(0, parts)
    supports = [set(cur.components.A[:, [cur.row_of(i)]].indices.tolist()) for i in new]
    assert not supports[0] & supports[1]
    for support, part in zip(supports, parts, strict=True):
        assert support <= set(part.tolist())


def test_a_missed_cell_is_drawn_and_its_neighbour_stays_out_of_it(truth: Truth) -> None:
    cur = Curation(
        truth.model(truth.A[:, [0, 2]], truth.C[[0, 2]]),
        estimator=Reestimator(MovieWindow(truth.movie())),
    )
    y, x = np.indices(DIMS)
    inside = np.flatnonzero(((y - 12) ** 2 + (x - 20) ** 2 <= 36).ravel())
    row = cur.row_of(cur.add(inside))
    assert cosine(cur.components, row, truth.A[:, 1]) > 0.95
    raw = cur.components.C[row] + cur.components.YrA[row]
    assert correlation(raw, truth.C[1]) > 0.95
    assert abs(correlation(raw, truth.C[0])) < 0.2
    assert cur.components.classes[row] == "soma"


def test_redrawing_moves_footprint_and_trace(truth: Truth) -> None:
    cur = Curation(
        truth.model(truth.A[:, [0, 2]], truth.C[[0, 2]]),
        estimator=Reestimator(MovieWindow(truth.movie())),
    )
    y, x = np.indices(DIMS)
    cur.redraw(0, np.flatnonzero(((y - 30) ** 2 + (x - 12) ** 2 <= 36).ravel()))
    assert cur.ids.tolist() == [0, 1]
    assert cosine(cur.components, 0, truth.A[:, 3]) > 0.95
    assert correlation(cur.components.C[0], truth.C[3]) > 0.95
    cur.undo()
    assert correlation(cur.components.C[0], truth.C[0]) > 0.99


def test_an_outline_without_light_still_gets_its_raw_trace(truth: Truth) -> None:
    silent = Movie(data=da.zeros((T, *DIMS), chunks=(1, *DIMS), dtype=np.uint16))
    cur = Curation(
        truth.model(truth.A[:, :0], truth.C[:0]).replace(b=None, f=None),
        estimator=Reestimator(MovieWindow(silent)),
    )
    row = cur.row_of(cur.add(np.array([3, 4, 5])))
    assert cur.components.A[:, [row]].nnz == 3
    assert not cur.components.C[row].any()


def test_what_needs_the_movie_says_so_without_it(truth: Truth) -> None:
    cur = Curation(truth.model(truth.A, truth.C), estimator=Reestimator(None))
    with pytest.raises(CurationError, match="Locate the movie"):
        cur.add(np.array([1, 2, 3]))
    with pytest.raises(CurationError, match="Locate the movie"):
        cur.split(0)
    assert cur.history == []


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_window_is_what_the_frames_hold_there(tmp_path: Path, compression: str | None) -> None:
    frames = np.random.default_rng(0).integers(0, 4000, (7, 20, 30)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "m.tif", frames, compression=compression, photometric="minisblack")
    window = MovieWindow(open_movie(tmp_path / "m.tif"))
    part = (slice(4, 9), slice(11, 30))
    np.testing.assert_array_equal(window.read_window(2, 6, part), frames[2:6, 4:9, 11:30])


def test_a_window_of_a_volume(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 4000, (5, 4, 20, 30)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "m.tif", frames, imagej=True, metadata={"axes": "TZYX"})
    window = MovieWindow(open_movie(tmp_path / "m.tif"))
    part = (slice(1, 3), slice(4, 9), slice(0, 7))
    np.testing.assert_array_equal(window.read_window(1, 5, part), frames[1:5, 1:3, 4:9, :7])


def test_a_local_background_that_the_result_does_not_hold_stays_out_of_a_trace(
    truth: Truth,
) -> None:
    rng = np.random.default_rng(8)
    y, x = np.indices(DIMS)
    course = np.convolve(rng.normal(0, 1, T + 20), np.ones(21) / np.sqrt(21), "valid")
    slope = (1 + y / 40 + x / 30)[np.newaxis]
    glow = 12 * course[:, np.newaxis, np.newaxis] * slope
    movie = Movie(
        data=da.from_array((truth.frames + glow).astype(np.float32), chunks=(1, *DIMS)),
        frame_rate_hz=RATE,
    )
    cell = 2
    pixels = np.flatnonzero(truth.A[:, cell] > 0.2 * truth.A[:, cell].max())
    others = [i for i in range(4) if i != cell]
    model = truth.model(truth.A[:, others], truth.C[others])
    found = {}
    for engine in ("builtin", "caiman"):
        components = model.replace(attributes={"engine": engine})
        edit = Reestimator(MovieWindow(movie)).add(components, pixels)
        found[engine] = correlation(edit.C, truth.C[cell]), edit.snr
    # CaImAn's own traces hold what its background misses, so those of an edit do too.
    assert found["builtin"][0] > 0.97 > found["caiman"][0]
    assert found["builtin"][1] > 1.3 * found["caiman"][1]
    clean = Reestimator(MovieWindow(truth.movie()))
    without = clean.add(model, pixels)
    allowed = clean.add(model.replace(attributes={"engine": "builtin"}), pixels)
    assert allowed.snr == pytest.approx(without.snr, rel=0.1), "where there is none it costs little"


def test_surroundings_lie_around_an_edit_in_its_own_planes() -> None:
    dims = (3, 20, 20)
    pixels = np.ravel_multi_index(([1, 1], [10, 10], [10, 11]), dims)
    around = np.stack(np.unravel_index(surroundings(pixels, dims, 4.0), dims))
    assert set(around[0]) == {1}
    distance = np.hypot(around[1] - 10, np.clip(around[2] - np.clip(around[2], 10, 11), -9, 9))
    assert distance.min() > 1.5
    assert distance.max() <= 4
    corner = surroundings(np.array([0]), (20, 20), 4.0)
    assert corner.size > 5, "at the border of the field too"
