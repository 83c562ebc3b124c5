"""The geometry of footprints, in units of gSig.

Measured on the support ``a > 0.2 max`` with its holes filled (nucleus-excluded cells are
rings); of a volume's footprint on its projection along Z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.footprints import SUPPORT, dilate, filled_cores, smooth_planes

_ROUND, _SOLID, _WIDE_ENOUGH, _FEWEST = 0.88, 0.8, 0.3, 5
"""Eccentricity, solidity, width and number of what tells the size of a movie's cells."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """Geometry of each component, arrays ``(n,)`` float64.

    Attributes
    ----------
    width
        Radius of the largest circle inside the smoothed footprint, closed by one pixel, in gSig.
        Noise frays the outline of a weak component: unclosed, one cell in ten of a noisy movie is
        narrower than it is.
    eccentricity
        ``sqrt(1 - (short / long)^2)`` of the standard deviations of the support along its axes.
    solidity
        Area over the area of the convex hull, of the smoothed footprint.
    area
        In gSig^2.
    """

    width: NDArray[np.float64]
    eccentricity: NDArray[np.float64]
    solidity: NDArray[np.float64]
    area: NDArray[np.float64]


def inscribed_radius(masks: NDArray[np.bool_], unit_y: float, unit_x: float) -> NDArray[np.float64]:
    """Radius of the largest circle inside each mask, lengths over their units; 0 if empty.

    From the distance of each pixel to the nearest one outside, along the rows and then across
    them (Felzenszwalb and Huttenlocher 2012, Theory Comput 8, 415, eq. 2 and 3).
    """
    free = np.pad(~masks, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    n_y, n_x = free.shape[1:]
    at = np.arange(n_x, dtype=np.float32)
    before = np.maximum.accumulate(np.where(free, at, -np.float32(n_x)), axis=2)
    after = np.minimum.accumulate(np.where(free, at, np.float32(2 * n_x))[..., ::-1], axis=2)
    along = (np.minimum(at - before, after[..., ::-1] - at) / np.float32(unit_x)) ** 2
    square = along.copy()
    for step in range(1, n_y):
        across = np.float32((step / unit_y) ** 2)
        if across >= square.max(initial=0):
            break
        np.minimum(square[:, step:], along[:, :-step] + across, out=square[:, step:])
        np.minimum(square[:, :-step], along[:, step:] + across, out=square[:, :-step])
    widest = square.max((1, 2), initial=0).astype(np.float64)
    return np.where(widest > 0, np.sqrt(widest) - 0.5 / np.sqrt(unit_y * unit_x), 0.0)


def hull_areas(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Area of the convex hull of each mask ``(n, by, bx)`` in pixels; 0 if empty.

    Of the corners of the outermost pixels of each row: a side of the hull is the least concave
    curve over them, at each edge between rows the highest chord above it.
    """
    n, by, bx = masks.shape
    used = masks.any(2)
    width = np.zeros((n, by + 1))
    for side in (masks, masks[:, :, ::-1]):
        last = np.where(used, 0.5 * bx - side.argmax(2), -np.inf)
        edge = np.full((n, by + 1), -np.inf)
        edge[:, :-1] = last
        np.maximum(edge[:, 1:], last, out=edge[:, 1:])
        curve = edge.copy()
        for k in range(1, by):
            above, below = k - np.arange(k)[:, None], np.arange(1, by + 1 - k)
            share = above / (above + below)
            chords = (1 - share) * edge[:, :k, None] + share * edge[:, None, k + 1 :]
            np.maximum(curve[:, k], chords.max((1, 2)), out=curve[:, k])
        width += curve
    between = 0.5 * (width[:, 1:] + width[:, :-1])
    return np.asarray(np.where(np.isfinite(between), between, 0.0).sum(1))


def _spreads(
    masks: NDArray[np.bool_], unit_y: float, unit_x: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances along the short and the long axis of each mask, lengths over their units."""
    weight = masks / np.maximum(masks.sum((1, 2)), 1)[:, None, None]
    y = np.arange(masks.shape[1]) / unit_y
    x = np.arange(masks.shape[2]) / unit_x
    rows, columns = weight.sum(2), weight.sum(1)
    my, mx = rows @ y, columns @ x
    # A pixel is a unit square: its own variance of 1/12 keeps small supports from degenerating.
    syy = rows @ y**2 - my**2 + 1 / (12 * unit_y**2)
    sxx = columns @ x**2 - mx**2 + 1 / (12 * unit_x**2)
    sxy = np.einsum("kyx,y,x->k", weight, y, x) - my * mx
    half = 0.5 * (syy + sxx)
    spread = np.sqrt(np.maximum(0.25 * (syy - sxx) ** 2 + sxy**2, 0))
    return np.maximum(half - spread, 1e-12), half + spread


def measure_shapes(
    images: NDArray[np.float32], unit_y: float, unit_x: float, level: float = SUPPORT
) -> Shapes:
    """Geometry of footprints or other images.

    Parameters
    ----------
    images
        ``(n, by, bx)``.
    unit_y, unit_x
        Pixels of the unit of length along each axis: gSig.
    level
        Share of an image's peak above which its pixels belong to the shape.
    """
    core = filled_cores(images[:, None], level)[:, 0]
    smooth = filled_cores(smooth_planes(images[:, None]), level)[:, 0]
    small, large = _spreads(core, unit_y, unit_x)
    return Shapes(
        width=inscribed_radius(_closed(smooth), unit_y, unit_x),
        eccentricity=np.sqrt(np.maximum(1 - small / large, 0)),
        solidity=smooth.sum((1, 2)) / np.maximum(hull_areas(smooth), 1e-12),
        area=core.sum((1, 2)) / (unit_y * unit_x),
    )


def _closed(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Masks with gaps of one pixel closed and holes filled, ``(n, by + 2, bx + 2)``."""
    wide = dilate(np.pad(masks, ((0, 0), (1, 1), (1, 1))))
    closed = ~dilate(~wide)
    return filled_cores(closed[:, None].astype(np.float32))[:, 0]


def typical_width(
    shapes: Shapes, weight: NDArray[np.floating], is_whole: NDArray[np.bool_]
) -> float | None:
    """The movie's own cell size in gSig: weighted median width of round components.

    ``None`` when there are fewer than five whole ones to go by.
    """
    good = (shapes.eccentricity < _ROUND) & (shapes.solidity >= _SOLID) & is_whole
    good &= shapes.width > _WIDE_ENOUGH
    if good.sum() < _FEWEST:
        return None
    order = np.argsort(shapes.width[good])
    total = np.cumsum(np.maximum(weight[good], 0)[order])
    return float(shapes.width[good][order][np.searchsorted(total, 0.5 * total[-1])])
