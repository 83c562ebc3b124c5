"""Messages that the page explains are messages that the code raises, word for word."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "napari_cnmf"
PAGE = ROOT / "docs" / "reference" / "messages.md"
_VALUE = "\0"

HEADINGS = re.findall(r'^### "(.+)"$', PAGE.read_text("utf-8"), re.MULTILINE)


def texts() -> list[str]:
    """Every text of the sources; what is filled in when it runs stands as ``_VALUE``."""
    found = []
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [
                    part.value if isinstance(part, ast.Constant) else _VALUE for part in node.values
                ]
                found.append("".join(map(str, parts)))
    return found


@pytest.fixture(scope="module")
def messages() -> str:
    return "\n".join(text.replace("\n", " ") for text in texts())


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_message_exists(heading: str, messages: str) -> None:
    pattern = r"[^\n]*?".join(re.escape(part) for part in heading.split("…"))
    assert re.search(pattern, messages), f"nothing says {heading!r}: what became of it?"


def test_each_is_explained_once() -> None:
    assert len(HEADINGS) > 50
    assert len(set(HEADINGS)) == len(HEADINGS)
