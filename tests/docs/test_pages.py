"""Pages are short to read, and the tutorials run as they are pasted."""

from __future__ import annotations

import re
import runpy
import warnings
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest

import napari_cnmf as nc
from napari_cnmf.testing import samples, simulate, simulate_one_photon, simulate_volume

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TUTORIALS = sorted((ROOT / "examples").glob("*.py"))
# These are files of the repository, shown as pages.
_NOT_PROSE = {"changelog.md", "contributing.md"}
PAGES = [
    *(page for page in sorted(DOCS.rglob("*.md")) if page.name not in _NOT_PROSE),
    *TUTORIALS,
    ROOT / "README.md",
]
_MOST_WORDS = 18
_NO_TEXT = re.compile(r"^```.*?^```|\$\$.*?\$\$|<!--.*?-->", re.MULTILINE | re.DOTALL)
_NEW_BLOCK = re.compile(r"([-*]|\d+\.) ")
_SENTENCE_END = re.compile(r"(?<=[.!?:])[*_)\"]*\s+(?=[A-Z*_(\"])")


def prose(page: Path) -> str:
    text = page.read_text("utf-8")
    if page.suffix == ".py":
        cells = text.split("# %%")
        markdown = [cell for cell in cells if cell.startswith(" [markdown]")]
        text = "\n".join(cell.split("\n", 1)[1].replace("\n# ", "\n") for cell in markdown)
        text = re.sub(r"^#(?: |$)", "", text, flags=re.MULTILINE)
    return _NO_TEXT.sub("", text)


def sentences(text: str) -> list[str]:
    """Sentences of paragraphs and lists; tables, headings and code are none."""
    paragraphs: list[list[str]] = [[]]
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith(("|", "#", "!", "--8<--", ":::", "options:", "<")):
            paragraphs.append([])
        elif _NEW_BLOCK.match(line):
            paragraphs.append([_NEW_BLOCK.sub("", line, count=1)])
        else:
            paragraphs[-1].append(line)
    found = []
    for paragraph in map(" ".join, paragraphs):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", paragraph)
        plain = re.sub(r"`[^`]*`|\$[^$]*\$", "Code", plain)
        found += [one for one in _SENTENCE_END.split(plain) if re.search(r"\w", one)]
    return found


def test_sentences_are_told_apart() -> None:
    text = "# Title\n\nOne two. Three `a b c` four:\n\n- five [six](7)\n- eight\n\n| no | no |\n"
    assert sentences(text) == ["One two.", "Three Code four:", "five six", "eight"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_sentences_are_short(page: Path) -> None:
    found = sentences(prose(page))
    if not found:
        return
    mean = sum(len(one.split()) for one in found) / len(found)
    longest = max(found, key=lambda one: len(one.split()))
    assert mean <= _MOST_WORDS, f"{mean:.1f} words a sentence; the longest: {longest}"


@pytest.mark.parametrize(
    "page",
    [page for page in sorted(DOCS.rglob("*.md")) if page.parent.name in ("how-to", "reference")],
    ids=lambda page: page.stem,
)
def test_a_page_begins_with_a_summary(page: Path) -> None:
    text = re.sub(r"<!--.*?-->\s*", "", page.read_text("utf-8"))
    title, _, rest = text.partition("\n")
    assert title.startswith("# ")
    assert re.match(r"[\w*`\[]", rest.strip()), "a page says first what it is for"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.suffix == ".md"], ids=lambda page: page.stem
)
def test_a_short_table_comes_before_a_long_one(page: Path) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", page.read_text("utf-8"), re.MULTILINE)
    n_rows = [table.count("\n") - 2 for table in tables]
    for number, rows in enumerate(n_rows):
        assert rows <= 20 or min(n_rows[:number], default=rows) <= 8, f"{rows} rows"


def test_every_page_is_in_the_navigation() -> None:
    listed = set(
        re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    )
    made = {f"tutorials/{path.stem.replace('_', '-')}.md" for path in TUTORIALS}
    assert listed == made | {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_every_public_name_has_an_example() -> None:
    page = (DOCS / "reference" / "python-api.md").read_text("utf-8")
    shown = "".join(re.findall(r"```python.*?```|`nc\.[^`]*`", page, re.DOTALL))
    without = [name for name in nc.__all__ if not re.search(rf"\bnc\.{name}\b", shown)]
    assert without == []


@pytest.fixture
def small_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and samples that take less time."""
    small = {
        "two-photon": lambda: simulate(n_frames=300, size=(48, 64), n_cells=8, seed=3),
        "one-photon": lambda: simulate_one_photon(n_frames=300, size=(64, 64), n_cells=8, seed=3),
        "volume": lambda: simulate_volume(n_frames=200, size=(6, 32, 40), n_cells=4, seed=3),
    }
    for name, make in small.items():
        monkeypatch.setitem(samples.SAMPLES, name, replace(samples.SAMPLES[name], simulate=make))
    monkeypatch.setattr(samples, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_twice_in_an_empty_folder(tutorial: Path, small_samples: Path) -> None:
    import matplotlib.pyplot as plt

    for _ in range(2):
        with warnings.catch_warnings(), mpl.rc_context():
            warnings.simplefilter("ignore")
            mpl.use("Agg")
            ended = runpy.run_path(str(tutorial))
            plt.close("all")
        assert all(item.state == nc.State.COMPLETED for item in ended["batch"])
    assert len(ended["batch"]) <= 4, "the second run added nothing"
