"""Writes files beside their place and moves them into it: whole, or not there at all."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_WINDOWS_ATTEMPTS = 50
_WINDOWS_PAUSE_S = 0.02
_FLUSHED_AT_ONCE = 16


@contextmanager
def replacing(path: str | os.PathLike[str], *, keep_suffix: bool = False) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to, and move it to ``path`` when the block ends well.

    Whatever goes wrong inside the block, the unfinished file is removed and what
    was at ``path`` before stays as it was.

    Parameters
    ----------
    path
        Where the file shall be. Its folder must exist.
    keep_suffix
        Keep the suffix of ``path`` at the end of the temporary name, for writers that insist
        on it.

    Raises
    ------
    OSError
        The folder is missing, read-only or full.
    """
    target = Path(path)
    token = f"{os.getpid()}-{secrets.token_hex(4)}"
    ending = f".tmp{target.suffix}" if keep_suffix else ".tmp"
    beside = target.with_name(f".{target.name}.{token}{ending}")
    try:
        yield beside
        flush_to_disk(beside)
        replace_file(beside, target)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write ``content`` to ``path`` in one step."""
    with replacing(path) as beside:
        beside.write_bytes(content)


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8 with line feeds, in one step."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` to ``path`` as readable JSON, in one step.

    Raises
    ------
    ValueError
        ``value`` holds NaN or infinity, which other readers of JSON refuse.
    """
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Text of ``value`` as readable JSON; raises ``ValueError`` for NaN and infinity."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def replace_file(source: Path, target: Path) -> None:
    """Replace ``target``, patient with a reader that has it open on Windows.

    POSIX replaces a file that others read; Windows refuses as long as they do.
    """
    attempts = _WINDOWS_ATTEMPTS if sys.platform == "win32" else 1
    for attempt in range(attempts):
        try:
            os.replace(source, target)
        except PermissionError:
            if attempt + 1 == attempts:
                raise
            time.sleep(_WINDOWS_PAUSE_S)
        else:
            return


def flush_to_disk(path: Path) -> None:
    """Make sure that a file's bytes are on the disk before its name is."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def flush_all(paths: Iterable[Path]) -> None:
    """Flush many files at once like `flush_to_disk`: a file system writes them out together.

    One after the other each waits for a turn of the disk of its own, fifty times as long in all.
    """
    with ThreadPoolExecutor(_FLUSHED_AT_ONCE) as pool:
        for _ in pool.map(flush_to_disk, paths):
            pass
