"""What is written in any format reads back as the same value."""

from __future__ import annotations

import json
import os
import re
import tomllib
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cnmf.errors import ExportError, ParameterError
from napari_cnmf.params import (
    PRESETS,
    CNMFParams,
    ParameterField,
    from_json,
    from_toml,
    iter_fields,
    read_params,
    to_json,
    to_toml,
    write_params,
)
from napari_cnmf.params.caiman_keys import OUR_OWN, PASSED_ON
from napari_cnmf.params.groups import SIZES_PER_AXIS

settings.register_profile("params", max_examples=50, deadline=None)
settings.load_profile("params")

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
BANDS = st.tuples(st.floats(0, 0.2), st.floats(0.21, 0.5))


def _number(field: ParameterField, kind: type) -> st.SearchStrategy:
    (low, high), (above, below) = field.bounds, field.excludes
    if kind is int:
        return st.integers(int(low or 0), int(high) if high is not None else 10**6)
    return st.floats(
        low, high, exclude_min=above, exclude_max=below, allow_nan=False, allow_infinity=False
    )


def _values(field: ParameterField, n_axes: int) -> st.SearchStrategy:
    """Any allowed value of a parameter, sizes for so many axes."""
    if field.choices:
        values = st.sampled_from(field.choices)
    elif field.key == "noise_range":
        values = BANDS
    elif field.key == "sigma_smooth_snmf":
        values = st.tuples(*[_number(field, float)] * 3)
    elif field.key in SIZES_PER_AXIS or field.key in ("gSig_filt", "gSig_range"):
        inner = float if field.key == "dxy" else int
        values = st.tuples(*[_number(field, inner)] * n_axes)
    elif field.annotation is bool or bool in get_args(field.annotation):
        values = st.booleans()
    elif str in get_args(field.annotation):
        values = WORDS
    elif field.annotation is int or int in get_args(field.annotation):
        values = _number(field, int)
    else:
        values = _number(field, float)
    return st.none() | values if field.optional else values


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def nested_values(draw) -> dict:
    """Nested values with a few parameters set, and some that only CaImAn has."""
    n_axes = draw(st.sampled_from([2, 3]))
    fields = draw(st.lists(st.sampled_from(list(iter_fields())), max_size=8, unique_by=id))
    nested: dict = {}
    for field in fields:
        value = draw(_values(field, n_axes))
        if field.group:
            nested.setdefault(field.group, {})[field.key] = value
        else:
            nested[field.key] = value
    group = draw(st.sampled_from(sorted(PASSED_ON)))
    keys = st.sampled_from(sorted(PASSED_ON[group])) | WORDS.map(lambda word: f"new {word}")
    nested["extra"] = {group: draw(st.dictionaries(keys, PLAIN, max_size=3))}
    return nested


PARAMS = nested_values().map(CNMFParams.from_dict)


@given(PARAMS)
def test_plain_dictionaries(params):
    again = CNMFParams.from_dict(params.to_dict())
    assert again == params
    assert again.hash() == params.hash()
    assert CNMFParams.from_any(params.to_dict()) == params


@given(PARAMS)
def test_toml(params):
    again = from_toml(to_toml(params))
    assert again == params
    assert again.hash() == params.hash()


@given(PARAMS)
def test_json(params):
    again = from_json(to_json(params))
    assert again == params
    assert again.hash() == params.hash()


@given(PARAMS)
def test_what_caiman_gets_reads_back(params):
    sent = params.to_caiman()
    sent["data"]["caiman_version"] = "1.13"  # as in CaImAn's own dump; it may know more keys
    again = CNMFParams.from_any(sent)
    left_to_us = {"random_seed", "init.gSiz", "patch.stride", *(".".join(own) for own in OUR_OWN)}
    assert set(params.diff(again)) <= left_to_us


@given(PARAMS, PARAMS)
def test_diff_is_empty_exactly_for_equal_values(first, second):
    assert (first.diff(second) == {}) == (first == second)
    assert (first.hash() == second.hash()) == (first == second)
    assert second.diff(first) == {name: (b, a) for name, (a, b) in first.diff(second).items()}


@given(PARAMS, PARAMS)
def test_replacing_everything_gives_the_other_value(first, second):
    changes = second.to_dict()
    changes["extra"] = {}
    replaced = CNMFParams.from_dict(first.to_dict() | {"extra": {}}).replace(**changes)
    assert replaced == CNMFParams.from_dict(second.to_dict() | {"extra": {}})


@settings(max_examples=20)
@given(PARAMS, st.sampled_from([".toml", ".json", ".txt", ".JSON"]))
def test_files(tmp_path_factory, params, suffix):
    path = tmp_path_factory.mktemp("params") / f"my params{suffix}"
    write_params(params, path)
    assert read_params(path) == params
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_none_is_a_word_in_toml():
    table = tomllib.loads(to_toml(CNMFParams()))
    assert table["init"]["K"] == "none"
    assert table["data"]["fr"] == "none"


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets(name):
    params = CNMFParams.preset(name)
    assert from_toml(to_toml(params)) == params
    assert from_json(to_json(params)) == params


def test_a_file_may_name_only_what_differs(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[init]\ngSig = [4, 4]\nK = "none"\n', encoding="utf-8")
    assert read_params(path) == CNMFParams().replace(init={"gSig": (4, 4)})


def test_a_file_goes_on_top_of_a_preset_with_its_defaults_too(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[init]\nssub = 2\n", encoding="utf-8")
    preset = CNMFParams.preset("two-photon somata")
    assert preset.init.ssub == 1
    assert read_params(path, base=preset) == preset.replace(init={"ssub": 2})


def test_a_file_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"K": 4}).encode())
    assert read_params(path).init.K == 4


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.toml", b"[init\n", "must be TOML"),
        ("x.json", b'{"init": ', "must be JSON"),
        ("x.json", b"[1, 2]", "must be a table"),
        ("x.toml", b"\xff\xfe\x00", "text file"),
        ("x.toml", b"[init]\ngSg = 3\n", "Did you mean init.gSig"),
        ("x.json", b'{"init": {"K": 0}}', "init.K must be >= 1"),
        ("x.json", b'{"init": {"K": NaN}}', "NaN"),
        ("x.json", b"[" * 100_000, "too deeply"),
        ("x.json", b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, "too deeply"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ParameterError, match=re.escape(name)) as caught:
        read_params(path)
    assert words in str(caught.value)


def test_no_file_and_no_folder(tmp_path):
    with pytest.raises(ParameterError, match="cannot be read"):
        read_params(tmp_path / "none.toml")
    with pytest.raises(ParameterError, match="cannot be read"):
        read_params(tmp_path)
    with pytest.raises(ExportError, match="no folder"):
        write_params(CNMFParams(), tmp_path / "no folder" / "nor this one" / "x.toml")
    assert not (tmp_path / "no folder").exists()


def test_what_was_there_stays_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    write_params(CNMFParams(), path)
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ExportError, match="No space left"):
        write_params(CNMFParams().replace(init={"K": 3}), path, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
