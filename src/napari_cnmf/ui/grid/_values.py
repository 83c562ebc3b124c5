"""Values of one parameter as a person types them."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, ParameterField, parse_value


def takes_several(field: ParameterField) -> bool:
    """Whether one value of the parameter may itself be several numbers, such as a size."""
    annotations = [field.annotation]
    while annotations:
        one = annotations.pop()
        if get_origin(one) in (tuple, list):
            return True
        annotations += get_args(one)
    return False


def split_values(text: str, field: ParameterField) -> list[str]:
    """The values in ``text``: behind semicolons, or behind commas where these are not needed."""
    separator = ";" if takes_several(field) or ";" in text else ","
    return [part.strip() for part in text.split(separator) if part.strip()]


def read_values(text: str, field: ParameterField, base: CNMFParams) -> tuple[Any, ...]:
    """The values in ``text``, each once, as the parameters take them.

    Raises
    ------
    ParameterError
        For no value, or one that the parameter does not take.

    Examples
    --------
    ``0.7, 0.85`` for a number, ``4, 4; 6, 6`` for a size.
    """
    parts = split_values(text, field)
    if not parts:
        raise ParameterError(f"{field.name} needs values. Write for example {example(field)}.")
    values: list[Any] = []
    for part in parts:
        changed = base.set(field.name, parse_value(part))
        owner = getattr(changed, field.group) if field.group else changed
        value = getattr(owner, field.key)
        if value not in values:
            values.append(value)
    return tuple(values)


def write_value(value: Any) -> str:
    """A value as `read_values` takes it."""
    if isinstance(value, tuple | list):
        return ", ".join(write_value(part) for part in value)
    if isinstance(value, float):
        return f"{value:.15g}"
    return "none" if value is None else str(value)


def example(field: ParameterField) -> str:
    """What might be typed."""
    if field.choices:
        return ", ".join(str(choice) for choice in field.choices)
    if takes_several(field):
        return "4, 4; 6, 6"
    return "0.7, 0.85"
