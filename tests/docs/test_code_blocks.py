"""What README and docs show is run: each page's Python blocks in order, and its commands."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import warnings
from pathlib import Path

import pytest
import tifffile

from napari_cnmf.cli import EXIT_OK, main
from napari_cnmf.testing import simulate, simulate_volume

ROOT = Path(__file__).parents[2]
MESMERIZE = ROOT / "tests" / "batch" / "data" / "mesmerize-core-0.6.0.pickle"
PAGES = sorted(
    page
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if "```" in page.read_text("utf-8")
)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FIRST_READ = ("README", "python-api")
"""Pages that run each time; the others' turn is that of the long tests."""
# These open a window, or change the settings of the machine: each has tests of its own.
_NOT_HERE = ("view", "doctor", "demo")


def blocks(page: Path, language: str) -> list[str]:
    return [code for kind, code in _BLOCK.findall(page.read_text("utf-8")) if kind == language]


def commands(page: Path) -> list[list[str]]:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    split = [shlex.split(line, comments=True) for line in lines]
    ours = [words[1:] for words in split if words and words[0] == "napari-cnmf"]
    return [words for words in ours if words[0] not in _NOT_HERE]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Movies, a volume, and a batch of mesmerize-core, as a user may have them."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "mesmerize").mkdir()
    shutil.copy(MESMERIZE, folder / "mesmerize" / "batch.pickle")
    recording = simulate(n_frames=500, size=(64, 64), n_cells=10, seed=3)
    recording.write(folder / "movie.tif")
    for number, day in enumerate(("first day", "second day")):
        tifffile.imwrite(folder / f"{day}.tif", recording.array()[number:])
    volume = simulate_volume(n_frames=200, size=(6, 32, 40), n_cells=4, seed=3)
    volume.write(folder / "stack.tif")
    return folder


@pytest.fixture
def folder(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with recordings in it."""
    shutil.copytree(recordings, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")  # a script that draws asks for no window
    return tmp_path


def test_there_is_something_to_run() -> None:
    assert any(blocks(page, "python") for page in PAGES)
    assert any(commands(page) for page in PAGES)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, marks=() if p.stem in _FIRST_READ else pytest.mark.long)
        for p in PAGES
        if blocks(p, "python") or commands(p)
    ],
    ids=lambda p: p.stem,
)
def test_what_a_page_shows_runs_in_order(page: Path, folder: Path) -> None:
    script = "\n".join(blocks(page, "python"))
    if script:
        (folder / "script.py").write_text(script, "utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as in a reader's interpreter, they are no errors
            runpy.run_path("script.py", run_name="__main__")
    for words in commands(page):
        assert main(words) == EXIT_OK, words
