"""Names that mean one file on Linux, Windows and macOS."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf._overwriting import ExportKind, new_file, new_folder
from napari_cnmf._portable import (
    expand_home,
    name_key,
    namesake,
    portable_name,
    why_not_portable,
)
from napari_cnmf.engines.caiman.discovery import choose_caiman
from napari_cnmf.errors import EngineError, ExportError
from napari_cnmf.io.curation.curators import is_file_name, spelling_of

NOT_FOUND_EVERYWHERE = [
    "", ".", "..", "CON", "con", "nul.txt", "Aux.tar.gz", "com1", "LPT9.csv", "COM¹", "conin$",
    "CLOCK$.npz", "prn .csv", "mouse.", "mouse ", "mouse. .", "a:b", 'say "x"', "what?", "a*b",
    "a<b", "a|b", "a\\b", "a/b", "tab\tbed", "line\n", "bell\x07", "del\x7f", "turned\u202eb",
    "half\ud800", "é" * 101, "x" * 201,
]  # fmt: skip
FINE = [
    "mouse 1.nwb", ".hidden", "Größe.csv", "中文.h5", "console", "nul-1.txt", "com10", "com",
    "lpt0x", "a.b.c", "x" * 200, "auxiliary.csv", "icon", "-", "(1)", "=1+1.csv", "'quoted'",
]  # fmt: skip
TWINS = [
    ("Mouse", "mouse"), ("STRASSE", "straße"), ("Gr\u00fcn", "Gru\u0308n"), ("ﬁ.csv", "FI.csv"),
    ("a", "a."), ("a.csv", "a.csv "), ("É", "e\u0301"), ("\u212b", "å"), ("ΣΑΣ", "σας"),
]  # fmt: skip
KIND = ExportKind("test export", lambda path: path.read_text() == "ours")


@pytest.mark.parametrize("name", NOT_FOUND_EVERYWHERE)
def test_a_name_that_some_system_cannot_have(name: str) -> None:
    assert why_not_portable(name)
    assert not why_not_portable(portable_name(name))


@pytest.mark.parametrize("name", FINE)
def test_a_name_that_every_system_takes(name: str) -> None:
    assert why_not_portable(name) == ""
    assert portable_name(name) == name


@given(st.text(max_size=12) | st.text('aB. :*?"/\\|<>con1$\t', max_size=8))
def test_any_name_has_one_close_to_it_that_works_everywhere(name: str) -> None:
    portable = portable_name(name)
    assert why_not_portable(portable) == ""
    assert portable_name(portable) == portable


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_names_that_are_one_on_some_system(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)
    for form in ("NFC", "NFD", "NFKC"):
        assert name_key(unicodedata.normalize(form, one)) == name_key(other)


def test_a_home_that_nobody_has_is_a_plain_name() -> None:
    """Such a name is typed letter by letter, and a door that it stands at says what is missing."""
    assert expand_home("~") == Path.home()
    assert expand_home("~/data") == Path.home() / "data"
    assert expand_home("~nobody here/data") == Path("~nobody here/data")
    with pytest.raises(ExportError, match="There is no folder"), new_file("~nobody/a/b", KIND):
        pass
    with pytest.raises(EngineError, match="there is no such file"):
        choose_caiman(Path("~nobody/python"))


def test_names_that_differ_on_every_system() -> None:
    names = ["mouse 1", "mouse 2", "mouse", "mause", "müse", "muse", "a.b", "ab", "", "_"]
    assert len({name_key(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["nul.txt", "cells.", "a:b.txt", "COM1.txt"])
def test_an_export_is_never_made_where_some_system_cannot_reach_it(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ExportError, match="found on every system"), new_file(tmp_path / name, KIND):
        pass
    with (
        pytest.raises(ExportError, match="found on every system"),
        new_folder(tmp_path / name, "CSV"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("one", "other"), TWINS[:4])
def test_exports_never_become_one_on_another_system(tmp_path: Path, one: str, other: str) -> None:
    with new_file(tmp_path / one, KIND) as beside:
        beside.write_text("ours")
    assert namesake(tmp_path / other) == one
    if not (tmp_path / other).exists():  # this system tells them apart
        with pytest.raises(ExportError, match="the same name"), new_file(tmp_path / other, KIND):
            pass
        with pytest.raises(ExportError, match="the same name"), new_folder(tmp_path / other, "CSV"):
            pass
    with new_file(tmp_path / one, KIND, overwrite=True) as beside:
        beside.write_text("ours")
    assert [path.name for path in tmp_path.iterdir()] == [one]


def test_a_curator_is_one_whatever_the_spelling(tmp_path: Path) -> None:
    stem = tmp_path / "r.hdf5.curation"
    assert spelling_of(stem, "Jo\u0308rg") == "J\u00f6rg", "accents in one form"
    (tmp_path / "r.hdf5.curation-Anna.jsonl").touch()
    (tmp_path / "r.hdf5.curation-Jo\u0308rg.jsonl").touch()
    assert spelling_of(stem, "anna") == spelling_of(stem, "ANNA") == "Anna"
    assert spelling_of(stem, "j\u00f6rg") == "Jo\u0308rg", "the file that is there goes on"
    assert spelling_of(stem, "ann") == "ann"
    assert spelling_of(tmp_path / "s.hdf5.curation", "anna") == "anna"
    (tmp_path / "r.hdf5.curation-anna.jsonl").touch()
    assert spelling_of(stem, "anna") == "anna", "two that are there already stay two"


@pytest.mark.parametrize(
    "name", ["a/b", "a\\b", "a:b", "x\ty", " a", "é" * 61, "中" * 41, "a\u202eb"]
)
def test_a_curator_s_name_is_part_of_a_file_s(name: str) -> None:
    assert not is_file_name(name)
    assert is_file_name("Anna Müller 2")
