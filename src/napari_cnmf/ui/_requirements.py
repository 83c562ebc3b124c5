"""Checks for the oldest napari that the docks work with."""

from __future__ import annotations

import re
from importlib.metadata import version

LEAST_NAPARI = (0, 6, 6)


def require_napari() -> None:
    """Refuse a napari that is too old.

    Raises
    ------
    ImportError
        One sentence that says what is needed and how to get it.
    """
    found = version("napari")
    if tuple(int(part) for part in re.findall(r"\d+", found)[:3]) < LEAST_NAPARI:
        least = ".".join(map(str, LEAST_NAPARI))
        raise ImportError(
            f"napari-cnmf needs napari {least} or newer, this is napari {found}. Update it with: "
            'pip install --upgrade "napari[all]"'
        )
