"""Types of parameters that hold one number for each axis of the field."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag


def _both_axes(value: Any) -> Any:
    """Turn one number into one for Y and one for X; older scripts write ``gSig = 4``."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return [value, value] if is_number else value


_ONE_PER_AXIS = Field(min_length=2, max_length=3)

Sizes = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...], _ONE_PER_AXIS, BeforeValidator(_both_axes)
]
"""Whole pixels, at least 1: ``(y, x)`` or ``(z, y, x)``."""

Margins = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...], _ONE_PER_AXIS, BeforeValidator(_both_axes)
]
"""Whole pixels, 0 allowed: ``(y, x)`` or ``(z, y, x)``."""

Lengths = Annotated[
    tuple[Annotated[float, Field(gt=0)], ...], _ONE_PER_AXIS, BeforeValidator(_both_axes)
]
"""Positive lengths: ``(y, x)`` or ``(z, y, x)``."""


def _one_or_several(value: Any) -> str:
    return "several" if isinstance(value, list | tuple) else "one"


PatchSize = Annotated[
    Annotated[Annotated[int, Field(ge=1)], Tag("one")] | Annotated[Sizes, Tag("several")],
    Discriminator(_one_or_several),
]
"""One size for every axis, or one for each."""

PatchOverlap = Annotated[
    Annotated[Annotated[int, Field(ge=0)], Tag("one")] | Annotated[Margins, Tag("several")],
    Discriminator(_one_or_several),
]
"""One overlap for every axis, or one for each."""
