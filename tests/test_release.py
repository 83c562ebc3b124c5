"""What is said in several files is said alike."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_the_citation_is_of_this_version_and_these_methods() -> None:
    citation = loaded("CITATION.cff")
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    from napari_cnmf.io.exports import methods

    source = Path(methods.__file__).read_text("utf-8")
    for reference in citation["references"]:
        assert reference["doi"].lower() in source.lower(), "the methods paragraph cites it too"


def test_the_hub_finds_it() -> None:
    assert "Framework :: napari" in PROJECT["classifiers"]
    manifest = loaded("src/napari_cnmf/napari.yaml")
    assert manifest["display_name"] == "CNMF"
    assert manifest["categories"]
    assert (ROOT / "src" / "napari_cnmf" / manifest["icon"].split(":")[1]).is_file()
    assert loaded(".napari-hub/config.yml")["labels"]["terms"]
    assert len((ROOT / ".napari-hub" / "DESCRIPTION.md").read_text("utf-8")) > 400


@pytest.mark.parametrize("name", ["tests.yml", "release.yml"])
def test_workflows_run_what_is_there(name: str) -> None:
    text = (ROOT / ".github" / "workflows" / name).read_text("utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"run: make (\w+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    for script in re.findall(r"python (scripts/\S+)", text):
        assert (ROOT / script).is_file()
    for job in jobs.values():
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= set(jobs)


@pytest.mark.parametrize("name", ["tests.yml", "release.yml"])
def test_actions_are_pinned_to_a_commit(name: str) -> None:
    """A tag can be moved to other code; a commit cannot."""
    text = (ROOT / ".github" / "workflows" / name).read_text("utf-8")
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for action, note in used:
        if not action.startswith("./"):
            assert re.search(r"@[0-9a-f]{40}$", action), action
            assert re.fullmatch(r" # v\d[\d.]*", note), f"{action} says no version"


def test_lowest_and_newest_are_tried_on_every_system() -> None:
    matrix = loaded(".github/workflows/tests.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert {row["os"] for row in matrix["include"] if row["dependencies"] == "lowest"} == set(
        matrix["os"]
    )


def test_readme_on_pypi_has_no_relative_links() -> None:
    """PyPI shows the README without the files around it."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]
    text = (ROOT / "README.md").read_text("utf-8")
    assert re.search(r"\]\((?!https?://|#)", text), "the README itself links to its neighbours"
    for rule in config["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    assert not re.search(r"\]\((?!https?://|#)", text)


def test_the_conda_recipe_asks_for_what_pip_installs() -> None:
    recipe = loaded("conda/recipe.yaml")
    assert recipe["context"]["version"] == PROJECT["version"]
    names = {"dask[array]": "dask-core", "matplotlib": "matplotlib-base"}
    wanted = set()
    for dependency in PROJECT["dependencies"]:
        match = re.fullmatch(r"([\w\-\[\]]+)(.*)", dependency)
        assert match is not None
        wanted.add(f"{names.get(match[1], match[1])} {match[2]}")
    assert wanted == {d for d in recipe["requirements"]["run"] if not d.startswith("python ")}
