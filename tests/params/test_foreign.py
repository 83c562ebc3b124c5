"""Parameters as CaImAn, Mesmerize and mesmerize-core write them."""

from __future__ import annotations

import pytest

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, DroppedParametersWarning, parse_kwargs, read_foreign


def test_a_flat_dictionary_of_a_caiman_script():
    params = CNMFParams.from_any(
        {
            "fr": 30,
            "decay_time": 0.4,
            "dxy": (2.0, 2.0),
            "strides": (48, 48),
            "pw_rigid": True,
            "p": 1,
            "nb": 2,
            "rf": 15,
            "K": 4,
            "gSig": [4, 4],
            "stride": 10,
            "method_init": "greedy_roi",
            "rolling_sum": True,
            "merge_thr": 0.85,
            "min_SNR": 2.0,
            "use_cnn": True,
        }
    )
    assert params == CNMFParams().replace(
        data={"fr": 30, "dxy": (2, 2)},
        motion={"strides": (48, 48), "pw_rigid": True},
        preprocess={"p": 1},
        temporal={"p": 1},
        init={"nb": 2, "K": 4, "gSig": (4, 4)},
        patch={"rf": 15, "stride": 10},
        merging={"merge_thr": 0.85},
        quality={"min_SNR": 2, "use_cnn": True},
    )


MESMERIZE = {
    "cnmf_kwargs": {
        "p": 1,
        "gnb": 1,
        "merge_thresh": 0.25,
        "rf": 70,
        "stride": 40,
        "k": 16,
        "gSig": 8,
        "gSiz": (33, 33),
        "border_pix": 3,
        "min_corr": 0.8,
        "min_pnr": 10,
        "ring_size_factor": 1.4,
        "method_init": "corr_pnr",
        "ssub": 1,
        "tsub": 2,
    },
    "eval_kwargs": {
        "min_SNR": 2.5,
        "rval_thr": 0.8,
        "min_cnn_thr": 0.8,
        "cnn_lowest": 0.1,
        "use_cnn": False,
        "decay_time": 20,
        "fr": 5,
    },
}
EXPECTED = CNMFParams().replace(
    preprocess={"p": 1},
    temporal={"p": 1},
    init={
        "nb": 1,
        "K": 16,
        "gSig": (8, 8),
        "gSiz": (33, 33),
        "min_corr": 0.8,
        "min_pnr": 10,
        "ring_size_factor": 1.4,
        "method_init": "corr_pnr",
        "ssub": 1,
        "tsub": 2,
    },
    patch={"rf": 70, "stride": 40, "border_pix": 3},
    merging={"merge_thr": 0.25},
    quality={
        "min_SNR": 2.5,
        "rval_thr": 0.8,
        "min_cnn_thr": 0.8,
        "cnn_lowest": 0.1,
        "use_cnn": False,
    },
    data={"decay_time": 20, "fr": 5},
)


def test_mesmerize_whole_or_in_parts():
    assert CNMFParams.from_any(MESMERIZE) == EXPECTED
    assert CNMFParams.from_any(MESMERIZE["cnmf_kwargs"] | MESMERIZE["eval_kwargs"]) == EXPECTED
    assert CNMFParams.from_any({"cnmf_kwargs": MESMERIZE["cnmf_kwargs"]}).quality.min_SNR == 2.5
    assert CNMFParams.from_any(MESMERIZE["eval_kwargs"]).data.fr == 5


def test_a_mesmerize_item_says_more_than_parameters():
    foreign = read_foreign({"item_name": "a", "refit": True, "use_memmap": False, **MESMERIZE})
    assert foreign.refit is True
    assert set(foreign.dropped) == {"item_name", "use_memmap"}
    assert CNMFParams.from_dict(foreign.groups) == EXPECTED


def test_motion_kwargs():
    values = {
        "max_shifts": (32, 32),
        "niter_rig": 2,
        "max_deviation_rigid": 3,
        "strides": (196, 196),
        "overlaps": (98, 98),
        "upsample_factor_grid": 4,
        "gSig_filt": (10, 10),
    }
    expected = CNMFParams().replace(motion=values)
    assert CNMFParams.from_any(values) == CNMFParams.from_any({"mc_kwargs": values}) == expected


def test_mesmerize_core_items():
    main = {"fr": 30, "p": 1, "nb": 2, "merge_thr": 0.85, "rf": 15, "K": 4, "gSig": [4, 4]}
    foreign = read_foreign({"main": main, "refit": True})
    assert foreign.refit is True
    assert CNMFParams.from_dict(foreign.groups) == CNMFParams.from_any(main)
    nested = {"main": {"init": {"K": 4}, "patch": {"rf": 15}}, "refit": False}
    with pytest.warns(DroppedParametersWarning, match="refit=False beside"):
        assert CNMFParams.from_any(nested).init.K == 4
    assert CNMFParams.from_any({"main": None}) == CNMFParams()


def test_nested_and_flat_may_be_mixed():
    params = CNMFParams.from_any({"init": {"K": 4}, "gSig": 3, "quality.min_SNR": 3})
    assert params == CNMFParams().replace(init={"K": 4, "gSig": (3, 3)}, quality={"min_SNR": 3})


def test_a_key_with_the_name_of_a_group():
    assert CNMFParams.from_any({"ring_CNN": True}).extra == {"online": {"ring_CNN": True}}
    params = CNMFParams.from_any({"ring_CNN": {"width": 7}})
    assert params.extra == {"ring_CNN": {"width": 7}}


def test_what_is_not_modelled_goes_through_extra():
    params = CNMFParams.from_any({"online": {"epochs": 2, "min_SNR": 1}, "SC_nnn": 5})
    assert params.extra == {"online": {"epochs": 2, "min_SNR": 1}, "init": {"SC_nnn": 5}}


def test_paths_and_processes_of_others_are_dropped():
    foreign = read_foreign({"fnames": "a.tif", "patch": {"n_processes": 8, "rf": 20}})
    assert set(foreign.dropped) == {"data.fnames", "patch.n_processes"}
    assert foreign.groups == {"patch": {"rf": 20}}


def test_unknown_names_are_all_named():
    with pytest.raises(ParameterError) as caught:
        CNMFParams.from_any({"gsig": 3, "merge_tresh": 0.8, "init": {"K": 3}})
    assert "Did you mean gSig?" in str(caught.value)
    assert "'merge_tresh'" in str(caught.value)


def test_a_key_of_a_newer_caiman_is_kept_when_caiman_wrote_it():
    dump = {"data": {"caiman_version": "1.14"}, "init": {"brand_new": 1, "K": 4}}
    params = CNMFParams.from_any(dump)
    assert params == CNMFParams().replace(init={"K": 4}, extra={"init": {"brand_new": 1}})
    with pytest.raises(ParameterError, match="brand_new"):
        CNMFParams.from_any({"init": {"brand_new": 1}})


@pytest.mark.parametrize("values", [{"init": 3}, {"cnmf_kwargs": 3}, {"extra": [1]}])
def test_a_table_is_asked_for_by_name(values):
    with pytest.raises(ParameterError, match=f"{next(iter(values))} must be a table"):
        CNMFParams.from_any(values)


SEVERAL_VOCABULARIES = [
    {"init": {"gSig": (4, 6), "K": 9}, "merging": {"merge_thr": 0.7}},
    {"gSig": (4, 6), "K": 9, "merge_thr": 0.7},
    {"init.gSig": "4,6", "init.K": "9", "merging.merge_thr": "0,7"},
    {"gSig": [4, 6], "k": 9, "merge_thresh": 0.7},
    {"main": {"gSig": (4, 6), "K": 9, "merge_thr": 0.7}},
    {"main": {"init": {"gSig": (4, 6), "K": 9}, "merging": {"merge_thr": 0.7}}},
    {"cnmf_kwargs": "gSig=(4, 6), k=9, merge_thresh=0.7"},
    {"cnmf_kwargs": "'gSig': (4, 6), 'K': 9, 'merge_thresh': 0.7", "eval_kwargs": ""},
    {"cnmf_kwargs": {"gSig": (4, 6), "k": 9}, "merge_thresh": 0.7, "eval_kwargs": None},
    {"init": "{'gSig': (4, 6), 'k': 9}", "merging.merge_thresh": 0.7},
]


@pytest.mark.parametrize("values", SEVERAL_VOCABULARIES)
def test_one_vocabulary_at_every_door(values, tmp_path, capsys):
    import json

    from napari_cnmf.batch.adding import parse_params
    from napari_cnmf.batch.grid import expand_grid
    from napari_cnmf.cli import main

    expected = CNMFParams().replace(init={"gSig": (4, 6), "K": 9}, merging={"merge_thr": 0.7})
    assert CNMFParams.from_any(values) == expected
    assert CNMFParams().replace(**values) == expected
    assert parse_params({**values, "refit": True}) == (expected, True)
    changed = CNMFParams()
    for name, value in values.items():
        changed = changed.set(name, value)
    assert changed == expected
    assert CNMFParams().with_settings([f"{name}={v}" for name, v in values.items()]) == expected
    (variant,) = expand_grid(CNMFParams(), {name: [value] for name, value in values.items()})
    assert variant[1] == expected
    path = tmp_path / "params.json"
    path.write_text(json.dumps(values))
    assert main(["params", "--params", str(path), "--json"]) == 0
    assert CNMFParams.from_any(json.loads(capsys.readouterr().out)) == expected


@pytest.mark.parametrize(
    "settings",
    [
        ["gSig=4,6", "K=9", "merge_thr=0.7"],
        ["init.gSig=4,6", "k=9", "merge_thresh=0,7"],
        ["init.gSig=(4, 6)", "init.k=9", "init.K=9", "merging.merge_thresh=0.7"],
    ],
)
def test_old_names_on_a_command_line(settings):
    expected = CNMFParams().replace(init={"gSig": (4, 6), "K": 9}, merging={"merge_thr": 0.7})
    assert CNMFParams().with_settings(settings) == expected


def test_the_parameters_of_mesmerizes_motion_correction():
    values = {
        "max_shifts_x": 10, "max_shifts_y": 12, "iters_rigid": 2, "name_rigid": "any",
        "max_dev": 4, "strides": 196, "overlaps": 98, "upsample": 5, "name_elas": "any",
        "output_bit_depth": "Do not convert",
    }  # fmt: skip
    with pytest.warns(DroppedParametersWarning, match="name_elas"):
        params = CNMFParams.from_any(values)
    assert params == CNMFParams().replace(
        motion={
            "max_shifts": (12, 10), "niter_rig": 2, "max_deviation_rigid": 4,
            "strides": (196, 196), "overlaps": (98, 98), "upsample_factor_grid": 5,
        }
    )  # fmt: skip
    assert CNMFParams().with_settings(["max_shifts_y=3", "max_shifts_x=4"]).motion.max_shifts == (
        3,
        4,
    )


def test_one_axis_of_a_size_leaves_the_others():
    plane = CNMFParams().replace(motion={"max_shifts": (5, 7)})
    assert plane.set("max_shifts_x", 3).motion.max_shifts == (5, 3)
    assert plane.replace(motion={"max_shifts_y": 4}).motion.max_shifts == (4, 7)
    assert CNMFParams.from_any("strides_y=50").motion.strides == (50, 96)
    volume = CNMFParams().replace(motion={"max_shifts": (2, 5, 7)})
    assert volume.replace(max_shifts_y=9, max_shifts_x=8).motion.max_shifts == (2, 9, 8)
    with pytest.raises(ParameterError, match="Did you mean max_shifts_x"):
        CNMFParams().set("max_shift_x", 3)


def test_old_names_of_scripts():
    params = CNMFParams.from_any(parse_kwargs("stride_cnmf=20, rf=40, cnn_thr=0.8"))
    assert (params.patch.stride, params.patch.rf, params.quality.min_cnn_thr) == (20, 40, 0.8)


def test_the_names_that_a_preset_can_have_are_known_to_editors():
    from typing import get_args

    from napari_cnmf._names import PresetName
    from napari_cnmf.params import PRESETS

    assert get_args(PresetName) == tuple(PRESETS)


def test_tab_completion_shows_what_a_user_may_want():
    names = [name for name in dir(CNMFParams().init) if not name.startswith("_")]
    assert {"gSig", "K"} <= set(names)
    assert not any(
        "model" in name or name in ("json", "dict", "copy", "construct") for name in names
    )
    assert {"replace", "init", "with_settings"} <= set(dir(CNMFParams()))


def test_a_notebook_shows_what_differs():
    html = CNMFParams().replace(init={"K": 7}, extra={"online": {"epochs": 3}})._repr_html_()
    assert "init.K" in html
    assert "online.epochs" in html
    assert "gSig" not in html
    assert "defaults" in CNMFParams()._repr_html_()
