"""Which interpreter counts as CaImAn, and what is said of the others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from napari_cnmf.engines.caiman import CaimanEngine, discovery, interpreter
from napari_cnmf.engines.caiman.discovery import VARIABLE, find_caiman
from napari_cnmf.engines.caiman.environments import environments, python_of
from napari_cnmf.engines.caiman.interpreter import CaimanFound, Unusable, probe
from napari_cnmf.settings import Settings, write_settings


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No CaImAn but the one a test puts there."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(discovery, "environments", lambda: iter(()))


def test_found(fake: Any) -> None:
    found = probe(fake.install(), "here")
    assert (found.version, found.source, found.path) == ("1.12.1", "here", fake.python)


def test_answer_is_remembered_until_something_changes(fake: Any) -> None:
    probe(fake.install(), "here")
    fake.empty()
    fake.install("raise ImportError('broken since')", version="1.13.0")
    with pytest.raises(Unusable, match="broken since"):
        probe(fake.python, "here")


def test_remembered_answer_needs_no_process(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    probe(fake.install(), "here")
    monkeypatch.setattr(interpreter, "_ask", lambda *_: pytest.fail("it was asked again"))
    assert probe(fake.python, "there").source == "there"


def test_prints_of_an_import_do_not_confuse(fake: Any) -> None:
    noisy = "import os\nprint('{\"event\": \"probe\"}')\nos.write(1, b'\\xff garbage')\n"
    assert probe(fake.install(noisy), "here").version == "1.12.1"


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no such file"):
        probe(tmp_path / "python", "here")


def test_not_a_program(tmp_path: Path) -> None:
    path = tmp_path / "python"
    path.write_text("no program")
    with pytest.raises(Unusable, match="cannot be run"):
        probe(path, "here")


@pytest.mark.skipif(sys.platform == "win32", reason="a program that is no Python: /bin/ls")
def test_not_python() -> None:
    with pytest.raises(Unusable, match="no Python that works"):
        probe(Path("/bin/ls"), "here")


def test_without_caiman(fake: Any) -> None:
    with pytest.raises(Unusable, match=r"Python 3\.\d+\.\d+ there has no CaImAn"):
        probe(fake.python, "here")


@pytest.mark.parametrize("name", ["caiman.py", "caiman/__init__.py"])
def test_the_other_caiman_of_pypi(fake: Any, name: str) -> None:
    """It is recognised without being run."""
    fake.put(name, "raise SystemExit('it was run')")
    with pytest.raises(Unusable, match="MicroPython build tool of PyPI"):
        probe(fake.python, "here")


def test_broken_import(fake: Any) -> None:
    with pytest.raises(Unusable, match=r"cannot be imported .*numpy is broken"):
        probe(fake.install("raise ImportError('numpy is broken')"), "here")


def test_import_that_kills_its_interpreter(fake: Any) -> None:
    with pytest.raises(Unusable, match=r"importing it ends its Python .*exit code 9"):
        probe(fake.install("import os; os._exit(9)"), "here")


def test_too_old(fake: Any) -> None:
    with pytest.raises(Unusable, match=r"must be 1\.10\.6 or later, got 1\.9\.2"):
        probe(fake.install(version="1.9.2"), "here")


def test_no_answer_in_time(fake: Any) -> None:
    with pytest.raises(Unusable, match="no answer within 1 s"):
        probe(fake.install("import threading; threading.Event().wait()"), "here", timeout_s=1.0)


def test_settings_come_first(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/somewhere/else")
    write_settings(Settings(caiman_python=str(fake.install())))
    search = find_caiman()
    assert search.found is not None
    assert search.found.source == "settings"


@pytest.mark.parametrize("by", ["variable", "settings"])
def test_the_folder_of_an_environment_names_its_interpreter(
    fake: Any, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    folder = str(fake.install().parents[1])
    if by == "variable":
        monkeypatch.setenv(VARIABLE, folder)
    else:
        write_settings(Settings(caiman_python=folder))
    search = find_caiman()
    assert search.found is not None, search.reason
    assert search.found.path == fake.python


def test_what_was_named_is_not_replaced(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named interpreter that fails ends the search, whatever else is there."""
    monkeypatch.setenv(VARIABLE, str(fake.python.parent / "gone"))
    monkeypatch.setattr(discovery, "_candidates", discovery._candidates)
    search = find_caiman()
    assert search.found is None
    assert "gone (NAPARI_CNMF_CAIMAN_PYTHON) cannot be used" in search.reason
    assert "--install-caiman" in search.reason


def test_environments_are_searched(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.install()
    prefix = fake.python.parent.parent
    monkeypatch.setattr(discovery, "environments", lambda: iter([Path("/nothing"), prefix]))
    search = find_caiman()
    assert search.found is not None
    assert search.found.source == f"environment {prefix}"


def test_nothing_found_says_what_to_do() -> None:
    engine = CaimanEngine()
    reason = engine.unavailable_reason()
    assert reason is not None
    assert "was not found" in reason
    assert "napari-cnmf doctor --set-caiman PATH" in reason
    assert "pip" not in reason
    assert engine.version() is None


def test_environments_of_conda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "my forge"
    for name in ("with", "without"):
        (root / "envs" / name).mkdir(parents=True)
    python = python_of(root / "envs" / "with")
    python.parent.mkdir(exist_ok=True)
    python.write_text("")
    monkeypatch.setenv("MAMBA_ROOT_PREFIX", str(root))
    found = list(environments())
    assert root / "envs" / "with" in found
    assert root / "envs" / "without" not in found


@pytest.mark.parametrize(
    ("version", "scipy", "is_known"),
    [("1.12.1", "1.17.1", True), ("1.12.1", "1.13.1", False), ("1.13.0", "1.18.0", False)],
)
def test_a_scipy_that_caiman_fails_with_is_said_beforehand(
    version: str, scipy: str, is_known: bool
) -> None:
    problem = CaimanFound(Path("python"), version, "here", scipy).known_problem
    assert ("scipy<1.14" in problem) == is_known
