"""One vocabulary with CaImAn: each of its keys has a place here, and its defaults are ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_cnmf.params import GROUPS, CNMFParams, iter_fields
from napari_cnmf.params._plain import to_plain
from napari_cnmf.params.caiman_keys import CAIMAN_GROUPS, OUR_OWN, PASSED_ON, SET_BY_ENGINE

CAIMAN = json.loads(
    (Path(__file__).parents[1] / "data" / "params-1.12.1.json").read_text(encoding="utf-8")
)
"""What CaImAn 1.12.1 itself gives as its parameters."""

OURS = {
    ("data", "fr"): (None, 30),
    ("init", "K"): (None, 30),
    ("init", "gSiz"): (None, [11, 11]),
    ("init", "ssub"): (None, 2),
    ("init", "tsub"): (None, 2),
    ("quality", "cnn_lowest"): (None, 0.1),
    ("quality", "use_cnn"): (None, True),
    ("temporal", "fudge_factor"): (None, 0.96),
}
"""The stated exceptions: our default and CaImAn's."""

LEFT_TO_CAIMAN = set(OURS) - {("data", "fr"), ("init", "gSiz")}
"""What is not sent where nothing is asked for, so that CaImAn's own default holds."""


def _names(tables) -> set[tuple[str, str]]:
    return {(group, key) for group, keys in tables.items() for key in keys}


MODELLED = {(group, key) for group, model in GROUPS.items() for key in model.model_fields} - OUR_OWN


def test_each_of_the_189_keys_has_exactly_one_place():
    places = [MODELLED, _names(PASSED_ON), _names(SET_BY_ENGINE)]
    keys = _names(CAIMAN)
    assert len(keys) == 189
    assert set.union(*places) == keys
    assert sum(len(place) for place in places) == 189
    assert set(CAIMAN) == CAIMAN_GROUPS


def test_what_a_user_tunes_is_modelled():
    counts = [len(MODELLED), len(_names(PASSED_ON)), len(_names(SET_BY_ENGINE))]
    assert counts[0] >= 90, counts


def test_our_defaults_are_caimans_but_for_the_stated_exceptions():
    ours = CNMFParams().to_dict()
    for group, key in sorted(MODELLED):
        expected = CAIMAN[group][key]
        if (group, key) in OURS:
            default, expected_there = OURS[group, key]
            assert (ours[group][key], expected) == (default, expected_there)
        else:
            assert ours[group][key] == expected, f"{group}.{key}"
            assert isinstance(ours[group][key], bool) == isinstance(expected, bool)


def test_defaults_of_keys_that_are_passed_on_are_caimans():
    for group, defaults in PASSED_ON.items():
        for key, value in defaults.items():
            assert value == CAIMAN[group][key], f"{group}.{key}"


def test_a_dump_of_caimans_defaults_reads_as_its_few_differences_from_ours():
    read = CNMFParams.from_any(CAIMAN)
    assert read.diff(CNMFParams()) == {
        "data.fr": (30.0, None),
        "init.K": (30, None),
        "init.ssub": (2, None),
        "init.tsub": (2, None),
        "quality.cnn_lowest": (0.1, None),
        "quality.use_cnn": (True, None),
        "temporal.fudge_factor": (0.96, None),
    }


def test_what_we_send_for_the_defaults_are_caimans_defaults():
    sent = to_plain(CNMFParams().to_caiman(frame_rate_hz=30))
    for group, keys in sent.items():
        for key, value in keys.items():
            assert value == CAIMAN[group][key], f"{group}.{key}"
    missing = {(g, k) for g, k in MODELLED if k not in sent[g]}
    assert missing == LEFT_TO_CAIMAN
    asked = {"init": {"ssub": 3, "tsub": 4}, "temporal": {"fudge_factor": 0.9}}
    sent = CNMFParams().replace(**asked).to_caiman()
    assert {g: {k: sent[g][k] for k in keys} for g, keys in asked.items()} == asked


def test_what_caiman_sends_back_is_what_was_sent():
    params = CNMFParams.preset("one-photon").replace(
        init={"gSig": (4, 3), "SC_nnn": 7}, online={"epochs": 2}
    )
    again = CNMFParams.from_any(to_plain(params.to_caiman(frame_rate_hz=20)))
    assert again == params.replace(data={"fr": 20}, init={"gSiz": (9, 7), "nb": 0})


def test_gsiz_is_written_out_odd_and_along_each_axis():
    sent = CNMFParams().replace(init={"gSig": (2, 5, 4)}).to_caiman()
    assert sent["init"]["gSiz"] == (5, 11, 9)
    kept = CNMFParams().replace(init={"gSiz": (13, 13)}).to_caiman()
    assert kept["init"]["gSiz"] == (13, 13)


def test_caiman_never_hears_of_our_own_keys():
    sent = CNMFParams().replace(init={"plane_by_plane": True}).to_caiman()
    assert OUR_OWN
    assert all(key not in sent[group] for group, key in OUR_OWN)


def test_an_unknown_frame_rate_is_absent_rather_than_none():
    assert "fr" not in CNMFParams().to_caiman()["data"]
    assert CNMFParams().replace(data={"fr": 7}).to_caiman()["data"]["fr"] == 7


def test_caiman_gets_a_k_from_the_field_or_none_where_seeds_decide():
    proposed = CNMFParams().to_caiman(dims=(128, 128))["init"]["K"]
    assert proposed > 30
    per_patch = CNMFParams().replace(patch={"rf": 16}).to_caiman(dims=(128, 128))["init"]["K"]
    assert per_patch == pytest.approx(proposed / 16, abs=1)
    one_photon = CNMFParams.preset("one-photon").to_caiman(dims=(128, 128))
    assert one_photon["init"]["K"] is None
    assert CNMFParams().replace(init={"K": 5}).to_caiman(dims=(128, 128))["init"]["K"] == 5


def test_a_rank_that_nobody_chose_is_a_ring_in_caiman():
    preset = CNMFParams.preset("one-photon")
    assert preset.to_caiman()["init"]["nb"] == 0
    assert preset.replace(init={"nb": 2}).to_caiman()["init"]["nb"] == 2
    assert CNMFParams().to_caiman()["init"]["nb"] == 1


def test_an_rf_for_each_axis_gets_the_overlap_caiman_cannot_compute():
    sent = CNMFParams().replace(patch={"rf": (20, 30)}).to_caiman()
    assert sent["patch"]["stride"] == (4, 6)
    scalar = CNMFParams().replace(patch={"rf": 20}).to_caiman()
    assert scalar["patch"]["stride"] is None


def test_extra_is_sent_along():
    params = CNMFParams().replace(extra={"online": {"epochs": 3}, "init": {"new_in_1_13": [1, 2]}})
    sent = params.to_caiman()
    assert sent["online"] == {"epochs": 3}
    assert sent["init"]["new_in_1_13"] == [1, 2]


def test_each_parameter_says_what_it_does():
    for described in iter_fields():
        assert described.title[0].isupper() or described.title[0].isdigit(), described.name
        assert described.description.endswith("."), described.name
        assert len(described.description) > 20, described.name
        assert all(why.endswith(".") for why in described.ignored_by.values()), described.name
