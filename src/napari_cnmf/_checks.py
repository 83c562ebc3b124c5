"""Checks of what a caller gives, shared by all that is public: a sentence for each mistake.

A check names what it asks for, shows what was given in one line, and raises the error class of the
room that asks.
"""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._names import not_one_of
from napari_cnmf.errors import reason

_LONGEST = 60
"""Letters of a value that a message shows; a repr of an array would fill a screen."""


def shown(value: Any) -> str:
    """A value as messages show it: in one line, and cut where it is long."""
    kind = f" ({value.dtype})" if isinstance(value, np.ndarray) else ""
    text = " ".join(repr(value).split())
    return (text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…") + kind


def is_number(value: Any) -> bool:
    """Whether a value is a real number; True and False are none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, as Python or numpy has them; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_number(
    name: str,
    value: Any,
    error: type[Exception],
    *,
    least: float = -math.inf,
    most: float = math.inf,
    whole: bool = False,
    advice: str = "",
) -> float:
    """A finite number between two bounds, both of which it may be.

    Parameters
    ----------
    name
        What the caller named it.
    error
        The class that is raised.
    whole
        Whether it must be a whole number; ``500.0`` is one.
    advice
        The next step, a sentence.
    """
    number = _finite(value)
    if number is None or not least <= number <= most or (whole and not number.is_integer()):
        kind = "a whole number" if whole else "a number"
        range_ = (
            f" from {least:g} to {most:g}" if math.isfinite(least) and math.isfinite(most)
            else f" of at least {least:g}" if math.isfinite(least)
            else f" of at most {most:g}" if math.isfinite(most) else ""
        )  # fmt: skip
        raise error(f"{name} must be {kind}{range_}, got {shown(value)}. {advice}".rstrip())
    return number


def _finite(value: Any) -> float | None:
    if not is_number(value):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond all floating point
        return None
    return number if math.isfinite(number) else None


def check_choice(
    name: str, value: Any, choices: Iterable[str], error: type[Exception], *, advice: str = ""
) -> str:
    """One of several words; anything else raises ``error``, which names the closest one."""
    known = [str(choice) for choice in choices]
    if not isinstance(value, str) or value not in known:
        raise error(f"{not_one_of(name, known, value)} {advice}".rstrip())
    return value


def check_kind(
    name: str,
    value: Any,
    kinds: type | tuple[type, ...],
    error: type[Exception],
    *,
    needed: str,
    advice: str = "",
) -> None:
    """Raise ``error`` unless a value is of some class; ``needed`` says of which in words."""
    if not isinstance(value, kinds):
        raise error(f"{name} must be {needed}, got {shown(value)}. {advice}".rstrip())


def check_switch(name: str, value: Any, error: type[Exception]) -> bool:
    """True or False; anything else raises ``error``."""
    if not isinstance(value, bool | np.bool_):
        raise error(f"{name} must be True or False, got {shown(value)}.")
    return bool(value)


def check_path(name: str, value: Any, error: type[Exception], *, advice: str = "") -> Path:
    """A path that the system can be asked for; anything else raises ``error``.

    Names that hold a zero byte, or a half of a character, have no place on a disk; names that are
    too long, or hold signs that a file system refuses, have none on this one.
    """
    try:
        path = Path(os.fspath(value)) if isinstance(value, str | os.PathLike) else None
    except TypeError:  # a path of bytes
        path = None
    why = "" if path is None else why_not_a_path(path)
    if path is None or why:
        why = f": {why}" if why else ""
        raise error(f"{name} must be a path, got {shown(value)}{why}. {advice}".rstrip())
    if _is_closed(path):
        raise error(
            f"{name} must be where you may look, got {shown(value)}: permission denied. Ask for "
            f"access to the folder, or choose another place. {advice}".rstrip()
        )
    return path


def _is_closed(path: Path) -> bool:
    """Whether the folder that a path is in, or that it is, keeps this user out."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.lstat(os.path.join(path, os.curdir))  # asks the folder itself
    except PermissionError:
        return True
    except OSError:
        return False
    return False


_REFUSED = frozenset((errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ))
"""Error numbers of names that a file system does not take, whatever it holds."""


def why_not_a_path(path: Path) -> str:
    """Reason why nothing can ever be at a path; empty where something could be."""
    try:
        if b"\0" in os.fsencode(path):
            return "the name holds a zero byte"
        os.lstat(path)
    except (UnicodeEncodeError, ValueError):
        return "the name holds a half of a character"
    except OSError as error:
        return reason(error).lower() if error.errno in _REFUSED else ""
    return ""


def check_dims(name: str, value: Any, error: type[Exception]) -> tuple[int, ...]:
    """Field ``(Y, X)`` or ``(Z, Y, X)`` in pixels; anything else raises ``error``."""
    sizes = tuple(value) if isinstance(value, tuple | list | np.ndarray) else ()
    if len(sizes) not in (2, 3) or not all(is_whole(n) and n > 0 for n in sizes):
        raise error(f"{name} must be (Y, X) or (Z, Y, X) in pixels, got {shown(value)}.")
    return tuple(int(n) for n in sizes)


def check_texts(name: str, value: Any, error: type[Exception], *, advice: str = "") -> list[str]:
    """Several texts; a text alone, and anything else, raises ``error``."""
    is_list = isinstance(value, Iterable) and not isinstance(value, str)
    listed: list[Any] = list(value) if is_list else [value]
    if not is_list or not all(isinstance(text, str) for text in listed):
        raise error(f"{name} must be a list of texts, got {shown(value)}. {advice}".rstrip())
    return listed


def check_callable(name: str, value: Any, error: type[Exception]) -> Callable[..., Any]:
    """Something that can be called; anything else raises ``error``."""
    if not callable(value):
        raise error(f"{name} must be a function, got {shown(value)}. Give it without brackets.")
    called: Callable[..., Any] = value
    return called


def check_names(given: Mapping[str, Any], known: Iterable[str], error: type[Exception]) -> None:
    """Raise ``error`` for a keyword that there is not."""
    names = list(known)
    unknown = [name for name in given if name not in names]
    if unknown:
        raise error(
            f"There is no {unknown[0][:_LONGEST]!r} to give here. Known are {', '.join(names)}."
        )


def check_array(
    name: str, value: Any, error: type[Exception], *, kinds: str = "biuf", advice: str = ""
) -> NDArray[Any]:
    """Numbers as an array, of the kinds of dtype that numpy calls by these letters.

    Rows of several lengths, text and objects raise ``error``.
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        array = np.asarray(None)
    # an empty list has no kind of its own
    if array.dtype.kind not in kinds and (array.size or array.dtype.kind != "f"):
        needed = {"b": "truth values", "iu": "whole numbers"}.get(kinds, "numbers")
        raise error(f"{name} must be an array of {needed}, got {shown(value)}. {advice}".rstrip())
    return array
