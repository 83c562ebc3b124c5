"""The product of chosen values of several parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, read_foreign

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
    variants = [("", params)]
    varied: dict[tuple[str, int | None], str] = {}
    for name, given in grid.items():
        values = _listed(name, given)
        for value in values:
            read = read_foreign({name: value}, params)
            if read.report:
                raise ParameterError(f"A grid takes what changes a result. {read.report}")
            _refuse_twice(name, read.named, varied)
            varied |= dict.fromkeys(read.named, name)
        short = name.rpartition(".")[2]
        variants = [
            (f"{label} {short}={_show(value)}".strip(), variant.set(name, value))
            for label, variant in variants
            for value in values
        ]
    return variants


def _refuse_twice(
    name: str,
    named: Iterable[tuple[str, int | None]],
    varied: Mapping[tuple[str, int | None], str],
) -> None:
    """Refuse a name that sets what another name of the grid sets: the later would win."""
    for parameter, axis in named:
        for (earlier, other), by in varied.items():
            if by != name and earlier == parameter and (axis == other or None in (axis, other)):
                raise ParameterError(
                    f"A grid varies a parameter once, got {by!r} and {name!r}, which both set "
                    f"{parameter}. Put all of its values into one list."
                )


def _listed(name: str, values: Any) -> list[Any]:
    """Values to try; an array or a range is a list too."""
    is_list = isinstance(values, Iterable) and not isinstance(values, str | Mapping)
    listed = list(values) if is_list else []
    if not listed:
        raise ParameterError(
            f"A grid needs a list of values for each parameter, got {name}={values!r}. "
            f"Write {{'{name}': [first, second]}}."
        )
    return listed


def _show(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ",".join(str(part) for part in value)
    return str(value)
