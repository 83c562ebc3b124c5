"""Consequences of parameters on a given field: how many patches, how many cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

CELLS_PER_AREA = 0.35
"""Share of the field that cells fill in a usual recording, footprints taken as discs of gSig."""


def propose_K(
    dims: Sequence[int], gSig: Sequence[int], rf: int | Sequence[int] | None = None
) -> int:
    """Propose the number of components to look for, for an engine that must have one.

    Parameters
    ----------
    dims
        Field ``([Z], Y, X)`` in pixels.
    gSig
        Cell radius along the same axes, in pixels.
    rf
        Half-size of a patch; ``None`` for the whole field. With patches the number is per patch.

    Notes
    -----
    Area (or volume) over that of a cell, times the share of the field that cells usually fill.
    Meant as too many rather than too few: evaluation removes false components, nothing brings back
    what was not looked for.
    """
    widths = patch_widths(dims, rf)
    cell = math.pi * gSig[-2] * gSig[-1]
    if len(widths) == 3 and len(gSig) == 3:
        cell *= 4 / 3 * gSig[0]
    return max(1, math.ceil(CELLS_PER_AREA * math.prod(widths) / cell))


def patch_widths(dims: Sequence[int], rf: int | Sequence[int] | None) -> tuple[int, ...]:
    """Size of a patch in pixels along each axis; the field itself without patches."""
    if rf is None:
        return tuple(dims)
    radii = [rf] * len(dims) if isinstance(rf, int) else list(rf)
    return tuple(min(2 * radius, size) for radius, size in zip(radii, dims, strict=True))
