"""Names of files that mean one file on every system.

Windows and macOS know no case, macOS spells accents in its own way, and Windows keeps some names
for devices and drops dots and spaces at the end. What is written on one system must be found on
the others, and two names must not become one there.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.I
)
_LONGEST_BYTES = 200
"""File systems take 255 bytes; names of temporary files and journals are longer than their own."""


def name_key(name: str) -> str:
    """Key that is equal for two names that are one on some system: no case, accents in one form."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return folded.rstrip(". ")


def why_not_portable(name: str) -> str:
    """Reason why a file of this name cannot be reached on some system; empty where it can.

    The text goes on from "its name".
    """
    if not name or name in (".", ".."):
        return "is empty"
    if found := _FORBIDDEN.search(name):
        return f"holds {found[0]!r}, which Windows takes in no name"
    if not name.isprintable():
        return "holds a sign that cannot be seen"
    if name != name.rstrip(". "):
        return "ends in a dot or a space, which Windows drops"
    if _DEVICES.fullmatch(name):
        return "is that of a device of Windows"
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST_BYTES:
        return f"is longer than {_LONGEST_BYTES} bytes"
    return ""


def portable_name(name: str) -> str:
    """Name close to ``name`` that every system takes."""
    visible = "".join(sign if sign.isprintable() else " " for sign in name)
    text = _FORBIDDEN.sub("-", visible).rstrip(". ")
    while len(text.encode("utf-8", "ignore")) > _LONGEST_BYTES:
        text = text[:-1]
    return f"_{text}" if not text or _DEVICES.fullmatch(text) else text


def expand_home(path: str | os.PathLike[str]) -> Path:
    """Path with the home folder in the place of ``~``, and as it is where nobody has that home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def namesake(path: Path) -> str | None:
    """Name in the folder of ``path`` that is the same as its own on some system."""
    wanted = name_key(path.name)
    try:
        names = os.listdir(path.parent)
    except OSError:
        return None
    return next((name for name in names if name != path.name and name_key(name) == wanted), None)
