"""Lines of a journal as bytes: each with a checksum, each readable whatever is around it."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

_CHECK = re.compile(rb', "check": "([0-9a-f]{8})"\}\Z')
_MOST_STARTS = 10_000
"""Places of one damaged stretch at which a line is looked for, so that reading always ends."""
_BOM = b"\xef\xbb\xbf"


def encode_line(line: dict[str, Any]) -> bytes:
    """A line with its checksum and its end of line."""
    body = json.dumps(line, ensure_ascii=False, allow_nan=False).encode()
    return body[:-1] + b', "check": "%08x"}\n' % zlib.crc32(body)


def decode_lines(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """Every line that is whole, and the number of places that are not.

    Parameters
    ----------
    data
        The file.

    Notes
    -----
    A power cut leaves zero bytes where a block was never written: they end a line, as an end of
    line does. Where an end of line itself is damaged both of its lines are still found. Lines of
    earlier versions, and those of other programs, have no checksum.
    """
    lines: list[dict[str, Any]] = []
    n_damaged = int(b"\0" in data)
    for raw in re.split(rb"[\n\0]+", data.removeprefix(_BOM)):
        text = raw.strip(b" \t\r")
        if not text:
            continue
        line = _decode(text)
        if line is not None:
            lines.append(line)
        else:
            n_damaged += 1
            lines += _salvage(text)
    return lines, n_damaged


def _decode(text: bytes) -> dict[str, Any] | None:
    """The object of one line; ``None`` where it is damaged."""
    check = _CHECK.search(text)
    if check is not None:
        text = text[: check.start()] + b"}"
        if zlib.crc32(text) != int(check.group(1), 16):
            return None
    try:
        line = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or (check is None and any(map(_was_check, line))):
        return None
    return line


def _was_check(key: str) -> bool:
    """Whether a key is the one of the checksum with a letter or two damaged."""
    return len(key) == 5 and sum(a == b for a, b in zip(key, "check", strict=True)) >= 3


def _salvage(text: bytes) -> list[dict[str, Any]]:
    """Whole lines inside a stretch of bytes that as a whole is none."""
    found = []
    decoder = json.JSONDecoder(parse_constant=_refuse)
    # Every byte becomes one character and can become that byte again.
    characters = text.decode("latin-1")
    at = characters.find('{"')
    for _ in range(_MOST_STARTS):
        if at < 0:
            break
        end = at + 1
        try:
            _, end = decoder.raw_decode(characters, at)
        except (ValueError, RecursionError):
            pass
        else:
            line = _decode(text[at:end])
            if line is not None and {"edit", "move", "seen"} & line.keys():
                found.append(line)
            else:
                end = at + 1
        at = characters.find('{"', end)
    return found


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
