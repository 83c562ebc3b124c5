"""The settings file: found, read, written, refused."""

from __future__ import annotations

import os
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cnmf.errors import CnmfError, SettingsError
from napari_cnmf.settings import (
    Settings,
    change_settings,
    read_settings,
    settings_path,
    update_settings,
    write_settings,
)

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SETTINGS = st.builds(
    Settings,
    caiman_python=st.none() | WORDS.filter(bool),
    preset=st.none() | WORDS,
    n_workers=st.integers(1, 64),
    n_processes=st.none() | st.integers(1, 64),
    memory_gb=st.none() | st.floats(0.01, 1e4),
    curator=st.none() | WORDS,
    recent_batches=st.lists(WORDS, max_size=3).map(tuple),
    keys=st.dictionaries(WORDS, WORDS, max_size=3),
)


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "config" / "settings.toml"
    monkeypatch.setenv("NAPARI_CNMF_CONFIG", str(path))
    return path


def test_without_a_file_everything_has_its_default(path):
    assert read_settings() == Settings()
    assert not path.exists()


def test_written_and_read(path):
    settings = Settings(caiman_python="/opt/caiman/bin/python", keys={"accept": "A"}, n_workers=2)
    assert write_settings(settings) == path
    assert read_settings() == settings
    assert tomllib.loads(path.read_text(encoding="utf-8")) == {
        "caiman_python": "/opt/caiman/bin/python",
        "keys": {"accept": "A"},
        "n_workers": 2,
    }
    assert list(path.parent.iterdir()) == [path]


@given(SETTINGS)
@settings(max_examples=50, deadline=None)
def test_every_value_comes_back(tmp_path_factory, settings):
    path = tmp_path_factory.mktemp("settings") / "settings.toml"
    write_settings(settings, path)
    assert read_settings(path) == settings


def test_the_variable_may_name_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CNMF_CONFIG", str(tmp_path))
    assert settings_path() == tmp_path / "settings.toml"


def test_without_the_variable_it_is_in_the_users_config_folder(monkeypatch):
    monkeypatch.delenv("NAPARI_CNMF_CONFIG", raising=False)
    assert settings_path().name == "settings.toml"
    assert "napari-cnmf" in settings_path().parts


def test_the_latest_batch_comes_first_and_ten_are_kept(tmp_path):
    settings = Settings()
    for number in range(12):
        settings = settings.with_recent_batch(tmp_path / str(number))
    settings = settings.with_recent_batch(tmp_path / "7")
    names = [Path(name).name for name in settings.recent_batches]
    assert names == ["7", "11", "10", "9", "8", "6", "5", "4", "3", "2"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"caiman_pyton = 'x'", "Did you mean caiman_python?"),
        (b"colour = 'red'", "There is no setting 'colour'"),
        (b"n_workers = 0", "n_workers must be greater than or equal to 1, got 0"),
        (b"n_workers = 'many'", "got 'many'"),
        (b"memory_gb = nan", "memory_gb must"),
        (b"keys = {accept = 1}", "keys.accept must"),
        (b"caiman_python = ''", "caiman_python"),
        (b"n_workers = ", "must be TOML"),
        (b"\xff\xfe", "must be TOML"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(path, content, words):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, CnmfError)
    assert path.read_bytes() == content


def test_replace_checks_again():
    assert Settings().replace(n_workers=3).n_workers == 3
    with pytest.raises(SettingsError, match="n_workers must be greater than or equal to 1, got 0"):
        Settings().replace(n_workers=0)
    with pytest.raises(SettingsError, match="Did you mean n_workers"):
        Settings().replace(n_worker=1)


def test_a_place_that_cannot_be_written_to(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder", encoding="utf-8")
    with pytest.raises(SettingsError, match="NAPARI_CNMF_CONFIG"):
        write_settings(Settings(), blocked / "settings.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path)


def test_what_was_there_stays_when_writing_fails(path, monkeypatch):
    write_settings(Settings(n_workers=2))
    before = path.read_bytes()

    def fail(source, target) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(SettingsError, match="No space left"):
        write_settings(Settings(n_workers=3))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_threads_that_change_settings_lose_nothing(path, tmp_path):
    def add_key(number: int) -> None:
        change_settings(lambda now: now.replace(keys=now.keys | {f"action {number}": "x"}))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_key, range(40)))
        list(threads.map(lambda n: update_settings(n_workers=n), range(1, 20)))
    assert sorted(read_settings().keys) == sorted(f"action {n}" for n in range(40))
