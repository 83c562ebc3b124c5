"""Check the built site: links lead to a page and a heading, pictures are there, no markup is raw.

python scripts/check_site.py [site]
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_RAW = re.compile(r"={6,}|-{6,}|``|:(?:class|func|meth|mod):|\.\. [a-z]+::|^ *>>> ", re.MULTILINE)
"""Markup of docstrings and pages that was meant for the builder, not for the reader."""
_CODE = ("pre", "code", "script", "style")


class _Page(HTMLParser):
    """Links, pictures, anchors and raw markup of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.without_text: list[str] = []
        self.raw: list[str] = []
        self._code = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code += tag in _CODE
        found = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := found.get(key))}
        target = found.get("href") if tag in ("a", "link") else found.get("src")
        if target:
            self.targets.append(target)
        if tag == "img" and not found.get("alt"):
            self.without_text.append(str(target))

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in _CODE

    def handle_data(self, data: str) -> None:
        if not self._code and (match := _RAW.search(data)) is not None:
            self.raw.append(data[max(0, match.start() - 30) : match.end() + 30].strip())


def problems(site: Path) -> list[str]:
    """Everything that leads nowhere as ``page: target``, and every text with raw markup."""
    pages = {path: _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        found += [f"{path}: picture without a text: {name}" for name in page.without_text]
        found += [f"{path}: raw markup: {text}" for text in page.raw]
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            where = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            where = where / "index.html" if where.is_dir() else where
            if not where.exists():
                found.append(f"{path}: {target}")
                continue
            other = pages.get(site / where.relative_to(site.resolve()))
            if parts.fragment and other and unquote(parts.fragment) not in other.anchors:
                found.append(f"{path}: {target}")
    return found


def main() -> int:
    """Print what is wrong; returns the exit code."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "site")
    if not (site / "index.html").exists():
        print(f"The site must be built before it is checked: there is no {site / 'index.html'}.")
        return 1
    found = sorted(set(problems(site)))
    fine = "Every link and picture of the site is there, and no markup is raw."
    print("\n".join(found) if found else fine)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
