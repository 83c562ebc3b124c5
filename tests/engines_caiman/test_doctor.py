"""``napari-cnmf doctor``: what is found and why not; choosing and installing CaImAn from there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_cnmf.cli import _doctor, main
from napari_cnmf.engines import look_again
from napari_cnmf.settings import read_settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a POSIX script")


@pytest.fixture(autouse=True)
def looks_anew(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Whether napari opens takes a child process, and is tested elsewhere.
    monkeypatch.setattr(_doctor, "why_no_viewer", lambda: None)
    look_again()
    yield
    look_again()


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["doctor", "--json", *arguments]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_nothing_there(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(capsys)
    caiman = found["engines"]["caiman"]
    assert not caiman["ready"]
    assert "--install-caiman" in caiman["reason"]
    assert found["auto"]["engine"] == "builtin"
    assert "not found" in found["auto"]["reason"]


@pytest.mark.parametrize("by", ["interpreter", "folder of its environment"])
def test_choose_and_forget(fake: Any, capsys: pytest.CaptureFixture[str], by: str) -> None:
    python = str(fake.install())
    named = python if by == "interpreter" else str(Path(python).parents[1])
    found = report(capsys, "--set-caiman", named)
    caiman = found["engines"]["caiman"]
    assert (caiman["version"], caiman["path"], caiman["source"]) == ("1.12.1", python, "settings")
    assert found["auto"]["engine"] == "caiman"
    assert read_settings().caiman_python == python
    look_again()
    assert not report(capsys, "--set-caiman", "auto")["engines"]["caiman"]["ready"]
    assert read_settings().caiman_python is None


def test_a_wrong_choice_changes_nothing(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--set-caiman", str(fake.python)]) == 2
    assert "has no CaImAn" in capsys.readouterr().err
    assert read_settings().caiman_python is None


def test_a_reason_is_said_once(
    fake: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_CNMF_CAIMAN_PYTHON", str(fake.python))
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert said.count("has no CaImAn") == 1
    assert said.splitlines()[-1] == (
        "Engine auto takes builtin: engine is auto, which means Built-in here: see above."
    )


def test_install_streams_and_is_found(
    put_tool: Any, fake: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tool makes a folder with an interpreter in it; here a link to a stand-in's."""
    source = fake.install().parent.parent
    link = f"os.path.lexists(prefix) or os.symlink({str(source)!r}, prefix)"
    put_tool("mamba", f"{link}\nprint('Done')")
    assert main(["doctor", "--install-caiman"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("$ ")
    assert "create --yes --prefix" in said[0]
    assert said[1:3] == ["Solving", "Done"]
    assert "CaImAn 1.12.1 is ready" in said[-1]


def test_install_without_a_tool(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--install-caiman"]) == 2
    assert "Install Miniforge" in capsys.readouterr().err
