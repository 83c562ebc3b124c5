"""Presets: known names, values that are not the defaults, a reason for each."""

from __future__ import annotations

import pytest

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import PRESETS, CNMFParams, check_for_movie


def test_the_four_kinds_of_recording():
    assert list(PRESETS) == ["two-photon somata", "one-photon", "dendrites/axons", "volumetric"]


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_changes_what_it_says_and_nothing_else(name):
    preset, params = PRESETS[name], CNMFParams.preset(name)
    assert preset.name == name
    changed = {key: new for key, (new, _) in params.diff(CNMFParams()).items()}
    assert changed == {item.name: item.value for item in preset.values}
    assert all(item.why.endswith(".") for item in preset.values)


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_fits_a_usual_recording(name):
    shape = (1000, 10, 256, 256) if name == "volumetric" else (1000, 256, 256)
    for algorithm in ("cnmf", "mcorr", "evaluate"):
        assert check_for_movie(CNMFParams.preset(name), shape, 10.0, algorithm=algorithm) == []


def test_p_is_the_same_before_and_after():
    for name in PRESETS:
        params = CNMFParams.preset(name)
        assert params.preprocess.p == params.temporal.p


def test_without_patches_caiman_must_not_stop_after_the_initialisation():
    for name in PRESETS:
        params = CNMFParams.preset(name)
        assert params.patch.rf is not None or not params.patch.only_init


def test_an_unknown_preset_gets_the_closest_and_the_list():
    with pytest.raises(ParameterError, match="Did you mean one-photon") as caught:
        CNMFParams.preset("onephoton")
    assert "volumetric" in str(caught.value)


def test_a_preset_is_listed_with_its_values_and_reasons():
    text = str(PRESETS["volumetric"])
    assert text.startswith("volumetric: ")
    assert "init.gSig = (2, 5, 5)" in text
    assert all(item.why in text for item in PRESETS["volumetric"].values)
