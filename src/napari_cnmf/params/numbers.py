"""Reads numbers as people type them: with decimal point or comma, in any desktop's language.

The language of the desktop never decides what a text means: parameters travel between people and
programs as text. A text that has two readings is refused with both of them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from napari_cnmf.errors import ParameterError

_SAME_MARK = str.maketrans({"−": "-", "٫": ".", "،": ",", "．": ".", "，": ",", "；": ";"})
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:([ '’\u00a0\u202f_٬])\d{3})(?:\1\d{3})*(?:[.,]\d+)?")
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WITH_COMMA = re.compile(r"[+-]?(?:\d+,\d*|,\d+)(?:[eE][+-]?\d+)?")
_TWO_READINGS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_ENGLISH = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+|[+-]?\d{1,3}(?:,\d{3}){2,}")
_GERMAN = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+|[+-]?\d{1,3}(?:\.\d{3}){2,}")
_LEADING_ZERO = re.compile(r"0\d+")
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_NONE = ("none", "null")


def parse_number(text: str, name: str = "The number", *, whole: bool = False) -> float | None:
    """Read one number.

    Parameters
    ----------
    text
        ``2.5``, ``2,5``, ``1e-3``, ``1 000``, ``1'000``, ``1,234.5``, ``1.234,5``; digits of any
        script.
    name
        Subject of the sentence when the text is refused.
    whole
        Whether only a whole number makes sense: ``1.000`` then has two readings as well.

    Returns
    -------
    int, float or None
        ``None`` where the text is no number at all.

    Raises
    ------
    ParameterError
        For a text with two readings, such as ``1,000``: one, or a thousand.
    """
    plain = "".join(
        str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text.strip()
    ).translate(_SAME_MARK)
    if _TWO_READINGS.fullmatch(plain) and (whole or "," in plain):
        small = f"{float(plain.replace(',', '.')):.15g}"
        large = re.sub("[.,]", "", plain)
        raise ParameterError(
            f"{name} can be read in two ways, as {small} or as {large}: got {text.strip()!r}. "
            f"Write {small} or {large}."
        )
    if _GROUPED.fullmatch(plain):
        return _to_number(re.sub(r"[ '’\u00a0\u202f_٬]", "", plain).replace(",", "."))
    if _PLAIN.fullmatch(plain):
        return _to_number(plain)
    if _WITH_COMMA.fullmatch(plain):
        return _to_number(plain.replace(",", "."))
    if _ENGLISH.fullmatch(plain):
        return _to_number(plain.replace(",", ""))
    if _GERMAN.fullmatch(plain):
        return _to_number(plain.replace(".", "").replace(",", "."))
    return None


def parse_whole(text: str) -> int | None:
    """Whole number in a text of digits and a sign; ``None`` for every other text.

    Python's own ``int`` reads ``30_5`` as 305.
    """
    text = text.strip()
    return int(text) if _WHOLE.fullmatch(text) else None


def has_underscore(value: Any) -> bool:
    """Whether a text, or one in a list, has an underscore, which Python and pydantic leave out."""
    if isinstance(value, list | tuple):
        return any(map(has_underscore, value))
    return isinstance(value, str) and "_" in value


def read_number(text: str, name: str) -> float:
    """Read one number, and refuse whatever is none.

    Raises
    ------
    ParameterError
        With ``name`` as its subject.

    See Also
    --------
    parse_number : what is read how.
    """
    number = parse_number(text, name)
    if number is None:
        got = repr(text.strip()) if text.strip() else "nothing"
        raise ParameterError(f"{name} must be a number, got {got}. Write it as 2.5 or 2,5.")
    return number


def _to_number(text: str) -> float | None:
    try:
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:  # thousands of digits
        return None
    return number if number < math.inf and number > -math.inf else None


@dataclass(frozen=True)
class Kind:
    """Kind of value that a parameter may have, as far as reading a text goes."""

    number: bool
    whole: bool
    several: bool
    """Whether the value may be a list, such as a size along (y, x)."""


@cache
def kind_of(annotation: Any) -> Kind:
    """Kind of value that a type annotation allows."""
    leaves: list[Any] = []
    several = False
    waiting: list[Any] = [annotation]
    while waiting:
        one = waiting.pop()
        if get_origin(one) is Literal:
            leaves.append(str)
            continue
        several = several or get_origin(one) in (tuple, list)
        inner = [part for part in get_args(one) if isinstance(part, type) or get_origin(part)]
        waiting += inner
        if not inner:
            leaves.append(one)
    is_number = (int in leaves or float in leaves) and bool not in leaves and str not in leaves
    return Kind(is_number, is_number and float not in leaves, several)


def read_text(text: str, kind: Kind, name: str) -> Any:
    """Read a parameter's value from a text; a text that is not understood comes back as it is.

    Raises
    ------
    ParameterError
        For a text with two readings.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if text.lower() in _NONE:
        return None
    if not kind.number:
        return text
    if kind.several:
        read = _read_list(text, kind, name)
    else:
        read = parse_number(text, name, whole=kind.whole)
    return text if read is None else read


def _read_list(text: str, kind: Kind, name: str) -> list[float] | float | None:
    inside = text.translate(_SAME_MARK)
    is_bracketed = len(inside) > 1 and inside[0] + inside[-1] in ("()", "[]")
    inside = inside[1:-1].strip() if is_bracketed else inside
    parts = _split_list(inside, kind, name, is_bracketed)
    numbers = [parse_number(part, name, whole=False) for part in parts]
    if not numbers or None in numbers:
        return None
    known = [number for number in numbers if number is not None]
    is_one = len(known) == 1 and not is_bracketed and not re.search("[,;]$", inside)
    return known[0] if is_one else known


def _split_list(inside: str, kind: Kind, name: str, is_bracketed: bool) -> list[str]:
    """Split ``4, 4``, ``4;4``, ``4 4`` or, where decimals make sense, ``1,5; 1,5``."""
    inside = re.sub(r"\s*([,;])", r"\1", inside)
    if ";" in inside:
        parts = inside.split(";")
    elif kind.whole or is_bracketed:
        parts = re.split(r",\s*|\s+", inside)
        for part in parts:
            if _LEADING_ZERO.fullmatch(part):
                raise ParameterError(
                    f"{name} can be read in two ways, as one large number or as a list: got "
                    f"{inside!r}. Write {re.sub(r'[^0-9+-]', '', inside)}, or put a semicolon "
                    "between the numbers."
                )
    elif re.search(r"\s", inside):
        parts = re.split(r",?\s+", inside)
    elif re.fullmatch(r"[+-]?\d+,\d+", inside):
        first, _, second = inside.partition(",")
        raise ParameterError(
            f"{name} can be read in two ways, as the number {first}.{second} or as the list "
            f"({first}, {second}): got {inside!r}. Write {first}.{second}, or {first}; {second}."
        )
    else:
        parts = inside.split(",")
    return [part.strip() for part in parts if part.strip()]


def split_values(text: str, kind: Kind, name: str) -> list[str]:
    """Split several values of one parameter that were typed into one line.

    Semicolons separate them: ``4, 4; 6, 6`` for sizes, ``0,7; 0,85`` for decimals. Commas do for
    single values where they cannot be decimal commas: ``0.7, 0.85``, ``10,20`` for whole numbers.

    Raises
    ------
    ParameterError
        Where a comma may be either.
    """
    text = text.translate(_SAME_MARK)
    if ";" in text or kind.several:
        return [part.strip() for part in text.split(";") if part.strip()]
    has_point = re.search(r"\d\.\d", text) is not None
    is_decimal_comma = kind.number and not kind.whole and not has_point
    if is_decimal_comma and re.search(r"\d,\d", text):
        parts = re.split(r",\s+", text)
        is_unclear = len(parts) == 1
    else:
        parts = text.split(",")
        is_unclear = kind.number and any(_LEADING_ZERO.match(part) for part in parts[1:])
    if is_unclear:
        raise ParameterError(
            f"A comma in the values of {name} may be a decimal comma or separate two values: got "
            f"{text.strip()!r}. Separate values with semicolons."
        )
    return [part.strip() for part in parts if part.strip()]
