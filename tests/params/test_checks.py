"""Parameters against a movie: refused, warned about, or fine."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.errors import FrameRateUnknownError, ParameterError
from napari_cnmf.params import (
    CNMFParams,
    InvalidParametersError,
    check_for_movie,
    propose_K,
    resolve_frame_rate,
)

PLANE = (300, 48, 64)
VOLUME = (200, 6, 32, 40)


def _params(*settings: str) -> CNMFParams:
    return CNMFParams().with_settings(settings)


def _problems(params, shape, rate=None, **kwargs) -> dict[str, str]:
    with pytest.raises(InvalidParametersError) as caught:
        check_for_movie(params, shape, rate, **kwargs)
    return caught.value.problems


def test_defaults_fit_a_plane():
    for algorithm in (None, "cnmf", "cnmfe", "mcorr", "evaluate"):
        assert check_for_movie(CNMFParams(), PLANE, 10.0, algorithm=algorithm) == []


def test_the_volumetric_preset_fits_a_volume():
    params = CNMFParams.preset("volumetric")
    for algorithm in (None, "cnmf", "mcorr", "evaluate"):
        assert check_for_movie(params, VOLUME, 10.0, algorithm=algorithm) == []


@pytest.mark.parametrize(
    ("settings", "shape", "name", "words"),
    [
        (["gSig=40,40"], PLANE, "init.gSig", "inside the field of (48, 64) px, got (40, 40)"),
        (["gSig=5,32"], PLANE, "init.gSig", "got (5, 32)"),
        (["gSig=2,4,4"], PLANE, "init.gSig", "(y, x) for a plane of (48, 64) px, got (2, 4, 4)"),
        (["gSig=4,4"], VOLUME, "init.gSig", "(z, y, x) for a volume"),
        ([], VOLUME, "init.gSig", "for example init.gSig=2,5,5"),
        (["gSig=7,4,4"], VOLUME, "init.gSig", "6 planes"),
        (["gSiz=51,51"], PLANE, "init.gSiz", "smaller than the field"),
        (["border_pix=24"], PLANE, "patch.border_pix", "leave part of the field"),
        (["rf=10", "stride=20"], PLANE, "patch.stride", "2 rf = 20 px, got 20"),
        (["rf=5,10,10", "gSig=4,4,4"], PLANE, "patch.rf", "(y, x) for a plane"),
        (["max_shifts=24,6"], PLANE, "motion.max_shifts", "half the field"),
        (["max_shifts=2,6,6"], PLANE, "motion.max_shifts", "(y, x) for a plane"),
        (["gSig_filt=30,30"], PLANE, "motion.gSig_filt", "inside the field"),
        (["strides=80,80", "pw_rigid=true"], PLANE, "motion.strides", "smaller than the field"),
        (["overlaps=50,50", "pw_rigid=true", "strides=20,20"], PLANE, "motion.overlaps", "third"),
        (["is3D=true"], PLANE, "motion.is3D", "must be false for a plane"),
    ],
)
def test_what_cannot_work_is_refused(settings, shape, name, words):
    problems = _problems(_params(*settings), shape)
    assert words in problems[name], problems


def test_motion_of_a_volume_needs_its_own_sizes():
    params = _params("gSig=2,5,5")
    assert check_for_movie(params, VOLUME, algorithm="cnmf") == []
    problems = _problems(params, VOLUME, algorithm="mcorr")
    assert set(problems) == {"motion.max_shifts"}
    piecewise = _params("max_shifts=1,4,4", "pw_rigid=true")
    assert set(_problems(piecewise, VOLUME, algorithm="mcorr")) == {
        "motion.strides",
        "motion.overlaps",
    }


def test_only_what_the_algorithm_uses_is_checked():
    params = _params("max_shifts=40,40", "gSig=40,40")
    assert check_for_movie(params, PLANE, algorithm="evaluate") == []
    assert set(_problems(params, PLANE, algorithm="cnmf")) == {"init.gSig"}
    assert set(_problems(params, PLANE, algorithm="mcorr")) == {"motion.max_shifts"}
    assert set(_problems(params, PLANE)) == {"init.gSig", "motion.max_shifts"}


def test_defaults_of_motion_do_not_refuse_a_small_field():
    assert check_for_movie(_params("gSig=2,2"), (100, 10, 10)) == []


def test_time():
    assert "longer recording" in _problems(CNMFParams(), (3, 48, 64), 10.0)["data.decay_time"]
    assert "at least 2 frames, got 1" in _problems(CNMFParams(), (1, 48, 64))["data"]
    (warning,) = check_for_movie(CNMFParams(), (30, 48, 64), 10.0)
    assert "lasts 3 s" in warning
    assert any(
        "contradict each other" in text for text in check_for_movie(_params("p=1"), PLANE, 2)
    )
    assert any("p = 1 suits better" in text for text in check_for_movie(CNMFParams(), PLANE, 3))


@pytest.mark.parametrize(("decay_s", "rate"), [(0.4, 1), (0.1, 5), (400, 30), (700, 15)])
def test_decay_and_rate_that_contradict_each_other_are_said(decay_s, rate):
    params = CNMFParams().replace(data={"decay_time": decay_s}, preprocess={"p": 1})
    shape = (int(100_000 * rate), 48, 64)
    assert any("data.decay_time" in text for text in check_for_movie(params, shape, rate))
    usual = CNMFParams().replace(data={"decay_time": 0.7}, p=1)
    assert check_for_movie(usual, shape, 15) == []


@pytest.mark.parametrize(
    ("gSig", "shape", "said"),
    [
        ((40, 40), (100, 128, 128), True),
        ((5, 40), (100, 128, 128), True),
        ((30, 30), (100, 128, 128), False),
        ((2, 20, 20), (100, 8, 64, 64), True),
        ((2, 5, 5), (100, 8, 64, 64), False),
    ],
)
def test_a_cell_as_large_as_the_field_is_said(gSig, shape, said):
    params = CNMFParams().replace(init={"gSig": gSig})
    notes = check_for_movie(params, shape, algorithm="cnmf")
    assert any("quarter" in note for note in notes) == said


def test_patches_that_cut_cells_or_are_the_field_are_warned_about():
    assert "cut cells" in check_for_movie(_params("rf=10"), PLANE)[0]
    assert "a single one" in check_for_movie(_params("rf=40"), PLANE)[0]
    rigid_again = check_for_movie(_params("pw_rigid=true", "strides=40,40"), PLANE)
    assert "will be rigid" in rigid_again[0]


@pytest.mark.parametrize("shape", [(), (48, 64), (3, 4, 5, 6, 7), (0, 48, 64)])
def test_a_movie_has_three_or_four_axes(shape):
    with pytest.raises(ParameterError, match=r"\(T, Y, X\)"):
        check_for_movie(CNMFParams(), shape)


def test_frame_rate_explicit_then_metadata_then_asked_for():
    assert resolve_frame_rate(_params("fr=20"), 30.0) == 20.0
    assert resolve_frame_rate(CNMFParams(), 30.0) == 30.0
    with pytest.raises(FrameRateUnknownError, match=r"--set data\.fr=") as caught:
        resolve_frame_rate(CNMFParams(), None)
    assert "data.fr" in str(caught.value)
    with pytest.raises(FrameRateUnknownError, match="must be > 0 Hz, got 0"):
        resolve_frame_rate(CNMFParams(), 0)


def test_proposed_k_grows_with_the_area_and_shrinks_with_the_cell():
    assert propose_K((128, 128), (5, 5)) == pytest.approx(0.35 * 128**2 / (3.14159 * 25), abs=1)
    assert propose_K((256, 128), (5, 5)) == pytest.approx(2 * propose_K((128, 128), (5, 5)), abs=1)
    assert propose_K((128, 128), (10, 10)) < propose_K((128, 128), (5, 5))
    assert propose_K((512, 512), (5, 5), 20) == propose_K((40, 40), (5, 5))
    assert propose_K((512, 512), (5, 5), (20, 40)) == propose_K((40, 80), (5, 5))
    assert propose_K((30, 512, 512), (2, 5, 5), 20) > propose_K((512, 512), (5, 5), 20)
    assert propose_K((4, 4), (5, 5)) == 1


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("quality", "min_SNR", True), ("data", "fr", np.True_), ("init", "K", False),
        ("init", "gSig", (True, 4)), ("temporal", "p", True), ("motion", "max_shifts", [6, False]),
    ],
)  # fmt: skip
def test_a_truth_value_is_no_number(group, key, value):
    with pytest.raises(ParameterError, match=rf"{group}\.{key} must be a number, got .*(true|fal)"):
        CNMFParams().replace(**{group: {key: value}})


def test_switches_take_truth_values_and_the_numbers_that_files_keep_for_them():
    params = CNMFParams().replace(quality={"use_ecc": True, "use_cnn": 0})
    assert (params.quality.use_ecc, params.quality.use_cnn) == (True, False)
