"""Numbers as people of several languages type them."""

from __future__ import annotations

import locale

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, iter_fields, parse_kwargs, read_params
from napari_cnmf.params.numbers import kind_of, parse_number, parse_whole, read_number, split_values

FIELDS = {field.name: field for field in iter_fields()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2.5", 2.5),
        ("2,5", 2.5),
        (" 0,850 ", 0.85),
        ("0.850", 0.85),
        ("29.970", 29.97),
        ("29,97", 29.97),
        (",5", 0.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("1,5E3", 1500.0),
        ("1 000", 1000),
        ("1\u00a0000,5", 1000.5),
        ("1\u202f000", 1000),
        ("1'000.5", 1000.5),
        ("1’000", 1000),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1,000,000", 1_000_000),
        ("1.000.000", 1_000_000),
        ("٣٠", 30),
        ("٢٫٥", 2.5),
        ("०.५", 0.5),
        ("１２", 12),
        ("−3", -3),
        ("007", 7),
    ],
)
def test_one_reading(text, value):
    read = parse_number(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ["1,000", "30,015", "-2,500", "999,999", "٣٠,٠١٥"])
def test_two_readings_are_refused_with_both(text):
    with pytest.raises(ParameterError, match=r"two ways, as .* or as .*Write") as caught:
        parse_number(text, "data.fr")
    assert text in str(caught.value)
    assert str(caught.value).startswith("data.fr")


def test_a_whole_number_with_three_decimals_is_a_thousand_or_one():
    assert parse_number("1.000") == 1.0
    with pytest.raises(ParameterError, match="as 1 or as 1000"):
        parse_number("1.000", whole=True)


@pytest.mark.parametrize(
    "text", ["", " ", "x", "1,2,3", "1.2.3", "1 2", "0x10", "--1", "1e", "9" * 5000]
)
def test_what_is_no_number(text):
    assert parse_number(text) is None
    with pytest.raises(ParameterError, match="must be a number"):
        read_number(text, "The age")


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_what_python_writes_is_read_and_its_german_twin_too(value):
    assert parse_number(repr(value)) == value
    german = repr(value).replace(".", ",")
    try:
        read = parse_number(german)
    except ParameterError:  # such as 1,125
        assert len(german.partition(",")[2]) == 3
        return
    assert read == value


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        read = parse_number(text)
    except ParameterError:
        return
    assert read is None or isinstance(read, int | float)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("data.fr", "30,5", 30.5),
        ("data.fr", "none", None),
        ("quality.min_SNR", "2,5", 2.5),
        ("init.gSig", "5,6", (5, 6)),
        ("init.gSig", "5;6", (5, 6)),
        ("init.gSig", "5 6", (5, 6)),
        ("init.gSig", "(5, 6)", (5, 6)),
        ("init.gSig", "٥، ٦", (5, 6)),
        ("init.gSig", "5", (5, 5)),
        ("patch.rf", "40", 40),
        ("patch.rf", "40,30", (40, 30)),
        ("data.dxy", "1,5; 2,5", (1.5, 2.5)),
        ("data.dxy", "1,5, 2,5", (1.5, 2.5)),
        ("data.dxy", "1.5,2.5", (1.5, 2.5)),
        ("data.dxy", "2, 3", (2.0, 3.0)),
        ("data.dxy", "(2,3)", (2.0, 3.0)),
        ("temporal.noise_range", "0,25; 0,5", (0.25, 0.5)),
        ("quality.use_cnn", "true", True),
        ("init.method_init", "'corr_pnr'", "corr_pnr"),
        ("motion.border_nan", "false", False),
        ("random_seed", "1 000", 1000),
    ],
)
def test_a_parameter_reads_a_text_by_its_kind_at_every_door(name, text, value):
    group, _, key = name.rpartition(".")

    def of(params):
        return getattr(getattr(params, group) if group else params, key)

    assert of(CNMFParams().set(name, text)) == value
    assert of(CNMFParams().with_settings([f"{name}={text}"])) == value
    assert of(CNMFParams().replace(**({group: {key: text}} if group else {key: text}))) == value
    assert of(CNMFParams.from_any({name: text})) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.fr", "1,000"),
        ("init.K", "1.000"),
        ("init.K", "2,5"),
        ("init.gSig", "1,000"),
        ("data.dxy", "1,5"),
        ("motion.max_shifts", "2,5; 2,5"),
    ],
)
def test_what_a_parameter_cannot_read_names_it_and_changes_nothing(name, text):
    before = CNMFParams.preset("two-photon somata")
    with pytest.raises(ParameterError, match=name):
        before.with_settings([f"{name}={text}"])
    assert before == CNMFParams.preset("two-photon somata")


def test_a_text_that_is_refused_does_not_hide_what_else_is_wrong():
    with pytest.raises(ParameterError) as caught:
        CNMFParams().replace(data={"fr": "1,000", "decay_time": -1}, init={"K": "many"})
    for name in ("data.fr", "data.decay_time", "init.K"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("text", "min_snr"),
    [
        ("min_SNR=2,5", 2.5),
        ("gSig=(4, 4), min_SNR=2,5, rval_thr=0,85", 2.5),
        ("{'min_SNR': 3,25, 'gSig': [4, 4]}", 3.25),
        ("gSig = 4, 4\nmin_SNR = 3,25", 3.25),
    ],
)
def test_a_decimal_comma_in_keyword_arguments(text, min_snr):
    params = CNMFParams.from_any(parse_kwargs(text))
    assert params.quality.min_SNR == min_snr
    assert params.init.gSig in ((4, 4), (5, 5))


@pytest.mark.parametrize(
    ("name", "text"), [("p.toml", "[quality]\nmin_SNR = 2,5\n"), ("p.json", '{"min_SNR": 2,5}')]
)
def test_a_file_format_without_decimal_commas_names_the_line(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ParameterError, match=r"has 2,5: write 2\.5"):
        read_params(path)


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("merging.merge_thr", "0.7, 0.85", ["0.7", "0.85"]),
        ("merging.merge_thr", "0.7,0.85", ["0.7", "0.85"]),
        ("merging.merge_thr", "0,7; 0,85", ["0,7", "0,85"]),
        ("merging.merge_thr", "0,7, 0,85", ["0,7", "0,85"]),
        ("init.K", "10,20", ["10", "20"]),
        ("init.gSig", "4, 4; 6, 6", ["4, 4", "6, 6"]),
        ("init.method_init", "greedy_roi, corr_pnr", ["greedy_roi", "corr_pnr"]),
    ],
)
def test_values_in_one_line(name, text, parts):
    assert split_values(text, kind_of(FIELDS[name].annotation), name) == parts


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("merging.merge_thr", "0,7"),
        ("init.min_pnr", "5,10"),
        ("init.K", "1,000"),
        ("data.fr", "1,000.5, 2"),
    ],
)
def test_values_whose_commas_are_unclear_are_refused(name, text):
    with pytest.raises(ParameterError, match="semicolons"):
        split_values(text, kind_of(FIELDS[name].annotation), name)


def test_the_process_language_plays_no_part(monkeypatch):
    monkeypatch.setattr(locale, "localeconv", lambda: {"decimal_point": ",", "thousands_sep": "."})
    assert CNMFParams().with_settings(["min_SNR=2.5"]).quality.min_SNR == 2.5


@pytest.mark.parametrize(
    "name", ["data.fr", "K", "init.ssub", "patch.rf", "quality.min_SNR", "random_seed", "nb"]
)
@pytest.mark.parametrize("text", ["30_5", "1_0", "1e1_0", "nan", "inf", "-Infinity", "1e999"])
def test_what_only_python_takes_for_a_number_is_refused(name: str, text: str) -> None:
    with pytest.raises(ParameterError, match=name.rpartition(".")[2]):
        CNMFParams().with_settings([f"{name}={text}"])


@pytest.mark.parametrize("size", ["4_5", ["4_5", "4"], "4_5, 4", "(1_0, 2_0)"])
def test_sizes_with_underscores_are_refused(size: object) -> None:
    with pytest.raises(ParameterError, match="gSig"):
        CNMFParams().replace(init={"gSig": size})


def test_a_value_for_caiman_alone_is_no_python() -> None:
    for text in ("30_5", "nan", "-inf", "1_0,2_0"):
        with pytest.raises(ParameterError, match="SC_thr must be a number"):
            CNMFParams().with_settings([f"init.SC_thr={text}"])


@pytest.mark.parametrize(
    ("text", "number"), [("12", 12), (" -3 ", -3), ("３０", 30), ("1_0", None), ("2.5", None)]
)
def test_whole_numbers_are_digits(text: str, number: int | None) -> None:
    assert parse_whole(text) == number


def test_digits_of_any_width_are_the_same_number() -> None:
    assert CNMFParams().with_settings(["data.fr=３０"]).data.fr == 30
    assert CNMFParams().with_settings(["data.fr=1_000"]).data.fr == 1000
