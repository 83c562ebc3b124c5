"""What is wrong is said with requirement, value and next step, for all parameters at once."""

from __future__ import annotations

import pickle

import pytest

from napari_cnmf.errors import CnmfError, ParameterError
from napari_cnmf.params import (
    CNMFParams,
    DroppedParametersWarning,
    InitParams,
    InvalidParametersError,
)


def _problems(**groups) -> dict[str, str]:
    with pytest.raises(InvalidParametersError) as caught:
        CNMFParams().replace(**groups)
    assert isinstance(caught.value, ParameterError)
    assert isinstance(caught.value, CnmfError)
    assert str(caught.value) == "\n".join(dict.fromkeys(caught.value.problems.values()))
    return caught.value.problems


def test_requirement_value_and_next_step():
    assert _problems(init={"K": 0}) == {
        "init.K": "init.K must be >= 1, got 0. How many to look for in each patch, or in the "
        "field without patches. Write none to have it found."
    }
    assert _problems(quality={"rval_thr": 3}) == {
        "quality.rval_thr": "quality.rval_thr must be <= 1, got 3. A component whose footprint "
        "correlates so with the movie at its transients is accepted. The default is 0.8."
    }


def test_everything_that_is_wrong_is_said_at_once():
    problems = _problems(init={"K": 0, "gSigg": 3}, data={"fr": -1}, intt={}, random_seed=-1)
    assert set(problems) == {"init.K", "init.gSigg", "data.fr", "intt", "random_seed"}


@pytest.mark.parametrize(
    ("group", "key", "value", "words"),
    [
        ("init", "gSig", (0, 4), "init.gSig[0] must be >= 1, got 0"),
        ("init", "gSig", (4, 4, 4, 4), "2 numbers (y, x) or 3 (z, y, x), got (4, 4, 4, 4)"),
        ("init", "gSig", (4,), "2 numbers (y, x) or 3 (z, y, x), got (4)"),
        ("init", "gSig", (4.5, 4), "init.gSig[0] must be a whole number, got 4.5"),
        ("init", "gSig", None, "got none"),
        ("init", "K", "many", "must be a whole number, got 'many'"),
        ("init", "method_init", "greedy", "'greedy_roi', 'corr_pnr'"),
        ("data", "fr", 0, "data.fr must be > 0, got 0"),
        ("data", "fr", float("inf"), "finite number"),
        ("data", "fr", "fast", "must be a number, got 'fast'"),
        ("data", "decay_time", 0, "must be > 0, got 0"),
        ("motion", "border_nan", "cop", "true or false or be 'copy' or 'min', got 'cop'"),
        ("motion", "pw_rigid", "perhaps", "must be true or false, got 'perhaps'"),
        ("motion", "strides", (0, 10), "motion.strides[0] must be >= 1"),
        ("patch", "rf", (0, 3), "patch.rf[0] must be >= 1, got 0"),
        ("patch", "rf", 0, "patch.rf must be >= 1, got 0"),
        ("preprocess", "p", 3, "must be <= 2, got 3"),
        ("preprocess", "noise_range", (0.25, 0.75), "noise_range[1] must be <= 0.5, got 0.75"),
        ("preprocess", "noise_range", (0.4, 0.3), "from low to high"),
        ("merging", "merge_thr", 80, "must be <= 1, got 80"),
    ],
)
def test_bounds(group, key, value, words):
    (sentence,) = _problems(**{group: {key: value}}).values()
    assert words in sentence


@pytest.mark.parametrize(
    ("groups", "guess"),
    [
        ({"init": {"gsig": (3, 3)}}, "Did you mean init.gSig?"),
        ({"quality": {"min_snr": 3}}, "Did you mean quality.min_SNR?"),
        ({"merging": {"merge_tresh": 0.8}}, "Did you mean merging.merge_thr?"),
        ({"qualiti": {"min_SNR": 3}}, "Did you mean quality?"),
        ({"quality": {"snr": 3}}, "Did you mean quality.min_SNR?"),
        ({"quality": {"p_soma": 0.5}}, "Did you mean quality.min_cnn_thr?"),
        ({"init": {"min_SNR": 3}}, "Did you mean quality.min_SNR?"),
        ({"quality": {"decay_time": 1}}, "Did you mean data.decay_time?"),
        ({"motion": {"noise_range": (0.3, 0.4)}}, "preprocess.noise_range or temporal.noise_range"),
        ({"extra": {"onlin": {"epochs": 3}}}, "Did you mean online?"),
    ],
)
def test_an_unknown_name_gets_the_closest_known_one(groups, guess):
    (sentence,) = _problems(**groups).values()
    assert guess in sentence


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("gSg=3", "gSig"),
        ("init.gSg=3", "init.gSig"),
        ("int.gSig=3", "init.gSig"),
        ("minsnr=3", "min_SNR"),
        ("snr=3", r"min_SNR\?"),
        ("SNR=3", r"min_SNR\?"),
        ("r_value=0.8", r"rval_thr\?"),
        ("p_soma=0.5", r"min_cnn_thr\?"),
        ("pixel_size_um=1", r"dxy\?"),
        ("n_components=9", r"K\?"),
        ("frame_rate_hz=15", r"fr\?"),
        ("temporal.snr=3", r"quality\.min_SNR\?"),
    ],
)
def test_an_unknown_setting_gets_the_closest_known_one(name, guess):
    with pytest.raises(ParameterError, match=f"Did you mean {guess}"):
        CNMFParams().with_settings([name])


def test_a_group_on_its_own_says_the_same():
    with pytest.raises(InvalidParametersError) as caught:
        InitParams(K=0)
    assert caught.value.problems == _problems(init={"K": 0})


def test_sizes_for_planes_and_volumes_are_not_mixed():
    problems = _problems(motion={"max_shifts": (2, 4, 4), "strides": (30, 30)})
    assert set(problems) == {"motion.max_shifts", "motion.strides"}
    assert "motion.max_shifts = (2, 4, 4)" in problems["motion.strides"]


@pytest.mark.parametrize("motion", [{}, {"max_shifts": (7, 7)}])
def test_a_volume_may_keep_what_does_not_matter_for_it(motion):
    """Defaults, and sizes of another method: each item is checked against its movie."""
    params = CNMFParams().replace(init={"gSig": (2, 4, 4)}, motion=motion)
    assert params.init.gSig == (2, 4, 4)


def test_what_the_engine_sets_cannot_be_set():
    values = {"data": {"fnames": "a.tif"}, "patch": {"n_processes": 4}, "spatial": {"nb": 2}}
    with pytest.raises(InvalidParametersError) as caught:
        CNMFParams.from_dict(values)
    assert "it is the item's movie" in caught.value.problems["data.fnames"]
    assert "option of the item's run" in caught.value.problems["patch.n_processes"]
    assert "init.nb" in caught.value.problems["spatial.nb"]


@pytest.mark.parametrize("change", [CNMFParams().replace, lambda **v: CNMFParams.from_any(v)])
def test_what_comes_along_in_the_parameters_of_others_is_left_out_and_said(change):
    values = {"data": {"fnames": "a.tif", "fr": 30}, "n_processes": 4, "spatial": {"nb": 2}}
    with pytest.warns(DroppedParametersWarning, match=r"data\.fnames is left out") as caught:
        params = change(**values)
    assert params == CNMFParams().replace(data={"fr": 30})
    said = str(caught[0].message)
    assert "patch.n_processes is left out: it is an option of the item's run." in said
    assert "spatial.nb is left out: it follows from init.nb." in said
    assert caught[0].filename == __file__


def test_extra_holds_no_modelled_parameter():
    problems = _problems(extra={"init": {"gSig": (3, 3)}})
    assert "Set it in init" in problems["init.gSig"]


@pytest.mark.parametrize("extra", [3, [1], {"online": 3}, {"online": [1]}])
def test_extra_is_a_table_of_tables(extra):
    with pytest.raises(ParameterError, match="must be"):
        CNMFParams(extra=extra)


@pytest.mark.parametrize("value", [float("nan"), object(), 1 + 2j, {"a": {"b": print}}])
def test_only_plain_values_are_taken(value):
    with pytest.raises(ParameterError):
        CNMFParams(extra={"online": {"key": value}})


@pytest.mark.parametrize("values", [3, None, [("init", {})]])
def test_parameters_are_a_table(values):
    with pytest.raises(ParameterError, match="must be a table"):
        CNMFParams.from_dict(values)
    with pytest.raises(ParameterError, match="must be a table"):
        CNMFParams.from_any(values)


def test_values_nested_too_deeply_are_refused():
    value: list = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(ParameterError, match="too deeply"):
        CNMFParams(extra={"online": {"key": value}})


def test_a_group_is_a_table():
    assert "must be a table" in _problems(init=5)["init"]
    with pytest.raises(ParameterError, match="init must be a table"):
        CNMFParams.from_any({"init": 5})


def test_an_error_survives_the_way_to_another_process():
    with pytest.raises(InvalidParametersError) as caught:
        InitParams(K=0)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert again.problems == caught.value.problems
