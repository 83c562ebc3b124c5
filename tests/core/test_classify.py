"""The rule on drawn footprints: what is one cell, a piece of one, a process, a punctum."""

from __future__ import annotations

import numpy as np

from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.rank_one import active_energy
from napari_cnmf.core.verdict.classify import ONE_PHOTON_RULE, Rule, classify
from napari_cnmf.core.verdict.contrast import find_dark, rest_contrast
from napari_cnmf.core.verdict.shape import measure_shapes, typical_width

SIZE = 120
G_SIG = 5.0


def disc(y: float, x: float, radius: float, stretch: float = 1.0) -> np.ndarray:
    yy, xx = np.mgrid[:SIZE, :SIZE]
    return (np.hypot((yy - y) * stretch, xx - x) <= radius).astype(np.float32)


def judged(
    drawn: list[np.ndarray],
    traces: np.ndarray | None = None,
    rule: Rule | None = None,
    n_plain: int = 5,
    likely: np.ndarray | None = None,
):
    """Class and reasons of each; the first is the strongest. Five plain cells set the size."""
    cells = [disc(15, 15 + 20 * i, 5) for i in range(n_plain)]
    foot = np.stack(drawn + cells)[:, None]
    n = len(foot)
    rng = np.random.default_rng(0)
    C = rng.standard_normal((n, 300)).astype(np.float32)
    for k in range(n):
        C[k, rng.permutation(300)[:15]] += 30 - k
    if traces is not None:
        C[: len(traces)] = traces
    factors = Factors(np.zeros((n, 3), np.int64), foot, C)
    shapes = measure_shapes(factors, Field((1, SIZE, SIZE), (0.0, G_SIG, G_SIG)))
    rule = rule or Rule()
    with Workers(1) as workers:
        energy = active_energy(factors, workers)
    width = typical_width(shapes, energy, rule.eccentricity)
    classes = classify(factors, shapes, energy, width, G_SIG, rule, likely=likely)
    return classes.names[: len(drawn)].tolist(), classes.reasons[: len(drawn)]


def test_a_cell_found_twice_is_one_soma() -> None:
    names, reasons = judged([disc(60, 60, 5), disc(61, 60, 5)])
    assert names == ["soma", "fragment"]
    assert reasons[1] == ("on the same pixels as component 0",)


def test_a_small_one_is_a_soma_if_the_classifier_takes_it_for_one() -> None:
    small, smaller = disc(60, 60, 3), disc(60, 90, 2)
    assert judged([small, smaller])[0] == ["process", "process"]
    names, reasons = judged([small, smaller], likely=np.ones(7, np.bool_))
    assert names == ["soma", "process"]
    assert reasons[1] == ("narrower than a cell",)


def test_cells_that_overlap_stay_two() -> None:
    names, _ = judged([disc(60, 60, 5), disc(60, 66, 5)])
    assert names == ["soma", "soma"]


def test_a_small_piece_in_the_middle_is_a_fragment_and_one_beside_it_a_cell() -> None:
    names, reasons = judged([disc(60, 60, 7), disc(62, 60, 4)])
    assert names == ["soma", "fragment"]
    assert reasons[1] == ("small and in the middle of component 0",)
    names, _ = judged([disc(60, 60, 7), disc(70, 60, 4)])
    assert names == ["soma", "soma"]


def test_puncta_and_processes_are_no_somata() -> None:
    names, reasons = judged([disc(60, 60, 1.6), disc(90, 60, 12, stretch=6)])
    assert names == ["process", "process"]
    assert "narrower than a cell" in reasons[0]
    assert "elongated" in reasons[1]


def test_a_cell_cut_by_the_border_is_a_soma_and_a_process_at_the_border_is_not() -> None:
    names, reasons = judged([disc(SIZE - 1, 60, 6), disc(60, SIZE - 1, 14, stretch=1 / 6)])
    assert names[0] == "soma"
    assert names[1] == "process"
    assert "elongated" in reasons[1]


def test_cells_out_of_focus_are_wide_and_only_one_photon_light_shows_them() -> None:
    wide, ragged = disc(60, 60, 9), disc(60, 60, 8)
    ragged[52:59, 58:63] = 0  # a notch: less solid than a cell in focus
    for drawn in (wide, ragged):
        assert judged([drawn])[0] == ["soma"]
        names, reasons = judged([drawn], rule=ONE_PHOTON_RULE)
        assert names == ["process"]
        assert reasons[0] == ("as wide as a cell out of focus",)
    large = disc(60, 60, 6.5)
    assert judged([large], rule=ONE_PHOTON_RULE)[0] == ["soma"]
    # Without cells enough to know their size nothing is wide.
    assert judged([wide], rule=ONE_PHOTON_RULE, n_plain=2)[0] == ["soma"]


def test_a_weak_one_must_be_brighter_at_rest_than_what_is_around_it() -> None:
    bright, dim, strong, crowded = (
        disc(30, 30, 5),
        disc(30, 80, 5),
        disc(80, 30, 5),
        disc(80, 80, 5),
    )
    neighbour = disc(80, 92, 6)  # its light is not what lies around
    drawn = [bright, dim, strong, crowded, neighbour]
    foot = np.stack(drawn)[:, None]
    factors = Factors(np.zeros((5, 3), np.int64), foot, np.zeros((5, 10), np.float32))
    mean = 100 + 20 * bright - 5 * dim - 5 * strong + 10 * crowded + 400 * neighbour
    snr = np.array([1.5, 1.5, 5.0, 1.5, 5.0])
    with Workers(2) as workers:
        contrast = rest_contrast(factors, mean[None], workers)
        dark = find_dark(factors, mean[None], snr, workers)
    np.testing.assert_allclose(contrast, [0.2, -0.05, -0.05, 0.1, 4.0], atol=1e-6)
    assert dark.tolist() == [False, True, False, False, False]
    shapes = measure_shapes(factors, Field((1, SIZE, SIZE), (0.0, G_SIG, G_SIG)))
    classes = classify(factors, shapes, np.zeros(5), None, G_SIG, dark=dark)
    assert classes.names[:3].tolist() == ["soma", "process", "soma"]
    assert classes.reasons[1] == ("weak, and no brighter at rest than what is around it",)


def test_nothing_is_said_of_one_that_others_cover() -> None:
    foot = np.stack([disc(30, 30, 5), disc(30, 30, 5)])[:, None]
    factors = Factors(np.zeros((2, 3), np.int64), foot, np.zeros((2, 10), np.float32))
    with Workers(1) as workers:
        assert np.isnan(rest_contrast(factors, np.ones((1, SIZE, SIZE)), workers)).all()


def test_contrast_is_that_of_the_pixels_in_the_field() -> None:
    inside, cut = disc(30, 30, 5), disc(0, 60, 5)
    foot = np.zeros((2, 1, SIZE + 20, SIZE), np.float32)
    foot[:, 0, 20:] = inside, cut
    corner = np.full((2, 3), [0, -20, 0])
    factors = Factors(corner, foot, np.zeros((2, 10), np.float32))
    mean = 100 + 30 * inside + 10 * cut
    mean[-1, -1] = np.nan
    mean[60, 60] = np.nan
    with Workers(2) as workers:
        contrast = rest_contrast(factors, mean[None], workers)
    np.testing.assert_allclose(contrast, [0.3, 0.1], atol=1e-6)
