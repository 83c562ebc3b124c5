"""Turns outlines drawn in a field into its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import CurationError

_SPECK = 0.1
"""Loops with a smaller share of the largest one are slips of the hand, and left out."""
_ELLIPSE_VERTICES = 64


def pixels_inside(
    vertices: NDArray[np.floating], dims: tuple[int, ...], *, below: int = 0, above: int = 0
) -> NDArray[np.int64]:
    """C-order pixels of the field whose centres lie inside an outline.

    Parameters
    ----------
    vertices
        ``(n, 2)`` as (y, x), or ``(n, 3)`` as (z, y, x) in one plane, in pixels whose centres are
        integers; may reach out of the field.
    dims
        Field ``(Y, X)`` or ``(Z, Y, X)``.
    below, above
        In a volume: so many planes below and above the drawn one are covered too.

    Raises
    ------
    CurationError
        When the outline lies outside of the field, covers no pixel, or crosses itself into loops
        of which it cannot be told which one is meant.
    """
    vertices = np.asarray(vertices, np.float64)
    if vertices.ndim != 2 or len(vertices) < 3 or not np.isfinite(vertices).all():
        raise CurationError(
            f"An outline needs three points or more, got {len(vertices)}. Draw around the cell."
        )
    inside = _plane_mask(np.asarray(vertices[:, -2:], np.float64), dims[-2:])
    if len(dims) == 2:
        mask = inside
    else:
        mask = np.zeros(dims, np.bool_)
        z = round(float(vertices[:, 0].mean()))
        if not 0 <= z < dims[0]:
            raise CurationError(
                f"The outline must lie in one of the {dims[0]} planes, got plane {z}. "
                "Move the slider to a plane of the volume, then draw."
            )
        mask[max(z - below, 0) : z + above + 1] = inside
    return np.flatnonzero(mask).astype(np.int64)


def _plane_mask(vertices: NDArray[np.float64], plane: tuple[int, ...]) -> NDArray[np.bool_]:
    limit = np.array(plane)
    low, high = np.floor(vertices.min(axis=0)), np.ceil(vertices.max(axis=0))
    if (high < 0).any() or (low > limit - 1).any():
        raise CurationError(
            "The outline lies outside of the image. Draw it around something inside."
        )
    _refuse_loops(vertices)
    # In a box of its own, as far as it may reach out of the field.
    low, high = np.maximum(low, -limit).astype(int), np.minimum(high, 2 * limit).astype(int)
    shape = tuple(high - low + 1)
    # Loaded where something is drawn: a worker comes past this module and draws nothing.
    from scipy.ndimage import binary_fill_holes
    from skimage.draw import polygon2mask

    drawn = polygon2mask(shape, vertices - low)  # type: ignore[no-untyped-call]
    # What a slip of the hand goes around twice counts as outside to the even-odd rule.
    box = np.asarray(binary_fill_holes(drawn), bool)
    mask = np.zeros(plane, np.bool_)
    start, stop = np.maximum(low, 0), np.minimum(high + 1, limit)
    here = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    there = tuple(slice(a - o, b - o) for a, b, o in zip(start, stop, low, strict=True))
    mask[here] = box[there]
    if not mask.any():
        raise CurationError(
            "The outline covers no pixel: it is too small or too thin. Zoom in and draw around "
            "the cell."
        )
    return mask


def _refuse_loops(vertices: NDArray[np.float64]) -> None:
    """Raise where the outline crosses itself in more than a slip."""
    ends = np.roll(vertices, -1, axis=0)
    n = len(vertices)
    for i, j in _crossings(vertices, ends):
        point = _meeting(vertices[i], ends[i], vertices[j], ends[j])
        inner = vertices[i + 1 : j + 1]
        outer = np.roll(vertices, -j - 1, axis=0)[: n - j + i]
        areas = [_area(np.vstack([point, loop])) for loop in (inner, outer)]
        if min(areas) > max(_SPECK * max(areas), 1.0):
            raise CurationError(
                "The outline crosses itself: it cannot be told which of its loops is meant. "
                "Draw it in one go around the cell."
            )


def _crossings(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.intp]:
    """Pairs ``(n, 2)`` of segments that cross each other between their ends."""

    def side(a: NDArray[np.float64], b: NDArray[np.float64], p: NDArray[np.float64]) -> Any:
        along, to = (b - a)[:, np.newaxis], p[np.newaxis] - a[:, np.newaxis]
        return np.sign(along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0])

    apart = side(start, end, start) * side(start, end, end) < 0
    return np.argwhere(np.triu(apart & apart.T, k=2))


def _meeting(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], d: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Point where the line through a and b meets that through c and d."""
    share = np.linalg.solve(np.stack([b - a, c - d], axis=1), c - a)[0]
    return np.asarray(a + share * (b - a), np.float64)


def _area(vertices: NDArray[np.float64]) -> float:
    """Area of a polygon."""
    y, x = vertices.T
    return float(abs(np.sum(y * np.roll(x, -1) - x * np.roll(y, -1))) / 2)


def ellipse_vertices(corners: NDArray[np.floating]) -> NDArray[np.float64]:
    """Outline ``(64, n_axes)`` of the ellipse inside a box of four corners in turn."""
    corners = np.asarray(corners, float)
    centre = corners.mean(axis=0)
    first, second = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_VERTICES, endpoint=False)[:, np.newaxis]
    return np.asarray(centre + np.cos(angles) * first + np.sin(angles) * second, np.float64)


def sides_of_line(
    vertices: NDArray[np.floating], pixels: NDArray[np.integer], dims: tuple[int, ...]
) -> list[NDArray[np.int64]]:
    """Pixels on either side of the line through the first and the last vertex."""
    start, end = vertices[0, -2:], vertices[-1, -2:]
    y, x = np.unravel_index(pixels, dims)[-2:]
    side = (end[0] - start[0]) * (x - start[1]) - (end[1] - start[1]) * (y - start[0])
    return [np.asarray(pixels[side <= 0], np.int64), np.asarray(pixels[side > 0], np.int64)]
