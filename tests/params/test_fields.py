"""What form, help and documentation are derived from."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_cnmf.params import GROUPS, CNMFParams, iter_fields, unused_parameters
from napari_cnmf.params.__main__ import main
from napari_cnmf.params.page import render_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "parameters.md"
FIELDS = {field.name: field for field in iter_fields()}


def test_each_parameter_once():
    expected = {f"{group}.{key}" for group, model in GROUPS.items() for key in model.model_fields}
    assert set(FIELDS) == expected | {"random_seed"}
    assert len(list(iter_fields())) == len(FIELDS)


@pytest.mark.parametrize(
    ("name", "bounds", "excludes", "allowed"),
    [
        ("data.fr", (0, None), (True, False), "> 0"),
        ("init.gSig", (1, None), (False, False), ">= 1"),
        ("init.K", (1, None), (False, False), ">= 1"),
        ("patch.rf", (1, None), (False, False), ">= 1"),
        ("quality.rval_thr", (-1, 1), (False, False), "-1 to 1"),
        ("spatial.maxthr", (0, 1), (False, True), ">= 0, < 1"),
        ("preprocess.noise_range", (0, 0.5), (False, False), "0 to 0.5"),
        ("temporal.s_min", (None, None), (False, False), ""),
        ("random_seed", (0, 2**32 - 1), (False, False), "0 to 4294967295"),
    ],
)
def test_bounds(name, bounds, excludes, allowed):
    field = FIELDS[name]
    assert (field.bounds, field.excludes, field.allowed) == (bounds, excludes, allowed)


def test_bounds_are_the_ones_that_are_enforced():
    for field in FIELDS.values():
        low, high = field.bounds
        for value in (None if low is None else low - 1, None if high is None else high + 1):
            if value is not None and field.group:
                with pytest.raises(Exception, match=field.key):
                    GROUPS[field.group](**{field.key: value})


def test_choices():
    assert FIELDS["spatial.method_exp"].choices == ("dilate", "ellipse")
    assert FIELDS["motion.border_nan"].choices == (True, False, "copy", "min")
    assert FIELDS["motion.pw_rigid"].choices == ()
    for field in FIELDS.values():
        for choice in field.choices:
            assert getattr(GROUPS[field.group](**{field.key: choice}), field.key) == choice


def test_optional_means_that_none_is_taken():
    for field in FIELDS.values():
        if field.group and field.optional:
            assert getattr(GROUPS[field.group](**{field.key: None}), field.key) is None
    optional = {name for name, field in FIELDS.items() if field.default is None}
    assert optional <= {name for name, field in FIELDS.items() if field.optional}
    assert {"init.K", "init.gSiz", "data.fr", "quality.use_cnn"} <= optional


def test_label_and_help():
    assert FIELDS["init.gSig"].label == "Cell radius (px)"
    assert FIELDS["init.K"].label == "Components"
    assert "Ignored by the built-in engine: " in FIELDS["init.nIter"].help


def test_unused_parameters_are_those_that_were_set():
    params = CNMFParams.from_any({"nIter": 1, "gSig": (4, 4), "SC_nnn": 3})
    assert set(unused_parameters(params, "builtin")) == {"init.nIter", "init.SC_nnn"}
    assert unused_parameters(params, "caiman") == {}
    assert unused_parameters(CNMFParams(), "builtin") == {}


@pytest.mark.parametrize(
    "setting",
    [
        "ssub=3", "tsub=3", "bas_nonneg=true", "fudge_factor=0.9", "stride=9", "rf=20", "p=1",
        "nb=2", "K=5", "border_pix=2", "s_min=1", "merge_thr=0.9", "gSig=4,5", "min_SNR=3",
        "rval_thr=0.7", "use_cnn=true", "min_cnn_thr=0.8", "cnn_lowest=0.2",
    ],
)  # fmt: skip
def test_what_the_built_in_engine_honours(setting):
    unused = unused_parameters(CNMFParams().with_settings([setting]), "builtin")
    assert set(unused) <= {"preprocess.p"}


def test_the_page_in_the_docs_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render_page(), (
        "run: python -m napari_cnmf.params docs/reference/parameters.md"
    )


def test_the_page_tells_about_every_parameter(tmp_path, capsys):
    path = tmp_path / "page.md"
    assert main([str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    for field in FIELDS.values():
        assert f"| `{field.key}`<br>{field.label}" in text
        assert field.description in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = {line.replace("\\|", "").count("|") for line in rows}
    assert cells == {3, 4, 5}, "tables of two, three and four columns"
    assert main([]) == 0
    assert capsys.readouterr().out == text
