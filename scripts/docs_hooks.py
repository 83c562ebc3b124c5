"""mkdocs hooks: pages that are derived from the product when the site is built."""

from __future__ import annotations

import argparse
import hashlib
import html
import os
import re
import tempfile
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient

from napari_cnmf.cli import build_parser

_MATH = re.compile(r'<(span|div) class="arithmatex">\\[([](.*?)\\[)\]]</\1>', re.DOTALL)
_ROLE = re.compile(r":(?:class|func|meth|attr|mod|exc):(?=<code>)")
_TAG = re.compile(r"\\tag\{(\d+)\}")
_HERE = re.compile(r"^<!-- help of every command -->$", re.MULTILINE)
_FILE = re.compile(r"^<!-- file ([A-Z]+\.md) of the repository -->$", re.MULTILINE)
_ROOT = Path(__file__).parents[1]
_SCRIPT = "https://github.com/napari-cnmf/napari-cnmf/blob/main/examples"


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Make a tutorial of each script in ``examples``: it is run, and shown with what it prints."""
    scripts = sorted((_ROOT / "examples").glob("*.py"))
    with ThreadPoolExecutor(2) as pool:  # each has a kernel of its own
        notebooks = list(pool.map(_executed, scripts))
    for script, notebook in zip(scripts, notebooks, strict=True):
        name = script.stem.replace("_", "-")
        page, pictures = _tutorial(name, script.name, notebook)
        made: dict[str, str | bytes] = {f"{name}.md": page, **pictures}
        made[f"{name}.ipynb"] = nbformat.writes(_for_download(notebook, str(config.site_url)))
        for file, content in made.items():
            files.append(File.generated(config, f"tutorials/{file}", content=content))
    return files


def _executed(script: Path) -> nbformat.NotebookNode:
    """The script as a notebook, run in an empty folder; kept until the script or ours changes."""
    sources = [script, *sorted((_ROOT / "src").rglob("*.py"))]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    kept = _ROOT / "build" / "tutorials" / f"{script.stem}-{digest[:16]}.ipynb"
    if not kept.exists():
        notebook = jupytext.read(script, fmt="py:percent")
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            where = {"metadata": {"path": folder}}
            NotebookClient(notebook, timeout=900, kernel_name="python3", resources=where).execute()
        kept.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, kept)
    return nbformat.read(kept, as_version=4)


def _tutorial(
    name: str, script: str, notebook: nbformat.NotebookNode
) -> tuple[str, dict[str, bytes]]:
    """The page as Markdown, and its pictures by file name."""
    parts, pictures = [], {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            if output.get("name") == "stdout":
                parts.append(f"```text\n{output.text.rstrip()}\n```")
            elif png := output.get("data", {}).get("image/png"):
                file = f"{name}-{len(pictures) + 1}.png"
                pictures[file] = b64decode(png)
                parts.append(f"![Picture that the code above draws]({file})")
    parts.append(
        f"*This page as a [notebook]({name}.ipynb) and as a [script]({_SCRIPT}/{script}).*"
    )
    return "\n\n".join(parts), pictures


def _for_download(notebook: nbformat.NotebookNode, site: str) -> nbformat.NotebookNode:
    """The notebook with links into the site, which lead nowhere from a reader's own folder."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\(\.\./([^)]+?)\.md", rf"]({site}\1/", cell.source)
            cell.source = cell.source.replace("](../", f"]({site}")
    return notebook


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the help of every command, or a page of the repository, where a page asks for it."""
    markdown = _FILE.sub(lambda found: _page_of_repository(found[1]), markdown)
    return _HERE.sub(lambda _: "\n\n".join(_describe_commands()), markdown)


def _page_of_repository(name: str) -> str:
    """Links into ``docs/`` lead to the site's own pages."""
    return (_ROOT / name).read_text("utf-8").replace("](docs/", "](../")


def on_page_content(content: str, **_: Any) -> str:
    """Formulas as MathML, which browsers show by themselves; docstrings without Sphinx's roles."""
    return _ROLE.sub("", _MATH.sub(_formula, content))


def _formula(found: re.Match[str]) -> str:
    latex = html.unescape(found[2]).strip()
    number = _TAG.search(latex)
    is_block = found[1] == "div"
    mathml = convert(_TAG.sub("", latex), display="block" if is_block else "inline")
    if number is None:
        return mathml
    label = f'<span style="float: right">({number[1]})</span>'
    return f"<div>{label}{mathml}</div>"


def _describe_commands() -> list[str]:
    os.environ["COLUMNS"] = "88"  # argparse wraps to the terminal otherwise
    return [text for name, parser in _commands(build_parser()) for text in _section(name, parser)]


def _commands(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser]]:
    found: list[tuple[str, argparse.ArgumentParser]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                found += [(child.prog, child), *_commands(child)]
    return found


def _section(name: str, parser: argparse.ArgumentParser) -> list[str]:
    return [f"## {name}", f"```text\n{parser.format_help().rstrip()}\n```"]
