"""The product of chosen values of several parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams

Grid = Mapping[str, Sequence[Any]]
"""``{"init.gSig": [(4, 4), (6, 6)], "merging.merge_thr": [0.7, 0.85]}``"""


def expand_grid(params: CNMFParams, grid: Grid) -> list[tuple[str, CNMFParams]]:
    """Every combination of the values in ``grid``, on top of ``params``.

    Returns
    -------
    A label that tells the variant from the others, and its parameters; the last parameter of
    ``grid`` varies fastest.

    Raises
    ------
    ParameterError
        For a parameter without values, an unknown name, or a value out of bounds.
    """
    if not isinstance(grid, Mapping):
        raise ParameterError(
            f"A grid must be a table such as {{'init.gSig': [(4, 4), (6, 6)]}}, got {grid!r:.80}."
        )
    for name, values in grid.items():
        if not _is_list(values):
            raise ParameterError(
                f"A grid needs a list of values for each parameter, got {name}={values!r}. "
                f"Write {{'{name}': [first, second]}}."
            )
    variants = [("", params)]
    for name, values in grid.items():
        short = name.rpartition(".")[2]
        variants = [
            (f"{label} {short}={_show(value)}".strip(), variant.set(name, value))
            for label, variant in variants
            for value in values
        ]
    return variants


def _is_list(values: Any) -> bool:
    """Whether there is a value to try; an array or a range is a list too."""
    is_list = isinstance(values, Iterable) and not isinstance(values, str | Mapping)
    return is_list and bool(list(values))


def _show(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ",".join(str(part) for part in value)
    return str(value)
