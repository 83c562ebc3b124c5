"""Converts the circle around a cell to gSig and gSiz, in the two conventions there are.

Two-photon: gSig is the half-width of a cell, gSiz its width, ``2 gSig + 1``. One-photon: a cell is
a blurred spot; gSig is the standard deviation of its brightness, half of the radius at which it
ends, and gSiz the width of the whole spot, ``4 gSig + 1``. The circle that a person draws is the
same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_HALF_HEIGHT = math.sqrt(2 * math.log(2))
"""Half-width at half height of a Gaussian, in its standard deviations."""

TWO_PHOTON = (
    "Two-photon: gSig is half the width of a cell, gSiz = 2 gSig + 1 the square that holds it."
)
ONE_PHOTON = (
    "One-photon: gSig is the standard deviation of the blurred cell, half the circle's radius; "
    "gSiz = 4 gSig + 1 is the square that holds all of it."
)


@dataclass(frozen=True)
class CellSize:
    """A cell's size as parameters.

    Attributes
    ----------
    gSig, gSiz
        Along (y, x) or (z, y, x), whole pixels.
    """

    gSig: tuple[int, ...]
    gSiz: tuple[int, ...]


def size_of_circle(radius_px: float, *, one_photon: bool) -> CellSize:
    """Size for cells around which a circle of this radius in pixels was drawn."""
    g = max(1, round(radius_px / 2 if one_photon else radius_px))
    return _square(g, one_photon)


def size_of_half_height(
    radius_px: float, *, one_photon: bool, depth_px: float | None = None
) -> CellSize:
    """Size for cells whose brightness falls to half at this radius in pixels.

    Parameters
    ----------
    depth_px
        In a volume, the same along z, in planes.

    See Also
    --------
    napari_cnmf.core.lab.cells.measure_cells : measures it.
    """
    factor = 1 / _HALF_HEIGHT if one_photon else 1.0
    size = _square(max(1, round(radius_px * factor)), one_photon)
    if depth_px is None:
        return size
    deep = _square(max(1, round(depth_px * factor)), one_photon)
    return CellSize((deep.gSig[0], *size.gSig), (deep.gSiz[0], *size.gSiz))


def circle_radius(gSig: tuple[int, ...], *, one_photon: bool) -> float:
    """The inverse of `size_of_circle`: radius of the circle around a cell, pixels."""
    g = math.sqrt(gSig[-2] * gSig[-1])
    return 2 * g if one_photon else g


def is_usual(gSig: tuple[int, ...], gSiz: tuple[int, ...] | None) -> bool:
    """Whether gSiz follows from gSig in either convention, and so says nothing more."""
    return gSiz is None or gSiz in tuple(tuple(n * g + 1 for g in gSig) for n in (2, 4))


def with_depth(size: CellSize, gSig: tuple[int, ...]) -> CellSize:
    """Size in a volume, with the depth of ``gSig`` (z, y, x); otherwise as it is in a plane."""
    if len(gSig) == 2 or len(size.gSig) == 3:
        return size
    z = gSig[0]
    depth = z * (size.gSiz[0] - 1) // size.gSig[0] + 1
    return CellSize((z, *size.gSig), (depth, *size.gSiz))


def _square(g: int, one_photon: bool) -> CellSize:
    width = (4 if one_photon else 2) * g + 1
    return CellSize((g, g), (width, width))
