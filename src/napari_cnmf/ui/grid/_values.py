"""Reads values of one parameter as a person types them."""

from __future__ import annotations

from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, ParameterField
from napari_cnmf.params.numbers import kind_of, split_values


def read_values(text: str, field: ParameterField, base: CNMFParams) -> tuple[Any, ...]:
    """Read the values in ``text``, each once, as the parameters take them.

    Raises
    ------
    ParameterError
        For no value, or one that the parameter does not take.

    Examples
    --------
    ``0.7, 0.85`` or ``0,7; 0,85`` for a number, ``4, 4; 6, 6`` for a size.
    """
    parts = split_values(text, kind_of(field.annotation), field.name)
    if not parts:
        raise ParameterError(f"{field.name} needs values. Write for example {example(field)}.")
    values: list[Any] = []
    for part in parts:
        changed = base.set(field.name, part)
        owner = getattr(changed, field.group) if field.group else changed
        value = getattr(owner, field.key)
        if value not in values:
            values.append(value)
    return tuple(values)


def write_value(value: Any) -> str:
    """Write a value as `read_values` takes it."""
    if isinstance(value, tuple | list):
        return ", ".join(write_value(part) for part in value)
    if isinstance(value, float):
        return f"{value:.15g}"
    return "none" if value is None else str(value)


def example(field: ParameterField) -> str:
    """Example of what might be typed."""
    if field.choices:
        return ", ".join(str(choice) for choice in field.choices)
    if kind_of(field.annotation).several:
        return "4, 4; 6, 6"
    return "0.7, 0.85"
