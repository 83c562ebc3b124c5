"""Engines by name; `auto`, and why it took what it took."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from napari_cnmf.cli import main
from napari_cnmf.engines import engine_names, engines, get_engine, look_again, resolve
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import EngineError

PLUGIN = Path(__file__).parents[1] / "batch" / "plugin"


@pytest.fixture(autouse=True)
def no_caiman(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An interpreter that was named and is none: CaImAn counts as not there."""
    monkeypatch.setenv("NAPARI_CNMF_CAIMAN_PYTHON", str(tmp_path / "python"))
    look_again()


def test_ours_are_known_and_keep_the_contract() -> None:
    assert engine_names()[:2] == ("builtin", "caiman")
    for name, engine in engines().items():
        assert engine.name == name
        assert engine.title
        assert engine.algorithms() <= set(Algorithm)
        reason = engine.unavailable_reason()
        assert (reason is None) == (engine.version() is not None)
        assert reason is None or reason.endswith(".")


def test_auto_takes_the_built_in_engine_without_caiman_and_says_why() -> None:
    engine, reason = resolve("auto", Algorithm.CNMF)
    assert engine.name == "builtin"
    assert reason.startswith(f"engine is auto, which means {engine.title} here: ")
    with pytest.raises(EngineError, match="CaImAn cannot run this item"):
        resolve("caiman", Algorithm.CNMF)
    assert resolve("builtin", Algorithm.MCORR).reason == "it was asked for."


def test_what_auto_means_is_said_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whether napari opens here is asked elsewhere; it takes seconds.
    monkeypatch.setattr("napari_cnmf.cli._doctor.why_no_viewer", lambda: None)
    assert main(["doctor", "--auto", "builtin", "--json"]) == 0
    auto = json.loads(capsys.readouterr().out)["auto"]
    assert auto["engine"] == "builtin"
    assert "in the settings" in auto["reason"]
    assert resolve("auto", Algorithm.CNMF).reason == auto["reason"]
    assert main(["doctor", "--auto", "caiman", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["auto"]["engine"] is None
    with pytest.raises(
        EngineError, match=r"auto means CaImAn in the settings.*doctor --auto found"
    ):
        resolve("auto", Algorithm.CNMF)
    assert main(["doctor", "--auto", "found"]) == 0
    assert resolve("auto", Algorithm.CNMF).engine.name == "builtin"


def test_an_unknown_engine() -> None:
    with pytest.raises(EngineError, match="must be one of auto, builtin, caiman"):
        get_engine("suite3p")


def test_an_engine_of_others_comes_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGIN))
    assert "toy" in engine_names()
    assert get_engine("toy").version() == "1.0"
    monkeypatch.setitem(sys.modules, "toy_engine", None)
    look_again()
    with pytest.raises(EngineError, match="Update or remove the package"):
        get_engine("toy")
