"""Says what is wrong with parameters in the user's words: requirement, value, next step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from napari_cnmf._checks import shown as shown_in_one_line
from napari_cnmf._names import closest
from napari_cnmf.errors import ParameterError

_MEANT = {
    "snr": "min_SNR",
    "r_value": "rval_thr",
    "r_values": "rval_thr",
    "p_soma": "min_cnn_thr",
    "cnn": "min_cnn_thr",
    "cnn_preds": "min_cnn_thr",
    "frame_rate_hz": "fr",
    "pixel_size": "dxy",
    "pixel_size_um": "dxy",
    "n_components": "K",
    "n_cells": "K",
    "radius": "gSig",
    "radius_px": "gSig",
}
"""Parameter that belongs to a score of a table or a fact of a movie: no letters tell that."""


class InvalidParametersError(ParameterError):
    """One or more parameters cannot be what they were set to.

    Attributes
    ----------
    problems
        ``{"group.key": sentence}``, so that a form can mark each field.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("\n".join(dict.fromkeys(self.problems.values())))

    def __reduce__(self) -> tuple[type[InvalidParametersError], tuple[dict[str, str]]]:
        return type(self), (self.problems,)


def unknown_name(name: str, known: Iterable[str], what: str = "parameter") -> str:
    """Sentence about a name that nobody knows."""
    known = list(known)
    group, dot, key = name.rpartition(".")
    meant = f"{group}{dot}{_MEANT.get(key.lower(), '')}"
    guess = meant if meant in known else closest(name, known)
    if guess is not None:
        next_step = f"Did you mean {guess}?"
    elif what == "parameter":
        next_step = "`napari-cnmf params` lists every name."
    else:
        next_step = f"There are {', '.join(known)}."
    return f"There is no {what} {name!r}. {next_step}"


def not_a_table(name: str, value: Any) -> str:
    """Sentence about a value that should hold names and values."""
    return (
        f"{name} must be a table of names and values, got {shown(value)}. "
        "Write for example {'init': {'gSig': (5, 5)}}."
    )


def not_a_number(name: str, value: Any, field: FieldInfo) -> str:
    """The sentence about a switch, or a text with an underscore, where a number must be."""
    return (
        f"{name} must be a number, got {shown(value)}. {_meaning(field.description or '')} "
        f"{_next_step(field)}"
    )


def explain(error: ValidationError, model: type[BaseModel], group: str) -> dict[str, str]:
    """Turn pydantic's errors into ``{"group.key": sentence}``."""
    by_key: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        key = str(detail["loc"][0]) if detail["loc"] else ""
        by_key.setdefault(key, []).append(detail)
    return {
        _join(group, key) or "parameters": _sentence(group, key, details, model)
        for key, details in by_key.items()
    }


def _join(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _sentence(group: str, key: str, details: list[ErrorDetails], model: type[BaseModel]) -> str:
    detail = details[0]
    if detail["type"] == "extra_forbidden":
        return _unknown_in_group(group, key, model)
    field = model.model_fields.get(key)
    if detail["type"] in ("model_type", "dict_type"):
        return not_a_table(_join(group, key) or "The parameters", detail["input"])
    if field is None:
        name = _join(group, key) or "The parameters"
        return f"{name}: {detail['msg'].removeprefix('Value error, ')}"
    if len(detail["loc"]) > 1 and isinstance(detail["loc"][-1], int):
        details = [detail]  # the list counts as too short as well, which would only confuse
    requirement = " or ".join(dict.fromkeys(_requirement(item) for item in details))
    where = _join(group, key) + _index(detail)
    got = f"{where} must {requirement}, got {shown(detail['input'])}."
    return f"{got} {_meaning(field.description or '')} {_next_step(field)}"


def _unknown_in_group(group: str, key: str, model: type[BaseModel]) -> str:
    """Sentence about a key that its group does not have; another group may have it."""
    # The other groups are subclasses of the same base: importing them here would be a cycle.
    wanted = _MEANT.get(key.lower(), key)
    siblings: list[Any] = []
    for base in model.__bases__:
        siblings += type.__subclasses__(base)
    homes = {getattr(other, "group", "") for other in siblings if wanted in other.model_fields}
    if homes and group not in homes:
        names = sorted(_join(home, wanted) for home in homes)
        return f"There is no parameter {_join(group, key)!r}. Did you mean {' or '.join(names)}?"
    return unknown_name(_join(group, key), [_join(group, name) for name in model.model_fields])


def _next_step(field: FieldInfo) -> str:
    if _allows_none(field.annotation):
        return "Write none to have it found."
    return f"The default is {shown(field.get_default())}."


def _meaning(description: str) -> str:
    """Meaning of a parameter: the first sentence of its help."""
    first, dot, _ = description.partition(". ")
    return first + "." * bool(dot)


def _index(detail: ErrorDetails) -> str:
    """Index such as ``[1]``, where the second number of a list is the wrong one."""
    return "".join(f"[{part}]" for part in detail["loc"][1:] if isinstance(part, int))


def _requirement(detail: ErrorDetails) -> str:
    """Requirement such as ``be >= 1``, for ``Input should be greater than or equal to 1``."""
    if detail["type"] in ("too_short", "too_long"):
        return "have 2 numbers (y, x) or 3 (z, y, x)"
    message = detail["msg"]
    for long, short in (
        ("Input should be ", "be "),
        ("greater than or equal to ", ">= "),
        ("less than or equal to ", "<= "),
        ("greater than ", "> "),
        ("less than ", "< "),
        ("a valid boolean, unable to interpret input", "true or false"),
        ("a valid boolean", "true or false"),
        ("a valid integer, unable to parse string as an integer", "a whole number"),
        ("a valid integer, got a number with a fractional part", "a whole number"),
        ("a valid integer", "a whole number"),
        ("a valid number, unable to parse string as a number", "a number"),
        ("a valid number", "a number"),
        ("a valid string", "a word"),
        ("a valid tuple", "a list of numbers"),
    ):
        message = message.replace(long, short)
    return message.removeprefix("Value error, ")


def _allows_none(annotation: Any) -> bool:
    return type(None) in getattr(annotation, "__args__", ())


_LONGEST_LIST = 80
"""Letters of a list that a message shows; an array would fill a screen."""


def shown(value: Any) -> str:
    """A value as the user would write it."""
    if value is None:
        return "none"
    if isinstance(value, str) and not value:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, list | tuple):
        listed = "(" + ", ".join(shown(item) for item in value) + ")"
        return listed if len(listed) <= _LONGEST_LIST else f"{listed[: _LONGEST_LIST - 1]}…"
    return shown_in_one_line(value)
