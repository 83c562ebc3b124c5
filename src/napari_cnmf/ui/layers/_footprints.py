"""Turns sparse footprints into a label image and contours; arrays in, arrays out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import generate_binary_structure, label
from skimage.measure import label as label_regions

from napari_cnmf.errors import ResultError
from napari_cnmf.model.contours import CONTOUR_LEVEL, contours

__all__ = [
    "CONTOUR_LEVEL",
    "choose_oversampling",
    "contours",
    "drawn_areas",
    "drop_fragments",
    "fill_holes",
    "label_image",
    "outline",
    "relative_footprints",
]

MAX_LABELS = np.iinfo(np.uint16).max
_FINE_PIXELS_PER_PLANE = 1024 * 1024
_MAX_OVERSAMPLING = 8


def choose_oversampling(dims: tuple[int, ...]) -> int:
    """Choose how many label pixels a field pixel is split into along y and x.

    An outline drawn in field pixels is a thick staircase on a field of 128 x 128; split eight-fold
    it is a smooth line. Large fields need no splitting and could not afford it.

    Parameters
    ----------
    dims
        Field ``(Y, X)`` or ``(Z, Y, X)`` in pixels.
    """
    pixels = int(np.prod(dims))
    factor = int(np.sqrt(_FINE_PIXELS_PER_PLANE / max(pixels, 1)))
    return int(np.clip(factor, 1, _MAX_OVERSAMPLING))


def relative_footprints(A: sp.csc_matrix) -> sp.csc_matrix:
    """Footprints scaled to a maximum of 1 each, ``(n_pixels, n_components)`` float32.

    A footprint without a positive pixel becomes empty.
    """
    A = sp.csc_matrix(A, dtype=np.float32)
    peaks = np.zeros(A.shape[1], np.float32)
    filled = np.flatnonzero(np.diff(A.indptr))
    if filled.size:
        peaks[filled] = np.maximum.reduceat(A.data, A.indptr[filled])
    of_pixel = np.repeat(peaks, np.diff(A.indptr))
    data = np.divide(A.data, of_pixel, out=np.zeros_like(A.data), where=of_pixel > 0)
    return sp.csc_matrix((data, A.indices, A.indptr), shape=A.shape)


def label_image(
    A: sp.csc_matrix,
    dims: tuple[int, ...],
    *,
    level: float = CONTOUR_LEVEL,
    oversampling: int = 1,
    behind: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint16]:
    """Draw all components into one image: column ``i`` of ``A`` has label ``i + 1``.

    Where footprints overlap the pixel goes to the component with the largest weight relative to
    its own maximum.

    Parameters
    ----------
    A
        Footprints ``(n_pixels, n_components)``, pixels in C order of ``dims``.
    dims
        Field ``(Y, X)`` or ``(Z, Y, X)``.
    level
        Fraction of a footprint's maximum below which it is not drawn.
    oversampling
        Factor along y and x; footprints are interpolated linearly.
    behind
        ``(n_components,)``: these are drawn only where no other component is.

    Returns
    -------
    ndarray
        uint16 ``(Y * oversampling, X * oversampling)``, with ``Z`` in front for a volume.

    Raises
    ------
    ResultError
        With more components than uint16 has labels.
    """
    if A.shape[1] > MAX_LABELS:
        raise ResultError(
            f"At most {MAX_LABELS} components can be shown at once, got {A.shape[1]}. "
            "Open the accepted ones alone."
        )
    weights = relative_footprints(A)
    shape = dims
    if oversampling > 1:
        weights = _upsampler(dims, oversampling) @ weights
        shape = (*dims[:-2], dims[-2] * oversampling, dims[-1] * oversampling)
    rows = sp.csr_matrix(weights)
    if behind is None or not behind.any():
        return _strongest_label(rows, level).reshape(shape)
    front = rows.copy()
    front.data[behind[front.indices]] = 0
    labels = _strongest_label(front, level)
    return np.where(labels > 0, labels, _strongest_label(rows, level)).reshape(shape)


def _strongest_label(weights: sp.csr_matrix, level: float) -> NDArray[np.uint16]:
    """Label of the largest weight in each row, 0 where none reaches ``level``."""
    labels = np.zeros(weights.shape[0], np.uint16)
    counts = np.diff(weights.indptr)
    rows = np.flatnonzero(counts)
    if not rows.size:
        return labels
    largest = np.maximum.reduceat(weights.data, weights.indptr[rows])
    is_largest = weights.data == np.repeat(largest, counts[rows])
    row_of = np.repeat(rows, counts[rows])
    drawn = is_largest & (weights.data >= level)
    labels[row_of[drawn]] = weights.indices[drawn] + 1
    return labels


@lru_cache(maxsize=4)
def _upsampler(dims: tuple[int, ...], factor: int) -> sp.csr_matrix:
    """Matrix of linear interpolation in the plane, ``(n_pixels * factor**2, n_pixels)``."""
    plane = sp.kron(_interpolator(dims[-2], factor), _interpolator(dims[-1], factor), format="csr")
    if len(dims) == 3:
        plane = sp.kron(sp.identity(dims[0], dtype=np.float32), plane, format="csr")
    return sp.csr_matrix(plane, dtype=np.float32)


def _interpolator(n: int, factor: int) -> sp.csr_matrix:
    """Matrix of linear interpolation along one axis, ``(n * factor, n)``, held at the ends."""
    position = np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1)
    left = np.minimum(position.astype(np.intp), max(n - 2, 0))
    weight = (position - left).astype(np.float32)
    fine = np.arange(n * factor)
    if n == 1:
        return sp.csr_matrix(np.ones((factor, 1), np.float32))
    return sp.csr_matrix(
        (
            np.concatenate([1 - weight, weight]),
            (np.concatenate([fine, fine]), np.concatenate([left, left + 1])),
        ),
        shape=(n * factor, n),
        dtype=np.float32,
    )


def drawn_areas(A: sp.csc_matrix, level: float) -> NDArray[np.intp]:
    """Number of pixels of each footprint down to a level, ``(n_components,)``."""
    relative = relative_footprints(A)
    columns = np.repeat(np.arange(A.shape[1]), np.diff(relative.indptr))
    return np.bincount(columns[relative.data >= level], minlength=A.shape[1])


def drop_fragments(
    labels: NDArray[np.uint16], areas: NDArray[np.integer], least: float = 0.2
) -> NDArray[np.uint16]:
    """Remove the crumbs that two footprints of about equal weight leave inside each other.

    Parameters
    ----------
    labels
        ``(..., Y, X)``; 0 is background.
    areas
        Label pixels that each component would have alone, ``(n_components,)``.
    least
        Parts of a label smaller than this share of that go where they touch another label. Parts
        that lie alone, as those of a dendrite do, stay.
    """
    regions, n = label_regions(  # type: ignore[no-untyped-call]
        labels, background=0, connectivity=1, return_num=True
    )
    sizes = np.bincount(regions.ravel(), minlength=n + 1)
    whose = np.zeros(n + 1, labels.dtype)
    whose[regions.ravel()] = labels.ravel()
    is_crumb = sizes < least * np.concatenate([[0], areas])[whose]
    is_crumb[0] = False
    if not is_crumb.any():
        return labels
    touches = np.zeros(n + 1, bool)
    for axis in (-2, -1):
        ahead, behind = _along(axis, slice(1, None)), _along(axis, slice(None, -1))
        differ = (labels[ahead] != labels[behind]) & (labels[ahead] != 0) & (labels[behind] != 0)
        touches[regions[ahead][differ]] = True
        touches[regions[behind][differ]] = True
    return np.where((is_crumb & touches)[regions], np.uint16(0), labels)


def fill_holes(labels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Give the background that one label encloses in a plane, such as a dark nucleus, to it.

    Parameters
    ----------
    labels
        ``(..., Y, X)``; 0 is background.
    """
    structure = np.zeros((3,) * labels.ndim, bool)
    centre = (1,) * (labels.ndim - 2)
    structure[centre] = generate_binary_structure(2, 1)
    regions, n = label(labels == 0, structure)
    lowest = np.full(n + 1, MAX_LABELS, np.uint16)
    highest = np.zeros(n + 1, np.uint16)
    for axis in (-2, -1):
        ahead, behind = _along(axis, slice(1, None)), _along(axis, slice(None, -1))
        for here, there in ((ahead, behind), (behind, ahead)):
            touching = (labels[here] == 0) & (labels[there] != 0)
            region, neighbour = regions[here][touching], labels[there][touching]
            np.minimum.at(lowest, region, neighbour)
            np.maximum.at(highest, region, neighbour)
    owner = np.where(lowest == highest, highest, 0).astype(np.uint16)
    # What reaches the border of the field is not enclosed.
    for edge in (slice(0, 1), slice(-1, None)):
        owner[regions[_along(-2, edge)]] = 0
        owner[regions[_along(-1, edge)]] = 0
    return np.where(labels == 0, owner[regions], labels)


def outline(labels: NDArray[np.uint16], thickness: int = 1) -> NDArray[np.uint16]:
    """Keep the rim of each label, in the planes of the last two axes.

    Parameters
    ----------
    labels
        ``(..., Y, X)``; 0 is background.
    thickness
        Width of the rim in label pixels, drawn inwards.
    """
    inner = labels != 0
    for axis in (-2, -1):
        n = labels.shape[axis]
        inner[_along(axis, slice(None, thickness))] = False
        inner[_along(axis, slice(max(n - thickness, 0), None))] = False
        for step in range(1, min(thickness, n - 1) + 1):
            ahead = _along(axis, slice(step, None))
            behind = _along(axis, slice(None, -step))
            same = labels[ahead] == labels[behind]
            inner[behind] &= same
            inner[ahead] &= same
    return np.where(inner, np.uint16(0), labels)


def _along(axis: int, part: slice) -> Any:
    return (..., part, slice(None)) if axis == -2 else (..., part)
