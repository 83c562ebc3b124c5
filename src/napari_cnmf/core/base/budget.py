"""The user's memory budget against what a run takes."""

from __future__ import annotations

import math

from napari_cnmf.errors import ParameterError


def check_budget(needed_gb: float, memory_gb: float | None) -> None:
    """Refuse a budget that does not do.

    Raises
    ------
    ParameterError
        With the least that would do.
    """
    if memory_gb is None or needed_gb <= memory_gb:
        return
    raise ParameterError(
        f"memory_gb must be at least {math.ceil(100 * needed_gb) / 100:.2f} for this movie, got "
        f"{memory_gb:.3g}. Raise it, close other programs, or run fewer items at a time."
    )
