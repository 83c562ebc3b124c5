"""mkdocs hooks: pages that are derived from the product when the site is built."""

from __future__ import annotations

import argparse
import html
import os
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

from napari_cnmf.cli import build_parser

_MATH = re.compile(r'<(span|div) class="arithmatex">\\[([](.*?)\\[)\]]</\1>', re.DOTALL)
_TAG = re.compile(r"\\tag\{(\d+)\}")
_HERE = re.compile(r"^<!-- help of every command -->$", re.MULTILINE)
_FILE = re.compile(r"^<!-- file ([A-Z]+\.md) of the repository -->$", re.MULTILINE)
_ROOT = Path(__file__).parents[1]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the help of every command, or a page of the repository, where a page asks for it."""
    markdown = _FILE.sub(lambda found: _page_of_repository(found[1]), markdown)
    return _HERE.sub(lambda _: "\n\n".join(_describe_commands()), markdown)


def _page_of_repository(name: str) -> str:
    """Links into ``docs/`` lead to the site's own pages."""
    return (_ROOT / name).read_text("utf-8").replace("](docs/", "](")


def on_page_content(content: str, **_: Any) -> str:
    """Formulas as MathML, which browsers show by themselves: no script of another server."""
    return _MATH.sub(_formula, content)


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
