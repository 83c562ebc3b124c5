"""Encodes lines of a journal as bytes: each with a checksum, each readable by itself."""

from __future__ import annotations

import codecs
import json
import re
import zlib
from datetime import datetime
from typing import Any

_CHECK = "check"
_CHECKED = frozenset(
    {"edit", "number", "parent", "ids", "value", "new_ids", "who", "time", "move", "seen"}
)
"""What the checksum covers. A newer version may add fields and lines stay readable here."""
_MOST_STARTS = 10_000
"""Places of one damaged stretch at which a line is looked for, so that reading always ends."""
_BOM = b"\xef\xbb\xbf"


def encode_line(line: dict[str, Any]) -> bytes:
    """Encode a line with its checksum and its end of line."""
    checked = {**line, _CHECK: _checksum(line)}
    return json.dumps(checked, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def decode_lines(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """Decode every whole line, and count the places that are damaged.

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
    n_damaged = 0
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # Shells and editors of Windows save so. Nothing must be appended to it as it is.
        data, n_damaged = data.decode("utf-16", "replace").encode(), 1
    n_damaged += b"\0" in data
    has_checks = False
    for raw in re.split(rb"[\n\0]+", data.removeprefix(_BOM)):
        text = raw.strip(b" \t\r")
        if not text:
            continue
        found = _decode(text)
        if found is None:
            n_damaged += 1
            salvaged = _salvage(text)
        else:
            salvaged = [found]
        may_lack_time = found is not None and not has_checks
        for line, is_checked in salvaged:
            # Every version wrote the time last: without a whole one the end of the line was cut
            # off, or is that of another line.
            if is_checked or (may_lack_time if "time" not in line else _is_time(line["time"])):
                lines.append(line)
            else:
                n_damaged += 1
            has_checks |= is_checked
    return lines, n_damaged


def _decode(text: bytes) -> tuple[dict[str, Any], bool] | None:
    """Decode one line, and whether a checksum vouches for it; ``None`` where damaged."""
    try:
        line = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict):
        return None
    if _CHECK in line:
        return (line, True) if line.pop(_CHECK) == _checksum(line) else None
    return None if any(map(_was_check, line)) else (line, False)


def _is_time(value: Any) -> bool:
    """Whether a time is whole, to its zone."""
    try:
        return value.endswith("+00:00") and datetime.fromisoformat(value).tzinfo is not None
    except (AttributeError, ValueError):
        return False


def _checksum(line: dict[str, Any]) -> str:
    checked = {key: value for key, value in line.items() if key in _CHECKED}
    return f"{zlib.crc32(json.dumps(checked, sort_keys=True).encode()):08x}"


def _was_check(key: str) -> bool:
    """Whether a key is that of the checksum with a letter or two damaged."""
    return len(key) == 5 and sum(a == b for a, b in zip(key, _CHECK, strict=True)) >= 3


def _salvage(text: bytes) -> list[tuple[dict[str, Any], bool]]:
    """Find whole lines inside a stretch of bytes that as a whole is none."""
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
            one = _decode(text[at:end])
            if one is not None and {"edit", "move", "seen"} & one[0].keys():
                found.append(one)
            else:
                end = at + 1
        at = characters.find('{"', end)
    return found


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
