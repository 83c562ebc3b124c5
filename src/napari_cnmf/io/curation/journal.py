"""A journal as a file of JSON lines, one writer at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_cnmf.errors import CurationError


class FileJournal:
    """``curation.jsonl``: made with the first edit, only ever appended to.

    A line is written in one unbuffered write, so a crash loses at most the line being written;
    such a torn last line is passed over when reading and closed off when writing on.

    Two windows on one result: what another process appended since this one read is noticed at
    the next edit, which is then refused instead of mixing two histories.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known_size = 0

    def lines(self) -> Sequence[dict[str, Any]]:
        """All whole lines.

        Raises
        ------
        CurationError
            When a line in the middle is not JSON: the file was damaged, not just cut short.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        self._known_size = len(data)
        parsed = []
        raw_lines = data.split(b"\n")
        for number, raw in enumerate(raw_lines, start=1):
            if not raw.strip():
                continue
            try:
                line = json.loads(raw)
                if not isinstance(line, dict):
                    raise ValueError("not an object")
            except ValueError as error:
                if number == len(raw_lines) or _is_torn(raw):
                    continue
                raise CurationError(
                    f"Line {number} of {self.path} must be a JSON object, got {raw[:80]!r}. "
                    "Restore the file from a backup, or remove that line."
                ) from error
            parsed.append(line)
        return parsed

    def require_current(self) -> None:
        """Refuse to go on where another window or program has written since this one read.

        Raises
        ------
        CurationError
            When the file is another than the one that was read.
        """
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            size = 0
        if size != self._known_size:
            raise self._changed_elsewhere()

    def append(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False, default=_plain)
        try:
            with self.path.open("ab+", buffering=0) as file:
                size = file.seek(0, 2)
                if size != self._known_size:
                    raise self._changed_elsewhere()
                if size:
                    file.seek(-1, 2)
                    if file.read(1) != b"\n":
                        text = "\n" + text
                file.write(text.encode() + b"\n")
                self._known_size = file.seek(0, 2)
        except OSError as error:
            raise CurationError(
                f"The journal {self.path} must be writable: {error.strerror or error}. "
                "The edit was not made; free space or check the permissions, then try again."
            ) from error

    def _changed_elsewhere(self) -> CurationError:
        return CurationError(
            f"{self.path} was changed by another window or program since it was read. "
            "Open the result again to go on from there."
        )


def _is_torn(raw: bytes) -> bool:
    """Whether a line is the beginning of an object: a write that was cut off, wherever it was."""
    depth, is_text, is_escaped = 0, False, False
    for character in raw.decode(errors="replace").strip():
        if is_text:
            is_text = is_escaped or character != '"'
            is_escaped = not is_escaped and character == "\\"
        elif character == '"':
            is_text = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
    return raw.lstrip().startswith(b"{") and (is_text or depth > 0)


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a journal")
