"""The command line as a shell user expects it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from napari_cnmf.cli import EXAMPLES, build_parser, main
from napari_cnmf.io.projects.sample import sample_id
from napari_cnmf.params import CNMFParams


def parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                found += parsers(child)
    return found


def test_every_command_has_an_example_that_parses(capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    for parser in parsers(build_parser()):
        text = parser.format_help()
        assert "example: napari-cnmf" in text, parser.prog
        example = str(parser.epilog).removeprefix("example: ").partition(" > ")[0]
        words = shlex.split(example)
        assert words[0] == "napari-cnmf"
        args = build_parser().parse_args(words[1:])
        assert hasattr(args, "run_command")
    assert capsys.readouterr().err == ""


def test_the_examples_of_a_project_speak_of_the_sample_that_they_add() -> None:
    values = dict(word.split("=") for word in EXAMPLES["project add"].split() if "=" in word)
    sample = sample_id(values["AnimalID"], values["TrialID"])
    for action in ("update", "remove"):
        assert f"{action} {sample}" in EXAMPLES[f"project {action}"]


def test_every_command_that_prints_a_result_prints_json_too() -> None:
    for parser in parsers(build_parser()):
        if any(isinstance(action, argparse._SubParsersAction) for action in parser._actions):
            continue
        command = parser.prog.removeprefix("napari-cnmf ")
        if command not in ("demo", "view", "completion"):  # demo's last line is JSON
            assert "--json" in parser._option_string_actions, command


@pytest.mark.parametrize(
    ("typed", "read"), [("3,5", 3.5), ("3.5", 3.5), ("1e1", 10), (",5", 0.5), ("1.234,5", 1234.5)]
)
def test_every_number_may_have_a_decimal_comma(typed: str, read: float) -> None:
    """Of all options that take a number none reads it by itself."""
    parser = build_parser()
    types = {action.type for one in parsers(parser) for action in one._actions}
    assert not types & {float, int}
    assert parser.parse_args(["match", "a", "b", "--max-distance", typed]).max_distance == read


@pytest.mark.parametrize("typed", ["1,000", "x", "1e999", "nan", "", "1,5,2"])
def test_what_is_no_number_is_refused_in_a_sentence(
    typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["match", "a", "b", "--max-distance"], ["batch", "b", "start", "--n-workers"]):
        with pytest.raises(SystemExit):
            build_parser().parse_args([*words, typed])
        assert words[-1] in capsys.readouterr().err.splitlines()[-1]


def test_presets_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["params", "--list-presets", "--json"]) == 0
    presets = json.loads(capsys.readouterr().out)
    for name, values in presets.items():
        assert CNMFParams.from_any(values) == CNMFParams.preset(name)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    source = Path(__file__).parents[1] / "data" / "result-2d.hdf5"
    return Path(shutil.copy(source, tmp_path / "größe 1.hdf5"))


def told(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    """The one JSON document that a command prints."""
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_result_is_curated_exported_and_filed_in_json(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = told(capsys, "curate", result, "--list")
    edits = ("--reject", "0", "--merge", "1,2", "--undo")
    made = told(capsys, "curate", result, *edits)
    assert made["merged"] == [len(rows)]
    assert made["n_components"] == len(rows)
    assert made["n_accepted"] == sum(row["accepted"] for row in rows) - rows[0]["accepted"]
    log = told(capsys, "curate", result, "--log")
    assert [(line["applied"], line["here"]) for line in log] == [(True, True), (False, False)]
    both = told(capsys, "curate", result, "--log", "--list", "--save", tmp_path / "s.hdf5")
    assert (both["log"], both["saved"]) == (log, str(tmp_path / "s.hdf5"))
    out = tmp_path / "for nwb.npz"
    assert told(capsys, "export", result, "--to", "npz", out) == {"path": str(out), "format": "npz"}
    project = ("project", tmp_path / "Projekt ä")
    ids = ("AnimalID=m1", "TrialID=1")
    assert told(capsys, *project, "add", result, *ids) == {"sample": "m1-_-1"}
    column = told(capsys, *project, "column", "area", "--choices", "V1,CA1")
    assert column["choices"] == ["V1", "CA1"]
    assert told(capsys, *project, "update", "m1-_-1", "area=V1") == {"sample": "m1-_-1"}
    assert told(capsys, *project, "remove", "m1-_-1") == {"removed": ["m1-_-1"]}


def test_matches_in_json(result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = shutil.copy(result, tmp_path / "Tag 2.hdf5")
    found = told(capsys, "match", result, other, "--out", tmp_path / "m.json")
    assert found["sessions"] == ["größe 1", "Tag 2"]
    assert found["out"] == str(tmp_path / "m.json")
    for cell in found["cells"]:
        assert cell["components"]["größe 1"] == cell["components"]["Tag 2"]
        assert cell["probability"] == cell["probabilities"]["Tag 2"]


def test_completion_knows_commands_and_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert 'pip install "napari-cnmf[completion]"' in capsys.readouterr().err
    given: list[Any] = []

    def complete(parser: argparse.ArgumentParser, shell: str) -> str:
        given.extend([parser, shell])
        return "# the script"

    stand_in = SimpleNamespace(FILE={"zsh": "_files"}, complete=complete)
    monkeypatch.setitem(sys.modules, "shtab", stand_in)
    assert main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out == "# the script\n"
    parser, shell = given
    assert shell == "zsh"
    actions = [action for one in parsers(parser) for action in one._actions]
    with_files = {action.dest for action in actions if hasattr(action, "complete")}
    assert {"movies", "batch", "source", "out", "save", "csv", "params"} <= with_files
    assert not {"format", "algorithm", "memory_gb", "verbose"} & with_files


BASH_WITH_THE_SCRIPT = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_shtab_napari_cnmf napari-cnmf "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_a_shell_completes_with_the_script_of_shtab(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("shtab")
    (tmp_path / "größe 1.tif").touch()
    scripts = {}
    for shell in ("bash", "zsh"):
        assert main(["completion", shell]) == 0
        scripts[shell] = tmp_path / f"script.{shell}"
        scripts[shell].write_text(capsys.readouterr().out, encoding="utf-8")
        if program := shutil.which(shell):
            subprocess.run([program, "-n", scripts[shell]], check=True)
    assert scripts["zsh"].read_text("utf-8").startswith("#compdef napari-cnmf")
    assert "_files" in scripts["zsh"].read_text("utf-8")
    program = shutil.which("bash")
    if program is None or sys.platform == "win32":
        return
    for typed, offered in (
        (["in"], ["info"]),
        (["info", "--ch"], ["--channel"]),
        (["batch", "here", "a"], ["add"]),
        (["run", "--algorithm", "cn"], ["cnmf", "cnmfe"]),
        (["info", f"{tmp_path}/gr"], [f"{tmp_path}/größe 1.tif"]),
    ):
        words = ["bash", scripts["bash"], "napari-cnmf", *typed]
        done = subprocess.run(
            [program, "-c", BASH_WITH_THE_SCRIPT, *words], capture_output=True, check=True
        )
        assert done.stdout.decode().split("\n")[:-1] == offered


def test_without_a_command_it_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["-v", "batch", "x", "list"], ["batch", "-v", "x", "list"], ["batch", "x", "list", "-v"]],
)
def test_verbose_stands_anywhere(words: list[str], caplog: pytest.LogCaptureFixture) -> None:
    assert build_parser().parse_args(words).verbose
    assert main(words) == 2
    assert "Traceback" in caplog.text


def test_parameters_come_from_stdin_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    for text in ('{"init": {"gSig": [7, 7]}}', "[init]\ngSig = [7, 7]\n"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        assert main(["params", "--params", "-", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["init"]["gSig"] == [7, 7]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("bach b list", "batch"),
        ("batch b lst", "list"),
        ("batch b list --jsn", "--json"),
        ("run m.tif --batch b --algorithm cnfm", "cnmf"),
        ("run m.tif --batch b --prset x", "--preset"),
        ("export r.hdf5 out --to cvs", "csv"),
        ("completion bsh", "bash"),
        ("params --preset one-foton", "one-photon"),
        ("params --set init.gSgi=3,3", "init.gSig"),
    ],
)
def test_a_wrong_word_names_the_closest(
    words: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(words.split())
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert f"Did you mean {meant}?" in capsys.readouterr().err


def test_refit_in_a_table_of_mesmerize_core(cli, movie_path: Path, tmp_path: Path) -> None:
    """What the table says counts, warnings are sentences, and the answer has the state."""
    table = tmp_path / "core.json"
    table.write_text('{"main": {"gSig": [3, 3]}, "refit": true, "item_name": "x"}', "utf-8")
    words = ("batch", "b", "add", movie_path, "--engine", "toy", "--params", table, "--json")
    added = cli(*words)
    assert added.returncode == 0, added.stderr
    assert (
        added.stderr.strip() == "Warning: item_name is left out: it describes an item of Mesmerize."
    )
    (row,) = json.loads(added.stdout)
    assert row["state"] == "queued"
    folder = json.loads(cli("batch", "b", "show", "0", "--json").stdout)["folder"]
    spec = json.loads((Path(folder) / "item.json").read_text("utf-8"))
    assert spec["refit"] is True
    table.write_text('{"main": {"gSgi": [3, 3]}}', "utf-8")
    wrong = cli(*words)
    assert wrong.returncode == 2
    assert f"{table}: There is no parameter 'gSgi'. Did you mean gSig?" in wrong.stderr


def test_a_batch_from_first_to_last_in_json(cli, movie_path: Path) -> None:
    options = ("--engine", "toy", "--set", "gSig=3,3")
    for k in range(3):
        added = cli(
            "batch", "b", "add", movie_path, *options, "--set", f"K={k + 3}", "--name", k + 1
        )
        assert added.returncode == 0, added.stderr
    again = cli("batch", "b", "add", movie_path, *options, "--set", "K=3", "--json")
    assert "has this already: '1' (queued)" in again.stderr
    assert json.loads(again.stdout)[0]["name"] == "1"
    renamed = cli("batch", "b", "rename", "2", "zwölf", "--json")
    assert json.loads(renamed.stdout)[0]["name"] == "zwölf"
    started = cli("batch", "b", "start", "--json")
    assert started.returncode == 0, started.stderr
    assert [row["state"] for row in json.loads(started.stdout)] == ["completed"] * 3
    assert "3 of 3 done, 3 (cnmf): completed after" in started.stderr
    assert "\r" not in started.stderr
    removed = cli("batch", "b", "remove", "1", "--json")
    assert [row["name"] for row in json.loads(removed.stdout)] == ["1"]
    listed = json.loads(cli("batch", "b", "list", "--json").stdout)
    assert [row["name"] for row in listed] == ["zwölf", "3"]


def test_the_package_itself_is_the_command_line_and_says_its_result_in_json(
    cli, movie_path: Path, tmp_path: Path
) -> None:
    folder = str(tmp_path / "größe b")
    words = ("run", str(movie_path), "--batch", folder, "--engine", "toy", "--json")
    first = subprocess.run(
        [sys.executable, "-m", "napari_cnmf", *words],
        capture_output=True, check=False, encoding="utf-8", env=os.environ | {"PYTHONUTF8": "1"},
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    summary = json.loads(first.stdout)
    assert summary["n_components"] == 2
    assert Path(summary["result"]).is_file()
    again = cli(*words)
    assert "already" in again.stderr
    assert json.loads(again.stdout)["uuid"] == summary["uuid"]


def test_names_do_not_steer_the_terminal(cli, movie_path: Path) -> None:
    name = "red \x1b[31m\x1b]0;title\x07 \u202e txt"
    added = cli("batch", "b", "add", movie_path, "--engine", "toy", "--name", name)
    assert added.returncode == 0, added.stderr
    odd = movie_path.with_name("gone \x1b[31m.tif")
    os.link(movie_path, odd)
    cli("batch", "b", "add", odd, "--engine", "toy", "--set", "K=9")
    odd.unlink()
    for words in (("list",), ("show", "0"), ("start",), ("rename", "0", "a\x1b[2J"), ("list",)):
        done = cli("batch", "b", *words)
        for text in (done.stdout, done.stderr):
            assert "\x1b" not in text, words
            assert "\u202e" not in text, words
