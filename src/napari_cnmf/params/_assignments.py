"""Reads ``group.key=value`` as typed on a command line."""

from __future__ import annotations

import ast
import re
from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.params._plain import to_plain
from napari_cnmf.params.caiman_keys import PASSED_ON, SET_BY_ENGINE
from napari_cnmf.params.groups import GROUPS
from napari_cnmf.params.numbers import parse_number

_WITH_UNDERSCORE = re.compile(r"\d_\d")
_NOT_FINITE = frozenset(
    sign + word for sign in ("", "+", "-") for word in ("nan", "inf", "infinity")
)
_WORDS: dict[str, Any] = {"none": None, "null": None, "true": True, "false": False}


def parse_assignment(text: str) -> tuple[str, str]:
    """Split ``init.gSig=5,5`` into ``("init.gSig", "5,5")``.

    The value stays text: what a comma means depends on the parameter, whose model reads it.

    Raises
    ------
    ParameterError
        Where there is no name or no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ParameterError(
            f"A setting must be NAME=VALUE, got {text!r}. Write for example init.gSig=5,5."
        )
    return name.strip(), value.strip()


def parse_value(text: str) -> Any:
    """A value as a person types it: ``5``, ``5,5``, ``(5, 5)``, ``none``, ``true``, ``oasis``.

    Literals only, never evaluated; what is no literal is a word.
    """
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WITH_UNDERSCORE.search(text):  # to Python, 30_5 is 305
        return text
    try:
        return to_plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    if "," in text and text[0] not in "([{'\"":
        return [parse_value(part) for part in text.split(",") if part.strip()]
    return text


def passed_on(group: str, key: str, value: Any) -> Any:
    """Value of a key without a model, read by the kind of its default in CaImAn."""
    if not isinstance(value, str) or (group in GROUPS and key in GROUPS[group].model_fields):
        return value
    default = PASSED_ON.get(group, {}).get(key)
    if isinstance(default, int | float) and not isinstance(default, bool):
        number = parse_number(value, f"{group}.{key}")
        if number is None and (value.strip().lower() in _NOT_FINITE or "_" in value):
            raise ParameterError(f"{group}.{key} must be a number, got {value!r}. Write it as 2.5.")
        return parse_value(value) if number is None else number
    return parse_value(value)


def homes_of(key: str) -> list[str]:
    """Groups that a key without a group sets: every modelled one that has it, else CaImAn's."""
    modelled = [group for group, model in GROUPS.items() if key in model.model_fields]
    passed_on = [group for group, keys in PASSED_ON.items() if key in keys]
    return modelled or passed_on or [group for group, keys in SET_BY_ENGINE.items() if key in keys]


def all_keys() -> list[str]:
    """Every key without its group."""
    return [name.rpartition(".")[2] for name in all_names()]


def all_names() -> list[str]:
    """Every ``group.key``, and ``random_seed``."""
    modelled = [f"{group}.{key}" for group, model in GROUPS.items() for key in model.model_fields]
    passed_on = [f"{group}.{key}" for group, keys in PASSED_ON.items() for key in keys]
    return [*modelled, *passed_on, "random_seed"]
