"""The verdict: what may never happen, what its evidence measures, and that its constants matter."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.parts import RunHere
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.core.verdict.cell_model import shipped_model
from napari_cnmf.core.verdict.evaluate import evaluate_result, needed_gb
from napari_cnmf.core.verdict.events import EventImages, Windows
from napari_cnmf.core.verdict.evidence import FIGURES, GROUPS, measure_evidence
from napari_cnmf.core.verdict.rvalues import sum_frames
from napari_cnmf.errors import ParameterError
from napari_cnmf.io.caiman import read_caiman, write_caiman
from napari_cnmf.model import rows
from napari_cnmf.model.components import Components
from napari_cnmf.model.evaluation import passes_thresholds
from napari_cnmf.params import CNMFParams

PRESETS = ("two-photon somata", "one-photon", "volumetric")
DIMS, RATE, DECAY, RADIUS = (72, 76), 20.0, 0.5, 5.0


def disc(y: float, x: float, radius: float = RADIUS, stretch: float = 1.0) -> NDArray[np.float64]:
    yy, xx = np.mgrid[: DIMS[0], : DIMS[1]]
    return 1 / (1 + np.exp(np.clip(2 * (np.hypot((yy - y) * stretch, xx - x) - radius), -40, 40)))


def traces(rng: np.random.Generator, n: int, n_frames: int, events: int) -> NDArray[np.float64]:
    """Decays after events, peak 1."""
    spikes = np.zeros((n, n_frames))
    for k in range(n):
        spikes[k, rng.permutation(n_frames - 40)[:events] + 20] = rng.uniform(0.6, 1, events) ** (
            events / 9
        )
    out = np.zeros_like(spikes)
    for t in range(1, n_frames):
        out[:, t] = out[:, t - 1] * np.exp(-1 / (DECAY * RATE)) + spikes[:, t]
    return out


def drawn(
    images: list[NDArray[np.float64]],
    *,
    height: float = 2.0,
    n_frames: int = 500,
    level: float = 0.0,
    events: int = 9,
    trace_noise: float = 0.15,
) -> tuple[NDArray[np.float32], Components]:
    """A movie with noise of 1 and a perfect fit of it; ``level`` is light at rest."""
    rng = np.random.default_rng(4)
    A = np.array(images).reshape(len(images), -1)
    C = height * traces(rng, len(images), n_frames, events)
    movie = 100 + C.T @ A + level * A.sum(0) + rng.standard_normal((n_frames, A.shape[1]))
    footprints = np.where(A > 0.05, A, 0)
    raw = C + trace_noise * rng.standard_normal(C.shape)
    correlation = np.array([footprints.max(0)]).reshape(DIMS) * 0.6
    components = Components(
        A=sp.csc_matrix(footprints.T.astype(np.float32)), C=C.astype(np.float32),
        YrA=(raw - C).astype(np.float32), dims=DIMS, sn=np.ones(A.shape[1], np.float32),
        images={
            "mean": movie.mean(0).reshape(DIMS).astype(np.float32),
            "correlation": correlation.astype(np.float32),
        },
        frame_rate_hz=RATE, params=CNMFParams().to_dict(),
    )  # fmt: skip
    return movie.reshape(-1, *DIMS).astype(np.float32), components


def params_of(preset: str | None = "two-photon somata") -> CNMFParams:
    base = CNMFParams() if preset is None else CNMFParams.preset(preset)
    return base.replace(init={"gSig": (5, 5)}, data={"decay_time": DECAY})


def field_of_cells() -> list[NDArray[np.float64]]:
    places = [(y, x) for y in (12, 36, 60) for x in (12, 30, 48, 66)]
    return [disc(y + (x % 5) - 2, x, RADIUS * (0.9 + 0.02 * (x % 10))) for y, x in places]


def figures_of_a_clear_soma() -> NDArray[np.float32]:
    figures = shipped_model().typical.copy()
    known = {
        "snr": math.log(8), "r": 0.95, "trace_peak": 3.5, "explained": 0.9, "event_strength": 6.0,
        "event_match": 0.95, "event_shape": 0.97, "n_events": 2.5, "event_step": 3.0,
        "inside_stronger": 0.0, "same_place": 0.0, "same_trace": 0.0, "outside": 0.0,
        "one_photon": 0.0, "volume": 0.0,
    }  # fmt: skip
    for name, value in known.items():
        figures[FIGURES.index(name)] = value
    return figures


def probability(figures: NDArray[np.float32]) -> float:
    return float(shipped_model().probabilities(figures[None])[0, 0])


@pytest.mark.parametrize("preset", PRESETS)
def test_nothing_without_activity_is_accepted_whatever_its_score(preset: str) -> None:
    """A component below min_SNR and rval_thr is never accepted on the classifier alone."""
    _, components = drawn([disc(30, 30)])
    quality = CNMFParams.preset(preset).quality
    below = components.replace(
        snr=np.array([quality.min_SNR]), r_values=np.array([quality.rval_thr - 0.01]),
        cnn_preds=np.array([0.9999]),
    )  # fmt: skip
    assert not passes_thresholds(below, quality).any()


def test_a_perfect_outline_without_activity_is_no_cell() -> None:
    """Whatever the thresholds: outlines of cells over light that never changes."""
    movie, components = drawn(field_of_cells(), height=0.04)
    scored = evaluate_result(ArraySource(movie), components, params_of(None), frame_rate_hz=RATE)
    assert scored.accepted is not None
    assert not scored.accepted.any(), scored.cnn_preds


NOT_AGAINST = {
    "dark at rest": {"rest_contrast": -1.0, "rest_over_noise": -1.0, "rest_match": -0.3},
    "no images": {n: np.nan for g in ("rest", "correlation image") for n in GROUPS[g]},
    "cut in half": {"outside": 0.4, "eccentricity": 0.85, "area": -0.5, "event_area": -0.6},
    "few events": {"n_events": math.log1p(2), "largest_share": 0.7},
    "smaller than others": {"width": -0.25, "area": -0.4, "event_width": -0.4, "event_area": -0.5},
    "pixels of 3 to a cell": {"cell_px": math.log(3.0)},
    "pixels of 2 to a cell": {"cell_px": math.log(1.8)},
    "twice as long as wide": {"eccentricity": 0.87, "event_eccentricity": 0.85},
    "told twice too large": {"told_width": -0.69},
    "no movie": dict.fromkeys(GROUPS["picture of its events"], np.nan),
}


@pytest.mark.parametrize("what", NOT_AGAINST)
def test_a_strong_clear_soma_is_never_vetoed(what: str) -> None:
    """SNR above 5 and r above .9, whatever else is missing or unusual."""
    figures = figures_of_a_clear_soma()
    for name, value in NOT_AGAINST[what].items():
        figures[FIGURES.index(name)] = value
    assert probability(figures) > 0.5


MORE = (
    "snr", "r", "trace_peak", "event_strength", "event_match", "event_shape", "event_step",
    "n_events",
)  # fmt: skip
LESS = (
    "inside_stronger", "same_place", "same_trace", "event_dark", "event_edge", "roughness",
    "below_rest",
)  # fmt: skip


@pytest.mark.parametrize(("name", "step"), [*((n, 1) for n in MORE), *((n, -1) for n in LESS)])
def test_more_evidence_never_speaks_against_a_cell(name: str, step: int) -> None:
    """Of two of the same shape the stronger one is at least as likely a cell."""
    rng = np.random.default_rng(1)
    model = shipped_model()
    some = model.typical + 2 * rng.standard_normal((50, len(FIGURES))).astype(np.float32)
    before = model.probabilities(some)[:, 0]
    for size in (0.1, 1.0, 10.0):
        more = some.copy()
        more[:, FIGURES.index(name)] += step * size
        assert (model.probabilities(more)[:, 0] - before).min() > -1e-9


@pytest.mark.parametrize("level", [-1.0, 0.0, 4.0])
def test_cells_are_accepted_dark_or_bright_at_rest(level: float) -> None:
    movie, components = drawn(field_of_cells(), level=level)
    scored = evaluate_result(ArraySource(movie), components, params_of(), frame_rate_hz=RATE)
    assert scored.accepted is not None
    assert scored.accepted.sum() >= 11, scored.cnn_preds


@pytest.mark.parametrize("border", [0, 9])
def test_cut_cells_are_judged_by_what_is_seen(border: int) -> None:
    """By the image's edge, and by a border that takes no part."""
    images = [*field_of_cells(), disc(border - 1, 21), disc(48, border)]
    usable = np.zeros(DIMS)
    usable[border:, border:] = 1
    movie, components = drawn([image * usable for image in images])
    components = components.replace(sn=usable.ravel().astype(np.float32))
    scored = evaluate_result(ArraySource(movie), components, params_of(), frame_rate_hz=RATE)
    assert scored.accepted is not None
    assert scored.accepted[-2:].all(), scored.cnn_preds


def test_processes_and_puncta_are_named_and_rejected() -> None:
    tube = disc(23, 40, 24, stretch=16)
    punctum = disc(48, 20, 1.2)
    movie, components = drawn([*field_of_cells(), tube, punctum])
    scored = evaluate_result(ArraySource(movie), components, params_of(), frame_rate_hz=RATE)
    assert scored.accepted is not None
    assert scored.classes is not None
    assert not scored.accepted[-2:].any(), scored.cnn_preds
    assert scored.classes[-2:].tolist() == ["process", "punctum"]


@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_caimans_rule_on_the_file_gives_the_accepted_set(
    preset: str | None, tmp_path: Path
) -> None:
    """As its ``select_components_from_metrics`` decides, with the parameters that are written."""
    tube = disc(23, 40, 24, stretch=16)
    movie, components = drawn([*field_of_cells(), tube], height=0.6)
    params = params_of(preset).replace(quality={"gSig_range": (4, 5)})
    scored = evaluate_result(ArraySource(movie), components, params, frame_rate_hz=RATE)
    with h5py.File(write_caiman(scored, tmp_path / "result.hdf5")) as file:
        quality, found = file["params/quality"], file["estimates"]
        q = {name: quality[name][()] for name in quality}
        r, snr, p = (found[name][()] for name in ("r_values", "SNR_comp", "cnn_preds"))
        assert bool(q["use_cnn"])
        assert q["gSig_range"] in (b"NoneType", None)
        good = (r >= q["rval_thr"]) | (snr > q["min_SNR"]) | (p >= q["min_cnn_thr"])
        bad = (r <= q["rval_lowest"]) | (snr <= q["SNR_lowest"]) | (p <= q["cnn_lowest"])
        assert np.flatnonzero(good & ~bad).tolist() == found["idx_components"][()].tolist()


def white(rng: np.random.Generator) -> NDArray[np.float64]:
    return 100 + 10 * rng.standard_normal((400, *DIMS))


def neuropil(rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth patterns that come and go, and nothing else."""
    from scipy.ndimage import gaussian_filter

    patterns = np.stack([gaussian_filter(rng.standard_normal(DIMS), 9) for _ in range(5)])
    patterns /= patterns.std()
    courses = traces(rng, 5, 400, 12)
    return white(rng) + 10 * np.einsum("nt,nyx->tyx", courses, patterns)


def shaken(rng: np.random.Generator) -> NDArray[np.float64]:
    """Bright specks that never change, and what motion leaves of them."""
    from scipy.ndimage import gaussian_filter

    still = gaussian_filter((rng.random(DIMS) < 0.01).astype(float), 2)
    slopes = np.stack(np.gradient(still * 60 / still.max()))
    return white(rng) + np.einsum("ta,ayx->tyx", rng.normal(0, 0.5, (400, 2)), slopes)


@pytest.mark.parametrize("make", [white, neuropil, shaken])
@pytest.mark.parametrize("preset", [None, "two-photon somata"])
def test_movies_without_cells_have_none(
    make: Callable[[np.random.Generator], NDArray[np.float64]], preset: str | None
) -> None:
    movie = make(np.random.default_rng(3)).astype(np.float32)
    found = run_cnmf(
        ArraySource(movie), params_of(preset), frame_rate_hz=RATE, n_threads=1,
        on_warning=lambda sentence: None,
    ).components  # fmt: skip
    assert found.accepted is not None
    assert found.accepted.sum() <= 1, found.cnn_preds


def measured() -> NDArray[np.float32]:
    """The evidence of cells round and long, a tube, a punctum, half a cell, and twins."""
    cells = [disc(12, 12 + 17 * i, RADIUS, 1 + 0.25 * i) for i in range(4)]
    cells += [disc(36 + i % 2, 12 + 15 * i, RADIUS * (1 - 0.08 * i), 3) for i in range(4)]
    others = [disc(55, 40, 24, 16), disc(60, 12, 1.2), disc(0, 66), disc(13, 14), disc(45, 13)]
    images = [*cells, *others]
    movie, components = drawn(images, n_frames=400, events=70, trace_noise=1.0)
    busy = components.C.copy()
    busy[0] = 12 * (np.arange(400) % 5 == 0)
    components = components.replace(
        C=busy, snr=np.linspace(1, 8, len(images)), r_values=np.linspace(0.2, 0.9, len(images))
    )
    with Workers(1, lambda: None) as workers:
        windows = Windows.around(components.A, DIMS, (5.0, 5.0))
        events = EventImages(components.A, components.C, windows, RATE, DECAY * RATE, workers)
        sum_frames(ArraySource(movie), events.wanted, RunHere(1))
    return measure_evidence(
        components, windows, *events.images(components.sn), (5.0, 5.0), DECAY * RATE
    )[0]


@pytest.fixture(scope="module")
def before() -> NDArray[np.float32]:
    return measured()


CONSTANTS = [
    ("events", "REACH_GSIG"), ("events", "_EVENT_DECAYS"), ("events", "_LEAD_S"),
    ("evidence", "_NEAR"), ("evidence", "_AROUND"), ("evidence", "_HALF"), ("evidence", "_DISC"),
    ("evidence", "_COUNTED"), ("evidence", "_ALIGNED"), ("evidence", "_TALL"),
    ("shape", "_ROUND"), ("rvalues", "N_PEAKS"),
]  # fmt: skip


EXPECTED = {
    "width": -0.49, "event_match": 0.77, "event_around": 0.15, "rest_contrast": 3.49,
    "outside": 0.02, "event_area": -1.12, "n_events": 1.38, "largest_share": 0.2, "event_dark": 0.3,
}  # fmt: skip


def test_evidence_is_what_it_was(before: NDArray[np.float32]) -> None:
    """Means over the components: whoever changes what is measured trains the model again."""
    table = before
    found = {n: round(float(np.nanmean(table[:, FIGURES.index(n)])), 2) for n in EXPECTED}
    assert found == pytest.approx(EXPECTED, abs=0.02)


@pytest.mark.parametrize(
    ("module", "name", "factor"),
    [
        (module, name, factor)
        for module, name in CONSTANTS
        for factor in (0.5, 2)
        # an eccentricity above 1 is none: what it may bind is told by halving it
        if (name, factor) != ("_ROUND", 2)
    ],
)
def test_halving_or_doubling_a_constant_is_noticed(
    before: NDArray[np.float32],
    module: str,
    name: str,
    factor: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = importlib.import_module(f"napari_cnmf.core.verdict.{module}")
    value = getattr(where, name)
    monkeypatch.setattr(where, name, type(value)(value * factor))
    after = measured()
    assert before.shape != after.shape or not np.allclose(before, after, atol=1e-4, equal_nan=True)


def test_traces_that_stay_in_their_file_are_scored_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie, components = drawn([*field_of_cells(), disc(31, 34)])
    params = params_of()
    in_memory = evaluate_result(ArraySource(movie), components, params, frame_rate_hz=RATE)
    path = write_caiman(components, tmp_path / "result.hdf5")
    monkeypatch.setattr(rows, "LARGE_BYTES", 1)
    stored = read_caiman(path)
    assert isinstance(stored.C, rows.TraceRows)
    # whoever makes an array of all traces at once takes the memory that the file saves
    monkeypatch.setattr(rows.TraceRows, "__array__", None)
    for n_threads in (1, 2):
        scored = evaluate_result(
            ArraySource(movie), stored, params, frame_rate_hz=RATE, n_threads=n_threads
        )
        for name in ("snr", "r_values", "ecc", "cnn_preds", "accepted", "classes"):
            np.testing.assert_array_equal(getattr(scored, name), getattr(in_memory, name))


def test_a_budget_that_does_not_hold_the_scores_is_refused_with_the_least_that_would() -> None:
    movie, components = drawn(field_of_cells())
    source = ArraySource(movie)
    with pytest.raises(ParameterError, match="memory_gb must be at least") as error:
        evaluate_result(source, components, params_of(), frame_rate_hz=RATE, memory_gb=0.05)
    least = float(str(error.value).split("at least ")[1].split()[0])
    scored = evaluate_result(source, components, params_of(), frame_rate_hz=RATE, memory_gb=least)
    assert scored.snr is not None
    few = components.take([0])
    assert needed_gb(few, params_of()) < needed_gb(components, params_of())
