"""Files of a batch, read so that nothing in them can hang, crash or flood the reader.

A batch may come from a share, another lab or a damaged disk. Every reader of an item goes through
here: a pipe, a device or a link in the place of a file, a huge file, or JSON that no parser
survives becomes one `BatchError` about that file. `napari_cnmf._atomic` writes the files.
"""

from __future__ import annotations

import json
import math
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from napari_cnmf.errors import BatchError

_NEXT_STEP = "Mend the file, or put a copy of it back."
_JSON_LIMIT = 256 * 2**20
"""An item of 90,000 files has 20 MB."""
_DEPTH_LIMIT = 50
"""Parameters are three levels deep."""

_STEERING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of control characters, halves of characters, and foreign line ends."""
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn the direction of what follows, so that a name reads as another one."""


class NotAFileError(OSError):
    """A link, a pipe, a device or a folder is where a file must be."""


@contextmanager
def open_file(path: Path) -> Iterator[BufferedReader]:
    """Open a file for reading, if it is one.

    Raises
    ------
    FileNotFoundError
        There is nothing.
    NotAFileError
        There is something else than a plain file. Opening a pipe would wait for a writer for
        ever, and a link could lead anywhere.
    OSError
        It cannot be read.
    """
    # Windows has neither flag, and no such files in folders.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise NotAFileError(f"{path} must be a file, and is something else")
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotAFileError(f"{path} must be a file, and is something else")
        yield stream


def read_json(path: Path) -> dict[str, Any]:
    """The object in ``path``. Numbers that JSON does not know (NaN, infinity) read as ``None``.

    Raises
    ------
    BatchError
        When there is no such file, it is no plain file, or it does not hold one JSON object.
    """
    try:
        with open_file(path) as stream:
            data = stream.read(_JSON_LIMIT + 1)
    except FileNotFoundError as error:
        raise BatchError(f"{path} must be there, and is not. {_NEXT_STEP}") from error
    except NotAFileError as error:
        raise BatchError(
            f"{path} must be a file, and is a link, a folder, a pipe or a device. "
            "Replace it by the file, or remove the item."
        ) from error
    except OSError as error:
        raise BatchError(f"{path} must be readable: {error.strerror or error}.") from error
    if len(data) > _JSON_LIMIT:
        raise BatchError(
            f"{path} must be smaller than {_JSON_LIMIT / 2**20:.0f} MB, and is not. {_NEXT_STEP}"
        )
    try:
        value = json.loads(data, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BatchError(f"{path} must hold JSON: {why}. {_NEXT_STEP}") from None
    if not isinstance(value, dict):
        raise BatchError(
            f"{path} must hold one JSON object, got {type(value).__name__}. {_NEXT_STEP}"
        )
    # Most files have too few brackets to be deep.
    if data.count(b"{") + data.count(b"[") > _DEPTH_LIMIT and _is_deep(value):
        raise BatchError(
            f"{path} must be nested less than {_DEPTH_LIMIT} levels deep. {_NEXT_STEP}"
        )
    return value


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _is_deep(value: Any) -> bool:
    """Whether a text is nested deeper than anything that we write; found without recursion."""
    level = [value]
    for _ in range(_DEPTH_LIMIT):
        inside = [one.values() if isinstance(one, dict) else one for one in level]
        level = [x for part in inside for x in part if isinstance(x, dict | list)]
        if not level:
            return False
    return True


def tail(path: Path, n_bytes: int) -> str:
    """The last ``n_bytes`` of a text file; empty when there is none."""
    try:
        with open_file(path) as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - n_bytes))
            return file.read(n_bytes).decode(errors="replace")
    except (FileNotFoundError, NotAFileError):
        return ""


def printable(text: str, *, lines: bool = True) -> str:
    """Text from a file, safe to print: what would steer a terminal is shown as U+FFFD.

    Parameters
    ----------
    lines
        Keep line feeds and tabs.
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(
        letter
        if letter in kept
        or (unicodedata.category(letter) not in _STEERING and letter not in _TURNING)
        else "\ufffd"
        for letter in text
    )
