"""Text boxes for keyword arguments: parsed, never evaluated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, parse_kwargs

EXPECTED = {"gSig": [4, 4], "p": 1, "method_init": "corr_pnr", "K": None, "use_cnn": False}


@pytest.mark.parametrize(
    "text",
    [
        "{'gSig': (4, 4), 'p': 1, 'method_init': 'corr_pnr', 'K': None, 'use_cnn': False}",
        '{"gSig": [4, 4], "p": 1, "method_init": "corr_pnr", "K": null, "use_cnn": false}',
        "gSig=(4, 4), p=1, method_init='corr_pnr', K=None, use_cnn=False",
        'gSig=(4,4),p=1,method_init="corr_pnr",K=none,use_cnn=false,',
        "dict(gSig=(4, 4), p=1, method_init='corr_pnr', K=None, use_cnn=False)",
        "gSig = (4, 4)\np = 1  # rise is instant\nmethod_init = 'corr_pnr'\n"
        "K = None\nuse_cnn = False",
        "gSig = [4, 4]\np = 1\nmethod_init = 'corr_pnr'\nK = 'none'\nuse_cnn = false",
        "gSig=(4, 4),\n    p=1,\n    method_init='corr_pnr',\n    K=None, use_cnn=False",
        "\ufeff  {\n'gSig': (4, 4),\n 'p': 1, "
        "'method_init': 'corr_pnr', 'K': None, 'use_cnn': False\n}\n",
    ],
)
def test_every_way_to_write_it(text):
    assert parse_kwargs(text) == EXPECTED


def test_nothing_is_an_empty_dictionary():
    assert parse_kwargs("") == parse_kwargs(" \n\t") == parse_kwargs("{}") == {}


def test_groups():
    expected = {"init": {"gSig": [4, 4]}, "quality": {"min_SNR": -2.5}}
    assert parse_kwargs("[init]\ngSig = [4, 4]\n[quality]\nmin_SNR = -2.5") == expected
    assert parse_kwargs("{'init': {'gSig': (4, 4)}, 'quality': {'min_SNR': -2.5}}") == expected
    dotted = parse_kwargs("init.gSig = (4, 4)\nquality.min_SNR = -2.5")
    assert CNMFParams.from_any(dotted) == CNMFParams.from_any(expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gSig=(4, 4), p=", "column 1[46]"),
        ("{'gSig': (4, 4) 'p': 1}", "line 1, column"),
        ("p=1\nK=]", "line 2, column 3"),
        ("method_init=corr_pnr", "write 'corr_pnr'"),
        ("(4, 4)", "needs a name"),
        ("p=1, **x", "Unpacking"),
        ("{**x}", "Unpacking"),
        ("{1: 2}", "word in quotes, got 1"),
        ("p=1, p=2", "'p' twice"),
        ("{'p': 1, 'p': 2}", "'p' twice"),
        ("[init\ngSig", "not TOML"),
        ("p=1)+f(q=2", "list of name=value"),
        ("{'p': 1}.keys()", "one dictionary"),
        ("p=1\x00", "null bytes"),
        ("p=" + "(" * 500, "parentheses"),
        ("p=" + "-" * 20_000 + "1", "cannot be read|plain values"),
        ("for x in y: pass", "column"),
        ("import os", "column"),
    ],
)
def test_errors_say_where_and_how(text, words):
    with pytest.raises(ParameterError, match=words) as caught:
        parse_kwargs(text)
    assert max(len(line) for line in str(caught.value).splitlines()) < 300


@pytest.mark.parametrize(
    "text",
    [
        "p=__import__('os').system('touch {path}')",
        "{{'p': open('{path}', 'w')}}",
        "p = [open('{path}', 'w') for _ in 'a']",
        "p=(lambda: open('{path}', 'w'))()",
        'p = f\'{{open("{path}", "w")}}\'',
    ],
)
def test_nothing_is_ever_evaluated(tmp_path, text):
    path = tmp_path / "touched"
    with pytest.raises(ParameterError):
        parse_kwargs(text.format(path=path.as_posix()))
    assert not path.exists()


def test_the_mark_stands_below_the_place_behind_umlauts():
    with pytest.raises(ParameterError) as caught:
        parse_kwargs("größe='ü', p=foo")
    *_, line, mark = str(caught.value).splitlines()
    assert line[mark.index("^") :].startswith("foo")


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        values = parse_kwargs(text)
    except ParameterError:
        return
    assert all(isinstance(name, str) for name in values)


NAMES = st.from_regex(r"[a-z][a-zA-Z_]{0,8}", fullmatch=True).filter(
    lambda n: n not in "if in is as or and not for def del try"
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
) | st.text().filter(lambda text: text.strip().lower() != "none")


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
def test_what_python_writes_is_read(values):
    import keyword

    values = {name: value for name, value in values.items() if not keyword.iskeyword(name)}
    assert parse_kwargs(repr(values)) == values
    assert parse_kwargs(", ".join(f"{name}={value!r}" for name, value in values.items())) == values
    assert (
        parse_kwargs("\n".join(f"{name} = {value!r}" for name, value in values.items())) == values
    )
