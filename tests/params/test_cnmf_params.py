"""``CNMFParams`` as a value: replaced, compared, hashed, shown."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, InitParams, QualityParams


def test_replace_merges_keys_and_leaves_the_original_alone():
    first = CNMFParams().replace(init={"gSig": (4, 4)})
    second = first.replace(init={"K": 7}, random_seed=3)
    assert (second.init.gSig, second.init.K, second.random_seed) == ((4, 4), 7, 3)
    assert (first.init.K, first.random_seed) == (None, 0)


def test_replace_takes_a_group_as_a_whole():
    params = CNMFParams().replace(init=InitParams(gSig=(3, 3)), quality=QualityParams(min_SNR=4))
    assert params == CNMFParams().replace(init={"gSig": (3, 3)}, quality={"min_SNR": 4})


def test_extra_is_merged_and_a_key_of_caiman_may_stand_in_its_group():
    params = CNMFParams().replace(init={"SC_nnn": 5}).replace(extra={"init": {"SC_thr": 0.5}})
    assert params.extra == {"init": {"SC_nnn": 5, "SC_thr": 0.5}}
    assert params.replace(init={"SC_nnn": 20}).extra == {"init": {"SC_thr": 0.5}}, "20 is CaImAn's"


def test_values_cannot_be_changed_in_place():
    params = CNMFParams()
    with pytest.raises(ParameterError, match="never changed in place"):
        params.init.gSig = (9, 9)
    with pytest.raises(ParameterError, match="never changed in place"):
        params.random_seed = 9


def test_what_was_given_can_change_without_changing_the_parameters():
    given = {"online": {"epochs": 3}}
    params = CNMFParams(extra=given)
    given["online"]["epochs"] = 99
    params.to_dict()["extra"]["online"]["epochs"] = 99
    assert params.extra == {"online": {"epochs": 3}}


@pytest.mark.parametrize("array", [np.array([4, 6]), [np.int64(4), np.int32(6)], (4.0, 6.0)])
def test_numpy_values_are_plain_afterwards(array):
    params = CNMFParams().replace(
        init={"gSig": array, "K": np.int64(3)}, data={"fr": np.float32(10)}
    )
    assert params.init.gSig == (4, 6)
    assert all(type(value) is int for value in params.init.gSig)
    assert json.loads(json.dumps(params.to_dict()))["init"]["K"] == 3


def test_one_number_stands_for_both_axes():
    assert CNMFParams().replace(init={"gSig": 4}).init.gSig == (4, 4)
    assert CNMFParams().replace(patch={"rf": 4}).patch.rf == 4


@pytest.mark.parametrize(
    ("setting", "group", "key", "value"),
    [
        ("init.gSig=5,6", "init", "gSig", (5, 6)),
        ("gSig = (5, 6)", "init", "gSig", (5, 6)),
        ("gSig=[5, 6]", "init", "gSig", (5, 6)),
        ("K=none", "init", "K", None),
        ("K=None", "init", "K", None),
        ("K=12", "init", "K", 12),
        ("data.fr=30", "data", "fr", 30.0),
        ("use_cnn=false", "quality", "use_cnn", False),
        ("method_init=corr_pnr", "init", "method_init", "corr_pnr"),
        ("method_init='corr_pnr'", "init", "method_init", "corr_pnr"),
        ("border_nan=min", "motion", "border_nan", "min"),
        ("border_nan=true", "motion", "border_nan", True),
        ("patch.rf=20,30", "patch", "rf", (20, 30)),
        ("max_shifts=2,6,6", "motion", "max_shifts", (2, 6, 6)),
        ("noise_range=0.3,0.5", "temporal", "noise_range", (0.3, 0.5)),
    ],
)
def test_settings_as_typed_on_a_command_line(setting, group, key, value):
    params = CNMFParams().replace(init={"K": 3}).with_settings([setting])
    assert getattr(getattr(params, group), key) == value


def test_a_flat_key_sets_every_modelled_group_that_has_it():
    params = CNMFParams().with_settings(["p=1", "lags=8", "noise_method=median"])
    assert (params.preprocess.p, params.temporal.p) == (1, 1)
    assert (params.preprocess.lags, params.temporal.lags) == (8, 8)
    assert params.preprocess.noise_method == params.temporal.noise_method == "median"
    assert CNMFParams().with_settings(["min_SNR=4"]).extra == {}, "online is not modelled"


def test_settings_reach_extra_and_the_seed():
    params = CNMFParams().with_settings(["SC_nnn=3", "online.epochs=2", "random_seed=5"])
    assert params.extra == {"init": {"SC_nnn": 3}, "online": {"epochs": 2}}
    assert params.random_seed == 5
    assert CNMFParams().with_settings(["extra.init.new=1"]).extra == {"init": {"new": 1}}


@pytest.mark.parametrize("setting", ["gSig", "=5", " = 5", ""])
def test_a_setting_without_name_or_value_says_how(setting):
    with pytest.raises(ParameterError, match="NAME=VALUE"):
        CNMFParams().with_settings([setting])


def test_set_takes_a_name_and_a_value():
    params = CNMFParams().set("init.gSig", (4, 4)).set("p", 1).set("random_seed", 9)
    assert params == CNMFParams().replace(
        init={"gSig": (4, 4)}, preprocess={"p": 1}, temporal={"p": 1}, random_seed=9
    )


def test_repr_shows_what_differs_and_reads_back():
    assert repr(CNMFParams()) == "CNMFParams()"
    params = CNMFParams().replace(init={"gSig": (4, 4)}, extra={"online": {"epochs": 3}})
    assert repr(params) == (
        "CNMFParams(init=InitParams(gSig=(4, 4)), extra={'online': {'epochs': 3}})"
    )
    assert CNMFParams(init=InitParams(gSig=(4, 4)), extra={"online": {"epochs": 3}}) == params


def test_diff_names_what_differs():
    params = CNMFParams().replace(init={"gSig": (4, 4), "SC_nnn": 3}, random_seed=1)
    assert params.diff(CNMFParams()) == {
        "init.gSig": ((4, 4), (5, 5)),
        "init.SC_nnn": (3, None),
        "random_seed": (1, 0),
    }
    assert CNMFParams().diff(params)["init.SC_nnn"] == (None, 3)
    assert params.diff(params) == {}


def test_hash_is_the_sha256_of_sorted_compact_json():
    params = CNMFParams().replace(init={"gSig": (4, 4)}, extra={"motion": {"ü": "µ"}})
    text = json.dumps(params.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert params.hash() == hashlib.sha256(text.encode("utf-8")).hexdigest()


def test_hash_is_the_same_in_another_process():
    code = "from napari_cnmf.params import CNMFParams as P; print(P.preset('one-photon').hash())"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == CNMFParams.preset("one-photon").hash()


def test_hash_depends_on_values_alone():
    assert CNMFParams().hash() == CNMFParams.from_dict(CNMFParams().to_dict()).hash()
    ints = CNMFParams().replace(quality={"rval_lowest": -1, "min_SNR": 3}, data={"fr": 30})
    floats = CNMFParams().replace(quality={"rval_lowest": -1.0, "min_SNR": 3.0}, data={"fr": 30.0})
    assert ints.hash() == floats.hash() != CNMFParams().hash()
    zero = CNMFParams().replace(quality={"rval_lowest": 0.0})
    assert zero == CNMFParams().replace(quality={"rval_lowest": -0.0})
    assert zero.hash() == CNMFParams().replace(quality={"rval_lowest": -0.0}).hash()


def test_parameters_travel_to_other_processes():
    params = CNMFParams.preset("volumetric").replace(online={"epochs": 3})
    assert pickle.loads(pickle.dumps(params)) == params  # noqa: S301 - our own bytes


def test_axes_are_known_from_any_size_that_was_set():
    assert CNMFParams().n_axes is None
    assert CNMFParams().replace(init={"gSig": (4, 4)}).n_axes == 2
    assert CNMFParams().replace(motion={"max_shifts": (1, 4, 4)}).n_axes == 3
    assert CNMFParams().replace(patch={"rf": 20}).n_axes is None


def test_completers_are_offered_what_a_user_may_want():
    """IPython asks the value and its class: neither names what pydantic brings along."""
    params = CNMFParams()
    for value in (params, type(params), params.init, type(params.init)):
        names = {name for name in dir(value) if not name.startswith("_")}
        assert not {name for name in names if name.startswith(("model_", "parse_", "schema"))}
        assert not names & {"json", "dict", "copy", "construct", "validate", "from_orm"}
    assert {"init", "replace", "preset", "diff"} <= set(dir(params)) & set(dir(CNMFParams))
    assert {"gSig", "K"} <= set(dir(params.init))


def test_a_difference_to_a_table():
    params = CNMFParams().replace(init={"gSig": (3, 3)})
    assert params.diff({"gSig": (4, 4)}) == {"init.gSig": ((3, 3), (4, 4))}
    with pytest.raises(ParameterError, match="table of names and values"):
        params.diff(5)
