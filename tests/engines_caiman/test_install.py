"""Installing CaImAn, with a stand-in for the tool: its real command line, its output, its end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from napari_cnmf.engines.caiman.install import install_caiman, plan_installation
from napari_cnmf.errors import CancelledByUser, EngineError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a POSIX script")


@pytest.fixture(autouse=True)
def only_ours(bare_machine: None) -> None:
    """No tool of this machine takes part."""


def never() -> bool:
    return False


def test_command_line_of_conda(put_tool: Any, tmp_path: Path) -> None:
    tool = put_tool("conda", "")
    plan = plan_installation(tmp_path / "new env")
    assert plan.tool == "conda"
    assert str(plan) == (
        f"{tool} create --yes --prefix '{tmp_path}/new env' --override-channels "
        "--channel conda-forge caiman"
    )
    assert plan.python == tmp_path / "new env" / "bin" / "python"


def test_mamba_is_preferred_and_pixi_is_the_last(put_tool: Any, tmp_path: Path) -> None:
    put_tool("pixi", "")
    assert plan_installation().tool == "pixi"
    assert [command[1] for command in plan_installation().commands] == ["init", "add"]
    for name in ("conda", "micromamba", "mamba"):
        put_tool(name, "")
        assert plan_installation().tool == name


def test_without_a_tool() -> None:
    with pytest.raises(EngineError, match=r"none was found\. Install Miniforge"):
        plan_installation()


def test_installed(put_tool: Any, tmp_path: Path, fake: Any) -> None:
    """The tool makes a folder with an interpreter in it; here a link to a stand-in's."""
    source = fake.install(version="1.13.1").parent.parent
    put_tool("mamba", f"os.symlink({str(source)!r}, prefix)\nprint('Done')")
    lines: list[str] = []
    found = install_caiman(lines.append, never)
    assert found.version == "1.13.1"
    assert found.path == tmp_path / "data" / "caiman env" / "bin" / "python"
    assert lines[0].startswith("$ ")
    assert lines[1:3] == ["Solving", "Done"]


@pytest.mark.parametrize(("version", "is_older"), [("1.12.1", True), ("1.13.1", False)])
def test_an_older_scipy_only_where_it_is_needed(
    put_tool: Any, fake: Any, version: str, is_older: bool
) -> None:
    source = fake.install(version=version).parent.parent
    fake.put(
        "scipy-1.17.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: scipy\nVersion: 1.17.1\n"
    )
    body = f"if not prefix.exists(): os.symlink({str(source)!r}, prefix)\nprint(sys.argv[-1])"
    put_tool("mamba", body)
    lines: list[str] = []
    install_caiman(lines.append, never)
    assert ("scipy<1.14" in lines) == is_older


def test_the_tool_fails(put_tool: Any, tmp_path: Path) -> None:
    body = "prefix.mkdir(parents=True)\nprint('nothing provides caiman')\nsys.exit(4)"
    put_tool("conda", body)
    with pytest.raises(
        EngineError, match=r"exit code 4: Solving; nothing provides caiman\. The log"
    ):
        install_caiman(lambda line: None, never)
    assert not (tmp_path / "data" / "caiman env").exists()


def test_what_was_made_does_not_work(put_tool: Any, tmp_path: Path) -> None:
    put_tool("conda", "prefix.mkdir(parents=True)")
    with pytest.raises(EngineError, match=r"does not work: there is no such file"):
        install_caiman(lambda line: None, never)
    assert not (tmp_path / "data" / "caiman env").exists()


def test_cancel_ends_the_tool_and_removes_what_it_made(put_tool: Any, tmp_path: Path) -> None:
    put_tool(
        "conda",
        "prefix.mkdir(parents=True)\nprint('Downloading', flush=True)\ntime.sleep(600)",
    )
    lines: list[str] = []
    with pytest.raises(CancelledByUser):
        install_caiman(lines.append, lambda: "Downloading" in lines)
    assert not (tmp_path / "data" / "caiman env").exists()
    names = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    assert not any(str(tmp_path) in " ".join(name) for name in names)


def test_the_folder_is_taken(put_tool: Any, tmp_path: Path) -> None:
    put_tool("conda", "")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "something").write_text("of somebody")
    with pytest.raises(EngineError, match="is there already"):
        install_caiman(lambda line: None, never, prefix=taken)
    assert os.listdir(taken) == ["something"]
